"""The trained quality classifier: texts in, calibrated probabilities out."""

import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

from classifiers.errors import ClassifierError
from classifiers.fasttext_models import FastTextModel, load_fasttext
from classifiers.hashing import hash_site
from classifiers.output_files import replace_folder_atomically
from classifiers.quality.calibration import PlattScaling
from classifiers.quality.metrics import ScoreMeasures
from classifiers.tokens import TOKENS_VERSION, build_token_line

REFERENCE_LABEL = "__label__reference"
CONFIG_FILE, COMBINATION_FILE = "config.json", "ensemble.json"
SITES_FILE = "sites.txt"  # sorted hashes of the sites that the model was trained on
Combination = Literal["max", "mean"]


class PlattSettings(TypedDict):
    """The saved calibration."""

    slope: float
    intercept: float


class LabelTotals(TypedDict):
    """How many pages of each class there are."""

    reference: int
    other: int


class SplitTotals(TypedDict, total=False):
    """The pages of each part of the split, and how many repeated pages were removed."""

    train: LabelTotals
    validation: LabelTotals
    test: LabelTotals
    repeated: int


class QualityConfigFile(TypedDict):
    """`config.json` in a model folder."""

    features: int  # TOKENS_VERSION
    max_characters: int
    settings: dict[str, int | float]
    folds: int
    pages_per_site: int
    model_sha256: str
    calibration: PlattSettings
    pages: SplitTotals
    learned: LabelTotals
    source: str
    notes: list[str]
    test: ScoreMeasures
    baselines: dict[str, ScoreMeasures]


class QualityModel(ABC):
    """A loaded quality classifier. It cannot be pickled: every worker loads its own."""

    fingerprint: str  # 16 hex digits that tell one model from another
    max_characters: int

    @abstractmethod
    def knows_site(self, site: str) -> bool:
        """Return whether the model was trained on pages of a site."""

    @abstractmethod
    def predict_probabilities(self, lines: Sequence[str]) -> np.ndarray:
        """Return the calibrated P(reference) of lines of tokens; 0 for an empty line."""

    def score_texts(self, texts: Sequence[str]) -> list[float]:
        """Return the calibrated P(reference) of each text, rounded to float32; 0 for a text without tokens."""
        lines = [build_token_line(text, self.max_characters) for text in texts]
        return [float(value) for value in self.predict_probabilities(lines).astype(np.float32)]


class FastTextQualityModel(QualityModel):
    """The classifier of one folder that `gristmill classifiers train` wrote."""

    def __init__(
        self,
        model: FastTextModel,
        calibration: PlattScaling,
        max_characters: int,
        fingerprint: str = "",
        folder: Path | None = None,
    ):
        """Hold a loaded fastText model. `folder` holds the list of sites, if there is one."""
        self.model, self.calibration = model, calibration
        self.max_characters, self.fingerprint, self.folder = max_characters, fingerprint, folder

    @cached_property
    def site_hashes(self) -> frozenset[str]:
        """The hashes of the sites that the model was trained on. They are read only if they are needed."""
        path = self.folder / SITES_FILE if self.folder else None
        return frozenset(path.read_text().split()) if path and path.exists() else frozenset()

    def knows_site(self, site: str) -> bool:
        """Return whether the model was trained on pages of a site."""
        return bool(site) and hash_site(site) in self.site_hashes

    def predict_probabilities(self, lines: Sequence[str]) -> np.ndarray:
        """Return the calibrated P(reference) of lines of tokens; 0 for an empty line."""
        odds = zip(predict_log_odds(self.model, lines), lines, strict=True)
        return np.array([self.calibration(float(value)) if line else 0.0 for value, line in odds])


class CombinedQualityModel(QualityModel):
    """Several classifiers, each calibrated on its own set. The score is their maximum or their mean."""

    def __init__(self, members: Sequence[QualityModel], by: Combination):
        """Hold loaded classifiers."""
        self.members, self.by = members, by
        self.max_characters = max(member.max_characters for member in members)
        names = "".join([by, *(member.fingerprint for member in members)])
        self.fingerprint = hashlib.sha256(names.encode()).hexdigest()[:16]

    def knows_site(self, site: str) -> bool:
        """Return whether any member was trained on pages of a site."""
        return any(member.knows_site(site) for member in self.members)

    def predict_probabilities(self, lines: Sequence[str]) -> np.ndarray:
        """Return the maximum or the mean of the members' P(reference)."""
        every = np.stack([member.predict_probabilities(lines) for member in self.members])
        return np.asarray(every.max(axis=0) if self.by == "max" else every.mean(axis=0))


def predict_log_odds(model: FastTextModel, lines: Sequence[str]) -> np.ndarray:
    """Return the log odds that each line of tokens is a reference page, before calibration."""
    odds = np.zeros(len(lines))
    if lines:
        labels, probabilities = model.predict(list(lines), k=2)
        for n, (names, values) in enumerate(zip(labels, probabilities, strict=True)):
            p = min(max(dict(zip(names, values, strict=True)).get(REFERENCE_LABEL, 0.0), 1e-7), 1 - 1e-7)
            odds[n] = np.log(p / (1 - p))
    return odds


def load_quality_model(folder: str | Path) -> QualityModel:
    """Load a classifier, or several combined. Raises ClassifierError, one line, if the folder holds no usable model."""
    folder = Path(folder)
    if (folder / COMBINATION_FILE).exists():
        return load_combination(folder)
    model, text = load_fasttext(folder, CONFIG_FILE, {"features": TOKENS_VERSION})
    config: QualityConfigFile = json.loads(text)
    calibration = PlattScaling(**config["calibration"])
    return FastTextQualityModel(model, calibration, config["max_characters"], config["model_sha256"][:16], folder)


def load_combination(folder: Path) -> CombinedQualityModel:
    """Load combined classifiers. Raises ClassifierError, one line."""
    path = folder / COMBINATION_FILE
    try:
        combination = json.loads(path.read_text())
    except ValueError as error:
        raise ClassifierError(f"{path}: not JSON ({error})") from error
    return CombinedQualityModel(
        [load_quality_model(folder / name) for name in combination["members"]], combination["by"]
    )


def write_combination(folders: Sequence[Path], target: Path, by: Combination) -> str:
    """Copy classifiers into one folder, which works like a single classifier everywhere. Returns a summary of one line.

    Raises ClassifierError if a folder holds no classifier, or several that are combined already.
    """
    with replace_folder_atomically(target, COMBINATION_FILE) as partial:
        for number, folder in enumerate(folders):
            if isinstance(load_quality_model(folder), CombinedQualityModel):
                raise ClassifierError(f"{folder}: is combined already; name its members")
            shutil.copytree(folder, partial / f"{number:02d}")
        combination = {"by": by, "members": [f"{number:02d}" for number in range(len(folders))]}
        (partial / COMBINATION_FILE).write_text(json.dumps(combination, indent=1) + "\n")
    return f"{len(folders)} classifiers by {by} in {target}"
