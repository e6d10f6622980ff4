"""Decides which candidates are published, how often and in which split.

The stages pass every candidate on, so that each is accounted for. A page that a stage excludes keeps the reason, and
later stages leave it alone:

    ExcludePages     pages that may not be published at all
    ResamplePages    pages that importance resampling does not draw
    CapSites         pages beyond the cap of their site
    SamplePages      the split, and the number of copies by the mixture
    SelectAnneal     the best of the train pages, within the quotas of domains and types, which anneal/ repeats
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from pipeline.config import Config
from pipeline.publish.candidates import CandidatePage
from pipeline.publish.distribution import (
    ScoreDistribution,
    build_distribution,
    divide_quotas,
    find_bucket,
    hash_uniform,
    in_top_share,
    round_score,
)
from pipeline.publish.line_removal import REPEATED_LINES_REASON
from pipeline.publish.mixture import (
    CorpusTotals,
    MixtureCell,
    count_buckets,
    decode_cell,
    encode_cell,
    fit_shares,
    weigh_cell,
)

AnnealPart = tuple[str, ...]  # a domain and a page type: the pages of both

NOT_SAMPLED = "mix"  # the ledger's reason for pages that the mixture gives no copy


class JudgedPage(NamedTuple):
    """A candidate, and why it is not published whatever the mixture; `exclusion` is empty for the others."""

    page: CandidatePage
    exclusion: str


class SamplingDecision(NamedTuple):
    """What becomes of a page."""

    weight: float  # how often it is published on average
    wanted: float  # the weight that the mixture asks for, before the floor and the cap on repeats
    split: str  # train or validation; anneal for texts of extra sources
    copies: int
    exclusion: str  # why the page is not published; empty if it is
    anneal: bool = False  # anneal/ has it once more


class PlannedPage(NamedTuple):
    """A page, the decision about it, and its quality bucket: None without a score."""

    page: CandidatePage
    decision: SamplingDecision
    bucket: int | None


def exclusion_reason(page: CandidatePage) -> str:
    """Return why a page may not be published at all, or an empty string."""
    return REPEATED_LINES_REASON if page.emptied else "contaminated" if page.contaminated else ""


def is_remaining(judged: JudgedPage) -> bool:
    """Return whether no stage has excluded a page."""
    return not judged.exclusion


def is_excluded(judged: JudgedPage) -> bool:
    """Return whether a stage has excluded a page."""
    return bool(judged.exclusion)


def judge_resampled(judged: JudgedPage, importances: ScoreDistribution, config: Config) -> JudgedPage:
    """Return a page, excluded unless it is of the share of the bytes that DSIR draws."""
    page = judged.page
    drawn = hash_uniform(config.seed, "dsir tie", page.id)
    if judged.exclusion or in_top_share(page.importance, importances, config.weights.dsir.keep, drawn):
        return judged
    return JudgedPage(page, "dsir")


def judge_site(group: tuple[str, Iterable[JudgedPage]], cap: int, seed: int) -> Iterator[JudgedPage]:
    """Yield a site's pages, those beyond the cap excluded. A hash decides which pages are within it."""
    site, judged = group
    if not site:  # each page without a site is a site of its own
        yield from judged
        return

    def draw_order(item: JudgedPage) -> tuple[float, bytes, tuple[int, int]]:
        # Pages with the same id differ in their content or not at all; only then may their place decide.
        page = item.page
        return hash_uniform(seed, "cap", page.id), page.content_hash, (page.shard, page.row)

    within = {(item.page.shard, item.page.row) for item in heapq.nsmallest(cap, judged, key=draw_order)}
    for item in judged:  # a runner reads the group again, so that a site need not fit into memory
        yield item if (item.page.shard, item.page.row) in within else JudgedPage(item.page, "site-cap")


def find_cell(page: CandidatePage, scores: ScoreDistribution, config: Config) -> MixtureCell:
    """Return the mixture's cell of a page."""
    bucket = find_bucket(page.quality, scores, count_buckets(config.weights))
    return MixtureCell(page.domain, page.language, bucket, page.page_type)


def draw_site(page: CandidatePage, seed: int) -> float:
    """Return the number that a page's site draws for validation; a page without a site draws its own."""
    return hash_uniform(seed, "validation", page.site or page.id)


