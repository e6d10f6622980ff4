"""Read the texts that the ensemble learns from: pages with a type, pages that a reader labelled, and curated texts."""

import csv
import gzip
import json
import lzma
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.main_content.gold_pages import (
    HELD_OUT,
    GoldEntry,
    read_gold_tables,
    read_meta,
)
from classifiers.quality.pages import LabelledPage
from classifiers.quality.training_sets import read_referenced_set
from classifiers.wikipedia.articles import extract_prose
from classifiers.wikipedia.dumps import read_dump_articles
from classifiers.wikipedia.references import write_references
from pipeline.html.charset import decode_body
from pipeline.html.engines import PageError, load_engine
from pipeline.html.http import parse_response
from pipeline.language.identify import LanguageModel
from pipeline.url.canonical import url_domain
from pipeline.warc.reader import CrawlRecord, read_crawl_records

GOOD_TYPES = ("article", "documentation", "forum")
OTHER_TYPES = ("product", "listing", "collection", "service")
READER_LABELS = {"keep": 1.0, "borderline": 0.5, "drop": 0.0}
PIECE = 4000  # characters of a piece of a book, and of an article
LEAST_ARTICLE = 1000  # characters; shorter ones are stubs


class CleanText(NamedTuple):
    """A text that was written and edited with care, and where it is from."""

    language: str
    source: str
    text: str


class LabelledText(NamedTuple):
    """A page's main text with what people say of it."""

    id: str
    url: str
    site: str
    language: str
    text: str
    type: str  # one of GOOD_TYPES or OTHER_TYPES; "" if unknown
    label: str  # of a reader, one of READER_LABELS; "" if none

    @property
    def good(self) -> float:
        """The share of readers who would keep the page; a reader's label counts before the type."""
        return READER_LABELS[self.label] if self.label else float(self.type in GOOD_TYPES)


def read_reader_labels(paths: Sequence[Path]) -> dict[str, str]:
    """Return the label by record id of tables with columns id and label, separated by tabs."""
    found: dict[str, str] = {}
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            found |= {row["id"]: row["label"] for row in csv.DictReader(lines, delimiter="\t")}
    return found


def read_folder_texts(folder: Path, labels: Mapping[str, str]) -> list[LabelledText]:
    """Return the pages of a folder's WARC files with their main texts; those without text are left out.

    The folder holds `gold.jsonl.gz`, and that of a crawl `index.jsonl.gz` (classifiers/main_content/gold_pages.py).
    Nothing is learned from the test split of a benchmark: its pages are left out.
    """
    with gzip.open(folder / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        gold: dict[str, GoldEntry] = {entry["record_id"]: entry for entry in map(json.loads, lines)}
    types = {identity: read_type(entry) for identity, entry in gold.items() if entry["gold_kind"] == "human"}
    held_out = set()
    if (folder / "index.jsonl.gz").exists():
        index = read_gold_tables(folder).entries
        held_out = {page["record_id"] for page in index if page["set"] in HELD_OUT} - set(types)
    pages = [page for page in read_main_texts(sorted(folder.glob("*.warc.gz"))) if page.id not in held_out]
    languages = LanguageModel.load().identify([page.text for page in pages])
    return [
        page._replace(language=language, type=types.get(page.id, ""), label=labels.get(page.id, ""))
        for page, (language, _) in zip(pages, languages, strict=True)
    ]


def read_type(entry: GoldEntry) -> str:
    """Return the type of a page with gold; "" for a type that is not learned from."""
    kind = read_meta(entry).get("page_type") or ""
    return kind if kind in (*GOOD_TYPES, *OTHER_TYPES) else ""


def read_main_texts(paths: Iterable[Path]) -> Iterator[LabelledText]:
    """Yield the pages of WARC files that have a main text, by the engine `gristmill`, without labels."""
    engine = load_engine("gristmill")
    for path in paths:
        with path.open("rb") as source:
            for record in read_crawl_records(source):
                if not isinstance(record, CrawlRecord) or record.type != "response":
                    continue
                response = parse_response(record.block)
                html, _ = decode_body(response.body, response.header("content-type"))
                try:
                    text = engine(html, record.url).text
                except PageError:
                    continue
                if text.strip():
                    site = url_domain(record.url) or record.url
                    yield LabelledText(record.id, record.url, site, "", text, "", "")


def read_clean_texts(texts: Path, dumps: Sequence[Path]) -> list[CleanText]:
    """Return the texts of `corpora.jsonl.xz` and `novels.jsonl.xz`, and the articles of Wikipedia dumps.

    A book is cut into pieces. The language of a dump is that of its file's name.
    """
    found = []
    for kind in ("novels", "corpora"):
        with lzma.open(texts / f"{kind}.jsonl.xz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                found += [CleanText(row["lang"], row["source"], piece) for piece in cut_book(row["text"])]
    for path in dumps:
        language = path.name.partition("wiki")[0]
        articles = (extract_prose(wikitext) for _, wikitext in read_dump_articles(path))
        found += [CleanText(language, "wikipedia", text[:PIECE]) for text in articles if len(text) >= LEAST_ARTICLE]
    return found


def cut_book(text: str) -> Iterator[str]:
    """Yield a text in pieces, each cut behind the last newline before PIECE characters."""
    start = 0
    while start < len(text):
        stop = start + PIECE if len(text) - start <= PIECE else text.rfind("\n", start, start + PIECE) + 1
        stop = stop if stop > start else start + PIECE
        yield text[start:stop]
        start = stop


class TrainingTexts(NamedTuple):
    """What the ensemble learns from."""

    labelled: list[LabelledText]  # with a type or a reader's label
    crawl: list[LabelledText]  # all pages of a crawl
    clean: list[CleanText]
    referenced: list[LabelledPage]  # pages of the crawl, labelled by whether Wikipedia refers to their site


def read_training_texts(
    crawl: Path, benchmark: Path, labels: Sequence[Path], texts: Path, dumps: Sequence[Path]
) -> TrainingTexts:
    """Return all that the ensemble learns from. The references are those of the dumps' articles."""
    known = read_reader_labels(labels)
    return arrange_texts(read_folder_texts(crawl, known), read_folder_texts(benchmark, known), texts, dumps)


def arrange_texts(
    crawl: list[LabelledText], benchmark: list[LabelledText], texts: Path, dumps: Sequence[Path]
) -> TrainingTexts:
    """Return the pages of a crawl and of a benchmark with clean texts and references."""
    labelled = [page for page in (*crawl, *benchmark) if page.type or page.label]
    return TrainingTexts(labelled, crawl, read_clean_texts(texts, dumps), label_references(crawl, dumps))


def label_references(crawl: Sequence[LabelledText], dumps: Sequence[Path]) -> list[LabelledPage]:
    """Return pages of sites that the dumps refer to, and as many others of the same languages and lengths."""
    with tempfile.TemporaryDirectory() as folder:
        references, documents = Path(folder) / "references.parquet", Path(folder) / "documents"
        write_references(list(dumps), references)
        documents.mkdir()
        rows = [{"id": page.id, "url": page.url, "language": page.language, "text": page.text} for page in crawl]
        pq.write_table(pa.Table.from_pylist(rows), documents / "crawl.parquet")
        return read_referenced_set(str(references), str(documents), "site").pages
