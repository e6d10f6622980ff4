"""Train the two stages of the block model, and write them as text."""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from classifiers.main_content.block_labels import BlockExample
from pipeline.html.main_content.block_features import CONTEXT_NAMES, NAMES, context_features
from pipeline.html.main_content.boosted_trees import LEAF_UNIT, BoostedForest

TREES = (160, 350)
BLOCKS_PER_PAGE = 250  # of a long page, about: its light blocks are sampled, and weigh more in return
DEPTH = 6
INNER_FOLDS = 3
SETTINGS = {
    "loss_function": "CrossEntropy",  # labels are shares
    "depth": DEPTH,
    "learning_rate": 0.1,
    "l2_leaf_reg": 6.0,
    "bootstrap_type": "Bernoulli",
    "subsample": 0.5,
    "rsm": 0.35,
    "border_count": 32,
    "boosting_type": "Plain",
    "random_seed": 0,
    "thread_count": 1,  # gives the same trees every time
    "allow_writing_files": False,
    "logging_level": "Silent",
}


def assign_fold(site: str, folds: int) -> int:
    """Return the fold of a site, by a hash, so that it depends on nothing else."""
    return int.from_bytes(hashlib.sha256(site.encode()).digest()[:4], "big") % folds


def fit_forest(
    names: Sequence[str], rows: np.ndarray, labels: np.ndarray, weights: np.ndarray, trees: int
) -> BoostedForest:
    """Fit one stage on the columns of `rows`. Deterministic: one thread and a fixed seed."""
    from catboost import CatBoost, Pool

    model = CatBoost({"iterations": trees, **SETTINGS})
    model.fit(Pool(rows.T, labels, weight=weights, feature_names=list(names)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        fitted = json.loads(path.read_text())
    return convert_catboost(fitted, tuple(names))


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


def convert_catboost(fitted: CatBoostModel, names: tuple[str, ...]) -> BoostedForest:
    """Return CatBoost's JSON as a Forest over the features that it uses."""
    trees = fitted["oblivious_trees"]
    used = sorted({split["float_feature_index"] for tree in trees for split in tree["splits"]})
    place = {feature: number for number, feature in enumerate(used)}
    scale, biases = fitted["scale_and_bias"]
    bias = biases[0] if isinstance(biases, list) else biases
    feature = np.zeros((len(trees), DEPTH), np.int64)
    border = np.full((len(trees), DEPTH), np.inf, np.float32)
    leaves = np.zeros((len(trees), 1 << DEPTH), np.int32)
    for number, tree in enumerate(trees):
        for level, split in enumerate(tree["splits"]):
            feature[number, level], border[number, level] = place[split["float_feature_index"]], split["border"]
        values = np.round(np.array(tree["leaf_values"]) * scale / LEAF_UNIT)
        leaves[number, : len(values)] = values
    return BoostedForest(tuple(names[index] for index in used), feature, border, leaves, round(bias / LEAF_UNIT))


def select_feature_rows(forest: BoostedForest, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Return the rows of the features that a forest uses."""
    place = {name: number for number, name in enumerate(names)}
    return rows[[place[name] for name in forest.features]]


def draw_blocks(example: BlockExample) -> tuple[np.ndarray, np.ndarray]:
    """Sample the blocks of a page, and return them with weights whose expectation equals that of all blocks."""
    chance = np.minimum(1.0, example.weight * BLOCKS_PER_PAGE)
    seed = int.from_bytes(hashlib.sha256(example.page.id.encode()).digest()[:8], "big")
    drawn = np.flatnonzero(np.random.default_rng(seed).random(len(chance)) < chance)
    return drawn, (example.weight / chance)[drawn]


def stack_blocks(
    examples: Sequence[BlockExample], rows: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows, labels and weights of the sampled blocks of all pages."""
    drawn = [draw_blocks(example) for example in examples]
    return (
        np.concatenate([part[:, blocks] for part, (blocks, _) in zip(rows, drawn, strict=True)], axis=1),
        np.concatenate([example.label[blocks] for example, (blocks, _) in zip(examples, drawn, strict=True)]),
        np.concatenate([weight for _, weight in drawn]),
    )


def build_second_rows(example: BlockExample, score: np.ndarray) -> np.ndarray:
    """Return the features of the second stage: those of the first, and the first scores of the blocks around."""
    assert example.layout is not None  # pages without blocks are not trained on
    return np.concatenate((example.rows, context_features(example.layout, score)))


def train_block_model(examples: Sequence[BlockExample]) -> dict[str, BoostedForest]:
    """Fit both stages. The second learns from scores of models that saw no page of the same site."""
    examples = [example for example in examples if example.layout is not None]
    first = fit_first_stage(examples)
    scores: dict[int, np.ndarray] = {}
    for fold in range(INNER_FOLDS):
        held = [assign_fold("inner " + example.page.site, INNER_FOLDS) == fold for example in examples]
        model = fit_first_stage([example for example, out in zip(examples, held, strict=True) if not out])
        for number in np.flatnonzero(held).tolist():
            scores[number] = model.score(select_feature_rows(model, NAMES, examples[number].rows))
    seconds = [build_second_rows(example, scores[number]) for number, example in enumerate(examples)]
    second = fit_forest((*NAMES, *CONTEXT_NAMES), *stack_blocks(examples, seconds), TREES[1])
    return {"first": first, "second": second}


def fit_first_stage(examples: Sequence[BlockExample]) -> BoostedForest:
    """Fit the first stage."""
    return fit_forest(NAMES, *stack_blocks(examples, [example.rows for example in examples]), TREES[0])


def write_block_model(forests: dict[str, BoostedForest], path: Path, about: str) -> None:
    """Write the forests as text, after comment lines with `about`."""
    lines = [f"# {line}" for line in about.splitlines()]
    for name, forest in forests.items():
        lines += [f"forest {name}", "features " + " ".join(forest.features), f"bias {forest.bias}"]
        for feature, border, leaves in zip(forest.feature, forest.border, forest.leaves, strict=True):
            asked = " ".join(f"{forest.features[f]}>{format(b, '.9g')}" for f, b in zip(feature, border, strict=True))
            lines.append(f"tree {asked} : " + " ".join(map(str, leaves)))
    path.write_text("\n".join(lines) + "\n")


def describe_training(examples: Sequence[BlockExample]) -> str:
    """Return the comment of a model file: what it is, and which pages it was trained on."""
    sets = Counter(example.page.set for example in examples if not example.page.taught)
    return (
        "The block model of the engine gristmill: two forests of symmetric trees "
        "(pipeline/html/main_content/boosted_trees.py).\n"
        f"Trained by `python -m classifiers.main_content` on {sets.total()} pages with human gold ("
        + ", ".join(f"{name} {count}" for name, count in sorted(sets.items()))
        + f")\nand {len(examples) - sets.total()} that trafilatura has marked"
        + ".\nA tree: its questions (feature>border, the lowest bit first), then its leaves in 1/10,000 of log odds."
    )
