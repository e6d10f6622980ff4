"""Samples of pages for the report, dropped and kept, and pairs of near duplicates; personal data is masked."""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.dedup.index import read_parquet_rows
from pipeline.io.output import Output
from pipeline.report.causes import (
    MAX_SCANNED,
    Fragment,
    clean_text,
    compare_texts,
    cut_excerpt,
    find_cause,
    find_detail,
)
from pipeline.report.stored_rows import RejectedPage, read_columns
from pipeline.text.pii.mask import PiiConfig, mask_pii

MAX_SAMPLES = 3  # pages for each reason
MAX_SAMPLE_CHARACTERS = 500
MAX_ADDRESS = 300  # characters of an address
MAX_KEPT = 12  # kept pages
MAX_PAIRS = 6  # pairs of near duplicates


class SamplePage(NamedTuple):
    """A page. `verdict` says why it was rejected, or what it is; `text` is a masked part of its text, or empty."""

    url: list[Fragment]
    id: str
    verdict: str
    text: list[Fragment]
    characters: int  # of the whole text


class NearPair(NamedTuple):
    """A near duplicate and the page that is kept for it."""

    url: str
    kept_url: str
    similarity: float
    differences: list[Fragment]


class SamplePlace(NamedTuple):
    """Where a rejected page is stored. A hash of its id orders the places, so the first ones are a random sample."""

    order: bytes
    shard: str
    row: int


def draw_samples(output: Output, pii: PiiConfig) -> dict[str, list[SamplePage]]:
    """Return up to MAX_SAMPLES rejected pages for each `stage/reason`. The reasons are sorted."""
    chosen = find_sample_places(output)
    places = [(place.shard, place.row) for found in chosen.values() for place in found]
    rows = read_rows_at(output, "rejected", places, RejectedPage.column_names())
    pages = {place: RejectedPage(**values, shard=place[0], row=place[1]) for place, values in rows}
    return {
        key: [describe_sample(pages[place.shard, place.row], pii) for place in found]
        for key, found in sorted(chosen.items())
    }


def find_sample_places(output: Output) -> dict[str, list[SamplePlace]]:
    """Return the places of the sampled pages by `stage/reason`. Reads no text."""
    best: dict[str, list[SamplePlace]] = {}
    for shard in output.list("rejected", ".parquet"):
        by_key: dict[str, list[SamplePlace]] = {}
        for row, (page, stage, reason) in enumerate(read_columns(output, "rejected", shard, "id", "stage", "reason")):
            by_key.setdefault(f"{stage}/{reason}", []).append(SamplePlace(hash_id(page), shard, row))
        for key, found in by_key.items():
            best[key] = heapq.nsmallest(MAX_SAMPLES, [*best.get(key, []), *found])
    return best


def read_rows_at(
    output: Output, folder: str, places: Iterable[tuple[str, int]], columns: Sequence[str]
) -> Iterator[tuple[tuple[str, int], Mapping[str, Any]]]:
    """Yield ((shard, row), values) for rows of a folder's shards. Reads only the row groups that hold one of them."""
    wanted: dict[str, set[int]] = {}
    for shard, row in places:
        wanted.setdefault(shard, set()).add(row)
    for shard, rows in sorted(wanted.items()):
        chosen = sorted(rows)
        tables = read_parquet_rows(output, folder, shard.removesuffix(".parquet"), np.array(chosen), list(columns))
        values = (found for table in tables for found in table.to_pylist())
        yield from (((shard, row), found) for row, found in zip(chosen, values, strict=True))


def describe_sample(page: RejectedPage, pii: PiiConfig) -> SamplePage:
    """Return what the report shows of a rejected page. Personal data is masked here: no earlier stage has done so."""
    verdict = []
    if page.measure:
        verdict.append(f"{page.measure} {page.value:.4g}, threshold {page.threshold:.4g}")
    elif page.value is not None:
        verdict.append(f"value {page.value:,.10g}")
    verdict += [clean_line(page.detail)] if page.detail else []
    text = mask_pii((page.text or "")[:MAX_SCANNED], pii)[0]
    spans = find_cause(page.measure or "", page.detail or "", text)
    address = (page.url or "")[:MAX_ADDRESS]
    marked = find_detail(address, page.detail or "") if page.stage == "url" else []
    return SamplePage(
        cut_excerpt(address, marked, MAX_ADDRESS + 1),
        clean_line(page.id or "")[:MAX_ADDRESS],
        "; ".join(verdict),
        cut_excerpt(text, spans, MAX_SAMPLE_CHARACTERS),
        len(page.text or ""),
    )


def find_smallest(
    output: Output, folder: str, columns: tuple[str, ...], most: int, is_wanted: Callable[..., bool] = lambda *_: True
) -> list[SamplePlace]:
    """Return the places of the wanted rows whose ids have the smallest hashes; `columns` begin with the id."""
    best: list[SamplePlace] = []
    for shard in output.list(folder, ".parquet"):
        rows = (
            SamplePlace(hash_id(page), shard, row)
            for row, (page, *values) in enumerate(read_columns(output, folder, shard, *columns))
            if is_wanted(*values)
        )
        best = heapq.nsmallest(most, [*best, *rows])
    return best


def draw_kept(output: Output) -> list[SamplePage]:
    """Return up to MAX_KEPT pages of documents/, drawn by a hash of their ids."""
    chosen = [(place.shard, place.row) for place in find_smallest(output, "documents", ("id",), MAX_KEPT)]
    columns = ("id", "url", "language", "language_score", "domain", "text")
    rows = dict(read_rows_at(output, "documents", chosen, columns))
    return [describe_kept(rows[place]) for place in chosen]


def describe_kept(row: Mapping[str, Any]) -> SamplePage:
    """Return what the report shows of a kept page, from its columns in documents/."""
    return SamplePage(
        cut_excerpt(row["url"] or "", [], MAX_ADDRESS),
        clean_line(row["id"])[:MAX_ADDRESS],
        f"{row['language']} {row['language_score'] or 0:.2f}, {row['domain']}",
        cut_excerpt(row["text"], [], MAX_SAMPLE_CHARACTERS),
        len(row["text"]),
    )


def draw_near_pairs(output: Output) -> list[NearPair]:
    """Return up to MAX_PAIRS near duplicates of this output with the pages that are kept for them."""
    found = find_smallest(
        output, "duplicates", ("id", "kind", "kept_in"), MAX_PAIRS, lambda kind, earlier: kind == "near" and not earlier
    )
    chosen = [(place.shard, place.row) for place in found]
    rows = dict(read_rows_at(output, "duplicates", chosen, ("row", "similarity", "kept_shard", "kept_row")))
    pairs = [
        ((place[0], row["row"]), (f"{row['kept_shard']}.parquet", row["kept_row"]), row["similarity"])
        for place in chosen
        for row in [rows[place]]
    ]
    ends = [place for dropped, kept, _ in pairs for place in (dropped, kept)]
    pages = dict(read_rows_at(output, "documents", ends, ("url", "text")))
    return [
        NearPair(
            clean_line(pages[dropped]["url"] or "")[:MAX_ADDRESS],
            clean_line(pages[kept]["url"] or "")[:MAX_ADDRESS],
            similarity or 0.0,
            compare_texts(pages[kept]["text"], pages[dropped]["text"]),
        )
        for dropped, kept, similarity in pairs
    ]


def hash_id(page: str) -> bytes:
    """Return the hash by which pages are drawn."""
    return hashlib.blake2b(page.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def clean_line(text: str) -> str:
    """Return text as one line, without control characters, lone surrogates and direction marks."""
    return clean_text(" ".join(text.split()))
