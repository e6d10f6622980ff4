"""Shares that are asked for: they come out where they can, together, and the cap and the floor hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import build_config
from pipeline.publish.mixture import MixtureCell, ShareTarget, fit_weights
from pipeline.settings import ConfigError

SIZES = {
    MixtureCell("news", "en", 0): 600,
    MixtureCell("news", "de", 1): 200,
    MixtureCell("code", "en", 1): 50,
    MixtureCell("code", "de", None): 50,
    MixtureCell("other", "en", 0): 60,
    MixtureCell("other", "fr", 1): 40,
}
NATURAL = dict.fromkeys(SIZES, 1.0)


def share(factors, kind, part, which="weight"):
    """Return the share of a part of the mixture's bytes."""
    sums = {cell: SIZES[cell] * getattr(factor, which) for cell, factor in factors.items()}
    return sum(n for cell, n in sums.items() if getattr(cell, kind) == part) / sum(sums.values())


def test_shares_of_all_kinds_hold_at_once_and_the_mix_keeps_its_size():
    asked = [
        ShareTarget("domain", {"code": 0.25}),
        ShareTarget("language", {"de": 0.4}),
        ShareTarget("bucket", {0: 0.3, 1: 0.5}),
    ]
    factors = fit_weights(SIZES, NATURAL, asked, 0.0, 100.0)
    for kind, parts in asked:
        for part, wanted in parts.items():
            assert share(factors, kind, part) == pytest.approx(wanted, abs=1e-3)
    assert sum(SIZES[cell] * factor.weight for cell, factor in factors.items()) == pytest.approx(1000, rel=1e-3)


def test_what_is_not_named_shares_the_rest_as_the_weights_have_it():
    factors = fit_weights(
        SIZES, NATURAL | {MixtureCell("other", "fr", 1): 3.0}, [ShareTarget("domain", {"code": 0.5})], 0.0, 100.0
    )
    assert share(factors, "domain", "code") == pytest.approx(0.5)
    rest = {cell: factor.weight for cell, factor in factors.items() if cell.domain != "code"}
    assert (
        rest[MixtureCell("news", "en", 0)]
        == pytest.approx(rest[MixtureCell("news", "de", 1)])
        == pytest.approx(rest[MixtureCell("other", "en", 0)])
    )
    assert rest[MixtureCell("other", "fr", 1)] == pytest.approx(3 * rest[MixtureCell("other", "en", 0)])


@pytest.mark.parametrize(
    "asked",
    [
        [ShareTarget("domain", {"religion": 0.5})],
        [ShareTarget("language", {"en": 0.4, "de": 0.2, "fr": 0.1})],  # nothing is there that would have the rest
        [ShareTarget("domain", {"religion": 0.3, "code": 0.1}), ShareTarget("language", {"ja": 0.9})],
    ],
)
def test_what_no_page_is_in_takes_nothing_from_the_mix(asked):
    factors = fit_weights(SIZES, NATURAL, asked, 0.0, 100.0)
    assert sum(SIZES[cell] * factor.weight for cell, factor in factors.items()) == pytest.approx(1000, rel=1e-3)
    kind, named = asked[0]
    for part in {getattr(cell, kind) for cell in SIZES} & set(named):
        there = sum(n for name, n in named.items() if any(getattr(cell, kind) == name for cell in SIZES))
        whole = 1 - named["religion"] if kind == "domain" else there
        assert share(factors, kind, part) == pytest.approx(named[part] / whole, rel=1e-3)


def test_the_cap_on_repeats_and_the_floor_hold_and_the_target_says_what_was_asked():
    factors = fit_weights(
        SIZES,
        NATURAL | {MixtureCell("other", "fr", 1): 0.0},
        [ShareTarget("domain", {"code": 0.8, "news": 0.0})],
        0.1,
        4.0,
    )
    assert {factors[cell].weight for cell in SIZES if cell.domain == "code"} == {4.0}
    assert {factors[cell].weight for cell in SIZES if cell.domain == "news"} == {0.1}
    assert factors[MixtureCell("other", "fr", 1)].weight == 0.0  # a weight of 0 is stronger than the floor
    assert share(factors, "domain", "code", "wanted") == pytest.approx(0.8)


@given(st.dictionaries(st.sampled_from(["news", "code", "other"]), st.floats(0, 0.33), max_size=3), st.data())
def test_factors_stay_in_their_bounds_whatever_is_asked(domains, data):
    sizes = {cell: data.draw(st.integers(0, 10**12)) for cell in SIZES}
    for factor in fit_weights(
        sizes, NATURAL, [ShareTarget("domain", domains), ShareTarget("language", {"de": 0.5})], 0.05, 3.0
    ).values():
        assert factor.weight == 0.0 or 0.05 <= factor.weight <= 3.0
        assert factor.wanted >= 0.0


@pytest.mark.parametrize(
    "weights, needle",
    [
        ({"shares": {"domains": {"news": 0.7, "code": 0.4}}}, "more than 1"),
        ({"shares": {"domains": {"newz": 0.1}}}, "no such domain"),
        ({"shares": {"quality": [0.5, 0.5]}, "quality": [1, 2, 3]}, "same number"),
    ],
)
def test_impossible_shares_are_one_line(weights, needle):
    with pytest.raises(ConfigError, match=needle) as error:
        build_config({"inputs": ["x"], "output": "x", "weights": weights})
    assert "\n" not in str(error.value)
