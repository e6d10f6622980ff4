"""Topic classifiers in folders: what a folder holds, and how it is loaded."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from classifiers.errors import ClassifierError
from classifiers.topics.stem_model import SHIPPED, STEMS_VERSION, StemTopicModel, load_shipped_model, load_stem_model

if TYPE_CHECKING:
    from classifiers.topics.evaluation import TopicEvaluation

TOPICS_FILE = "topics.json"
WEIGHTS_FILE = "topics.txt"


class TopicConfigFile(TypedDict):
    """`topics.json` in a model folder."""

    version: int  # STEMS_VERSION
    fingerprint: str  # of the weights in WEIGHTS_FILE
    source: str
    pages: dict[str, int]  # by topic
    labels: dict[str, int]  # by source
    test: "TopicEvaluation"


def load_topic_model(folder: str | Path) -> StemTopicModel:
    """Load the classifier of a folder, or the one that ships with the package for SHIPPED.

    Raises ClassifierError, one line, if the folder holds no usable model.
    """
    if str(folder) == SHIPPED:
        return load_shipped_model()
    folder = Path(folder)
    try:
        config: TopicConfigFile = json.loads((folder / TOPICS_FILE).read_text())
        version = config["version"]
        model = load_stem_model(folder / WEIGHTS_FILE) if version == STEMS_VERSION else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClassifierError(f"{folder}: no trained classifier there ({error})") from error
    if model is None:
        found = f"version is {version}, but this version needs {STEMS_VERSION}"
        raise ClassifierError(f"{folder}/{TOPICS_FILE}: {found}; train it again")
    if model.fingerprint != config.get("fingerprint"):
        raise ClassifierError(f"{folder}/{WEIGHTS_FILE}: is not the file that {TOPICS_FILE} names; train it again")
    return model
