"""The trained topic classifier: texts and URLs in, topics and probabilities out."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from classifiers.fasttext_models import FastTextModel, load_fasttext
from classifiers.tokens import TOKENS_VERSION, build_token_line
from classifiers.topics.evaluation import TopicEvaluation
from classifiers.topics.features import MAX_TOPIC_CHARACTERS, TOPIC_LINE_VERSION, build_topic_line, describe_shape

LABEL_PREFIX = "__label__"
TOPICS_FILE = "topics.json"


class TopicConfigFile(TypedDict):
    """`topics.json` in a model folder."""

    version: int  # TOPIC_LINE_VERSION
    tokens: int  # TOKENS_VERSION
    settings: dict[str, int | float]
    model_sha256: str
    source: str
    pages: dict[str, int]  # by topic
    labels: dict[str, int]  # by source
    test: TopicEvaluation
    rarity: dict[str, float]  # by seed word


class TopicModel:
    """A loaded topic classifier. It cannot be pickled: every worker loads its own."""

    def __init__(self, model: FastTextModel, rarity: Mapping[str, float], fingerprint: str = ""):
        """Hold a loaded fastText model and the rarity of each seed word. `fingerprint` tells one model from another."""
        self.model, self.rarity, self.fingerprint = model, rarity, fingerprint

    def predict_topics(self, texts: Sequence[str], urls: Sequence[str]) -> list[tuple[str, float]]:
        """Return the most probable topic of each page, and its probability as float32; ("other", 0.0) without text."""
        short = [(text or "")[:MAX_TOPIC_CHARACTERS] for text in texts]
        return self.predict_parts(
            [
                (build_token_line(text, MAX_TOPIC_CHARACTERS), describe_shape(text), url or "")
                for text, url in zip(short, urls, strict=True)
            ]
        )

    def predict_parts(self, parts: Sequence[tuple[str, str, str]]) -> list[tuple[str, float]]:
        """Return the same for pages that are given as (line of tokens, marks of the shape, URL)."""
        if not parts:
            return []
        lines = [build_topic_line(*part, self.rarity) if part[0] else "" for part in parts]
        labels, probabilities = self.model.predict(lines, k=1)
        return [
            (names[0].removeprefix(LABEL_PREFIX), float(np.float32(min(values[0], 1.0))))
            if line and len(names)
            else ("other", 0.0)
            for names, values, line in zip(labels, probabilities, lines, strict=True)
        ]


def load_topic_model(folder: str | Path) -> TopicModel:
    """Load a topic classifier. Raises ClassifierError, one line, if the folder holds no usable model."""
    versions = {"version": TOPIC_LINE_VERSION, "tokens": TOKENS_VERSION}
    model, text = load_fasttext(Path(folder), TOPICS_FILE, versions)
    config: TopicConfigFile = json.loads(text)
    return TopicModel(model, config["rarity"], config["model_sha256"][:16])
