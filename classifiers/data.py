"""The labelled pages: read from Parquet or JSONL, matched in language and length, deduplicated, split by site."""

import glob
import gzip
import hashlib
import json
import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from classifiers.errors import ClassifierError
from classifiers.features import MAX_CHARACTERS, tokens
from pipeline.url.canonical import canonical_url, site

LENGTHS = (500, 1000, 2000, 4000, 8000)  # characters; the bounds of the length buckets
WIDTH = 1.2  # of a bin in which lengths are matched; wider ones left a length baseline of .54 ROC-AUC in the demo
COLUMNS = ("text", "url", "id", "language", "topic")
TEXTUAL = frozenset(COLUMNS) - {"id"} | {"canonical_url"}
TEXT_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_null,
    pa.types.is_dictionary,
)
ROWS = 512  # of Parquet in memory at a time
Part = Literal["train", "validation", "test"]


class DataError(ClassifierError):
    """Labelled pages that cannot be used."""


@dataclass(frozen=True, slots=True)
class Page:
    """A labelled page as the classifier sees it. `site` is "" where the URL is unknown; `length` is in characters."""

    id: str
    site: str
    language: str
    length: int
    line: str
    label: int  # 1 reference, 0 other


class Labelled(NamedTuple):
    """The pages of both classes, where they came from in words, and remarks for the model card."""

    pages: list[Page]
    source: str
    notes: list[str]


def digest(*parts: str) -> str:
    """Return 16 hex digits of the SHA-256 of strings: the order and the draws depend on it alone."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


def length_bucket(length: int) -> int:
    """Return the index of a length's bucket: 0 for under 500 characters, 5 for 8,000 and more."""
    return sum(length >= bound for bound in LENGTHS)


def length_bin(length: int) -> int:
    """Return the index of the narrow bin in which lengths are matched: the longest is WIDTH times the shortest."""
    return int(math.log(max(length, 1)) / math.log(WIDTH))


def bucket_name(bucket: int) -> str:
    """Return a length bucket in words."""
    if bucket == 0:
        return f"< {LENGTHS[0]:,}"
    return f">= {LENGTHS[-1]:,}" if bucket == len(LENGTHS) else f"{LENGTHS[bucket - 1]:,} - {LENGTHS[bucket] - 1:,}"


