"""The quality score: named members, each calibrated, and the ensemble of them. It ships with the package as text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from classifiers.ensemble.fluency import FLUENCY_CELLS, FluencyTable, score_fluency
from classifiers.ensemble.structure import STRUCTURE_NAMES, measure_structure
from classifiers.ensemble.wording import WORDING_WEIGHTS, score_wording
from classifiers.errors import ClassifierError
from classifiers.quality.model import QualityModel
from pipeline.html.main_content.boosted_trees import LEAF_UNIT, BoostedForest, parse_forests, write_forest
from pipeline.html.main_content.vocabulary import read_weights, write_weights

ENSEMBLE_MODEL = Path(__file__).parent / "data" / "quality.txt"
MEMBERS = ("reference", "structure", "wording", "fluency")
SHARE_DECIMALS = 4  # of a score
LEAST_SHARE = 1e-4  # of a member's probability, and of 1 less that, so that no member decides alone


class MemberScale(NamedTuple):
    """The calibration of a member (Platt scaling), and the weight of its calibrated log odds in the ensemble."""

    slope: float
    intercept: float
    weight: float


class PageScores(NamedTuple):
    """The scores of a page, 0 to 1: the ensemble's and each member's. None for a member that does not speak."""

    quality: float
    reference: float | None
    structure: float | None
    wording: float | None
    fluency: float | None


def to_share(odds: np.ndarray) -> np.ndarray:
    """Return the probability of log odds, rounded to SHARE_DECIMALS."""
    found: np.ndarray = np.round(1 / (1 + np.exp(-np.clip(odds, -50, 50))), SHARE_DECIMALS)
    return found


def to_odds(share: np.ndarray) -> np.ndarray:
    """Return the log odds of a probability, which is taken to be at least LEAST_SHARE from 0 and 1."""
    inside = np.clip(share, LEAST_SHARE, 1 - LEAST_SHARE)
    found: np.ndarray = np.log(inside / (1 - inside))
    return found


@dataclass(frozen=True)
class EnsembleModel:
    """The members that ship, and the scales of all."""

    forest: BoostedForest
    words: np.ndarray  # [WORDING_WEIGHTS]
    languages: frozenset[str]  # in which the wording speaks
    fluency: Mapping[str, FluencyTable]  # by language
    scales: Mapping[str, MemberScale]  # of MEMBERS

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows of the measures that the forest asks for."""
        place = {name: number for number, name in enumerate(STRUCTURE_NAMES)}
        return np.array([place[name] for name in self.forest.features])

    def measure_members(self, texts: Sequence[str], languages: Sequence[str | None]) -> dict[str, np.ndarray]:
        """Return what each member that ships says of texts, before calibration; NaN where it does not speak."""
        structure = self.forest.add_leaves(measure_structure(texts)[self.rows]) * LEAF_UNIT
        return {
            "structure": structure,
            "wording": np.where(
                [language in self.languages for language in languages], score_wording(texts, self.words), np.nan
            ),
            "fluency": score_fluency(texts, languages, self.fluency),
        }

    def score_pages(
        self, texts: Sequence[str], languages: Sequence[str | None], reference: QualityModel | None = None
    ) -> list[PageScores]:
        """Return the scores of texts. `reference` is the member that the user trained.

        A text without a letter or digit has 0 of every member.
        """
        if not texts:
            return []
        measured = self.measure_members(texts, languages)
        calibrated = {
            name: to_share(self.scales[name].slope * values + self.scales[name].intercept)
            for name, values in measured.items()
        }
        if reference:
            calibrated["reference"] = np.array(reference.score_texts(texts))
        odds = np.zeros(len(texts))
        for name in MEMBERS:
            if name in calibrated:
                odds += self.scales[name].weight * np.nan_to_num(to_odds(calibrated[name]))
        spoken = [any(map(str.isalnum, text)) for text in texts]
        quality = np.where(spoken, to_share(odds), 0.0).astype(np.float32).tolist()
        members = [read_shares(calibrated.get(name), spoken) for name in MEMBERS]
        return [PageScores(*scores) for scores in zip(quality, *members, strict=True)]


def read_shares(values: np.ndarray | None, spoken: Sequence[bool]) -> list[float | None]:
    """Return a member's scores as float32 numbers; None where it does not speak, 0 for a text that says nothing."""
    if values is None:
        return [None] * len(spoken)
    shares: list[float] = np.where(spoken, values, 0.0).astype(np.float32).tolist()
    silent = np.isnan(values).tolist()
    return [None if missing else share for share, missing in zip(shares, silent, strict=True)]


@cache
def load_ensemble_model(path: Path = ENSEMBLE_MODEL) -> EnsembleModel:
    """Return the model of a file. Raises ClassifierError, one line."""
    with open(path, encoding="utf-8") as lines:
        try:
            return parse_ensemble_model(lines)
        except (KeyError, ValueError) as error:
            raise ClassifierError(f"{path}: {error}") from error


def parse_ensemble_model(lines: Iterable[str]) -> EnsembleModel:
    """Read a model: the scales of the members, the weights of words with the languages in which these were learned,
    the tables of languages, the forest.

    Raises KeyError or ValueError for another file.
    """
    scales: dict[str, MemberScale] = {}
    words: dict[str, np.ndarray] = {}
    spoken: frozenset[str] = frozenset()
    fluency: dict[str, FluencyTable] = {}
    others = []
    for line in lines:
        key, _, rest = line.strip().partition(" ")
        if key == "member":
            name, *numbers = rest.split()
            scales[name] = MemberScale(*map(float, numbers))
        elif key == "words":
            *names, weights = rest.split()
            words[key], spoken = read_weights(weights, WORDING_WEIGHTS), frozenset(names)
        elif key == "fluency":
            language, mean, spread, steps = rest.split()
            fluency[language] = FluencyTable(read_weights(steps, FLUENCY_CELLS), float(mean), float(spread))
        else:
            others.append(line)
    if missing := set(MEMBERS) - set(scales):
        raise ValueError(f"no scale of {', '.join(sorted(missing))}")
    return EnsembleModel(parse_forests(others)["structure"], words["words"], spoken, fluency, scales)


def write_ensemble_model(model: EnsembleModel, path: Path, about: str) -> None:
    """Write a model as text, after comment lines with `about`."""
    lines = [f"# {line}" for line in about.splitlines()]
    lines += [f"member {name} " + " ".join(map(str, model.scales[name])) for name in MEMBERS]
    lines.append(f"words {' '.join(sorted(model.languages))} {write_weights(model.words)}")
    for language, table in sorted(model.fluency.items()):
        lines.append(f"fluency {language} {table.mean} {table.spread} {write_weights(table.steps)}")
    path.write_text("\n".join([*lines, *write_forest("structure", model.forest)]) + "\n")
