"""Seventh stage: the quality score, the scores of the ensemble's members, and what a page is worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from pipeline.extract.page import Page, PageFunction, Rejection, process_remaining, reject_page
from pipeline.extract.page_stage import PageStage, load_once
from pipeline.extract.settings import QualityConfig
from pipeline.filters.text_shape import CHARACTER_WEIGHTS

BATCH = 128  # pages scored together
WORTH_CHARACTERS = 1000  # of a text that is worth its quality score
WORTH_DECIMALS, LEAST_SCORE = 4, 1e-4

Scores = Mapping[str, float | None]
Scorer = Callable[[Sequence[str], Sequence[str | None]], Sequence[Scores]]  # of texts and their languages


class QualityBounds(NamedTuple):
    """The least quality score and the least worth of a page that is kept; None drops nothing."""

    score: float | None = None
    worth: float | None = None


def read_quality_bounds(quality: QualityConfig) -> QualityBounds:
    """Return the least scores of a page that is kept, by the settings."""
    return QualityBounds(quality.min_score, quality.min_worth)


def measure_worth(quality: float, text: str, language: str | None) -> float:
    """Return the worth of a page, 0 to 1: its quality score, with more for a longer text.

    The odds of the score are multiplied by the square of the text's length in thousands of characters, each counted
    by CHARACTER_WEIGHTS. So a text of twice the length needs a quarter of the odds. The worth of 1,000 characters is
    their score. A short text is kept where it is surely good; a long one is dropped where it is surely not.
    """
    score = min(max(quality, LEAST_SCORE), 1 - LEAST_SCORE)
    length = len(text) * CHARACTER_WEIGHTS.get(language or "", 1)
    odds = score / (1 - score) * (length / WORTH_CHARACTERS) ** 2
    return float(np.float32(round(odds / (1 + odds), WORTH_DECIMALS)))  # as it is stored


def add_worth(scores: Scores, text: str, language: str | None) -> Scores:
    """Return the scores of a text with its worth, if it has a quality score."""
    quality = scores["quality"]
    return scores if quality is None else {**scores, "worth": measure_worth(quality, text, language)}


def find_poor_score(scores: Scores, least: QualityBounds) -> Rejection | None:
    """Return why a page with these scores is dropped; None where it is kept. A page without a score is kept."""
    for name, bound, reason in (("quality", least.score, "low-score"), ("worth", least.worth, "low-worth")):
        value = scores.get(name)
        if value is not None and bound is not None and value < bound:
            return Rejection("quality", reason, value, name, bound)
    return None


def score_quality(pages: Sequence[Page], scorer: Scorer | None, least: QualityBounds) -> list[Page]:
    """Score every page; reject pages below a bound, if there is one. Without a scorer the scores are None."""
    return process_remaining(pages, partial(_score, scorer=scorer, least=least), BATCH)


def _score(pages: Sequence[Page], scorer: Scorer | None, least: QualityBounds) -> list[Page]:
    """Score pages that were not rejected before."""
    if scorer is None:
        return [replace(page, scores={"quality": None}) for page in pages]
    found = scorer([page.text or "" for page in pages], [page.language for page in pages])
    return [_add_scores(page, scores, least) for page, scores in zip(pages, found, strict=True)]


def _add_scores(page: Page, scores: Scores, least: QualityBounds) -> Page:
    """Return a page with its scores and its worth, rejected where one of the two is too low."""
    page = replace(page, scores=add_worth(scores, page.text or "", page.language))
    rejection = find_poor_score(page.scores, least)
    return reject_page(page, rejection) if rejection else page


def load_scorer(reference: str | None) -> Scorer:
    """Return the ensemble's scores of texts, with the classifier in a folder as one more member.

    Imports the classifiers, and fastText where there is a folder, only now.
    """
    from classifiers.ensemble.model import load_ensemble_model
    from classifiers.quality.model import load_quality_model

    model, added = load_ensemble_model(), load_quality_model(reference) if reference else None

    def score(texts: Sequence[str], languages: Sequence[str | None]) -> Sequence[Scores]:
        return [scores._asdict() for scores in model.score_pages(texts, languages, added)]

    return score


@dataclass(eq=False)
class ScoreQuality(PageStage):
    """PCollection[Page] -> PCollection[Page]: pages with the ensemble's scores.

    `model` is a folder that `gristmill classifiers train` wrote: one more member. Without `score` there is no score.
    Pages below `min_score` or `min_worth` are rejected.
    """

    model: str | None = None
    min_score: float | None = None
    score: bool = True
    min_worth: float | None = None

    def load(self) -> PageFunction:
        """Load the ensemble."""
        scorer = load_once(load_scorer, self.model) if self.score else None
        return partial(score_quality, scorer=scorer, least=QualityBounds(self.min_score, self.min_worth))
