"""Train, save and load fastText models, as the quality classifier is one."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from classifiers.errors import ClassifierError

MODEL_FILE = "model.bin"
Config = TypeVar("Config", bound=Mapping[str, object])


class FastTextModel(Protocol):
    """The part of fastText's model that this package uses."""

    def predict(self, text: list[str], k: int) -> tuple[list[list[str]], list[np.ndarray]]:
        """Return for each line the `k` most probable labels, and their probabilities."""

    def save_model(self, path: str) -> None:
        """Write the model to a file."""


def train_fasttext(lines: Iterable[str], settings: Mapping[str, int | float]) -> FastTextModel:
    """Train a supervised model on lines of `__label__NAME token token ...`. One thread, so that equal lines give
    equal bytes.
    """
    import fasttext

    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        model: FastTextModel = fasttext.train_supervised(file.name, thread=1, verbose=0, **settings)
    return model


def save_fasttext(model: FastTextModel, folder: Path) -> str:
    """Write a model into a folder, and return the SHA-256 of the file."""
    path = folder / MODEL_FILE
    model.save_model(str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_fasttext(folder: Path, config_name: str, versions: Mapping[str, int]) -> tuple[FastTextModel, str]:
    """Return the model of a folder and the text of its config file, after checking both.

    `versions` are the keys of the config that must have these values. Raises ClassifierError, one line, if the folder
    holds no model that this version can use.
    """
    import fasttext

    try:
        text = (folder / config_name).read_text()
        config = json.loads(text)
        digest = hashlib.sha256((folder / MODEL_FILE).read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        raise ClassifierError(f"{folder}: no trained classifier there ({error})") from error
    for key, version in versions.items():
        if config.get(key) != version:
            found = f"{key} is version {config.get(key)}, but this version needs {version}"
            raise ClassifierError(f"{folder}/{config_name}: {found}; train it again")
    if digest != config.get("model_sha256"):
        raise ClassifierError(f"{folder}/{MODEL_FILE}: is not the file that {config_name} names; train it again")
    fasttext.FastText.eprint = lambda text: None  # fastText warns about its own interface on every load
    model: FastTextModel = fasttext.load_model(str(folder / MODEL_FILE))
    return model, text
