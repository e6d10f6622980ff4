"""What every filter shares: thresholds on text statistics, and the class from which filters derive.

A filter of your own needs a function that measures a text, and a dataclass with its thresholds:

    def share_of_long_lines(text: TextStatistics) -> float:
        return share_of(sum(len(line) > 500 for line in text.lines), len(text.lines))

    @dataclass(frozen=True)
    class LongLineFilter(Filter):
        max_long_lines: float | None = 0.5

        def thresholds(self) -> tuple[Threshold, ...]:
            return (Threshold("max_long_lines", "long-lines", "long_lines", share_of_long_lines),)

The config names it by its module: `rules: {custom: [{use: "my_module:LongLineFilter", max_long_lines: 0.3}]}`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from pipeline.filters.statistics import TextStatistics

Share = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class Threshold(NamedTuple):
    """One threshold of a filter: a page is dropped for `reason` where `measure` is beyond the setting `field`.

    `statistic` measures the text. It returns None where the threshold does not apply to a text. It is None itself
    where `Filter.edit_text` counts the measure.
    """

    field: str
    reason: str
    measure: str
    statistic: Callable[[TextStatistics], float | None] | None = None
    is_minimum: bool = False  # the setting is the least value that passes, else the highest


class Filter(ABC):
    """A filter: its settings, how it edits the text, and its thresholds. A setting of None switches a threshold off."""

    counts: ClassVar[tuple[str, ...]] = ()  # the names of what `edit_text` counts

    @abstractmethod
    def thresholds(self) -> Sequence[Threshold]:
        """Return the thresholds in the order in which they are applied."""

    def threshold_for(self, field: str, language: str) -> float | None:
        """Return the value of a threshold for pages in a language, or None where it is off."""
        value: float | None = getattr(self, field)
        return value

    def edit_text(self, text: TextStatistics) -> tuple[str, dict[str, float]]:
        """Return the text that remains once the filter has removed what it removes, and what it counted."""
        return text.text, {}

    def load_data(self) -> None:  # noqa: B027 (most filters have no data)
        """Read the files that the settings name. Raises OSError or ValueError, one line, where one cannot be used."""

    def measure_names(self) -> list[str]:
        """Return the names of everything that the filter measures, in order."""
        return list(dict.fromkeys((*self.counts, *(threshold.measure for threshold in self.thresholds()))))