def in_validation(page: CandidatePage, totals: CorpusTotals, config: Config) -> bool:
    """Return whether a page's site is in the validation split; if there are two sites or more, one always is."""
    drawn, (lowest, highest) = draw_site(page, config.seed), totals.draws
    return drawn < config.publish.validation or (drawn == lowest < highest and config.publish.validation > 0)


def decide_sampling(page: CandidatePage, exclusion: str, totals: CorpusTotals, config: Config) -> SamplingDecision:
    """Return what becomes of a page, annealing aside. `exclusion` says why it is not published whatever the mixture.

    Validation has whole sites, so that no site is in both splits.
    """
    split = "validation" if in_validation(page, totals, config) else "train"
    if exclusion:
        return SamplingDecision(0.0, 0.0, split, 0, exclusion)
    wanted, weight = weigh_cell(find_cell(page, totals.scores, config), totals, config.weights)
    copies = int(weight) + (hash_uniform(config.seed, "copies", page.id) < weight % 1)
    if not copies:
        return SamplingDecision(weight, wanted, split, 0, NOT_SAMPLED)
    return SamplingDecision(weight, wanted, split, copies if split == "train" else 1, "")


def plan_page(judged: JudgedPage, totals: CorpusTotals, config: Config) -> PlannedPage:
    """Return a page with the decision about it."""
    page = judged.page
    decision = decide_sampling(page, judged.exclusion, totals, config)
    Metrics.counter("publish", decision.exclusion or decision.split).inc()
    return PlannedPage(page, decision, find_bucket(page.quality, totals.scores, count_buckets(config.weights) or 1))


def in_train(planned: PlannedPage) -> bool:
    """Return whether a page is published in train."""
    return not planned.decision.exclusion and planned.decision.split == "train"


class AnnealQuotas(NamedTuple):
    """The scores of the train pages by domain and type, and the share of these pages that anneal/ repeats."""

    scores: Mapping[AnnealPart, ScoreDistribution]
    shares: Mapping[AnnealPart, float]


def find_anneal_quotas(_: None, scores: Mapping[AnnealPart, ScoreDistribution], config: Config) -> AnnealQuotas:
    """Return how much of each domain and type anneal/ repeats. Sorted, so that no sum depends on their order."""
    scores, settings = dict(sorted(scores.items())), config.publish
    wanted = settings.anneal * sum(found.pages for found in scores.values())
    most = [int(share * wanted) for share in (settings.anneal_max_domain, settings.anneal_max_type)]
    given = divide_quotas(scores, wanted, most)
    return AnnealQuotas(scores, {name: given[name] / found.pages for name, found in scores.items()})


def in_anneal(page: CandidatePage, quotas: AnnealQuotas, config: Config) -> bool:
    """Return whether a train page is among the best of its domain and type that anneal/ repeats.

    A hash decides between equal scores.
    """
    if page.quality is None:
        return False
    part, drawn = (page.domain, page.page_type), hash_uniform(config.seed, "anneal", page.id)
    return in_top_share(round_score(page.quality), quotas.scores[part], quotas.shares[part], drawn)


def mark_anneal(planned: PlannedPage, quotas: AnnealQuotas, config: Config) -> PlannedPage:
    """Return a page, marked where anneal/ is to repeat it."""
    if not in_train(planned) or not in_anneal(planned.page, quotas, config):
        return planned
    Metrics.counter("publish", "anneal").inc()
    return planned._replace(decision=planned.decision._replace(anneal=True))


def quality_of(page: CandidatePage) -> float | None:
    """Return a page's quality score as it is counted."""
    return None if page.quality is None else round_score(page.quality)


def importance_of(page: CandidatePage) -> float | None:
    """Return a page's importance."""
    return page.importance


def build_totals(
    _: None,
    sizes: dict[str, int],
    scores: ScoreDistribution,
    draws: tuple[float, float],
    cells: dict[str, int],
    config: Config,
) -> CorpusTotals:
    """Put the totals together. Keys are sorted, so that no sum over them depends on their order."""
    totals = CorpusTotals(dict(sorted(sizes.items())), scores, draws)
    cell_sizes = {decode_cell(key): cells[key] for key in sorted(cells)}
    return totals._replace(fitted=fit_shares(cell_sizes, totals, config.weights))


