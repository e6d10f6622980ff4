"""Fit the members of the ensemble that ship: the structure, the wording and the fluency."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from classifiers.ensemble.fluency import BIT_STEPS, FLUENCY_CELLS, ORDER, hash_characters, read_letters
from classifiers.ensemble.structure import STRUCTURE_NAMES
from classifiers.ensemble.wording import WORDING_UNIT, WORDING_WEIGHTS
from classifiers.fit_forest import BoostingSettings, fit_forest
from classifiers.logistic_regression import fit_logistic_regression
from pipeline.html.main_content.boosted_trees import BoostedForest
from pipeline.html.main_content.characters import PLANE
from pipeline.html.main_content.vocabulary import HashedWords

STRUCTURE_TREES = 200
STRUCTURE_SETTINGS = BoostingSettings(
    depth=4, learning_rate=0.05, l2_leaf_reg=6.0, subsample=0.7, rsm=0.35, border_count=32
)
WORDING_PENALTY, WORDING_ITERATIONS = 1e-5, 40
HIGHEST_STEP = 127
CHARACTERS = 5000  # among which one that never occurred is drawn
LEAST_BITS = -16.0  # of a character


def fit_structure(rows: np.ndarray, good: np.ndarray, weight: np.ndarray) -> BoostedForest:
    """Fit the trees on measures (STRUCTURE_NAMES x pages)."""
    return fit_forest(STRUCTURE_NAMES, rows, good, weight, STRUCTURE_TREES, STRUCTURE_SETTINGS)


def spread_words(words: HashedWords, texts: int) -> csr_array:
    """Return what the regression sees of texts: texts x WORDING_WEIGHTS."""
    count = np.bincount(words.block, minlength=texts)
    values = (1 / np.sqrt(count[words.block])).astype(np.float32)
    return csr_array((values, (words.block, words.value)), shape=(texts, WORDING_WEIGHTS))


def fit_wording(shown: csr_array, good: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weights of hashed words, in WORDING_UNITs: whole numbers."""
    best, _ = fit_logistic_regression(shown, good, weight, WORDING_PENALTY, WORDING_ITERATIONS)
    steps: np.ndarray = np.clip(np.round(best / WORDING_UNIT), -HIGHEST_STEP, HIGHEST_STEP)
    return steps


def fit_fluency(texts: Sequence[str]) -> np.ndarray:
    """Return the table of a language from its clean texts: whole numbers [FLUENCY_CELLS].

    The probability of a character after the three before it is that of Witten and Bell 1991. A cell has the mean of
    the n-grams in it; one without an n-gram has the least value.
    """
    letters = np.concatenate([read_letters([text], len(text))[0] for text in texts])
    chance = np.full(len(letters), 1 / CHARACTERS)
    codes = np.zeros(len(letters), np.uint64)
    for length in range(1, ORDER + 1):
        codes = letters if length == 1 else codes[:-1] * np.uint64(PLANE) + letters[length - 1 :]
        _, kind, counts = np.unique(codes, return_inverse=True, return_counts=True)
        contexts, of_context = np.unique(codes // np.uint64(PLANE), return_inverse=True)
        totals = np.bincount(of_context, minlength=len(contexts))
        kinds = np.bincount(
            np.unique(of_context * np.int64(len(counts)) + kind) // len(counts), minlength=len(contexts)
        )
        rest = chance[length - 1 :]
        chance[length - 1 :] = (counts[kind] + kinds[of_context] * rest) / (totals + kinds)[of_context]
    cells = hash_characters(letters)
    bits = np.log2(chance[ORDER - 1 :])
    count = np.bincount(cells, minlength=FLUENCY_CELLS)
    mean = np.bincount(cells, bits, minlength=FLUENCY_CELLS) / np.maximum(count, 1)
    steps: np.ndarray = np.round(np.where(count > 0, np.maximum(mean, LEAST_BITS), LEAST_BITS) * BIT_STEPS)
    return steps.clip(-128, 127)
