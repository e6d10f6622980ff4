"""Filters of a user's own: what they may do, and one clear line for each thing that they may not."""

import math
import re
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.config import build_config, compare_configs, config_values
from pipeline.filters.base import Filter, Share, Threshold
from pipeline.filters.chain import RulesConfig, apply_filters, check_filters, filter_names, load_filters
from pipeline.filters.custom import FilterError, custom_filter_name
from pipeline.filters.statistics import TextStatistics, share_of
from pipeline.settings import ConfigError

HERE = __name__
ANSWERS: dict[str, Any] = {}  # what the filter below answers


def shouted_lines(text: TextStatistics) -> float | None:
    return share_of(sum(line.isupper() for line in text.lines), len(text.lines)) if text.language == "en" else None


@dataclass(frozen=True)
class ShoutFilter(Filter):
    """Takes out lines of dashes, and drops pages of capitals or of too many dashes."""

    max_shouted_lines: Share | None = 0.5
    max_rules: int | None = 1

    def edit_text(self, text: TextStatistics) -> tuple[str, dict[str, float]]:
        kept = [line for line in text.text.split("\n") if line != "---"]
        return "\n".join(kept), {"rules": text.text.count("\n") + 1 - len(kept)}

    def thresholds(self) -> tuple[Threshold, ...]:
        return (
            Threshold("max_shouted_lines", "shouted-lines", "shouted_lines", shouted_lines),
            Threshold("max_rules", "rules", "rules"),
        )


@dataclass(frozen=True)
class AnyAnswerFilter(Filter):
    """Answers whatever a test wants."""

    max_value: Any = 1.0

    def threshold_for(self, field: str, language: str) -> Any:
        return ANSWERS.get("threshold_for", 1.0)

    def edit_text(self, text: TextStatistics) -> Any:
        return ANSWERS.get("edit_text", (text.text, {}))

    def thresholds(self) -> Any:
        answer = lambda text: ANSWERS.get("value", 0.0)  # noqa: E731
        return ANSWERS.get("thresholds", (Threshold("max_value", "value", "value", answer),))


class Shaped:
    """Has the shape of a filter, and derives from nothing."""

    def __init__(self, least: float = 3.0) -> None:
        self.least = least

    def load_data(self) -> None: ...

    def threshold_for(self, field: str, language: str) -> float:
        return self.least

    def edit_text(self, text: TextStatistics) -> tuple[str, dict[str, float]]:
        return text.text, {}

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("least", "few", "characters", lambda text: len(text.text), is_minimum=True),)


class MadeUpWrongly(Shaped):
    def __init__(self) -> None:
        raise RuntimeError("no disk\nleft")


def rules(name: str = "ShoutFilter", **settings: Any) -> RulesConfig:
    return RulesConfig(
        gopher_repetition={"max_duplicate_lines": None, "max_duplicate_line_characters": None},
        custom=[{"use": f"{HERE}:{name}", **settings}],
    )


@pytest.fixture(autouse=True)
def no_answers() -> None:
    ANSWERS.clear()


def test_a_custom_filter_edits_measures_and_drops_after_the_built_in_ones() -> None:
    filters = load_filters(rules(max_shouted_lines=0.4))
    text, measures, failure = apply_filters(filters, "one line\n---\nanother one", "en")
    assert text == "one line\nanother one" and failure is None
    assert "shouted_lines" not in measures and "rules" not in measures and "top_2gram" in measures
    failure = apply_filters(filters, "ONE\ntwo", "en").failure
    assert failure == ("shout/shouted-lines", "shouted_lines", 0.5, 0.4)
    assert apply_filters(filters, "ONE\ntwo", "de").failure is None  # None: the threshold does not apply
    failure = apply_filters(filters, "one\n---\nten\n---\nsix four", "en").failure
    assert failure is not None and failure[:3] == ("shout/rules", "rules", 2.0)
    checks = [check for check in check_filters(filters, "ONE", "en") if check.filter == "shout"]
    assert [(check.measure, check.value, check.passed) for check in checks] == [
        ("shouted_lines", 1.0, False),
        ("rules", 0.0, True),
    ]


