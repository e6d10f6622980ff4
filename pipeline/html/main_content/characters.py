"""The characters of a page's blocks as arrays: their codes, and the class of each."""

from functools import cache
from typing import NamedTuple

import numpy as np

from pipeline.html.main_content.kernels.block_texts import count_classes

Array = np.ndarray

# Classes of characters; the rest is 0.
LOWER, UPPER, DIGIT, SPACE, COMMA, END, DENSE, LETTER, SIGN, MONEY = range(1, 11)
CLASSES = 11
PLANE = 0x10000  # characters beyond the basic plane count as its last one
OF_WORDS = np.zeros(CLASSES, bool)
OF_WORDS[[LOWER, UPPER, DIGIT, DENSE, LETTER]] = True


def classify_letters(lower: int, upper: int, letter: int, digit: int) -> Array:
    """Return a table of the basic plane with these classes for letters, by their case, and digits; 0 for the rest."""
    table = np.zeros(PLANE, np.uint8)
    for code in range(PLANE):
        char = chr(code)
        if char.isalpha():
            table[code] = upper if char.isupper() else lower if char.islower() else letter
        elif char.isdigit():
            table[code] = digit
    return table


@cache
def character_classes() -> Array:
    """Return the class of every character of the basic plane."""
    table = classify_letters(LOWER, UPPER, LETTER, DIGIT)
    for chars, name in (
        (" \u00a0\n\x01", SPACE),
        (",;:،、，；：", COMMA),
        (".!?…。！？।؟։", END),
        ("|»›→/•·©–—>", SIGN),
        ("$€£¥₹₽₩￥", MONEY),
    ):
        table[[ord(char) for char in chars]] = name
    for start, end in ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0x0E00, 0x0E7F), (0xF900, 0xFAFF)):
        table[start : end + 1] = DENSE
    return table


@cache
def _lower_table() -> Array:
    """Return the lower case of every character of the basic plane that has a single one; that of a digit is "0"."""
    table = np.arange(PLANE, dtype=np.uint64)
    classes = character_classes()
    for code in np.flatnonzero(classes == UPPER).tolist():
        lower = chr(code).lower()
        if len(lower) == 1:
            table[code] = ord(lower)
    table[classes == DIGIT] = ord("0")
    return table


def lower_characters(codes: Array) -> Array:
    """Return codes of the basic plane in lower case, with "0" for every digit."""
    lowered: Array = _lower_table()[codes]
    return lowered


@cache
def letter_table() -> Array:
    """Return the lower case of each character of a word, PLANE more for one that is a word by itself; 0 for the rest of
    the basic plane, but 2 PLANE for the character 0, which is no part of a text.
    """
    classes = character_classes()
    letters: Array = np.where(OF_WORDS[classes], _lower_table(), 0).astype(np.uint32)
    letters[classes == DENSE] += PLANE
    return letters


def is_word_class(classes: Array) -> Array:
    """Tell which classes are of letters and digits."""
    found: Array = OF_WORDS[classes]
    return found


def classify_characters(text: str) -> tuple[Array, Array]:
    """Return the codes of the characters of a text, and their classes."""
    wide = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    codes = np.minimum(wide, PLANE - 1).astype(np.uint16)
    classes = character_classes()[codes]
    return codes, classes


class TextUnits(NamedTuple):
    """The characters of texts in UTF-16, with a unit between two texts: two units, of no class, for a character beyond
    the basic plane.
    """

    units: Array  # uint16
    lengths: Array  # of the texts, in units
    wide: bool  # whether there is a character of two units


def read_units(joined: str, texts: list[str]) -> TextUnits:
    """Return the units of texts, which are also given `joined` with one character between two."""
    units = np.frombuffer(joined.encode("utf-16-le", "replace"), np.uint16)
    wide = len(joined) != len(units)
    return TextUnits(units, np.fromiter(map(count_units if wide else len, texts), np.int64, len(texts)), wide)


def count_units(text: str) -> int:
    """Return how many units a text has in UTF-16."""
    return len(text.encode("utf-16-le", "replace")) // 2


def count_units_by_class(read: TextUnits) -> tuple[Array, Array]:
    """Return how many units of each class texts have, texts x CLASSES, and the class of each one's last."""
    texts = len(read.lengths)
    counts, last = np.zeros((texts, CLASSES), np.int64), np.empty(texts, np.int64)
    count_classes(
        read.units.data, read.lengths.data, character_classes().data, LOWER, CLASSES, counts.ravel().data, last.data
    )
    return counts, last
