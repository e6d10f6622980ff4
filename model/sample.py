"""Sampling with a cache of keys and values."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from model import run as runs
from model import tokenizer as tokenizers_file
from model.config import TrainerError
from model.examples import prompt_ids
from model.gpt import GPT, Cache

COLD = 1e-6  # a temperature below it, by which logits would overflow, is taken for 0


def choose(logits: Tensor, temperature: float, top_k: int | None, top_p: float | None, draw: torch.Generator) -> int:
    """Return one token id for logits (V,): the best at temperature 0, else drawn from the top k or the top p mass."""
    if temperature < COLD:
        return int(logits.argmax())
    logits = logits / temperature
    if top_k is not None:
        logits = logits.masked_fill(logits < logits.topk(min(top_k, len(logits))).values[-1], -torch.inf)
    if top_p is not None:  # nucleus: the fewest tokens whose mass reaches p (Holtzman et al. 2020)
        ordered, order = logits.softmax(-1).sort(descending=True)
        outside = order[ordered.cumsum(-1) - ordered >= top_p]
        logits = logits.index_fill(0, outside, -torch.inf)
    return int(torch.multinomial(logits.softmax(-1), 1, generator=draw))


@torch.no_grad()
def generate(
    model: GPT, prompt: list[int], temperature: float, top_k: int | None, top_p: float | None, seed: int
) -> Iterator[int]:
    """Yield token ids that follow the prompt, without end.

    When the context is full the model goes on from its last half, computed anew; a step then costs as much as before.
    """
    device, context = next(model.parameters()).device, model.config.context
    draw = torch.Generator().manual_seed(seed)
    cache, seen, new = Cache(), list(prompt), prompt[-context:]
    while True:
        if cache.length + len(new) > context:
            cache, new = Cache(), seen[-max(1, context // 2) :]
        logits = model(torch.tensor([new], device=device), cache=cache)[0, -1]  # (V,)
        token = choose(logits[: model.vocabulary].cpu(), temperature, top_k, top_p, draw)
        yield token
        if model.config.document_mask and token == model.separator:  # a new document sees nothing of the last
            cache, seen = Cache(), []
        seen.append(token)
        new = [token]


def sample(
    run: runs.Run,
    prompt: str,
    tokens: int,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> str:
    """Return the prompt and `tokens` tokens more; a document's end shows as a line of dashes.

    A fine-tuned model stops at the end of its answer.
    """
    separator = tokenizers_file.separator_id(run.tokenizer)
    ids = tokenizers_file.encode(run.tokenizer, prompt, "--prompt")
    tuned = run.config.task != "pretrain"
    if tuned:
        ids = prompt_ids(run.tokenizer, prompt, "--prompt")
    elif separator is not None:
        ids = [separator, *ids]
    elif not ids:  # a tokenizer of characters has no document start
        newline = run.tokenizer.token_to_id("\n")
        ids = [newline if newline is not None else 0]
    stream = generate(run.model, ids, temperature, top_k, top_p, seed)
    made: list[int] = []
    while len(made) < tokens and not (tuned and made[-1:] == [separator]):
        made.append(next(stream))
    documents: list[list[int]] = [[]]
    for token in ids[1:] + made if separator is not None else ids + made:
        documents.append([]) if token == separator else documents[-1].append(token)
    return "\n-----\n".join(run.tokenizer.decode(document, skip_special_tokens=False) for document in documents)


def check_arguments(tokens: int, temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raise TrainerError for a setting that no sample can follow."""
    if tokens < 1:
        raise TrainerError(f"--tokens: {tokens} is not at least 1")
    if not 0 <= temperature < math.inf:
        raise TrainerError(f"--temperature: {temperature} is not a number from 0 up")
    if top_k is not None and top_k < 1:
        raise TrainerError(f"--top-k: {top_k} is not at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise TrainerError(f"--top-p: {top_p} is not above 0 and at most 1")
