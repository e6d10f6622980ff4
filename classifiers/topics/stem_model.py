"""The topic model that ships with the package: the weights of stems, fields and URLs, as text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from classifiers.errors import ClassifierError
from classifiers.topics.stems import StemRows, build_stem_rows, count_stem_columns
from pipeline.html.main_content.vocabulary import read_weights, write_weights
from pipeline.url.topic_by_address import DOMAINS

STEM_MODEL = Path(__file__).parent / "data" / "topics.txt"
STEMS_VERSION = 1  # increase when `build_stem_rows` changes; a model that was trained on other rows is refused
SHIPPED = "shipped"  # stands for this model where the folder of another one may stand
WEIGHT_STEP = 1 / 8  # of the log odds: what one step of a weight is worth
SCORE_DECIMALS = 4


@dataclass(frozen=True)
class StemModel:
    """The weights of the columns of rows, and the intercepts."""

    weights: np.ndarray  # columns x classes, in WEIGHT_STEPs
    intercepts: np.ndarray  # of the classes
    fingerprint: str

    def weigh(self) -> np.ndarray:
        """Return the weights in log odds."""
        return self.weights * WEIGHT_STEP

    def add_weights(self, rows: StemRows) -> np.ndarray:
        """Return the log odds of rows, rows x classes."""
        found: np.ndarray = rows.add_weights(self.weights) * WEIGHT_STEP + self.intercepts
        return found


class StemTopicModel(StemModel):
    """The model of topics: a class for each of DOMAINS, over the columns of `build_stem_rows`."""

    def predict_topics(self, texts: Sequence[str], urls: Sequence[str]) -> list[tuple[str, float]]:
        """Return the most probable topic of each page, and its probability as float32; ("other", 0.0) without text."""
        if not texts:
            return []
        odds = self.add_weights(build_stem_rows(texts, urls))
        chance = np.exp(odds - odds.max(1, keepdims=True))
        chance /= chance.sum(1, keepdims=True)
        scores = np.round(chance.max(1), SCORE_DECIMALS).astype(np.float32).tolist()
        return [
            (DOMAINS[topic], score) if text and any(map(str.isalnum, text)) else ("other", 0.0)
            for text, topic, score in zip(texts, chance.argmax(1).tolist(), scores, strict=True)
        ]


@cache
def load_shipped_model() -> StemTopicModel:
    """Return the model of the package, read once a process."""
    return load_stem_model(STEM_MODEL)


def load_stem_model(path: Path) -> StemTopicModel:
    """Return the topic model of a file. Raises ClassifierError, one line."""
    found = load_stem_weights(path, DOMAINS, count_stem_columns())
    return StemTopicModel(found.weights, found.intercepts, found.fingerprint)


def load_stem_weights(path: Path, classes: Sequence[str], columns: int) -> StemModel:
    """Return the model of a file with these classes and so many columns. Raises ClassifierError, one line."""
    with open(path, encoding="utf-8") as lines:
        try:
            return parse_stem_model(lines, classes, columns)
        except (KeyError, ValueError) as error:
            raise ClassifierError(f"{path}: {error}") from error


def parse_stem_model(lines: Iterable[str], classes: Sequence[str], columns: int) -> StemModel:
    """Read a model: its fingerprint, the intercepts, and a line of weights for each class.

    Raises KeyError or ValueError for another file.
    """
    found = dict(line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#"))
    weights = np.stack([read_weights(found[name].strip(), columns) for name in classes], axis=1)
    intercepts = np.array([float(word) for word in found["intercepts"].split()])
    return StemModel(weights, intercepts, found["made"].strip())


def write_stem_model(model: StemModel, classes: Sequence[str], path: Path, about: str) -> None:
    """Write a model as text, after comment lines with `about`."""
    lines = [f"# {line}" for line in about.splitlines()]
    lines += [f"made {model.fingerprint}", "intercepts " + " ".join(map(str, model.intercepts.tolist()))]
    lines += [f"{name} {write_weights(model.weights[:, number])}" for number, name in enumerate(classes)]
    path.write_text("\n".join(lines) + "\n")
