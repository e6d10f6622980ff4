"""MinHash of a text's word shingles, their exact Jaccard, and the hash of the normalised text for exact copies.

The signature is datasketch's (Broder 1997; its scheme affine32), over shingles of the words of shingle_words.py. What
datasketch does text by text with a Python integer a shingle is done here for many texts at once, on arrays.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import regex

from pipeline.text.hashing import mix_bits
from pipeline.text.parts import cut_at_spaces
from pipeline.text.tokenize.shingle_words import hash_shingle_words

MARK_RUN = regex.compile(r"\P{ccc=0}{30}")  # so many combining marks in a row are in no text
BLOCK = 1 << 16  # shingles permuted at a time: arrays that stay in the cache, and few calls a shingle


@dataclass(frozen=True)
class MinHashParams:
    """What decides a signature; two signatures compare only where these are equal."""

    shingle: int = 5
    bands: int = 14
    rows: int = 8
    seed: int = 1

    @property
    def hashes(self) -> int:
        """Return the number of hash values of a signature."""
        return self.bands * self.rows


# FineWeb: datatrove's examples/fineweb.py; Dolma 3: 26 x 11, duplodocus.
MINHASH_PRESETS = {"fineweb": MinHashParams(5, 14, 8), "dolma3": MinHashParams(5, 26, 11)}


@lru_cache(maxsize=8)
def optimal_bands(threshold: float) -> tuple[int, int]:
    """Return the bands and rows by which datasketch finds pairs at a threshold with its 128 permutations."""
    from datasketch import MinHashLSH  # here, for it imports scipy: half a second

    lsh = MinHashLSH(threshold=threshold, num_perm=128)
    return lsh.b, lsh.r


def hash_text(text: str) -> bytes:
    """Return 16 bytes that are equal for texts equal but for case, white space and compatibility forms (NFKC)."""
    digest, between = hashlib.blake2b(digest_size=16), ""
    for part in cut_at_spaces(text):
        words = normalize_nfkc(part).lower().split()
        if words:
            digest.update(f"{between}{' '.join(words)}".encode("utf-8", "surrogatepass"))
            between = " "
    return digest.digest()


def normalize_nfkc(text: str) -> str:
    """Return a text in NFKC, in time linear in its length.

    The time of Unicode normalization grows with the square of the number of combining marks in a row. Where 30 of them
    follow each other, a joiner (U+034F) is put behind them, as in the stream-safe text format of UAX 15.
    """
    return unicodedata.normalize("NFKC", text if text.isascii() else MARK_RUN.sub("\\g<0>\u034f", text))


def shingle_hashes(text: str, params: MinHashParams) -> np.ndarray:
    """Return the sorted unique 64-bit hashes of the text's shingles; one of the whole text where it is shorter."""
    ((units, lengths),) = hash_shingle_words([text])
    return np.unique(hash_word_runs(units, lengths, params.shingle)[0])


def hash_word_runs(units: np.ndarray, lengths: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (hashes, counts): of every run of `width` units of a text, one of all of them where they are fewer.

    `units` holds the hashes of several texts' units one after the other, `lengths` how many are each text's; the result
    is of that form.
    """
    odd = mix_bits(np.arange(1, width + 1, dtype=np.uint64)) | np.uint64(1)
    sums = units * odd[0]
    for place in range(1, width):
        sums[:-place] += units[place:] * odd[place]
    ends = np.cumsum(lengths)
    inside = np.ones(len(units), bool)
    for place in range(1, width):  # these runs reach into the next text
        inside[ends[lengths >= width] - place] = False
    for text in np.flatnonzero((lengths > 0) & (lengths < width)):
        start, end = ends[text] - lengths[text], ends[text]
        sums[start] = (units[start:end] * odd[: end - start]).sum()
        inside[start + 1 : end] = False
    return mix_bits(sums[inside]), np.where(lengths < width, lengths > 0, lengths - width + 1)


@lru_cache(maxsize=8)
def draw_permutations(params: MinHashParams) -> tuple[np.ndarray, np.ndarray]:
    """Return datasketch's permutations, uint32[hashes] each: h -> a h + b modulo 2^32, a odd.

    Its scheme affine32 draws them from NumPy's RandomState, whose stream never changes. They are drawn here because
    importing datasketch imports scipy: half a second and 40 MB for every worker.
    """
    draw = np.random.RandomState(params.seed).randint
    a = draw(0, 1 << 31, params.hashes, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return a, draw(0, 1 << 32, params.hashes, dtype=np.uint32)


def premix_hashes(hashes: np.ndarray) -> np.ndarray:
    """Return what datasketch permutes: the low 32 bits through MurmurHash3's finalizer, fmix32."""
    values = hashes.astype(np.uint32)
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))


