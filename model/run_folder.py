"""A run's folder: config.yaml, tokenizer.json, log.jsonl, loss.png, checkpoints/STEP/."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from tokenizers import Tokenizer

from model import config_reader
from model.checkpoint import MODEL, find_newest_checkpoint, list_checkpoint_steps, load_weights
from model.config import TrainerConfig, TrainerError
from model.file_writing import remove_stale_files, replace_file
from model.gpt import GPT
from model.hardware import select_device
from model.reinforcement import build_task_model
from model.tokenizer import find_separator_id, load_tokenizer_file

INITIAL = "initial.safetensors"  # the weights that a run with `init_from` started with

LogLine: TypeAlias = dict[str, float]  # a line of log.jsonl: step, loss, tokens, seconds, ...


@dataclass(frozen=True)
class TrainedRun:
    """A trained model, as `sample`, `evaluate` and `export` use it."""

    config: TrainerConfig
    tokenizer: Tokenizer
    model: GPT
    step: int
    device: torch.device


def load_trained_run(folder: Path, device: str = "auto") -> TrainedRun:
    """Load the newest checkpoint of a run that writes text. Raises TrainerError if there is none."""
    run = load_run(folder, device)
    if run.config.task == "reward":
        raise TrainerError(f"{folder}: this run is a reward model, which writes no text")
    return run


def load_reward_run(folder: Path, device: str = "auto") -> TrainedRun:
    """Load the newest checkpoint of a reward model's run. Raises TrainerError if there is none."""
    run = load_run(folder, device)
    if run.config.task != "reward":
        raise TrainerError(f"{folder}: this run is no reward model (task: reward)")
    return run


def load_run(folder: Path, device: str) -> TrainedRun:
    """Load the newest checkpoint of a run. Raises TrainerError if there is no run, or no checkpoint yet."""
    if not (folder / "config.yaml").is_file():
        raise TrainerError(f"{folder}: no run here (a run has a config.yaml); `gristmill train` makes one")
    found = find_newest_checkpoint(folder / "checkpoints")
    if found is None:
        raise TrainerError(f"{folder}: this run has no undamaged checkpoint")
    config = config_reader.load_trainer_config(folder / "config.yaml", stored=True)
    tokenizer = load_tokenizer_file(folder / "tokenizer.json")
    path, state = found
    model = build_task_model(config, tokenizer.get_vocab_size(), find_separator_id(tokenizer))
    load_weights(path / MODEL, model)
    place = select_device(device)
    return TrainedRun(config, tokenizer, model.to(place).eval(), state.step, place)


def check_run_config(folder: Path, config: TrainerConfig) -> None:
    """Raise TrainerError if `folder` holds anything but a run of this config (or nothing).

    A run that ended before its first step (for example with a too large batch) may be started with another config.
    """
    path = folder / "config.yaml"
    if path.is_file():
        stored, new = config_reader.read_yaml_config(path, []), config_reader.config_to_json(config)
        changed = config_reader.list_config_changes(stored, new)
        if changed and has_run_started(folder):
            raise TrainerError(
                f"output: {folder} is a run of another config ({'; '.join(changed)}); choose a new output"
            )
    elif folder.exists() and (not folder.is_dir() or any(path.name[0] != "." for path in folder.iterdir())):
        raise TrainerError(f"output: {folder} exists and is not a run; name a new one")


def has_run_started(folder: Path) -> bool:
    """Return whether a run has done a step."""
    return bool(list_checkpoint_steps(folder / "checkpoints") or read_training_log(folder))


@contextmanager
def lock_run_folder(folder: Path) -> Iterator[None]:
    """Make the folder and lock it. Raises TrainerError if another process trains in it.

    Temporary files that a killed run left in it are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainerError(f"output: {folder} is being trained by another process") from error
        remove_stale_files(folder)
        yield


def check_run_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Raise TrainerError if the run in `folder` was started with another tokenizer."""
    path = folder / "tokenizer.json"
    if path.exists() and has_run_started(folder) and load_tokenizer_file(path).to_str() != tokenizer.to_str():
        raise TrainerError(f"tokenizer: {folder} was started with another one; name a new output")


def write_run_files(folder: Path, config: TrainerConfig, tokenizer: Tokenizer) -> None:
    """Write the complete config, the tokenizer and the initial weights, unless the run has started with them."""
    fresh = not has_run_started(folder)
    texts = {
        "config.yaml": config_reader.dump_trainer_config(config),
        "tokenizer.json": tokenizer.to_str(pretty=False),
    }
    for name, text in texts.items():
        if fresh or not (folder / name).exists():
            data = text.encode()
            replace_file(folder / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
    if config.init_from is not None and (fresh or not (folder / INITIAL).exists()):
        with (find_initial_checkpoint(config.init_from) / MODEL).open("rb") as source:
            replace_file(folder / INITIAL, lambda file: shutil.copyfileobj(source, file))


def find_initial_checkpoint(run: str) -> Path:
    """Return the newest checkpoint of the run that `init_from` names. Raises TrainerError if there is none."""
    found = find_newest_checkpoint(Path(run) / "checkpoints")
    if found is None:
        raise TrainerError(f"init_from: {run} has no checkpoint")
    return found[0]


def check_initial_run(folder: Path, config: TrainerConfig, tokenizer: Tokenizer) -> None:
    """Raise TrainerError if the run to start from has no checkpoint, or another tokenizer."""
    if config.init_from is None or (has_run_started(folder) and (folder / INITIAL).exists()):
        return
    find_initial_checkpoint(config.init_from)
    task = config_reader.load_trainer_config(Path(config.init_from) / "config.yaml", stored=True).task
    if task == "reward" and config.task != "reward":
        raise TrainerError(f"init_from: {config.init_from} is a reward model, which has lost the head for tokens")
    if load_tokenizer_file(Path(config.init_from) / "tokenizer.json").to_str() != tokenizer.to_str():
        raise TrainerError(f"tokenizer: it is not the one of {config.init_from}; leave `tokenizer` out")


def read_training_log(folder: Path) -> list[LogLine]:
    """Return the complete lines of a run's log, up to one that a kill cut off or a crash of the machine damaged.

    The lines up to a checkpoint are on disk before the checkpoint is. A resumed run writes later lines again.
    """
    path = folder / "log.jsonl"
    text = path.read_text(errors="replace") if path.exists() else ""
    lines: list[LogLine] = []
    for line in text.split("\n")[:-1]:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def truncate_training_log(folder: Path, step: int) -> None:
    """Remove the log's lines after `step`. A run that resumes there writes them again."""
    kept = "".join(json.dumps(line) + "\n" for line in read_training_log(folder) if line["step"] <= step)
    replace_file(folder / "log.jsonl", lambda file: file.write(kept.encode()))
