"""Scores on sites that a model has not seen: cross-validation by site, and training without one of the corpora."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from classifiers.main_content.data import Example, GoldPage, agreement, grams
from classifiers.main_content.train import fold_of, train
from pipeline.html.engines import Options
from pipeline.html.main_content.boosted_trees import Forest
from pipeline.html.main_content.classifier import bridge, choose, model_of, score_blocks
from pipeline.html.main_content.render import as_text

FOLDS = 5
THRESHOLD = Options().threshold  # what the engine uses unless told otherwise
SMALLEST_GROUP = 30

Score = tuple[float, float, float]  # precision, recall, F1 of the bags of 4-grams


class Row(NamedTuple):
    """Means over the pages of a group."""

    group: str
    pages: int
    scores: dict[str, Score]


def predict(model: Mapping[str, Forest], example: Example) -> np.ndarray:
    """Return the second stage's score of each block."""
    if example.layout is None:
        return np.zeros(0)
    return score_blocks(example.rows, example.layout, model_of(model))


def by_site(examples: Sequence[Example], say: Callable[[str], None] = print) -> dict[str, np.ndarray]:
    """Return the scores of every page's blocks, by a model trained on other sites."""
    scores: dict[str, np.ndarray] = {}
    for fold in range(FOLDS):
        model = train([example for example in examples if fold_of(example.page.site, FOLDS) != fold])
        tested = [
            example for example in examples if fold_of(example.page.site, FOLDS) == fold and not example.page.taught
        ]
        scores |= {example.page.id: predict(model, example) for example in tested}
        say(f"fold {fold + 1} of {FOLDS}: {len(tested)} pages")
    return scores


def by_corpus(examples: Sequence[Example], corpus: str) -> dict[str, np.ndarray]:
    """Return the scores of one corpus' pages, by a model trained on the others' other sites."""
    tested = [example for example in examples if example.page.set == corpus and not example.page.taught]
    sites = {example.page.site for example in tested}
    model = train([example for example in examples if example.page.set != corpus and example.page.site not in sites])
    return {example.page.id: predict(model, example) for example in tested}


def judge(example: Example, scores: np.ndarray, threshold: float = THRESHOLD) -> Score:
    """Return how well the blocks chosen agree with the gold."""
    if example.layout is None:
        return score_text("", example.page.gold)
    kept = bridge(choose(scores, example.layout.length, threshold), example.layout)
    return score_text(as_text(example.blocks, kept), example.page.gold)


def score_text(text: str, gold: str) -> Score:
    """Return how well a text agrees with the gold."""
    return agreement(grams(text), grams(gold))


def groups(pages: Sequence[GoldPage]) -> dict[str, list[GoldPage]]:
    """Return the pages by data set, type and language, those groups that are large enough, and all of them."""
    found: dict[str, list[GoldPage]] = {"all": list(pages)}
    for name in ("set", "kind", "language"):
        for value in sorted({getattr(page, name) for page in pages} - {""}):
            members = [page for page in pages if getattr(page, name) == value]
            if len(members) >= SMALLEST_GROUP:
                found[f"{name} {value}"] = members
    return found


def mean_score(scores: Sequence[Score]) -> Score:
    """Return the mean of each figure."""
    precision, recall, f1 = np.mean(scores, axis=0).tolist()
    return precision, recall, f1


def table(pages: Sequence[GoldPage], engines: Mapping[str, Mapping[str, Score]]) -> list[Row]:
    """Return the mean scores of each engine in each group of the pages."""
    rows = []
    for group, members in groups(pages).items():
        means = {name: mean_score([scores[page.id] for page in members]) for name, scores in engines.items()}
        rows.append(Row(group, len(members), means))
    return rows
