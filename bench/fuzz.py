"""Takes pages through all stages after damage at random: nothing raises, and no page takes seconds.

`python -m bench fuzz --minutes 60`: each case is a response of the demo's crawl, cut, spliced with another, flipped, or
filled with the strings that the growth test attacks every pattern with. A fault is printed with the seed that shows it
again: `python -c "from bench.fuzz import show_case; show_case(SEED)"`.
"""

import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.config import build_config
from pipeline.extract.job import load_stages
from pipeline.extract.page import PageFunction, settle_page
from pipeline.extract.read_crawl import place_page, read_page
from pipeline.extract.splits import Split
from pipeline.extract.write_split import to_row
from pipeline.filters.chain import built_in_filters
from pipeline.url.filter import UrlFilter
from pipeline.warc.reader import CrawlRecord, read_crawl_records
from tests.pipeline.test_growth import DEEP, MARKUP, PATTERNS

ROOT = Path(__file__).parents[1]
SEEDS = 200  # responses of the demo's crawl
SLOW_SECONDS = 5.0  # of CPU time; no case is longer than LONGEST
LONGEST = 200_000  # bytes
SPLIT = Split("fuzz", "fuzz", 0, None, 0, None)
# Elements that lie in each other take the square of their number in the parser: they are for the sandbox.
TOKENS = tuple(
    sorted({t for names in PATTERNS.values() for tokens in names.values() for t in tokens} | set(MARKUP) - set(DEEP))
)


class FuzzCase(NamedTuple):
    """One page before it is read."""

    seed: int
    url: str
    block: bytes


class PageWay:
    """Every stage that a page passes, with all filters on; one of them at a time decides, so that all are reached."""

    def __init__(self) -> None:
        """Load the stages once for each filter that comes first."""
        self.config = build_config({"inputs": ["x"], "output": "none", "recipe": "none", "pii": {"phones": True}})
        self.urls = UrlFilter(self.config.url)
        self.stages: list[list[PageFunction]] = []
        for name in built_in_filters():
            settings = {"recipe": "none", "rules": {name: {}}, "language": {"min_score": 0.0}, "pii": {"phones": True}}
            self.stages.append(load_stages(build_config({"inputs": ["x"], "output": "none", **settings})))

    def take(self, case: FuzzCase) -> str:
        """Take a page through a set of stages. Returns its outcome; raises what a stage raises."""
        record = CrawlRecord(
            "response", 0, len(case.block), "<a>", case.url, "2026-05-01T12:00:00Z", {}, case.block, None
        )
        page = place_page(record, SPLIT, 0)
        pages = [read_page(page, record, self.urls, self.config.input, self.config.robots)]
        for process_pages in self.stages[case.seed % len(self.stages)]:
            pages = process_pages(pages)
        settled = settle_page(pages[0])
        to_row(settled)["url"].encode()
        (settled.text or "").encode()
        return settled.key


def list_seeds() -> list[tuple[str, bytes]]:
    """Return addresses and responses of the demo's crawl."""
    with open(ROOT / "demo" / "sample.warc.gz", "rb") as source:
        items = (item for item in read_crawl_records(source) if isinstance(item, CrawlRecord))
        found = ((item.url, item.block) for item in items if item.type == "response")
        return [next(found) for _ in range(SEEDS)]


def make_case(seeds: list[tuple[str, bytes]], seed: int) -> FuzzCase:
    """Return the case of a seed."""
    draw = random.Random(seed)
    url, block = draw.choice(seeds)
    for _ in range(draw.randint(1, 6)):
        url, block = draw.choice(CHANGES)(draw, seeds, url, block[:LONGEST])
    return FuzzCase(seed, url[:10_000], block[:LONGEST])


