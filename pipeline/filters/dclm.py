"""DCLM's heuristics: Gopher's quality rules as DCLM defines them, on text without URLs and runs of blank lines."""

import re
from typing import ClassVar

from pydantic.dataclasses import dataclass

from pipeline.filters.base import Count, Filter, Ratio, Share, Threshold
from pipeline.filters.statistics import TextStatistics, dclm_segments, share_of, share_of_lines, split_lazily
from pipeline.filters.stop_words import stop_words_of
from pipeline.settings import STRICT

URL_CHARACTERS = r"[-\w@:%.+~#=?&/()]"
URL = re.compile(
    rf"\s{{0,10}}(?:(?:https?|ftp)://|\bwww\.){URL_CHARACTERS}+"
    rf"|\s{{0,10}}\b(?:[0-2]?[0-9]{{1,2}}\.){{3}}[0-2]?[0-9]{{1,2}}{URL_CHARACTERS}*",
    re.ASCII,
)
URL_HINT = re.compile(r"://|www\.|\d\.\d{1,3}\.\d{1,3}\.\d", re.ASCII)  # no URL without one of these; much faster
SYMBOLS = ("#", "...", ". . .", "…")
BULLETS = ("●", "•", "*", "-")
ELLIPSES = ("...", ". . .", "…")


def dclm_words(text: TextStatistics) -> float:
    """Tokens that begin with a letter or digit."""
    return float(len(text.word_row.hashes) if text.is_long else len(text.tokens.alphanumeric))


def dclm_mean_word_length(text: TextStatistics) -> float | None:
    """Mean characters between white space; None where the language writes no spaces."""
    return None if text.unspaced else share_of(text.chunk_characters, text.chunk_count)


def dclm_symbols_per_word(text: TextStatistics) -> float | None:
    """Hash signs and ellipses per part between white space; None where the language writes no spaces."""
    return None if text.unspaced else share_of(sum(map(text.text.count, SYMBOLS)), text.chunk_count)


def dclm_bullet_lines(text: TextStatistics) -> float:
    """Share of filled lines that start with a bullet."""
    return share_of_lines(dclm_segments(text.text, paragraphs=False), lambda line: line.startswith(BULLETS))


def dclm_ellipsis_lines(text: TextStatistics) -> float:
    """Share of filled lines that end with an ellipsis."""
    return share_of_lines(dclm_segments(text.text, paragraphs=False), lambda line: line.endswith(ELLIPSES))


def dclm_non_alphabetic_words(text: TextStatistics) -> float:
    """Share of the parts between white space without any letter."""
    without = sum(not (part.isalpha() or any(map(str.isalpha, part))) for part in text.iter_chunks())
    return share_of(without, text.chunk_count)


def dclm_stop_words(text: TextStatistics) -> float | None:
    """Stop words of the language, each as often as it occurs, in any case; None for a language without a list."""
    listed = stop_words_of(text.language)
    if not listed:
        return None
    if text.unspaced:
        return float(sum(map(text.text.count, sorted(listed))))
    lower = text.text.lower()
    return float(sum(part in listed for part in (split_lazily(lower) if text.is_long else lower.split())))


DCLM_THRESHOLDS = (
    Threshold("min_words", "too-few-words", "dclm_words", dclm_words, is_minimum=True),
    Threshold("max_words", "too-many-words", "dclm_words", dclm_words),
    Threshold("min_mean_word_length", "short-words", "dclm_mean_word_length", dclm_mean_word_length, is_minimum=True),
    Threshold("max_mean_word_length", "long-words", "dclm_mean_word_length", dclm_mean_word_length),
    Threshold("max_symbols_per_word", "symbols", "dclm_symbols_per_word", dclm_symbols_per_word),
    Threshold("max_bullet_lines", "bullet-lines", "dclm_bullet_lines", dclm_bullet_lines),
    Threshold("max_ellipsis_lines", "ellipsis-lines", "dclm_ellipsis_lines", dclm_ellipsis_lines),
    Threshold("max_non_alphabetic_words", "too-few-letters", "dclm_non_alphabetic_words", dclm_non_alphabetic_words),
    Threshold("min_stop_words", "too-few-stop-words", "dclm_stop_words", dclm_stop_words, is_minimum=True),
)


@dataclass(frozen=True, config=STRICT)
class DclmFilter(Filter):
    """The document heuristics of DCLM-Baseline (baselines/baselines_configs/dclm_baseline_refinedweb.yaml).

    They differ from `gopher_quality`: most words are what white space parts, hashes and ellipses count together, stop
    words count as often as they occur and in any case, more bullets are known. URLs with a scheme or www, and IP
    addresses, are taken out of the text first (DCLM's list of top-level domains finds bare domains too), and newlines
    stand two at most in a row. DCLM goes on with `gopher_repetition` (variant gopher) and `refinedweb_lines`.
    """

    counts: ClassVar[tuple[str, ...]] = ("dclm_urls",)

    remove_urls: bool = True  # take addresses out of the text first
    max_newlines: Count | None = 2  # in a row
    min_words: Count | None = 50
    max_words: Count | None = 100_000
    min_mean_word_length: Ratio | None = 3.0
    max_mean_word_length: Ratio | None = 10.0
    max_symbols_per_word: Ratio | None = 0.1
    max_bullet_lines: Share | None = 0.9
    max_ellipsis_lines: Share | None = 0.3
    max_non_alphabetic_words: Share | None = 0.2
    min_stop_words: Count | None = 2

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the thresholds in DCLM's order."""
        return DCLM_THRESHOLDS

    def edit_text(self, text: TextStatistics) -> tuple[str, dict[str, float]]:
        """Return the text without URLs and without long runs of newlines, and how many URLs there were."""
        cleaned, urls = text.text, 0
        if self.remove_urls and URL_HINT.search(cleaned):
            cleaned, urls = URL.subn("", cleaned)
        if self.max_newlines is not None:
            cleaned = re.sub(rf"\n{{{self.max_newlines + 1},}}", "\n" * self.max_newlines, cleaned)
        return cleaned, {"dclm_urls": float(urls)}
