"""Read pages with gold main content.

The data of a crawl are WARC files and two files of JSON lines, one line a page: the index (`record_id`, `file`,
`offset`, `enc`, `url`, `site`, `set`, `lang`) and the gold (`record_id`, `gold_kind`, `gold_text`, `meta`). A benchmark
is a folder with the gold (which holds the addresses, too) and one WARC file with bodies in UTF-8.
"""

import gzip
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict

from fastwarc.warc import ArchiveIterator, WarcRecordType

from pipeline.url.canonical import url_domain

TAUGHT_PER_SITE = 3
MIN_TAUGHT_CHARACTERS = 300  # of trafilatura's text; a shorter text is no reliable gold
HELD_OUT = ("wcxb",)  # benchmarks whose pages without gold are their test split: nothing is learned from these
LANGUAGES = {"Chinese": "zh", "English": "en", "Russian": "ru", "Greek": "el", "Polish": "pl"}


class IndexEntry(TypedDict):
    """A line of the index."""

    record_id: str
    file: str
    offset: int
    enc: str | None
    url: str
    site: str
    set: str
    lang: str


class GoldEntry(TypedDict, total=False):
    """A line of the gold."""

    record_id: str
    gold_kind: str
    gold_text: str | None
    url: str
    set: str
    meta: dict[str, str | None] | str  # as a dictionary, or its JSON


class GoldTables(NamedTuple):
    """The index, and the gold by record."""

    entries: list[IndexEntry]
    gold: dict[str, GoldEntry]


@dataclass
class GoldPage:
    """A page with its main content, which a person marked or, if `taught`, another tool."""

    id: str
    html: str
    url: str
    site: str
    set: str
    language: str
    kind: str  # page type; "" if unknown
    gold: str
    taught: bool = False
    generous: str = ""  # of a taught page: the tool's text with its default settings


def load_gold_pages(folder: Path) -> list[GoldPage]:
    """Return the pages with human gold, sorted by id. Pages with empty gold are left out."""
    index, gold = read_gold_tables(folder)
    index = [page for page in index if gold.get(page["record_id"], {}).get("gold_kind") == "human"]
    index = [page for page in index if gold[page["record_id"]]["gold_text"]]
    pages = []
    for entry, html in zip(index, read_page_bodies(folder, index), strict=True):
        marked = gold[entry["record_id"]]
        meta = read_meta(marked)
        language = LANGUAGES.get(meta.get("lang_gold") or "", entry["lang"])
        kind = meta.get("page_type") or ""
        about = (entry["url"], entry["site"], entry["set"], language, kind)
        pages.append(GoldPage(entry["record_id"], html, *about, marked["gold_text"] or ""))
    return sorted(pages, key=lambda page: page.id)


def load_benchmark_pages(folder: Path) -> list[GoldPage]:
    """Return the pages of a benchmark of English pages with human gold, sorted by id. Those with empty gold are left
    out.

    Raises ValueError if the folder holds no WARC file, or several.
    """
    with gzip.open(folder / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        gold: dict[str, GoldEntry] = {entry["record_id"]: entry for entry in map(json.loads, lines)}
    files = sorted(folder.glob("*.warc.gz"))
    if len(files) != 1:
        raise ValueError(f"{folder}: {len(files)} WARC files; a benchmark has one")
    pages = []
    with open(files[0], "rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            entry = gold.get(f"<{str(record.record_id).strip('<>')}>")
            if entry is None or not entry["gold_text"]:
                continue
            html = record.reader.read().decode("utf-8", "replace")
            kind = read_meta(entry).get("page_type") or ""
            about = (entry["url"], url_domain(entry["url"]), entry["set"], "en", kind)
            pages.append(GoldPage(entry["record_id"], html, *about, entry["gold_text"]))
    return sorted(pages, key=lambda page: page.id)


def read_meta(entry: GoldEntry) -> dict[str, str | None]:
    """Return what else is known of a page with gold."""
    meta = entry["meta"]
    found: dict[str, str | None] = json.loads(meta) if isinstance(meta, str) else meta
    return found


def load_taught_pages(folder: Path) -> list[GoldPage]:
    """Return pages that no person marked, at most TAUGHT_PER_SITE of a site, sorted by id.

    The gold is the reviewed output of another tool if there is one. Otherwise it is trafilatura's text, with its
    precision settings and with its defaults. These pages come from many more sites and languages, and keep the model
    from learning the preferences of one annotator.
    """
    import trafilatura

    index, gold = read_gold_tables(folder)
    seen: Counter[str] = Counter()
    chosen = []
    for page in sorted(index, key=lambda page: page["record_id"]):
        if page["set"] not in HELD_OUT and gold.get(page["record_id"], {}).get("gold_kind") != "human":
            seen[page["site"]] += 1
            if seen[page["site"]] <= TAUGHT_PER_SITE:
                chosen.append(page)
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    pages = []
    for entry, html in zip(chosen, read_page_bodies(folder, chosen), strict=True):
        marked = gold.get(entry["record_id"], {})
        text = (marked.get("gold_text") or "") if marked.get("gold_kind") == "tool-expected" else ""
        generous = text
        if not text:
            text, generous = (
                trafilatura.extract(html, favor_precision=strict, include_comments=False, deduplicate=False) or ""
                for strict in (True, False)
            )
        if len(generous) >= MIN_TAUGHT_CHARACTERS:
            about = (entry["url"], entry["site"], entry["set"], entry["lang"], "")
            pages.append(GoldPage(entry["record_id"], html, *about, text, taught=True, generous=generous))
    return pages


def read_gold_tables(folder: Path) -> GoldTables:
    """Read the index and the gold of a folder."""
    with gzip.open(folder / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        gold = {page["record_id"]: page for page in map(json.loads, lines)}
    with gzip.open(folder / "index.jsonl.gz", "rt", encoding="utf-8") as lines:
        return GoldTables([json.loads(line) for line in lines], gold)


def read_page_bodies(folder: Path, index: Sequence[IndexEntry]) -> Iterator[str]:
    """Yield the decoded body of each indexed page."""
    for entry in index:
        with open(folder / entry["file"], "rb") as stream:
            stream.seek(entry["offset"])
            yield next(iter(ArchiveIterator(stream))).reader.read().decode(entry["enc"] or "utf-8", "replace")
