"""Measures: answers worked out by hand, slow definitions beside the fast ones, and what must hold for any text."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.filters import statistics
from pipeline.filters.statistics import TextStatistics
from pipeline.text.tokenize.words import SPLITTER, split_words

LETTERS = st.text(alphabet="ab c.\n", max_size=80)
PARAGRAPHS = st.lists(
    st.lists(st.sampled_from(["red", "green", "blue", "so", "."]), min_size=1, max_size=12), max_size=8
)


def page(paragraphs: list[list[str]]) -> str:
    return "\n\n".join(" ".join(words) for words in paragraphs)


def test_words_and_symbols_by_hand() -> None:
    text = TextStatistics("- The cat # sat...\n• on 3 mats…\nEnd")
    # tokens: - The cat # sat ... • on 3 mats … End = 12; words among them: The cat sat • on 3 mats End = 8
    assert len(text.tokens) == 12
    assert statistics.count_words(text) == 8  # the bullet is in no list of punctuation
    assert statistics.mean_word_length(text) == (3 + 3 + 3 + 1 + 2 + 1 + 4 + 3) / 8
    assert statistics.hashes_per_word(text) == 1 / 12
    assert statistics.ellipses_per_word(text) == 2 / 12
    assert statistics.bullet_lines(text) == 2 / 3
    assert statistics.ellipsis_lines(text) == 2 / 3
    assert statistics.alphabetic_words(text) == 6 / 8
    assert statistics.alphabetic_tokens(text) == 6 / 12


def test_duplicate_lines_by_hand_in_both_definitions() -> None:
    text = TextStatistics("one\ntwo\none\n\none\nthree")
    # lines one two one one three: datatrove counts 2 of 5, DCLM all 3 of 5
    assert statistics.datatrove_duplicates(text, paragraphs=False, by_characters=False) == 2 / 5
    assert statistics.datatrove_duplicates(text, paragraphs=False, by_characters=True) == 6 / len(text.text)
    assert statistics.dclm_duplicates(text, paragraphs=False, by_characters=False) == 3 / 5
    assert statistics.dclm_duplicates(text, paragraphs=False, by_characters=True) == 9 / 17


def test_ngrams_by_hand_in_both_definitions() -> None:
    text = TextStatistics("red fox, red fox, blue sky")
    # tokens: red fox , red fox , blue sky. Top 2-gram: "red fox" twice; first of the two most frequent
    assert statistics.datatrove_top_ngram(text, 2) == len("red fox") * 2 / 26
    assert statistics.dclm_top_ngram(text, 2) == 6 * 2 / 19  # of redfoxredfoxbluesky
    assert statistics.datatrove_top_ngram(text, 3) == len("red fox ,") * 2 / 26
    assert statistics.dclm_duplicate_ngrams(text, 2) == 12 / 19
    assert (
        statistics.datatrove_duplicate_ngrams(text, 2) == len("redfox") / 26
    )  # then ", blue" comes for the first time
    once = TextStatistics("red fox blue sky")
    assert statistics.datatrove_top_ngram(once, 2) == 7 / 16  # counted although it occurs once
    assert statistics.dclm_top_ngram(once, 2) == 0


def test_datatrove_compares_ngrams_without_their_spaces() -> None:
    text = TextStatistics("an other day another")
    assert statistics.datatrove_duplicate_ngrams(text, 1) == 0
    assert (
        statistics.datatrove_duplicate_ngrams(TextStatistics("ab c day a bc"), 2) == 3 / 13
    )  # "ab c" and "a bc" are "abc"


def slow_datatrove_duplicates(words: list[str], n: int) -> int:
    seen, found, start = set(), 0, 0
    while start + n <= len(words):
        gram = "".join(words[start : start + n])
        if gram in seen:
            found, start = found + len(gram), start + n
        else:
            seen.add(gram)
            start += 1
    return found


@given(LETTERS, st.integers(2, 10))
@settings(deadline=None)
def test_fast_ngrams_equal_their_slow_definitions(raw: str, n: int) -> None:
    text = TextStatistics(raw)
    tokens, spoken = split_words(raw), [word for word in split_words(raw) if word[0].isalnum()]
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    best = Counter(grams).most_common(1)
    top = len(" ".join(best[0][0])) * best[0][1] if best else 0
    assert statistics.datatrove_top_ngram(text, n) == statistics.share_of(top, len(raw))
    assert statistics.datatrove_duplicate_ngrams(text, n) == statistics.share_of(
        slow_datatrove_duplicates(tokens, n), len(raw)
    )

    counts = Counter(tuple(spoken[i : i + n]) for i in range(len(spoken) - n + 1))
    covered = {j for i in range(len(spoken) - n + 1) if counts[tuple(spoken[i : i + n])] > 1 for j in range(i, i + n)}
    total, highest = sum(map(len, spoken)), max(counts.values(), default=0)
    longest = max((len("".join(gram)) for gram, count in counts.items() if count == highest), default=0)
    assert statistics.dclm_duplicate_ngrams(text, n) == statistics.share_of(sum(len(spoken[i]) for i in covered), total)
    assert statistics.dclm_top_ngram(text, n) == statistics.share_of(longest * highest if highest > 1 else 0, total)


@given(PARAGRAPHS, st.integers(0, 7), st.integers(2, 10))
@settings(max_examples=150, deadline=None)
def test_a_repeated_paragraph_never_lowers_a_duplicate_measure(paragraphs: list[list[str]], which: int, n: int) -> None:
    if not paragraphs:
        return
    repeated = paragraphs[which % len(paragraphs)]
    before, after = TextStatistics(page(paragraphs)), TextStatistics(page([*paragraphs, repeated]))
    for kind in (True, False):
        for measure in (statistics.dclm_duplicates, statistics.datatrove_duplicates):
            assert measure(after, kind, by_characters=False) >= measure(before, kind, by_characters=False)
        assert statistics.dclm_duplicates(after, kind, True) >= statistics.dclm_duplicates(before, kind, True)
    if len([word for word in repeated if word != "."]) >= n:
        assert statistics.dclm_duplicate_ngrams(after, n) >= statistics.dclm_duplicate_ngrams(before, n)


SHARES = [
    statistics.bullet_lines,
    statistics.ellipsis_lines,
    statistics.alphabetic_words,
    statistics.alphabetic_tokens,
    statistics.ended_lines,
    statistics.short_lines,
    statistics.duplicate_line_characters,
    *(lambda text, n=n: statistics.dclm_duplicate_ngrams(text, n) for n in (5, 10)),
    *(lambda text, n=n: statistics.datatrove_duplicate_ngrams(text, n) for n in (5, 10)),
    *(lambda text, p=p, c=c: statistics.dclm_duplicates(text, p, c) for p in (0, 1) for c in (0, 1)),
    *(lambda text, p=p, c=c: statistics.datatrove_duplicates(text, p, c) for p in (0, 1) for c in (0, 1)),
]


@given(st.one_of(st.text(max_size=80), LETTERS))
@settings(deadline=None)
def test_shares_stay_between_0_and_1_for_any_text(raw: str) -> None:
    text = TextStatistics(raw)
    for measure in SHARES:
        assert 0 <= measure(text) <= 1


@pytest.mark.parametrize("raw", ["", "\n", " ", "\n\nx\n", "x\n\n\ny", "\ud800 lone"])
def test_lines_are_cut_as_datatrove_cuts_them(raw: str) -> None:
    import re

    assert list(statistics.datatrove_segments(raw, paragraphs=False)) == re.split(r"\n+", raw)
    assert list(statistics.datatrove_segments(raw, paragraphs=True)) == re.split(r"\n{2,}", raw.strip())
    assert statistics.datatrove_duplicate_ngrams(TextStatistics(raw), 2) == 0


def test_what_is_no_measure_of_a_language_is_none() -> None:
    assert statistics.mean_word_length(TextStatistics("今天天气很好", "zh")) is None
    assert statistics.ended_lines(TextStatistics("ภาษาไทย", "th")) is None
    assert statistics.short_lines(TextStatistics("天" * 15 + "\n" + "天" * 16, "zh")) == 0.5
    assert statistics.short_lines(TextStatistics("x" * 30 + "\n" + "x" * 31, "en")) == 0.5


def test_a_text_is_cut_once_for_all_measures() -> None:
    calls = []
    splitter = SPLITTER._replace(words=lambda text: calls.append(text) or text.split())
    text = TextStatistics("a b c a b c", "en", splitter)
    for measure in (statistics.count_words, statistics.alphabetic_words, statistics.newlines_per_word):
        measure(text)
    statistics.dclm_duplicate_ngrams(text, 2), statistics.datatrove_top_ngram(text, 2)
    assert len(calls) == 1
