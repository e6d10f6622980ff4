"""Writes text with a trained model, with a cache of keys and values."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from model.config import TrainerError
from model.finetuning.examples import encode_prompt
from model.gpt import GPT, KeyValueCache
from model.run_folder import TrainedRun
from model.tokenizer import encode_text, find_separator_id

GREEDY_TEMPERATURE = 1e-6  # a lower temperature counts as 0: the logits would overflow


@dataclass(frozen=True)
class SamplingOptions:
    """How the next token is chosen."""

    temperature: float = 0.8  # 0: the most likely token
    top_k: int | None = None  # draw only from the k most likely tokens
    top_p: float | None = None  # draw only from the most likely tokens that together have this probability
    seed: int = 0

    def check(self) -> None:
        """Raise TrainerError for a value that cannot be used."""
        if not 0 <= self.temperature < math.inf:
            raise TrainerError(f"--temperature: {self.temperature} is not a number from 0 up")
        if self.top_k is not None and self.top_k < 1:
            raise TrainerError(f"--top-k: {self.top_k} is not at least 1")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise TrainerError(f"--top-p: {self.top_p} is not above 0 and at most 1")


def choose_token(logits: Tensor, options: SamplingOptions, draw: torch.Generator) -> int:
    """Return one token id for logits (V,): the best at temperature 0, else drawn from the top k or the top p mass."""
    if options.temperature < GREEDY_TEMPERATURE:
        return int(logits.argmax())
    logits = logits / options.temperature
    if options.top_k is not None:
        logits = logits.masked_fill(logits < logits.topk(min(options.top_k, len(logits))).values[-1], -torch.inf)
    if options.top_p is not None:  # nucleus: the fewest tokens whose probabilities reach p (Holtzman et al. 2020)
        ordered, order = logits.softmax(-1).sort(descending=True)
        outside = order[ordered.cumsum(-1) - ordered >= options.top_p]
        logits = logits.index_fill(0, outside, -torch.inf)
    return int(torch.multinomial(logits.softmax(-1), 1, generator=draw))


@torch.no_grad()
def generate_tokens(model: GPT, prompt: list[int], options: SamplingOptions) -> Iterator[int]:
    """Yield token ids that follow the prompt, without end.

    When the context is full, the model continues from its last half, computed again. A step then costs as much as
    before.
    """
    device, context = next(model.parameters()).device, model.config.context
    draw = torch.Generator().manual_seed(options.seed)
    cache, seen, new = KeyValueCache(), list(prompt), prompt[-context:]
    while True:
        if cache.length + len(new) > context:
            cache, new = KeyValueCache(), seen[-max(1, context // 2) :]
        logits = model(torch.tensor([new], device=device), cache=cache)[0, -1]  # (V,)
        token = choose_token(logits[: model.vocabulary].cpu(), options, draw)
        yield token
        if model.config.document_mask and token == model.separator:  # a new document does not see the last one
            cache, seen = KeyValueCache(), []
        seen.append(token)
        new = [token]


def sample_text(run: TrainedRun, prompt: str, tokens: int, options: SamplingOptions) -> str:
    """Return the prompt and `tokens` more tokens; a line of dashes marks the end of a document.

    A fine-tuned model stops at the end of its answer. Raises TrainerError for arguments that cannot be used.
    """
    if tokens < 1:
        raise TrainerError(f"--tokens: {tokens} is not at least 1")
    options.check()
    separator, tuned = find_separator_id(run.tokenizer), run.config.task != "pretrain"
    ids = encode_sampling_prompt(run, prompt)
    stream = generate_tokens(run.model, ids, options)
    made: list[int] = []
    while len(made) < tokens and not (tuned and made[-1:] == [separator]):
        made.append(next(stream))
    documents: list[list[int]] = [[]]
    for token in ids[1:] + made if separator is not None else ids + made:
        documents.append([]) if token == separator else documents[-1].append(token)
    return "\n-----\n".join(run.tokenizer.decode(document, skip_special_tokens=False) for document in documents)


def encode_sampling_prompt(run: TrainedRun, prompt: str) -> list[int]:
    """Return the tokens that text is to follow; at least one. Raises TrainerError for a character without a token."""
    separator = find_separator_id(run.tokenizer)
    if run.config.task != "pretrain":
        return encode_prompt(run.tokenizer, prompt, "--prompt")
    ids = encode_text(run.tokenizer, prompt, "--prompt")
    if separator is not None:
        return [separator, *ids]
    if not ids:  # a tokenizer of characters has no separator to start from
        newline = run.tokenizer.token_to_id("\n")
        return [newline if newline is not None else 0]
    return ids
