"""The mix's transforms: the pages that are no duplicates, without their text, and what becomes of each.

Candidates  documents less duplicates and repeated lines; items of evaluation sets are found here, where the text is
            read anyway
Planned     each page's copies by the mix
"""

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics

from pipeline.config import Config
from pipeline.io.output import Output
from pipeline.publish import dsir, dsir_target
from pipeline.publish.decontaminate import Finder, Page, write_hits
from pipeline.publish.line_removal import HELD_OUT, gone_lines
from pipeline.publish.mixture import (
    Candidate,
    Copies,
    Scores,
    Totals,
    anneals,
    bucket,
    buckets,
    cell,
    decide,
    distribution,
    draw,
    fitted,
    resampled,
    rounded,
    uniform,
)
from pipeline.publish.topics import domain_in_mix, topics
from pipeline.text.line_keys import RemainingText, to_original_span

COLUMNS = ["id", "url", "date", "site", "domain", "language", "scores", "text_hash", "text"]


class Planned(NamedTuple):
    """A page and what becomes of it."""

    page: Candidate
    copies: Copies
    bucket: int | None


@dataclass(eq=False)
class Candidates(beam.PTransform):
    """PCollection[(shard number, shard name)] -> PCollection[Candidate]."""

    root: str
    config: Config

    def expand(self, shards):
        """Read every shard's columns; for DSIR its texts before."""
        crawl: Any = b""
        if self.config.weights.dsir.target:
            counts = shards | "features" >> beam.Map(count_features, self.root, self.config).with_output_types(bytes)
            crawl = beam.pvalue.AsSingleton(counts | "sum" >> beam.CombineGlobally(FeaturesFn()))
        read = beam.FlatMap(read_candidates, self.root, self.config, crawl)
        return shards | "read" >> read.with_output_types(Candidate)


def dropped_rows(output: Output, name: str) -> set[int]:
    """Return the rows of a documents shard that are duplicates."""
    if not output.exists("duplicates", f"{name}.parquet"):
        return set()
    with output.parquet("duplicates", f"{name}.parquet") as file:
        return set(file.read(columns=["row"]).column("row").to_pylist())


def content(row: dict[str, Any]) -> bytes:
    """Return a hash of what tells a page from another of its id: address, date and text."""
    parts = (row["url"], row["date"], (row["text_hash"] or b"").hex())
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def count_features(shard: tuple[int, str], root: str, config: Config) -> bytes:
    """Return the counts of DSIR's features in a shard's pages that are no duplicates, as the bytes of an array."""
    output, (_, name) = Output(root), shard
    gone, lines = dropped_rows(output, name), gone_lines(output, name, config.dedup)

    def text_of(row: int, text: str) -> str:
        """Return what may be published of a page's text."""
        left = lines.left(row, text) if lines and text else None
        return text if left is None else left.text if left.enough else ""

    with output.parquet("documents", f"{name}.parquet") as file:
        batches = file.iter_batches(columns=["text"], batch_size=256)
        texts = (text or "" for batch in batches for text in batch.column(0).to_pylist())
        kept = (text_of(row, text) for row, text in enumerate(texts) if row not in gone)
        return dsir.count(kept, config.weights.dsir.buckets).tobytes()


def read_candidates(shard: tuple[int, str], root: str, config: Config, crawl: bytes) -> Iterator[Candidate]:
    """Yield a shard's pages that are no duplicates; list what items of evaluation sets they hold.

    `crawl` has the counts of DSIR's features in all pages, where it is on.
    """
    number, name = shard
    output = Output(root)
    ratio = dsir.log_ratio(dsir_target.target_counts(output), np.frombuffer(crawl, np.int64)) if crawl else None
    finder = Finder(root, config.decontaminate.action) if config.decontaminate.sets else None
    reads_text = bool(finder or ratio is not None or config.weights.topics.model)
    gone, first = dropped_rows(output, name), 0
    lines = gone_lines(output, name, config.dedup)
    hits: list[dict[str, Any]] = []
    with output.parquet("documents", f"{name}.parquet") as file:
        for batch in file.iter_batches(columns=COLUMNS, batch_size=1024):
            mine = [row for row in range(batch.num_rows) if first + row not in gone]
            some = batch.take(pa.array(mine, pa.int64()))
            less: list[RemainingText | None] = [None] * len(mine)
            if lines:
                some, less = lines.cut(some, [first + n for n in mine])
            rows = [
                row | {"row": first + n} for row, n in zip(some.drop_columns(["text"]).to_pylist(), mine, strict=True)
            ]
            sizes = pc.binary_length(some.column("text")).to_pylist()
            texts = [text or "" for text in some.column("text").to_pylist()] if reads_text else [""] * len(rows)
            found = contaminated(finder, rows, texts) if finder else [None] * len(rows)
            important = importances(ratio, rows, texts, config.seed)
            told = topics(texts, [row["url"] for row in rows], config)
            for row, size, page, cut, topic in zip(rows, sizes, found, less, told, strict=True):
                domain = domain_in_mix(*topic, row["domain"], config.weights.topics)
                facts = (row["id"], row["site"], domain, row["language"], row["scores"]["quality"])
                emptied = bool(cut and not cut.enough)
                page = None if emptied else page
                for hit in page.rows if page else []:  # start and end are those of the text in documents/
                    span = to_original_span(cut.pieces, hit["start"], hit["end"]) if cut else (hit["start"], hit["end"])
                    hits.append(hit | {"start": span[0], "end": span[1]})
                left = page.size if page else size
                place, dropped = (number, row["row"]), bool(page and not left)
                yield Candidate(*place, *facts, left or size, content(row), dropped, next(important), emptied, *topic)
            first += batch.num_rows
    write_hits(output, name, hits)


