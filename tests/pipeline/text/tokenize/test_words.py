"""Tokens and sentences: known answers in many scripts, and what must hold for any text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text.tokenize.words import (
    INTRICATE,
    PLAIN_WORD,
    any_word_pattern,
    count_line_sentences,
    punctuation_characters,
    sorted_terminal_marks,
    split_words,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's late, isn't it?", ["It", "'s", "late", ",", "isn", "'t", "it", "?"]),
        ("Well... 1,000.5 items--gone!!", ["Well", "...", "1,000.5", "items", "--", "gone", "!", "!"]),
        ("a 'quoted' word", ["a", "'", "quoted", "'", "word"]),
        ("naïve café", ["naïve", "café"]),
        ("cafe\u0301 ok", ["cafe\u0301", "ok"]),  # a combining accent stays with its letter
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया", "।"]),  # vowel signs too
        ("می\u200cخواهم بروم", ["می\u200cخواهم", "بروم"]),  # a Persian word with its joiner
        ("東京都に行きました。", ["東京", "都", "に", "行", "きま", "した", "。"]),
        ("我们喜欢Python语言", ["我们", "喜欢", "Python", "语言"]),
        ("コンピューターは", ["コンピューター", "は"]),
        ("ภาษาไทย", ["ภาษา", "ไทย"]),
        ("한국어 문장입니다.", ["한국어", "문장입니다", "."]),
        ("❤\ufe0f ok", ["❤\ufe0f", "ok"]),
        ("Plants Ⓡ 日本", ["Plants", "Ⓡ", "日本"]),  # a letter in a circle is a symbol, whatever stands beside it
        ("", []),
        (" \n\t", []),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert split_words(text) == tokens


@given(st.text(alphabet=st.characters(codec="utf-8", max_codepoint=0x52F), max_size=60))
@settings(deadline=None)
def test_the_fast_pattern_and_the_full_one_agree_where_both_may_be_used(text: str) -> None:
    if not INTRICATE.search(text):
        assert PLAIN_WORD.findall(text) == any_word_pattern().findall(text)


@given(st.text(max_size=60))
@settings(deadline=None)
def test_tokens_are_pieces_of_the_text_in_order_without_spaces(text: str) -> None:
    place = 0
    for token in split_words(text):
        assert token and not any(map(str.isspace, token.strip("\x1c\x1d\x1e\x1f")))
        place = text.index(token, place) + len(token)
    assert sum(map(str.isalnum, "".join(split_words(text)))) == sum(
        map(str.isalnum, text)
    )  # no letter or digit is lost


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("", 0),
        ("   ", 0),
        ("No mark at all", 1),
        ("Hello there. How are you? I am fine.", 3),
        ("Dr. Smith met J. S. Bach. He left.", 2),
        ("Bread, milk, etc. are sold out.", 1),  # a lower-case letter goes on with the sentence
        ('"Yes." "No!"', 2),
        ("Wait... What?", 2),
        ("3.5 of 4.2 is it.", 1),
        ("Он пришёл. Она ушла.", 2),
        ("今日は晴れ。明日は雨？はい！", 3),
        ("「はい。」と言った。", 2),
        ("「はい！！」", 1),  # what closes the line begins no sentence
        ("यह पहला है। यह दूसरा है।", 2),
    ],
)
def test_sentences(line: str, sentences: int) -> None:
    assert count_line_sentences(line) == sentences


def test_published_sets_of_marks() -> None:
    assert len(sorted_terminal_marks()) == 159  # FineWeb's list
    assert {".", "?", "!", "。", "؟", "।", "።"} <= set(sorted_terminal_marks())
    assert not {'"', "'", "…", ":"} & set(sorted_terminal_marks())
    assert punctuation_characters().issuperset("#…。") and not punctuation_characters() & set("aé1 \n•")
