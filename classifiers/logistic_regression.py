"""Logistic regression over sparse rows, with a penalty on squared weights."""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit


def fit_logistic_regression(
    rows: csr_array, label: np.ndarray, weight: np.ndarray, penalty: float, iterations: int
) -> tuple[np.ndarray, float]:
    """Return the weight of each column, and the intercept.

    `label` is a share, `weight` that of a row; `penalty` is that of a squared weight, to the mean loss of a row.
    """
    weight = weight / weight.sum()
    turned = rows.T.tocsr()

    def loss_and_slope(point: np.ndarray) -> tuple[float, np.ndarray]:
        odds = rows @ point[:-1] + point[-1]
        loss = np.dot(weight, np.logaddexp(0, odds) - label * odds) + penalty / 2 * np.dot(point[:-1], point[:-1])
        error = weight * (expit(odds) - label)
        return float(loss), np.append(turned @ error + penalty * point[:-1], error.sum())

    start = np.zeros(rows.shape[1] + 1)
    best = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations}).x
    return best[:-1], float(best[-1])
