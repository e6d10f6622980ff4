"""Checkpoints: RUN/checkpoints/STEP/ with model.safetensors, optimizer.safetensors and state.json.

A folder appears under its name only once it is whole and on disk; state.json holds the other files' digests and
its own, so that one torn by a dying disk is seen and skipped. Nothing in it is ever executed (no pickle).
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer

from model.config import TrainerError
from model.gpt import GPT
from model.optimizer import load_state_tensors, state_tensors

MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"


def save(folder: Path, model: GPT, optimizers: list[Optimizer], state: dict[str, Any], keep: int) -> None:
    """Write the checkpoint of `state["step"]` under `folder`, then remove all but the newest `keep`."""
    temporary, final = folder / f".writing-{state['step']}", folder / str(state["step"])
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        save_tensors({name: value.detach() for name, value in model.named_parameters()}, temporary / MODEL)
        save_tensors(state_tensors(model, optimizers), temporary / OPTIMIZER)
        digests = {name: digest(temporary / name) for name in (MODEL, OPTIMIZER)}
        content = {**state, "sha256": digests}
        (temporary / STATE).write_text(json.dumps({**content, "seal": seal(content)}, indent=1) + "\n")
        for path in (*temporary.iterdir(), temporary):
            sync(path)
    except OSError:  # the disk is full, say
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if final.exists():  # torn, or it would have been resumed from
        shutil.rmtree(final)
    os.rename(temporary, final)
    sync(folder)
    for old in steps(folder)[:-keep]:
        shutil.rmtree(folder / str(old))


def steps(folder: Path) -> list[int]:
    """Return the steps that have a checkpoint, ascending."""
    return sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit())


def newest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest whole checkpoint and its state, or None; torn ones are named on stderr and passed over."""
    found = steps(folder)
    for step in reversed(found):
        path = folder / str(step)
        state = whole_state(path)
        if state is not None:
            return path, state
        instead = "taking the one before it" if step != found[0] else "there is none before it"
        print(f"model: {path}: this checkpoint is torn; {instead}", file=sys.stderr)
    return None


def whole_state(path: Path) -> dict[str, Any] | None:
    """Return a checkpoint's state if all of its files are as they were written."""
    try:
        state = json.loads((path / STATE).read_text())
        whole = isinstance(state, dict) and state.pop("seal") == seal(state)
        whole = whole and all(digest(path / name) == expected for name, expected in state["sha256"].items())
    except (OSError, ValueError, KeyError):
        return None
    return state if whole else None


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write a safetensors file. Raises OSError."""
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from error
    path.chmod(0o644)  # safetensors makes it private


def load_model(path: Path, model: GPT) -> None:
    """Put a checkpoint's weights into the model."""
    load_weights(path / MODEL, model)


def load_weights(path: Path, model: GPT) -> None:
    """Put a safetensors file's weights into the model. Raises TrainerError where they are another model's."""
    tensors, parameters = load_file(path), dict(model.named_parameters())
    for name in {**parameters, **tensors}:
        here, there = (list(have[name].shape) if name in have else "none" for have in (parameters, tensors))
        if here != there:
            raise TrainerError(f"{path}: another model's weights: {name} is {there}, where the config has {here}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def load_optimizers(path: Path, model: GPT, optimizers: list[Optimizer]) -> None:
    """Put a checkpoint's optimizer state back."""
    load_state_tensors(model, optimizers, load_file(path / OPTIMIZER))


def seal(state: dict[str, Any]) -> str:
    """Return the SHA-256 of what state.json holds besides."""
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
