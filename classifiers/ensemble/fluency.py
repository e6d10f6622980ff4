"""The fluency of texts: how probable their characters are in clean text of their language.

A model of one language holds the log probability of a character after the three before it, by a hash of the four. It
is learned from clean text (`classifiers.ensemble.train`) with Witten-Bell smoothing (Witten and Bell 1991). A score is
the mean over a text, in bits, in units of its spread over clean texts of the language.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.html.main_content.characters import SPACE, classify_characters, lower_characters

ORDER = 4  # characters of an n-gram
FLUENCY_BITS = 15
FLUENCY_CELLS = 1 << FLUENCY_BITS
BIT_STEPS = 8  # steps of a cell are worth 1 bit
MAX_FLUENCY_CHARACTERS = 2000  # of a text that are read
FACTORS = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93], np.uint64)
MIX = np.uint64(0xFF51AFD7ED558CCD)


class FluencyTable(NamedTuple):
    """The model of a language, and the mean and the spread of the scores of web pages in it."""

    steps: np.ndarray  # [FLUENCY_CELLS], 1 / BIT_STEPS each
    mean: float
    spread: float


def read_letters(texts: Sequence[str], most: int = MAX_FLUENCY_CHARACTERS) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower-case characters of texts without repeated white space, and where each text begins and ends."""
    cut = [" ".join(text[:most].split()) for text in texts]
    codes, classes = classify_characters("".join(cut))
    bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum([len(text) for text in cut], dtype=np.int64)))
    return lower_characters(np.where(classes == SPACE, np.uint16(32), codes)), bounds


def hash_characters(letters: np.ndarray) -> np.ndarray:
    """Return a hash of the ORDER characters that end at each place, from the last of the first n-gram on."""
    size = max(0, len(letters) - ORDER + 1)
    mixed = np.zeros(size, np.uint64)
    for place, factor in enumerate(FACTORS):
        mixed += letters[place : place + size] * factor
    mixed ^= mixed >> np.uint64(31)
    mixed *= MIX
    return (mixed >> np.uint64(64 - FLUENCY_BITS)).astype(np.int64)


def score_fluency(
    texts: Sequence[str], languages: Sequence[str | None], tables: Mapping[str, FluencyTable]
) -> np.ndarray:
    """Return for each text the mean log probability of its characters, in spreads of web pages from their mean.

    NaN for a text in a language without a table, and for one of fewer than ORDER characters.
    """
    found = np.full(len(texts), np.nan)
    for language, table in tables.items():
        places = [n for n, name in enumerate(languages) if name == language]
        if places:
            found[places] = (
                measure_character_bits(table.steps, [texts[n] for n in places]) - table.mean
            ) / table.spread
    return found


def measure_character_bits(steps: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Return the mean log probability of a character of each text, in bits; NaN for one of fewer than ORDER."""
    letters, bounds = read_letters(texts)
    found = steps.take(hash_characters(letters))
    before = np.concatenate((np.zeros(1), np.cumsum(found)))
    # The n-grams that begin in one text and end in the next are left out.
    starts = np.minimum(bounds[:-1], len(found))
    ends = np.clip(bounds[1:] - ORDER + 1, starts, len(found))
    count = ends - starts
    mean: np.ndarray = np.where(count > 0, (before[ends] - before[starts]) / np.maximum(count, 1) / BIT_STEPS, np.nan)
    return mean
