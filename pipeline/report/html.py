"""The report: OUT/report.html, one file that shows in a browser what came in, what was dropped and why, what came out.

It loads nothing and runs nothing: styles are within, bars are CSS, and whatever pages say is escaped.
"""

import hashlib
import heapq
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
import yaml

from pipeline.config import Config
from pipeline.io.ledger import Ledger
from pipeline.io.output import Output
from pipeline.report.facts import Part, common, render, settings, thresholds
from pipeline.text.pii import PiiConfig, mask_pii

SAMPLES = 3  # pages a reason
SNIPPET = 300  # characters of a page's text
MOST_ROWS = 100  # of a table whose length grows with the crawl; the ledger has them all
MOST_PARTS = 15  # languages that have a row of their own; the card lists all
MOST_GROUPS = 512  # row groups whose texts' lengths are counted, spread evenly: about 8 GB of text
LENGTHS = (0, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)  # characters, lower bounds
# Characters that change the direction of what follows: a page could write over the report's own words with them.
DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Sample(NamedTuple):
    """A rejected page: `verdict` is the measure against its threshold, `text` a beginning, masked, or None."""

    url: str
    id: str
    verdict: str
    text: str | None
    characters: int


class Place(NamedTuple):
    """Where a rejected row lies; ordered by a hash of the page's id, so that the least are a fair draw."""

    order: bytes
    shard: str
    row: int


class Lengths(NamedTuple):
    """Characters of the kept pages: (label, pages) by range, marks of the distribution, and how many were counted."""

    ranges: list[tuple[str, int]]
    marks: list[tuple[str, int]]
    pages: int


def write_report(output: Output, config: Config, book: Ledger, facts: dict[str, Any]) -> None:
    """Write the report of a published output. The same run gives the same bytes.

    `book` is the ledger, `facts` the results of dedup, publish and tokenizer by these names.
    """
    shown = common(config, book, facts)
    values = {
        "mixture": {kind: folded(parts) for kind, parts in shown["mixture"].items()},
        "files": book.files,
        "unreadable": list(unreadable(book)),
        "lengths": lengths(output),
        "samples": samples(output, config.pii),
        "thresholds": thresholds(config),
        "settings": yaml.safe_dump(settings(config), sort_keys=False, allow_unicode=True),
        "anchor": anchor,
        "most": MOST_ROWS,
        "most_parts": MOST_PARTS,
    }
    text = render("report.html", shown | values)
    with output.write("report.html") as out:
        out.write(text.encode("utf-8", "replace"))


def anchor(key: str) -> str:
    """Return a `stage/reason` as an HTML id."""
    return "reason-" + re.sub(r"[^A-Za-z0-9_-]", "-", key)


def folded(parts: list[Part]) -> list[Part]:
    """Return the first parts, and one more that stands for all others."""
    rest = parts[MOST_PARTS:]
    if len(rest) < 2:
        return parts
    sums = [sum(column) for column in list(zip(*rest, strict=True))[1:]]
    return [*parts[:MOST_PARTS], Part(f"{len(rest)} others", *sums)]


def unreadable(book: Ledger) -> Iterator[tuple[str, int, int, str]]:
    """Yield (file, offset, bytes, reason) of every range that could not be read, files by name."""
    for path, counts in sorted(book.files.items()):
        for offset, length, reason in counts.unreadable:
            if path not in book.bad_files:
                yield path, offset, length, reason


