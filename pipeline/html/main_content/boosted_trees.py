"""Boosted trees, read from text and evaluated on arrays: all blocks of a page (or all pages) and all trees at once.

The trees are symmetric (each level asks one question), so a leaf's number is the answers' bits. Leaves are whole
numbers, so that a score is the same sum on every machine, and for a block alone as among others.
"""

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np

LEAF_UNIT = 1 / 10_000  # of the log odds: what one step of a leaf is worth
DECIMALS = 4  # of a probability
COLUMNS_AT_ONCE = 2_000_000  # answers of all trees that are in memory at one time


@dataclass(frozen=True)
class BoostedForest:
    """Trees of one depth over named features."""

    features: tuple[str, ...]  # the rows that `score` wants, in this order
    feature: np.ndarray  # [trees, depth] numbers of features
    border: np.ndarray  # [trees, depth] the question: is the feature above it?
    leaves: np.ndarray  # [trees, 2 ** depth] in UNITs
    bias: int

    @cached_property
    def questions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each question once: its feature and its border; and which ones a tree asks, [depth, trees]."""
        asked = np.stack((self.feature.ravel().astype(np.float64), self.border.ravel().astype(np.float64)))
        once, place = np.unique(asked, axis=1, return_inverse=True)
        return once[0].astype(np.intp), once[1].astype(np.float32), place.reshape(self.feature.shape).T.copy()

    def ask_rows(self, names: Sequence[str]) -> "BoostedForest":
        """Return the same trees over rows of these names, among which are all features. Raises KeyError for another."""
        row = {name: number for number, name in enumerate(names)}
        numbers = np.array([row[name] for name in self.features])
        return BoostedForest(tuple(names), numbers[self.feature], self.border, self.leaves, self.bias)

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Return the probability of each column of `rows` (features x columns), rounded to DECIMALS."""
        found: np.ndarray = np.round(1 / (1 + np.exp(-self.add_leaves(rows) * LEAF_UNIT)), DECIMALS)
        return found

    def add_leaves(self, rows: np.ndarray) -> np.ndarray:
        """Return the log odds of each column of `rows` (float32, features x columns), in LEAF_UNITs: int64."""
        trees, depth = self.feature.shape
        total = np.full(rows.shape[1], self.bias, np.int64)
        step = max(1, COLUMNS_AT_ONCE // (trees * depth))
        sum_leaves = find_compiled_sums() or sum_leaves_on_arrays
        feature, border, asked = self.questions
        for start in range(0, len(total), step):
            columns = np.ascontiguousarray(rows[:, start : start + step], np.float32)
            sum_leaves(columns, feature, border, asked, self.leaves, total[start : start + step])
        return total


LeafSums = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


@cache
def find_compiled_sums() -> LeafSums | None:
    """Return the compiled twin of `sum_leaves_on_arrays`; None where it was not built."""
    try:
        found: LeafSums = importlib.import_module("pipeline.html.main_content.leaf_sums").sum_leaves
    except ImportError:
        return None
    return found


def sum_leaves_on_arrays(
    rows: np.ndarray, feature: np.ndarray, border: np.ndarray, asked: np.ndarray, leaves: np.ndarray, total: np.ndarray
) -> None:
    """Add to `total`, in place, the leaf that each column of `rows` reaches in each tree.

    A question is whether the row `feature` is above the `border`; `asked` names the questions of each tree, level by
    level, the lowest bit of a leaf's number first.
    """
    depth, trees = asked.shape
    offsets = (np.arange(trees) << depth)[:, None]
    answers = (rows.take(feature, 0) > border[:, None]).view(np.uint8)
    leaf = answers.take(asked[depth - 1], 0)
    for level in range(depth - 2, -1, -1):
        leaf += leaf
        leaf += answers.take(asked[level], 0)
    # "wrap" looks for no place out of range, of which there is none
    total += leaves.ravel().take(leaf + offsets, mode="wrap").sum(0, dtype=np.int32)


@dataclass
class ForestLines:
    """A forest as far as its lines were read."""

    name: str
    index: dict[str, int] = field(default_factory=dict)  # of the features
    bias: int = 0
    questions: list[list[int]] = field(default_factory=list)  # a tree's features
    borders: list[list[float]] = field(default_factory=list)
    leaves: list[list[int]] = field(default_factory=list)

    def add_tree(self, text: str) -> None:
        """Read one tree: `FEATURE>BORDER ... : LEAF ...`. Raises KeyError or ValueError for what is none."""
        questions, _, leaves = text.partition(" : ")
        asked = [question.rpartition(">") for question in questions.split()]
        values = [int(leaf) for leaf in leaves.split()]
        if len(values) != 1 << len(asked):
            raise ValueError(f"{len(asked)} questions and {len(values)} leaves")
        self.questions.append([self.index[feature] for feature, _, _ in asked])
        self.borders.append([float(border) for _, _, border in asked])
        self.leaves.append(values)

    def build(self) -> BoostedForest:
        """Return the forest."""
        borders, leaves = np.array(self.borders, np.float32), np.array(self.leaves, np.int32)
        return BoostedForest(tuple(self.index), np.array(self.questions), borders, leaves, self.bias)


def write_forest(name: str, forest: BoostedForest) -> list[str]:
    """Return the lines from which `parse_forests` reads a forest."""
    lines = [f"forest {name}", "features " + " ".join(forest.features), f"bias {forest.bias}"]
    for feature, border, leaves in zip(forest.feature, forest.border, forest.leaves, strict=True):
        asked = " ".join(f"{forest.features[f]}>{format(b, '.9g')}" for f, b in zip(feature, border, strict=True))
        lines.append(f"tree {asked} : " + " ".join(map(str, leaves)))
    return lines


def parse_forests(lines: Iterable[str]) -> dict[str, BoostedForest]:
    """Read forests by name. Raises ValueError, one line, for what is no such file."""
    found: list[ForestLines] = []
    for number, line in enumerate(lines, 1):
        key, _, rest = line.strip().partition(" ")
        try:
            if not key or key == "#":
                continue
            if key == "forest":
                found.append(ForestLines(rest))
            elif not found or key not in ("features", "bias", "tree"):
                raise ValueError(f"{key!r} begins no line of a model")
            elif key == "features":
                found[-1].index = {feature: place for place, feature in enumerate(rest.split())}
            elif key == "bias":
                found[-1].bias = int(rest)
            else:
                found[-1].add_tree(rest)
        except (KeyError, ValueError) as error:
            raise ValueError(f"model, line {number}: {error}") from error
    return {forest.name: forest.build() for forest in found}
