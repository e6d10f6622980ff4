"""What words say of a block: the weights of its hashed words, and of the class names around it.

A weight is learned for each hash value (Weinberger et al. 2009,
"Feature hashing for large scale multitask learning"), by `classifiers.main_content`. Sums of weights are whole numbers,
so that they are equal on every machine.
"""

import zlib
from base64 import b85decode, b85encode
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.html.main_content.characters import PLANE, TextUnits, count_units, letter_table, read_units
from pipeline.html.main_content.class_hints import NAME_VALUES, hash_name
from pipeline.html.main_content.kernels.block_places import copy_values
from pipeline.html.main_content.kernels.block_texts import hash_text_words

Array = np.ndarray

WORD_BITS = 16
WORD_WEIGHTS, NAME_WEIGHTS = 1 << WORD_BITS, NAME_VALUES
WEIGHT_UNIT = 1 / 16  # of the log odds: what one step of a weight is worth
READ_CHARACTERS = 240  # of a block: its first ones
WHOLE_WORDS = 6  # a block with at most that many words is known as a whole, too
SEPARATOR = "\0"  # which the parser leaves in no text, and is no part of a word
KNOWN_TAGS = 1000  # whose hash values are kept
LONGEST_WORD = 32  # letters that make a difference
MIX = 0x9E3779B97F4A7C15  # 2 ** 64 / the golden ratio (Knuth, The Art of Computer Programming, 6.4)


def _mix_numbers(count: int, seed: int) -> Array:
    """Return odd 64-bit numbers without a pattern (SplitMix64: Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        state = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed * count)) * np.uint64(MIX)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: Array = (state ^ (state >> np.uint64(31))) | np.uint64(1)
    return mixed


LETTER_FACTORS = _mix_numbers(LONGEST_WORD + 1, 0)
PLACE_FACTORS = _mix_numbers(WHOLE_WORDS + 1, 1)[:WHOLE_WORDS]
PAIR_FACTOR, SINGLE_FACTOR, WHOLE_FACTOR = _mix_numbers(3, 2)


def hash_tags(tags: list[str]) -> Array:
    """Return the hash values of the elements' tags."""
    values = {tag: hash_tag(tag) for tag in set(tags)}
    hashed = np.empty(len(tags), np.int64)
    copy_values(tags, values, hashed.data)
    return hashed


@lru_cache(KNOWN_TAGS)
def hash_tag(tag: str) -> int:
    """Return the hash value of a tag."""
    return hash_name("<" + tag)


class HashedWords(NamedTuple):
    """The hash values of a page's words, word pairs and short blocks, each with the block that it is of.

    Or those of class names, each with the element that it is of.
    """

    block: Array
    value: Array


def hash_block_words(
    texts: list[str], characters: int = READ_CHARACTERS, bits: int = WORD_BITS, read: TextUnits | None = None
) -> HashedWords:
    """Return the hash values, of so many bits, of the words in the first `characters` of all blocks, of which the units
    may be given as `read`.

    Digits are alike, as are upper and lower case.
    """
    units, lengths, wide = read or read_units(SEPARATOR.join(texts), texts)
    letters, most = letter_table().take(units), np.minimum(lengths, characters)
    if wide:
        most = np.array([count_units(text[:characters]) for text in texts], np.int64)
    owners, sizes = np.empty(2 * len(letters), np.int64), np.empty(len(texts), np.int64)
    values, wholes = np.empty(2 * len(letters), np.uint64), np.empty(len(texts), np.uint64)
    count = hash_text_words(
        letters.data, lengths.data, most.data, PLANE, LETTER_FACTORS.data, PLACE_FACTORS.data, int(PAIR_FACTOR),
        np.empty(2 * characters + 1, np.uint64).data, owners.data, values.data, wholes.data, sizes.data,
    )  # fmt: skip
    short = np.flatnonzero((sizes > 0) & (sizes <= WHOLE_WORDS))
    mixed = np.concatenate((values[:count] * SINGLE_FACTOR, wholes[short] * WHOLE_FACTOR))
    mixed ^= mixed >> np.uint64(29)
    value = (mixed * np.uint64(MIX)) >> np.uint64(64 - bits)
    return HashedWords(np.concatenate((owners[:count], short)), value.astype(np.int64))


def write_weights(weights: Array) -> str:
    """Return weights as one word of text."""
    return b85encode(zlib.compress(weights.astype(np.int8).tobytes(), 9)).decode()


def read_weights(text: str, count: int) -> Array:
    """Return what `write_weights` wrote. Raises ValueError for what is no such text, or not of `count` weights."""
    try:
        found = np.frombuffer(zlib.decompress(b85decode(text)), np.int8)
    except zlib.error as error:
        raise ValueError(f"no weights: {error}") from error
    if len(found) != count:
        raise ValueError(f"{len(found)} weights, not {count}")
    return found.astype(np.float64)


@dataclass(frozen=True)
class Vocabulary:
    """The learned weights of hashed words and names, in WEIGHT_UNITs."""

    words: Array  # [WORD_WEIGHTS]
    names: Array  # [NAME_WEIGHTS]

    def weigh_words(self, found: HashedWords, blocks: int) -> Array:
        """Return the sum of the weights of each block's words over the square root of their number."""
        count = np.bincount(found.block, minlength=blocks)
        weight = np.bincount(found.block, self.words[found.value], minlength=blocks)
        result: Array = weight / np.sqrt(np.maximum(count, 1))
        return result

    def weigh_names(self, tag: Array, names: HashedWords) -> Array:
        """Return for each element the weight of its tag and names, over the square root of their number."""
        count = 1 + np.bincount(names.block, minlength=len(tag))
        weight = self.names[tag] + np.bincount(names.block, self.names[names.value], minlength=len(tag))
        result: Array = weight / np.sqrt(count)
        return result