class CountScores(beam.CombineFn):
    """Counts the pages of each score, or their bytes. An accumulator, unlike an element, may be changed."""

    def __init__(self, score: Callable[[CandidatePage], float | None], by_size: bool = False) -> None:
        """Keep the function that returns a page's score, None for a page without one."""
        self.score, self.by_size = score, by_size

    def create_accumulator(self) -> Counter[float | None]:
        """Return empty counts."""
        return Counter()

    def add_input(self, counts: Counter[float | None], page: CandidatePage) -> Counter[float | None]:
        """Count one page; a page without text counts as one byte."""
        counts[self.score(page)] += max(1, page.size) if self.by_size else 1
        return counts

    def merge_accumulators(self, parts: Iterable[Counter[float | None]]) -> Counter[float | None]:
        """Add counts."""
        counts = self.create_accumulator()
        for part in parts:
            counts.update(part)
        return counts

    def extract_output(self, counts: Counter[float | None]) -> ScoreDistribution:
        """Return the distribution."""
        return build_distribution({score: n for score, n in counts.items() if score is not None}, counts.total())


class FindDrawRange(beam.CombineFn):
    """Finds the lowest and the highest number that a site draws for validation."""

    def __init__(self, seed: int) -> None:
        """Keep the seed of the draws."""
        self.seed = seed

    def create_accumulator(self) -> tuple[float, float]:
        """Return the range of no draw."""
        return 1.0, 0.0

    def add_input(self, ends: tuple[float, float], page: CandidatePage) -> tuple[float, float]:
        """Widen the range to one page."""
        drawn = draw_site(page, self.seed)
        return min(ends[0], drawn), max(ends[1], drawn)

    def merge_accumulators(self, parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
        """Widen the range to all."""
        lows, highs = zip((1.0, 0.0), *parts, strict=True)
        return min(lows), max(highs)

    def extract_output(self, ends: tuple[float, float]) -> tuple[float, float]:
        """Return the range."""
        return ends


def judge_page(page: CandidatePage) -> JudgedPage:
    """Return a page with the reason why it may not be published at all, if there is one."""
    return JudgedPage(page, exclusion_reason(page))


def key_by_site(judged: JudgedPage) -> tuple[str, JudgedPage]:
    """Return a page under its site."""
    return judged.page.site, judged


def key_by_domain(page: CandidatePage) -> tuple[str, int]:
    """Return a page's bytes under its domain."""
    return page.domain, page.size


def key_by_cell(page: CandidatePage, scores: ScoreDistribution, config: Config) -> tuple[str, int]:
    """Return a page's bytes under its cell."""
    return encode_cell(find_cell(page, scores, config)), page.size


def page_with_part(page: CandidatePage) -> tuple[AnnealPart, CandidatePage]:
    """Return a page under its domain and type."""
    return (page.domain, page.page_type), page


def page_of_judged(judged: JudgedPage) -> CandidatePage:
    """Return the page alone."""
    return judged.page


def page_of_planned(planned: PlannedPage) -> CandidatePage:
    """Return the page alone."""
    return planned.page


@dataclass(eq=False)
class ExcludePages(beam.PTransform[PCollection[CandidatePage], PCollection[JudgedPage]]):
    """PCollection[CandidatePage] -> PCollection[JudgedPage]: pages that may not be published have a reason."""

    def expand(self, pages: PCollection[CandidatePage]) -> PCollection[JudgedPage]:
        """Judge each page alone."""
        judged: PCollection[JudgedPage] = pages | beam.Map(judge_page)
        return judged


@dataclass(eq=False)
class ResamplePages(beam.PTransform[PCollection[JudgedPage], PCollection[JudgedPage]]):
    """PCollection[JudgedPage] -> PCollection[JudgedPage]: DSIR excludes pages that are unlike its target corpus."""

    config: Config

    def expand(self, pages: PCollection[JudgedPage]) -> PCollection[JudgedPage]:
        """Compare each page's importance with those of all."""
        remaining = pages | "remaining" >> beam.Filter(is_remaining) | "pages" >> beam.Map(page_of_judged)
        importances = remaining | "importances" >> beam.CombineGlobally(CountScores(importance_of, by_size=True))
        judged: PCollection[JudgedPage] = pages | "draw" >> beam.Map(
            judge_resampled, beam.pvalue.AsSingleton(importances), self.config
        )
        return judged


@dataclass(eq=False)
class CapSites(beam.PTransform[PCollection[JudgedPage], PCollection[JudgedPage]]):
    """PCollection[JudgedPage] -> PCollection[JudgedPage]: no site has more remaining pages than the cap."""

    cap: int
    seed: int

    def expand(self, pages: PCollection[JudgedPage]) -> PCollection[JudgedPage]:
        """Group the remaining pages by site."""
        by_site = pages | "remaining" >> beam.Filter(is_remaining) | "by site" >> beam.Map(key_by_site)
        capped = by_site | "sites" >> beam.GroupByKey() | "cap" >> beam.FlatMap(judge_site, self.cap, self.seed)
        judged: PCollection[JudgedPage] = (
            capped,
            pages | "excluded" >> beam.Filter(is_excluded),
        ) | "all" >> beam.Flatten()
        return judged


@dataclass(eq=False)
class SumTotals(beam.PTransform[PCollection[CandidatePage], PCollection[CorpusTotals]]):
    """PCollection[CandidatePage] -> PCollection[CorpusTotals] with one element."""

    config: Config

    def expand(self, pages: PCollection[CandidatePage]) -> PCollection[CorpusTotals]:
        """Sum each part, and put them together."""
        sizes = pages | "by domain" >> beam.Map(key_by_domain) | "domains" >> beam.CombinePerKey(sum)
        scores = beam.pvalue.AsSingleton(pages | "scores" >> beam.CombineGlobally(CountScores(quality_of)))
        draws = pages | "draws" >> beam.CombineGlobally(FindDrawRange(self.config.seed))
        by_cell = pages | "by cell" >> beam.Map(key_by_cell, scores, self.config)
        cells = by_cell | "cells" >> beam.CombinePerKey(sum)
        parts = beam.pvalue.AsDict(sizes), scores, beam.pvalue.AsSingleton(draws), beam.pvalue.AsDict(cells)
        built: PCollection[CorpusTotals] = (
            pages.pipeline | "one" >> beam.Create([None]) | "build" >> beam.Map(build_totals, *parts, self.config)
        )
        return built


@dataclass(eq=False)
class SamplePages(beam.PTransform[PCollection[JudgedPage], PCollection[PlannedPage]]):
    """PCollection[JudgedPage] -> PCollection[PlannedPage]: each page's split, and its copies by the mixture."""

    config: Config

    def expand(self, pages: PCollection[JudgedPage]) -> PCollection[PlannedPage]:
        """Total the remaining pages, then decide each page."""
        remaining = pages | "remaining" >> beam.Filter(is_remaining) | "pages" >> beam.Map(page_of_judged)
        totals = remaining | "totals" >> SumTotals(self.config)
        planned: PCollection[PlannedPage] = pages | "decide" >> beam.Map(
            plan_page, beam.pvalue.AsSingleton(totals), self.config
        )
        return planned


@dataclass(eq=False)
class SelectAnneal(beam.PTransform[PCollection[PlannedPage], PCollection[PlannedPage]]):
    """PCollection[PlannedPage] -> PCollection[PlannedPage]: the best of the train pages are marked for anneal/."""

    config: Config

    def expand(self, pages: PCollection[PlannedPage]) -> PCollection[PlannedPage]:
        """Compare each train page's score with those of its domain and type: the best are within the quotas."""
        train = pages | "train" >> beam.Filter(in_train) | "pages" >> beam.Map(page_of_planned)
        by_part = train | "by part" >> beam.Map(page_with_part)
        scores = by_part | "scores" >> beam.CombinePerKey(CountScores(quality_of))
        quotas = (
            pages.pipeline
            | "one" >> beam.Create([None])
            | "quotas" >> beam.Map(find_anneal_quotas, beam.pvalue.AsDict(scores), self.config)
        )
        planned: PCollection[PlannedPage] = pages | "mark" >> beam.Map(
            mark_anneal, beam.pvalue.AsSingleton(quotas), self.config
        )
        return planned
