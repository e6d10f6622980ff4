"""What does a training run cost? FLOPs, tokens, GPU hours, dollars, electricity and CO2.

The compute is 6 N D for N parameters and D tokens (Kaplan et al. 2020), and 12 L C T D for attention if depth L, width
C and context T are known (Chowdhery et al. 2022, appendix B). By Chinchilla's rule (Hoffmann et al. 2022) the loss for
a given compute is lowest at about 20 tokens a parameter. A model that serves many requests is cheaper when it is
smaller and sees more tokens: then training and inference (2 N FLOPs a token) count together.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from model.baselines import build_model
from model.config import TrainerError, find_network_shape
from model.config_reader import load_trainer_config
from model.hardware import PEAK_TFLOPS

TOKENS_PER_PARAMETER = 20.0  # Hoffmann et al. 2022, table 3


@dataclass(frozen=True)
class Card:
    """A graphics card: dense bf16 peak in TFLOP/s, board power in watts, and a usual price in dollars an hour."""

    tflops: float
    watts: float
    dollars_per_hour: float


# Peaks as in hardware.py; board powers from NVIDIA's data sheets; prices are those of long reservations, to be replaced
# by your own with --dollars-per-hour.
CARDS = {
    "H100": Card(PEAK_TFLOPS[r"H200|GH200.*|H100 80GB HBM3"], 700, 2.0),
    "H200": Card(PEAK_TFLOPS[r"H200|GH200.*|H100 80GB HBM3"], 700, 2.5),
    "B200": Card(PEAK_TFLOPS["B200"], 1000, 4.0),
    "A100": Card(PEAK_TFLOPS[r"A100.*|A800.*"], 400, 1.2),
    "L4": Card(PEAK_TFLOPS["L4"], 72, 0.5),
    "RTX 4090": Card(PEAK_TFLOPS["GeForce RTX 4090"], 450, 0.4),
}


@dataclass(frozen=True)
class Shape:
    """What attention's FLOPs depend on."""

    depth: int
    width: int
    context: int


@dataclass(frozen=True)
class CostOptions:
    """The machine and its surroundings."""

    card: str = "H100"
    cards: int = 8
    mfu: float = 0.4  # model FLOPs utilisation
    dollars_per_hour: float | None = None  # of one card; None: the card's usual price
    power_usage_effectiveness: float = 1.1  # the data centre's power over that of its computers
    co2_kg_per_kwh: float = 0.4  # of the electricity; about the world's mean


@dataclass(frozen=True)
class TrainingCost:
    """The cost of one training run."""

    parameters: float
    tokens: float
    flops: float
    gpu_hours: float
    days: float
    dollars: float
    kwh: float
    co2_tons: float


@dataclass(frozen=True)
class RunSize:
    """The size of a run that a config describes; `tokens` is None for a run by the clock."""

    parameters: float
    tokens: float | None
    shape: Shape


def read_run_size(path: Path, vocabulary: int) -> RunSize:
    """Return the size of the run that a config describes, with a tokenizer of `vocabulary` tokens.

    Embeddings that are only looked up are not counted as parameters, because they cost no FLOPs. Raises TrainerError.
    """
    config = load_trainer_config(path)
    with torch.device("meta"):
        model = build_model(config.model, vocabulary)
    shape, context = find_network_shape(config.model), config.model.context
    width = shape.heads * shape.head_width  # of attention
    attention = 12 * config.model.depth * width * context if config.model.block == "transformer" else 0
    parameters = (model.count_flops_per_token() - attention) / 6
    step = config.batch_size * config.gradient_accumulation * context
    return RunSize(parameters, config.steps and config.steps * step, Shape(config.model.depth, width, context))


def count_training_flops(parameters: float, tokens: float, shape: Shape | None = None) -> float:
    """Return the FLOPs of training: 6 N D, and with a shape the products of attention, 12 L C T D."""
    attention = 12 * shape.depth * shape.width * shape.context if shape is not None else 0
    return (6 * parameters + attention) * tokens


