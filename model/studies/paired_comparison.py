"""The statistics of a study: differences of arms that share seeds, and what a difference is worth in compute."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

SIGNIFICANCE = 0.05  # a difference counts where chance alone would give it less often
FEW_SEEDS = 5  # with fewer, the interval rests on the assumption that differences are normal


@dataclass(frozen=True)
class PairedComparison:
    """How an arm differs from another with the same seeds, in bits per byte; below zero is better.

    The interval holds 95 % by Student's t distribution. It, `p_value` and `sigma` are None where one seed was used.
    """

    difference: float  # mean over the seeds
    low: float | None = None
    high: float | None = None
    p_value: float | None = None  # two-sided: how often equal arms would differ as much
    sigma: float | None = None  # the difference in standard errors

    @property
    def is_shown(self) -> bool:
        """Whether the arms differ beyond chance."""
        return self.p_value is not None and self.p_value < SIGNIFICANCE


def compare_pairs(base: Sequence[float], other: Sequence[float]) -> PairedComparison:
    """Compare the scores of an arm with those of `base`, seed by seed, by a paired t-test."""
    from scipy.stats import t  # half a second to import

    differences = [b - a for a, b in zip(base, other, strict=True)]
    mean, count = fmean(differences), len(differences)
    if count < 2:
        return PairedComparison(mean)
    error = stdev(differences) / math.sqrt(count)
    if error == 0:
        return PairedComparison(mean, mean, mean, 1.0 if mean == 0 else 0.0, 0.0 if mean == 0 else math.inf)
    reach = float(t.ppf(1 - SIGNIFICANCE / 2, count - 1)) * error
    p_value = float(2 * t.sf(abs(mean / error), count - 1))
    return PairedComparison(mean, mean - reach, mean + reach, p_value, mean / error)


def find_compute_multiplier(half: float, full: float, other: float) -> float | None:
    """Return how many times the compute the base arm would need to reach the loss `other`; below 1: it needs less.

    `half` and `full` are the base arm's losses after half of the tokens and after all. The loss is taken to fall as a
    power of the compute between them and beyond. None where it does not fall, or where the answer is beyond 100.
    """
    exponent = math.log(half / full, 2)
    if exponent <= 0:
        return None
    power = math.log(full / other) / exponent
    return math.exp(power) if abs(power) < math.log(100) else None
