"""Samples of the rejected pages for the report: a few for each reason, shortened, with personal data masked."""

import hashlib
import heapq
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.io.output import Output
from pipeline.report.stored_rows import RejectedPage, read_columns
from pipeline.text.pii.mask import PiiConfig, mask_pii

MAX_SAMPLES = 3  # pages for each reason
MAX_SAMPLE_CHARACTERS = 300
# Characters that change the direction of the text after them: a page could turn the report's own words around.
DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069]")


class SamplePage(NamedTuple):
    """A rejected page. `verdict` is its measure and the threshold, `text` the masked beginning of its text, or None."""

    url: str
    id: str
    verdict: str
    text: str | None
    characters: int  # of the whole text


class SamplePlace(NamedTuple):
    """Where a rejected page is stored. A hash of its id orders the places, so the first ones are a random sample."""

    order: bytes
    shard: str
    row: int


def draw_samples(output: Output, pii: PiiConfig) -> dict[str, list[SamplePage]]:
    """Return up to MAX_SAMPLES rejected pages for each `stage/reason`. The reasons are sorted."""
    chosen = find_sample_places(output)
    wanted: dict[str, set[int]] = {}
    for places in chosen.values():
        for place in places:
            wanted.setdefault(place.shard, set()).add(place.row)
    pages = {(shard, page.row): page for shard, rows in wanted.items() for page in read_pages_at(output, shard, rows)}
    return {
        key: [describe_sample(pages[place.shard, place.row], pii) for place in places]
        for key, places in sorted(chosen.items())
    }


def find_sample_places(output: Output) -> dict[str, list[SamplePlace]]:
    """Return the places of the sampled pages by `stage/reason`. Reads no text."""
    best: dict[str, list[SamplePlace]] = {}
    for shard in output.list("rejected", ".parquet"):
        by_key: dict[str, list[SamplePlace]] = {}
        for row, (page, stage, reason) in enumerate(read_columns(output, "rejected", shard, "id", "stage", "reason")):
            order = hashlib.blake2b(page.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            by_key.setdefault(f"{stage}/{reason}", []).append(SamplePlace(order, shard, row))
        for key, found in by_key.items():
            best[key] = heapq.nsmallest(MAX_SAMPLES, [*best.get(key, []), *found])
    return best


def read_pages_at(output: Output, shard: str, rows: set[int]) -> Iterator[RejectedPage]:
    """Yield the pages in some rows of a rejected shard. Reads only the row groups that hold one of them."""
    columns = RejectedPage.column_names()
    with output.parquet("rejected", shard) as file:
        start = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            here = sorted(row for row in rows if start <= row < start + size)
            if here:
                table = file.read_row_group(group, columns=columns).take([row - start for row in here])
                for row, values in zip(here, table.to_pylist(), strict=True):
                    yield RejectedPage(**values, shard=shard, row=row)
            start += size


def describe_sample(page: RejectedPage, pii: PiiConfig) -> SamplePage:
    """Return what the report shows of a rejected page. Personal data is masked here: no earlier stage has done so."""
    verdict = []
    if page.measure:
        verdict.append(f"{page.measure} {page.value:.4g}, threshold {page.threshold:.4g}")
    elif page.value is not None:
        verdict.append(f"value {page.value:,.10g}")
    verdict += [clean_line(page.detail)] if page.detail else []
    text, limit = None, MAX_SAMPLE_CHARACTERS
    if page.text:
        # Four times as much is masked as is shown, so that no address at the end is cut before it is masked.
        text = clean_line(mask_pii(page.text[: 4 * limit], pii)[0])
        text = text[: limit - 1] + "…" if len(text) > limit or len(page.text) > 4 * limit else text
    url, name = (clean_line(value or "")[:limit] for value in (page.url, page.id))
    return SamplePage(url, name, "; ".join(verdict), text, len(page.text or ""))


def clean_line(text: str) -> str:
    """Return text as one line, without control characters, lone surrogates and direction marks."""
    text = DIRECTION_MARKS.sub("", " ".join(text.split()))
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
