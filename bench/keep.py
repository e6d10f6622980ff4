"""What the recipe `default` keeps: by page type, of pages with human gold, and of pages labelled by reading.

Page types and gold are those of the shared data. `quality.tsv` has 200 pages of the public crawl, one a site, labelled
by a reader: keep, borderline or drop, and why. Sites fall into two halves by a hash: thresholds of the recipe were
chosen on the first and only measured on the second.
"""

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from bench.held_out_quality import LABELS, LANGUAGE_LABELS, JudgedPage, judge_pages
from bench.jobs import find_crawl_files

GOLD_CHARACTERS = 1500  # of human gold, from which on a page is counted as a good one
BARS = {"article": 0.96, "documentation": 0.85, "forum": 0.88}
MOST = {"service": 0.82, "product": 0.54}
TYPES = (*BARS, *MOST, "listing", "collection")
LEAST_PAGES = 30  # of a language


class GoldPage(NamedTuple):
    """What people say of a page: its type ("" where unknown), and the characters of its main text."""

    type: str
    characters: int


def find_half(page: JudgedPage) -> int:
    """Return the half of the sites, 0 or 1, of which a page is."""
    return blake2b((page.site or page.url).encode(), digest_size=1).digest()[0] % 2


def read_gold(paths: Iterable[Path]) -> dict[str, GoldPage]:
    """Return the pages with human gold by id."""
    found = {}
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                meta = row["meta"] or {}
                meta = json.loads(meta) if isinstance(meta, str) else meta
                if row["gold_kind"] == "human":
                    found[row["record_id"]] = GoldPage(meta.get("page_type", ""), len(row["gold_text"] or ""))
    return found


def read_labels(path: Path = LABELS) -> dict[str, str]:
    """Return the label of each page that was read."""
    with path.open(encoding="utf-8") as lines:
        return {row["id"]: row["label"] for row in csv.DictReader(lines, delimiter="\t")}


def show_kept(name: str, pages: list[JudgedPage], bar: float = 0.0, most: float = 1.0) -> None:
    """Print the share of pages that are kept, of all and of each half."""
    shares = [
        sum(not page.reason for page in some) / max(1, len(some))
        for some in (pages, *([page for page in pages if find_half(page) == half] for half in (0, 1)))
    ]
    missed = f"  missed: {bar}" if shares[0] < bar else f"  missed: {most}" if shares[0] > most else ""
    print(f"{name:28} {len(pages):6}" + "".join(f" {share:7.3f}" for share in shares) + missed)


def run(crawl: str) -> None:
    """Print the shares that the recipe `default` keeps."""
    files = find_crawl_files(crawl)
    folder = Path(files[0]).parent
    extra = folder.parent / "extraction"
    judged = judge_pages([*files, *map(str, sorted(extra.glob("*.warc.gz")))], crawl)
    gold = read_gold(path for path in (folder / "gold.jsonl.gz", extra / "gold.jsonl.gz") if path.exists())
    labels = read_labels()
    print(f"{'kept':28} {'pages':>6} {'all':>7} {'first':>7} {'second':>7}")
    for name in TYPES:
        some = [page for page in judged if page.id in gold and gold[page.id].type == name]
        show_kept(name, some, BARS.get(name, 0), MOST.get(name, 1))
    good = [page for page in judged if page.id in gold and gold[page.id].characters >= GOLD_CHARACTERS]
    show_kept(f"human gold of {GOLD_CHARACTERS} or more", good, 0.94)
    for language, pages in Counter(page.language for page in good).most_common():
        if pages >= LEAST_PAGES:
            show_kept(f"  {language}", [page for page in good if page.language == language], 0.92)
    for label in ("keep", "borderline", "drop"):
        show_kept(f"read: {label}", [page for page in judged if labels.get(page.id) == label])
    others = read_labels(LANGUAGE_LABELS)
    for label in ("keep", "borderline", "drop"):
        show_kept(f"read, no English: {label}", [page for page in judged if others.get(page.id) == label])
    kept = [labels[page.id] for page in judged if page.id in labels and not page.reason]
    print(f"{'junk among kept pages':28} {len(kept):6} {kept.count('drop') / max(1, len(kept)):7.3f}")
