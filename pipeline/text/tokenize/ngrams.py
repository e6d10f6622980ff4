"""Repeated n-grams of tokens, on arrays of their hashes: which there are, how often, where.

Two n-grams are taken for equal where their 64-bit hashes are: in a text of a million tokens two different ones meet by
chance once in 10^7 texts.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pipeline.text.tokenize.tokens import Tokens

STEP = np.uint64(0xD1342543DE82EF95)  # odd, of a 64-bit congruential generator (Steele and Vigna 2021): rolls a key on
FEW = 200  # keys; of more of them, 16 bits are sorted first (in linear time), which leaves those that may be repeated
LEAST, MOST, PREFIX = 5, 10, 12  # n-grams of five tokens are rarely shorter than twelve characters


class RepeatedPositions(NamedTuple):
    """Where the n-grams that occur more than once begin, each time, and the key of each: sorted by key, then place."""

    positions: np.ndarray
    keys: np.ndarray


def find_repeated_keys(positions: np.ndarray, keys: np.ndarray) -> RepeatedPositions:
    """Return what is repeated among the keys at ascending `positions`."""
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

    An n-gram can only be repeated where its first n - 1 words are, so fewer and fewer positions are looked at.
    """

    def __init__(self, hashes: np.ndarray):
        """Take the hashes of a sequence of words."""
        self.hashes = hashes
        self.found = [RepeatedPositions(np.arange(len(hashes)), hashes)]

    def __getitem__(self, n: int) -> RepeatedPositions:
        """Return the repeated n-grams; n is 2 or more."""
        while len(self.found) < n:
            length = len(self.found) + 1
            last = self.found[-1]
            inside = last.positions <= len(self.hashes) - length
            positions = last.positions[inside]
            keys = last.keys[inside] * STEP + self.hashes[positions + (length - 1)]
            self.found.append(find_repeated_keys(positions, keys))
        return self.found[n - 1]


def find_top_ngrams(found: RepeatedPositions) -> tuple[int, np.ndarray]:
    """Return the count of the most frequent of the repeated n-grams, and the first occurrence of each of that count."""
    positions, keys = found
    if not len(keys):
        return 1, positions
    edges = np.ones(len(keys) + 1, bool)
    np.not_equal(keys[1:], keys[:-1], out=edges[1:-1])
    begins = edges.nonzero()[0]
    counts = begins[1:] - begins[:-1]
    highest = int(counts.max())
    return highest, positions[begins[:-1][counts == highest]]


def count_covered_characters(starts: np.ndarray, n: int, edges: np.ndarray) -> int:
    """Return the characters of the words in any of the n-grams that begin at `starts`; word i is edges[i:i + 2]."""
    if not len(starts):
        return 0
    starts = np.sort(starts)
    ends = starts + n
    np.minimum(ends[:-1], starts[1:], out=ends[:-1])
    return int((edges[ends] - edges[starts]).sum())


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
        places = np.arange(int(starts.searchsorted(len(self.tokens.codes) - PREFIX, side="right")))
        starts = starts[: len(places)]
        may[find_repeated_keys(places, self.tokens.spans(starts, starts + PREFIX)).positions] = True
        fits = max(0, len(may) - LEAST + 1)
        may[:fits] |= self.tokens.ends[LEAST - 1 :] - self.tokens.starts[:fits] < PREFIX
        return may.nonzero()[0]

    @cached_property
    def usual(self) -> dict[int, int]:
        """The characters of the repeated n-grams of `LEAST` to `MOST` tokens, looked for all at once."""
        starts, ends, places = self.tokens.starts, self.tokens.ends, self.candidates
        counts = [int(places.searchsorted(len(self.tokens) - n + 1)) for n in range(LEAST, MOST + 1)]
        chosen = np.concatenate([places[:count] for count in counts])
        size = np.repeat(np.arange(LEAST, MOST + 1), counts)
        lasts = chosen + (size - 1)
        keys = self.tokens.spans(starts[chosen], ends[lasts]) + size.astype(np.uint64) * STEP  # no two sizes meet
        order = np.sort(find_repeated_keys(np.arange(len(chosen)), keys).positions)
        first = chosen[order]
        rows = zip(
            size[order].tolist(),
            first.tolist(),
            keys[order].tolist(),
            (ends[lasts[order]] - starts[first]).tolist(),
            strict=True,
        )
        return count_characters_again(rows)

    def characters_again(self, n: int) -> int:
        """Return the characters of the n-grams that came before, when the text is read on behind each one found."""
        if LEAST <= n <= MOST:
            return self.usual.get(n, 0)
        starts, ends = self.tokens.starts, self.tokens.ends
        fits = max(0, len(self.tokens) - n + 1)
        keys = self.tokens.spans(starts[:fits], ends[n - 1 :])
        lengths = (ends[n - 1 :] - starts[:fits]).tolist()
        return count_characters_again(zip([n] * fits, range(fits), keys.tolist(), lengths, strict=True)).get(n, 0)


def count_characters_again(rows: Iterable[tuple[int, int, int, int]]) -> dict[int, int]:
    """Return by n the characters of n-grams that came before. A row: n, first token, key, characters; ascending."""
    found: dict[int, int] = {}
    size, free, seen = 0, 0, set[int]()
    for n, start, key, length in rows:
        if n != size:
            size, free, seen = n, 0, set()
        if start < free:
            continue
        if key in seen:
            found[n] = found.get(n, 0) + length
            free = start + n
        else:
            seen.add(key)
    return found
