"""The name of a Common Crawl dump in the path of one of its files. A pure function."""

import re
from functools import lru_cache

# CC-MAIN-2024-10 (year and week); the first crawls have other names: CC-MAIN-2008-2009, CC-MAIN-2012.
DUMP_NAME = re.compile(r"(?:^|/)(CC-MAIN-20\d\d(?:-\d\d|-20\d\d)?)(?=/)")


@lru_cache(maxsize=1024)
def find_dump(path: str) -> str | None:
    """Return the dump that a crawl file's path names as one of its folders; None where it names none."""
    found = DUMP_NAME.search(path)
    return found[1] if found else None
