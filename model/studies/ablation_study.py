"""What an ablation compares: its keys, the arms that check it, and the scores of an arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from model.config import FORBID_EXTRA_KEYS, JsonObject, TrainerError

NULL_ARMS = ("null-a", "null-b")
BAD_ARM, HALF_ARM = "shuffled", "half"
OWN_ARMS = (*NULL_ARMS, BAD_ARM, HALF_ARM)
SEEDS, CHEAP_SEEDS = range(3), range(8)


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class AblationStudy:
    """The study's keys."""

    output: str
    arms: dict[str, str]  # name -> data; the others are compared with the first
    texts: list[str]  # UTF-8 files that are not part of any arm
    tokenizer: str | None = None  # one for all arms; null: the first arm's
    seeds: Annotated[list[int], Field(min_length=1)] | None = None  # null: 0 to 2, and 0 to 7 with --cheap
    remove_overlaps: bool = True  # documents that share 13 words in a row with a text are left out of all arms
    null_arms: bool = True  # two halves of the first arm: the study fails where they differ
    bad_arm: bool = True  # the first arm with shuffled words: the study fails where it is not worse
    compute_multiplier: bool = True  # the first arm with half of the steps, to tell what a difference is worth
    cheap_bytes: Annotated[int, Field(ge=1000)] = 2_000_000  # with --cheap: bytes that a model learns from, at most
    train: JsonObject = field(default_factory=dict)  # the trainer's keys except data, output, seed and tokenizer


@plain_dataclass(frozen=True)
class ArmResult:
    """The scores of one arm, in bits per byte."""

    bits_per_byte: float  # mean over the seeds
    deviation: float | None  # standard deviation over the seeds; None for one seed
    seeds: dict[str, float]
    files: dict[str, float]  # mean over the seeds, text by text
    tokens: int  # trained on, a seed; with --cheap, bytes
    epochs: float  # passes over the arm's tokens
    overlapping: int = 0  # documents left out because they overlap with a text

    def scores(self) -> list[float]:
        """Return the scores in the order of the seeds."""
        return list(self.seeds.values())


def summarize_seeds(
    totals: Mapping[int, float], files: Sequence[Mapping[str, float]], tokens: int, epochs: float, overlapping: int
) -> ArmResult:
    """Return the result of an arm with these bits per byte: of all texts by seed, and of each text for every seed."""
    scores = list(totals.values())
    return ArmResult(
        bits_per_byte=fmean(scores),
        deviation=stdev(scores) if len(scores) > 1 else None,
        seeds={str(seed): score for seed, score in totals.items()},
        files={path: fmean(one[path] for one in files) for path in files[0]},
        tokens=tokens,
        epochs=epochs,
        overlapping=overlapping,
    )


def check_study(study: AblationStudy, cheap: bool) -> None:
    """Raise TrainerError for a study that compares nothing or has names that are the study's own."""
    if len(study.arms) < 2:
        raise TrainerError("arms: an ablation needs at least two arms")
    if "steps" not in study.train and not cheap:
        raise TrainerError("train.steps: an ablation needs equal steps for all arms")
    reject_study_keys(study.train, ("data", "output", "seed", "tokenizer"))
    for name in OWN_ARMS:
        if name in study.arms:
            raise TrainerError(f"arms: {name}: the study has an arm of this name; choose another")
    if not study.texts or not all(Path(text).is_file() for text in study.texts):
        raise TrainerError(f"texts: give files that exist, not {study.texts}")


def reject_study_keys(train: JsonObject, own: tuple[str, ...]) -> None:
    """Raise TrainerError if the trainer's keys contain one that the study sets itself."""
    for key in own:
        if key in train:
            raise TrainerError(f"train.{key}: the study sets it; leave it out")
