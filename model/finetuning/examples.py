"""Fine-tuning data, as JSONL.

For SFT a line is {"prompt", "answer"}, or {"messages": [{"role", "content"}, ...]} for a conversation of several turns.
For DPO and the reward model it is {"prompt", "chosen", "rejected"}. PPO reads only the prompts.
"""

import hashlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor

from model.config import TrainerConfig, TrainerError
from model.gpt import IGNORE
from model.tokenizer import encode_text, find_separator_id, load_tokenizer_file

ANSWER_FIELDS = {"sft": ("answer",), "dpo": ("chosen", "rejected"), "reward": ("chosen", "rejected"), "ppo": ()}
Turn: TypeAlias = tuple[str, str]  # a prompt and its answer
Row: TypeAlias = tuple[list[int], list[int]]  # tokens, and for each the token to predict or IGNORE
Example: TypeAlias = tuple[Row, ...]  # one row (SFT, PPO), or two: chosen and rejected


class Record(NamedTuple):
    """A line of the JSONL file, encoded."""

    prompt_hash: bytes
    example: Example
    answer_bytes: int


def encode_prompt(tokenizer: Tokenizer, prompt: str, name: str, is_first: bool = True) -> list[int]:
    """Return the tokens before an answer: the separator, then the prompt, as a user's turn if there are turn tokens.

    In a later turn of a conversation, the separator is the end of the answer before.
    """
    ids = encode_text(tokenizer, prompt, name)
    user, assistant = (tokenizer.token_to_id(token) for token in ("<|user|>", "<|assistant|>"))
    if user is not None and assistant is not None:
        ids = [user, *ids, assistant]
    separator = find_separator_id(tokenizer)
    return ids if separator is None or not is_first else [separator, *ids]


def encode_conversation(tokenizer: Tokenizer, turns: list[Turn], name: str) -> Row:
    """Return the tokens and targets of a conversation. Raises TrainerError if a prompt or an answer is empty.

    Only the answers, each with the separator that ends it, are to be predicted.
    """
    separator = find_separator_id(tokenizer)
    end = [] if separator is None else [separator]
    ids: list[int] = []
    targets: list[int] = []
    for number, (prompt, answer) in enumerate(turns):
        before = encode_prompt(tokenizer, prompt, name, is_first=number == 0)
        after = encode_text(tokenizer, answer, name)
        if not before or not after:
            raise TrainerError(f"{name}: {'an empty answer' if before else 'an empty prompt'}")
        ids += before + after + end
        targets += [IGNORE] * len(before) + after + end
    return ids[:-1], targets[1:]


@dataclass(frozen=True)
class ExampleDataset:
    """The encoded examples of a JSONL file."""

    tokenizer: Tokenizer
    train: list[Example]
    validation: list[Example]
    text_bytes: int  # of the validation set's answers
    context: int
    seed: int
    key: str
    _orders: dict[int, npt.NDArray[np.int64]] = field(default_factory=dict, init=False)

    def fingerprint(self) -> dict[str, str]:
        """Return what identifies the data."""
        return {"examples": self.key}

    def finish(self) -> None:
        """Do nothing: all examples are encoded already."""

    def close(self) -> None:
        """Do nothing: no file is open."""

    def epoch_order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the order of the examples in an epoch; the last one is kept in memory."""
        if epoch not in self._orders:
            self._orders.clear()
            self._orders[epoch] = np.random.default_rng([self.seed, epoch]).permutation(len(self.train))
        return self._orders[epoch]

    def make_batch(self, first: int, count: int, fixed_length: bool) -> tuple[Tensor, Tensor]:
        """Return tokens and targets (rows, T) of `count` examples; which ones is a function of the number `first`.

        T is the length of the longest row, or with `fixed_length` the context.
        """
        size = len(self.train)
        numbers = range(first, first + count)
        chosen = [self.train[self.epoch_order(number // size)[number % size]] for number in numbers]
        return pad_examples(chosen, self.context if fixed_length else 0)


def pad_examples(examples: list[Example], length: int) -> tuple[Tensor, Tensor]:
    """Return the rows of examples as tokens and targets (rows, T), padded at the end with what is not predicted."""
    rows = [row for example in examples for row in example]
    length = max(length, *(len(tokens) for tokens, _ in rows))
    tokens = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), length), IGNORE)
    for number, (x, y) in enumerate(rows):
        tokens[number, : len(x)], targets[number, : len(y)] = torch.tensor(x), torch.tensor(y)
    return tokens, targets


def read_records(path: Path, raw: bytes, task: str, tokenizer: Tokenizer) -> Iterator[Record]:
    """Yield the records of a JSONL file, without its empty lines. Raises TrainerError for a line that is no example."""
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        name = f"{path}, line {number}"
        if task == "ppo":
            yield encode_bare_prompt(line, name, tokenizer)
            continue
        conversations = parse_conversations(line, task, name)
        example = tuple(encode_conversation(tokenizer, turns, name) for turns in conversations)
        first_prompt = conversations[0][0][0]
        answer_bytes = sum(len(answer.encode()) for _, answer in conversations[0])
        yield Record(hashlib.sha256(first_prompt.encode()).digest(), example, answer_bytes)


def encode_bare_prompt(line: bytes, name: str, tokenizer: Tokenizer) -> Record:
    """Return the record of a line's prompt: a row whose every token has a target, 0. Raises TrainerError."""
    content = parse_json_line(line)
    prompt = content.get("prompt") if isinstance(content, dict) else None
    if not isinstance(prompt, str):
        raise TrainerError(f"{name}: not an object with the text prompt")
    ids = encode_prompt(tokenizer, prompt, name)
    if not ids:
        raise TrainerError(f"{name}: an empty prompt")
    return Record(hashlib.sha256(prompt.encode()).digest(), ((ids, [0] * len(ids)),), 0)


