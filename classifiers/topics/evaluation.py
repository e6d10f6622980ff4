"""Evaluate predicted topics by the source of the labels, beside the URL alone and the most frequent topic."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from classifiers.topics.labels import TopicLabel
from pipeline.url.topic_by_address import find_topic


class TopicPrediction(NamedTuple):
    """A page, and the topics that a model predicts with its URL and without."""

    url: str
    label: TopicLabel
    predicted: str
    by_text: str


class TopicMeasures(TypedDict):
    """The measures of a set of pages. The macro-F1 is the mean over the topics that occur."""

    pages: int
    macro_f1: float
    accuracy: float


class TopicF1(TypedDict):
    """The measures of one topic."""

    pages: int
    f1: float


class TopicEvaluation(TypedDict):
    """`sets`: by set of pages and by column (model, text only, address only, majority). `topics`: by topic."""

    sets: dict[str, dict[str, TopicMeasures]]
    topics: dict[str, TopicF1]


def compute_f1_by_topic(true: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """Return the F1 of each topic that occurs among the true ones."""
    hits = Counter(a for a, b in zip(true, predicted, strict=True) if a == b)
    said = Counter(predicted)
    return {topic: 2 * hits[topic] / (n + said[topic]) for topic, n in sorted(Counter(true).items())}


def measure_topics(true: Sequence[str], predicted: Sequence[str]) -> TopicMeasures:
    """Return the number of pages, the macro-F1 and the accuracy."""
    by_topic = compute_f1_by_topic(true, predicted)
    right = sum(a == b for a, b in zip(true, predicted, strict=True))
    return {"pages": len(true), "macro_f1": math.fsum(by_topic.values()) / len(by_topic), "accuracy": right / len(true)}


def measure_set(predictions: Sequence[TopicPrediction]) -> dict[str, TopicMeasures]:
    """Return the measures of the model, of its predictions without URLs, and of the two baselines.

    "address only" uses the words of the URL alone. "majority" predicts the most frequent topic for every page.
    """
    true = [prediction.label.topic for prediction in predictions]
    urls = [prediction.url for prediction in predictions]
    majority = min(Counter(true).items(), key=lambda item: (-item[1], item[0]))[0]
    return {
        "model": measure_topics(true, [prediction.predicted for prediction in predictions]),
        "text only": measure_topics(true, [prediction.by_text for prediction in predictions]),
        "address only": measure_topics(true, [find_topic(url) if url else "other" for url in urls]),
        "majority": measure_topics(true, [majority] * len(true)),
    }


def evaluate_predictions(predictions: Sequence[TopicPrediction]) -> TopicEvaluation:
    """Return the measures of all pages and of the pages of each label source, and the F1 of each topic."""
    groups: dict[str, list[TopicPrediction]] = defaultdict(list)
    for prediction in predictions:
        groups["all"].append(prediction)
        groups[f"labels by {prediction.label.source}"].append(prediction)
    true = [prediction.label.topic for prediction in predictions]
    f1 = compute_f1_by_topic(true, [prediction.predicted for prediction in predictions])
    counts = Counter(true)
    return {
        "sets": {name: measure_set(groups[name]) for name in sorted(groups)},
        "topics": {topic: {"pages": counts[topic], "f1": value} for topic, value in f1.items()},
    }


def format_topic_table(result: TopicEvaluation) -> list[str]:
    """Return an evaluation as lines of plain text."""
    lines = [
        f"{'macro-F1 (accuracy)':22} {'pages':>6} {'model':>12} {'text only':>12} {'address only':>13} {'majority':>12}"
    ]
    for name, columns in result["sets"].items():
        cells = [f"{m['macro_f1']:.3f} ({m['accuracy']:.2f})" for m in columns.values()]
        lines.append(
            f"{name:22} {columns['model']['pages']:6,} {cells[0]:>12} {cells[1]:>12} {cells[2]:>13} {cells[3]:>12}"
        )
    lines += ["", f"{'topic':22} {'pages':>6} {'F1':>12}"]
    return lines + [f"{topic:22} {m['pages']:6,} {m['f1']:12.3f}" for topic, m in result["topics"].items()]
