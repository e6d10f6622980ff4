"""Filters of a user's own: `rules: {custom: [{use: "package.module:MyFilter", ...its settings}]}`.

A custom filter runs after the built-in ones, in the order of the list. Its stage in the ledger is its class name in
snake_case without "Filter": `ReadMoreFilter` gives `read_more`. It is imported by name in every process, so the
workers must be able to import its module. Its measures are not columns of documents/: a dropped page's row in rejected/
has the measure, the value and the threshold, and `inspect --explain` shows all of them.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pipeline.filters.base import Filter, Threshold
from pipeline.filters.statistics import TextStatistics
from pipeline.io.plugins import (
    describe_exception,
    describe_place,
    find_source_file,
    load_object,
    make_object,
    snake_case_name,
)
from pipeline.settings import ConfigError

REASON = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
METHODS = ("thresholds", "threshold_for", "edit_text", "load_data")


class FilterError(ValueError):
    """A custom filter failed on a page. The text is one line for the user."""


def custom_filter_name(use: str) -> str:
    """Return the name of a filter's stage: "my_package:ReadMoreFilter" gives "read_more"."""
    return snake_case_name(use, "Filter")


def load_custom_filters(
    entries: Sequence[Mapping[str, object]], taken: Sequence[str], key: str = "rules.custom"
) -> dict[str, Filter]:
    """Return the custom filters of a config by name. `taken` are the names of other stages.

    Raises ConfigError with one line where a filter cannot be imported, has other settings, or is no filter.
    """
    found: dict[str, Filter] = {}
    for number, entry in enumerate(entries):
        where = f"{key}.{number}"
        use = entry.get("use")
        if not isinstance(use, str):
            raise ConfigError(f"{where}.use: this key is required; write it as package.module:MyFilter")
        name = custom_filter_name(use)
        if name in found or name in taken:
            raise ConfigError(f"{where}.use: {use!r} makes a second stage {name!r}; give the class another name")
        made = make_custom_filter(use, {key: value for key, value in entry.items() if key != "use"}, where)
        found[name] = GuardedFilter(f"{where} ({use})", made, check_thresholds(made, f"{where} ({use})"))
    return found


def custom_filter_files(entries: Sequence[Mapping[str, object]], key: str = "rules.custom") -> list[tuple[str, str]]:
    """Return (config key, path) of the file that each custom filter is written in. Raises ConfigError."""
    keys = [f"{key}.{number}" for number in range(len(entries))]
    files = [
        find_source_file(import_filter(str(entry.get("use")), where))
        for where, entry in zip(keys, entries, strict=True)
    ]
    return [(where, path) for where, path in zip(keys, files, strict=True) if path]


def make_custom_filter(use: str, settings: Mapping[str, object], where: str) -> Filter:
    """Return an instance of the class that `use` names. Raises ConfigError."""
    import_filter(use, where)
    made: Filter = make_object(use, settings, where)
    return made


def import_filter(use: str, where: str) -> type[Filter]:
    """Return the class that `use` names. Raises ConfigError where it cannot be imported or lacks a filter's methods."""
    cls = load_object(use, f"{where}.use")
    if not isinstance(cls, type) or not all(callable(getattr(cls, name, None)) for name in METHODS):
        raise ConfigError(f"{where}.use: {use} is no filter; derive it from pipeline.filters.base.Filter")
    return cls


def check_thresholds(made: Filter, where: str) -> tuple[Threshold, ...]:
    """Return a custom filter's thresholds. Raises ConfigError where they are not what `Filter.thresholds` asks for."""
    try:
        found = tuple(made.thresholds())
    except Exception as error:  # a user's method may raise anything
        raise ConfigError(f"{where}: thresholds() raised {describe_exception(error)}") from error
    if not found or not all(isinstance(threshold, Threshold) for threshold in found):
        raise ConfigError(f"{where}: thresholds() must return one Threshold or more")
    for threshold in found:
        if not hasattr(made, threshold.field):
            raise ConfigError(f"{where}: a threshold names the setting {threshold.field!r}, which the filter lacks")
        if not REASON.fullmatch(threshold.reason):
            raise ConfigError(f"{where}: the reason {threshold.reason!r} must be lower-case words joined by hyphens")
    return found


@dataclass(frozen=True)
class GuardedFilter(Filter):
    """A custom filter whose failures become one line: what it raises, and answers that are no numbers or no text."""

    where: str
    filter: Filter
    checked: tuple[Threshold, ...]

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the filter's thresholds, each with its statistic guarded."""
        return tuple(
            threshold._replace(statistic=partial(self.measure, threshold)) if threshold.statistic else threshold
            for threshold in self.checked
        )

    def measure(self, threshold: Threshold, text: TextStatistics) -> float | None:
        """Return the value of a threshold's measure. Raises FilterError."""
        assert threshold.statistic is not None
        try:
            value = threshold.statistic(text)
        except MemoryError:
            raise
        except Exception as error:  # a user's function may raise anything
            raise FilterError(self.describe_failure(threshold.measure, error)) from error
        return None if value is None else self.check_number(value, threshold.measure)

    def threshold_for(self, field: str, language: str) -> float | None:
        """Return the filter's own threshold. Raises FilterError."""
        try:
            value = self.filter.threshold_for(field, language)
        except Exception as error:  # a user's method may raise anything
            raise FilterError(self.describe_failure(field, error)) from error
        return None if value is None else self.check_number(value, field)

    def edit_text(self, text: TextStatistics) -> tuple[str, dict[str, float]]:
        """Return what the filter's own `edit_text` does. Raises FilterError."""
        try:
            edited, counts = self.filter.edit_text(text)
            counted = dict(counts)
        except MemoryError:
            raise
        except Exception as error:  # a user's method may raise anything
            raise FilterError(self.describe_failure("edit_text", error)) from error
        if not isinstance(edited, str):
            raise FilterError(f"{self.where}: edit_text returned {type(edited).__name__} where a text belongs")
        return edited, {str(name): self.check_number(value, str(name)) for name, value in counted.items()}

    def load_data(self) -> None:
        """Read the files that the filter's settings name. Raises FilterError."""
        try:
            self.filter.load_data()
        except Exception as error:  # a user's method may raise anything
            raise FilterError(self.describe_failure("load_data", error)) from error

    def check_number(self, value: object, what: str) -> float:
        """Return a value as a float. Raises FilterError where it is no finite number."""
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        if isinstance(value, str) or not math.isfinite(number):
            raise FilterError(f"{self.where}: {what} is {value!r}; it must be a finite number, or None to pass")
        return number

    def describe_failure(self, what: str, error: Exception) -> str:
        """Return one line about what the filter raised, and where."""
        return f"{self.where}: {what} raised {describe_exception(error)} ({describe_place(error)})"
