"""Gopher's quality rules: does this read like prose?"""

import re
from functools import cache, partial
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from pipeline.filters import statistics
from pipeline.filters.base import Count, Filter, Ratio, Share, Threshold
from pipeline.filters.language_thresholds import fineweb2_stop_words, fineweb2_thresholds
from pipeline.filters.statistics import TextStatistics
from pipeline.filters.stop_words import stop_words_of
from pipeline.settings import STRICT
from pipeline.text.parts import PART
from pipeline.text.tokenize.tokens import Tokens, tokens_from_words


def distinct_stop_words(text: TextStatistics, published: bool = False) -> float | None:
    """Return how many different stop words of its language the text holds; None for a language without a list.

    Case counts, as in datatrove. Where words are not spaced apart they are looked for anywhere in the text; the
    `published` Korean ones (FineWeb-2's), which are endings, at the ends of words.
    """
    listed = (published and fineweb2_stop_words(text.language)) or stop_words_of(text.language)
    if not listed:
        return None
    if text.unspaced:
        return float(sum(word in text.text for word in listed))
    if published and text.language == "ko":
        return float(sum(re.search(rf"{word}(?!\w)", text.text) is not None for word in listed))
    words = hash_stop_words(listed)
    found = np.zeros(len(words.hashes), bool)
    # A stop word begins with a letter, but for one that a list has otherwise.
    parts = (text.word_row,) if text.is_long and len(words.alphanumeric) == len(words) else text.iter_tokens()
    for part in parts:
        for start in range(0, len(part.hashes), PART):
            found |= (part.hashes[start : start + PART] == words.hashes[:, None]).any(axis=1)
    return float(np.count_nonzero(found))


@cache
def hash_stop_words(words: frozenset[str]) -> Tokens:
    """Return words as tokens."""
    return tokens_from_words(sorted(words))


COMMON_THRESHOLDS = (
    Threshold("min_words", "too-few-words", "words", statistics.count_words, is_minimum=True),
    Threshold("max_words", "too-many-words", "words", statistics.count_words),
    Threshold("min_mean_word_length", "short-words", "mean_word_length", statistics.mean_word_length, is_minimum=True),
    Threshold("max_mean_word_length", "long-words", "mean_word_length", statistics.mean_word_length),
    Threshold("max_symbols_per_word", "hashes", "hashes_per_word", statistics.hashes_per_word),
    Threshold("max_symbols_per_word", "ellipses", "ellipses_per_word", statistics.ellipses_per_word),
    Threshold("max_bullet_lines", "bullet-lines", "bullet_lines", statistics.bullet_lines),
    Threshold("max_ellipsis_lines", "ellipsis-lines", "ellipsis_lines", statistics.ellipsis_lines),
)
LETTERS = Threshold(
    "min_alphabetic_words", "too-few-letters", "alphabetic_words", statistics.alphabetic_words, is_minimum=True
)
STOP_WORDS = Threshold("min_stop_words", "too-few-stop-words", "stop_words", distinct_stop_words, is_minimum=True)
QUALITY_THRESHOLDS = {
    "gopher": (*COMMON_THRESHOLDS, LETTERS, STOP_WORDS),
    "datatrove": (*COMMON_THRESHOLDS, LETTERS._replace(statistic=statistics.alphabetic_tokens), STOP_WORDS),
}
FINEWEB2_QUALITY_THRESHOLDS = {
    variant: (*limits[:-1], STOP_WORDS._replace(statistic=partial(distinct_stop_words, published=True)))
    for variant, limits in QUALITY_THRESHOLDS.items()
}


@dataclass(frozen=True, config=STRICT)
class GopherQualityFilter(Filter):
    """Gopher's document-wise rules (Rae et al. 2021, appendix A.1.1), by datatrove's definitions.

    datatrove/pipeline/filters/gopher_quality_filter.py: words that hold more than punctuation, their mean length,
    different stop words, case as it stands. The variants differ in which share must hold a letter: of the words
    (`gopher`), or of all tokens, so that each comma counts against a page (`datatrove`, what FineWeb ran). Beyond both:
    stop words are of the page's language, and the word length is no rule where words are not spaced apart. With
    `by_language: fineweb2` stop words and the limits on the word length are FineWeb-2's, where it has figures; so
    is the least share of letters in the variant datatrove, whose share its figure is.
    """

    variant: Literal["gopher", "datatrove"] = "gopher"  # whose way of counting is used
    by_language: Literal["fineweb2"] | None = None  # use the published thresholds of each language
    min_words: Count | None = 50
    max_words: Count | None = 100_000
    min_mean_word_length: Ratio | None = 3.0
    max_mean_word_length: Ratio | None = 10.0
    max_symbols_per_word: Ratio | None = 0.1  # of hash signs, and of ellipses
    max_bullet_lines: Share | None = 0.9
    max_ellipsis_lines: Share | None = 0.3
    min_alphabetic_words: Share | None = 0.8
    min_stop_words: Count | None = 2

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the thresholds in datatrove's order."""
        return (FINEWEB2_QUALITY_THRESHOLDS if self.by_language else QUALITY_THRESHOLDS)[self.variant]

    def threshold_for(self, field: str, language: str) -> float | None:
        """Return the threshold of a field, FineWeb-2's where that is asked for."""
        own = super().threshold_for(field, language)
        if own is None or not self.by_language or (field == "min_alphabetic_words" and self.variant == "gopher"):
            return own
        return fineweb2_thresholds(language).get(field, own)
