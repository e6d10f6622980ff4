"""The two functions on 64-bit integers that every hash of words and n-grams here is made of."""

import numpy as np

BASE = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd: the base of the polynomial hashes (Knuth, vol. 3)


def mix_bits(values: np.ndarray) -> np.ndarray:
    """Return 64-bit values with every bit spread over all (MurmurHash3's finalizer, fmix64)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    found: np.ndarray = values ^ (values >> np.uint64(33))
    return found


def compute_powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `count` powers of BASE and of its inverse modulo 2^64, from 0 on: uint64[count] each."""
    found = []
    for base in (BASE, pow(BASE, -1, 1 << 64)):
        row = np.full(count, base, np.uint64)
        row[0] = 1
        found.append(np.multiply.accumulate(row))
    return found[0], found[1]
