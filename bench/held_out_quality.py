"""The quality scores of pages by ensembles that have seen no page of their sites; `keep` and `evidence` share them."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from bench.jobs import find_crawl_files
from classifiers.ensemble.labelled_texts import TrainingTexts, read_training_texts
from classifiers.ensemble.model import EnsembleModel
from classifiers.ensemble.train import ENSEMBLE_FOLDS, train_fold_models
from classifiers.main_content.train import assign_fold

LABELS = Path(__file__).parent / "quality.tsv"
LANGUAGE_LABELS = LABELS.with_name("quality_languages.tsv")
BATCH = 128  # texts scored together


@cache
def read_quality_texts(crawl: str) -> TrainingTexts:
    """Return what the ensemble learns from: the shared data beside the crawl, and the readers' labels."""
    folder = Path(find_crawl_files(crawl)[0]).parent
    data = folder.parent
    dumps = sorted((data / "wikipedia").glob("*pages-articles*.bz2"))
    return read_training_texts(folder, data / "extraction", (LABELS, LANGUAGE_LABELS), data / "text", dumps)


@cache
def load_fold_models(crawl: str) -> list[EnsembleModel]:
    """Return the ensemble of each fold, which has seen the other folds alone."""
    return train_fold_models(read_quality_texts(crawl))


def score_unseen(
    crawl: str, texts: Sequence[str], languages: Sequence[str], sites: Sequence[str]
) -> list[Mapping[str, float | None]]:
    """Return the scores of each text by the ensemble that has not seen its site."""
    models = load_fold_models(crawl)
    folds = [assign_fold(site, ENSEMBLE_FOLDS) for site in sites]
    found: list[Mapping[str, float | None]] = [{}] * len(texts)
    for fold, model in enumerate(models):
        places = [place for place, number in enumerate(folds) if number == fold]
        for start in range(0, len(places), BATCH):
            some = places[start : start + BATCH]
            scored = model.score_pages([texts[place] for place in some], [languages[place] for place in some])
            for place, scores in zip(some, scored, strict=True):
                found[place] = scores._asdict()
    return found
