"""The published rules for web text, a file a family: each measures a text and bounds it, some take lines out of it.

A page goes through the families in the order of `RulesConfig`'s fields and is dropped at the first limit that it fails.
To add a rule, write its measure as a pure function and put one `Limit` into its family's table.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import NamedTuple

from pydantic.dataclasses import dataclass

from pipeline.filters import bad_words, c4, dclm, fineweb, gopher_quality, gopher_repetition, refinedweb_lines
from pipeline.filters.bad_words import BadWords
from pipeline.filters.base import STRICT, Check, Failure, Family, Limit
from pipeline.filters.c4 import C4
from pipeline.filters.dclm import Dclm
from pipeline.filters.fineweb import FineWeb
from pipeline.filters.gopher_quality import GopherQuality
from pipeline.filters.gopher_repetition import GopherRepetition
from pipeline.filters.refinedweb_lines import RefinedWebLines
from pipeline.filters.statistics import Measured
from pipeline.text.tokenize.words import SPLITTER, TextSplitter

__all__ = [
    "C4",
    "MEASURES",
    "BadWords",
    "Check",
    "Dclm",
    "Failure",
    "FineWeb",
    "GopherQuality",
    "GopherRepetition",
    "RefinedWebLines",
    "RulesConfig",
    "apply_rules",
    "check_rules",
    "load_lists",
]


@dataclass(frozen=True, config=STRICT)
class RulesConfig:
    """The families that are applied, in this order; None leaves one out.

    It is FineWeb's order (repetition, quality, C4, FineWeb). DCLM's heuristics change the text first of all,
    RefinedWeb's line rules come after the rules on whole pages, and C4 looks for bad words at the end: each as its
    source has it.
    """

    dclm: Dclm | None = None
    gopher_repetition: GopherRepetition | None = None
    gopher_quality: GopherQuality | None = None
    c4: C4 | None = None
    fineweb: FineWeb | None = None
    refinedweb_lines: RefinedWebLines | None = None
    bad_words: BadWords | None = None


# Every measure that a page can have, by family: the fields of the Parquet column `measures`.
MEASURES: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *dclm.COUNTS,
            *(limit.measure for limit in dclm.LIMITS),
            *(limit.measure for limit in gopher_repetition.LIMITS["gopher"]),
            *(limit.measure for limit in gopher_quality.LIMITS["gopher"]),
            *c4.COUNTS,
            *(limit.measure for limit in c4.LIMITS),
            *(limit.measure for limit in fineweb.LIMITS),
            *refinedweb_lines.COUNTS,
            *(limit.measure for limit in refinedweb_lines.LIMITS),
            *(limit.measure for limit in bad_words.BadWords().limits()),
        )
    )
)


def applied(config: RulesConfig) -> Iterator[tuple[str, Family]]:
    """Yield the families that are on, with their names, in order."""
    for field in fields(config):
        family = getattr(config, field.name)
        if family is not None:
            yield field.name, family


class Outcome(NamedTuple):
    """One step of a page through the rules: the text so far, what has just been measured, the limit held against it."""

    text: str
    measures: dict[str, float]
    family: str = ""
    limit: Limit | None = None  # None where lines were taken out
    bound: float = 0.0
    value: float = 0.0
    passed: bool = True


def outcomes(config: RulesConfig, text: str, language: str, splitter: TextSplitter) -> Iterator[Outcome]:
    """Yield, as far as the caller goes, what becomes of a text at each rule that applies to it."""
    measured = Measured(text, language, splitter)
    for name, family in applied(config):
        cleaned, counts = family.clean(measured)
        if cleaned != measured.text:
            measured = Measured(cleaned, language, splitter)
        if counts:
            yield Outcome(cleaned, counts)
        for limit in family.limits():
            bound = family.bound(limit.field, language)
            if bound is None:
                continue
            value = limit.value(measured) if limit.value else counts.get(limit.measure)
            if value is None:
                continue
            passed = value >= bound if limit.at_least else value <= bound
            yield Outcome(cleaned, {limit.measure: value}, name, limit, bound, value, passed)


def apply_rules(
    config: RulesConfig, text: str, language: str, splitter: TextSplitter = SPLITTER
) -> tuple[str, dict[str, float], Failure | None]:
    """Apply the rules up to the first failure.

    Returns the text after the line rules that were reached, the measures that were taken, and the failure (None: keep).
    `splitter` replaces how words and sentences are cut, for comparison with other implementations.
    """
    measures: dict[str, float] = {}
    for step in outcomes(config, text, language, splitter):
        text = step.text
        measures.update(step.measures)
        if not step.passed and step.limit:
            reason = f"{step.family}/{step.limit.reason}"
            return text, measures, Failure(reason, step.limit.measure, step.value, float(step.bound))
    return text, measures, None


def check_rules(config: RulesConfig, text: str, language: str, splitter: TextSplitter = SPLITTER) -> list[Check]:
    """Hold a text against every limit that applies to it, without stopping; the first that fails is `apply_rules`'s."""
    checks = []
    for _, _, family, limit, bound, value, passed in outcomes(config, text, language, splitter):
        if limit:
            minimum, maximum = (float(bound), None) if limit.at_least else (None, float(bound))
            reason = f"{family}/{limit.reason}"
            checks.append(Check(family, reason, limit.measure, value, minimum, maximum, passed))
    return checks


def load_lists(config: RulesConfig) -> None:
    """Read the lists that the rules name, so that a missing one stops a run at once. Raises OSError, ValueError."""
    for language, path in sorted(config.bad_words.lists.items()) if config.bad_words else ():
        bad_words.pattern(path, language)
