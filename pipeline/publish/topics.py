"""What the publish job makes of a topic classifier: each page's topic, and the domain by which the mix takes it."""

from collections.abc import Sequence
from functools import lru_cache

from classifiers.errors import ClassifierError
from classifiers.topics.model import TopicModel, load_topic_model
from pipeline.config import Config
from pipeline.publish.settings import TopicsConfig
from pipeline.settings import ConfigError


@lru_cache(maxsize=1)
def load(folder: str) -> TopicModel:
    """Return the classifier of a folder, loaded once a process. Raises ClassifierError."""
    return load_topic_model(folder)


def fingerprints(config: TopicsConfig) -> list[str]:
    """Return what tells the classifier from another; [] without one. Raises ConfigError."""
    try:
        return [load_topic_model(config.model).fingerprint] if config.model else []
    except ClassifierError as error:
        raise ConfigError(f"weights.topics.model: {error}") from error


def topics(texts: Sequence[str | None], urls: Sequence[str | None], config: Config) -> list[tuple[str, float]]:
    """Return each page's topic and score; ("", 0.0) without a classifier."""
    model = config.weights.topics.model
    if not model:
        return [("", 0.0)] * len(texts)
    return load(model).predict_topics([text or "" for text in texts], [url or "" for url in urls])


def domain_in_mix(topic: str, score: float, domain: str, config: TopicsConfig) -> str:
    """Return the domain by which the mix takes a page: its topic where the score is enough, else its address's."""
    return topic if topic and score >= config.min_score else domain
