"""FineWeb's own rules: lists, menus and pages glued from snippets show in their lines."""

from typing import Literal

from pydantic.dataclasses import dataclass

from pipeline.filters import statistics
from pipeline.filters.base import Count, Filter, Ratio, Share, Threshold
from pipeline.filters.language_thresholds import fineweb2_thresholds
from pipeline.settings import STRICT

FINEWEB_THRESHOLDS = (
    Threshold("min_lines", "empty", "fineweb_lines", statistics.count_filled_lines, is_minimum=True),
    Threshold("min_ended_lines", "unended-lines", "fineweb_ended_lines", statistics.ended_lines, is_minimum=True),
    Threshold("max_short_lines", "short-lines", "fineweb_short_lines", statistics.short_lines),
    Threshold(
        "max_duplicate_line_characters",
        "duplicate-line-characters",
        "fineweb_duplicate_line_characters",
        statistics.duplicate_line_characters,
    ),
    Threshold("max_newlines_per_word", "newlines", "fineweb_newlines_per_word", statistics.newlines_per_word),
)


@dataclass(frozen=True, config=STRICT)
class FineWebFilter(Filter):
    """FineWeb's line rules (datatrove/pipeline/filters/fineweb_quality_filter.py, the thresholds that ran for English).

    The paper names .1 for duplicate lines; the code that ran has .01, and FineWeb-2 went to .1. Beyond it: no rule on
    line ends for languages without full stops, and in Chinese, Japanese and Korean a short line has 15 characters,
    not 30. With `by_language: fineweb2` the limits on line ends and newlines are FineWeb-2's, where it knows the
    language.
    """

    by_language: Literal["fineweb2"] | None = None  # use the published thresholds of each language
    min_lines: Count | None = 1
    min_ended_lines: Share | None = 0.12
    max_short_lines: Share | None = 0.67
    max_duplicate_line_characters: Share | None = 0.01
    max_newlines_per_word: Ratio | None = 0.3

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the thresholds in datatrove's order."""
        return FINEWEB_THRESHOLDS

    def threshold_for(self, field: str, language: str) -> float | None:
        """Return the threshold of a field, FineWeb-2's where that is asked for."""
        own = super().threshold_for(field, language)
        if own is None or not self.by_language or field not in ("min_ended_lines", "max_newlines_per_word"):
            return own
        return fineweb2_thresholds(language).get(field, own)
