"""What a run will take, for `--dry_run`: pages, core hours, shuffled bytes and price, from a hundred sampled pages.

The sample is the beginning of ten inputs of this machine. Inputs elsewhere are not read: a dry run sends nothing. For
them the pages of a Common Crawl file are assumed (docs/cluster.md says how they were measured).
"""

import contextlib
import os
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pipeline.config import Config
from pipeline.extract.job import apply_stages, load_stages
from pipeline.extract.page import Page, settle_page
from pipeline.extract.read_crawl import read_split
from pipeline.extract.splits import make_whole_split
from pipeline.io.inputs import Input, expand_inputs
from pipeline.io.ledger import FileLedger
from pipeline.io.text_inputs import TABLES, input_text_format
from pipeline.report.distributions import pick_evenly
from pipeline.report.render import format_size
from pipeline.url.filter import UrlFilter

SAMPLED_PAGES, SAMPLED_FILES, WARM_UP = 100, 10, 10
# Of a WARC file of Common Crawl.
ASSUMED_PAGES, ASSUMED_SECONDS, ASSUMED_KEPT, ASSUMED_CHARACTERS = 45_000, 0.03, 0.8, 7_500
ASSUMED_BYTES = 22_700  # of the input for a page
LATER_SECONDS = 1e-4  # CPU of dedup and publish for a kept page
CHARACTER_SECONDS = 1.2e-6  # CPU for a character that is published: the count of its tokens, most of all
KEY_BYTES = 16  # of a key with its place in dedup's shuffle
PLAN_BYTES = 300  # of a kept page in publish's shuffles: its id, sizes and shard
TABLE_RATIO = 0.4  # bytes of a table for a byte of its text


class SampledCosts(NamedTuple):
    """Means over the sampled pages; `pages` is 0 where nothing could be sampled and the means are assumed."""

    pages: int
    files: int
    input_bytes: float  # of the input for a page
    seconds: float  # of CPU in extract for a page
    kept: float  # share of the pages
    characters: float  # of the text of a kept page


class RunEstimate(NamedTuple):
    """What a run will take."""

    sampled: SampledCosts
    pages: int
    assumed_files: int  # inputs whose size is not known here
    kept: int
    extract_seconds: float
    later_seconds: float
    shuffled_bytes: float

    @property
    def core_hours(self) -> float:
        """All CPU time."""
        return (self.extract_seconds + self.later_seconds) / 3600


def estimate_run(config: Config) -> RunEstimate:
    """Sample the inputs and return what a run over all of them will take. Raises ValueError or OSError, one line."""
    inputs = expand_inputs(config.inputs, config.input, config.seed)
    sampled = sample_costs(config, [item for item in inputs if item.local])
    sizes = [item.size for item in inputs if item.size is not None]
    unknown = len(inputs) - len(sizes)
    pages = round(sum(sizes) / sampled.input_bytes) + unknown * ASSUMED_PAGES
    kept = round(pages * sampled.kept)
    keys = 2 + (config.dedup.minhash_params().bands if config.dedup.near else 0)
    return RunEstimate(
        sampled=sampled,
        pages=pages,
        assumed_files=unknown,
        kept=kept,
        extract_seconds=pages * sampled.seconds,
        later_seconds=kept * (LATER_SECONDS + sampled.characters * CHARACTER_SECONDS),
        shuffled_bytes=kept * float(keys * KEY_BYTES + PLAN_BYTES),
    )


def sample_costs(config: Config, inputs: Sequence[Input]) -> SampledCosts:
    """Process the beginning of a few inputs in this process, and return the means of their pages."""
    chosen = pick_evenly(inputs, SAMPLED_FILES)
    urls, stages = UrlFilter(config.url), load_stages(config)
    pages: list[Page] = []
    seconds, input_bytes = 0.0, 0.0
    for number, item in enumerate(chosen):
        split = make_whole_split(item)
        reader = read_split(split, urls, config.input, config.robots, FileLedger())
        apply_stages(list(islice(reader, WARM_UP)) if not number else [], stages)  # loads models
        before = count_cpu_seconds()
        read = list(islice(reader, -(-SAMPLED_PAGES // len(chosen))))
        whole = next(reader, None) is None
        done = [settle_page(page) for page in apply_stages(read, stages)]
        seconds += count_cpu_seconds() - before
        pages += done
        input_bytes += measure_input(item, done, whole and bool(number))
    kept = [page for page in pages if page.rejection is None]
    if not pages:
        return SampledCosts(0, 0, ASSUMED_BYTES, ASSUMED_SECONDS, ASSUMED_KEPT, ASSUMED_CHARACTERS)
    return SampledCosts(
        pages=len(pages),
        files=len(chosen),
        input_bytes=max(input_bytes / len(pages), 1.0),
        seconds=seconds / len(pages),
        kept=len(kept) / len(pages),
        characters=sum(len(page.text or "") for page in kept) / max(len(kept), 1),
    )


def count_cpu_seconds() -> float:
    """Return the CPU time of this process and, on Linux, of the children that run an engine for it."""
    seconds = time.process_time()
    for listed in Path("/proc/self/task").glob("*/children"):
        for child in listed.read_text().split():
            with contextlib.suppress(OSError):  # it has ended
                fields = Path("/proc", child, "stat").read_text().rpartition(")")[2].split()
                seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def measure_input(item: Input, pages: Sequence[Page], whole: bool) -> float:
    """Return the bytes of an input that pages at its beginning take; all of them if these are all of its pages."""
    if whole or not pages:
        return float(item.size or 0)
    if input_text_format(item.path) in TABLES:  # whose places are rows
        return TABLE_RATIO * sum(len((page.text or "").encode("utf-8", "replace")) for page in pages)
    return min(float(pages[-1].end - pages[0].offset), float(item.size or 0))


def describe_estimate(estimate: RunEstimate, core_price: float) -> list[str]:
    """Return the lines that `--dry_run` prints; `core_price` is that of an hour of a core."""
    sampled = estimate.sampled
    source = f"{sampled.pages} pages at the beginning of {sampled.files} inputs" if sampled.pages else "assumed figures"
    total, later = (format_core_time(t) for t in (estimate.core_hours * 3600, estimate.later_seconds))
    price = estimate.core_hours * core_price
    kept_share, milliseconds = f"{sampled.kept:.0%}", f"{sampled.seconds * 1000:.1f} ms"
    lines = [
        f"estimate from {source}:",
        f"pages    {estimate.pages:,}, {milliseconds} of CPU each in extract",
        f"kept     {estimate.kept:,} ({kept_share}), {estimate.kept * sampled.characters:,.0f} characters of text",
        f"CPU      {total}, {later} of it in dedup and publish",
        f"shuffle  {format_size(estimate.shuffled_bytes)}",
        f"price    {price:,.2f} at {core_price:g} for an hour of a core (--core-price)",
    ]
    if estimate.assumed_files:
        lines.append(
            f"         {estimate.assumed_files:,} inputs are not on this machine: {ASSUMED_PAGES:,} pages each"
        )
    return lines


def format_core_time(seconds: float) -> str:
    """Return CPU time in seconds of a core, or in hours where that is readable."""
    return f"{seconds / 3600:,.1f} core hours" if seconds >= 3600 else f"{seconds:,.0f} core seconds"
