"""The loss curve as a picture."""

import os
from pathlib import Path
from typing import Any

from model.tokens import write_atomically

SMOOTHING = 0.95  # of the running mean drawn over the steps' losses


def plot_losses(lines: list[dict[str, Any]], path: Path) -> None:
    """Draw the log's training and validation losses (nats a token) over the tokens seen, as a PNG or an SVG.

    The suffix of `path` says which; the same log gives the same bytes.
    """
    os.environ.setdefault("MPLBACKEND", "Agg")
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # half a second to import, and only this needs it

    tokens, losses = [line["tokens"] for line in lines], [line["loss"] for line in lines]
    evaluations = [line for line in lines if "validation_loss" in line]
    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(tokens, losses, color="tab:blue", alpha=0.3, linewidth=0.8, label="training, each step")
    axes.plot(tokens, running_mean(losses), color="tab:blue", label="training, running mean")
    axes.plot(
        [line["tokens"] for line in evaluations],
        [line["validation_loss"] for line in evaluations],
        color="tab:orange",
        marker="o",
        label="validation, whole set",
    )
    axes.set(xlabel="tokens seen", ylabel="loss (nats)")
    axes.grid(alpha=0.3)
    axes.legend()
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    with rc_context({"svg.hashsalt": "loss"}):
        write_atomically(path, lambda file: figure.savefig(file, format=path.suffix[1:], metadata=metadata))


def running_mean(values: list[float]) -> list[float]:
    """Return the exponential running mean, corrected for its start."""
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = SMOOTHING * total + value, SMOOTHING * weight + 1
        means.append(total / weight)
    return means
