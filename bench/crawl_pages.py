"""Read the pages of crawl files with their main texts."""

from collections.abc import Iterable
from typing import NamedTuple


class CrawlPage(NamedTuple):
    """A page with its main text."""

    id: str
    url: str
    text: str


def read_crawl_pages(
    paths: Iterable[str], engine_name: str = "resiliparse", objective: str = "balanced"
) -> list[CrawlPage]:
    """Return the responses of WARC files in their order. A page without main text has the text ""."""
    from pipeline.html.charset import decode_body
    from pipeline.html.engines import PageError, load_engine
    from pipeline.html.http import parse_response
    from pipeline.warc.reader import CrawlRecord, read_crawl_records

    engine, pages = load_engine(engine_name, objective=objective), []
    for path in paths:
        with open(path, "rb") as source:
            for record in read_crawl_records(source):
                if isinstance(record, CrawlRecord) and record.type == "response":
                    response = parse_response(record.block)
                    html = decode_body(response.body, response.header("content-type"))[0]
                    try:
                        text = engine(html, record.url).text
                    except PageError:
                        text = ""
                    pages.append(CrawlPage(record.id, record.url, text))
    return pages
