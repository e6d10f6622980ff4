"""Data selection with importance resampling (DSIR; Xie et al. 2023, arXiv 2302.03169), on hashed n-gram features.

A text is a bag of its words and pairs of words, hashed into buckets. Its log importance says how much more likely this
bag is in the target corpus than in the crawl. Gumbel noise turns the greatest values into a draw without replacement
(Kool et al. 2019). As the paper's method supposes examples of one length (chunks of 128 words), a text's importance is
that of its chunks on average. Otherwise every long page would be far from every target. Words are those of
text/tokenize/shingle_words.py: unlike the paper's, they include no punctuation.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import apache_beam as beam
import numpy as np

from pipeline.io.output import WORK, Output
from pipeline.io.text_files import TextFileError, find_text_files, fingerprint_files, read_text_rows
from pipeline.publish.settings import DsirConfig
from pipeline.text.minhash import hash_word_runs
from pipeline.text.tokenize.shingle_words import hash_shingle_words

TEXTS_AT_A_TIME = 256
IMPORTANCE_UNIT = 2.0**-20  # of log importance
PRIOR_FEATURES = 100
CHUNK_FEATURES = 255  # words and pairs of a chunk of 128 words
TARGET_COUNTS = (WORK, "dsir", "target.npy")


class DsirTargetError(ValueError):
    """A target corpus that cannot be read. Its message is one line."""


def iterate_features(texts: Sequence[str], buckets: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (buckets of features, number of features of each text) for some texts at a time: words, then pairs."""
    for units, lengths in hash_shingle_words(texts):
        pairs, counts = hash_word_runs(units, lengths, 2)
        pairs, counts = pairs[np.repeat(lengths > 1, counts)], np.where(lengths > 1, counts, 0)
        for hashes, numbers in ((units, lengths), (pairs, counts)):
            yield (hashes % np.uint64(buckets)).astype(np.intp), numbers


def count_features(texts: Iterable[str], buckets: int) -> np.ndarray:
    """Return int64[buckets]: how often the texts have each feature."""
    sums = np.zeros(buckets, np.int64)
    remaining = iter(texts)
    while some := list(islice(remaining, TEXTS_AT_A_TIME)):
        for places, _ in iterate_features(some, buckets):
            sums += np.bincount(places, minlength=buckets)
    return sums


def compute_log_ratio(target: np.ndarray, crawl: np.ndarray) -> np.ndarray:
    """Return int64[buckets]: log P(feature | target) / P(feature | crawl), in units of IMPORTANCE_UNIT.

    Every count of the crawl gets one more, and the target gets PRIOR_FEATURES features distributed as in the crawl.
    So a feature that a small target lacks is unlikely, not impossible. The values are whole numbers, so that the sum
    for a text does not depend on the order of addition.
    """
    known = (crawl + 1) / (crawl.sum() + len(crawl))
    likely = (target + PRIOR_FEATURES * known) / (target.sum() + PRIOR_FEATURES)
    ratio: np.ndarray = np.rint(np.log(likely / known) / IMPORTANCE_UNIT).astype(np.int64)
    return ratio


def log_importance(texts: Sequence[str], ratio: np.ndarray) -> list[float]:
    """Return each text's log importance: the sum over its features, of a long text the mean of its chunks."""
    sums: list[int] = []
    numbers: list[int] = []
    words = True  # features come in twos: words and pairs of the same texts
    for places, counts in iterate_features(texts, len(ratio)):
        found = np.add.reduceat(np.append(ratio[places], 0), np.cumsum(counts) - counts)
        found = np.where(counts > 0, found, 0).tolist()
        if words:
            sums += found
            numbers += counts.tolist()
        else:
            first = len(sums) - len(found)
            for place, (value, count) in enumerate(zip(found, counts.tolist(), strict=True), first):
                sums[place] += value
                numbers[place] += count
        words = not words
    chunks = (max(1.0, number / CHUNK_FEATURES) for number in numbers)
    return [value * IMPORTANCE_UNIT / size for value, size in zip(sums, chunks, strict=True)]


def add_gumbel_noise(importance: float, drawn: float) -> float:
    """Return log importance with Gumbel noise made from a number in [0, 1).

    The pages with the greatest k values are a draw without replacement. Values have 14 bits, so that the values of a
    corpus can be counted; a further draw decides between equal ones.
    """
    value = importance - math.log(-math.log(min(max(drawn, 1e-300), 1 - 2**-53)))
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 16384), exponent - 14)


def find_target_files(target: str | None) -> list[str]:
    """Return the files of the target corpus; [] without one. Raises DsirTargetError where it names none."""
    try:
        return find_text_files(target) if target else []
    except TextFileError as error:
        raise DsirTargetError(f"weights.dsir.target: {error}") from error


def fingerprint_target(target: str | None) -> list[tuple[str, int, str]]:
    """Return name, size and version of each of the target's files: they tell one target from another."""
    return fingerprint_files(find_target_files(target))


def write_target_counts(output: Output, config: DsirConfig) -> None:
    """Count the target's features before the job, if there is a target. Raises DsirTargetError, OSError."""
    output.remove(WORK, "dsir")
    if config.target:
        try:
            texts = (row.text for path in find_target_files(config.target) for row in read_text_rows(path))
            counts = count_features(texts, config.buckets)
        except TextFileError as error:
            raise DsirTargetError(f"weights.dsir.target: {error}") from error
        with output.write(*TARGET_COUNTS) as out:
            np.save(out, counts, allow_pickle=False)


def read_target_counts(output: Output) -> np.ndarray:
    """Return the counts that `write_target_counts` wrote."""
    with output.open(*TARGET_COUNTS) as source:
        counts: np.ndarray = np.load(source, allow_pickle=False)
    return counts


class SumFeatureCounts(beam.CombineFn):
    """Adds counts of features, each the bytes of an int64 array."""

    def create_accumulator(self) -> bytes:
        """Return no counts."""
        return b""

    def add_input(self, sums: bytes, counts: bytes) -> bytes:
        """Add counts."""
        return self.merge_accumulators([sums, counts])

    def merge_accumulators(self, parts: Iterable[bytes]) -> bytes:
        """Add counts."""
        arrays = [np.frombuffer(part, np.int64) for part in parts if part]
        return bytes(sum(arrays[1:], arrays[0]).tobytes()) if arrays else b""

    def extract_output(self, sums: bytes) -> bytes:
        """Return the sums."""
        return sums
