"""Train the two stages of the block model, and write them as text."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from classifiers.fit_forest import BoostingSettings, fit_forest
from classifiers.main_content.block_labels import BlockExample
from classifiers.main_content.draw import draw_blocks
from classifiers.main_content.fit_vocabulary import fit_vocabulary, hash_example
from pipeline.html.main_content.block_features import CONTEXT_NAMES, NAMES, context_features, word_features
from pipeline.html.main_content.boosted_trees import BoostedForest, write_forest
from pipeline.html.main_content.classifier import MainContentModel, build_main_content_model
from pipeline.html.main_content.kernels.block_columns import WORDS
from pipeline.html.main_content.vocabulary import Vocabulary, write_weights

TREES = (160, 350)
DEPTH = 6
FOLDS = 5  # of the sites
SECOND_NAMES = (*NAMES, *CONTEXT_NAMES)
SETTINGS = BoostingSettings(depth=DEPTH, learning_rate=0.1, l2_leaf_reg=6.0, subsample=0.5, rsm=0.35, border_count=32)


def assign_fold(site: str, folds: int) -> int:
    """Return the fold of a site, by a hash, so that it depends on nothing else."""
    return int.from_bytes(hashlib.sha256(site.encode()).digest()[:4], "big") % folds


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
    return word_features(example.layout, vocabulary)


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
            NAMES,
            *stack_blocks([examples[number] for number in others], [rows[number] for number in others]),
            TREES[0],
            SETTINGS,
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
    return fit_forest(SECOND_NAMES, *stack_blocks(examples, rows), TREES[1], SETTINGS)


def train_block_model(examples: Sequence[BlockExample]) -> MainContentModel:
    """Fit the vocabulary and both stages.

    The first stage learns from the words' scores, and the second from the first's, by models that saw no page of the
    same site.
    """
    stacked = stack_first_stage(examples)
    rows = [parts[:2] for parts in stacked.rows]
    first = fit_forest(NAMES, *stack_blocks(stacked.examples, rows), TREES[0], SETTINGS)
    second = fit_second_stage(stacked, range(len(stacked.examples)))
    vocabulary = fit_vocabulary(stacked.examples, stacked.hashed)
    return build_main_content_model(vocabulary, {"first": first, "second": second})


def write_block_model(model: MainContentModel, path: Path, about: str) -> None:
    """Write a model as text, after comment lines with `about`."""
    lines = [f"# {line}" for line in about.splitlines()]
    lines.append("words " + write_weights(model.vocabulary.words))
    lines.append("names " + write_weights(model.vocabulary.names))
    for name, forest in (("first", model.first), ("second", model.second)):
        lines += write_forest(name, forest)
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
