"""Tokens and sentences as arrays: exactly those of the patterns, for any text."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.text.tokenize import characters, ngrams, tokens, words
from pipeline.text.tokenize import sentences as split_sentences
from pipeline.text.tokenize.ngrams import (
    JoinedNgrams,
    RepeatedNgrams,
    count_covered_characters,
    find_top_ngrams,
)
from pipeline.text.tokenize.sentences import count_sentences
from pipeline.text.tokenize.tokens import BLOCK_BITS, Tokens, tokenize_text, tokens_from_words

# what binds, cuts or joins in some pattern, beside letters, digits and marks of many scripts
PIECES = (
    "aBé1٣๑²_.,'’-–!#…‿。」) \n\t\x1c\x85\u2028\u200c\u00ad\u200b\u0301\ufe0f❤😀Ⓐ東二のカーก\u0eb1한𝒳"
    "\U00016ff0\U00020001"
)
TEXTS = st.one_of(st.text(alphabet=PIECES, max_size=30), st.text(max_size=60))


def strings(found: Tokens) -> list[str]:
    text = found.codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    return [text[start:end] for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True)]


@given(TEXTS)
@settings(deadline=None, max_examples=800)
@example("it's.5 1.5kg 1.5's a.5.b,6 ..5 a--b -5")
@example("می\u200cخواهم 'می\u200cخ 1.5\u200c6 x\u200c\u00ady\u200c z")
@example("!\u0301a ❤\ufe0f\ufe0fb ‿\u0301 \u0301x")
@example("東京都のカーナビกขคงจ ก.๑ a.๑ a.1๑")
@example("Ⓐ's ²'s ‿'s é's")
def test_tokens_are_those_of_the_patterns(text: str) -> None:
    found = tokenize_text(text)
    expected = words.split_words(text)
    assert strings(found) == expected
    assert found.lengths.tolist() == list(map(len, expected))
    assert found.spoken.tolist() == [not words.punctuation_characters().issuperset(word) for word in expected]
    assert found.alphabetic.tolist() == [any(map(str.isalpha, word)) for word in expected]
    assert found.alphanumeric.tolist() == [i for i, word in enumerate(expected) if word[0].isalnum()]


@given(TEXTS)
@settings(deadline=None, max_examples=500)
def test_tokens_have_equal_hashes_where_they_are_equal_and_only_there(text: str) -> None:
    found = tokenize_text(text)
    expected = strings(found)
    assert len(set(found.hashes.tolist())) == len(set(expected))
    assert found.hashes.tolist() == tokens_from_words(expected).hashes.tolist()
    assert [
        int(tokens_from_words([word]).hashes[0]) for word in expected
    ] == found.hashes.tolist()  # wherever they stand


def test_a_text_longer_than_the_kept_powers_is_hashed_alike() -> None:
    far = tokenize_text("word " * (1 << BLOCK_BITS - 1))
    assert set(far.hashes.tolist()) == {int(tokens_from_words(["word"]).hashes[0])}
    assert len(far) == 1 << BLOCK_BITS - 1


@given(st.one_of(st.text(alphabet="Aa.!。…」) \n\t\x0bDrMs vé5", max_size=40), TEXTS))
@settings(deadline=None, max_examples=800)
@example("Hello there. How are you? I am Dr. Who.\n\n J. Bach left.)  He did.\n 「はい。」と 言った。\n「はい！！」")
def test_sentences_are_those_of_the_pattern_line_by_line(text: str) -> None:
    assert count_sentences(text) == sum(map(words.count_line_sentences, text.split("\n")))


LONG_TEXTS = st.lists(
    st.sampled_from(
        [
            "word ",
            "Dr. Who ",
            "it's ",
            "1,5 ",
            "end. ",
            "End.",
            "\n",
            "東京。",
            "に行",
            "é",
            "...",
            "\u0301",
            "\U00020001",
        ]
    ),
    max_size=60,
).map("".join)


def describe_repeats(hashes: np.ndarray) -> list[object]:
    repeated, edges, found = RepeatedNgrams(hashes), np.arange(len(hashes) + 1, dtype=np.uint32) ** 2, []
    for n in (2, 3, 6, 2):
        count, firsts = find_top_ngrams(repeated.find(n))
        places = [place for some in repeated.find_positions(n) for place in some.tolist()]
        covered = count_covered_characters(repeated.find_positions(n), n, edges)
        found.append((count, sorted(firsts.tolist()), places, covered))
    return found


@given(LONG_TEXTS, st.integers(3, 40))
@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_long_text_is_cut_into_blocks_and_nothing_shows_it(text: str, bits: int) -> None:
    whole, sentences = tokenize_text(text), count_sentences(text)
    repeats = describe_repeats(whole.hashes)
    joined = [JoinedNgrams(whole).characters_again(n) for n in (1, 2, 5, 6, 10)]
    with pytest.MonkeyPatch.context() as patch:
        small = 1 << (bits % 4 + 2)
        patch.setattr(tokens, "BLOCK", small)
        patch.setattr(tokens, "BLOCK_BITS", small.bit_length() - 1)
        patch.setattr(tokens, "CUT_WINDOW", 1 + bits % 5)
        patch.setattr(split_sentences, "BLOCK", bits)
        patch.setattr(split_sentences, "CUT_WINDOW", 1 + bits % 7)
        patch.setattr(ngrams, "MANY", 3)
        patch.setattr(ngrams, "ROWS", 2)
        tokens.block_powers.cache_clear()
        try:
            again = tokenize_text(text)
            assert strings(again) == strings(whole) and tokens.count_tokens(text) == len(whole)
            for name in ("hashes", "spoken", "alphabetic", "alphanumeric", "lengths"):
                assert getattr(again, name).tolist() == getattr(whole, name).tolist(), name
            assert describe_repeats(again.hashes) == repeats
            assert [JoinedNgrams(again).characters_again(n) for n in (1, 2, 5, 6, 10)] == joined
            assert count_sentences(text) == sentences
        finally:
            tokens.block_powers.cache_clear()


@pytest.mark.parametrize("text", ["", " ", "\n", "x", ".", "\ud800", "\0", "\U0010ffff a.5"])
def test_odd_texts(text: str) -> None:
    assert strings(tokenize_text(text)) == words.split_words(text)
    assert count_sentences(text) == words.count_line_sentences(text)


def test_the_table_says_of_each_character_what_python_says() -> None:
    for character in "aZé9²_ \n\x1c.。😀東\U00020001\U0010ffff" + chr(characters.LIMIT - 1):
        flags = int(characters.text_flags(characters.to_code_points(character))[0])
        assert bool(flags & characters.ALPHA) == character.isalpha()
        assert bool(flags & characters.ALNUM) == character.isalnum()
        assert bool(flags & characters.SPACE) == character.isspace()
