"""What is measured of a text, apart from any threshold. Shares are of 1, lengths are in characters.

`TextStatistics` holds one text and works out each part (words, n-grams, ...) when it is first asked for, so that rules
share it. The functions below it are the measures: pure, defined for every text (a share of nothing is 0), and named
after what they return. Where published implementations differ, the function's name says whose definition it is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pipeline.text.tokenize.ngrams import JoinedNgrams, RepeatedNgrams, count_covered_characters, find_top_ngrams
from pipeline.text.tokenize.sentences import count_sentences
from pipeline.text.tokenize.tokens import Tokens, count_tokens, tokenize_text, tokens_from_words
from pipeline.text.tokenize.words import EAST_ASIAN, SPLITTER, UNPUNCTUATED, UNSPACED, TextSplitter, terminal_marks

BULLETS = frozenset("•-")  # datatrove/pipeline/filters/gopher_quality_filter.py
LONG = 1 << 17  # characters; the parts of a longer text are not held all at once
SHORT_LINE = 30  # characters; FineWeb (datatrove/pipeline/filters/fineweb_quality_filter.py)


class TextStatistics:
    """One text in one language, and its parts at first use. `splitter` cuts words and sentences."""

    def __init__(self, text: str, language: str = "en", splitter: TextSplitter = SPLITTER):
        """Measure nothing yet."""
        self.text, self.language, self.splitter = text, language, splitter

    @property
    def unspaced(self) -> bool:
        """Whether the language writes no spaces between words: then a token is a piece, not a word."""
        return self.language in UNSPACED

    @property
    def unpunctuated(self) -> bool:
        """Whether the language ends its sentences without a mark."""
        return self.language in UNPUNCTUATED

    @cached_property
    def tokens(self) -> Tokens:
        """All tokens, punctuation among them."""
        return (
            tokenize_text(self.text) if self.splitter is SPLITTER else tokens_from_words(self.splitter.words(self.text))
        )

    @property
    def token_count(self) -> int:
        """How many tokens there are; they are not looked at for it."""
        if self.splitter is not SPLITTER or "tokens" in self.__dict__:
            return len(self.tokens)
        return count_tokens(self.text)

    @cached_property
    def words(self) -> float:
        """Tokens that are words: they hold a character that is no punctuation."""
        return float(np.count_nonzero(self.tokens.spoken))

    @cached_property
    def token_repeats(self) -> RepeatedNgrams:
        """The repeated n-grams of all tokens (datatrove's)."""
        return RepeatedNgrams(self.tokens.hashes)

    @cached_property
    def word_repeats(self) -> RepeatedNgrams:
        """The repeated n-grams of the words without punctuation (DCLM's)."""
        return RepeatedNgrams(self.tokens.hashes[self.tokens.alphanumeric])

    @cached_property
    def word_edges(self) -> np.ndarray:
        """Characters of DCLM's words before each of them, and of all at the end."""
        lengths = self.tokens.lengths[self.tokens.alphanumeric]
        edges = np.zeros(len(lengths) + 1, np.int64)
        lengths.cumsum(out=edges[1:])
        return edges

    @cached_property
    def joined(self) -> JoinedNgrams:
        """The n-grams as datatrove compares them."""
        return JoinedNgrams(self.tokens)

    def count_sentences(self, lines: Sequence[str]) -> int:
        """Return the number of sentences in the lines."""
        if self.splitter is SPLITTER:
            return count_sentences("\n".join(lines))
        return sum(map(self.splitter.count_sentences, lines))

    @cached_property
    def segments(self) -> dict[tuple[str, bool], "SegmentCounts"]:
        """What has been counted of lines and paragraphs so far."""
        return {}

    @cached_property
    def lines(self) -> list[str]:
        """Lines as `str.splitlines` gives them."""
        return self.text.splitlines()

    @cached_property
    def filled_lines(self) -> list[str]:
        """Lines between newlines, those without anything but white space left out (FineWeb's)."""
        return [line for line in self.text.split("\n") if line.strip()]

    @cached_property
    def chunks(self) -> list[str]:
        """Parts between white space (DCLM's words in its simpler rules). Of a long text ask `iter_chunks`."""
        return self.text.split()

    def iter_chunks(self) -> Iterable[str]:
        """Return the parts between white space: of a long text one at a time, so that they need no memory."""
        return split_lazily(self.text) if len(self.text) > LONG else self.chunks

    @cached_property
    def chunk_count(self) -> int:
        """How many parts stand between white space."""
        return sum(1 for _ in self.iter_chunks()) if len(self.text) > LONG else len(self.chunks)

    @cached_property
    def chunk_characters(self) -> int:
        """The characters of the parts between white space."""
        return sum(map(len, self.iter_chunks()))


def split_lazily(text: str) -> Iterator[str]:
    """Yield what `str.split` returns."""
    return (found[0] for found in re.finditer(r"\S+", text))


def share_of(part: float, whole: float) -> float:
    """Return part / whole, 0 of nothing."""
    return float(part) / float(whole) if whole else 0.0


# --- words and symbols: Gopher's quality rules, by datatrove's definitions


def count_characters(text: TextStatistics) -> float:
    """Characters of the text."""
    return float(len(text.text))


def count_words(text: TextStatistics) -> float:
    """Tokens that are words: they hold a character that is no punctuation."""
    return text.words


def mean_word_length(text: TextStatistics) -> float | None:
    """Mean characters of a word; None where the language writes no spaces or a character is a syllable or more."""
    if text.unspaced or text.language in EAST_ASIAN:
        return None
    return share_of((text.tokens.lengths * text.tokens.spoken).sum(), text.words)


def hashes_per_word(text: TextStatistics) -> float:
    """Hash signs per token."""
    return share_of(text.text.count("#"), len(text.tokens))


def ellipses_per_word(text: TextStatistics) -> float:
    """Ellipses ("..." and U+2026) per token."""
    return share_of(text.text.count("...") + text.text.count("…"), len(text.tokens))


def bullet_lines(text: TextStatistics) -> float:
    """Share of lines that start with a bullet or hyphen."""
    if "•" not in text.text and "-" not in text.text:
        return 0.0
    return share_of(len([line for line in text.lines if line.lstrip()[:1] in BULLETS]), len(text.lines))


def ellipsis_lines(text: TextStatistics) -> float:
    """Share of lines that end with an ellipsis."""
    if "..." not in text.text and "…" not in text.text:
        return 0.0
    return share_of(sum(line.rstrip().endswith(("...", "…")) for line in text.lines), len(text.lines))


def alphabetic_words(text: TextStatistics) -> float:
    """Share of words that hold a letter."""
    return share_of(int(np.count_nonzero(text.tokens.alphabetic)), text.words)


def alphabetic_tokens(text: TextStatistics) -> float:
    """Share of tokens, punctuation among them, that hold a letter (datatrove's)."""
    return share_of(int(np.count_nonzero(text.tokens.alphabetic)), len(text.tokens))


# --- duplicate lines and paragraphs


def count_later_copies(parts: Sequence[str]) -> tuple[int, int]:
    """Return how many of `parts` came before already, and their characters (datatrove: from the second occurrence)."""
    distinct = set(parts)
    if len(distinct) == len(parts):
        return 0, 0
    return len(parts) - len(distinct), sum(map(len, parts)) - sum(map(len, distinct))


def count_all_copies(parts: Sequence[str]) -> tuple[int, int]:
    """Return how many of `parts` occur more than once, and their characters (Gopher, DCLM: every occurrence)."""
    found = [(n, len(part) * n) for part, n in Counter(parts).items() if n > 1]
    return sum(n for n, _ in found), sum(length for _, length in found)


class SegmentCounts(NamedTuple):
    """Lines or paragraphs of a text: how many, their characters, and of both what is repeated."""

    number: int
    length: int
    repeated: int
    repeated_length: int


def datatrove_segments(text: str, paragraphs: bool) -> list[str]:
    """Return paragraphs (between two newlines or more) or lines (between newlines) as datatrove cuts them."""
    if paragraphs:  # re.split(r"\n{2,}", text.strip()), several times as fast; as are the lines
        return [part for raw in text.strip().split("\n\n") if (part := raw.lstrip("\n"))] or [""]
    filled = [line for line in text.split("\n") if line]
    return [""] * text.startswith("\n") + filled + [""] * text.endswith("\n") if text else [""]


def dclm_segments(text: str, paragraphs: bool) -> list[str]:
    """Return paragraphs (between pairs of newlines) or lines, stripped, none of them empty, as DCLM cuts them."""
    return [part for raw in text.split("\n\n" if paragraphs else "\n") if (part := raw.strip())]


def datatrove_duplicates(text: TextStatistics, paragraphs: bool, by_characters: bool) -> float:
    """Share of lines (or paragraphs) that came before: of their number, or their characters of all characters."""
    found = text.segments.get(("datatrove", paragraphs))
    if found is None:
        parts = datatrove_segments(text.text, paragraphs)
        found = text.segments["datatrove", paragraphs] = SegmentCounts(
            len(parts), len(text.text), *count_later_copies(parts)
        )
    return share_of(found.repeated_length, found.length) if by_characters else share_of(found.repeated, found.number)


def dclm_duplicates(text: TextStatistics, paragraphs: bool, by_characters: bool) -> float:
    """Share of lines (or paragraphs) that occur more than once: of their number, or of the characters in them."""
    found = text.segments.get(("dclm", paragraphs))
    if found is None:
        parts = dclm_segments(text.text, paragraphs)
        found = text.segments["dclm", paragraphs] = SegmentCounts(
            len(parts), sum(map(len, parts)), *count_all_copies(parts)
        )
    return share_of(found.repeated_length, found.length) if by_characters else share_of(found.repeated, found.number)


# --- n-grams


def datatrove_top_ngram(text: TextStatistics, n: int) -> float:
    """Characters, joined by spaces, of the most frequent n-gram (the first of several) times its count, of the text's.

    datatrove counts an n-gram that occurs once too, so a very short text has a high share.
    """
    if len(text.tokens) < n:
        return 0.0
    count, firsts = find_top_ngrams(text.token_repeats[n])
    first = int(firsts.min()) if count > 1 else 0
    length = int(text.tokens.ends[first + n - 1] - text.tokens.starts[first]) + n - 1
    return share_of(length * count, len(text.text))


def dclm_top_ngram(text: TextStatistics, n: int) -> float:
    """Characters of the most frequent n-gram (the longest of several) times its count, of those of all words.

    Punctuation tokens and white space count nowhere. 0 where no n-gram occurs twice.
    """
    count, firsts = find_top_ngrams(text.word_repeats[n])
    if count == 1:
        return 0.0
    edges = text.word_edges
    return share_of((edges[firsts + n] - edges[firsts]).max() * count, edges[-1])


def dclm_duplicate_ngrams(text: TextStatistics, n: int) -> float:
    """Characters of words in any n-gram that occurs more than once, of those of all words (Gopher's text)."""
    return share_of(count_covered_characters(text.word_repeats[n].positions, n, text.word_edges), text.word_edges[-1])


def datatrove_duplicate_ngrams(text: TextStatistics, n: int) -> float:
    """Characters of n-grams that came before, scanning on behind each one found, of the text's characters."""
    return share_of(text.joined.characters_again(n), len(text.text))


# --- lines: FineWeb's own rules


def count_filled_lines(text: TextStatistics) -> float:
    """Lines that hold more than white space."""
    return float(len(text.filled_lines))


def ended_lines(text: TextStatistics) -> float | None:
    """Share of filled lines that end in terminal punctuation of any script; None for a language that uses none."""
    if text.unpunctuated:
        return None
    marks = terminal_marks()
    return share_of(len([line for line in text.filled_lines if line[-1] in marks]), len(text.filled_lines))


def short_lines(text: TextStatistics) -> float:
    """Share of filled lines of at most 30 characters (15 in Chinese, Japanese and Korean)."""
    limit = SHORT_LINE // 2 if text.language in EAST_ASIAN else SHORT_LINE
    return share_of(len([line for line in text.filled_lines if len(line) <= limit]), len(text.filled_lines))


def duplicate_line_characters(text: TextStatistics) -> float:
    """Characters of filled lines that came before, of all characters but newlines."""
    return share_of(count_later_copies(text.filled_lines)[1], len(text.text) - text.text.count("\n"))


def newlines_per_word(text: TextStatistics) -> float:
    """Newlines per token."""
    return share_of(text.text.count("\n"), text.token_count)
