"""Was a model trained on an evaluation set? Tests whether the set is more likely in its published order than shuffled.

This is the sharded test of Oren, Meister, Chatterji, Ladhak & Hashimoto 2023 ("Proving Test Set Contamination in Black
Box Language Models", arXiv:2310.17623). The set is cut into shards of items. For each shard, the log-likelihood in the
published order is compared with its mean over random orders. Their difference is 0 on average for a model that does not
know the order; a one-sided t-test over the shards gives the p-value.

The order of the set must mean nothing. A set sorted by subject is more likely in its order for any model.
"""

import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from model.config import TrainerError
from model.evaluation.question_sets import join_texts, read_set
from model.gpt import GPT, IGNORE
from model.hardware import autocast_bf16
from model.run_folder import TrainedRun
from model.tokenizer import encode_text, find_separator_id

SHARDS, PERMUTATIONS = 50, 25  # the paper uses 50 shards and 51 permutations
SHARD_ITEMS = 5  # items in a shard, at least
MINIMUM_ITEMS = 20
ITEM_SEPARATOR = "\n\n"


@dataclass(frozen=True)
class ContaminationResult:
    """The result of the test for one set."""

    items: int
    shards: int
    permutations: int
    difference: float  # nats a token by which the published order is more likely than the mean of the others
    ahead: float  # fraction of the shards that are more likely in the published order
    p_value: float


@dataclass(frozen=True)
class ContaminationOptions:
    """The size of the test. The same seed gives the same numbers."""

    shards: int = SHARDS
    permutations: int = PERMUTATIONS
    seed: int = 0


def run_contamination_test(
    run: TrainedRun, items: list[str], options: ContaminationOptions, name: str = "the set"
) -> ContaminationResult:
    """Test the items in their published order. Raises TrainerError for too few items."""
    from scipy.stats import ttest_1samp

    if options.shards < 2 or options.permutations < 2:
        raise TrainerError(f"{options.shards} shards, {options.permutations} permutations: give 2 or more of each")
    shards = min(options.shards, len(items) // SHARD_ITEMS)
    if len(items) < MINIMUM_ITEMS or shards < 2:
        raise TrainerError(f"{name}: {len(items)} items; the test needs at least {MINIMUM_ITEMS}")
    encoded = [encode_text(run.tokenizer, text + ITEM_SEPARATOR, name) for text in items]
    draw, gains, tokens = random.Random(options.seed), [], 0
    for shard in range(shards):
        own = encoded[shard * len(items) // shards : (shard + 1) * len(items) // shards]
        gains.append(measure_shard_gain(run, own, options.permutations, draw))
        tokens += sum(map(len, own))
    return ContaminationResult(
        items=len(items),
        shards=shards,
        permutations=options.permutations,
        difference=math.fsum(gains) / tokens,
        ahead=sum(gain > 0 for gain in gains) / shards,
        p_value=float(ttest_1samp(gains, 0.0, alternative="greater").pvalue) if len(set(gains)) > 1 else 1.0,
    )


def measure_shard_gain(run: TrainedRun, items: list[list[int]], permutations: int, draw: random.Random) -> float:
    """Return by how many nats a shard's items are more likely in their order than in the mean of random orders."""
    separator = find_separator_id(run.tokenizer)
    start = [] if separator is None else [separator]
    orders = [list(range(len(items))), *(draw.sample(range(len(items)), len(items)) for _ in range(permutations))]
    nll = [
        sequence_nll(run.model, start + [token for n in order for token in items[n]], run.config.batch_size)
        for order in orders
    ]
    return float(np.mean(nll[1:])) - nll[0]


@torch.no_grad()
def sequence_nll(model: GPT, ids: list[int], batch_size: int) -> float:
    """Return the negative log-likelihood of tokens 1, 2, ... of one sequence, in nats.

    Windows of the context overlap by half. Each token counts once, in the window where it has at least half a context
    before it, if the sequence has that many tokens before it.
    """
    context, device = model.config.context, next(model.parameters()).device
    stride = max(1, context // 2)
    rows = []
    for start in range(0, max(1, len(ids) - 1 - (context - stride)), stride):
        window = ids[start : start + context + 1]
        pad = context + 1 - len(window)
        targets = window[1:] + [IGNORE] * pad
        if start:
            targets[: context - stride] = [IGNORE] * (context - stride)
        rows.append((window[:-1] + [0] * pad, targets))
    total = 0.0
    for first in range(0, len(rows), batch_size):
        x, y = (torch.tensor(part, device=device) for part in zip(*rows[first : first + batch_size], strict=True))
        with autocast_bf16(device):
            total += model(x, y, reduction="sum").item()
    return total


def run_contamination_tests(
    run: TrainedRun, paths: list[Path], options: ContaminationOptions
) -> dict[str, ContaminationResult]:
    """Return the result for each evaluation set, by its name. Raises TrainerError and OSError."""
    results = {}
    for path in paths:
        items = [text for text in (join_texts(item.content) for item in read_set(path)) if text]
        results[path.name] = run_contamination_test(run, items, options, path.name)
    return results


def format_contamination_table(results: dict[str, ContaminationResult]) -> list[str]:
    """Return the results as lines of plain text."""
    lines = [f"{'set':28} {'items':>7} {'shards':>6} {'nats/token':>11} {'ahead':>6} {'p-value':>9}"]
    for name, r in results.items():
        lines.append(f"{name:28} {r.items:7,} {r.shards:6} {r.difference:11.5f} {r.ahead:6.2f} {r.p_value:9.2g}")
    return lines
