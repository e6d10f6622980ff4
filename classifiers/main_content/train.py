"""Train the two stages of the block model, and write them as text."""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
from scipy.sparse import csr_array

from classifiers.main_content.block_labels import BlockExample
from classifiers.main_content.draw import draw_blocks
from classifiers.main_content.fit_vocabulary import fit_vocabulary, hash_example
from pipeline.html.main_content.block_features import CONTEXT_NAMES, NAMES, WORDS, context_features, word_features
from pipeline.html.main_content.boosted_trees import LEAF_UNIT, BoostedForest
from pipeline.html.main_content.classifier import MainContentModel, build_main_content_model
from pipeline.html.main_content.vocabulary import Vocabulary, write_weights

TREES = (160, 350)
DEPTH = 6
FOLDS = 5  # of the sites
SECOND_NAMES = (*NAMES, *CONTEXT_NAMES)
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


def stack_blocks(
    examples: Sequence[BlockExample], rows: Sequence[Sequence[np.ndarray]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows (each page has them in several parts), labels and weights of the sampled blocks of all pages."""
    drawn = [draw_blocks(example) for example in examples]
    return (
        np.concatenate(
            [
                np.concatenate([part[:, blocks] for part in parts])
                for parts, (blocks, _) in zip(rows, drawn, strict=True)
            ],
            axis=1,
        ),
        np.concatenate([example.label[blocks] for example, (blocks, _) in zip(examples, drawn, strict=True)]),
        np.concatenate([weight for _, weight in drawn]),
    )


def compute_word_rows(example: BlockExample, vocabulary: Vocabulary) -> np.ndarray:
    """Return the rows of WORDS of a page."""
    assert example.layout is not None  # pages without blocks are not trained on
    return word_features(example.layout, vocabulary).astype(np.float32)


class StackedRows(NamedTuple):
    """What the second stage sees of each page, by models that saw no page of its site."""

    examples: list[BlockExample]  # those with blocks
    rows: list[tuple[np.ndarray, ...]]  # of each: the features, the rows of WORDS, those of CONTEXT_NAMES
    hashed: list[csr_array]


def stack_first_stage(examples: Sequence[BlockExample]) -> StackedRows:
    """Score all pages by vocabularies and first stages of other sites: one of each for every fold of the sites."""
    examples = [example for example in examples if example.layout is not None]
    fold_of = [assign_fold(example.page.site, FOLDS) for example in examples]
    hashed = [hash_example(example) for example in examples]
    folds = [split_fold(fold_of, fold) for fold in sorted(set(fold_of))]
    words = stack_word_rows(examples, hashed, folds)
    rows = [(example.rows[: -len(WORDS)], found) for example, found in zip(examples, words, strict=True)]
    stacked: list[tuple[np.ndarray, ...]] = [()] * len(examples)
    for held, others in folds:
        model = fit_forest(
            NAMES, *stack_blocks([examples[number] for number in others], [rows[number] for number in others]), TREES[0]
        )
        for number in held:
            layout = examples[number].layout
            assert layout is not None
            score = model.score(select_feature_rows(model, NAMES, np.concatenate(rows[number])))
            stacked[number] = (*rows[number], context_features(layout, score))
    return StackedRows(examples, stacked, hashed)


def stack_word_rows(
    examples: Sequence[BlockExample], hashed: Sequence[csr_array], folds: Sequence[tuple[list[int], list[int]]]
) -> list[np.ndarray]:
    """Return the rows of WORDS of all pages, each by a vocabulary of the other folds."""
    words: list[np.ndarray] = [np.zeros(0)] * len(examples)
    for held, others in folds:
        vocabulary = fit_vocabulary([examples[number] for number in others], [hashed[number] for number in others])
        for number in held:
            words[number] = compute_word_rows(examples[number], vocabulary)
    return words


def split_fold(fold_of: Sequence[int], fold: int) -> tuple[list[int], list[int]]:
    """Return the numbers that are in a fold, and the others."""
    numbers = range(len(fold_of))
    return [n for n in numbers if fold_of[n] == fold], [n for n in numbers if fold_of[n] != fold]


def fit_second_stage(stacked: StackedRows, numbers: Sequence[int]) -> BoostedForest:
    """Fit the second stage on some of the pages."""
    examples, rows = [stacked.examples[number] for number in numbers], [stacked.rows[number] for number in numbers]
    return fit_forest(SECOND_NAMES, *stack_blocks(examples, rows), TREES[1])


def train_block_model(examples: Sequence[BlockExample]) -> MainContentModel:
    """Fit the vocabulary and both stages.

    The first stage learns from the words' scores, and the second from the first's, by models that saw no page of the
    same site.
    """
    stacked = stack_first_stage(examples)
    rows = [parts[:2] for parts in stacked.rows]
    first = fit_forest(NAMES, *stack_blocks(stacked.examples, rows), TREES[0])
    second = fit_second_stage(stacked, range(len(stacked.examples)))
    vocabulary = fit_vocabulary(stacked.examples, stacked.hashed)
    return build_main_content_model(vocabulary, {"first": first, "second": second})


def write_block_model(model: MainContentModel, path: Path, about: str) -> None:
    """Write a model as text, after comment lines with `about`."""
    lines = [f"# {line}" for line in about.splitlines()]
    lines.append("words " + write_weights(model.vocabulary.words))
    lines.append("names " + write_weights(model.vocabulary.names))
    for name, forest in (("first", model.first), ("second", model.second)):
        lines += [f"forest {name}", "features " + " ".join(forest.features), f"bias {forest.bias}"]
        for feature, border, leaves in zip(forest.feature, forest.border, forest.leaves, strict=True):
            asked = " ".join(f"{forest.features[f]}>{format(b, '.9g')}" for f, b in zip(feature, border, strict=True))
            lines.append(f"tree {asked} : " + " ".join(map(str, leaves)))
    path.write_text("\n".join(lines) + "\n")


def describe_training(examples: Sequence[BlockExample]) -> str:
    """Return the comment of a model file: what it is, and which pages it was trained on."""
    sets = Counter(example.page.set for example in examples if not example.page.taught)
    return (
        "The block model of the engine gristmill: weights of words and of class names, two forests of symmetric trees "
        "(pipeline/html/main_content/boosted_trees.py).\n"
        f"Trained by `python -m classifiers.main_content` on {sets.total()} pages with human gold ("
        + ", ".join(f"{name} {count}" for name, count in sorted(sets.items()))
        + f")\nand {len(examples) - sets.total()} that trafilatura has marked"
        + ".\nA tree: its questions (feature>border, the lowest bit first), then its leaves in 1/10,000 of log odds."
    )
