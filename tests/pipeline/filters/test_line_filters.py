"""The filters that look at lines (C4, FineWeb, RefinedWeb) and at words (bad words): what they keep and drop."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.filters.bad_words import BadWordsFilter
from pipeline.filters.c4 import C4Filter
from pipeline.filters.chain import RulesConfig, apply_filters, load_filters
from pipeline.filters.fineweb import FineWebFilter
from pipeline.filters.refinedweb_lines import RefinedWebLineFilter

LOREM, BRACKET = "Here lorem ipsum stands for text.", "The sign { is a bracket here."
GOOD = "This is a line of good length. It says two things."  # two sentences


def reason(config: RulesConfig, text: str, language: str = "en") -> str | None:
    failure = apply_filters(load_filters(config), text, language)[2]
    return failure.reason if failure else None


def c4_keeps(line: str, **settings: Any) -> bool:
    """Whether C4 keeps a line that stands between good ones."""
    cleaned = apply_filters(
        load_filters(RulesConfig(c4=C4Filter(**settings))), f"{GOOD}\n{GOOD}\n{line}\n{GOOD}", "en"
    )[0]
    return cleaned.count("\n") == 3


@pytest.mark.parametrize(
    ("line", "code", "paper"),
    [
        ("Exactly five words are here.", True, True),
        ("Only four words here.", False, True),
        ("Just three words.", False, True),
        ("Only two.", False, False),
        ("Four words [1] [2] here.", False, True),  # code counts after citations are out, paper before
        ("He said that it is 'so'", False, True),  # ' ends a line for datatrove
        ('He said that "it is so"', True, True),
        ("This line has no end mark", False, False),
        ("This line is never quite done...", False, False),
        ("Is this line kept? Yes!", True, True),
        ("A word of " + "x" * 1000 + " letters.", True, True),
        ("A word of " + "x" * 1001 + " letters.", False, False),
        ("Please enable JavaScript in your browser now.", False, False),
        ("We explain our Cookie Policy to you here.", False, False),
        ("By the Terms of Use you must not.", False, False),
        ("We think that cookies taste very good.", True, True),
        ("The citation stands at the end.[12]", True, True),
        ("The citation stands at the end. [12]", False, False),  # the space before it ends the line then, as published
    ],
)
def test_c4_lines(line: str, code: bool, paper: bool) -> None:
    assert c4_keeps(line, variant="code") is code
    assert c4_keeps(line, variant="paper") is paper


def test_c4_counts_each_line_for_the_first_rule_that_it_fails() -> None:
    text = "\n".join(
        [
            GOOD,
            GOOD,
            "Menu",
            "Two words.",
            "You need javascript for this page, friend.",
            "Read our privacy policy at once, please.",
        ]
    )
    cleaned, measures, failure = apply_filters(load_filters(RulesConfig(c4=C4Filter())), text, "en")
    assert cleaned == f"{GOOD}\n{GOOD}" and failure is None
    counts = {name: value for name, value in measures.items() if value}
    assert counts == {
        "c4_lines": 6,
        "c4_unended_lines": 1,
        "c4_few_word_lines": 1,
        "c4_javascript_lines": 1,
        "c4_policy_lines": 1,
        "c4_kept_lines": 2,
        "c4_sentences": 4,
        "c4_characters": len(text),
    }


@pytest.mark.parametrize(
    ("settings", "inside", "outside", "name"),
    [
        ({"variant": "code"}, "This is one of them. Two. Three.", "This is one of them. Two.", "too-few-sentences"),
        ({"variant": "paper"}, "One. Two. Three. Four. Five.", "One. Two. Three. Four.", "too-few-sentences"),
        ({"variant": "code"}, f"{GOOD}\n{GOOD}\nlorem ipsum", f"{GOOD}\n{GOOD}\n{LOREM}", "lorem-ipsum"),
        ({"variant": "code"}, f"{GOOD}\n{GOOD}\nbody {{", f"{GOOD}\n{GOOD}\n{BRACKET}", "curly-bracket"),
        ({"variant": "code"}, (GOOD + "\n") * 3725 + "x" * 25, (GOOD + "\n") * 3725 + "x" * 26, "too-long"),  # 190,000
        ({"min_sentences": None}, GOOD, "Menu", "empty"),
    ],
)
def test_c4_pages(settings: dict[str, Any], inside: str, outside: str, name: str) -> None:
    config = RulesConfig(c4=C4Filter(**settings))
    assert reason(config, inside) is None
    assert reason(config, outside) == f"c4/{name}"


def test_c4_names_what_comes_first_of_lorem_ipsum_and_bracket() -> None:
    assert reason(RulesConfig(c4=C4Filter()), f"{LOREM}\n{BRACKET}") == "c4/lorem-ipsum"
    assert reason(RulesConfig(c4=C4Filter()), f"{BRACKET}\n{LOREM}") == "c4/curly-bracket"


def test_c4_variants_lay_what_is_given_over_their_own_values() -> None:
    assert (C4Filter().min_words_per_line, C4Filter().min_sentences, C4Filter().max_characters) == (5, 3, 190_000)
    paper = C4Filter(variant="paper", min_sentences=7)
    assert (paper.min_words_per_line, paper.min_sentences, paper.max_characters) == (3, 7, None)
    assert C4Filter(variant="paper", min_words_per_line=None).min_words_per_line is None


def test_c4_can_keep_indentation_and_blank_lines() -> None:
    code = "def f(x):\n    return x\n\nThat is all. It is short. It is code."
    loose = C4Filter(strip_lines=False, terminal_punctuation=False, min_words_per_line=None)
    assert apply_filters(load_filters(RulesConfig(c4=loose)), code, "en")[0] == code


def fineweb(n: int, ended: int = 25, short: int = 0) -> str:
    """Return n different lines of 31 characters or (the first `short`) 30; the first `ended` end in a full stop."""
    rows = [f"{i:03d} a b c d e f g h i j k l m" for i in range(n)]  # 29 characters, 14 words
    return "\n".join(row + ("" if i < short else "n") + ("." if i < ended else "n") for i, row in enumerate(rows))


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("empty", fineweb(1), " \n\n"),
        ("unended-lines", fineweb(25, ended=3), fineweb(25, ended=2)),  # .12, .08
        ("short-lines", fineweb(100, 100, short=67), fineweb(100, 100, short=68)),
        # the first line comes again: 8 of 800 characters, 9 of 800
        (
            "duplicate-line-characters",
            f"a 8 chr.\na 8 chr.\n{'word ' * 156}end.",
            f"a 9 char.\na 9 char.\n{'word ' * 155}ended.",
        ),
        # 3 newlines to 10 tokens, to 9 (the full stop is one)
        ("newlines", "one two\n\n\n" + " ".join("abcdefg") + ".", "one two\n\n\n" + " ".join("abcdef") + "."),
    ],
)
def test_fineweb(name: str, inside: str, outside: str) -> None:
    config = RulesConfig(fineweb=FineWebFilter() if name == "short-lines" else FineWebFilter(max_short_lines=None))
    assert reason(config, inside) is None
    assert reason(config, outside) == f"fineweb/{name}"


LONG = " ".join(f"word{i}" for i in range(200))  # so that what goes is below 5 %


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("ABcd", ""),  # one word
        ("AAAA bbb", "AAAA bbb"),  # 4 of 8 upper case
        ("AAAAA bbb", ""),  # 5 of 9
        ("12 34", "12 34"),  # the space is no digit
        ("1234567", ""),
        ("3 likes", ""),
        ("  1,234.5k Views!", ""),
        ("3 likes and more", "3 likes and more"),
        ("two words", "two words"),
        ("one", ""),
        ("Sign-in to read", "to read"),
        ("The news of today Read more...", "The news of today"),
        ("3 items in cart now", "3 now"),
        ("Read more...", ""),
        ("a b c d e f g h i Read more...", "a b c d e f g h i Read more..."),  # eleven words are too many
    ],
)
def test_refinedweb_lines(line: str, stays: str) -> None:
    cleaned, _, failure = apply_filters(
        load_filters(RulesConfig(refinedweb_lines=RefinedWebLineFilter())), f"{LONG}\n{line}\n{LONG}", "en"
    )
    assert failure is None
    assert cleaned == (f"{LONG}\n{stays}\n{LONG}" if stays else f"{LONG}\n{LONG}")


def test_refinedweb_drops_pages_that_lose_more_than_five_per_cent() -> None:
    config = RulesConfig(refinedweb_lines=RefinedWebLineFilter())
    words = [f"word{i}" for i in range(97)]
    assert reason(config, " ".join(words[:95]) + "\n5 LIKES\n1 view\n1 views") is None  # 4 of 101 words
    assert reason(config, " ".join(words[:95]) + "\n" + "x\n" * 5) is None  # 5 of 100
    assert reason(config, " ".join(words[:94]) + "\n" + "x\n" * 6) == "refinedweb_lines/words-removed"
    assert reason(config, "MENU") == "refinedweb_lines/words-removed"


@pytest.fixture
def listed(tmp_path: Path) -> str:
    path = tmp_path / "words.json"
    path.write_text(json.dumps(["damn", "Hell fire", "c++"]), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Oh damn!", True),
        ("DAMN", True),
        ("damnation", False),
        ("hell fire.", True),
        ("hell", False),
        ("(c++)", True),
        ("a_damn_b", False),
        ("", False),
    ],
)
def test_bad_words_stand_alone(listed: str, text: str, found: bool) -> None:
    config = RulesConfig(bad_words=BadWordsFilter(lists={"en": listed}))
    assert reason(config, text) == ("bad_words/listed-word" if found else None)
    assert reason(config, text, "de") is None  # no list, no rule


def test_bad_words_are_found_inside_where_no_spaces_are_written(tmp_path: Path) -> None:
    path = tmp_path / "ja.txt"
    path.write_text("悪い\nsm\n", encoding="utf-8")
    config = RulesConfig(bad_words=BadWordsFilter(lists={"ja": str(path)}))
    assert reason(config, "とても悪い言葉", "ja") == "bad_words/listed-word"
    assert reason(config, "smap", "ja") is None  # C4 allows it


@pytest.mark.parametrize("content", [None, "", "[1, 2]", "[broken"])
def test_a_list_that_cannot_be_used_is_one_line_with_its_name(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "list.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises((OSError, ValueError), match="rules.bad_words.lists: .*list.json") as error:
        load_filters(RulesConfig(bad_words=BadWordsFilter(lists={"en": str(path)})))
    assert "\n" not in str(error.value)
