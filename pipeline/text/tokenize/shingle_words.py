"""The units of which shingles are made, found and hashed on arrays of code points, for many texts at once.

A unit is a run of letters, digits and the marks on them, in lower case, composed (NFC), and without compatibility forms
of one character (fullwidth Latin, say). In Thai, Lao, Burmese, Khmer, Kana and Han every character is a unit. Tables by
code point say what a character is and what it counts as, so no Python string is made.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import regex

from pipeline.text.hashing import compute_powers, mix_bits
from pipeline.text.parts import cut_at_spaces

# Thai, Lao, Burmese, Khmer, Kana, Han (with its extensions): one character is one unit.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
BETWEEN, WORD, ALONE, MARK = range(4)  # what a code point is: no part of a unit, of a word, a unit, on a letter
COMPOSES = 4  # a flag beside it: may compose with the character before it
CHUNK = 1 << 16  # code points worked on at a time, which bounds the memory to some 3 MB; a longer word is cut
CODE_POINTS = 0x110000
BLOCK = 64  # code points looked at together
# Where Unicode has letters, digits and marks: in planes 0 to 3, and marks in plane 14.
ASSIGNED_RANGES = ((0, 0x40000), (0xE0000, 0xE1000))
# Where it has letters with a lower case or a compatibility form; elsewhere a character counts as itself.
FOLDED_RANGES = ((0, 0x3400), (0xA000, 0xAC00), (0xF900, 0x20000), (0x2F800, 0x2FA20))


class UnicodeTables(NamedTuple):
    """What a code point is and counts as."""

    kind: np.ndarray  # uint8[code point]: BETWEEN, WORD, ALONE or MARK, and the flag COMPOSES
    folded: np.ndarray  # uint32[code point]: its lower case without its compatibility form
    pairs: np.ndarray  # uint64, sorted: first << 32 | second, which compose into one
    composed: np.ndarray  # intp: that one
    ascii_kind: bytes  # the first two again, as bytes.translate takes them
    ascii_folded: bytes


@lru_cache(maxsize=1)
def unicode_tables() -> UnicodeTables:
    """Make the tables from the Unicode data of Python and of module regex: .05 s, once a process."""
    kind = np.zeros(CODE_POINTS, np.uint8)
    for start, stop in ASSIGNED_RANGES:
        some = list_characters(start, stop)
        for what, pattern in ((WORD, r"[\p{L}\p{N}]+"), (MARK, r"\p{M}+"), (ALONE, f"[{UNSPACED}]+")):
            for run in regex.finditer(pattern, some):
                kind[start + run.start() : start + run.end()] = what
    folded = np.arange(CODE_POINTS, dtype=np.uint32)
    pairs: dict[int, int] = {}
    for character in find_changing_characters():
        code = ord(character)
        form = unicodedata.normalize("NFKC", character)
        lower = (form if len(form) == 1 else character).lower()
        folded[code] = ord(lower[0])  # where there are two, the second is a mark: the dot of a Turkish capital I
        pair = find_composing_pair(character)
        if pair:
            pairs[ord(pair[0]) << 32 | ord(pair[1])] = code
    for place, code in enumerate(range(0xAC00, 0xD7A4)):  # Korean syllables, by the Unicode Standard's section 3.12
        syllable, tail = divmod(place, 28)
        first, second = (code - tail, 0x11A7 + tail) if tail else (0x1100 + syllable // 21, 0x1161 + syllable % 21)
        pairs[first << 32 | second] = code
    folded[ord("ς")] = ord("σ")
    kind = kind[folded]
    kind[[pair & 0xFFFFFFFF for pair in pairs]] |= COMPOSES
    packed, made = np.array(sorted(pairs), np.uint64), np.array([pairs[pair] for pair in sorted(pairs)], np.intp)
    in_ascii = [table[:128].astype(np.uint8).tobytes() + bytes(128) for table in (kind, folded)]
    return UnicodeTables(kind, folded, packed, made, in_ascii[0], in_ascii[1])


def list_characters(start: int, stop: int) -> str:
    """Return the characters of these code points, in order; a space for half a surrogate pair."""
    codes = np.arange(start, stop, dtype="<u4")
    codes[(codes >= 0xD800) & (codes < 0xE000)] = ord(" ")
    return codes.tobytes().decode("utf-32-le")


def find_changing_characters() -> Iterator[str]:
    """Yield the characters of FOLDED_RANGES that have a lower case or a decomposition, in order."""
    for start, stop in FOLDED_RANGES:
        for first in range(start, stop, BLOCK):
            block = list_characters(first, min(first + BLOCK, stop))
            if block.lower() == block and unicodedata.is_normalized("NFKD", block):  # as in most
                continue
            for character in block:
                if unicodedata.decomposition(character) or character.lower() != character:
                    yield character


def find_composing_pair(character: str) -> str:
    """Return the two characters that NFC composes into one; "" for a character that is not composed so."""
    parts = unicodedata.decomposition(character).split()
    if len(parts) != 2 or parts[0][0] == "<":
        return ""
    pair = chr(int(parts[0], 16)) + chr(int(parts[1], 16))
    return pair if unicodedata.normalize("NFC", pair) == character else ""


@lru_cache(maxsize=1)
def chunk_powers() -> tuple[np.ndarray, np.ndarray]:
    """Return the powers of BASE and of its inverse modulo 2^64, from 0 to CHUNK."""
    return compute_powers(CHUNK + 1)


def fold_code_points(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (folded, kind) of each character of a text, composed where it was not."""
    table = unicode_tables()
    if text.isascii():
        raw = text.encode()
        both = raw.translate(table.ascii_folded), raw.translate(table.ascii_kind)
        return np.frombuffer(both[0], np.uint8), np.frombuffer(both[1], np.uint8)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.intp)  # as numpy indexes fastest
    kind = table.kind[codes]
    if kind.max() >= COMPOSES:
        codes, kind = compose_marks(codes, kind)
    return table.folded[codes], kind


