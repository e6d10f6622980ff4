"""The report: OUT/report.html, one file that shows what was read, what was dropped and why, and what was published.

It loads nothing. Its styles are in the file, its plots are CSS and SVG, and all text of pages is escaped. The one
script is the search; the policy in the page's head allows it by its hash, and no other.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
import yaml

from pipeline.config import Config
from pipeline.io.ledger import Ledger
from pipeline.io.output import WORK, Output
from pipeline.report.distributions import BINS, collect_distributions, count_cluster_sizes, pick_row_groups
from pipeline.report.facts import MixtureRow, RunResults, collect_facts, list_settings, result_settings
from pipeline.report.reasons import describe_all_reasons
from pipeline.report.render import read_template, render_template
from pipeline.report.samples import draw_kept, draw_near_pairs, draw_samples

MAX_ROWS = 100  # of a table that grows with the crawl; the ledger has all of them
MAX_PARTS = 15  # languages with a row of their own; the dataset card lists all
MAX_GROUPS = 512  # row groups in which the lengths of texts are counted: about 8 GB of text
LENGTHS = (0, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)  # characters, lower bounds
QUANTILES = {"shortest": 0.0, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "longest": 1.0}


class TextLengths(NamedTuple):
    """Characters of the kept pages: pages by range, quantiles by name, and how many pages were counted."""

    ranges: list[tuple[str, int]]
    marks: list[tuple[str, int]]
    pages: int


def write_report(output: Output, config: Config, ledger: Ledger, results: RunResults) -> None:
    """Write the report of a published output. The same run gives the same bytes, but for the CPU time of engines."""
    facts = collect_facts(config, ledger, results)
    script = read_template("report.js")
    values = {
        "mixture": {kind: fold_rows(rows) for kind, rows in facts.mixture.items()},
        "files": ledger.files,
        "given_tokenizer": config.tokenizer.file,
        "unreadable": list(list_unreadable(ledger)),
        "lengths": count_lengths(output),
        "fallback_cpu": sum_fallback_cpu(output),
        "samples": draw_samples(output, config.pii),
        "kept_samples": draw_kept(output),
        "near_pairs": draw_near_pairs(output),
        "plots": collect_distributions(output, config),
        "cluster_sizes": count_cluster_sizes(output),
        "meanings": describe_all_reasons(),
        "draw_bars": draw_bars,
        "bins": BINS,
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "settings": list_settings(config),
        "config": yaml.safe_dump(result_settings(config), sort_keys=False, allow_unicode=True),
        "anchor": make_anchor,
        "most": MAX_ROWS,
        "most_parts": MAX_PARTS,
    }
    text = render_template("report.html", vars(facts) | values)
    with output.write("report.html") as out:
        out.write(text.encode("utf-8", "replace"))


def draw_bars(counts: Sequence[int], most: int) -> str:
    """Return the path of bars of width 1 in an SVG that is 20 high; their heights go by the square root of a count."""
    bars = []
    for place, n in enumerate(counts):
        if n:
            height = max(0.6, round(20 * (n / most) ** 0.5, 1))
            bars.append(f"M{place} 20v-{height:g}h1v{height:g}z")
    return "".join(bars)


def sum_fallback_cpu(output: Output) -> Counter[str]:
    """Return the CPU seconds that each engine of `extract.fallback` took, as the markers of the files have them."""
    total: Counter[str] = Counter()
    for name in output.list(f"{WORK}/extract", ".json"):
        total.update(output.read_json(WORK, "extract", name).get("fallback_cpu", {}))
    return total


def make_anchor(key: str) -> str:
    """Return an HTML id for a `stage/reason`."""
    return "reason-" + re.sub(r"[^A-Za-z0-9_-]", "-", key)


def fold_rows(rows: list[MixtureRow]) -> list[MixtureRow]:
    """Return the first rows, and one more with the sum of all others."""
    rest = rows[MAX_PARTS:]
    if len(rest) < 2:
        return rows
    name, sums = f"{len(rest)} others", [sum(column) for column in list(zip(*rest, strict=True))[1:]]
    return [*rows[:MAX_PARTS], MixtureRow(name, *sums)]


def list_unreadable(ledger: Ledger) -> Iterator[tuple[str, int, int, str]]:
    """Yield (file, offset, bytes, reason) of every range that could not be read, sorted by file."""
    for path, counts in sorted(ledger.files.items()):
        for offset, length, reason in counts.unreadable:
            if path not in ledger.bad_files:
                yield path, offset, length, reason


def count_lengths(output: Output) -> TextLengths:
    """Count the characters of the kept pages, in evenly spread row groups if there are more than MAX_GROUPS."""
    counts: Counter[int] = Counter()  # by length in two digits, which are a few hundred keys
    for name, number in pick_row_groups(output, output.list("documents", ".parquet"), MAX_GROUPS):
        with output.parquet("documents", name) as shard:
            found = np.asarray(pc.utf8_length(shard.read_row_group(number, columns=["text"]).column("text")))
        values, pages = np.unique(found, return_counts=True)
        for value, n in zip(values.tolist(), pages.tolist(), strict=True):
            counts[keep_two_digits(value)] += n
    ranges = []
    for low, high in zip(LENGTHS, [*LENGTHS[1:], None], strict=True):
        label = f"{low:,} and more" if high is None else f"{low:,} to {high:,}"
        ranges.append((label, sum(n for value, n in counts.items() if value >= low and (high is None or value < high))))
    marks = [(name, find_quantile(counts, q)) for name, q in QUANTILES.items()] if counts else []
    return TextLengths(ranges, marks, sum(counts.values()))


def keep_two_digits(number: int) -> int:
    """Return a number with all digits but the first two set to 0."""
    unit = int(10 ** max(0, len(str(number)) - 2))
    return number // unit * unit


def find_quantile(counts: Mapping[int, int], q: float) -> int:
    """Return the smallest value such that a fraction `q` of the counted values is not above it."""
    wanted, below = q * sum(counts.values()), 0
    for value in sorted(counts):
        below += counts[value]
        if below >= wanted:
            return value
    return max(counts)
