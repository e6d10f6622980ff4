"""What is measured of a text, apart from any threshold. Shares are of 1, lengths are in characters.

`TextStatistics` holds one text and works out each part (words, n-grams, ...) when it is first asked for, so that rules
share it. The functions below it are the measures: pure, defined for every text (a share of nothing is 0), and named
after what they return. Where published implementations differ, the function's name says whose definition it is.
"""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pipeline.text.parts import cut_at_newlines
from pipeline.text.tokenize.ngrams import JoinedNgrams, RepeatedNgrams, count_covered_characters, find_top_ngrams
from pipeline.text.tokenize.sentences import count_sentences
from pipeline.text.tokenize.tokens import Tokens, count_tokens, tokenize_blocks, tokenize_text, tokens_from_words
from pipeline.text.tokenize.words import EAST_ASIAN, SPLITTER, UNPUNCTUATED, UNSPACED, TextSplitter, terminal_marks

BULLETS = frozenset("•-")  # datatrove/pipeline/filters/gopher_quality_filter.py
LONG = 1 << 20  # characters; the tokens and lines of a longer text are not held all at once
ROOM = 1 << 17  # tokens for which memory is taken at a time
HASH_GROUPS = 8  # in which the hashes of a long text's lines are sorted, one after the other
SHORT_LINE = 30  # characters; FineWeb (datatrove/pipeline/filters/fineweb_quality_filter.py)


class TokenKindCounts(NamedTuple):
    """How many tokens a text has, how many of them are words, the words' characters, how many hold a letter."""

    tokens: int
    words: int
    word_characters: int
    alphabetic: int


class TokenRow(NamedTuple):
    """Some tokens of a text in a row: the hash of each; the characters before each, and of all at the end."""

    hashes: np.ndarray
    edges: np.ndarray


def make_token_row(hashes: np.ndarray, lengths: np.ndarray) -> TokenRow:
    """Return the tokens of a short text with so many characters each as a row."""
    edges = np.zeros(len(lengths) + 1, np.uint32)
    edges[1:] = lengths.cumsum()
    return TokenRow(hashes, edges)


class RowBuilder:
    """Makes one row of tokens that come in parts. What is held grows with them."""

    def __init__(self) -> None:
        """Begin without a token."""
        self.hashes, self.edges, self.count = np.zeros(0, np.uint64), np.zeros(1, np.uint32), 0

    def add(self, hashes: np.ndarray, lengths: np.ndarray) -> None:
        """Add tokens with so many characters."""
        end = self.count + len(hashes)
        if end > len(self.hashes):
            self.hashes.resize(end + ROOM, refcheck=False)
            self.edges.resize(end + ROOM + 1, refcheck=False)
        self.hashes[self.count : end] = hashes
        self.edges[self.count + 1 : end + 1] = lengths.cumsum() + self.edges[self.count]
        self.count = end

    def build(self) -> TokenRow:
        """Return the row."""
        return TokenRow(self.hashes[: self.count], self.edges[: self.count + 1])


