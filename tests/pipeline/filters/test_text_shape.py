"""The shape of a text: manuals and articles pass, catalogues do not, in any script."""

import pytest

from pipeline.config import build_config
from pipeline.filters.chain import apply_filters, load_filters
from pipeline.filters.statistics import TextStatistics
from pipeline.filters.text_shape import TextShapeFilter, measure_shape, shape_score

ARTICLE = (
    "The mill stands on the east bank of the river, where the water falls two metres (six feet) over a weir. "
    "It was built by the monks of the abbey, and it ground the corn of four villages until the railway came.\n"
    "The last miller, a widow who had learned the trade from her father, sold it to a painter before the war. "
    "He kept the wheel turning, although there was nothing left to grind, because he liked the sound.\n"
) * 3
MANUAL = "\n".join(
    f"mill_{name}(wheel, stones)\n"
    f"Return the {name} of the mill, as a number between zero and one (see mill_open). The wheel must be turning:\n"
    "{\n"
    f"    rc = mill_{name}(wheel, stones);\n"
    "}\n"
    f"If the river is frozen, the {name} is not known and the function returns an error (MILL_FROZEN)."
    for name in ("speed", "load", "height", "noise", "level", "yield")
)
CATALOGUE = "\n".join(
    f"Mill Stone Model {n}\n$ {n}9.99\nIn Stock\nAdd To Cart\nCompare\nFree Shipping Over $50" for n in range(10, 30)
)
CHINESE = "磨坊在河的东岸，水从两米高的堰上落下。它是修道院的僧侣建的，为四个村子磨粮食，直到铁路修通。\n" * 4


def default_reason(text: str, language: str) -> str | None:
    """Return why the recipe `default` drops a text."""
    rules = build_config({"inputs": ["none"], "output": "none", "recipe": "default"}).rules
    failure = apply_filters(load_filters(rules), text, language).failure
    return failure.reason if failure else None


@pytest.mark.parametrize(("text", "language"), [(ARTICLE, "en"), (MANUAL, "en"), (CHINESE * 3, "zh")])
def test_what_is_written_to_be_read_has_the_shape(text: str, language: str) -> None:
    assert shape_score(TextStatistics(text, language)) > 0


def test_a_manual_with_code_and_repeated_lines_is_kept_by_default_alone() -> None:
    assert default_reason(MANUAL, "en") is None
    rules = build_config({"inputs": ["none"], "output": "none", "recipe": "gopher"}).rules
    failure = apply_filters(load_filters(rules), MANUAL, "en").failure
    assert failure is not None
    assert failure.reason.startswith("gopher_repetition/")


def test_a_catalogue_is_dropped_by_default() -> None:
    assert shape_score(TextStatistics(CATALOGUE, "en")) < 0
    assert default_reason(CATALOGUE, "en") is not None


def test_the_threshold_is_the_least_score_that_passes() -> None:
    (threshold,) = TextShapeFilter().thresholds()
    assert threshold.is_minimum
    assert threshold.statistic is shape_score


@pytest.mark.parametrize("text", ["", "\n\n", "a", "1"])
def test_every_text_has_a_shape(text: str) -> None:
    assert shape_score(TextStatistics(text, "en")) < 0
    assert 0 <= measure_shape(TextStatistics(text, "en")).ended <= 1
