"""Platt scaling: convert the log odds of the classifier to the share of reference pages among pages that score so.

Platt 1999, with the corrected Newton method and the smoothed targets of Lin, Lin & Weng 2007. The fit has two
parameters, so a few dozen validation pages are enough. An isotonic fit would need a thousand.
"""

import math
from typing import NamedTuple

import numpy as np


class PlattScaling(NamedTuple):
    """P(reference) = sigmoid(slope * log odds + intercept). The slope is never negative, so pages keep their order."""

    slope: float
    intercept: float

    def __call__(self, log_odds: float) -> float:
        """Return the calibrated probability."""
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, self.slope * log_odds + self.intercept))))


def fit_platt(log_odds: np.ndarray, labels: np.ndarray) -> PlattScaling:
    """Fit on held-out pages: log odds (float) and labels (1 reference, 0 other).

    If the log odds order these pages the wrong way, the slope is 0 and every page gets the base rate. Raises
    ValueError unless both classes occur.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        raise ValueError("calibration needs pages of both classes")
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    x = np.stack([log_odds.astype(np.float64), np.ones(len(labels))], axis=1)
    weights = np.array([0.0, math.log((positives + 1) / (negatives + 1))])

    def negative_log_likelihood(w: np.ndarray) -> float:
        z = x @ w
        return float(np.sum(np.logaddexp(0, z) - target * z))

    for _ in range(100):  # Newton with back-tracking; the loss is convex
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -500, 500)))
        gradient = x.T @ (p - target)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        if abs(gradient @ step) < 1e-12:
            break
        size, before, descent = 1.0, negative_log_likelihood(weights), float(gradient @ step)
        while size > 1e-10 and negative_log_likelihood(weights - size * step) > before - 1e-4 * size * descent:
            size /= 2
        weights = weights - size * step
    slope, intercept = (round(float(w), 6) for w in weights)
    if slope <= 0:
        return PlattScaling(0.0, round(math.log((positives + 1) / (negatives + 1)), 6))
    return PlattScaling(slope, intercept)
