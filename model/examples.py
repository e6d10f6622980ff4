"""Fine-tuning data: JSONL of prompt and answer (SFT), or of prompt, chosen and rejected answer (DPO)."""

import hashlib
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from model import tokenizer as tokenizers_file
from model.config import Config, TrainerError
from model.gpt import IGNORE

FIELDS = {"sft": ("answer",), "dpo": ("chosen", "rejected")}
Row = tuple[list[int], list[int]]  # tokens, and of each the one to predict or IGNORE


def prompt_ids(tokenizer: Tokenizer, prompt: str, name: str) -> list[int]:
    """Return what stands before an answer: separator, and the prompt as a user's turn where the tokenizer has turns."""
    ids = tokenizers_file.encode(tokenizer, prompt, name)
    user, assistant = (tokenizer.token_to_id(token) for token in ("<|user|>", "<|assistant|>"))
    if user is not None and assistant is not None:
        ids = [user, *ids, assistant]
    separator = tokenizers_file.separator_id(tokenizer)
    return ids if separator is None else [separator, *ids]


def encode(tokenizer: Tokenizer, prompt: str, answer: str, name: str) -> Row:
    """Return tokens and targets of one example; only the answer and the separator that ends it are to be predicted."""
    before, after = prompt_ids(tokenizer, prompt, name), tokenizers_file.encode(tokenizer, answer, name)
    if not before or not after:
        raise TrainerError(f"{name}: {'an empty answer' if before else 'an empty prompt'}")
    separator = tokenizers_file.separator_id(tokenizer)
    if separator is not None:
        after = [*after, separator]
    return (before + after)[:-1], [IGNORE] * (len(before) - 1) + after


@dataclass(frozen=True)
class Examples:
    """The encoded examples; each is one row (SFT) or two, chosen and rejected (DPO)."""

    tokenizer: Tokenizer
    train: list[tuple[Row, ...]]
    validation: list[tuple[Row, ...]]
    text_bytes: int  # of the validation set's answers
    context: int
    seed: int
    key: str
    _orders: dict[int, np.ndarray] = field(default_factory=dict, init=False)

    def fingerprint(self) -> dict[str, str]:
        """Return what identifies the data."""
        return {"examples": self.key}

    def finish(self) -> None:
        """All is encoded already."""

    def close(self) -> None:
        """Nothing is open."""

    def order(self, epoch: int) -> np.ndarray:
        """Return the order of the examples in an epoch; the last one asked for is kept."""
        if epoch not in self._orders:
            self._orders.clear()
            self._orders[epoch] = np.random.default_rng([self.seed, epoch]).permutation(len(self.train))
        return self._orders[epoch]

    def batch(self, first: int, count: int, whole: bool) -> tuple[Tensor, Tensor]:
        """Return tokens and targets (rows, T) of examples first ... in a seeded order, a function of their number.

        T is the longest row's length, or with `whole` the context.
        """
        size = len(self.train)
        chosen = [self.train[self.order(number // size)[number % size]] for number in range(first, first + count)]
        return pad(chosen, self.context if whole else 0)


def pad(examples: list[tuple[Row, ...]], length: int) -> tuple[Tensor, Tensor]:
    """Return the rows of examples as tokens and targets (rows, T), filled up behind with what is not predicted."""
    rows = [row for example in examples for row in example]
    length = max(length, *(len(tokens) for tokens, _ in rows))
    tokens = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), length), IGNORE)
    for number, (x, y) in enumerate(rows):
        tokens[number, : len(x)], targets[number, : len(y)] = torch.tensor(x), torch.tensor(y)
    return tokens, targets


def open_examples(config: Config) -> Examples:
    """Read `config.data`. The prompts with the least hashes, `config.validation` of them, are the validation set.

    So no prompt is in both. Examples longer than the context are left out, and counted on stderr. Raises TrainerError
    for a line that is no example.
    """
    assert isinstance(config.data, str) and config.tokenizer is not None  # the config's checks
    path, tokenizer = Path(config.data), tokenizers_file.load(Path(config.tokenizer))
    if not path.is_file():
        raise TrainerError(f"data: {path} is not a file that exists; task {config.task} reads a JSONL file")
    records, raw = [], path.read_bytes()
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            texts = [record[field] for field in ("prompt", *FIELDS[config.task])]
        except (ValueError, KeyError, TypeError):  # no JSON, not these keys, no object
            texts = [None]
        if not all(isinstance(text, str) for text in texts):
            fields = ", ".join(("prompt", *FIELDS[config.task]))
            raise TrainerError(f"{path}, line {number}: not an object with the texts {fields}")
        example = tuple(encode(tokenizer, texts[0], text, f"{path}, line {number}") for text in texts[1:])
        records.append((hashlib.sha256(texts[0].encode()).digest(), example, len(texts[1].encode())))
    short = [record for record in records if all(len(row[0]) <= config.model.context for row in record[1])]
    if len(short) < len(records):
        long = len(records) - len(short)
        print(f"model: {long} of {len(records)} examples are longer than the context and left out", file=sys.stderr)
    prompts = sorted({record[0] for record in short})
    held = set(prompts[: math.ceil(config.validation * len(prompts))])
    train = [example for prompt, example, _ in short if prompt not in held]
    validation = [(example, size) for prompt, example, size in short if prompt in held]
    if not train or not validation:
        raise TrainerError(f"data: {path} has too few examples of at most model.context={config.model.context} tokens")
    return Examples(
        tokenizer,
        train,
        [example for example, _ in validation],
        sum(size for _, size in validation),
        config.model.context,
        config.seed,
        hashlib.sha256(raw).hexdigest()[:16],
    )
