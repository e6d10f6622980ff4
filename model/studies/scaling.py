"""How does the loss fall with the compute? Models of several depths, each with tokens in proportion to its size.

output: out/scaling
data: out
depths: [2, 3, 4, 6, 8]
train: {batch_size: 16, model: {context: 256}}

The largest run is predicted from the others, which tests the law. With `budgets`, every depth is trained on each
number of FLOPs instead, and the best size for each budget is found. `variants` are compared: other data, or an LSTM.
"""

import json
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from model.baselines import build_model
from model.config import FORBID_EXTRA_KEYS, JsonObject, PositiveFloat, TrainerConfig, TrainerError
from model.config_reader import build_trainer_config, merge_keys
from model.data import open_training_data
from model.file_writing import replace_file
from model.run_folder import read_training_log
from model.studies.ablation_study import reject_study_keys
from model.studies.loss_law import (
    UNKNOWNS,
    ComputeOptimum,
    FittedLaw,
    TooFewPoints,
    find_optimum,
    fit_loss_law,
    fit_optimum_exponent,
)
from model.studies.scaling_report import ScalingCurve, ScalingPoint, format_curve, plot_curves
from model.train import train_gpt


@dataclass(frozen=True, config=FORBID_EXTRA_KEYS)
class ScalingStudy:
    """The study's keys."""

    output: str
    data: str
    depths: list[Annotated[int, Field(gt=0)]]
    tokens_per_parameter: PositiveFloat = 20.0  # Hoffmann et al. 2022
    budgets: list[PositiveFloat] = field(default_factory=list)  # FLOPs; each is spent on every depth
    variants: dict[str, JsonObject] = field(default_factory=dict)  # name -> keys laid over `train`, `data` included
    train: JsonObject = field(default_factory=dict)  # the trainer's keys except data, output, steps and model.depth


def run_scaling(study: ScalingStudy) -> str:
    """Train every depth; write results.json and results.png; return the tables with the fits.

    Complete runs are not repeated. Raises TrainerError for too few depths, before anything is trained.
    """
    if len(set(study.depths)) < UNKNOWNS:
        raise TrainerError(
            f"depths: the law (irreducible, factor, exponent) and a parabola need at least {UNKNOWNS} depths"
        )
    reject_study_keys(study.train, ("data", "output", "steps", "minutes"))
    for name, keys in study.variants.items():
        reject_study_keys(keys, ("output", "steps", "minutes"))
        if not name or "/" in name:
            raise TrainerError(f"variants: {name!r} cannot be the name of a folder")
    curves = {name: run_variant(study, name, keys) for name, keys in (study.variants or {"": {}}).items()}
    content = json.dumps({name: asdict(curve) for name, curve in curves.items()}, indent=1) + "\n"
    replace_file(Path(study.output) / "results.json", lambda file: file.write(content.encode()))
    plot_curves(curves, Path(study.output) / "results.png")
    return "\n\n".join(format_curve(name, curve) for name, curve in curves.items())


def run_variant(study: ScalingStudy, name: str, keys: JsonObject) -> ScalingCurve:
    """Train all models of a variant and fit them."""
    budgets: list[float | None] = [*sorted(set(study.budgets))] or [None]
    points = [
        train_depth(study, name, keys, depth, budget) for budget in budgets for depth in sorted(set(study.depths))
    ]
    if study.budgets:
        optima = [one for budget in sorted(set(study.budgets)) if (one := optimum_of(points, budget))]
        return ScalingCurve(points, None, None, optima, fit_optimum_exponent(optima))
    return ScalingCurve(points, fit_points(points), fit_points(points[:-1]), [], None)


def optimum_of(points: Sequence[ScalingPoint], budget: float) -> ComputeOptimum | None:
    """Return the best size for a budget."""
    runs = [(float(p.parameters), float(p.tokens), p.bits_per_byte) for p in points if p.budget == budget]
    return find_optimum(budget, runs)


def fit_points(points: Sequence[ScalingPoint]) -> FittedLaw | None:
    """Return the law of some points; None for too few."""
    try:
        return fit_loss_law([(point.flops, point.bits_per_byte) for point in points])
    except TooFewPoints:
        return None


def train_depth(study: ScalingStudy, name: str, keys: JsonObject, depth: int, budget: float | None) -> ScalingPoint:
    """Train the model of one depth."""
    config, parameters, flops = plan_depth(study, name, keys, depth, budget)
    train_gpt(config)
    last = read_training_log(Path(config.output))[-1]
    tokens = int(last["tokens"])
    loss, bits = last["validation_loss"], last["bits_per_byte"]
    return ScalingPoint(depth, parameters, flops * tokens, tokens, loss, bits, budget)


def plan_depth(
    study: ScalingStudy, name: str, keys: JsonObject, depth: int, budget: float | None
) -> tuple[TrainerConfig, int, float]:
    """Return a depth's config, its parameters, and the FLOPs of a token. Raises TrainerError for too small a budget."""
    folder = "-".join([*([name] if name else []), *([f"{budget:.2e}"] if budget else []), f"depth-{depth}"])
    own = {"data": study.data, **keys, "output": f"{study.output}/{folder}", "steps": 1}
    own = merge_keys(own, {"model": {"depth": depth}})
    config = build_trainer_config(merge_keys(study.train, own))
    with closing(open_training_data(config)) as data:
        model = build_model(config.model, data.tokenizer.get_vocab_size())
    parameters, flops = model.count_parameters(), model.count_flops_per_token()
    step = config.batch_size * config.gradient_accumulation * config.model.context
    tokens = budget / flops if budget else study.tokens_per_parameter * parameters
    if tokens < step:
        raise TrainerError(f"budgets: {budget:.2e} FLOPs are less than one step of depth {depth}")
    steps = round(tokens / step) if budget else math.ceil(tokens / step)
    return build_trainer_config(merge_keys(study.train, {**own, "steps": steps})), parameters, flops
