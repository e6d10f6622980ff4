"""A run's folder: config.yaml, tokenizer.json, log.jsonl, loss.png, checkpoints/STEP/."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from model import checkpoint
from model import config as configs
from model import tokenizer as tokenizers_file
from model.config import Config, TrainerError
from model.gpt import GPT
from model.tokens import write_atomically

INITIAL = "initial.safetensors"  # the weights that a run with `init_from` began with


@dataclass(frozen=True)
class Run:
    """A trained model as `sample`, `evaluate` and `export` use it."""

    config: Config
    tokenizer: Tokenizer
    model: GPT
    step: int
    device: torch.device


def load(folder: Path, device: str = "auto") -> Run:
    """Load the newest checkpoint of a run. Raises TrainerError where there is no run, or none yet."""
    if not (folder / "config.yaml").is_file():
        raise TrainerError(f"{folder}: no run here (a run has a config.yaml); `python -m model train` makes one")
    found = checkpoint.newest(folder / "checkpoints")
    if found is None:
        raise TrainerError(f"{folder}: this run has no checkpoint that is whole")
    config = configs.load(folder / "config.yaml", stored=True)
    tokenizer = tokenizers_file.load(folder / "tokenizer.json")
    path, state = found
    model = GPT(config.model, tokenizer.get_vocab_size(), tokenizers_file.separator_id(tokenizer))
    checkpoint.load_model(path, model)
    place = pick_device(device)
    return Run(config, tokenizer, model.to(place).eval(), state["step"], place)


def pick_device(name: str) -> torch.device:
    """Return the named device, or for "auto" the best one here. Raises TrainerError for one that is not here."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, here in available.items() if here)
    if not available[name]:
        raise TrainerError(f"device: {name!r} is not available here; set device=auto or device=cpu")
    return torch.device(name)


def check_config(folder: Path, config: Config) -> None:
    """Raise TrainerError where `folder` holds something else than a run of this config (or nothing).

    One that ended before its first step (too large a batch, say) may be tried again with another config.
    """
    path = folder / "config.yaml"
    if path.is_file():
        changed = configs.differences(configs.read(path, []), configs.to_dict(config))
        if changed and begun(folder):
            raise TrainerError(
                f"output: {folder} is a run of another config ({'; '.join(changed)}); choose a new output"
            )
    elif folder.exists() and (not folder.is_dir() or any(path.name[0] != "." for path in folder.iterdir())):
        raise TrainerError(f"output: {folder} exists and is not a run; name a new one")


def begun(folder: Path) -> bool:
    """Return whether a run has done a step."""
    return bool(checkpoint.steps(folder / "checkpoints") or read_log(folder))  # a long log is not read for it


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder and hold it; a second trainer in the same folder gets a TrainerError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainerError(f"output: {folder} is being trained by another process") from error
        yield


def check_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Raise TrainerError where the run in `folder` was begun with another tokenizer."""
    path = folder / "tokenizer.json"
    if path.exists() and begun(folder) and tokenizers_file.load(path).to_str() != tokenizer.to_str():
        raise TrainerError(f"tokenizer: {folder} was begun with another one; name a new output")


def write_beginning(folder: Path, config: Config, tokenizer: Tokenizer) -> None:
    """Write the effective config, and the tokenizer so that the run stands alone, unless the run has begun."""
    fresh = not begun(folder)
    for name, text in (("config.yaml", configs.dump(config)), ("tokenizer.json", tokenizer.to_str(pretty=False))):
        if fresh or not (folder / name).exists():
            data = text.encode()
            write_atomically(folder / name, lambda file, data=data: file.write(data))
    if config.init_from is not None and (fresh or not (folder / INITIAL).exists()):
        with (beginning(config) / checkpoint.MODEL).open("rb") as source:
            write_atomically(folder / INITIAL, lambda file: shutil.copyfileobj(source, file))


def beginning(config: Config) -> Path:
    """Return the checkpoint that a run begins from. Raises TrainerError where there is none."""
    assert config.init_from is not None
    found = checkpoint.newest(Path(config.init_from) / "checkpoints")
    if found is None:
        raise TrainerError(f"init_from: {config.init_from} has no checkpoint")
    return found[0]


def check_beginning(folder: Path, config: Config, tokenizer: Tokenizer) -> None:
    """Raise TrainerError where the run to begin from is not there, or has another tokenizer."""
    if config.init_from is None or (begun(folder) and (folder / INITIAL).exists()):
        return
    beginning(config)
    if tokenizers_file.load(Path(config.init_from) / "tokenizer.json").to_str() != tokenizer.to_str():
        raise TrainerError(f"tokenizer: it is another one than that of {config.init_from}; leave `tokenizer` out")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a run's log, up to one that a kill cut off, or a crash of the machine garbled.

    What a checkpoint counts on was on disk before it was; later lines are written again.
    """
    path = folder / "log.jsonl"
    text, lines = path.read_text(errors="replace") if path.exists() else "", []
    for line in text.split("\n")[:-1]:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def cut_log(folder: Path, step: int) -> None:
    """Drop the log's lines after `step`: a run that resumes there writes them again."""
    kept = "".join(json.dumps(line) + "\n" for line in read_log(folder) if line["step"] <= step)
    write_atomically(folder / "log.jsonl", lambda file: file.write(kept.encode()))