def test_what_has_the_shape_of_a_filter_is_one() -> None:
    filters = load_filters(RulesConfig(custom=[{"use": f"{HERE}:Shaped", "least": 5}]))
    assert apply_filters(filters, "four", "en").failure == ("shaped/few", "characters", 4.0, 5.0)


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("a:ReadMoreFilter", "read_more"),
        ("a.b:c.HTTPFilter", "http"),
        ("a:Filter", "filter"),
        ("a:GopherLike2Filter", "gopher_like2"),
        ("a:already_snake", "already_snake"),
    ],
)
def test_the_stage_is_the_class_in_snake_case(use: str, name: str) -> None:
    assert custom_filter_name(use) == name
    assert filter_names(RulesConfig(custom=[{"use": use}]))[-1] == name


def test_settings_are_part_of_the_config() -> None:
    base = {"inputs": ["x"], "output": "y"}
    one, two = (
        build_config(base | {"rules": {"custom": [{"use": f"{HERE}:ShoutFilter", "max_rules": n}]}}) for n in (1, 2)
    )
    assert build_config(config_values(one)) == one
    assert len(compare_configs(config_values(one), config_values(two))) == 1


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{}], "rules.custom.0.use: this key is required"),
        ([{"use": 3}], "rules.custom.0.use: this key is required"),
        ([{"use": "ShoutFilter"}], "rules.custom.0.use: 'ShoutFilter' cannot be used: write it as package.module:Name"),
        ([{"use": "no_such.module:X"}], "rules.custom.0.use: there is no module 'no_such'"),
        ([{"use": f"{HERE}:ShoutFiltre"}], "did you mean 'ShoutFilter'?"),
        ([{"use": f"{HERE}:shouted_lines"}], "is no filter"),
        ([{"use": f"{HERE}:ANSWERS"}], "is no filter"),
        (
            [{"use": f"{HERE}:ShoutFilter", "max_rule": 1}],
            "rules.custom.0.max_rule: no such key; did you mean 'max_rules'?",
        ),
        (
            [{"use": f"{HERE}:ShoutFilter", "max_shouted_lines": 2}],
            "rules.custom.0.max_shouted_lines: 2 cannot be used",
        ),
        ([{"use": f"{HERE}:ShoutFilter"}, {"use": f"{HERE}:ShoutFilter"}], "a second stage 'shout'"),
        ([{"use": f"{HERE}:Shaped", "most": 1}], "rules.custom.0.most: no such key (known here: use, least)"),
        ([{"use": f"{HERE}:MadeUpWrongly"}], "cannot be made: RuntimeError: no disk left"),
    ],
)
def test_what_cannot_be_used_is_one_line(entries: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_config({"inputs": ["x"], "output": "y", "rules": {"custom": entries}})
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_stage_that_exists_already_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.pipeline.filters.test_custom.QualityFilter", ShoutFilter, raising=False)
    with pytest.raises(ConfigError, match="a second stage 'quality'"):
        load_filters(RulesConfig(custom=[{"use": f"{HERE}:QualityFilter"}]))


@pytest.mark.parametrize(
    "answer", [(), 3, [("a", "b")], (Threshold("no_field", "a", "b"),), (Threshold("max_value", "A b", "c"),)]
)
def test_thresholds_that_are_none_are_one_line(answer: Any) -> None:
    ANSWERS["thresholds"] = answer
    with pytest.raises(ConfigError, match=re.escape(f"rules.custom.0 ({HERE}:AnyAnswerFilter): ")):
        load_filters(rules("AnyAnswerFilter"))


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("value", "much"),
        ("value", "1"),
        ("value", math.nan),
        ("value", math.inf),
        ("value", []),
        ("threshold_for", "x"),
        ("edit_text", None),
        ("edit_text", "text"),
        ("edit_text", (b"text", {})),
        ("edit_text", ("text", {"a": "x"})),
        ("edit_text", ("text", 3)),
    ],
)
def test_an_answer_that_is_nonsense_is_one_line(method: str, answer: Any) -> None:
    filters = load_filters(rules("AnyAnswerFilter"))
    assert apply_filters(filters, "text", "en").failure is None
    ANSWERS[method] = answer
    with pytest.raises(FilterError) as error:
        apply_filters(filters, "text", "en")
    assert str(error.value).startswith(f"rules.custom.0 ({HERE}:AnyAnswerFilter): ") and "\n" not in str(error.value)
