"""Lines, paragraphs and sentences: where they are, which of them are the same, and what a text is without some."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.settings import LinesConfig
from pipeline.text.line_keys import (
    LineParams,
    compute_line_keys,
    find_line_spans,
    find_sentence_spans,
    remove_spans,
    to_original_span,
    to_remaining_span,
)
from pipeline.text.tokenize.words import count_line_sentences

LINES = LinesConfig(preset="c4").line_params()._replace(min_remaining_sentences=0)
TEXT = "A heading\n\nDr. Low came. He saw! Then  \n  he left.\nThe end?  No."


def keys(text: str, params: LineParams = LINES, salt: int = 0) -> list[int]:
    return compute_line_keys([text], params, [salt]).keys.tolist()


def test_where_units_are():
    found = {unit: [TEXT[a:b] for a, b in find_line_spans(TEXT, unit)] for unit in ("line", "paragraph", "sentences")}
    assert found["line"] == ["A heading", "Dr. Low came. He saw! Then", "he left.", "The end?  No."]
    assert found["paragraph"] == ["A heading", TEXT[11:]]
    assert found["sentences"][:2] == ["A heading\n\nDr. Low came. He saw!", "Dr. Low came. He saw! Then"]
    assert len(found["sentences"]) == 5
    chinese = "今天很好。明天呢？不知道。"
    assert [chinese[a:b] for a, b in find_sentence_spans(chinese)] == ["今天很好。", "明天呢？", "不知道。"]
    assert [find_line_spans(text, unit) for text in ("", " \n ") for unit in ("line", "paragraph", "sentences")] == [
        []
    ] * 6


@given(st.text("aB .!?\n。\"'", max_size=60))
def test_sentences_are_those_that_are_counted(text):
    assert len(list(find_sentence_spans(text))) == sum(count_line_sentences(line) for line in text.split("\n"))


def test_equal_words_are_one_key_and_nothing_else_is():
    same = [
        "Read more about Cafés",
        "  READ more - about cafés!",
        "read more about cafe\u0301s",
        "Read\tmore about, cafés",
    ]
    assert len({key for text in same for key in keys(text)}) == 1
    other = ["more read about cafés", "read more about cafes", "read more about", "read more about cafés cafés", "x 1"]
    assert len({key for text in [*same, *other, "x 2"] for key in keys(text)}) == 7
    folded = LINES._replace(normalize_digits=True)
    assert keys("12 replies", folded) == keys("34 replies", folded) != keys("345 replies", folded)
    assert keys("a line", salt=1) != keys("a line", salt=2)


def test_code_has_no_key_where_it_has_no_word_and_short_lines_have_none():
    assert keys("}\n---\n  );\n|  |\n***") == []
    assert [
        TEXT[a:b] for a, b in zip(*compute_line_keys([TEXT], LINES._replace(min_characters=10))[1:3], strict=True)
    ] == [
        "Dr. Low came. He saw! Then",
        "The end?  No.",
    ]


@given(st.lists(st.text("ae\u0301\u0304é ก你1", max_size=8), max_size=8))
def test_a_line_has_one_key_wherever_it_stands(lines):
    text = "\n".join(lines)
    alone = [key for line in lines for key in keys(line)]
    assert keys(text) == alone
    assert keys(unicodedata.normalize("NFC", text)) == [
        key for line in lines for key in keys(unicodedata.normalize("NFC", line))
    ]


@given(st.lists(st.text("aé\u0301 .1\n", max_size=20), max_size=5), st.sampled_from(["line", "paragraph", "sentences"]))
def test_many_texts_have_the_units_of_each_alone(texts, unit):
    params, salts = LINES._replace(unit=unit, min_characters=2), [n % 2 for n in range(len(texts))]
    together = compute_line_keys(texts, params, salts)
    alone = [compute_line_keys([text], params, [salt]) for text, salt in zip(texts, salts, strict=True)]
    assert together.counts.tolist() == [len(some.keys) for some in alone]
    for place, column in enumerate(together[1:], 1):
        assert column.tolist() == [value for some in alone for value in some[place].tolist()]


@pytest.mark.parametrize(
    "text, gone, left",
    [
        ("head\nbody\nfoot", ["head"], "body\nfoot"),
        ("head\nbody\nfoot", ["foot"], "head\nbody"),
        ("head\nbody\nfoot", ["body"], "head\nfoot"),
        ("head\n\nbody\n\nfoot", ["body"], "head\n\nfoot"),
        ("head\nbody\n\nfoot", ["body"], "head\n\nfoot"),
        ("head\n\nmore\nbody\nfoot", ["more", "body"], "head\n\nfoot"),
        ("a:\n    one\n    two\n    six", ["two"], "a:\n    one\n    six"),
        ("a:\n    one\n    two\n    six", ["one", "two"], "a:\n    six"),
        ("It is. He was. She came.", ["He was."], "It is. She came."),
        ("It is. He was.\nShe came. So.", ["He was."], "It is.\nShe came. So."),
        ("It is. He was.\nShe came. So.", ["She came.", "So."], "It is. He was."),
        ("It is. He was.", ["It is."], "He was."),
        ("It is. He was.", ["It is.", "He was."], ""),
        ("head\nbody\n\xa0\n\xa0\x85foot", ["body", "foot"], "head"),
        ("head\n\xa0\nfoot", ["head", "foot"], ""),
    ],
)
def test_what_is_left_has_no_hole(text, gone, left):
    places = [(text.index(some), text.index(some) + len(some)) for some in gone]
    assert remove_spans(text, places, LINES).text == left


@given(st.lists(st.text("ab \n.", max_size=9), max_size=12), st.integers(0), st.sampled_from(["line", "sentences"]))
def test_only_the_units_that_go_are_gone_and_places_lead_back(parts, draw, unit):
    text = "\n".join(parts)
    found = find_line_spans(text, unit)
    gone = [span for n, span in enumerate(found) if draw >> n & 1]
    left = remove_spans(text, gone, LINES)
    covered = {place for start, end in gone for place in range(start, end)}
    kept = [c for n, c in enumerate(text) if n not in covered and not c.isspace()]
    assert [c for c in left.text if not c.isspace()] == kept
    if unit == "line":
        stays = [text[a:b] for a, b in found if (a, b) not in gone]
        assert [left.text[a:b] for a, b in find_line_spans(left.text, unit)] == stays
    for start in range(len(left.text)):
        for end in (start + 1, len(left.text)):
            whole = to_original_span(left.pieces, start, end)
            assert text[whole[0]] == left.text[start] and text[whole[1] - 1] == left.text[end - 1]
            assert to_remaining_span(left.pieces, *whole) == (start, end)


def test_what_must_be_left_is_asked_of_what_is_left():
    params = LINES._replace(min_remaining_characters=9, min_remaining_sentences=2)
    text = "One here. Two.\nMenu"
    assert remove_spans(text, [(15, 19)], params).enough
    assert not remove_spans(text, [(0, 14)], params).enough
    assert not remove_spans(text, [(15, 19)], params._replace(min_remaining_characters=15)).enough
    assert not remove_spans("Menu", [(0, 4)], LINES).enough
