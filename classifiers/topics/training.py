"""Train the topic classifier on labelled pages, each page once with its URL and once without.

Without the second copy the model would rely on URLs and learn little from the texts.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from classifiers.errors import ClassifierError
from classifiers.fasttext_models import FastTextModel, save_fasttext, train_fasttext
from classifiers.hashing import hash_strings
from classifiers.output_files import replace_folder_atomically
from classifiers.tokens import TOKENS_VERSION
from classifiers.topics.evaluation import TopicEvaluation, TopicPrediction, evaluate_predictions
from classifiers.topics.features import TOPIC_LINE_VERSION, build_topic_line
from classifiers.topics.labels import TopicLabel
from classifiers.topics.model import LABEL_PREFIX, TOPICS_FILE, TopicConfigFile, TopicModel, load_topic_model
from classifiers.topics.model_card import write_topic_card
from classifiers.topics.pages import TopicPage, TopicPages, read_topic_pages

TOPIC_PAGES_PER_SITE = 5  # that are learned from, because the words that a site repeats say nothing about a topic
TOPIC_FOLDS = 3
UNKNOWN_TOPIC = TopicLabel("other", "words")


@dataclass(frozen=True)
class TopicSettings:
    """fastText's parameters. Single words only: among a few thousand pages, pairs of words are too rare to learn."""

    dim: int = 16
    epoch: int = 25
    lr: float = 0.5
    wordNgrams: int = 1  # fastText's own spelling, as minCount
    minCount: int = 2
    seed: int = 0


def deal_topic_folds(pages: Sequence[TopicPage], count: int, seed: int) -> list[list[TopicPage]]:
    """Deal pages into folds by a hash of their site, so that no site is in two."""
    folds: list[list[TopicPage]] = [[] for _ in range(count)]
    for page in pages:
        folds[int(hash_strings(str(seed), "fold", page.site), 16) % count].append(page)
    return folds


def select_topic_pages(pages: Sequence[TopicPage]) -> list[TopicPage]:
    """Return at most TOPIC_PAGES_PER_SITE pages of each site, and only some of the pages without any evidence.

    A page whose URL and words point to no topic gets the label "other", but that is missing knowledge more than a
    label. So there are at most as many such pages as an average topic has.
    """
    taken: Counter[str] = Counter()
    limited = []
    for page in pages:
        taken[page.site] += 1
        if taken[page.site] <= TOPIC_PAGES_PER_SITE:
            limited.append(page)
    known = [page for page in limited if page.label != UNKNOWN_TOPIC]
    unknown = [page for page in limited if page.label == UNKNOWN_TOPIC]
    topics = len({page.label.topic for page in known})
    return known + unknown[: max(1, len(known) // max(1, topics))]


def fit_topic_model(pages: Sequence[TopicPage], rarity: Mapping[str, float], settings: TopicSettings) -> FastTextModel:
    """Train fastText on the selected pages."""

    def build_lines() -> Iterator[str]:
        for page in select_topic_pages(pages):
            for url in dict.fromkeys(("", page.url)):
                yield f"{LABEL_PREFIX}{page.label.topic} {build_topic_line(page.tokens, page.shape, url, rarity)}"

    return train_fasttext(build_lines(), asdict(settings))


def predict_both_ways(model: TopicModel, pages: Sequence[TopicPage]) -> list[TopicPrediction]:
    """Return what a model predicts for pages, with their URLs and without."""
    with_url, without = (
        [topic for topic, _ in model.predict_parts([(page.tokens, page.shape, page.url * use) for page in pages])]
        for use in (1, 0)
    )
    return [TopicPrediction(*found) for found in zip(pages, with_url, without, strict=True)]


def cross_validate_topics(
    folds: Sequence[Sequence[TopicPage]], rarity: Mapping[str, float], settings: TopicSettings
) -> TopicEvaluation:
    """Evaluate each fold by a model of the other folds."""
    predictions: list[TopicPrediction] = []
    for n, held_out in enumerate(folds):
        rest = [page for m, fold in enumerate(folds) if m != n for page in fold]
        predictions += predict_both_ways(TopicModel(fit_topic_model(rest, rarity, settings), rarity), held_out)
    return evaluate_predictions(predictions)


def train_topic_model(topic_pages: TopicPages, output: Path, source: str, seed: int = 0) -> TopicConfigFile:
    """Cross-validate by site, train on all pages, and write a folder with model.bin, topics.json and MODEL_CARD.md.

    `source` describes the origin of the pages. One thread and a fixed seed are used, so equal pages give equal bytes.
    Raises ClassifierError if there are too few pages.
    """
    pages, rarity = topic_pages
    settings = TopicSettings(seed=seed)
    folds = deal_topic_folds(pages, TOPIC_FOLDS, seed)
    if len({page.label.topic for page in pages}) < 2 or not all(folds):
        raise ClassifierError(f"topics: {len(pages)} labelled pages have too few topics or sites to learn from")
    tested = cross_validate_topics(folds, rarity, settings)
    with replace_folder_atomically(output, TOPICS_FILE) as partial:
        config: TopicConfigFile = {
            "version": TOPIC_LINE_VERSION,
            "tokens": TOKENS_VERSION,
            "settings": asdict(settings),
            "model_sha256": save_fasttext(fit_topic_model(pages, rarity, settings), partial),
            "source": source,
            "pages": dict(sorted(Counter(page.label.topic for page in pages).items())),
            "labels": dict(sorted(Counter(page.label.source for page in pages).items())),
            "test": tested,
            "rarity": rarity,
        }
        (partial / TOPICS_FILE).write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
        (partial / "MODEL_CARD.md").write_text(write_topic_card(config, TOPIC_PAGES_PER_SITE, TOPIC_FOLDS))
    return config


def evaluate_topic_model(folder: Path, labelled: str) -> TopicEvaluation:
    """Test a trained model on pages with a column `topic`. Raises ClassifierError, OSError."""
    model = load_topic_model(folder)
    pages, _ = read_topic_pages(labelled=labelled)
    if not pages:
        raise ClassifierError(f"{labelled}: no page with a text")
    return evaluate_predictions(predict_both_ways(model, pages))
