"""How measures, lengths, scores, dates, sites and clusters are distributed: the numbers behind the report's plots.

Of a large output a sample is read: evenly spread row groups of documents/, and rejected/ of the same shards.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow.compute as pc

from pipeline.config import Config
from pipeline.filters.chain import MEASURES, built_in_filters
from pipeline.io.output import Output

Item = TypeVar("Item")
MAX_SHARDS, MAX_GROUPS = 64, 64  # of documents/ that are read: some 400,000 pages
MAX_DUPLICATES = 3_000_000  # rows of duplicates/ in which clusters are counted
SCORED = ("language_score", "quality", "worth")  # measures that belong to no filter
BINS = 48
LOGARITHMIC = 50.0  # a measure with larger values than this has a logarithmic scale
TOP_SITES, MAX_PERIODS = 20, 24
CLUSTER_SIZES = (2, 3, 4, 5, 10, 20, 50, 100, 1000)  # lower bounds
SEARCHED_YEARS = (1990, 2100)


class Limit(NamedTuple):
    """A threshold of a measure, and the reason for which a page beyond it is dropped."""

    value: float
    is_minimum: bool
    reason: str  # stage/reason


class Histogram(NamedTuple):
    """A distribution in BINS equal steps of a linear or logarithmic scale."""

    name: str
    kept: list[int]
    dropped: list[int]  # pages that were dropped by this measure
    ticks: list[tuple[float, str]]  # places from 0 to 1, and what is written there
    limits: list[tuple[float, Limit]]  # places of the thresholds
    is_logarithmic: bool


@dataclass
class SampledPages:
    """What is read of the sampled pages."""

    pages: int = 0
    measures: dict[str, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))
    dropped: dict[str, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))
    sites: Counter[str] = field(default_factory=Counter)
    months: Counter[str] = field(default_factory=Counter)  # in which a page was crawled
    years: Counter[str] = field(default_factory=Counter)  # in which it says that it was published


def list_limits(config: Config) -> dict[str, list[Limit]]:
    """Return the thresholds that are on, by measure. A language may have others where a filter says so."""
    limits: dict[str, list[Limit]] = {"language_score": [], "quality": [], "worth": []}
    for name in built_in_filters():
        made = getattr(config.rules, name)
        for threshold in made.thresholds() if made else ():
            value = getattr(made, threshold.field)
            if value is not None:
                limit = Limit(float(value), threshold.is_minimum, f"{name}/{threshold.reason}")
                limits.setdefault(threshold.measure, []).append(limit)
    limits["language_score"].append(Limit(config.language.min_score, True, "language/low-score"))
    if config.quality.min_score is not None:
        limits["quality"].append(Limit(config.quality.min_score, True, "quality/low-score"))
    if config.quality.min_worth is not None:
        limits["worth"].append(Limit(config.quality.min_worth, True, "quality/low-worth"))
    return limits


def pick_evenly(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return at most `most` items, evenly spread."""
    return items[:: -(-len(items) // most) or 1]


def pick_row_groups(output: Output, shards: Iterable[str], most: int) -> Sequence[tuple[str, int]]:
    """Return at most `most` row groups of shards of documents/, evenly spread: (shard, number)."""
    groups = []
    for name in shards:
        with output.parquet("documents", name) as shard:
            groups += [(name, number) for number in range(shard.num_row_groups)]
    return pick_evenly(groups, most)


def read_sampled_pages(output: Output) -> SampledPages:
    """Read the sample: of documents/ without the texts, of rejected/ the measures that failed."""
    found = SampledPages()
    shards = pick_evenly(output.list("documents", ".parquet"), MAX_SHARDS)
    for name, number in pick_row_groups(output, shards, MAX_GROUPS):
        with output.parquet("documents", name) as shard:
            columns = ["measures", "scores", "language_score", "site", "date", "published"]
            table = shard.read_row_group(number, columns=columns)
        found.pages += table.num_rows
        found.measures["language_score"].append(to_floats(table.column("language_score")))
        for score in ("quality", "worth"):
            found.measures[score].append(to_floats(pc.struct_field(table.column("scores"), score)))
        for measure in MEASURES:
            found.measures[measure].append(to_floats(pc.struct_field(table.column("measures"), measure)))
        found.sites.update(table.column("site").to_pylist())
        found.months.update((date or "")[:7] for date in table.column("date").to_pylist())
        found.years.update((date or "")[:4] for date in table.column("published").to_pylist())
    rejected = set(output.list("rejected", ".parquet"))
    for name in shards:
        if name in rejected:
            with output.parquet("rejected", name) as shard:
                table = shard.read(columns=["measure", "value"])
            for measure in pc.unique(table.column("measure")).to_pylist():
                if measure is not None:
                    rows = table.filter(pc.equal(table.column("measure"), measure))
                    found.dropped[measure].append(to_floats(rows.column("value")))
    return found


def to_floats(column: object) -> np.ndarray:
    """Return the finite values of a column."""
    values = np.asarray(pc.drop_null(column), np.float64)
    return values[np.isfinite(values)]


def build_histogram(name: str, kept: np.ndarray, dropped: np.ndarray, limits: Sequence[Limit]) -> Histogram | None:
    """Return the distribution of a measure; None where no page has it. What is far outside is in the last bins."""
    values = np.concatenate([kept, dropped])
    if not len(values):
        return None
    low, high = find_range(values, [limit.value for limit in limits if np.isfinite(limit.value)])
    logarithmic = high > LOGARITHMIC and low >= 0
    if 0 <= low < 0.2 * high and not logarithmic:
        low = 0.0
    first, last = (float(scale_value(value, logarithmic)) for value in (low, high))
    last = last if last > first else first + 1.0
    counts = []
    for part in (kept, dropped):
        scaled = np.minimum(np.maximum(scale_value(part, logarithmic), first), last)
        counts.append([int(n) for n in np.histogram(scaled, BINS, (first, last))[0]])
    places = [((float(scale_value(limit.value, logarithmic)) - first) / (last - first), limit) for limit in limits]
    return Histogram(
        name=name,
        kept=counts[0],
        dropped=counts[1],
        ticks=list_ticks(first, last, logarithmic),
        limits=[(place, limit) for place, limit in places if 0 <= place <= 1],
        is_logarithmic=logarithmic,
    )


def find_range(values: np.ndarray, bounds: Sequence[float]) -> tuple[float, float]:
    """Return the least and the largest value that is drawn: all but the outermost values, and the thresholds.

    A highest threshold that no page comes near is not drawn.
    """
    low, high = (float(np.quantile(values, q)) for q in (0.001, 0.999))
    near = [bound for bound in bounds if bound <= max(4 * high, 1.0)]
    return min([low, *bounds]), max([high, *near])


def scale_value(value: "float | np.ndarray", logarithmic: bool) -> "np.ndarray":
    """Return values on the scale of a histogram."""
    return np.log10(1 + np.maximum(value, 0)) if logarithmic else np.asarray(value, np.float64)


def list_ticks(low: float, high: float, logarithmic: bool) -> list[tuple[float, str]]:
    """Return the marks of an axis between scaled bounds: both ends and the middle, or powers of ten."""
    if not logarithmic:
        return [(place, format_tick(low + place * (high - low))) for place in (0.0, 0.5, 1.0)]
    powers = [10**power for power in range(0, 10, 1 if high - low < 4 else 2)]
    places = [((float(np.log10(1 + value)) - low) / (high - low), f"{value:,}") for value in powers]
    return [(place, text) for place, text in places if 0 <= place <= 0.97]


def format_tick(value: float) -> str:
    """Return a number for an axis."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"


class Distributions(NamedTuple):
    """What the report plots. `pages` were sampled; the histograms are in the order of the filters."""

    pages: int
    histograms: list[Histogram]
    scores: list[Histogram]  # SCORED, those that pages have
    sites: list[tuple[str, int]]
    months: list[tuple[str, int]]
    years: list[tuple[str, int]]


def collect_distributions(output: Output, config: Config) -> Distributions:
    """Read the sample and return everything that is plotted of it."""
    found, limits = read_sampled_pages(output), list_limits(config)
    built = {name: list(build_all(found, {name: limits.get(name, [])})) for name in SCORED}
    filters = {name: some for name, some in limits.items() if name not in built}
    return Distributions(
        found.pages,
        list(build_all(found, filters)),
        [plot for name in SCORED for plot in built[name]],
        order_counts(found.sites)[:TOP_SITES],
        list_periods(found.months),
        list_periods(found.years, SEARCHED_YEARS),
    )


def build_all(found: SampledPages, limits: Mapping[str, Sequence[Limit]]) -> Iterator[Histogram]:
    """Yield the histogram of each named measure that a page has."""
    nothing = [np.zeros(0)]
    for name, some in limits.items():
        kept, dropped = (np.concatenate(part.get(name) or nothing) for part in (found.measures, found.dropped))
        if histogram := build_histogram(name, kept, dropped, some):
            yield histogram


def order_counts(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the named counts, the largest first, equal ones by name."""
    return sorted(((name, n) for name, n in counts.items() if name), key=lambda item: (-item[1], item[0]))


def list_periods(counts: Counter[str], years: tuple[int, int] | None = None) -> list[tuple[str, int]]:
    """Return the counts of months or years in order; of many, the latest, and one row for all before them."""
    named = sorted((name, n) for name, n in counts.items() if is_period(name, years))
    if len(named) <= MAX_PERIODS:
        return named
    before = named[: -MAX_PERIODS + 1]
    return [(f"to {before[-1][0]}", sum(n for _, n in before)), *named[-MAX_PERIODS + 1 :]]


def is_period(name: str, years: tuple[int, int] | None) -> bool:
    """Return whether a text is a year, or with a month behind it, within some years."""
    year = name[:4]
    return year.isascii() and year.isdecimal() and (years is None or years[0] <= int(year) <= years[1])


def count_cluster_sizes(output: Output) -> list[tuple[str, int, int]]:
    """Return (pages of a cluster, clusters, pages) of the clusters of duplicates; [] where there are too many rows."""
    members: Counter[tuple[str, str]] = Counter()  # by kind and smallest id
    for name in output.list("duplicates", ".parquet"):
        with output.parquet("duplicates", name) as shard:
            table = shard.read(columns=["kind", "cluster"])
        members.update(zip(table.column("kind").to_pylist(), table.column("cluster").to_pylist(), strict=True))
        if members.total() > MAX_DUPLICATES:
            return []
    sizes = Counter(n + 1 for n in members.values())  # and the page that is kept
    rows = []
    for low, high in zip(CLUSTER_SIZES, [*CLUSTER_SIZES[1:], None], strict=True):
        inside = [(size, n) for size, n in sizes.items() if size >= low and (high is None or size < high)]
        label = f"{low:,} and more" if high is None else f"{low:,}" if high == low + 1 else f"{low:,} to {high - 1:,}"
        if inside:
            rows.append((label, sum(n for _, n in inside), sum(size * n for size, n in inside)))
    return rows