def contaminated(finder: Finder, rows: list[dict[str, Any]], texts: Sequence[str]) -> list[Page | None]:
    """Return what items of evaluation sets make of pages."""
    named = [{key: row[key] for key in ("id", "url", "row")} for row in rows]
    return finder.find(named, texts)


def importances(
    ratio: np.ndarray | None, rows: list[dict[str, Any]], texts: Sequence[str], seed: int
) -> Iterator[float]:
    """Yield each page's log importance with its noise, by the page's id; 0 where DSIR is off."""
    if ratio is None:
        yield from (0.0 for _ in rows)
        return
    values = dsir.log_importance(texts, ratio)
    for row, value in zip(rows, values, strict=True):
        yield dsir.noisy(value, uniform(seed, "dsir", row["id"]))


class FeaturesFn(beam.CombineFn):
    """Adds counts of DSIR's features, each the bytes of an int64 array."""

    def create_accumulator(self):
        """Return no counts."""
        return b""

    def add_input(self, sums, counts):
        """Add counts."""
        return self.merge_accumulators([sums, counts])

    def merge_accumulators(self, parts):
        """Add counts."""
        arrays = [np.frombuffer(part, np.int64) for part in parts if part]
        return sum(arrays[1:], arrays[0]).tobytes() if arrays else b""

    def extract_output(self, sums):
        """Return the sums."""
        return sums


class ScoresFn(beam.CombineFn):
    """Counts candidates' scores into Scores. An accumulator is Beam's own to change, unlike an element."""

    def __init__(self, score: Callable[[Candidate], float | None]):
        """Keep what gives a page's score; None stands for no score."""
        self.score = score

    def create_accumulator(self):
        """Return empty counts."""
        return Counter()

    def add_input(self, counts, page):
        """Count one page."""
        counts[self.score(page)] += 1
        return counts

    def merge_accumulators(self, parts):
        """Add counts."""
        counts = self.create_accumulator()
        for part in parts:
            counts.update(part)
        return counts

    def extract_output(self, counts):
        """Return the distribution."""
        return distribution({score: n for score, n in counts.items() if score is not None}, counts.total())


def quality_of(page: Candidate) -> float | None:
    """Return a page's quality as it is counted."""
    return None if page.quality is None else rounded(page.quality)


def importance_of(page: Candidate) -> float:
    """Return a page's importance."""
    return page.importance


class DrawsFn(beam.CombineFn):
    """The lowest and the highest of the sites' draws for validation."""

    def __init__(self, seed: int):
        """Keep the seed of the draws."""
        self.seed = seed

    def create_accumulator(self):
        """Return the ends of no draw."""
        return 1.0, 0.0

    def add_input(self, ends, page):
        """Widen the ends to one page."""
        mine = draw(page, self.seed)
        return min(ends[0], mine), max(ends[1], mine)

    def merge_accumulators(self, parts):
        """Widen the ends to all."""
        lows, highs = zip((1.0, 0.0), *parts, strict=True)
        return min(lows), max(highs)

    def extract_output(self, ends):
        """Return the ends."""
        return ends


def domain_and_size(page: Candidate) -> tuple[str, int]:
    """Return what a page adds to its domain."""
    return page.domain, page.size


def cell_and_size(page: Candidate, scores: Scores, config: Config) -> tuple[str, int]:
    """Return what a page adds to its cell, which is named by its JSON."""
    return json.dumps(cell(page, scores, config)), page.size


def site_and_page(page: Candidate) -> tuple[str, Candidate]:
    """Return a page under its site."""
    return page.site, page


def totals_of(
    _: None,
    sizes: dict[str, int],
    scores: Scores,
    draws: tuple[float, float],
    cells: dict[str, int],
    config: Config,
) -> Totals:
    """Put the totals together; keys sorted, so that sums over them never depend on order."""
    totals = Totals(dict(sorted(sizes.items())), scores, draws)
    parts = {
        (domain, language, number): cells[key]
        for key in sorted(cells)
        for domain, language, number in [json.loads(key)]
    }
    return totals._replace(factors=fitted(parts, totals, config))


