"""Data selection by importance resampling (DSIR; Xie et al. 2023, arXiv 2302.03169), on hashed n-gram features.

A text is a bag of its words and pairs of words, hashed into buckets. Its log importance is how much likelier the target
corpus makes that bag than the crawl does; pages are drawn without replacement by that, with Gumbel noise (Kool et al.
2019). Words are units.py's, so unlike the paper's they have no punctuation marks among them.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.text.minhash import hash_word_runs
from pipeline.text.tokenize.shingle_words import hash_shingle_words

TEXTS = 256  # at a time
UNIT = 2.0**-20  # of log importance
PRIOR = 100  # features


def features(texts: Sequence[str], buckets: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (buckets of features, how many are each text's), of some texts at a time: words, then pairs of words."""
    for units, lengths in hash_shingle_words(texts):
        pairs, counts = hash_word_runs(units, lengths, 2)
        pairs, counts = pairs[np.repeat(lengths > 1, counts)], np.where(lengths > 1, counts, 0)
        for hashes, numbers in ((units, lengths), (pairs, counts)):
            yield (hashes % np.uint64(buckets)).astype(np.intp), numbers


def count(texts: Iterable[str], buckets: int) -> np.ndarray:
    """Return int64[buckets]: how often each feature comes in the texts."""
    sums = np.zeros(buckets, np.int64)
    held: list[str] = []
    for text in texts:
        held.append(text)
        if len(held) == TEXTS:
            for places, _ in features(held, buckets):
                sums += np.bincount(places, minlength=buckets)
            held = []
    for places, _ in features(held, buckets):
        sums += np.bincount(places, minlength=buckets)
    return sums


def log_ratio(target: np.ndarray, crawl: np.ndarray) -> np.ndarray:
    """Return int64[buckets]: log P(feature | target) / P(feature | crawl), in UNITs.

    One is added to every count of the crawl, and PRIOR features as the crawl has them to the target's, so that what a
    small target happens not to have is unlikely, not impossible. Whole numbers, so that a text's sum does not depend on
    what is added first.
    """
    known = (crawl + 1) / (crawl.sum() + len(crawl))
    likely = (target + PRIOR * known) / (target.sum() + PRIOR)
    return np.rint(np.log(likely / known) / UNIT).astype(np.int64)


def log_importance(texts: Sequence[str], ratio: np.ndarray) -> list[float]:
    """Return each text's log importance: the sum over its features."""
    found: list[float] = []
    words = True  # features come in twos: words and pairs of the same texts
    for places, numbers in features(texts, len(ratio)):
        sums = np.add.reduceat(np.append(ratio[places], 0), np.cumsum(numbers) - numbers)
        sums = (np.where(numbers > 0, sums, 0) * UNIT).tolist()
        if words:
            found += sums
        else:
            found[-len(sums) :] = [a + b for a, b in zip(found[-len(sums) :], sums, strict=True)]
        words = not words
    return found


def noisy(importance: float, uniform: float) -> float:
    """Return log importance with Gumbel noise from a number in [0, 1): the greatest k are a draw without replacement.

    At 12 bits, so that a corpus's values can be counted; equal ones are told apart by a draw.
    """
    value = importance - math.log(-math.log(min(max(uniform, 1e-300), 1 - 2**-53)))
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 4096), exponent - 12)
