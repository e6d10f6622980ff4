"""What a run shows: progress on the terminal, TensorBoard event files, and the loss curve as a picture."""

import hashlib
import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from model.config import TrainerConfig, TrainerError
from model.file_writing import replace_file
from model.run_folder import LogLine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN_LINE_SECONDS = 30.0  # time between lines where stderr is not a terminal
SPEED_SMOOTHING = 0.02  # weight of the newest step in the speed that is shown
LOSS_SMOOTHING = 0.95  # of the running mean drawn over the steps' losses


class ProgressLine:
    """Writes to stderr: one line that is updated on a terminal, a plain line now and then elsewhere."""

    def __init__(
        self, config: TrainerConfig, parameters: int, device: torch.device, step: int, processes: int = 1
    ) -> None:
        self.config, self.is_terminal = config, sys.stderr.isatty()
        self.last_plain = time.monotonic()
        self.lines, self.speed, self.mfu = 0, 0.0, 0.0
        length = f"{config.steps:,} steps" if config.steps is not None else f"{config.minutes:g} min by the clock"
        if config.minutes is not None:
            length += " (not reproducible; set steps for that)"
        place = f"{processes} x {device.type}" if processes > 1 else str(device)
        start = f"from step {step}" if step else "from the start"
        self.write(f"{parameters / 1e6:.2f} M parameters on {place}, {length}, {start}")

    def show(self, line: LogLine, progress: float) -> None:
        """Show a step's log line; `progress` is the fraction of the run that is done."""
        now = time.monotonic()
        self.lines += 1
        share = max(SPEED_SMOOTHING, 1 / self.lines) if self.lines > 2 else 1.0  # the first step is slower: not counted
        self.speed += share * (line["tokens_per_second"] - self.speed)
        self.mfu += share * (line.get("mfu", 0.0) - self.mfu)
        evaluated = "validation_loss" in line or "validation_reward" in line
        if not (self.is_terminal or evaluated or now - self.last_plain >= PLAIN_LINE_SECONDS):
            return
        text = self.format_line(line, progress)
        if evaluated or not self.is_terminal:
            self.last_plain = now
            self.write(text)
        else:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def format_line(self, line: LogLine, progress: float) -> str:
        """Return the text for a step's log line."""
        text = f"step {line['step']:,}  loss {line['loss']:.4f}  {self.speed:,.0f} tokens/s"
        if "mfu" in line:
            text += f"  {100 * self.mfu:.1f} % MFU"
        if progress < 1:
            text += f"  {format_duration(line['seconds'] / progress * (1 - progress))} left"
        if "validation_loss" in line:
            text += f"  validation {line['validation_loss']:.4f}"
        if "bits_per_byte" in line:
            text += f"  {line['bits_per_byte']:.4f} bits/byte"
        if "validation_reward" in line:
            text += f"  reward {line['validation_reward']:.3f}  KL {line['validation_kl']:.2f}"
        if "validation_accuracy" in line:
            text += f"  {100 * line['validation_accuracy']:.1f} % of pairs"
        return text

    def write(self, text: str) -> None:
        """Write a line that is not overwritten."""
        print(f"\r\x1b[K{text}" if self.is_terminal else text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Clear the line that is updated."""
        if self.is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class StepLogger(Protocol):
    """Takes the log line of each step."""

    def log(self, line: LogLine) -> None:
        """Take one log line."""

    def close(self) -> None:
        """Write what is still in memory."""


class TensorBoardLogger:
    """Writes every number of a log line as a curve over the steps."""

    def __init__(self, folder: Path, step: int) -> None:
        """Continue after `step`; later events of a killed run are hidden. Raises TrainerError without the package."""
        try:
            tensorboard: Any = importlib.import_module("torch.utils.tensorboard")  # optional, and slow to import
        except ImportError as error:
            raise TrainerError(
                "tensorboard: it is not installed; `pip install tensorboard`, or set it false"
            ) from error
        self.writer = tensorboard.SummaryWriter(str(folder), purge_step=step + 1)

    def log(self, line: LogLine) -> None:
        """Write one log line."""
        for key, value in line.items():
            if key != "step":
                self.writer.add_scalar(key, value, line["step"])

    def close(self) -> None:
        """Write the events that are still in memory."""
        self.writer.close()


class WandbLogger:
    """Sends every number of a log line to Weights & Biases. A resumed run continues its curves there."""

    def __init__(self, folder: Path, config: TrainerConfig) -> None:
        """Join the run of this folder there. Raises TrainerError without the package."""
        try:
            wandb: Any = importlib.import_module("wandb")
        except ImportError as error:
            raise TrainerError("wandb: it is not installed; `pip install wandb`, or set it false") from error
        place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        self.run = wandb.init(
            project="gristmill",
            name=folder.name,
            id=place,
            resume="allow",
            dir=str(folder),
            config=json.loads(json.dumps(asdict(config))),
        )

    def log(self, line: LogLine) -> None:
        """Send one log line."""
        self.run.log({key: value for key, value in line.items() if key != "step"}, step=int(line["step"]))

    def close(self) -> None:
        """Send what is still in memory."""
        self.run.finish()


def make_figure() -> tuple["Figure", "Axes"]:
    """Return an empty figure of one plot."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    from matplotlib.figure import Figure  # takes half a second to import, and only plots need it

    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    return figure, figure.add_subplot()


def save_figure(figure: "Figure", axes: "Axes", path: Path, salt: str) -> None:
    """Finish a figure and write it as a PNG or an SVG, by the suffix of `path`. `salt` fixes the ids of an SVG."""
    from matplotlib import rc_context

    axes.grid(alpha=0.3)
    axes.legend()
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    with rc_context({"svg.hashsalt": salt}):
        replace_file(path, lambda file: figure.savefig(file, format=path.suffix[1:], metadata=metadata))


def plot_losses(lines: list[LogLine], path: Path) -> None:
    """Draw the training and validation losses of a log (nats a token) over the tokens seen, as a PNG or an SVG.

    The suffix of `path` gives the format. The same log gives the same bytes.
    """
    tokens, losses = [line["tokens"] for line in lines], [line["loss"] for line in lines]
    evaluations = [line for line in lines if "validation_loss" in line]
    figure, axes = make_figure()
    axes.plot(tokens, losses, color="tab:blue", alpha=0.3, linewidth=0.8, label="training, each step")
    axes.plot(tokens, smooth_losses(losses), color="tab:blue", label="training, running mean")
    axes.plot(
        [line["tokens"] for line in evaluations],
        [line["validation_loss"] for line in evaluations],
        color="tab:orange",
        marker="o",
        label="validation, whole set",
    )
    axes.set(xlabel="tokens seen", ylabel="loss (nats)")
    save_figure(figure, axes, path, "loss")


def plot_rewards(lines: list[LogLine], path: Path) -> None:
    """Draw the rewards of PPO's evaluations over the square root of the KL divergence, as a PNG or an SVG.

    With a gold model, the policy over-optimises where its reward falls while the other one rises (Gao et al. 2023,
    "Scaling Laws for Reward Model Overoptimization", figure 1).
    """
    evaluations = [line for line in lines if "validation_reward" in line]
    distances = [max(0.0, line["validation_kl"]) ** 0.5 for line in evaluations]
    figure, axes = make_figure()
    curves = {"validation_reward": "reward model", "validation_gold_reward": "gold model, which only watches"}
    for key, label in curves.items():
        if any(key in line for line in evaluations):
            axes.plot(distances, [line[key] for line in evaluations], marker="o", label=label)
    axes.set(xlabel="square root of the KL divergence from the initial model (nats an answer)", ylabel="mean reward")
    save_figure(figure, axes, path, "reward")


def smooth_losses(values: list[float]) -> list[float]:
    """Return the exponential running mean, corrected for its start."""
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = LOSS_SMOOTHING * total + value, LOSS_SMOOTHING * weight + 1
        means.append(total / weight)
    return means


def format_duration(seconds: float) -> str:
    """Return seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
