"""The wording of texts: the weights of their hashed words and pairs of words.

The weights are those of a logistic regression (`classifiers.ensemble.train`). The words are hashed as the engine
`gristmill` hashes those of blocks, all pages of a batch at once. Sums of weights are whole numbers, so that they are
equal on every machine, and for a page alone as among others.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.html.main_content.vocabulary import SEPARATOR, HashedWords, hash_block_words

WORDING_BITS = 17
WORDING_WEIGHTS = 1 << WORDING_BITS
WORDING_UNIT = 1 / 8  # of the log odds: what one step of a weight is worth
MAX_WORDING_CHARACTERS = 3000  # of a text that are read


def hash_page_words(texts: Sequence[str]) -> HashedWords:
    """Return the hash values of the words and pairs of words of texts."""
    cut = [text[:MAX_WORDING_CHARACTERS].replace(SEPARATOR, " ") for text in texts]
    return hash_block_words(cut, MAX_WORDING_CHARACTERS, WORDING_BITS)


def score_wording(texts: Sequence[str], weights: np.ndarray) -> np.ndarray:
    """Return for each text the sum of its words' weights over the square root of their number, in log odds."""
    words = hash_page_words(texts)
    count = np.bincount(words.block, minlength=len(texts))
    total = np.bincount(words.block, weights[words.value], minlength=len(texts))
    found: np.ndarray = total * WORDING_UNIT / np.sqrt(np.maximum(count, 1))
    return found
