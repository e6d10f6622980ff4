"""Hashes of n-grams of words on arrays, and the search for those that are known."""

from collections.abc import Iterator

import numpy as np

from pipeline.text.hashing import BASE, mix_bits

BITS = 16  # of each filter, for a hash: one in 16 of the others passes it
FIRST, SECOND = np.uint64(BASE), np.uint64(0xD1342543DE82EF95)  # odd; the second by Steele and Vigna 2021


class FilteredHashes:
    """Sorted 64-bit hashes behind two filters of one bit for each hash, which most look-ups never pass."""

    def __init__(self, values: np.ndarray):
        """Hold sorted uint64 hashes."""
        self.values = values
        width = max(16, int(len(values) * BITS).bit_length())
        self.shift, self.mask = np.uint64(64 - width), np.uint64((1 << width) - 1)
        self.filters = [set_bits(places, width) for places in (values >> self.shift, values & self.mask)]

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (places in `hashes`, rising; the first place of each in `values`) of those that are here."""
        if not len(self.values) or not len(hashes):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        maybe = np.flatnonzero(read_bits(self.filters[0], hashes >> self.shift))
        maybe = maybe[read_bits(self.filters[1], hashes[maybe] & self.mask) > 0]
        found = np.minimum(np.searchsorted(self.values, hashes[maybe]), len(self.values) - 1)
        here = self.values[found] == hashes[maybe]
        return maybe[here], found[here]


def set_bits(places: np.ndarray, width: int) -> np.ndarray:
    """Return 2 ** width bits, in bytes, of which those at `places` are set."""
    bits = np.zeros(1 << (width - 3), np.uint8)
    np.bitwise_or.at(bits, places >> np.uint64(3), np.uint8(1) << (places & np.uint64(7)).astype(np.uint8))
    return bits


def read_bits(bits: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the bits at `places`, each as a byte."""
    places = places.view(np.int64)
    found: np.ndarray = bits[places >> 3] >> (places & 7).astype(np.uint8) & np.uint8(1)
    return found


def join_hashes(values: np.ndarray, step: int) -> np.ndarray:
    """Return a hash of each value and the one `step` behind it."""
    if len(values) <= step:
        return np.zeros(0, np.uint64)
    found: np.ndarray = values[:-step] * FIRST + values[step:] * SECOND
    return found


def hash_ngrams(words: np.ndarray, *widths: int) -> Iterator[np.ndarray]:
    """Yield, for each of the rising widths, the hashes of the n-grams of so many words, at every word that begins one.

    `words` has hashes of words, uint64. Runs of 2, 4, 8, ... words are joined from halves; one of 13 from two of 8.
    """
    runs, length = words, 1
    for width in widths:
        while length * 2 <= width:
            runs = join_hashes(runs, length)
            length *= 2
        yield mix_bits(join_hashes(runs, width - length) if width > length else runs)


def place_ngrams(places: np.ndarray, stops: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, for n-grams that begin at `places`, the text of each, and whether it lies in that text as a whole.

    `stops` says where the words of each text end.
    """
    text = np.searchsorted(stops, places, side="right")
    return text, places + width <= stops[text]
