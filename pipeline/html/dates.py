"""When a page was published, where its head does not say so: htmldate reads markup and text for it.

Deterministic: no date after the page's own crawl is taken, so that nothing depends on today. htmldate's extensive
search is off: it takes five times as long, and much of what it adds are years of copyright notices. Its fast mode takes
three milliseconds, and at most a tenth of a second on the most hostile pages tried, so that it needs no helper process.
"""

import logging
import re
from datetime import date

from lxml.etree import LxmlError

MAX_CHARACTERS = 200_000  # of the page; what is published says so before
DAY = re.compile(r"((?:19|20)\d\d)-?(\d\d)-?(\d\d)")


def find_date(html: str, url: str, crawled: str) -> str:
    """Return the day on which a page says it was published, as YYYY-MM-DD, or ""; never one after its crawl.

    Where only a month can be had, it is the first of that month, as htmldate has it.
    `crawled` is the capture's date as WARC (ISO 8601) or ARC (14 digits) write it; without one nothing is guessed.
    """
    latest = DAY.match(crawled)
    if not latest:
        return ""
    import htmldate

    logging.getLogger("htmldate").setLevel(logging.CRITICAL)  # it logs every page that it cannot parse
    try:
        found = htmldate.find_date(
            html[:MAX_CHARACTERS],
            extensive_search=False,
            original_date=True,
            url=url or None,
            max_date="-".join(latest.groups()),
        )
        return date.fromisoformat(found).isoformat() if found else ""
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError, RecursionError, LxmlError):
        return ""  # a page that it cannot take has no date
