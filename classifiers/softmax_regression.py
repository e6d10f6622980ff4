"""Softmax regression over sparse rows, with a penalty on squared weights."""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array


def fit_softmax_regression(
    rows: csr_array, label: np.ndarray, weight: np.ndarray, penalty: float, iterations: int, given: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights, columns x classes, and the intercept of each class.

    `label` has a column of shares for each class; `weight` is that of a row; `penalty` is that of a squared weight, to
    the mean loss of a row; `given` are log odds, rows x classes, to which those of the weights are added.
    """
    used = np.unique(rows.indices[rows.data != 0])
    shown = csr_array(rows[:, used])
    turned, size, classes = shown.T.tocsr(), len(used), label.shape[1]
    weight = weight / weight.sum()

    def loss_and_slope(point: np.ndarray) -> tuple[float, np.ndarray]:
        found = point.reshape(size + 1, classes)
        odds = given + shown @ found[:-1] + found[-1]
        odds -= odds.max(1, keepdims=True)
        chance = np.exp(odds)
        total = chance.sum(1, keepdims=True)
        loss = weight @ (np.log(total[:, 0]) - (label * odds).sum(1)) + penalty / 2 * (found[:-1] ** 2).sum()
        error = (chance / total - label) * weight[:, None]
        return float(loss), np.concatenate([turned @ error + penalty * found[:-1], error.sum(0)[None]]).ravel()

    start = np.zeros((size + 1) * classes)
    options = {"maxiter": iterations, "maxcor": 5}
    best = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", options=options).x.reshape(size + 1, classes)
    weights = np.zeros((rows.shape[1], classes))
    weights[used] = best[:-1]
    return weights, best[-1]
