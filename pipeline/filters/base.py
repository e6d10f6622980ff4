"""What all rule families share: a limit, its outcome, and the class that a family's thresholds derive from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

from pydantic import ConfigDict, Field

from pipeline.filters.statistics import Measured

STRICT = ConfigDict(extra="forbid")

Share = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class Failure(NamedTuple):
    """Why a page goes: `reason` is "<family>/<kebab>" and stable; `value` of `measure` is beyond `threshold`."""

    reason: str
    measure: str
    value: float
    threshold: float


class Check(NamedTuple):
    """One threshold held against one page. One of `minimum` and `maximum` is given; a value equal to it passes."""

    rule: str
    reason: str
    measure: str
    value: float
    minimum: float | None
    maximum: float | None
    passed: bool


class Limit(NamedTuple):
    """One threshold of a family, in words: the config's `field` bounds `measure`, or the page goes for `reason`.

    `value` returns None where the rule does not apply to a text; it is None itself where the family's `clean` counts.
    """

    field: str
    reason: str
    measure: str
    value: Callable[[Measured], float | None] | None = None
    at_least: bool = False  # the field is a minimum, else a maximum


class Family(ABC):
    """A family of rules: its thresholds (None switches one off), what it does to the text, its limits in order."""

    def bound(self, field: str, language: str) -> float | None:
        """Return the threshold of a field for pages in a language; None where it is off."""
        return getattr(self, field)

    def clean(self, text: Measured) -> tuple[str, dict[str, float]]:
        """Return the text after the family's line rules, and what they counted."""
        return text.text, {}

    @abstractmethod
    def limits(self) -> Sequence[Limit]:
        """Return the limits in the order in which the source applies them."""
