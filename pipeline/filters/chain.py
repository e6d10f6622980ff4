"""The chain of filters that a page passes: each edits the text, measures it, and holds thresholds against it.

A page passes the filters in the order of `RulesConfig`'s fields. The first threshold that it fails drops it. To add a
built-in filter, write its class in a file of its own and add one field to `RulesConfig`: the columns of `measures`, the
stages of the report and the property tests follow from the fields. A filter of your own needs no change here: see
`pipeline.filters.custom`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from types import NoneType
from typing import Any, NamedTuple, get_args, get_type_hints

from pydantic.dataclasses import dataclass

from pipeline.filters.bad_words import BadWordsFilter
from pipeline.filters.base import Filter, Threshold
from pipeline.filters.c4 import C4Filter
from pipeline.filters.custom import custom_filter_name, load_custom_filters
from pipeline.filters.dclm import DclmFilter
from pipeline.filters.fineweb import FineWebFilter
from pipeline.filters.gopher_quality import GopherQualityFilter
from pipeline.filters.gopher_repetition import GopherRepetitionFilter
from pipeline.filters.refinedweb_lines import RefinedWebLineFilter
from pipeline.filters.statistics import TextStatistics
from pipeline.filters.text_shape import TextShapeFilter
from pipeline.settings import STRICT
from pipeline.text.tokenize.words import SPLITTER, TextSplitter

OTHER_STAGES = ("record", "url", "http", "mime", "robots", "extract", "language", "pii", "quality", "custom")


@dataclass(frozen=True, config=STRICT)
class RulesConfig:
    """The filters that are applied, in this order. None leaves one out.

    It is FineWeb's order (repetition, quality, C4, FineWeb). DCLM's heuristics change the text before all others. The
    shape of the text is our own. RefinedWeb's line rules come after the rules on whole pages, and
    C4 looks for bad words at the end, each as its source has it.
    """

    dclm: DclmFilter | None = None
    gopher_repetition: GopherRepetitionFilter | None = None
    gopher_quality: GopherQualityFilter | None = None
    c4: C4Filter | None = None
    fineweb: FineWebFilter | None = None
    text_shape: TextShapeFilter | None = None
    refinedweb_lines: RefinedWebLineFilter | None = None
    bad_words: BadWordsFilter | None = None
    custom: tuple[dict[str, Any], ...] = ()  # filters of your own, each {use: "package.module:MyFilter", its settings}


def built_in_filters() -> dict[str, type[Filter]]:
    """Return the classes of the built-in filters by the name of their field, in order."""
    hints = get_type_hints(RulesConfig)
    options = {field.name: get_args(hints[field.name]) for field in fields(RulesConfig) if field.name != "custom"}
    return {name: next(option for option in some if option is not NoneType) for name, some in options.items()}


# Every measure that a page can have, by filter: the fields of the Parquet column `measures`.
MEASURES: tuple[str, ...] = tuple(
    dict.fromkeys(name for cls in built_in_filters().values() for name in cls().measure_names())
)


class NamedFilter(NamedTuple):
    """A filter with the name of its stage. The measures of a custom one are not columns."""

    name: str
    filter: Filter
    is_custom: bool


def filter_names(rules: RulesConfig) -> list[str]:
    """Return the names of all stages that are filters, in order: the built-in ones, on or off, then the custom ones."""
    return [*built_in_filters(), *(custom_filter_name(str(entry.get("use"))) for entry in rules.custom)]


def custom_filters(rules: RulesConfig) -> list[NamedFilter]:
    """Return the custom filters, in order. Raises ConfigError with one line where one cannot be used."""
    made = load_custom_filters(rules.custom, taken=(*built_in_filters(), *OTHER_STAGES))
    return [NamedFilter(name, custom, is_custom=True) for name, custom in made.items()]


def load_filters(rules: RulesConfig) -> tuple[NamedFilter, ...]:
    """Return the filters that are on, in order, with the files that they need read.

    Raises ValueError or OSError with one line where a file or a custom filter cannot be used.
    """
    built_in = [(name, getattr(rules, name)) for name in built_in_filters()]
    found = [NamedFilter(name, made, is_custom=False) for name, made in built_in if made is not None]
    found += custom_filters(rules)
    for one in found:
        one.filter.load_data()
    return tuple(found)


class FilterFailure(NamedTuple):
    """Why a page is dropped: `reason` is "<filter>/<reason>" and stable; `value` of `measure` is beyond `threshold`."""

    reason: str
    measure: str
    value: float
    threshold: float


class ThresholdCheck(NamedTuple):
    """One threshold held against one page. One of `minimum` and `maximum` is given; a value equal to it passes."""

    filter: str
    reason: str
    measure: str
    value: float
    minimum: float | None
    maximum: float | None
    passed: bool


class FilterResult(NamedTuple):
    """A page after the filters that it reached: its text, what was measured, and why it is dropped (None: it is kept).

    `measures` has the measures of the built-in filters only.
    """

    text: str
    measures: dict[str, float]
    failure: FilterFailure | None


class FilterStep(NamedTuple):
    """One step through a filter: the text so far, what was just measured, the threshold that was held against it."""

    filter: NamedFilter
    text: str
    measures: dict[str, float]
    threshold: Threshold | None = None  # None where the text was edited
    bound: float = 0.0
    value: float = 0.0
    passed: bool = True


def run_filters(
    filters: Sequence[NamedFilter], text: str, language: str, splitter: TextSplitter
) -> Iterator[FilterStep]:
    """Yield what each filter does to a text, step by step, as far as the caller asks."""
    statistics = TextStatistics(text, language, splitter)
    for named in filters:
        edited, counts = named.filter.edit_text(statistics)
        if edited != statistics.text:
            statistics = TextStatistics(edited, language, splitter)
        if counts:
            yield FilterStep(named, edited, counts)
        for threshold in named.filter.thresholds():
            bound = named.filter.threshold_for(threshold.field, language)
            if bound is None:
                continue
            value = threshold.statistic(statistics) if threshold.statistic else counts.get(threshold.measure)
            if value is None:
                continue
            passed = value >= bound if threshold.is_minimum else value <= bound
            yield FilterStep(named, edited, {threshold.measure: value}, threshold, bound, value, passed)


def apply_filters(
    filters: Sequence[NamedFilter], text: str, language: str, splitter: TextSplitter = SPLITTER
) -> FilterResult:
    """Apply filters up to the first threshold that the text fails.

    `splitter` replaces how words and sentences are cut, for comparison with other implementations.
    """
    measures: dict[str, float] = {}
    for step in run_filters(filters, text, language, splitter):
        text = step.text
        if not step.filter.is_custom:
            measures.update(step.measures)
        if not step.passed and step.threshold:
            reason = f"{step.filter.name}/{step.threshold.reason}"
            failure = FilterFailure(reason, step.threshold.measure, step.value, float(step.bound))
            return FilterResult(text, measures, failure)
    return FilterResult(text, measures, None)


def check_filters(
    filters: Sequence[NamedFilter], text: str, language: str, splitter: TextSplitter = SPLITTER
) -> list[ThresholdCheck]:
    """Hold a text against every threshold that applies to it, without stopping.

    The first that fails is the one for which `apply_filters` drops the text.
    """
    checks = []
    for step in run_filters(filters, text, language, splitter):
        if step.threshold:
            bound = float(step.bound)
            minimum, maximum = (bound, None) if step.threshold.is_minimum else (None, bound)
            reason = f"{step.filter.name}/{step.threshold.reason}"
            measure = step.threshold.measure
            checks.append(ThresholdCheck(step.filter.name, reason, measure, step.value, minimum, maximum, step.passed))
    return checks
