"""Language models of interpolated n-grams of bytes (Witten and Bell 1991). They learn from megabytes in a second."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

ORDER = 4  # bytes of an n-gram

Codes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]


class NgramCounts(NamedTuple):
    """n-grams of one length in a text, by their bytes as a number: how often, and the sums by context."""

    ngrams: Codes
    counts: Counts
    contexts: Codes
    totals: Counts
    kinds: Counts  # how many different bytes follow each context


def code_ngrams(text: npt.NDArray[np.uint8], length: int) -> Codes:
    """Return the n-gram at each place of a text as a number; `length` is at most 8."""
    codes = np.zeros(max(0, len(text) - length + 1), np.uint64)
    for place in range(length):
        codes = codes << np.uint64(8) | text[place : place + len(codes)]
    return codes


def count_ngrams(text: npt.NDArray[np.uint8], length: int) -> NgramCounts:
    """Count the n-grams of a text of at least `length` bytes."""
    ngrams, counts = np.unique(code_ngrams(text, length), return_counts=True)
    contexts, first, kinds = np.unique(ngrams >> np.uint64(8), return_index=True, return_counts=True)
    return NgramCounts(ngrams, counts, contexts, np.add.reduceat(counts, first), kinds)


def find_counts(known: Codes, values: Counts, wanted: Codes) -> Counts:
    """Return the value of each wanted number; 0 for one that is not known."""
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[places] == wanted, values[places], 0)


def train_ngrams(text: bytes) -> list[NgramCounts]:
    """Return a model of a text: its n-grams of 1 to ORDER bytes."""
    data = np.frombuffer(text, np.uint8)
    return [count_ngrams(data, length) for length in range(1, min(ORDER, len(data)) + 1)]


def measure_bits(model: Sequence[NgramCounts], text: bytes) -> float:
    """Return the bits a byte that a model needs for a text."""
    data = np.frombuffer(text, np.uint8)
    chance = np.full(len(data), 1 / 256)
    for length, counted in enumerate(model, 1):
        codes = code_ngrams(data, length)
        have = find_counts(counted.ngrams, counted.counts, codes)
        contexts = codes >> np.uint64(8)
        total = find_counts(counted.contexts, counted.totals, contexts)
        kinds = find_counts(counted.contexts, counted.kinds, contexts)
        rest = chance[length - 1 :]
        chance[length - 1 :] = np.where(total, (have + kinds * rest) / np.maximum(total + kinds, 1), rest)
    return float(-np.log2(chance).mean())
