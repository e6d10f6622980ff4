"""The lines, paragraphs or sentences of a text, each with a key by which it meets its copies on other pages.

A key is a 64-bit hash of a unit's words (shingle_words.py): case, white space and punctuation change nothing. A unit
without a letter or digit has no key, so a line of `}` or `---` is never repeated. Two of ten billion different units
may share a key by chance, as in CCNet, which uses 64 bits too.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.text.hashing import compute_powers, mix_bits
from pipeline.text.tokenize.sentences import count_sentences
from pipeline.text.tokenize.shingle_words import (
    find_word_bounds,
    fold_code_points,
    hash_one_text,
    hash_shingle_words,
)
from pipeline.text.tokenize.words import ABBREVIATION, WIDE_MARKS, sentence_end_pattern

LINE = re.compile(r"\S(?:[^\n]*\S)?")
SENTENCES = 3  # in a span of them (C4, Raffel et al. 2020, section 2.2)
DIGITS = bytes.maketrans(b"123456789", b"000000000")
MOST_WORDS = 1 << 16  # of a text, by which powers are made; more are made where a text has more
NOWHERE = re.compile(r"[ \t]*(?:\n|\Z)")  # from here on the line has nothing


class LineParams(NamedTuple):
    """What is repeated and what becomes of it; `dedup.repeated_lines` with its preset filled in."""

    scope: str
    unit: str
    min_pages: int = 2
    keep: str = "one"
    min_characters: int = 1
    normalize_digits: bool = False
    min_remaining_characters: int = 0
    min_remaining_sentences: int = 0


# What each preset fills in where the config says nothing.
# roots     BigScience ROOTS (data-preparation, clean.py: dedup_template_soft): the template of a site's pages, such as
#           a forum's headers and footers: lines of 15 characters or more that ten of its pages have
# ccnet     CCNet (cc_net/dedup.py, deduplicate_two_pass): every line that two pages have, digits alike, the first copy
#           too; its least length of a text (300) is asked here of what is left. Its scope is a shard, here the corpus
# c4        C4's code (c4_utils.py): all but one copy of a line; a page needs three sentences
# c4_paper  C4's paper, as datatrove's sentence deduplication reads it: all but one copy of any three sentences in a row
LINE_PRESETS = {
    "roots": LineParams("site", "line", min_pages=10, keep="none", min_characters=15),
    "ccnet": LineParams("corpus", "line", keep="none", normalize_digits=True, min_remaining_characters=300),
    "c4": LineParams("corpus", "line", min_remaining_sentences=3),
    "c4_paper": LineParams("corpus", "sentences", min_remaining_sentences=3),
}


class LineKeys(NamedTuple):
    """Units of some texts in order: how many are each text's, from which of its characters to which, their keys."""

    counts: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    keys: np.ndarray


class RemainingText(NamedTuple):
    """What is left of a text: itself, the pieces (start, end) of the whole text that it is made of, if it will do."""

    text: str
    pieces: list[tuple[int, int]]
    enough: bool


def find_line_spans(text: str, unit: str) -> list[tuple[int, int]]:
    """Return where a text's units start and end, without the white space around them; spans of sentences overlap."""
    if unit == "sentences":
        found = list(find_sentence_spans(text))
        return [(first[0], last[1]) for first, last in zip(found, found[SENTENCES - 1 :], strict=False)]
    lines = [found.span() for found in LINE.finditer(text)]
    if unit == "line":
        return lines
    paragraphs: list[tuple[int, int]] = []
    for start, end in lines:
        if paragraphs and text.count("\n", paragraphs[-1][1], start) == 1:  # no empty line between them
            start = paragraphs.pop()[0]
        paragraphs.append((start, end))
    return paragraphs