def find_files(source: str) -> list[Path]:
    """Return the Parquet and JSONL files that a file, folder or glob names, sorted. Raises DataError for none."""
    path = Path(source)
    if path.is_dir():
        names = [str(p) for pattern in ("*.parquet", "*.jsonl", "*.jsonl.gz") for p in path.rglob(pattern)]
    else:
        names = [source] if path.exists() else glob.glob(source, recursive=True)
    files = sorted(Path(name) for name in names if not Path(name).name.startswith((".", "_")))
    if not files:
        raise DataError(f"{source}: no Parquet or JSONL file there")
    return files


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield rows of a Parquet or JSONL(.gz) file as dicts with a `text`, and `url`, `id`, `language` where they are."""
    if path.suffix == ".parquet":
        with open_parquet(path) as file:
            names = [name for name in COLUMNS if name in file.schema_arrow.names]
            for batch in file.iter_batches(ROWS, columns=names):
                yield from batch.to_pylist()
        return
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as lines:
            yield from read_json_lines(path, lines)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file ({error})") from error


def read_json_lines(path: Path, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON lines; blank lines are passed over. Raises DataError with the line's number."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: not JSON ({error})") from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise DataError(
                f"{path}, line {number}: no `text` string; a line is an object with text, url, id, language"
            )
        yield row


def open_parquet(path: Path, needed: Iterable[str] = ("text",)) -> pq.ParquetFile:
    """Open a Parquet file. Raises DataError where it is none or lacks a column."""
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file ({str(error).splitlines()[0]})") from error
    missing = [name for name in needed if name not in file.schema_arrow.names]
    if missing:
        names = ", ".join(file.schema_arrow.names)
        raise DataError(f"{path}: no column {missing[0]!r}; it has {names}")
    for field in file.schema_arrow:
        if field.name in TEXTUAL and not any(test(field.type) for test in TEXT_TYPES):
            raise DataError(f"{path}: the column {field.name!r} holds {field.type}, not text")
    return file


def page_of(row: dict[str, Any], label: int, max_characters: int) -> Page | None:
    """Return a row as a Page; None where it has no text that the classifier could see."""
    text, url = row.get("text") or "", row.get("url") or ""
    line = tokens(text, max_characters)
    if not line:
        return None
    identity = row.get("id") or digest(url, text)
    return Page(str(identity), site(url) if url else "", row.get("language") or "und", len(text), line, label)


def read_pages(source: str, label: int, max_characters: int = MAX_CHARACTERS) -> list[Page]:
    """Return all pages of a file, folder or glob with one label. Raises DataError, OSError; DataError for no page."""
    pages = (page_of(row, label, max_characters) for path in find_files(source) for row in read_rows(path))
    found = [page for page in pages if page]
    if not found:
        raise DataError(f"{source}: no page with a text")
    return found


def read_labelled(positives: str, negatives: str, max_characters: int = MAX_CHARACTERS) -> Labelled:
    """Return pages given as two sets."""
    pages = read_pages(positives, 1, max_characters) + read_pages(negatives, 0, max_characters)
    return Labelled(pages, f"positives: {positives}; negatives: {negatives}", [])


def known_copies(documents: str) -> tuple[dict[str, str], set[str]]:
    """Return (cluster by id, ids that were dropped) of the `duplicates/` beside a run's `documents/`; empty without.

    A copy of a referenced page that stands on another site is no example of an unreferenced page.
    """
    cluster: dict[str, str] = {}
    dropped: set[str] = set()
    for path in sorted((Path(documents).parent / "duplicates").glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "kept_id", "cluster"]).to_pylist():
            cluster |= {row["id"]: row["cluster"], row["kept_id"]: row["cluster"]}
            dropped.add(row["id"])
    return cluster, dropped


class Candidate(NamedTuple):
    """A document before its text is read: where it stands, and what it is matched by."""

    order: str  # of the draw
    id: str
    file: int
    row: int
    language: str
    bin: int  # of its length


def read_referenced(
    references: str, documents: str, match: str = "exact", seed: int = 0, max_characters: int = MAX_CHARACTERS
) -> Labelled:
    """Join extracted documents to referenced URLs: those are positives, and as many others are drawn as negatives.

    `match` "exact" joins by canonical URL; "site" takes every document of a referenced site, which is a proxy.
    Negatives are drawn by a hash of id and seed, in the positives' own languages and length bins. Positives of a bin
    without enough others are left out, by the same hash, so that neither language nor length tells the classes apart.
    Raises DataError, OSError.
    """
    wanted: set[str] = set()
    for path in find_files(references):
        with open_parquet(path, ("canonical_url",)) as file:
            for batch in file.iter_batches(columns=["canonical_url"]):
                wanted.update(filter(None, batch.column(0).to_pylist()))
    if match == "site":
        wanted = {site(url) for url in wanted}
    files = find_files(documents)
    pools: tuple[list[Candidate], list[Candidate]] = ([], [])
    for number, path in enumerate(files):
        for candidate, url in candidates(number, path, seed):
            key = site(url) if match == "site" else canonical_url(url)
            pools[key in wanted].append(candidate)
    others, referenced = pools
    if not referenced:
        hint = "" if match == "site" else "; --match site takes the pages of referenced sites instead"
        raise DataError(f"{documents}: none of {len(wanted):,} referenced addresses is among its documents{hint}")
    cluster, dropped = known_copies(documents)
    copied = {cluster[page.id] for page in referenced if page.id in cluster}
    apart = [page for page in others if page.id not in dropped and cluster.get(page.id) not in copied]
    chosen, notes = match_negatives(referenced, apart)
    if len(apart) < len(others):
        notes.append(f"{len(others) - len(apart):,} pages that copy others were not drawn as negatives.")
    if match == "site":
        notes.insert(0, "Positives are a site-level PROXY: pages of sites that are referred to, not pages that are.")
    labels = {(c.file, c.row): label for label, group in enumerate(chosen) for c in group}
    pages = []
    for number, path in enumerate(files):
        for index, row in enumerate(read_rows(path)):
            label = labels.get((number, index))
            if label is not None and (page := page_of(row, label, max_characters)):
                pages.append(page)
    return Labelled(pages, f"references: {references}; documents: {documents}; match: {match}", notes)


def read_positives(
    positives: str,
    documents: str,
    language: str | None = None,
    seed: int = 0,
    max_characters: int = MAX_CHARACTERS,
) -> Labelled:
    """Return any good texts (Parquet or JSONL) as positives, and as many documents drawn as negatives.

    Drawn as by `read_referenced`; documents at a positive's own address are not. `language` is that of positives that
    do not say theirs. Raises DataError, OSError.
    """
    good = read_pages(positives, 1, max_characters)
    if language is None and any(page.language == "und" for page in good):
        raise DataError(f"{positives}: pages without a language, by which negatives are matched; give --language")
    good = [replace(page, language=language) if page.language == "und" and language else page for page in good]
    ids = {page.id for page in good}
    files = find_files(documents)
    every = [item for number, path in enumerate(files) for item in candidates(number, path, seed)]
    apart = [candidate for candidate, _ in every if candidate.id not in ids]
    wanted = [
        Candidate(digest(str(seed), page.id), page.id, -1, n, page.language, length_bin(page.length))
        for n, page in enumerate(good)
    ]
    (negatives, kept), notes = match_negatives(wanted, apart)
    chosen = {(candidate.file, candidate.row) for candidate in negatives}
    pages = [good[candidate.row] for candidate in kept]
    for number, path in enumerate(files):
        for index, row in enumerate(read_rows(path)):
            if (number, index) in chosen and (page := page_of(row, 0, max_characters)):
                pages.append(page)
    return Labelled(pages, f"positives: {positives}; negatives drawn from {documents}", notes)


def candidates(number: int, path: Path, seed: int) -> Iterator[tuple[Candidate, str]]:
    """Yield each document of a Parquet shard with its URL; its text stays in Arrow."""
    with open_parquet(path, ("text", "url")) as file:
        names = [name for name in COLUMNS if name in file.schema_arrow.names]
        index = 0
        for batch in file.iter_batches(ROWS, columns=names):
            urls = batch.column("url").to_pylist()
            nothing: list[str | None] = [None] * len(urls)
            ids, languages = (batch.column(c).to_pylist() if c in names else nothing for c in ("id", "language"))
            lengths = pc.fill_null(pc.utf8_length(batch.column("text")), 0).to_pylist()
            for url, identity, language, length in zip(urls, ids, languages, lengths, strict=True):
                order = digest(str(seed), identity or url or "")
                candidate = Candidate(order, identity or "", number, index, language or "und", length_bin(length))
                yield candidate, url or ""
                index += 1


def match_negatives(
    referenced: list[Candidate], others: list[Candidate]
) -> tuple[tuple[list[Candidate], list[Candidate]], list[str]]:
    """Return (negatives, positives) of equal number in every language and length bin, and remarks on who had no match.

    A positive without a partner is left out: the nearest bin instead would let the length tell the classes apart.
    """
    pool: dict[tuple[str, int], list[Candidate]] = defaultdict(list)
    for candidate in sorted(others, reverse=True):  # so that pop() takes the smallest hash
        pool[candidate.language, candidate.bin].append(candidate)
    negatives, positives, unmatched = [], [], Counter[str]()
    for candidate in sorted(referenced):
        own = pool[candidate.language, candidate.bin]
        if own:
            negatives.append(own.pop())
            positives.append(candidate)
        else:
            unmatched[candidate.language] += 1
    if not positives:
        raise DataError(f"none of {len(referenced):,} positives has another document of its language and length")
    if not unmatched:
        return (negatives, positives), []
    listed = ", ".join(f"{language} {count:,}" for language, count in sorted(unmatched.items()))
    return (negatives, positives), [
        f"Positives left out for want of other documents of their language and length: {listed}."
    ]


def deduplicate(pages: list[Page]) -> tuple[list[Page], int]:
    """Return the pages in an order of their own with each line once, and how many went; references stay first.

    The order depends on content alone: not on files, nor on the order of rows.
    """
    kept: dict[str, Page] = {}
    for page in sorted(pages, key=lambda p: (-p.label, p.id, p.site, p.language, p.length)):
        kept.setdefault(page.line, page)
    return sorted(kept.values(), key=lambda p: (digest(p.id, p.line), p.id)), len(pages) - len(kept)


def split_by_site(pages: list[Page], seed: int = 0, share: float = 0.15) -> dict[Part, list[Page]]:
    """Split into train, validation and test so that no site is in two of them; a page without a site is its own.

    Sites come in the order of their hash; one goes into test, else validation, if that keeps each class there at or
    under `share` of its pages; else, and so for every large site, into train. A class that is still missing in test or
    validation gets its smallest site. Raises DataError where there are too few sites.
    """
    by_site: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        by_site[page.site or f"page {page.id}"].append(page)
    order = sorted(by_site, key=lambda name: (digest(str(seed), name), name))
    counts = {name: (sum(1 - p.label for p in by_site[name]), sum(p.label for p in by_site[name])) for name in order}
    quota = [share * sum(count[label] for count in counts.values()) for label in (0, 1)]
    place: dict[str, Part] = {}
    held: dict[Part, list[int]] = {"test": [0, 0], "validation": [0, 0]}
    for name in order:
        place[name] = "train"
        for part, have in held.items():
            if all(h + c <= q for h, c, q in zip(have, counts[name], quota, strict=True)):
                place[name] = part
                held[part] = [h + c for h, c in zip(have, counts[name], strict=True)]
                break
    for part in held:
        for label in (0, 1):
            if not held[part][label]:
                spare = [name for name in order if place[name] == "train" and counts[name][label]]
                if not spare:
                    break
                name = min(spare, key=lambda n: sum(counts[n]))
                place[name] = part
                held[part] = [h + c for h, c in zip(held[part], counts[name], strict=True)]
    parts: dict[Part, list[Page]] = {"train": [], "validation": [], "test": []}
    for page in pages:
        parts[place[page.site or f"page {page.id}"]].append(page)
    for part, group in parts.items():
        for label, what in ((1, "reference"), (0, "other")):
            if not any(page.label == label for page in group):
                sites = sum(1 for c in counts.values() if c[label])
                raise DataError(f"too few sites to split by: no {what} page for {part} ({sites} sites have such pages)")
    return parts