def compose_marks(codes: np.ndarray, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the code points with every letter and mark that compose made one, as often as they do; and their kinds.

    This is NFC where the marks stand in their usual order.
    """
    table = unicode_tables()
    while True:
        seconds = np.flatnonzero(kind[1:] >= COMPOSES) + 1
        pairs = codes[seconds - 1].astype(np.uint64) << np.uint64(32) | codes[seconds].astype(np.uint64)
        places = np.minimum(np.searchsorted(table.pairs, pairs), len(table.pairs) - 1)
        found = table.pairs[places] == pairs
        found[1:] &= ~(found[:-1] & (np.diff(seconds) == 1))  # a letter goes with the mark before it, or the one after
        if not found.any():
            return codes, kind & (COMPOSES - 1)
        codes = codes.copy()
        codes[seconds[found] - 1] = table.composed[places[found]]
        codes = np.delete(codes, seconds[found])
        kind = table.kind[codes]


def find_word_bounds(kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the units start and end."""
    if kind.max(initial=0) == MARK:  # a mark that follows no letter belongs to nothing
        bearer = np.maximum.accumulate(np.where(kind != MARK, np.arange(len(kind)), 0))
        kind = np.where(kind == MARK, np.where(kind[bearer] == WORD, WORD, BETWEEN), kind)
    inside = np.zeros(len(kind) + 2, bool)
    np.equal(kind, WORD, out=inside[1:-1])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    alone = np.flatnonzero(kind == ALONE)
    if len(alone):
        starts = np.concatenate([starts, alone])
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], np.concatenate([ends, alone + 1])[order]
    return starts, ends


def hash_words(folded: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of each unit, whatever stands around it: of at most CHUNK code points in all.

    Sums of code point times power of its place give every unit's polynomial as a difference; the inverse power of its
    start makes that the same wherever it stands.
    """
    up, down = chunk_powers()
    sums = np.zeros(len(folded) + 1, np.uint64)
    np.cumsum(folded * up[: len(folded)], out=sums[1:])
    return mix_bits((sums[ends] - sums[starts]) * down[starts])


def hash_shingle_words(texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (hashes, lengths) of the texts' units, of some texts at a time: uint64, and how many are each text's.

    What else is in `texts` changes no hash.
    """
    between = np.zeros(1, np.uint8)
    for batch in batch_texts(texts):
        if len(batch) == 1:
            values = np.concatenate([hash_one_text(*fold_code_points(part)) for part in cut_at_spaces(batch[0])])
            yield values, np.array([len(values)])
            continue
        found = [fold_code_points(text) for text in batch]
        folded = np.concatenate([part for one, _ in found for part in (one, between)])
        kind = np.concatenate([part for _, one in found for part in (one, between)])
        starts, ends = find_word_bounds(kind)
        stops = np.searchsorted(starts, np.cumsum([len(one) + 1 for one, _ in found]))
        yield hash_words(folded, starts, ends), np.diff(stops, prepend=0)


def batch_texts(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in runs that have at most CHUNK characters with one between two; a longer text alone."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) + 1 > CHUNK:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield batch


def hash_one_text(folded: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Return the hashes of one text's units, CHUNK by CHUNK, each of which begins where a unit does."""
    starts, ends = find_word_bounds(kind)
    parts, done = [], 0
    while done < len(starts):
        first = starts[done]
        more = max(done + 1, int(np.searchsorted(ends, first + CHUNK, side="right")))
        stops = np.minimum(ends[done:more], first + CHUNK) - first
        parts.append(hash_words(folded[first : first + CHUNK], starts[done:more] - first, stops))
        done = more
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)