def find_sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each sentence starts and ends, as `words.count_line_sentences` counts them; a line ends one too."""
    for line in LINE.finditer(text):
        start = line.start()
        for end in sentence_end_pattern().finditer(text, start, line.end()):
            mark = end.start()
            wide = not end[1] and text[mark] in WIDE_MARKS
            abbreviated = text[mark] == "." and ABBREVIATION.search(text, max(start, mark - 8), mark)
            if wide or (end[1] and not end[2].islower() and not abbreviated):
                yield start, end.start(1)
                start = end.end(1)
        yield start, line.end()


def compute_line_keys(texts: Sequence[str], params: LineParams, salts: Sequence[int] | None = None) -> LineKeys:
    """Return the units of some texts that can be repeated.

    What else is in `texts` changes nothing but the speed: some tens of kilobytes at a time are best. A text's salt is
    mixed into its keys: texts with another one do not meet.
    """
    found = [find_line_spans(text, params.unit) for text in texts]
    counts = np.array([len(some) for some in found], np.int64)
    some = np.array([span for spans_of_one in found for span in spans_of_one], np.int64).reshape(-1, 2)
    before = np.cumsum([0, *(len(text) + 1 for text in texts)])[:-1]
    hashes, first, last = hash_words_in_spans("\n".join(texts), some + np.repeat(before, counts)[:, None], params)
    up, down = line_powers(max(MOST_WORDS, 1 << len(hashes).bit_length()))
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes * up[: len(hashes)], out=sums[1:])
    keys = mix_bits((sums[last] - sums[first]) * down[first])
    text = np.repeat(np.arange(len(texts)), counts)
    if salts is not None:
        keys = mix_bits(keys ^ np.array(salts, np.uint64)[text])
    there = (last > first) & (some[:, 1] - some[:, 0] >= params.min_characters)
    counts = np.bincount(text[there], minlength=len(texts))
    return LineKeys(counts, some[there, 0], some[there, 1], keys[there])


def hash_words_in_spans(text: str, some: np.ndarray, params: LineParams) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the hashes of a text's words, and for each span of it the first of them and the one after its last."""
    if params.normalize_digits:
        text = text.encode("utf-8", "surrogatepass").translate(DIGITS).decode("utf-8", "surrogatepass")
    folded, kind = fold_code_points(text)
    if len(folded) == len(text):
        words = find_word_bounds(kind)[0]
        return hash_one_text(folded, kind), np.searchsorted(words, some[:, 0]), np.searchsorted(words, some[:, 1])
    # Letters and marks became one, so that the words are elsewhere than in the text.
    parts = list(hash_shingle_words([text[start:end] for start, end in some.tolist()]))
    hashes = np.concatenate([np.zeros(0, np.uint64), *(values for values, _ in parts)])
    ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *(lengths for _, lengths in parts)]))
    return hashes, ends[:-1], ends[1:]


@lru_cache(maxsize=2)
def line_powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return so many powers of an odd number and of its inverse modulo 2^64, from 0 on."""
    return compute_powers(count)


def hash_string(text: str) -> int:
    """Return 64 bits of a string's hash."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def remove_spans(text: str, gone: Iterable[tuple[int, int]], params: LineParams) -> RemainingText:
    """Return what is left of a text without some of its units, whose starts rise.

    Where a unit was there remain as many newlines as the larger number before or after it, so that paragraphs stay
    apart and no hole is left; nothing else is changed, and indentation stays.
    """
    pieces: list[tuple[int, int]] = []
    at = 0
    for start, end in [*gone, (len(text), len(text))]:
        if start > at:
            append_piece(text, pieces, at, start)
        at = max(at, end)
    while pieces:
        first, last = pieces.pop()
        if kept := len(text[first:last].rstrip()):
            pieces.append((first, first + kept))
            break
    left = "".join([text[start:end] for start, end in pieces])
    enough = (
        len(left) >= max(1, params.min_remaining_characters) and count_sentences(left) >= params.min_remaining_sentences
    )
    return RemainingText(left, pieces, enough)


def append_piece(text: str, pieces: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a piece behind those that are kept, without white space that the unit between them needs no more."""
    if not start:
        pieces.append((start, end))
        return
    open_end = NOWHERE.match(text, start, end)
    if open_end:
        while pieces and text[pieces[-1][1] - 1] in " \t":
            shorten_last_piece(pieces)
        start += len(text[start : open_end.end()]) - len(text[start : open_end.end()].lstrip(" \t"))
    elif not pieces or text[pieces[-1][1] - 1] in " \t\n":
        while start < end and text[start] in " \t":
            start += 1
    before = count_trailing_newlines(text, pieces)
    while start < end and text[start] == "\n" and (before or not pieces):
        start, before = start + 1, before - 1
    if start < end:
        pieces.append((start, end))


def shorten_last_piece(pieces: list[tuple[int, int]]) -> None:
    """Take a character from the end of the last piece."""
    start, end = pieces.pop()
    if end - 1 > start:
        pieces.append((start, end - 1))


def count_trailing_newlines(text: str, pieces: list[tuple[int, int]]) -> int:
    """Return how many newlines end the pieces."""
    count = 0
    for start, end in reversed(pieces):
        while end > start and text[end - 1] == "\n":
            end, count = end - 1, count + 1
        if end > start:
            break
    return count


def to_original_span(pieces: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """Return where a span of what is left starts and ends in the whole text."""
    return to_original_position(pieces, start), to_original_position(pieces, end - 1) + 1


def to_original_position(pieces: list[tuple[int, int]], place: int) -> int:
    """Return where a character of what is left is in the whole text."""
    for start, end in pieces:
        if place < end - start:
            return start + place
        place -= end - start
    raise IndexError(f"no character {place} behind the last piece")


def to_remaining_span(pieces: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """Return where a span of the whole text, whose first and last characters are left, starts and ends in the rest."""
    return to_remaining_position(pieces, start), to_remaining_position(pieces, end - 1) + 1


def to_remaining_position(pieces: list[tuple[int, int]], place: int) -> int:
    """Return where a character of the whole text is in what is left of it."""
    done = 0
    for start, end in pieces:
        if place < end:
            return done + place - start
        done += end - start
    raise IndexError(f"character {place} is not left")