class TextStatistics:
    """One text in one language, and its parts at first use. `splitter` cuts words and sentences.

    What is held of a long text are hashes and numbers. Its tokens and lines are made anew for each measure that asks.
    """

    def __init__(self, text: str, language: str = "en", splitter: TextSplitter = SPLITTER):
        """Measure nothing yet."""
        self.text, self.language, self.splitter = text, language, splitter

    @property
    def is_long(self) -> bool:
        """Whether lists of its parts would take much memory."""
        return len(self.text) > LONG

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

    def iter_tokens(self) -> Iterable[Tokens]:
        """Return all tokens: of a long text a block at a time."""
        if self.is_long and self.splitter is SPLITTER and "tokens" not in self.__dict__:
            return tokenize_blocks(self.text)
        return (self.tokens,)

    @property
    def token_count(self) -> int:
        """How many tokens there are; they are not looked at for it."""
        if self.splitter is not SPLITTER or "tokens" in self.__dict__:
            return len(self.tokens)
        return count_tokens(self.text)

    @cached_property
    def token_counts(self) -> TokenKindCounts:
        """What is counted of all tokens."""
        return self.counts_and_words[0] if self.is_long else count_token_kinds(self.tokens)

    @cached_property
    def counts_and_words(self) -> tuple[TokenKindCounts, TokenRow]:
        """What is counted of a long text's tokens, and `word_row`: both are wanted of most texts."""
        counts, row = np.zeros(len(TokenKindCounts._fields), np.int64), RowBuilder()
        for tokens in self.iter_tokens():
            counts += np.array(count_token_kinds(tokens))
            row.add(tokens.hashes[tokens.alphanumeric], tokens.lengths[tokens.alphanumeric])
        return TokenKindCounts(*counts.tolist()), row.build()

    @cached_property
    def word_row(self) -> TokenRow:
        """The words without punctuation, among which DCLM looks for n-grams."""
        if self.is_long:
            return self.counts_and_words[1]
        words = self.tokens.alphanumeric
        return make_token_row(self.tokens.hashes[words], self.tokens.lengths[words])

    @cached_property
    def token_row(self) -> TokenRow:
        """All tokens, among which datatrove looks for n-grams."""
        if not self.is_long:
            return make_token_row(self.tokens.hashes, self.tokens.lengths)
        row = RowBuilder()
        for tokens in self.iter_tokens():
            row.add(tokens.hashes, tokens.lengths)
        return row.build()

    @cached_property
    def token_repeats(self) -> RepeatedNgrams:
        """The repeated n-grams of all tokens (datatrove's)."""
        return RepeatedNgrams(self.token_row.hashes)

    @cached_property
    def word_repeats(self) -> RepeatedNgrams:
        """The repeated n-grams of the words without punctuation (DCLM's)."""
        return RepeatedNgrams(self.word_row.hashes)

    @cached_property
    def joined(self) -> JoinedNgrams:
        """The n-grams as datatrove compares them."""
        if self.is_long:  # it is asked for last
            self.__dict__.pop("token_repeats", None)
            self.__dict__.pop("token_row", None)
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
        """Lines as `str.splitlines` gives them. Of a long text ask `iter_lines`."""
        return self.text.splitlines()

    def iter_lines(self) -> Iterable[str]:
        """Return the lines as `str.splitlines` gives them: of a long text one at a time."""
        return (
            (line for part in cut_at_newlines(self.text) for line in part.splitlines()) if self.is_long else self.lines
        )

    @cached_property
    def filled_lines(self) -> list[str]:
        """Lines between newlines, those without anything but white space left out (FineWeb's).

        Of a long text ask `iter_filled_lines`.
        """
        return [line for line in self.text.split("\n") if line.strip()]

    def iter_filled_lines(self) -> Iterable[str]:
        """Return the filled lines: of a long text one at a time."""
        if not self.is_long:
            return self.filled_lines
        return (line for part in cut_at_newlines(self.text) for line in part.split("\n") if line.strip())

    @cached_property
    def chunks(self) -> list[str]:
        """Parts between white space (DCLM's words in its simpler rules). Of a long text ask `iter_chunks`."""
        return self.text.split()

    def iter_chunks(self) -> Iterable[str]:
        """Return the parts between white space: of a long text one at a time."""
        return split_lazily(self.text) if self.is_long else self.chunks

    @cached_property
    def chunk_count(self) -> int:
        """How many parts stand between white space."""
        return sum(1 for _ in self.iter_chunks()) if self.is_long else len(self.chunks)

    @cached_property
    def chunk_characters(self) -> int:
        """The characters of the parts between white space."""
        return sum(map(len, self.iter_chunks()))


def count_token_kinds(tokens: Tokens) -> TokenKindCounts:
    """Return what is counted of some tokens."""
    spoken = tokens.spoken
    words, alphabetic = np.count_nonzero(spoken), np.count_nonzero(tokens.alphabetic)
    return TokenKindCounts(len(tokens), int(words), int((tokens.lengths * spoken).sum()), int(alphabetic))


def split_lazily(text: str) -> Iterator[str]:
    """Yield what `str.split` returns."""
    return (found[0] for found in re.finditer(r"\S+", text))


def share_of(part: float, whole: float) -> float:
    """Return part / whole, 0 of nothing."""
    return float(part) / float(whole) if whole else 0.0


def share_of_lines(lines: Iterable[str], is_counted: Callable[[str], bool]) -> float:
    """Return the share of the lines for which `is_counted` is true."""
    counted = bytes(map(is_counted, lines))
    return share_of(counted.count(1), len(counted))