@dataclass(eq=False)
class Summed(beam.PTransform):
    """PCollection[Candidate] -> PCollection[Totals], of one element."""

    config: Config

    def expand(self, pages):
        """Sum each part, and put them together."""
        sizes = pages | "by domain" >> beam.Map(domain_and_size) | beam.CombinePerKey(sum)
        scores = pages | "scores" >> beam.CombineGlobally(ScoresFn(quality_of))
        draws = pages | "draws" >> beam.CombineGlobally(DrawsFn(self.config.seed))
        held = beam.pvalue.AsSingleton(scores)
        cells = pages | "by cell" >> beam.Map(cell_and_size, held, self.config) | "cells" >> beam.CombinePerKey(sum)
        parts = beam.pvalue.AsDict(sizes), held, beam.pvalue.AsSingleton(draws), beam.pvalue.AsDict(cells)
        return pages.pipeline | "one" >> beam.Create([None]) | "together" >> beam.Map(totals_of, *parts, self.config)


@dataclass(eq=False)
class Plan(beam.PTransform):
    """PCollection[Candidate] -> PCollection[Planned], after the cap on pages a site and the mix's weights."""

    config: Config

    def expand(self, pages):
        """Cap sites, total what is left, decide each page; then the best of the train pages are known."""
        cap = self.config.weights.max_pages_per_site
        clean = pages | "clean" >> beam.Filter(lambda page: not shut_out(page))
        held = [pages | "held" >> beam.Filter(shut_out) | beam.Map(lambda page: (page, shut_out(page)))]
        if self.config.weights.dsir.target:
            drawn = beam.pvalue.AsSingleton(clean | "importances" >> beam.CombineGlobally(ScoresFn(importance_of)))
            left = clean | "left" >> beam.Filter(lambda p, d, c: not resampled(p, d, c), drawn, self.config)
            held.append(left | "not drawn" >> beam.Map(lambda page: (page, "dsir")))
            clean = clean | "drawn" >> beam.Filter(resampled, drawn, self.config)
        if cap:
            by_site = clean | "site" >> beam.Map(site_and_page) | beam.GroupByKey()
            capped = by_site | "cap" >> beam.FlatMap(within_cap, cap, self.config.seed)
        else:
            capped = clean | "no cap" >> beam.Map(lambda page: (page, ""))
        within = capped | "within" >> beam.Filter(lambda item: not item[1]) | "page" >> beam.Keys()
        totals = beam.pvalue.AsSingleton(within | "totals" >> Summed(self.config))
        every = (capped, *held) | "every page" >> beam.Flatten()
        plans = every | "decide" >> beam.Map(planned, totals, self.config).with_output_types(Planned)
        train = plans | "train" >> beam.Filter(in_train) | "train page" >> beam.Map(lambda plan: plan.page)
        scores = beam.pvalue.AsSingleton(train | "train scores" >> beam.CombineGlobally(ScoresFn(quality_of)))
        return plans | "anneal" >> beam.Map(annealed, scores, self.config).with_output_types(Planned)


def shut_out(page: Candidate) -> str:
    """Return why a page is held out whatever the mix, or an empty string."""
    return HELD_OUT if page.emptied else "contaminated" if page.contaminated else ""


def within_cap(group: tuple[str, Iterable[Candidate]], cap: int, seed: int) -> Iterator[tuple[Candidate, str]]:
    """Yield a site's pages and why they are held out, "" within the cap; which stay is drawn by hash."""
    site, pages = group
    if not site:  # of pages without a site each is its own
        yield from ((page, "") for page in pages)
        return
    # Pages of one id differ in their content or not at all; only then may their place decide.
    stay = heapq.nsmallest(cap, pages, key=lambda page: (uniform(seed, "cap", page.id), page.content, page[:2]))
    places = {page[:2] for page in stay}
    for page in pages:  # a runner reads the group again, so that a site need not fit into memory
        yield page, "" if page[:2] in places else "site-cap"


def planned(item: tuple[Candidate, str], totals: Totals, config: Config) -> Planned:
    """Decide one page."""
    page, held = item
    copies = decide(page, held, totals, config)
    Metrics.counter("publish", copies.held_out or copies.split).inc()
    return Planned(page, copies, bucket(page.quality, totals.scores, buckets(config) or 1))


def in_train(plan: Planned) -> bool:
    """Return whether a page is published in train."""
    return not plan.copies.held_out and plan.copies.split == "train"


def annealed(plan: Planned, train: Scores, config: Config) -> Planned:
    """Decide whether a page is one of the best of the train pages."""
    if not in_train(plan) or not anneals(plan.page, train, config):
        return plan
    Metrics.counter("publish", "anneal").inc()
    return plan._replace(copies=plan.copies._replace(anneal=True))
