"""Repeated n-grams of tokens, on arrays of their hashes: which there are, how often, where.

Two n-grams are taken for equal where their 64-bit hashes are: in a text of a million tokens two different ones meet by
chance once in 10^7 texts.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pipeline.text.tokenize.tokens import Tokens

STEP = np.uint64(0xD1342543DE82EF95)  # odd, of a 64-bit congruential generator (Steele and Vigna 2021): rolls a key on
MANY, ROWS = 1 << 17, 1 << 15  # keys sorted, and rows read, at a time in a long text
FEW = 200  # keys; of more of them, 16 bits are sorted first (in linear time), which leaves those that may be repeated
LEAST, MOST, PREFIX = 5, 10, 12  # n-grams of five tokens are rarely shorter than twelve characters


class RepeatedPositions(NamedTuple):
    """Where the n-grams that occur more than once begin, each time, and the key of each: sorted by key, then place."""

    positions: np.ndarray
    keys: np.ndarray


def find_repeated_keys(positions: np.ndarray, keys: np.ndarray) -> RepeatedPositions:
    """Return what is repeated among the keys at ascending `positions`."""
    found = (np.concatenate(columns) for columns in zip(*iter_repeated_keys(positions, keys), strict=True))
    return RepeatedPositions(*found)


def iter_repeated_keys(positions: np.ndarray, keys: np.ndarray) -> Iterator[RepeatedPositions]:
    """Yield what is repeated among the keys at ascending `positions`, of many keys a part at a time."""
    if len(keys) <= MANY:
        yield sort_repeated_keys(positions, keys)
        return
    groups = (keys >> np.uint64(60)).astype(np.uint8)
    for group in range(16):
        some = (groups == group).nonzero()[0]
        yield sort_repeated_keys(positions[some], keys[some])


def sort_repeated_keys(positions: np.ndarray, keys: np.ndarray) -> RepeatedPositions:
    """Return what is repeated among the keys at ascending `positions`, all at once."""
    if len(keys) > FEW:
        order = (keys >> np.uint64(48)).astype(np.uint16).argsort(kind="stable")
        positions, keys = positions[order], keys[order]
        alike = mark_repeated_values(keys >> np.uint64(48))
        positions, keys = positions[alike], keys[alike]
    order = keys.argsort(kind="stable")
    keys = keys[order]
    alike = mark_repeated_values(keys)
    return RepeatedPositions(positions[order[alike]], keys[alike])


def mark_repeated_values(ordered: np.ndarray) -> np.ndarray:
    """Return which values of a sorted array occur in it more than once."""
    same = ordered[1:] == ordered[:-1]
    found = np.zeros(len(ordered), bool)
    found[:-1] = same
    found[1:] |= same
    return found


class RepeatedNgrams:
    """The n-grams of a sequence that occur more than once, worked out from n to n + 1 as far as asked for.

    An n-gram can only be repeated where its first n - 1 words are, so fewer and fewer places are looked at. Only what
    the last n left is held: ask for rising n. Of more than MANY words that is a key and a byte a word, and the keys are
    sorted a part of them at a time, those with the same last bits.
    """

    def __init__(self, hashes: np.ndarray):
        """Take the hashes of a sequence of words."""
        self.hashes, self.is_long = hashes, len(hashes) > MANY
        self.restart()

    def restart(self) -> None:
        """Begin with the words themselves."""
        self.length = 1
        if self.is_long:
            self.keys = self.hashes.copy()
            self.may_begin = np.ones(len(self.hashes), bool)  # the words at which a repeated n-gram may begin
        else:
            self.found = RepeatedPositions(np.arange(len(self.hashes), dtype=np.int32), self.hashes)

    def find(self, n: int) -> Iterator[RepeatedPositions]:
        """Yield the repeated n-grams, n is 2 or more: all places of one n-gram together, some n-grams at a time."""
        if n < self.length:
            self.restart()
        if not self.is_long:
            yield self.extend(n)
            return
        self.extend_keys(n)
        repeated = np.zeros(len(self.hashes), bool)
        parts = 1 << (int(np.count_nonzero(self.may_begin)) // MANY).bit_length()
        for part in range(parts):
            found = sort_repeated_keys(*self.select_keys(part, parts - 1))
            repeated[found.positions] = True
            yield found
        self.may_begin = repeated

    def extend(self, n: int) -> RepeatedPositions:
        """Return the repeated n-grams of a short sequence."""
        while self.length < n:
            self.length += 1
            positions, keys = self.found
            inside = positions <= len(self.hashes) - self.length
            positions, keys = positions[inside], keys[inside] * STEP
            keys += self.hashes[positions + (self.length - 1)]
            self.found = sort_repeated_keys(positions, keys)
        return self.found

    def extend_keys(self, n: int) -> None:
        """Make the keys of the n-grams of a long sequence."""
        while self.length < n:
            for start in range(0, len(self.hashes) - self.length, MANY):
                keys = self.keys[start : min(start + MANY, len(self.hashes) - self.length)]
                keys *= STEP
                keys += self.hashes[start + self.length :][: len(keys)]
            self.length += 1
        self.may_begin[max(0, len(self.hashes) - n + 1) :] = False

    def select_keys(self, part: int, mask: int) -> RepeatedPositions:
        """Return the n-grams of a long sequence that may be repeated and whose keys have the bits `part` at `mask`."""
        chosen = []
        for start in range(0, len(self.hashes), MANY):
            some = self.may_begin[start : start + MANY]
            if mask:
                some = some & ((self.keys[start : start + MANY] & np.uint64(mask)) == part)
            chosen.append((some.nonzero()[0] + start).astype(np.int32))
        positions = np.concatenate(chosen)
        return RepeatedPositions(positions, self.keys[positions])

    def find_positions(self, n: int) -> Iterator[np.ndarray]:
        """Yield where the repeated n-grams begin, rising, some at a time."""
        if not self.is_long:
            for found in self.find(n):
                yield np.sort(found.positions)
            return
        for _ in self.find(n):
            pass
        for start in range(0, len(self.may_begin), MANY):
            yield self.may_begin[start : start + MANY].nonzero()[0] + start


def find_top_ngrams(found: Iterable[RepeatedPositions]) -> tuple[int, np.ndarray]:
    """Return the count of the most frequent of the repeated n-grams, and the first occurrence of each of that count.

    The count is 1 where none is repeated.
    """
    highest, firsts = 1, [np.zeros(0, np.int32)]
    for positions, keys in found:
        if not len(keys):
            continue
        edges = np.ones(len(keys) + 1, bool)
        np.not_equal(keys[1:], keys[:-1], out=edges[1:-1])
        begins = edges.nonzero()[0]
        counts = begins[1:] - begins[:-1]
        most = int(counts.max())
        if most > highest:
            highest, firsts = most, []
        if most == highest:
            firsts.append(positions[begins[:-1][counts == most]])
    return highest, np.concatenate(firsts)


def count_covered_characters(starts: Iterable[np.ndarray], n: int, edges: np.ndarray) -> int:
    """Return the characters of the words in any of the n-grams that begin at `starts`, rising over all arrays.

    Word i has the characters edges[i:i + 2].
    """
    total = covered = 0  # words before `covered` are counted
    for some in starts:
        if len(some):
            ends = some + n
            firsts = np.maximum(some, np.append(covered, ends[:-1]))
            total += int(edges[ends].sum(dtype=np.int64) - edges[firsts].sum(dtype=np.int64))
            covered = int(ends[-1])
    return total


class JoinedNgrams:
    """The n-grams of a text as datatrove compares them: joined without spaces, so that "an other" equals "another"."""

    def __init__(self, tokens: Tokens):
        """Take the tokens of a text."""
        self.tokens = tokens

    @cached_property
    def candidates(self) -> np.ndarray:
        """The tokens with which a repeated n-gram of at least `LEAST` tokens may begin, ascending.

        Its first `PREFIX` characters follow on another token too, or it is shorter.
        """
        starts = self.tokens.starts
        may = np.zeros(len(starts), bool)
        places = np.arange(int(starts.searchsorted(len(self.tokens.codes) - PREFIX, side="right")), dtype=np.int32)
        for found in iter_repeated_keys(places, self.tokens.prefix_hashes(len(places), PREFIX)):
            may[found.positions] = True
        fits = max(0, len(may) - LEAST + 1)
        may[:fits] |= self.tokens.ends[LEAST - 1 :] - starts[:fits] < PREFIX
        return may.nonzero()[0].astype(np.int32)

    @cached_property
    def usual(self) -> dict[int, int]:
        """The characters of the repeated n-grams of `LEAST` to `MOST` tokens, all at once where they are few."""
        sizes = range(LEAST, MOST + 1)
        if len(self.candidates) <= MANY:
            return self.count_again(sizes)
        return {n: count for size in sizes for n, count in self.count_again([size]).items()}

    def count_again(self, sizes: Sequence[int]) -> dict[int, int]:
        """Return by n the characters of the n-grams of some sizes that came before."""
        places = self.candidates
        counts = [int(places.searchsorted(len(self.tokens) - n + 1)) for n in sizes]
        firsts = np.concatenate([places[:count] for count in counts])
        size = np.repeat(np.array(sizes, np.uint8), counts)
        keys = np.empty(len(firsts), np.uint64)
        for start in range(0, len(firsts), MANY):
            some = slice(start, start + MANY)
            keys[some] = self.tokens.span_hashes(firsts[some], firsts[some] + size[some])
            keys[some] += size[some].astype(np.uint64) * STEP  # no two sizes meet
        return count_characters_again(self.tokens, size, firsts, keys)

    def characters_again(self, n: int) -> int:
        """Return the characters of the n-grams that came before, when the text is read on behind each one found."""
        if LEAST <= n <= MOST:
            return self.usual.get(n, 0)
        firsts = np.arange(max(0, len(self.tokens) - n + 1))
        size = np.full(len(firsts), n)
        return count_characters_again(self.tokens, size, firsts, self.tokens.span_hashes(firsts, firsts + n)).get(n, 0)


def count_characters_again(tokens: Tokens, sizes: np.ndarray, firsts: np.ndarray, keys: np.ndarray) -> dict[int, int]:
    """Return by n the characters of n-grams that came before, when the text is read on behind each one found.

    An n-gram has `sizes` tokens from `firsts` on, both ascending, and a key.
    """
    positions, keys = find_repeated_keys(np.arange(len(keys), dtype=np.int32), keys)
    names = np.cumsum(np.append(False, keys[1:] != keys[:-1]), dtype=np.int32)[: len(keys)]  # small ones for the keys
    order = positions.argsort(kind="stable")
    positions, names = positions[order], names[order]
    found: dict[int, int] = {}
    size, free, seen = 0, 0, bytearray(len(names))
    for start in range(0, len(positions), ROWS):
        some = positions[start : start + ROWS]
        n_of, first_of = sizes[some], firsts[some]
        stops = first_of + n_of
        ends = np.where(stops < len(tokens), tokens.starts.take(stops, mode="clip"), len(tokens.codes))
        lengths = ends - tokens.starts[first_of]
        columns = (n_of, first_of, names[start : start + ROWS], lengths)
        for n, first, name, length in zip(*(column.tolist() for column in columns), strict=True):
            if n != size:
                size, free = n, 0
            if first < free:
                continue
            if seen[name]:
                found[n] = found.get(n, 0) + length
                free = first + n
            else:
                seen[name] = 1
    return found