def fill_token(draw: random.Random) -> bytes:
    """Return a token, or two that alternate, many times or once."""
    unit = "".join(draw.choice(TOKENS) for _ in range(draw.choice((1, 1, 2, 3))))
    data = unit.encode(draw.choice(("utf-8", "utf-8", "utf-16-le")), "replace")
    return data * max(1, draw.choice((1, 3, 100, 20_000, 100_000)) // max(1, len(data)))


Change = Callable[[random.Random, list[tuple[str, bytes]], str, bytes], tuple[str, bytes]]


def insert_token(draw: random.Random, seeds: list[tuple[str, bytes]], url: str, block: bytes) -> tuple[str, bytes]:
    """Insert a token somewhere."""
    at = draw.randrange(len(block) + 1)
    return url, block[:at] + fill_token(draw) + block[at:]


def insert_into_head(draw: random.Random, seeds: list[tuple[str, bytes]], url: str, block: bytes) -> tuple[str, bytes]:
    """Insert a token among the first bytes: the status line, the headers or the head of the page."""
    at = draw.randrange(min(len(block), 1500) + 1)
    return url, block[:at] + fill_token(draw)[:20_000] + block[at:]


def flip_bytes(draw: random.Random, seeds: list[tuple[str, bytes]], url: str, block: bytes) -> tuple[str, bytes]:
    """Overwrite some bytes."""
    out = bytearray(block or b" ")
    for _ in range(draw.choice((1, 10, 300))):
        out[draw.randrange(len(out))] = draw.randrange(256)
    return url, bytes(out)


def cut_or_splice(draw: random.Random, seeds: list[tuple[str, bytes]], url: str, block: bytes) -> tuple[str, bytes]:
    """Cut the response, and go on with another one, or not."""
    other = draw.choice(seeds)[1]
    at, there = draw.randrange(len(block) + 1), draw.randrange(len(other))
    return url, block[:at] + (other[there:] if draw.random() < 0.7 else b"")


def change_header(draw: random.Random, seeds: list[tuple[str, bytes]], url: str, block: bytes) -> tuple[str, bytes]:
    """Replace the headers by others."""
    names = ("Content-Type", "Content-Encoding", "Transfer-Encoding", "X-Robots-Tag", "Content-Length")
    values = ("gzip", "br", "zstd", "deflate", "chunked", "text/html", "text/html; charset=", "noindex", "1", "utf-7")
    lines = [f"{draw.choice(names)}: {draw.choice(values)}".encode() for _ in range(draw.randint(0, 3))]
    return url, b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + block.partition(
        b"\r\n\r\n"
    )[2]


def change_url(draw: random.Random, seeds: list[tuple[str, bytes]], url: str, block: bytes) -> tuple[str, bytes]:
    """Insert a token into the address."""
    at = draw.randrange(len(url) + 1)
    return url[:at] + fill_token(draw)[:5_000].decode("utf-8", "replace") + url[at:], block


CHANGES: tuple[Change, ...] = (
    insert_token, insert_token, insert_into_head, flip_bytes, cut_or_splice, change_header, change_url,
)  # fmt: skip


def find_faults(way: PageWay, numbers: Iterator[int]) -> Iterator[tuple[int, str]]:
    """Yield (seed, what is wrong, "" for nothing) for each case."""
    seeds = list_seeds()
    for seed in numbers:
        case = make_case(seeds, seed)
        begun = time.process_time()
        try:
            fault = ("", way.take(case))[0]
        except Exception as error:  # whatever it is, it is a fault
            fault = f"{type(error).__name__}: {str(error)[:200]}"
        seconds = time.process_time() - begun
        yield seed, fault or (f"took {seconds:.1f} s" if seconds > SLOW_SECONDS else "")


def show_case(seed: int) -> None:
    """Take one case through, so that its traceback shows."""
    case = make_case(list_seeds(), seed)
    print(case.url[:300], len(case.block), case.block[:300])
    print(PageWay().take(case))


def run(crawl: str, minutes: float = 1.0, first: int = 0) -> None:
    """Fuzz for some minutes and print the faults."""
    end, cases, faults = time.monotonic() + 60 * minutes, 0, 0
    numbers = iter(range(first, 1 << 60))
    for seed, fault in find_faults(PageWay(), numbers):
        cases += 1
        faults += bool(fault)
        if fault:
            print(f"seed {seed}: {fault}", flush=True)
        if time.monotonic() > end:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{cases:,} cases in {minutes:g} minutes, {faults} faults, peak memory {peak} MB")
