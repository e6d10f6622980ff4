"""Seventh stage: the quality score, and the scores of the ensemble's members."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.extract.page import Page, PageFunction, Rejection, process_remaining, reject_page
from pipeline.extract.page_stage import PageStage, load_once

BATCH = 128  # pages scored together

Scores = Mapping[str, float | None]
Scorer = Callable[[Sequence[str], Sequence[str | None]], Sequence[Scores]]  # of texts and their languages


def score_quality(pages: Sequence[Page], scorer: Scorer | None, min_score: float | None) -> list[Page]:
    """Score every page; reject pages below `min_score`, if there is one. Without a scorer the score is None."""
    return process_remaining(pages, partial(_score, scorer=scorer, min_score=min_score), BATCH)


def _score(pages: Sequence[Page], scorer: Scorer | None, min_score: float | None) -> list[Page]:
    """Score pages that were not rejected before."""
    if scorer is None:
        return [_add_scores(page, {"quality": None}, min_score) for page in pages]
    found = scorer([page.text or "" for page in pages], [page.language for page in pages])
    return [_add_scores(page, scores, min_score) for page, scores in zip(pages, found, strict=True)]


def _add_scores(page: Page, scores: Scores, min_score: float | None) -> Page:
    """Return a page with its scores, rejected where the quality score is too low."""
    page, score = replace(page, scores=scores), scores["quality"]
    if score is not None and min_score is not None and score < min_score:
        return reject_page(page, Rejection("quality", "low-score", score, "quality", min_score))
    return page


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
    """

    model: str | None = None
    min_score: float | None = None
    score: bool = True

    def load(self) -> PageFunction:
        """Load the ensemble."""
        scorer = load_once(load_scorer, self.model) if self.score else None
        return partial(score_quality, scorer=scorer, min_score=self.min_score)
