"""Was a model trained on an evaluation set? Its items' published order is one of many that are equally natural: only a
model that has seen the set finds that order likelier than others.

The sharded test of Oren, Meister, Chatterji, Ladhak & Hashimoto 2023 ("Proving Test Set Contamination in Black Box
Language Models", arXiv:2310.17623): the set is cut into runs of items; a run's log-likelihood in the published order,
less its mean over random orders, is 0 on average for a model that knows no order, which a one-sided t-test refuses or
not.
A set whose order means something (sorted by subject, say) is likelier in it for any model: shuffled sets can be tested,
sorted ones cannot.
"""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model import run as runs
from model import tokenizer as tokenizers_file
from model.config import TrainerError
from model.evaluate import autocast
from model.gpt import GPT, IGNORE

SHARDS, PERMUTATIONS = 50, 25  # the paper's test is of 50 shards with 51 permutations each; half of these say as much
FEWEST = 20  # items
BETWEEN = "\n\n"  # items


def order_test(
    run: runs.Run,
    items: list[str],
    shards: int = SHARDS,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    name: str = "the set",
) -> dict[str, Any]:
    """Return {"items", "shards", "permutations", "difference", "ahead", "p_value"} of items in their published order.

    `difference` is in nats a token, `ahead` the share of shards that are likelier in the published order than in the
    mean of the others. The same seed gives the same numbers. Raises TrainerError for too few items.
    """
    from scipy.stats import ttest_1samp

    if shards < 2 or permutations < 2:
        raise TrainerError(f"{shards} shards, {permutations} permutations: give 2 or more of each")
    shards = min(shards, len(items) // 5)
    if len(items) < FEWEST or shards < 2:
        raise TrainerError(f"{name}: {len(items)} items; the order test needs {FEWEST}, of shards of 5 and more")
    separator = tokenizers_file.separator_id(run.tokenizer)
    encoded = [tokenizers_file.encode(run.tokenizer, text + BETWEEN, name) for text in items]
    start = [] if separator is None else [separator]
    draw, gains, tokens = random.Random(seed), [], 0
    for shard in range(shards):
        mine = encoded[shard * len(items) // shards : (shard + 1) * len(items) // shards]
        orders = [list(range(len(mine))), *(draw.sample(range(len(mine)), len(mine)) for _ in range(permutations))]
        nats = [
            sequence_nats(run.model, start + [token for n in order for token in mine[n]], run.config.batch_size)
            for order in orders
        ]
        gains.append(float(np.mean(nats[1:])) - nats[0])
        tokens += sum(map(len, mine))
    return {
        "items": len(items),
        "shards": shards,
        "permutations": permutations,
        "difference": math.fsum(gains) / tokens,
        "ahead": sum(gain > 0 for gain in gains) / shards,
        "p_value": float(ttest_1samp(gains, 0.0, alternative="greater").pvalue) if len(set(gains)) > 1 else 1.0,
    }


@torch.no_grad()
def sequence_nats(model: GPT, ids: list[int], batch_size: int) -> float:
    """Return the negative log-likelihood of tokens 1, 2, ... of one sequence, in nats.

    Windows of the context overlap by half, and each token counts once: it is given half a context or more, where the
    sequence has so much before it.
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
        with autocast(device):
            total += model(x, y, reduction="sum").item()
    return total


def order_tests(
    run: runs.Run, paths: list[Path], shards: int = SHARDS, permutations: int = PERMUTATIONS, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Return the order test of each evaluation set: JSONL, CSV, text and archives, read as decontamination reads them.

    Raises TrainerError, OSError, and EvaluationSetError for a set that cannot be read.
    """
    from pipeline.io.evaluation_sets import EvaluationSetError, read_sets

    found: dict[str, list[str]] = {}
    try:
        for item in read_sets(tuple(str(path) for path in paths)):
            found.setdefault(item.set, []).append(" ".join(item.texts))
    except EvaluationSetError as error:
        raise TrainerError(str(error).replace("decontaminate.sets", "--sets")) from error
    if not found:
        raise TrainerError(f"--sets: no item in {', '.join(map(str, paths))}")
    return {name: order_test(run, items, shards, permutations, seed, name) for name, items in found.items()}


def table_lines(results: dict[str, dict[str, Any]]) -> list[str]:
    """Return the results as lines of plain text."""
    lines = [f"{'set':28} {'items':>7} {'shards':>6} {'nats/token':>11} {'ahead':>6} {'p-value':>9}"]
    for name, r in results.items():
        numbers = f"{r['items']:7,} {r['shards']:6} {r['difference']:11.5f} {r['ahead']:6.2f} {r['p_value']:9.2g}"
        lines.append(f"{name:28} {numbers}")
    return lines
