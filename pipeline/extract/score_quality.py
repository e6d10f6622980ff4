"""Seventh stage: the score of the Wikipedia-reference classifier, where a model is given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pipeline.extract.page import Page, PageFunction, Rejection, process_remaining, reject_page
from pipeline.extract.page_stage import PageStage, load_once

if TYPE_CHECKING:
    from classifiers.quality.model import QualityModel

BATCH = 64  # pages scored together


def score_quality(pages: Sequence[Page], model: "QualityModel | None", min_score: float | None) -> list[Page]:
    """Score every page; reject pages below `min_score`, if there is one. Without a model the score is None."""
    return process_remaining(pages, partial(_score, model=model, min_score=min_score), BATCH)


def _score(pages: Sequence[Page], model: "QualityModel | None", min_score: float | None) -> list[Page]:
    """Score pages that were not rejected before."""
    scores = model.score_texts([page.text or "" for page in pages]) if model and pages else [None] * len(pages)
    return [_add_score(page, score, min_score) for page, score in zip(pages, scores, strict=True)]


def _add_score(page: Page, score: float | None, min_score: float | None) -> Page:
    """Return a page with its score, rejected where it is too low."""
    page = replace(page, scores={"quality": score})
    if score is not None and min_score is not None and score < min_score:
        return reject_page(page, Rejection("quality", "low-score", score, "quality", min_score))
    return page


def load_classifier(folder: str) -> "QualityModel":
    """Return the classifier in a folder. Imports fastText and the classifiers only now."""
    from classifiers.quality.model import load_quality_model

    return load_quality_model(folder)


@dataclass(eq=False)
class ScoreQuality(PageStage):
    """PCollection[Page] -> PCollection[Page]: pages with the classifier's score."""

    model: str | None = None
    min_score: float | None = None

    def load(self) -> PageFunction:
        """Load the classifier, where one is given."""
        model = load_once(load_classifier, self.model) if self.model else None
        return partial(score_quality, model=model, min_score=self.min_score)