# --- words and symbols: Gopher's quality rules, by datatrove's definitions


def count_characters(text: TextStatistics) -> float:
    """Characters of the text."""
    return float(len(text.text))


def count_words(text: TextStatistics) -> float:
    """Tokens that are words: they hold a character that is no punctuation."""
    return float(text.token_counts.words)


def mean_word_length(text: TextStatistics) -> float | None:
    """Mean characters of a word; None where the language writes no spaces or a character is a syllable or more."""
    if text.unspaced or text.language in EAST_ASIAN:
        return None
    return share_of(text.token_counts.word_characters, text.token_counts.words)


def hashes_per_word(text: TextStatistics) -> float:
    """Hash signs per token."""
    return share_of(text.text.count("#"), text.token_counts.tokens)


def ellipses_per_word(text: TextStatistics) -> float:
    """Ellipses ("..." and U+2026) per token."""
    return share_of(text.text.count("...") + text.text.count("…"), text.token_counts.tokens)


def bullet_lines(text: TextStatistics) -> float:
    """Share of lines that start with a bullet or hyphen."""
    if "•" not in text.text and "-" not in text.text:
        return 0.0
    return share_of_lines(text.iter_lines(), lambda line: line.lstrip()[:1] in BULLETS)


def ellipsis_lines(text: TextStatistics) -> float:
    """Share of lines that end with an ellipsis."""
    if "..." not in text.text and "…" not in text.text:
        return 0.0
    return share_of_lines(text.iter_lines(), lambda line: line.rstrip().endswith(("...", "…")))


def alphabetic_words(text: TextStatistics) -> float:
    """Share of words that hold a letter."""
    return share_of(text.token_counts.alphabetic, text.token_counts.words)


def alphabetic_tokens(text: TextStatistics) -> float:
    """Share of tokens, punctuation among them, that hold a letter (datatrove's)."""
    return share_of(text.token_counts.alphabetic, text.token_counts.tokens)


# --- duplicate lines and paragraphs


class SegmentCounts(NamedTuple):
    """Lines or paragraphs of a text: how many, their characters, and of both what is repeated."""

    number: int
    length: int
    repeated: int
    repeated_length: int


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


def count_copies(parts: Iterable[str], every: bool, is_long: bool) -> SegmentCounts:
    """Count lines or paragraphs; of those that are repeated all occurrences (`every`), or those but the first.

    Of a long text they are not held, but told apart by their hashes: one in 2^64 pairs of different ones is taken for
    equal.
    """
    if not is_long:
        held = list(parts)
        repeats = count_all_copies(held) if every else count_later_copies(held)
        return SegmentCounts(len(held), sum(map(len, held)), *repeats)
    numbers, sizes = array("q"), array("I")
    for part in parts:
        numbers.append(hash(part))
        sizes.append(len(part))
    hashes, lengths = np.frombuffer(numbers, np.int64), np.frombuffer(sizes, np.uint32)
    repeated = repeated_length = 0
    for group in range(HASH_GROUPS):
        places = (hashes % HASH_GROUPS == group).nonzero()[0]
        _, firsts, counts = np.unique(hashes[places], return_index=True, return_counts=True)
        counted = np.where(counts > 1, counts - (not every), 0)
        repeated += int(counted.sum())
        repeated_length += int((counted * lengths[places[firsts]]).sum())
    return SegmentCounts(len(hashes), int(lengths.sum(dtype=np.int64)), repeated, repeated_length)


def datatrove_segments(text: str, paragraphs: bool) -> Iterator[str]:
    """Yield paragraphs (between two newlines or more) or lines (between newlines) as datatrove cuts them."""
    text, mark = (text.strip(), "\n\n") if paragraphs else (text, "\n")
    if not text or text.startswith("\n"):
        yield ""
    for part in cut_at_newlines(text, mark):
        for raw in part.split(mark):  # re.split(r"\n{2,}", text) or r"\n+", several times as fast
            if segment := raw.lstrip("\n"):
                yield segment
    if text.endswith("\n"):
        yield ""


