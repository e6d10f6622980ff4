"""The losses of fine-tuning: that of the answers (SFT), or of preference pairs (DPO)."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from model.finetuning.examples import ExampleDataset, pad_examples
from model.gpt import GPT, IGNORE
from model.hardware import autocast_bf16


def preference_margins(policy: Tensor, reference: Tensor) -> Tensor:
    """Return (P,) by how many nats the policy prefers the chosen answer of each pair more than the reference does.

    Both arguments are the answers' negative log-likelihoods (2 P,), chosen and rejected in turn.
    """
    chosen, rejected = (reference - policy).view(-1, 2).unbind(1)
    return chosen - rejected


def dpo_loss(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Return the losses (P,) of pairs: -log sigmoid(beta * margin) (Rafailov et al. 2023, equation 7)."""
    return -F.logsigmoid(beta * preference_margins(policy, reference))


def sum_losses(forward: Callable[..., Tensor], x: Tensor, y: Tensor, reference: GPT | None, beta: float) -> Tensor:
    """Return the summed loss of rows x, y (B, T): over all targets, or with a reference over all pairs."""
    if reference is None:
        return forward(x, y, reduction="sum")
    with torch.no_grad():
        before = reference(x, y, reduction="rows")
    return dpo_loss(forward(x, y, reduction="rows"), before, beta).sum()


@torch.no_grad()
def evaluate_examples(
    model: GPT, examples: ExampleDataset, batch_size: int, reference: GPT | None, beta: float
) -> dict[str, float]:
    """Return the mean loss over all validation examples: of a target (and its bits per byte), or of a pair.

    For pairs, validation_accuracy is the fraction whose chosen answer the policy prefers more than the reference does.
    """
    device, training = next(model.parameters()).device, model.training
    model.eval()
    loss, count, right = 0.0, 0, 0
    for start in range(0, len(examples.validation), batch_size):
        x, y = (part.to(device) for part in pad_examples(examples.validation[start : start + batch_size], 0))
        with autocast_bf16(device):
            if reference is None:
                loss += model(x, y, reduction="sum").item()
                count += int((y != IGNORE).sum())
            else:
                policy, before = (network(x, y, reduction="rows") for network in (model, reference))
                loss += dpo_loss(policy, before, beta).sum().item()
                right += int((preference_margins(policy, before) > 0).sum())
                count += len(x) // 2
    model.train(training)
    if reference is not None:
        return {"validation_loss": loss / count, "validation_accuracy": right / count}
    return {"validation_loss": loss / count, "bits_per_byte": loss / math.log(2) / examples.text_bytes}
