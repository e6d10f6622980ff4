"""FineWeb-2's thresholds by language: the table, where it applies, and what the recipe says of it."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from pipeline.filters import language_thresholds
from pipeline.filters.chain import RulesConfig, apply_filters, load_filters
from pipeline.filters.fineweb import FineWebFilter
from pipeline.filters.gopher_quality import GopherQualityFilter
from pipeline.filters.gopher_repetition import GopherRepetitionFilter
from tests.pipeline.filters.test_filters import PAGES, recipe

RECIPE = Path(language_thresholds.__file__).parents[1] / "recipes" / "fineweb2.yaml"
KNOWN = sorted(language_thresholds.read_fineweb2_table())


def reason(config: RulesConfig, text: str, language: str) -> str | None:
    failure = apply_filters(load_filters(config), text, language)[2]
    return failure.reason if failure else None


def test_the_recipe_names_the_languages_that_it_knows() -> None:
    description = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))["description"]
    assert re.search(r" for ((?:[a-z]{2} ?)+), FineWeb's", description)[1].split() == KNOWN


@pytest.mark.parametrize("language", KNOWN)
def test_every_language_has_all_figures_and_they_are_possible(language: str) -> None:
    found = language_thresholds.fineweb2_thresholds(language)
    own = {
        field.name
        for family in (GopherRepetitionFilter, GopherQualityFilter, FineWebFilter)
        for field in fields(family)
    }
    assert set(found) <= own and len(found) == 15
    assert all(0 <= value <= 1 for name, value in found.items() if "word_length" not in name)
    assert 0 <= found["min_mean_word_length"] < found["max_mean_word_length"] < 40
    assert len(language_thresholds.fineweb2_stop_words(language)) >= 8


def test_known_figures() -> None:
    french, german = language_thresholds.fineweb2_thresholds("fr"), language_thresholds.fineweb2_thresholds("de")
    assert (french["max_duplicate_lines"], french["max_top_2gram"], french["max_duplicate_10gram"]) == (
        0.264,
        0.161,
        0.1,
    )
    assert (german["min_mean_word_length"], german["max_mean_word_length"], german["min_ended_lines"]) == (0, 15, 0.0)
    assert (
        language_thresholds.fineweb2_thresholds("en") == {}
        and language_thresholds.fineweb2_stop_words("en") == frozenset()
    )


def test_the_table_takes_the_place_of_the_thresholds_in_its_languages_only() -> None:
    long_words = "Der und " + "Donaudampfschiff " * 60
    plain, by_language = GopherQualityFilter(), GopherQualityFilter(by_language="fineweb2", max_mean_word_length=10)
    assert reason(RulesConfig(gopher_quality=plain), long_words, "de") == "gopher_quality/long-words"
    limit = {
        "de": "gopher_quality/long-words",
        "fi": "gopher_quality/long-words",
        "it": "gopher_quality/too-few-stop-words",
    }
    for (
        language,
        expected,
    ) in limit.items():  # 15 letters in German, 14 in Finnish, 21 in Italian: these words have 15.6
        assert reason(RulesConfig(gopher_quality=by_language), long_words, language) == expected
    lines = "\n".join(["Heute ist Markt"] * 3 + ["Und morgen auch"] * 3)  # no line ends in a mark
    config = RulesConfig(
        fineweb=FineWebFilter(by_language="fineweb2", max_short_lines=None, max_duplicate_line_characters=None)
    )
    assert [reason(config, lines, code) for code in ("de", "en")] == ["fineweb/newlines", "fineweb/unended-lines"]


def test_a_limit_that_is_off_stays_off() -> None:
    off = FineWebFilter(by_language="fineweb2", min_ended_lines=None, max_newlines_per_word=None, max_short_lines=None)
    assert reason(RulesConfig(fineweb=off), "eins\nzwei\ndrei", "fr") is None


def test_figures_of_one_definition_are_not_taken_for_another() -> None:
    with pytest.raises(ValidationError, match="needs variant: datatrove"):
        GopherRepetitionFilter(variant="gopher", by_language="fineweb2")
    half = "la de " * 20 + "7 " * 12  # 40 of 52 words hold a letter: .77, and Italian asks for .807 of the tokens
    lax = {"min_words": None, "min_mean_word_length": None}
    for variant, expected in (("gopher", 0.8), ("datatrove", 0.807)):
        family = GopherQualityFilter(variant=variant, by_language="fineweb2", **lax)
        failure = apply_filters(load_filters(RulesConfig(gopher_quality=family)), half, "it")[2]
        assert failure is not None and (failure.measure, failure.threshold) == ("alphabetic_words", expected)


@pytest.mark.parametrize("language", PAGES)
def test_the_recipe_keeps_prose_of_many_languages(language: str) -> None:
    pages = [page for page in PAGES[language].split("\n") if page]
    assert reason(recipe("fineweb2"), "\n".join(pages), language) is None


def test_korean_stop_words_are_endings_and_found_inside_words() -> None:
    config = RulesConfig(gopher_quality=GopherQualityFilter(by_language="fineweb2", min_words=None))
    assert reason(config, "오래된 물레방아는 강가에 서 있다.", "ko") is None
    assert reason(config, "메뉴 로그인", "ko") == "gopher_quality/too-few-stop-words"
