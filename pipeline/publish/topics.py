"""The topic classifier in the publish job: each page's topic, and the domain under which the mixture counts it."""

from collections.abc import Sequence
from functools import lru_cache

from classifiers.errors import ClassifierError
from classifiers.topics.model import load_topic_model
from classifiers.topics.stem_model import StemTopicModel
from pipeline.publish.settings import TopicsConfig
from pipeline.settings import ConfigError


@lru_cache(maxsize=1)
def cached_topic_model(folder: str) -> StemTopicModel:
    """Return the classifier of a folder, loaded once a process. Raises ClassifierError."""
    return load_topic_model(folder)


def fingerprint_topics(config: TopicsConfig) -> list[str]:
    """Return what tells the classifier from another; [] without one. Raises ConfigError."""
    try:
        return [load_topic_model(config.model).fingerprint] if config.model else []
    except ClassifierError as error:
        raise ConfigError(f"weights.topics.model: {error}") from error


def classify_topics(
    texts: Sequence[str | None], urls: Sequence[str | None], config: TopicsConfig
) -> list[tuple[str, float]]:
    """Return each page's topic and score; ("", 0.0) without a classifier."""
    if not config.model:
        return [("", 0.0)] * len(texts)
    model = cached_topic_model(config.model)
    return model.predict_topics([text or "" for text in texts], [url or "" for url in urls])


def choose_domain(topic: str, score: float, domain: str, config: TopicsConfig) -> str:
    """Return the domain under which the mixture counts a page: its topic if the score suffices, else its URL's."""
    return topic if topic and score >= config.min_score else domain
