"""How does the loss fall with the compute? Models of several depths, each with tokens in proportion to its size.

output: out/scaling
data: out
depths: [2, 3, 4, 6]
train: {batch_size: 16, model: {context: 256}}
"""

import json
import math
from contextlib import closing
from dataclasses import asdict, field
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from model.baselines import build_model
from model.config import FORBID_EXTRA_KEYS, JsonObject, PositiveFloat, TrainerConfig, TrainerError
from model.config_reader import build_trainer_config, merge_keys
from model.data import open_training_data
from model.file_writing import replace_file
from model.run_folder import read_training_log
from model.studies.ablate import reject_study_keys
from model.train import train_gpt


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class ScalingStudy:
    """The study's keys."""

    output: str
    data: str
    depths: list[Annotated[int, Field(gt=0)]]
    tokens_per_parameter: PositiveFloat = 20.0  # Hoffmann et al. 2022
    train: JsonObject = field(default_factory=dict)  # the trainer's keys except data, output, steps and model.depth


@plain_dataclass(frozen=True)
class ScalingPoint:
    """One trained model."""

    depth: int
    parameters: int
    flops: float  # of the whole run
    tokens: int
    validation_loss: float
    bits_per_byte: float


@plain_dataclass(frozen=True)
class PowerLaw:
    """y = factor * x ^ exponent."""

    factor: float
    exponent: float
    largest_relative_error: float  # of a point that the law was fitted to

    def predict(self, x: float) -> float:
        """Return y at x."""
        return float(self.factor * x**self.exponent)


def run_scaling(study: ScalingStudy) -> str:
    """Train every depth; write results.json and return the table with the fit. Complete runs are not repeated."""
    if len(set(study.depths)) < 2:
        raise TrainerError("depths: a power law needs at least two")
    reject_study_keys(study.train, ("data", "output", "steps", "minutes"))
    points = [train_depth(study, depth) for depth in sorted(set(study.depths))]
    law = fit_power_law([(point.flops, point.bits_per_byte) for point in points])
    content = json.dumps({"points": [asdict(point) for point in points], "fit": asdict(law)}, indent=1) + "\n"
    replace_file(Path(study.output) / "results.json", lambda file: file.write(content.encode()))
    return format_scaling_table(points, law)


def train_depth(study: ScalingStudy, depth: int) -> ScalingPoint:
    """Train the model of one depth."""
    config, parameters, flops = plan_depth(study, depth)
    train_gpt(config)
    last = read_training_log(Path(config.output))[-1]
    tokens = int(last["tokens"])
    return ScalingPoint(depth, parameters, flops * tokens, tokens, last["validation_loss"], last["bits_per_byte"])


def plan_depth(study: ScalingStudy, depth: int) -> tuple[TrainerConfig, int, float]:
    """Return a depth's config, its parameters, and the FLOPs of a token."""
    keys = {"data": study.data, "output": f"{study.output}/depth-{depth}", "steps": 1, "model": {"depth": depth}}
    config = build_trainer_config(merge_keys(study.train, keys))
    with closing(open_training_data(config)) as data:
        model = build_model(config.model, data.tokenizer.get_vocab_size())
    parameters = model.count_parameters()
    step = config.batch_size * config.gradient_accumulation * config.model.context
    keys["steps"] = math.ceil(study.tokens_per_parameter * parameters / step)
    return build_trainer_config(merge_keys(study.train, keys)), parameters, model.count_flops_per_token()


def fit_power_law(points: list[tuple[float, float]]) -> PowerLaw:
    """Return the law that fits (x, y) best, by least squares of the logarithms.

    It has no term for the loss that no model can avoid, so it holds only over the range that was measured.
    """
    x, y = np.log(np.array(points)).T
    exponent, constant = np.polyfit(x, y, 1)
    error = np.abs(np.exp(constant + exponent * x - y) - 1).max()
    return PowerLaw(float(np.exp(constant)), float(exponent), float(error))


def format_scaling_table(points: list[ScalingPoint], law: PowerLaw) -> str:
    """Return the points as a Markdown table, and the law."""
    lines = ["| depth | parameters | tokens | FLOPs | bits per byte | by the law |", "|---|---|---|---|---|---|"]
    for p in points:
        lines.append(
            f"| {p.depth} | {p.parameters:,} | {p.tokens:,} | {p.flops:.2e} | {p.bits_per_byte:.4f} "
            f"| {law.predict(p.flops):.4f} |"
        )
    error = 100 * law.largest_relative_error
    lines.append(f"bits per byte = {law.factor:.4g} * FLOPs ^ {law.exponent:.4f}; largest error {error:.1f} %")
    return "\n".join(lines)
