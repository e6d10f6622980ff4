"""What `default` makes of pages, by ensembles that have seen no page of their sites; `keep` and `evidence` share it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bench.crawl_pages import read_crawl_pages
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


class JudgedPage(NamedTuple):
    """A page of the crawl, and what the recipe makes of it."""

    id: str
    url: str
    site: str  # "" where the URL has none
    language: str
    text: str  # its main text
    edited: str  # what the filters leave of it
    reason: str  # "" where it is kept


def judge_pages(paths: Iterable[str], crawl: str) -> list[JudgedPage]:
    """Return what the recipe `default` makes of each page of crawl files. No ensemble that scores it knows its site."""
    from pipeline.config import build_config
    from pipeline.extract.identify_language import check_language
    from pipeline.extract.score_quality import add_worth, find_poor_score, read_quality_bounds
    from pipeline.filters.chain import apply_filters, load_filters
    from pipeline.language.identify import LanguageModel
    from pipeline.url.canonical import url_domain

    config = build_config({"inputs": ["none"], "output": "none", "recipe": "default"})
    filters, pages = load_filters(config.rules), read_crawl_pages(paths, "gristmill")
    least = read_quality_bounds(config.quality)
    languages = LanguageModel.load().identify([page.text for page in pages])
    results = [apply_filters(filters, page.text, name) for page, (name, _) in zip(pages, languages, strict=True)]
    sites = [url_domain(page.url) for page in pages]
    known = [site or page.url for site, page in zip(sites, pages, strict=True)]
    scored = score_unseen(crawl, [found.text for found in results], [name for name, _ in languages], known)
    judged = []
    for page, (language, score), found, scores, site in zip(pages, languages, results, scored, sites, strict=True):
        rejection = check_language(language, score, (), config.language)
        poor = find_poor_score(add_worth(scores, found.text, language), least)
        reason = "extract" if not page.text.strip() else "language" if rejection else ""
        reason = reason or (found.failure.reason if found.failure else poor.key if poor else "")
        judged.append(JudgedPage(page.id, page.url, site, language, page.text, found.text, reason))
    return judged
