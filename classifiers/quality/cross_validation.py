"""Cross-validation by site: every page is scored by a model that saw no page of its site.

A single split of a few hundred pages says little, because its ROC-AUC changes by .1 and more with the seed. Here every
page is tested.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from classifiers.fasttext_models import FastTextModel
from classifiers.quality.calibration import PlattScaling, fit_platt
from classifiers.quality.model import predict_log_odds
from classifiers.quality.pages import LabelledPage

Item = TypeVar("Item")


class CrossValidation(NamedTuple):
    """The pages, the calibrated score of each, and the calibration for a model that is trained on all pages."""

    pages: list[LabelledPage]
    scores: np.ndarray
    calibration: PlattScaling


def cross_validate(
    folds: Sequence[Sequence[LabelledPage]], fit: Callable[[Sequence[LabelledPage]], FastTextModel]
) -> CrossValidation:
    """Score every fold by a model that `fit` trained on the other folds.

    The scores of a fold are calibrated on the held-out log odds of the other folds.
    """
    labels = [np.array([page.label for page in fold]) for fold in folds]
    odds = []
    for n, fold in enumerate(folds):
        model = fit([page for other in drop_item(folds, n) for page in other])
        odds.append(predict_log_odds(model, [page.line for page in fold]))
    scores = []
    for n, own in enumerate(odds):
        platt = fit_platt(np.concatenate(drop_item(odds, n)), np.concatenate(drop_item(labels, n)))
        scores.append(np.array([platt(float(value)) for value in own]))
    pages = [page for fold in folds for page in fold]
    calibration = fit_platt(np.concatenate(odds), np.concatenate(labels))
    return CrossValidation(pages, np.concatenate(scores), calibration)


def drop_item(items: Sequence[Item], index: int) -> list[Item]:
    """Return all items but one."""
    return [item for n, item in enumerate(items) if n != index]
