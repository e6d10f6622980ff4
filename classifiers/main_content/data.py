"""Pages with gold main content, and the labels that it gives to their blocks.

The data: WARC files; an index, a JSON line a page (`record_id`, `file`, `offset`, `enc`, `site`, `set`, `lang`); and
gold, a JSON line a page (`record_id`, `gold_kind`, `gold_text`, `meta`).
"""

import gzip
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fastwarc.warc import ArchiveIterator

from pipeline.html.main_content.block_features import Layout, features
from pipeline.html.main_content.blocks import Page, plain, read_page

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|\w+")
GRAM = 4
MOST_WORDS = 40_000  # of a page or its gold that are aligned
TAUGHT_A_SITE = 3
LEAST_TAUGHT = 300  # characters; where trafilatura finds fewer, it is no teacher
TAUGHT_WEIGHT = 1.0  # of a page that a tool has marked, in pages that a person has
LEAST_WEIGHT = 2  # words that every block weighs more than it has
STRAY = 0.3  # a block of which less than this is in the gold shares words with it by chance


@dataclass
class GoldPage:
    """A page with its main content, marked by a person or, where `taught`, by another tool."""

    id: str
    html: str
    url: str
    site: str
    set: str
    language: str
    kind: str  # page type; "" where unknown
    gold: str
    taught: bool = False
    generous: str = ""  # of a taught page: what its teacher takes when it favours nothing


def load(folder: Path) -> list[GoldPage]:
    """Return the pages with human gold, by id. Pages whose gold is empty are left out: there is nothing to agree on."""
    index, gold = read_tables(folder)
    index = [page for page in index if gold.get(page["record_id"], {}).get("gold_kind") == "human"]
    index = [page for page in index if gold[page["record_id"]]["gold_text"]]
    pages = []
    for entry, html in zip(index, bodies(folder, index), strict=True):
        marked = gold[entry["record_id"]]
        language = LANGUAGES.get(marked["meta"].get("lang_gold", ""), entry["lang"])
        kind = marked["meta"].get("page_type") or ""
        about = (entry["url"], entry["site"], entry["set"], language, kind)
        pages.append(GoldPage(entry["record_id"], html, *about, marked["gold_text"]))
    return sorted(pages, key=lambda page: page.id)


def load_taught(folder: Path) -> list[GoldPage]:
    """Return pages that no person has marked, at most TAUGHT_A_SITE of a site, by id; the gold is what trafilatura
    takes (favouring precision, and by default), or another tool's reviewed output where there is one.

    They keep the model from one annotator's taste: pages of many more sites, in more languages.
    """
    import trafilatura

    index, gold = read_tables(folder)
    seen: Counter[str] = Counter()
    chosen = []
    for page in sorted(index, key=lambda page: page["record_id"]):
        if gold.get(page["record_id"], {}).get("gold_kind") != "human":
            seen[page["site"]] += 1
            if seen[page["site"]] <= TAUGHT_A_SITE:
                chosen.append(page)
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    pages = []
    for entry, html in zip(chosen, bodies(folder, chosen), strict=True):
        marked = gold.get(entry["record_id"], {})
        text = (marked.get("gold_text") or "") if marked.get("gold_kind") == "tool-expected" else ""
        generous = text
        if not text:
            text, generous = (
                trafilatura.extract(html, favor_precision=strict, include_comments=False, deduplicate=False) or ""
                for strict in (True, False)
            )
        if len(generous) >= LEAST_TAUGHT:
            about = (entry["url"], entry["site"], entry["set"], entry["lang"], "")
            pages.append(GoldPage(entry["record_id"], html, *about, text, taught=True, generous=generous))
    return pages


def read_tables(folder: Path) -> tuple[list[dict], dict[str, dict]]:
    """Return the index, and the gold by record."""
    with gzip.open(folder / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        gold = {page["record_id"]: page for page in map(json.loads, lines)}
    with gzip.open(folder / "index.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines], gold


LANGUAGES = {"Chinese": "zh", "English": "en", "Russian": "ru", "Greek": "el", "Polish": "pl"}


def bodies(folder: Path, index: list[dict]) -> Iterator[str]:
    """Yield the decoded body of each indexed page."""
    for entry in index:
        with open(folder / entry["file"], "rb") as stream:
            stream.seek(entry["offset"])
            yield next(iter(ArchiveIterator(stream))).reader.read().decode(entry["enc"] or "utf-8", "replace")


def words(text: str) -> list[str]:
    """Return the words of a text; of scripts without spaces, every character is one."""
    return WORD.findall(text)


def grams(text: str) -> Counter:
    """Return the bag of word 4-grams; of a text with fewer words, all of them as one."""
    found = words(text)
    return Counter(zip(*(found[start:] for start in range(GRAM)), strict=False)) or Counter(
        [tuple(found)] if found else []
    )


def agreement(found: Counter, truth: Counter) -> tuple[float, float, float]:
    """Return precision, recall and F1 of two bags; all 1 if both are empty."""
    common = (found & truth).total()
    if not found and not truth:
        return 1.0, 1.0, 1.0
    precision = common / found.total() if found else 0.0
    recall = common / truth.total() if truth else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if common else 0.0


def label(page: Page, gold: str) -> tuple[np.ndarray, np.ndarray]:
    """Return for each block the share of its words that the gold has, in the gold's order, and its number of words."""
    from rapidfuzz.distance import LCSseq

    blocks = [words(plain(text)) for text in page.text]
    sizes = np.array([len(block) for block in blocks])
    flat = [word for block in blocks for word in block][:MOST_WORDS]
    owner = np.repeat(np.arange(len(blocks)), sizes)
    numbers: dict[str, int] = {}
    left = [numbers.setdefault(word, len(numbers)) for word in flat]
    right = [numbers.setdefault(word, len(numbers)) for word in words(gold)[:MOST_WORDS]]
    matched = np.zeros(len(blocks))
    for run in LCSseq.editops(left, right).as_matching_blocks():
        np.add.at(matched, owner[run.a : run.a + run.size], 1)
    share = matched / np.maximum(sizes, 1)
    return np.where(share < STRAY, 0.0, share), sizes


@dataclass
class Example:
    """A page ready for training; `layout` is None, and the arrays are empty, for a page without any text."""

    page: GoldPage
    blocks: Page
    layout: Layout | None
    rows: np.ndarray  # features, in the order of their NAMES, x blocks
    label: np.ndarray
    weight: np.ndarray


def prepare(page: GoldPage) -> Example:
    """Read a page's blocks, and label them. Pages of one kind weigh the same; a block weighs by its words."""
    blocks = read_page(page.html)
    if not blocks.text:
        return Example(page, blocks, None, np.zeros((0, 0), np.float32), np.zeros(0), np.zeros(0))
    layout = Layout(blocks)
    share, sizes = label(blocks, page.gold)
    if page.taught:
        share = (share + label(blocks, page.generous)[0]) / 2
    weight = sizes + LEAST_WEIGHT
    weight = weight / weight.sum() * (TAUGHT_WEIGHT if page.taught else 1)
    return Example(page, blocks, layout, features(blocks, layout), share, weight)