def dclm_segments(text: str, paragraphs: bool) -> Iterator[str]:
    """Yield paragraphs (between pairs of newlines) or lines, stripped, none of them empty, as DCLM cuts them."""
    mark = "\n\n" if paragraphs else "\n"
    for part in cut_at_newlines(text, mark):
        for raw in part.split(mark):
            if segment := raw.strip():
                yield segment


def datatrove_duplicates(text: TextStatistics, paragraphs: bool, by_characters: bool) -> float:
    """Share of lines (or paragraphs) that came before: of their number, or their characters of all characters."""
    found = text.segments.get(("datatrove", paragraphs))
    if found is None:
        found = count_copies(datatrove_segments(text.text, paragraphs), every=False, is_long=text.is_long)
        text.segments["datatrove", paragraphs] = found
    if by_characters:
        return share_of(found.repeated_length, len(text.text))
    return share_of(found.repeated, found.number)


def dclm_duplicates(text: TextStatistics, paragraphs: bool, by_characters: bool) -> float:
    """Share of lines (or paragraphs) that occur more than once: of their number, or of the characters in them."""
    found = text.segments.get(("dclm", paragraphs))
    if found is None:
        found = count_copies(dclm_segments(text.text, paragraphs), every=True, is_long=text.is_long)
        text.segments["dclm", paragraphs] = found
    return share_of(found.repeated_length, found.length) if by_characters else share_of(found.repeated, found.number)


# --- n-grams


def datatrove_top_ngram(text: TextStatistics, n: int) -> float:
    """Characters, joined by spaces, of the most frequent n-gram (the first of several) times its count, of the text's.

    datatrove counts an n-gram that occurs once too, so a very short text has a high share.
    """
    edges = text.token_row.edges
    if len(edges) <= n:
        return 0.0
    count, firsts = find_top_ngrams(text.token_repeats.find(n))
    first = int(firsts.min()) if count > 1 else 0
    length = int(edges[first + n]) - int(edges[first]) + n - 1
    return share_of(length * count, len(text.text))


def dclm_top_ngram(text: TextStatistics, n: int) -> float:
    """Characters of the most frequent n-gram (the longest of several) times its count, of those of all words.

    Punctuation tokens and white space count nowhere. 0 where no n-gram occurs twice.
    """
    count, firsts = find_top_ngrams(text.word_repeats.find(n))
    if count == 1:
        return 0.0
    edges = text.word_row.edges
    return share_of(int((edges[firsts + n] - edges[firsts]).max()) * count, int(edges[-1]))


def dclm_duplicate_ngrams(text: TextStatistics, n: int) -> float:
    """Characters of words in any n-gram that occurs more than once, of those of all words (Gopher's text)."""
    edges = text.word_row.edges
    return share_of(count_covered_characters(text.word_repeats.find_positions(n), n, edges), int(edges[-1]))


def datatrove_duplicate_ngrams(text: TextStatistics, n: int) -> float:
    """Characters of n-grams that came before, scanning on behind each one found, of the text's characters."""
    return share_of(text.joined.characters_again(n), len(text.text))


# --- lines: FineWeb's own rules


def count_filled_lines(text: TextStatistics) -> float:
    """Lines that hold more than white space."""
    return float(sum(1 for _ in text.iter_filled_lines()))


def ended_lines(text: TextStatistics) -> float | None:
    """Share of filled lines that end in terminal punctuation of any script; None for a language that uses none."""
    if text.unpunctuated:
        return None
    marks = terminal_marks()
    return share_of_lines(text.iter_filled_lines(), lambda line: line[-1] in marks)


def short_lines(text: TextStatistics) -> float:
    """Share of filled lines of at most 30 characters (15 in Chinese, Japanese and Korean)."""
    limit = SHORT_LINE // 2 if text.language in EAST_ASIAN else SHORT_LINE
    return share_of_lines(text.iter_filled_lines(), lambda line: len(line) <= limit)


def duplicate_line_characters(text: TextStatistics) -> float:
    """Characters of filled lines that came before, of all characters but newlines."""
    found = count_copies(text.iter_filled_lines(), every=False, is_long=text.is_long)
    return share_of(found.repeated_length, len(text.text) - text.text.count("\n"))


def newlines_per_word(text: TextStatistics) -> float:
    """Newlines per token."""
    return share_of(text.text.count("\n"), text.token_count)
