"""Turn Wikimedia dumps into a Parquet file of the URLs that a Wikipedia refers to.

Somebody judged a page worth reading before an encyclopedia referred to it. Such pages are the positives of the quality
classifier (Touvron et al. 2023, LLaMA, section 2.1).
"""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.errors import ClassifierError
from classifiers.output_files import replace_file_atomically
from classifiers.wikipedia.dumps import is_sql_dump, read_dump_articles, read_external_links
from classifiers.wikipedia.reference_urls import (
    MAX_URL,
    SELF_SITES,
    TRACKER_SITES,
    belongs_to_sites,
    parse_hostname,
    unwrap_archive_url,
)
from classifiers.wikipedia.wikitext import find_article_urls
from pipeline.url.canonical import canonical_url, url_domain

REFERENCE_SCHEMA = pa.schema([(name, pa.string()) for name in ("url", "canonical_url", "article", "kind")])
ROW_GROUP = 1 << 16  # rows
LEFT_OUT = ("repeated", "self", "archive", "tracker", "invalid", "over the cap a site")
KINDS = ("ref", "cite", "external")  # strongest first; a URL is listed once per article, with its strongest kind
MAX_PER_SITE = 10_000  # references to one site: limits link farms, and databases that half of all articles link to
SLOTS = 1 << 24  # counters of sites: 64 MB for any dump; with 3 M sites one in six shares its counter with another


class Reference(NamedTuple):
    """A URL that an article refers to."""

    url: str
    canonical_url: str
    article: str
    kind: str


class SiteReferenceCap:
    """Accepts the first `most` references to each site, in memory that does not grow."""

    def __init__(self, most: int):
        """Start with all counts at 0. `most` is at least 1."""
        self.most, self.counts = most, np.zeros(SLOTS, np.uint32)

    def accept(self, url: str) -> bool:
        """Count one more reference to the site of a URL, and return whether it is within the cap."""
        digest = hashlib.blake2b(url_domain(url).encode("utf-8", "replace"), digest_size=4).digest()
        slot = int.from_bytes(digest, "big") % SLOTS
        self.counts[slot] += 1
        return bool(self.counts[slot] <= self.most)


def reject_reason(url: str) -> str:
    """Return why an unwrapped URL is no reference: archive, invalid, self or tracker; "" if it is one."""
    if not url:
        return "archive"
    host = parse_hostname(url)
    if not host or len(url) > MAX_URL:
        return "invalid"
    if belongs_to_sites(host, SELF_SITES):
        return "self"
    return "tracker" if belongs_to_sites(host, TRACKER_SITES) else ""


def collect_references(found: Iterable[tuple[str, str]], article: str, dropped: Counter[str]) -> list[Reference]:
    """Return the references of an article, given its `(url, kind)`: each canonical URL once, with its strongest kind.

    `dropped` counts what is left out, by reason: self, archive (an archive's URL that contains no URL), tracker,
    invalid, repeated.
    """
    best: dict[str, Reference] = {}
    seen: dict[str, Reference] = {}  # by the URL as written, which is cheaper than its canonical form
    for written, kind in found:
        known = seen.get(written)
        if known and KINDS.index(kind) >= KINDS.index(best[known.canonical_url].kind):
            dropped["repeated"] += 1
            continue
        url = unwrap_archive_url(written)
        if reason := reject_reason(url):
            dropped[reason] += 1
            continue
        key = canonical_url(url)
        known = best.setdefault(key, Reference(url, key, article, kind))
        seen[written] = known
        if KINDS.index(kind) < KINDS.index(known.kind):
            best[key] = known._replace(kind=kind)
        dropped["repeated"] += known.url is not url
    return list(best.values())


def read_dump_references(path: Path, counts: Counter[str], cap: SiteReferenceCap | None = None) -> Iterator[Reference]:
    """Yield the references of one dump, XML or SQL, in its order. `counts` counts articles, kinds and what is dropped.

    SQL dumps hold neither kinds nor titles: every kind is `external`, and `article` is the page's number.
    """
    found: Iterator[tuple[str, Iterable[tuple[str, str]]]]
    if is_sql_dump(path):
        rows = groupby(read_external_links(path), key=lambda row: row[0])
        found = ((article, ((url, "external") for _, url in group)) for article, group in rows)
    else:
        found = ((title, find_article_urls(text)) for title, text in read_dump_articles(path))
    for article, pairs in found:
        counts["articles"] += 1
        for reference in collect_references(pairs, article, counts):
            if cap and not cap.accept(reference.url):
                counts["over the cap a site"] += 1
                continue
            counts[reference.kind] += 1
            yield reference


def write_references(dumps: list[Path], output: Path, max_per_site: int = MAX_PER_SITE) -> str:
    """Write the references of all dumps to a Parquet file, and return a summary of one line.

    At most `max_per_site` references to a site are taken, over all dumps together. The dumps are read in the order of
    their names, so the order of the arguments does not matter. Memory does not grow with their size. Raises
    ClassifierError or OSError, and then writes nothing.
    """
    counts: Counter[str] = Counter()
    start, cap = time.monotonic(), SiteReferenceCap(max_per_site)
    with (
        replace_file_atomically(output) as partial,
        pq.ParquetWriter(partial, REFERENCE_SCHEMA, compression="zstd") as writer,
    ):
        rows: list[Reference] = []
        for path in sorted(dumps, key=lambda p: (p.name, str(p))):
            for reference in read_dump_references(path, counts, cap):
                rows.append(reference)
                if len(rows) == ROW_GROUP:
                    writer.write_table(build_reference_table(rows))
                    rows.clear()
        writer.write_table(build_reference_table(rows))
        if not sum(counts[kind] for kind in KINDS):
            names = ", ".join(str(path) for path in dumps)
            raise ClassifierError(f"{names}: no reference to any page in {counts['articles']:,} articles")
    found = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS)
    left = ", ".join(f"{counts[name]:,} {name}" for name in LEFT_OUT)
    seconds = time.monotonic() - start
    total = sum(counts[kind] for kind in KINDS)
    return f"{total:,} references of {counts['articles']:,} articles ({found}); left out: {left}; {seconds:.1f} s"


def build_reference_table(rows: list[Reference]) -> pa.Table:
    """Return the references as an Arrow table of REFERENCE_SCHEMA."""
    columns = {name: [getattr(row, name) for row in rows] for name in REFERENCE_SCHEMA.names}
    return pa.table(columns, schema=REFERENCE_SCHEMA)