def estimate_cost(
    options: CostOptions,
    parameters: float | None = None,
    tokens: float | None = None,
    flops: float | None = None,
    shape: Shape | None = None,
) -> TrainingCost:
    """Return the cost of a run. Two of parameters, tokens and FLOPs fix the third; one alone, by Chinchilla's rule.

    Raises TrainerError for numbers that fit no run.
    """
    if options.card not in CARDS:
        raise TrainerError(f"--card: {options.card!r} is unknown; there are {', '.join(CARDS)}")
    if not 0 < options.mfu <= 1 or options.cards < 1:
        raise TrainerError("--mfu, --cards: the MFU is above 0 and at most 1; there is at least one card")
    parameters, tokens = complete_sizes(parameters, tokens, flops)
    total = flops if flops is not None else count_training_flops(parameters, tokens, shape)
    card = CARDS[options.card]
    hours = total / (card.tflops * 1e12 * options.mfu) / 3600
    kwh = hours * card.watts / 1000 * options.power_usage_effectiveness
    price = card.dollars_per_hour if options.dollars_per_hour is None else options.dollars_per_hour
    return TrainingCost(
        parameters=parameters,
        tokens=tokens,
        flops=total,
        gpu_hours=hours,
        days=hours / options.cards / 24,
        dollars=hours * price,
        kwh=kwh,
        co2_tons=kwh * options.co2_kg_per_kwh / 1000,
    )


def complete_sizes(parameters: float | None, tokens: float | None, flops: float | None) -> tuple[float, float]:
    """Return (parameters, tokens) from those given. Raises TrainerError for none, or one that is not above 0."""
    if any(number is not None and not number > 0 for number in (parameters, tokens, flops)):
        raise TrainerError("--parameters, --tokens, --flops: give numbers above 0, for example 124e6")
    if parameters is not None and tokens is not None:
        return parameters, tokens
    if parameters is not None:
        return parameters, flops / (6 * parameters) if flops is not None else TOKENS_PER_PARAMETER * parameters
    if tokens is not None:
        return flops / (6 * tokens) if flops is not None else tokens / TOKENS_PER_PARAMETER, tokens
    if flops is None:
        raise TrainerError("cost: give --parameters, --tokens, --flops, or a config")
    return size_for_training(flops)


def size_for_training(flops: float) -> tuple[float, float]:
    """Return (parameters, tokens) with the lowest loss for a compute: 6 N D = FLOPs at 20 tokens a parameter."""
    parameters = (flops / (6 * TOKENS_PER_PARAMETER)) ** 0.5
    return parameters, TOKENS_PER_PARAMETER * parameters


def predict_loss(parameters: float, tokens: float) -> float:
    """Return Chinchilla's loss in nats a token, E + A / N^.34 + B / D^.28 (Hoffmann et al. 2022, equation 10)."""
    return float(1.69 + 406.4 / parameters**0.34 + 410.7 / tokens**0.28)


def size_for_inference(flops: float, served_tokens: float) -> tuple[float, float]:
    """Return (parameters, tokens) of the cheapest model, training and `served_tokens` of inference together.

    It has the predicted loss of the model that is best for training with `flops` (Sardana et al. 2024, "Beyond
    Chinchilla-Optimal"). The size is searched in steps of 1 %.
    """
    best_parameters, best_tokens = size_for_training(flops)
    goal = predict_loss(best_parameters, best_tokens)

    def cost_of(size: tuple[float, float]) -> float:
        return 6 * size[0] * size[1] + 2 * size[0] * served_tokens

    candidates = [(best_parameters, best_tokens)]
    for step in range(1, 300):
        parameters = best_parameters * 0.99**step
        rest = goal - 1.69 - 406.4 / parameters**0.34
        if rest <= 0:
            break
        candidates.append((parameters, (410.7 / rest) ** (1 / 0.28)))
    return min(candidates, key=cost_of)


def format_cost(cost: TrainingCost, options: CostOptions, served_tokens: float | None = None) -> str:
    """Return the cost as lines of text, with the sizes that are best for the same compute."""
    parameters, tokens = size_for_training(cost.flops)
    lines = [
        f"parameters         {cost.parameters:.4g}",
        f"tokens             {cost.tokens:.4g} ({cost.tokens / cost.parameters:.1f} a parameter)",
        f"FLOPs              {cost.flops:.3g}",
        f"GPU hours          {cost.gpu_hours:,.1f} on {options.card} at {100 * options.mfu:.0f} % MFU",
        f"time               {cost.days:,.2f} days on {options.cards:,} cards",
        f"dollars            {cost.dollars:,.0f}",
        f"electricity        {cost.kwh:,.0f} kWh",
        f"CO2                {cost.co2_tons:,.2f} t",
        f"best for training  {parameters:.3g} parameters, {tokens:.3g} tokens with the same FLOPs (20 a parameter)",
    ]
    if served_tokens is not None:
        small, more = size_for_inference(cost.flops, served_tokens)
        lines.append(f"best for serving   {small:.3g} parameters, {more:.3g} tokens: the same loss")
    return "\n".join(lines)