def lengths(output: Output) -> Lengths:
    """Count the characters of the kept pages' texts, of evenly spread row groups where there are very many."""
    groups = []
    for name in output.list("documents", ".parquet"):
        with output.parquet("documents", name) as shard:
            groups += [(name, number) for number in range(shard.num_row_groups)]
    counts: Counter[int] = Counter()  # by length to two digits: a few hundred keys, whatever the crawl
    for name, number in groups[:: -(-len(groups) // MOST_GROUPS) or 1]:
        with output.parquet("documents", name) as shard:
            found = np.asarray(pc.utf8_length(shard.read_row_group(number, columns=["text"]).column("text")))
        values, pages = np.unique(found, return_counts=True)
        for value, n in zip(values.tolist(), pages.tolist(), strict=True):
            counts[two_digits(value)] += n
    ranges = []
    for low, high in zip(LENGTHS, [*LENGTHS[1:], None], strict=True):
        label = f"{low:,} and more" if high is None else f"{low:,} to {high:,}"
        ranges.append((label, sum(n for value, n in counts.items() if value >= low and (high is None or value < high))))
    names = {"shortest": 0.0, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "longest": 1.0}
    marks = [(name, quantile(counts, q)) for name, q in names.items()] if counts else []
    return Lengths(ranges, marks, sum(counts.values()))


def two_digits(n: int) -> int:
    """Return a number cut to its first two digits."""
    unit = 10 ** max(0, len(str(n)) - 2)
    return n // unit * unit


def quantile(counts: Mapping[int, int], q: float) -> int:
    """Return the value that a share `q` of the counted values does not exceed."""
    wanted, below = q * sum(counts.values()), 0
    for value in sorted(counts):
        below += counts[value]
        if below >= wanted:
            return value
    return max(counts)


def samples(output: Output, pii: PiiConfig) -> dict[str, list[Sample]]:
    """Return up to SAMPLES rejected pages for each `stage/reason`, drawn by a hash of their ids; reasons sorted."""
    chosen = places(output)
    wanted: dict[str, set[int]] = {}
    for found in chosen.values():
        for place in found:
            wanted.setdefault(place.shard, set()).add(place.row)
    rows = {(shard, row["row"]): row for shard, numbers in wanted.items() for row in read_rows(output, shard, numbers)}
    return {key: [sample(rows[place.shard, place.row], pii) for place in chosen[key]] for key in sorted(chosen)}


def places(output: Output) -> dict[str, list[Place]]:
    """Return where the sampled rows lie, by `stage/reason`, from the narrow columns alone."""
    best: dict[str, list[Place]] = {}
    for shard in output.list("rejected", ".parquet"):
        by_key: dict[str, list[Place]] = {}
        with output.parquet("rejected", shard) as file:
            row = 0
            for batch in file.iter_batches(columns=["id", "stage", "reason"], batch_size=8192):
                for page, stage, reason in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    order = hashlib.blake2b(page.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                    by_key.setdefault(f"{stage}/{reason}", []).append(Place(order, shard, row))
                    row += 1
        for key, found in by_key.items():
            best[key] = heapq.nsmallest(SAMPLES, [*best.get(key, []), *found])
    return best


def read_rows(output: Output, shard: str, numbers: set[int]) -> Iterator[dict[str, Any]]:
    """Yield some rows of a rejected shard, each with its number as `row`; reads only the row groups that hold one."""
    with output.parquet("rejected", shard) as file:
        start = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            here = sorted(n for n in numbers if start <= n < start + rows)
            if here:
                table = file.read_row_group(group).take([n - start for n in here])
                yield from ({**row, "row": n} for row, n in zip(table.to_pylist(), here, strict=True))
            start += rows


def sample(row: Mapping[str, Any], pii: PiiConfig) -> Sample:
    """Return what the report shows of a rejected page. Personal data is masked here: the page never got that far."""
    verdict = []
    if row["measure"]:
        verdict.append(f"{row['measure']} {row['value']:.4g}, threshold {row['threshold']:.4g}")
    elif row["value"] is not None:
        verdict.append(f"value {row['value']:,.10g}")
    verdict += [clean(row["detail"])] if row["detail"] else []
    text = None
    if row["text"]:
        # A margin, so that an address is not cut in two before it is masked.
        text = clean(mask_pii(row["text"][: 4 * SNIPPET], pii)[0])
        text = text[: SNIPPET - 1] + "…" if len(text) > SNIPPET or len(row["text"]) > 4 * SNIPPET else text
    url, page = (clean(row[key] or "")[:SNIPPET] for key in ("url", "id"))
    return Sample(url, page, "; ".join(verdict), text, len(row["text"] or ""))


def clean(text: str) -> str:
    """Return text in one line, without control characters, lone surrogates and marks of direction."""
    text = DIRECTION.sub("", " ".join(text.split()))
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
