"""Adapt the shipped topic model to labelled pages, and test the result by site.

The weights of the shipped model stay, and what is learned is added to them. A page whose label is only the shipped
model's opinion holds the weights where they are: it is shown with the probabilities that this model gives it.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, vstack

from classifiers.errors import ClassifierError
from classifiers.hashing import hash_strings
from classifiers.output_files import replace_folder_atomically
from classifiers.topics.evaluation import TopicEvaluation, TopicPrediction, evaluate_predictions
from classifiers.topics.fit_stem_model import (
    fit_stem_weights,
    measure_stem_rarities,
    round_stem_weights,
    spread_pages,
)
from classifiers.topics.model import TOPICS_FILE, WEIGHTS_FILE, TopicConfigFile, load_topic_model
from classifiers.topics.model_card import write_topic_card
from classifiers.topics.pages import TopicPage, read_topic_pages
from classifiers.topics.stem_model import STEMS_VERSION, StemModel, load_shipped_model, write_stem_model
from pipeline.url.topic_by_address import DOMAINS

TOPIC_PAGES_PER_SITE = 5  # that are learned from, because the words that a site repeats say nothing about a topic
TOPIC_FOLDS = 3


def deal_topic_folds(pages: Sequence[TopicPage], count: int, seed: int) -> list[list[TopicPage]]:
    """Deal pages into folds by a hash of their site, so that no site is in two."""
    folds: list[list[TopicPage]] = [[] for _ in range(count)]
    for page in pages:
        folds[int(hash_strings(str(seed), "fold", page.site), 16) % count].append(page)
    return folds


def select_topic_pages(pages: Sequence[TopicPage]) -> list[TopicPage]:
    """Return at most TOPIC_PAGES_PER_SITE pages of each site."""
    taken: Counter[str] = Counter()
    limited = []
    for page in pages:
        taken[page.site] += 1
        if taken[page.site] <= TOPIC_PAGES_PER_SITE:
            limited.append(page)
    return limited


def adapt_topic_model(pages: Sequence[TopicPage]) -> StemModel:
    """Return the shipped model with what the selected pages add. Each page is shown once with its URL and once without.

    Without the second copy the model would rely on URLs and learn little from the texts.
    """
    shipped, shown = load_shipped_model(), select_topic_pages(pages)
    rows = spread_both_ways(shown)
    odds = add_model_weights(rows, shipped)
    label = np.exp(odds - odds.max(1, keepdims=True))
    label /= label.sum(1, keepdims=True)
    for number, page in enumerate(shown):
        if page.label.source not in ("model", "guess"):
            label[[number, len(shown) + number]] = np.eye(len(DOMAINS))[DOMAINS.index(page.label.topic)]
    weights, intercepts = fit_stem_weights(rows, label, measure_stem_rarities(rows), odds)
    return round_stem_weights(shipped.weigh() + weights, shipped.intercepts + intercepts)


def spread_both_ways(pages: Sequence[TopicPage]) -> csr_array:
    """Return the rows of pages with their URLs, and then without."""
    texts = [page.text for page in pages]
    return vstack([spread_pages(texts, [page.url * use for page in pages]) for use in (1, 0)], format="csr")


def add_model_weights(rows: csr_array, model: StemModel) -> np.ndarray:
    """Return the log odds that a model gives to rows, rows x DOMAINS."""
    found: np.ndarray = rows @ model.weigh() + model.intercepts
    return found


def predict_both_ways(model: StemModel, pages: Sequence[TopicPage]) -> list[TopicPrediction]:
    """Return what a model predicts for pages, with their URLs and without."""
    best = add_model_weights(spread_both_ways(pages), model).argmax(1).tolist()
    return [
        TopicPrediction(page.url, page.label, DOMAINS[best[number]], DOMAINS[best[len(pages) + number]])
        for number, page in enumerate(pages)
    ]


def cross_validate_topics(folds: Sequence[Sequence[TopicPage]]) -> TopicEvaluation:
    """Evaluate each fold by a model of the other folds."""
    predictions: list[TopicPrediction] = []
    for n, held_out in enumerate(folds):
        rest = [page for m, fold in enumerate(folds) if m != n for page in fold]
        predictions += predict_both_ways(adapt_topic_model(rest), held_out)
    return evaluate_predictions(predictions)


def train_topic_model(pages: Sequence[TopicPage], output: Path, source: str, seed: int = 0) -> TopicConfigFile:
    """Cross-validate by site, learn from all pages, and write a folder with topics.txt, topics.json and MODEL_CARD.md.

    `source` describes the origin of the pages; `seed` deals the folds. Equal pages give equal bytes. Raises
    ClassifierError if there are too few pages.
    """
    folds = deal_topic_folds(pages, TOPIC_FOLDS, seed)
    if len({page.label.topic for page in pages}) < 2 or not all(folds):
        raise ClassifierError(f"topics: {len(pages)} labelled pages have too few topics or sites to learn from")
    tested, model = cross_validate_topics(folds), adapt_topic_model(pages)
    with replace_folder_atomically(output, TOPICS_FILE) as partial:
        config: TopicConfigFile = {
            "version": STEMS_VERSION,
            "fingerprint": model.fingerprint,
            "source": source,
            "pages": dict(sorted(Counter(page.label.topic for page in pages).items())),
            "labels": dict(sorted(Counter(page.label.source for page in pages).items())),
            "test": tested,
        }
        write_stem_model(model, DOMAINS, partial / WEIGHTS_FILE, f"A topic classifier, trained on {source}.")
        (partial / TOPICS_FILE).write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
        (partial / "MODEL_CARD.md").write_text(write_topic_card(config, TOPIC_PAGES_PER_SITE, TOPIC_FOLDS))
    return config


def evaluate_topic_model(folder: str | Path, labelled: str) -> TopicEvaluation:
    """Test a model on pages with a column `topic`. Raises ClassifierError, OSError."""
    model, pages = load_topic_model(folder), read_topic_pages(labelled=labelled)
    if not pages:
        raise ClassifierError(f"{labelled}: no page with a text")
    return evaluate_predictions(predict_both_ways(model, pages))
