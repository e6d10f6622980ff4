"""How far does a corpus carry? A model a depth, each on tokens in proportion to its size, and a power law through them.

output: out/scaling
data: out
depths: [2, 3, 4, 6]
train: {batch_size: 16, model: {context: 256}}
"""

import json
import math
from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from model import config as configs
from model import run as runs
from model.ablate import refuse_own
from model.config import STRICT, Config, PositiveFloat, TrainerError
from model.flops import flops_per_token
from model.mix import open_data
from model.tokens import write_atomically
from model.train import train


@dataclass(frozen=True, config=STRICT)
class Scaling:
    """The study's keys."""

    output: str
    data: str
    depths: list[Annotated[int, Field(gt=0)]]
    tokens_per_parameter: PositiveFloat = 20.0  # Hoffmann et al. 2022
    train: dict[str, Any] = field(default_factory=dict)  # the trainer's keys but data, output, steps and model.depth


def scale(study: Scaling) -> str:
    """Train every depth; write results.json and return the table with the fit. What is done is not redone."""
    if len(set(study.depths)) < 2:
        raise TrainerError("depths: a power law needs at least two")
    refuse_own(study.train, ("data", "output", "steps", "minutes"))
    points: list[dict[str, Any]] = []
    for depth in sorted(set(study.depths)):
        config, parameters, flops = planned(study, depth)
        train(config)
        last = runs.read_log(Path(config.output))[-1]
        shown = {key: last[key] for key in ("tokens", "validation_loss", "bits_per_byte")}
        points.append({"depth": depth, "parameters": parameters, "flops": flops * last["tokens"], **shown})
    factor, exponent, error = fit([(point["flops"], point["bits_per_byte"]) for point in points])
    law = {"factor": factor, "exponent": exponent, "largest_relative_error": error}
    content = json.dumps({"points": points, "fit": law}, indent=1) + "\n"
    write_atomically(Path(study.output) / "results.json", lambda file: file.write(content.encode()))
    lines = ["| depth | parameters | tokens | FLOPs | bits per byte | the law says |", "|---|---|---|---|---|---|"]
    for point in points:
        lines.append(
            f"| {point['depth']} | {point['parameters']:,} | {point['tokens']:,} | {point['flops']:.2e} "
            f"| {point['bits_per_byte']:.4f} | {factor * point['flops'] ** exponent:.4f} |"
        )
    lines.append(f"bits per byte = {factor:.4g} * FLOPs ^ {exponent:.4f}, within {100 * error:.1f} % of every point")
    return "\n".join(lines)


def planned(study: Scaling, depth: int) -> tuple[Config, int, float]:
    """Return a depth's config, its parameters, and the FLOPs of a token."""
    from model.gpt import GPT

    own = {"data": study.data, "output": f"{study.output}/depth-{depth}", "steps": 1, "model": {"depth": depth}}
    config = configs.build(configs.merge(study.train, own))
    with closing(open_data(config)) as data:
        model = GPT(config.model, data.tokenizer.get_vocab_size())
    parameters = model.parameter_count()
    step = config.batch_size * config.accumulation * config.model.context
    steps = math.ceil(study.tokens_per_parameter * parameters / step)
    return configs.build(configs.merge(study.train, own | {"steps": steps})), parameters, flops_per_token(model)


def fit(points: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Return (a, b, e) of y = a x^b by least squares of the logarithms, and the largest relative error of a point.

    A straight line in logarithms leaves out what no model can learn; it holds over the range that was measured.
    """
    x, y = np.log(np.array(points)).T
    exponent, constant = np.polyfit(x, y, 1)
    error = np.abs(np.exp(constant + exponent * x - y) - 1).max()
    return float(np.exp(constant)), float(exponent), float(error)
