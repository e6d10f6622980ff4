"""Pages that were made to hold up a run: each is charged a reason or extracted, and its neighbours are kept."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import build_config
from pipeline.extract.job import page_stages
from pipeline.extract.page import Page, settle_page
from pipeline.extract.read_crawl import read_split
from pipeline.extract.splits import Split
from pipeline.io.ledger import FileLedger
from pipeline.url.filter import UrlFilter
from tests.pipeline.crawls import article, html, record

UNDECLARED = b"HTTP/1.1 200 OK\r\n\r\n"
DECLARED = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


@pytest.fixture
def process(tmp_path: Path) -> Callable[[list[bytes]], list[Page]]:
    """Return a function that gives what becomes of the records of a crawl file."""
    config = build_config({"inputs": ["x"], "output": "none", "extract": {"engine": "gristmill"}})
    urls = UrlFilter(config.url)
    stages = [stage.load() for stage in page_stages(config)]

    def run(records: list[bytes]) -> list[Page]:
        path = tmp_path / "a.warc.gz"
        path.write_bytes(b"".join(gzip.compress(item) for item in records))
        split = Split(str(path), "a", 0, None, path.stat().st_size, None)
        pages = list(read_split(split, urls, config.input, config.robots, FileLedger()))
        for stage in stages:
            pages = stage(pages)
        return [settle_page(page) for page in pages]

    return run


@pytest.mark.parametrize(
    ("url", "block", "key"),
    [
        ("https://a.test/", UNDECLARED + b"<!---->" * 60 + b"hello world", "mime/not-html"),
        ("https://a.test/", UNDECLARED + b"<!-- a -->\n" * 60 + b"<section>", "mime/not-html"),
        ("https://a.test/", DECLARED + b"caf\xe9 \xff\xe8 " * 10 + b"<!--" * 65_000, None),
        ("https://a.test/", DECLARED + b"caf\xe9 \xff\xe8 " * 10 + b"<script " * 30_000, None),
        ("https://a.test/" + "index.html/" * 20_000, DECLARED + b"<p>x", "url/too-long"),
        ("https://" + "www." * 2_000 + "test/", DECLARED + b"<p>x", None),
        ("https://a.test/", DECLARED + b"X" * 10 + b"<p>" + "\u0316\u0300".encode() * 100_000, None),
        ("https://a.test/", DECLARED + b"<p>" + b"." * 200_000, None),
        ("https://a.test/", DECLARED + b"<title>&#" + b"9" * 5_000 + b";</title><p>&#" + b"9" * 5_000, None),
        ("https://a.test/", b"HTTP/1.1 200 OK\r\nX: y\r\n" + b" z\r\n" * 300_000 + b"\r\n<p>x", None),
        (
            "https://a.test/",
            DECLARED + b"<script type='application/ld+json'>[" + b'{"@graph":[1]},' * 80_000 + b"1]</script><p>x",
            None,
        ),
    ],
    ids=[
        "comments before no tag", "comments before an unknown tag", "unclosed comments", "unclosed scripts",
        "long path", "www. chain", "combining marks", "full stops", "long numbers", "folded header", "graphs",
    ],
)  # fmt: skip
def test_a_hostile_page_ends_and_its_neighbours_are_kept(
    process: Callable[[list[bytes]], list[Page]], url: str, block: bytes, key: str | None
) -> None:
    good = [record("response", f"https://good.test/{n}", DECLARED + html(article(n)).encode(), n) for n in range(2)]
    first, hostile, last = process([good[0], record("response", url, block, 2), good[1]])
    assert (first.key, last.key) == ("kept", "kept")
    assert hostile.key != "kept" and (key is None or hostile.key == key)


def test_terminal_escapes_are_in_no_page(process: Callable[[list[bytes]], list[Page]]) -> None:
    text = "\x1b]0;PWNED\x07\x1b[31mRED\x1b[2J\r\n" + " ".join(article(1))
    (page,) = process([record("conversion", "https://a.test/\x9b2J", text.encode(), 1)])
    assert page.text and page.text.startswith("]0;PWNED[31mRED[2J\n")
    assert page.url == "https://a.test/%C2%9B2J"
