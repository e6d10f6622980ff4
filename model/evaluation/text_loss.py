"""Loss over whole texts: every token except the first is predicted once, in rows of the full context."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from model.config import TrainerError
from model.corpus.validation_filter import TokenIds
from model.distributed import ProcessGroup
from model.gpt import GPT, IGNORE
from model.hardware import autocast_bf16
from model.run_folder import TrainedRun
from model.tokenizer import encode_text, find_separator_id

SINGLE_PROCESS = ProcessGroup()


@dataclass(frozen=True)
class TextScore:
    """The loss of a text: its UTF-8 bytes, its predicted tokens, and the bits that the model needs for them."""

    bytes: int
    tokens: int
    bits: float
    bits_per_byte: float
    perplexity: float  # 2 ^ (bits a token); comparable only between models with one tokenizer


@torch.no_grad()
def sum_nll(model: GPT, ids: TokenIds, batch_size: int, group: ProcessGroup = SINGLE_PROCESS) -> float:
    """Return the summed negative log-likelihood, in nats, of tokens 1, 2, ... of `ids`, each given its row's past.

    The processes of a group share the work.
    """
    context, device = model.config.context, next(model.parameters()).device
    training = model.training
    model.eval()
    total = 0.0
    step = batch_size * context
    for first in range(0, len(ids) - 1, group.size * step):  # equally many forward passes in every process
        start = first + group.rank * step
        window = ids[start : start + step + 1].astype(np.int64)
        count = max(0, len(window) - 1)
        rows = max(1, math.ceil(count / context))
        tokens, targets = np.zeros((rows * context,), np.int64), np.full((rows * context,), IGNORE, np.int64)
        tokens[:count], targets[:count] = window[:-1], window[1:]
        x, y = (torch.from_numpy(a.reshape(rows, context)).to(device) for a in (tokens, targets))
        with autocast_bf16(device):
            total += model(x, y, reduction="sum").item()
    model.train(training)
    if group.size > 1:
        total = group.all_reduce(torch.tensor([total], dtype=torch.float64, device=device)).item()
    return total


def make_score(size: int, tokens: int, bits: float) -> TextScore:
    """Return the score of a text of `size` bytes whose `tokens` tokens cost `bits`."""
    return TextScore(size, tokens, bits, bits / size, 2 ** (bits / tokens))


def score_file(run: TrainedRun, path: Path) -> TextScore:
    """Return the score of a UTF-8 text file, as one document. Raises TrainerError and OSError.

    All its tokens count, in rows of the run's context. A tokenizer without a separator has nothing to predict the first
    token from. That token and its bytes are then left out.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise TrainerError(f"{path}: not UTF-8 text") from error
    separator = find_separator_id(run.tokenizer)
    ids = encode_text(run.tokenizer, text, str(path))
    size = len(text.encode())
    if separator is not None:
        ids = [separator, *ids]
    else:
        size -= len(text[:1].encode())
    if len(ids) < 2:
        raise TrainerError(f"{path}: too short to be scored")
    return make_score(size, len(ids) - 1, sum_nll(run.model, np.array(ids), run.config.batch_size) / math.log(2))


def score_files(run: TrainedRun, paths: list[Path]) -> dict[str, TextScore]:
    """Return the score of each UTF-8 text file, by its path. Raises TrainerError and OSError."""
    return {str(path): score_file(run, path) for path in paths}


def add_scores(scores: dict[str, TextScore]) -> TextScore:
    """Return the score of all texts together."""
    parts = scores.values()
    return make_score(sum(s.bytes for s in parts), sum(s.tokens for s in parts), sum(s.bits for s in parts))
