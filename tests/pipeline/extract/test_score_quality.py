"""The worth of a page: its quality score, of which a long page needs less than a short one."""

import pytest

from pipeline.config import build_config
from pipeline.extract.page import Page
from pipeline.extract.score_quality import QualityBounds, add_worth, find_poor_score, measure_worth, score_quality
from pipeline.extract.splits import Split


def make_page(text: str, language: str = "en") -> Page:
    """Return a page with a text."""
    split = Split("x.warc.gz", "", 0, None, 1, None)
    return Page(
        split=split, number=0, id="1", url="https://a.example/", date="", file="x", offset=0, end=1, text=text,
        language=language,
    )  # fmt: skip


def judge(text: str, quality: float | None, least: QualityBounds) -> Page:
    """Return what becomes of a page that a scorer gives a quality."""
    (page,) = score_quality([make_page(text)], lambda texts, languages: [{"quality": quality}], least)
    return page


def test_a_text_of_a_thousand_characters_is_worth_its_score_and_one_of_twice_the_length_four_times_the_odds():
    assert measure_worth(0.2, "a" * 1000, "en") == pytest.approx(0.2)
    assert measure_worth(0.2, "a" * 2000, "en") == pytest.approx(0.5)
    assert measure_worth(0.5, "a" * 500, "en") == pytest.approx(0.2)


def test_a_character_of_chinese_counts_as_three_of_english():
    assert measure_worth(0.3, "\u6c34" * 1000, "zh") == measure_worth(0.3, "a" * 3000, "en")


@pytest.mark.parametrize(("quality", "length"), [(0.0, 1), (0.0, 10**6), (1.0, 1), (1.0, 10**6), (0.5, 0)])
def test_the_worth_is_a_share_for_any_text(quality, length):
    assert 0 <= measure_worth(quality, "a" * length, None) <= 1


def test_a_page_is_dropped_below_the_bound_and_kept_at_it():
    least = QualityBounds(worth=0.5)
    assert judge("a" * 2000, 0.2, least).key == "kept"
    page = judge("a" * 1999, 0.2, least)
    assert page.key == "quality/low-worth"
    rejection = page.rejection
    assert rejection and (rejection.measure, rejection.threshold) == ("worth", 0.5)
    assert page.scores["worth"] == rejection.value < 0.5


def test_a_page_without_a_score_is_worth_nothing_known_and_stays():
    page = judge("a", None, QualityBounds(0.9, 0.9))
    assert page.key == "kept" and page.scores.get("worth") is None
    (page,) = score_quality([make_page("a")], None, QualityBounds(0.9, 0.9))
    assert page.key == "kept"


def test_the_quality_score_is_held_against_its_own_bound_first():
    found = find_poor_score(add_worth({"quality": 0.1}, "a", "en"), QualityBounds(0.2, 0.2))
    assert found and found.key == "quality/low-score"
    assert find_poor_score(add_worth({"quality": 0.1}, "a", "en"), QualityBounds()) is None


def test_the_recipe_default_alone_drops_by_the_worth():
    for recipe in ("default", "c4", "dclm", "fineweb", "fineweb2", "gopher", "none", "refinedweb"):
        quality = build_config({"inputs": ["none"], "output": "none", "recipe": recipe}).quality
        assert (quality.min_worth is not None) == (recipe == "default") and quality.min_score is None
