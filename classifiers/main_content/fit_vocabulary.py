"""Fit the weights of hashed words and names: a logistic regression over all blocks, with the words as features."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, vstack

from classifiers.logistic_regression import fit_logistic_regression
from classifiers.main_content.block_labels import BlockExample
from classifiers.main_content.draw import draw_blocks
from pipeline.html.main_content.vocabulary import (
    NAME_WEIGHTS,
    WEIGHT_UNIT,
    WORD_WEIGHTS,
    Vocabulary,
)

LEVEL_WEIGHTS = (1.0, 0.7, 0.5, 0.35, 0.25)  # of the names of a block's container, of the one around it, and so on
PENALTY = 1e-6  # of a squared weight, to the mean loss of a block
ITERATIONS = 40
HIGHEST_WEIGHT = 127


def hash_example(example: BlockExample) -> csr_array:
    """Return what a page's blocks show to the regression: blocks x (words, then names)."""
    assert example.layout is not None
    layout = example.layout
    blocks = len(layout.length)
    words = layout.words
    count = np.bincount(words.block, minlength=blocks)
    rows, columns = [words.block], [words.value]
    values = [1 / np.sqrt(count[words.block])]
    elements = np.concatenate((np.arange(len(layout.tag)), layout.names.block))
    order = np.argsort(elements, kind="stable")
    flat = np.concatenate((layout.tag, layout.names.value))[order]
    sizes = np.bincount(elements)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    around = layout.container
    for level in LEVEL_WEIGHTS:
        size = sizes[around]
        owner = np.repeat(np.arange(blocks), size)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size)
        rows.append(owner)
        columns.append(WORD_WEIGHTS + flat[starts[around[owner]] + offset])
        values.append(level / np.sqrt(size[owner]))
        around = layout.parent[around]
    where = (np.concatenate(rows), np.concatenate(columns))
    return csr_array((np.concatenate(values).astype(np.float32), where), shape=(blocks, WORD_WEIGHTS + NAME_WEIGHTS))


def fit_vocabulary(examples: Sequence[BlockExample], hashed: Sequence[csr_array]) -> Vocabulary:
    """Return the weights with which words and names tell main content from the rest, rounded to whole numbers."""
    drawn = [draw_blocks(example) for example in examples]
    shown = vstack([rows[blocks] for rows, (blocks, _) in zip(hashed, drawn, strict=True)], format="csr")
    label = np.concatenate([example.label[blocks] for example, (blocks, _) in zip(examples, drawn, strict=True)])
    weight = np.concatenate([weight for _, weight in drawn])
    best, _ = fit_logistic_regression(shown, label, weight, PENALTY, ITERATIONS)
    steps = np.clip(np.round(best / WEIGHT_UNIT), -HIGHEST_WEIGHT, HIGHEST_WEIGHT)
    return Vocabulary(steps[:WORD_WEIGHTS], steps[WORD_WEIGHTS:])
