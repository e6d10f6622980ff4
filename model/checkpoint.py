"""Checkpoints: RUN/checkpoints/STEP/ with model.safetensors, optimizer.safetensors and state.json.

A folder gets its name only once it is complete and on disk. state.json holds the digests of the other files and of
itself, so that damage by a failing disk is found, and that checkpoint skipped. Loading one runs no code (no pickle).
"""

import hashlib
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer

from model.config import JsonObject, TrainerError
from model.distributed import gather_tensors, shard_like
from model.file_writing import hash_file, sync_to_disk
from model.gpt import GPT
from model.optimizer import collect_optimizer_state, restore_optimizer_state

HEADS = ("head.weight", "reward.weight", "value.weight")  # of the next token, a reward model and PPO's values
MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"


@dataclass(frozen=True)
class TrainingState:
    """What a run needs to continue, besides weights and optimizers."""

    step: int  # steps done
    tokens: int  # tokens read in them
    seconds: float  # time spent on them, over all sessions
    decay_from: int | None  # the step at which the decay phase began
    recent: list[list[float]]  # the spike guard's memory
    data: dict[str, str]  # fingerprint of the data


def save_checkpoint(
    folder: Path, model: GPT, optimizers: list[Optimizer], state: TrainingState, keep: int, is_main: bool = True
) -> None:
    """Write the checkpoint of `state.step` under `folder`, then remove all but the newest `keep`. Raises OSError.

    If the model is spread over processes, all of them must call this, and the main process writes.
    """
    weights = gather_tensors({name: value.detach() for name, value in model.named_parameters()})
    optimizer_state = gather_tensors(collect_optimizer_state(model, optimizers))
    if not is_main:
        return
    remove_unfinished_checkpoints(folder)
    temporary, final = folder / f".writing-{state.step}", folder / str(state.step)
    temporary.mkdir(parents=True)
    try:
        save_safetensors(weights, temporary / MODEL)
        save_safetensors(optimizer_state, temporary / OPTIMIZER)
        digests = {name: hash_file(temporary / name) for name in (MODEL, OPTIMIZER)}
        content = {**asdict(state), "sha256": digests}
        (temporary / STATE).write_text(json.dumps({**content, "seal": hash_state(content)}, indent=1) + "\n")
        for path in (*temporary.iterdir(), temporary):
            sync_to_disk(path)
    except OSError:  # for example a full disk
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if final.exists():  # it is damaged, or the run would have resumed from it
        shutil.rmtree(final)
    os.rename(temporary, final)
    sync_to_disk(folder)
    for old in list_checkpoint_steps(folder)[:-keep]:
        shutil.rmtree(folder / str(old))


def remove_unfinished_checkpoints(folder: Path) -> None:
    """Remove the checkpoints that a killed run was writing."""
    for path in folder.glob(".writing-*"):
        shutil.rmtree(path, ignore_errors=True)


def list_checkpoint_steps(folder: Path) -> list[int]:
    """Return the steps that have a checkpoint, ascending."""
    return sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit())


def find_newest_checkpoint(folder: Path) -> tuple[Path, TrainingState] | None:
    """Return the newest undamaged checkpoint and its state, or None. Damaged ones are named on stderr and skipped."""
    found = list_checkpoint_steps(folder)
    for step in reversed(found):
        path = folder / str(step)
        state = read_undamaged_state(path)
        if state is not None:
            return path, state
        instead = "taking the one before it" if step != found[0] else "there is none before it"
        print(f"model: {path}: this checkpoint is damaged; {instead}", file=sys.stderr)
    return None


def read_undamaged_state(path: Path) -> TrainingState | None:
    """Return a checkpoint's state if all of its files are as they were written, else None."""
    try:
        content = json.loads((path / STATE).read_text())
        if not isinstance(content, dict) or content.pop("seal") != hash_state(content):
            return None
        digests = content.pop("sha256")
        if any(hash_file(path / name) != expected for name, expected in digests.items()):
            return None
        return TrainingState(**content)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_safetensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write a safetensors file. Raises OSError."""
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from error
    path.chmod(0o644)  # safetensors makes it private


def load_weights(path: Path, model: GPT, ignore_heads: bool = False) -> None:
    """Copy a safetensors file's weights into the model. Raises TrainerError if they belong to another model.

    With `ignore_heads`, a head that only one of them has is no difference; the model's stays as it is.
    """
    tensors, parameters = load_file(path), dict(model.named_parameters())
    for name in HEADS if ignore_heads else ():
        if (name in tensors) != (name in parameters):
            tensors.pop(name, None)
            parameters.pop(name, None)
    for name in {**parameters, **tensors}:
        here, there = (list(have[name].shape) if name in have else "none" for have in (parameters, tensors))
        if here != there:
            raise TrainerError(f"{path}: another model's weights: {name} is {there}, where the config has {here}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(shard_like(tensors[name], parameter))


def load_optimizers(path: Path, model: GPT, optimizers: list[Optimizer]) -> None:
    """Put a checkpoint's optimizer state back."""
    restore_optimizer_state(model, optimizers, load_file(path / OPTIMIZER))


def hash_state(content: JsonObject) -> str:
    """Return the SHA-256 of what state.json holds besides this hash."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
