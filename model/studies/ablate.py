"""Which corpus trains the better model? The same small GPT on each, with equal tokens and several seeds.

output: out/ablation
arms: {raw: out-raw, filtered: out-filtered}
texts: [wikitext.txt, novel.txt]
train: {steps: 2000, model: {depth: 4}}
"""

import json
from contextlib import closing
from dataclasses import asdict, field
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from model.config import FORBID_EXTRA_KEYS, JsonObject, TrainerError
from model.config_reader import build_trainer_config
from model.data import open_corpus
from model.evaluation.text_loss import add_scores, score_files
from model.file_writing import replace_file
from model.run_folder import load_trained_run, read_training_log
from model.train import train_gpt

MAXIMUM_EPOCHS = 4.0  # tokens that are repeated more often are worth less (Muennighoff et al. 2023)


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class AblationStudy:
    """The study's keys."""

    output: str
    arms: dict[str, str]  # name -> data; the others are compared with the first
    texts: list[str]  # UTF-8 files that are not part of any arm
    tokenizer: str | None = None  # one for all arms; null: the first arm's
    seeds: Annotated[list[int], Field(min_length=1)] = field(default_factory=lambda: [0, 1, 2])
    train: JsonObject = field(default_factory=dict)  # the trainer's keys except data, output, seed and tokenizer


@plain_dataclass(frozen=True)
class ArmResult:
    """The scores of one arm, in bits per byte."""

    bits_per_byte: float  # mean over the seeds
    deviation: float | None  # standard deviation over the seeds; None for one seed
    seeds: dict[str, float]
    files: dict[str, float]  # mean over the seeds, text by text
    tokens: int  # trained on, a seed
    epochs: float  # passes over the arm's tokens


def run_ablation(study: AblationStudy) -> str:
    """Train and score every arm with every seed; write results.json and return the table.

    Runs that are complete are not repeated. Raises TrainerError for a study that compares nothing, and what training
    and evaluation raise.
    """
    if len(study.arms) < 2 or "steps" not in study.train:
        raise TrainerError("arms, train.steps: an ablation needs at least two arms, and equal steps for all")
    reject_study_keys(study.train, ("data", "output", "seed", "tokenizer"))
    if not study.texts or not all(Path(text).is_file() for text in study.texts):
        raise TrainerError(f"texts: give files that exist, not {study.texts}")
    results = {name: run_arm(study, name) for name in study.arms}
    arms = {name: asdict(result) for name, result in results.items()}
    content = json.dumps({"texts": study.texts, "arms": arms}, indent=1) + "\n"
    replace_file(Path(study.output) / "results.json", lambda file: file.write(content.encode()))
    return format_ablation_table(results)


def run_arm(study: AblationStudy, name: str) -> ArmResult:
    """Train and score one arm with every seed."""
    tokenizer = study.tokenizer or str(Path(next(iter(study.arms.values()))) / "tokenizer" / "tokenizer.json")
    totals, by_text, tokens = [], [], 0
    for seed in study.seeds:
        keys = {
            "data": study.arms[name],
            "output": f"{study.output}/{name}-{seed}",
            "seed": seed,
            "tokenizer": tokenizer,
        }
        config = build_trainer_config({**study.train, **keys})
        run = load_trained_run(train_gpt(config))
        scores = score_files(run, [Path(text) for text in study.texts])
        totals.append(add_scores(scores).bits_per_byte)
        by_text.append({path: score.bits_per_byte for path, score in scores.items()})
        tokens = int(read_training_log(Path(config.output))[-1]["tokens"])
    with closing(open_corpus(config)) as corpus:
        available = corpus.train.count_tokens()
    return ArmResult(
        bits_per_byte=fmean(totals),
        deviation=stdev(totals) if len(totals) > 1 else None,
        seeds=dict(zip(map(str, study.seeds), totals, strict=True)),
        files={path: fmean(one[path] for one in by_text) for path in by_text[0]},
        tokens=tokens,
        epochs=tokens / available,
    )


def reject_study_keys(train: JsonObject, own: tuple[str, ...]) -> None:
    """Raise TrainerError if the trainer's keys contain one that the study sets itself."""
    for key in own:
        if key in train:
            raise TrainerError(f"train.{key}: the study sets it; leave it out")


def format_ablation_table(results: dict[str, ArmResult]) -> str:
    """Return the arms as a Markdown table: each one's difference to the first, also in standard deviations."""
    lines = ["| arm | bits per byte | difference | in sigma | epochs |", "|---|---|---|---|---|"]
    base = next(iter(results.values()))
    for name, arm in results.items():
        spread = "" if arm.deviation is None else f" ± {arm.deviation:.4f}"
        difference, sigmas = arm.bits_per_byte - base.bits_per_byte, ""
        if arm is not base and arm.deviation is not None and base.deviation is not None:
            pooled = ((arm.deviation**2 + base.deviation**2) / 2) ** 0.5
            sigmas = f"{difference / pooled:+.1f}" if pooled else ""
        shown = "" if arm is base else f"{difference:+.4f}"
        warning = " (too many to compare)" if arm.epochs > MAXIMUM_EPOCHS else ""
        lines.append(f"| {name} | {arm.bits_per_byte:.4f}{spread} | {shown} | {sigmas} | {arm.epochs:.2f}{warning} |")
    return "\n".join(lines)
