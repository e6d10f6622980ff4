"""Fit boosted trees with CatBoost, and convert them to the forests that `pipeline` evaluates.

The block model of the engine `gristmill` and the quality ensemble share this code.
"""

import importlib.util
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from classifiers.errors import ClassifierError
from pipeline.html.main_content.boosted_trees import LEAF_UNIT, BoostedForest


@dataclass(frozen=True)
class BoostingSettings:
    """CatBoost's parameters, by its own names."""

    depth: int
    learning_rate: float
    l2_leaf_reg: float
    subsample: float
    rsm: float
    border_count: int


FIXED = {
    "loss_function": "CrossEntropy",  # labels are shares
    "bootstrap_type": "Bernoulli",
    "boosting_type": "Plain",
    "random_seed": 0,
    "thread_count": 1,  # gives the same trees every time
    "allow_writing_files": False,
    "logging_level": "Silent",
}


def fit_forest(
    names: Sequence[str],
    rows: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    trees: int,
    settings: BoostingSettings,
) -> BoostedForest:
    """Fit so many trees on the columns of `rows`. Deterministic: one thread and a fixed seed."""
    from catboost import CatBoost, Pool

    model = CatBoost({"iterations": trees, **FIXED, **asdict(settings)})
    model.fit(Pool(rows.T, labels, weight=weights, feature_names=list(names)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        fitted = json.loads(path.read_text())
    return convert_catboost(fitted, tuple(names), settings.depth)


def require_training_packages(names: Sequence[str] = ("catboost",)) -> None:
    """Raise ClassifierError, one line, where a package is missing that models of this project are trained with."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ClassifierError(f"{', '.join(missing)}: not installed; run pip install -e '.[extraction]'")


class CatBoostSplit(TypedDict):
    """A split in CatBoost's JSON."""

    float_feature_index: int
    border: float


class CatBoostTree(TypedDict):
    """A tree in CatBoost's JSON."""

    splits: list[CatBoostSplit]
    leaf_values: list[float]


class CatBoostModel(TypedDict):
    """The part of CatBoost's JSON that is read."""

    oblivious_trees: list[CatBoostTree]
    scale_and_bias: tuple[float, list[float] | float]


def convert_catboost(fitted: CatBoostModel, names: tuple[str, ...], depth: int) -> BoostedForest:
    """Return CatBoost's JSON as a forest over the features that it uses."""
    trees = fitted["oblivious_trees"]
    used = sorted({split["float_feature_index"] for tree in trees for split in tree["splits"]})
    place = {feature: number for number, feature in enumerate(used)}
    scale, biases = fitted["scale_and_bias"]
    bias = biases[0] if isinstance(biases, list) else biases
    feature = np.zeros((len(trees), depth), np.int64)
    border = np.full((len(trees), depth), np.inf, np.float32)
    leaves = np.zeros((len(trees), 1 << depth), np.int32)
    for number, tree in enumerate(trees):
        for level, split in enumerate(tree["splits"]):
            feature[number, level], border[number, level] = place[split["float_feature_index"]], split["border"]
        values = np.round(np.array(tree["leaf_values"]) * scale / LEAF_UNIT)
        leaves[number, : len(values)] = values
    return BoostedForest(tuple(names[index] for index in used), feature, border, leaves, round(bias / LEAF_UNIT))