def parse_json_line(line: bytes) -> object:
    """Return the value of a JSON line, or None if it is not JSON."""
    try:
        value: object = json.loads(line)
    except ValueError:
        return None
    return value


def parse_conversations(line: bytes, task: str, name: str) -> list[list[Turn]]:
    """Return the conversations of a line: one for SFT, two (chosen and rejected) for pairs. Raises TrainerError."""
    content = parse_json_line(line)
    if isinstance(content, dict) and task == "sft" and "messages" in content:
        return [parse_messages(content["messages"], name)]
    keys = ("prompt", *ANSWER_FIELDS[task])
    values = [content.get(key) for key in keys] if isinstance(content, dict) else []
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(keys):
        other = ", and no list of messages" if task == "sft" else ""
        raise TrainerError(f"{name}: not an object with the texts {', '.join(keys)}{other}")
    prompt, *answers = texts
    return [[(prompt, answer)] for answer in answers]


def parse_messages(messages: object, name: str) -> list[Turn]:
    """Return the turns of a list of messages. A system message becomes the beginning of the first prompt.

    Raises TrainerError unless user and assistant speak in turns, the user first and the assistant last.
    """
    problem = TrainerError(f"{name}: messages are objects of role and content: user and assistant in turns")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise problem
    roles, texts = ([message.get(key) for message in messages] for key in ("role", "content"))
    if not all(isinstance(text, str) for text in texts):
        raise problem
    if roles[:1] == ["system"]:
        system, roles, texts = texts[0], roles[1:], texts[1:]
        texts[:1] = [f"{system}\n\n{text}" for text in texts[:1]]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise problem
    return list(zip(texts[::2], texts[1::2], strict=True))


def reject_conversations(records: list[Record]) -> None:
    """Raise TrainerError if a record has several turns. The separator between them would hide the earlier ones."""
    if any(tokens.count(tokens[0]) > 1 for record in records for tokens, _ in record.example):
        raise TrainerError("model.document_mask: in a conversation of several turns it would hide the earlier ones")


def drop_long_records(records: list[Record], context: int) -> list[Record]:
    """Return the records whose rows fit into the context; the others are counted on stderr."""
    fitting = [record for record in records if all(len(tokens) <= context for tokens, _ in record.example)]
    if len(fitting) < len(records):
        long = len(records) - len(fitting)
        print(f"model: left out {long} of {len(records)} examples: longer than the context", file=sys.stderr)
    return fitting


def open_examples(config: TrainerConfig) -> ExampleDataset:
    """Read `config.data`. The prompts with the smallest hashes, `config.validation` of them, are the validation set.

    So no prompt is in both sets. Examples longer than the context are left out and counted on stderr. Raises
    TrainerError for a file that cannot be trained on.
    """
    assert isinstance(config.data, str) and config.tokenizer is not None  # check_combinations, inherit_model
    path, tokenizer, context = Path(config.data), load_tokenizer_file(Path(config.tokenizer)), config.model.context
    if not path.is_file():
        raise TrainerError(f"data: {path} is not a file that exists; task {config.task} reads a JSONL file")
    raw = path.read_bytes()
    records = list(read_records(path, raw, config.task, tokenizer))
    if config.model.document_mask:
        reject_conversations(records)
    fitting = drop_long_records(records, context - (config.ppo.answer_tokens if config.task == "ppo" else 0))
    prompts = sorted({record.prompt_hash for record in fitting})
    held_out = set(prompts[: math.ceil(config.validation * len(prompts))])
    train = [record.example for record in fitting if record.prompt_hash not in held_out]
    validation = [record for record in fitting if record.prompt_hash in held_out]
    if not train or not validation:
        raise TrainerError(f"data: {path} has too few examples of at most model.context={context} tokens")
    return ExampleDataset(
        tokenizer,
        train,
        [record.example for record in validation],
        sum(record.answer_bytes for record in validation),
        context,
        config.seed,
        hashlib.sha256(raw).hexdigest()[:16],
    )
