"""Measure scores: ranking (ROC-AUC, average precision) and calibration (ECE, Brier score). Equal scores are ties."""

from typing import TypedDict

import numpy as np


class ScoreMeasures(TypedDict):
    """The measures of a set of pages. A measure that cannot be computed is None."""

    pages: int
    references: int
    roc_auc: float | None
    pr_auc: float | None
    ece: float | None
    brier: float | None


def compute_roc_auc(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """Return the probability that a positive scores above a negative; ties count half. None without both classes."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(sizes) - (sizes - 1) / 2
    ranks = mean_rank[group][labels == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def compute_matched_auc(
    scores: np.ndarray, labels: np.ndarray, sizes: np.ndarray, tolerance: float = 0.2
) -> float | None:
    """Return the same over the pairs whose sizes differ by at most `tolerance`; None where there is none.

    A score that only knows the size has .5.
    """
    good, other = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    larger = np.maximum(sizes[good][:, None], sizes[other][None])
    smaller = np.minimum(sizes[good][:, None], sizes[other][None])
    matched = larger <= smaller * (1 + tolerance)
    if not matched.any():
        return None
    above = scores[good][:, None] - scores[other][None]
    return float(((above > 0) + 0.5 * (above == 0))[matched].mean())


def compute_average_precision(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """Return the area under the precision-recall curve, as the sum over thresholds; None without a positive."""
    positives = int(labels.sum())
    if not positives:
        return None
    values, group = np.unique(-scores, return_inverse=True)  # best first
    hits = np.bincount(group, weights=labels, minlength=len(values))
    found = np.cumsum(hits)
    taken = np.cumsum(np.bincount(group, minlength=len(values)))
    return float(np.sum(hits / positives * found / taken))


def compute_calibration_error(scores: np.ndarray, labels: np.ndarray, bins: int = 10) -> float | None:
    """Return the mean distance between score and share of positives, over bins of equal width (Guo et al. 2017)."""
    if not len(scores):
        return None
    which = np.minimum((scores * bins).astype(int), bins - 1)
    error = np.bincount(which, weights=scores, minlength=bins) - np.bincount(which, weights=labels, minlength=bins)
    return float(np.abs(error).sum() / len(scores))


def compute_brier_score(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """Return the mean squared distance between score and label; None without pages."""
    return float(np.mean((scores - labels) ** 2)) if len(scores) else None


def measure_scores(scores: np.ndarray, labels: np.ndarray) -> ScoreMeasures:
    """Return all measures of scores against labels (1 reference, 0 other)."""
    return {
        "pages": len(labels),
        "references": int(labels.sum()),
        "roc_auc": compute_roc_auc(scores, labels),
        "pr_auc": compute_average_precision(scores, labels),
        "ece": compute_calibration_error(scores, labels),
        "brier": compute_brier_score(scores, labels),
    }