def sign_texts(texts: Sequence[str], params: MinHashParams) -> list[bytes]:
    """Return a signature a text, little-endian uint32[bands * rows]: datasketch's MinHash of its shingles.

    It is b"" for a text without units. What else is in `texts` changes nothing but the speed: some hundred kilobytes
    of text at a time are best.
    """
    found: list[bytes] = []
    block: list[tuple[np.ndarray, np.ndarray]] = []
    room = BLOCK
    for units, lengths in hash_shingle_words(texts):
        if len(units) > BLOCK and len(lengths) == 1:
            found += [*apply_permutations(block, params), sign_long_text(units, params)]
            block, room = [], BLOCK
            continue
        hashes, counts = hash_word_runs(units, lengths, params.shingle)
        block.append((hashes, counts))
        room -= len(hashes)
        if room <= 0:
            found += apply_permutations(block, params)
            block, room = [], BLOCK
    return found + apply_permutations(block, params)


def sign_long_text(units: np.ndarray, params: MinHashParams) -> bytes:
    """Return the signature of a text of more than BLOCK units, made for BLOCK shingles at a time."""
    least = np.full(params.hashes, 0xFFFFFFFF, "<u4")
    for start in range(0, len(units) - params.shingle + 1, BLOCK):
        some = units[start : start + BLOCK + params.shingle - 1]
        (sketch,) = apply_permutations([hash_word_runs(some, np.array([len(some)]), params.shingle)], params)
        np.minimum(least, np.frombuffer(sketch, "<u4"), out=least)
    return least.tobytes()


def apply_permutations(block: Sequence[tuple[np.ndarray, np.ndarray]], params: MinHashParams) -> list[bytes]:
    """Return the least value of every permutation, for each text of (hashes, counts) as `rolled` gives them."""
    if not block:
        return []
    counts = np.concatenate([counts for _, counts in block])
    every = premix_hashes(np.concatenate([hashes for hashes, _ in block]))
    starts = (np.cumsum(counts) - counts)[counts > 0]
    values, least = np.empty_like(every), np.empty((params.hashes, len(starts)), "<u4")
    for place, (a, b) in enumerate(zip(*draw_permutations(params), strict=True)):
        np.multiply(every, a, out=values)
        np.add(values, b, out=values)
        np.minimum.reduceat(values, starts, out=least[place])
    sketches = iter(np.ascontiguousarray(least.T))
    return [next(sketches).tobytes() if count else b"" for count in counts.tolist()]


def sign_text(text: str, params: MinHashParams) -> bytes:
    """Return the signature of one text."""
    return sign_texts([text], params)[0]


def compute_band_keys(sketches: np.ndarray, params: MinHashParams) -> np.ndarray:
    """Return uint64[n, bands] for signatures uint32[n, bands * rows]: pages that share a key are candidates."""
    rows = sketches.reshape(-1, params.bands, params.rows).astype(np.uint64)
    odd = mix_bits(np.arange(1, params.rows + 1, dtype=np.uint64)) | np.uint64(1)
    return mix_bits(mix_bits(rows) @ odd + np.arange(params.bands, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def jaccard_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Return |a & b| / |a | b| of two sorted arrays of unique hashes; 0 for two empty ones."""
    joined = np.concatenate((a, b))
    joined.sort(kind="stable")  # merges two sorted runs; np.intersect1d takes twice the time
    both = np.count_nonzero(joined[1:] == joined[:-1])
    either = len(a) + len(b) - both
    return both / either if either else 0.0
