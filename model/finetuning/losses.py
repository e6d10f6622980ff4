"""The losses of fine-tuning: that of the answers (SFT), or of preference pairs (DPO and the reward model)."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import PAIR_TASKS, TrainerConfig
from model.finetuning.examples import ExampleDataset, pad_examples
from model.gpt import GPT, IGNORE
from model.hardware import autocast_bf16


def preference_margins(policy: Tensor, reference: Tensor) -> Tensor:
    """Return (P,) by how many nats the policy prefers the chosen answer of each pair more than the reference does.

    Both arguments are the answers' negative log-likelihoods (2 P,), chosen and rejected in turn.
    """
    return reward_margins(reference - policy)


def reward_margins(rewards: Tensor) -> Tensor:
    """Return (P,) by how much the chosen answer of each pair has more; `rewards` (2 P,) are of both in turn."""
    chosen, rejected = rewards.view(-1, 2).unbind(1)
    return chosen - rejected


def bradley_terry_loss(margins: Tensor) -> Tensor:
    """Return the losses (P,) of pairs, -log sigmoid(margin) (Bradley and Terry 1952).

    With the margins of a reward model it is that of Ouyang et al. 2022, equation 1. With beta times those of
    `preference_margins` it is DPO's (Rafailov et al. 2023, equation 7).
    """
    return -F.logsigmoid(margins)


def compute_margins(
    forward: Callable[..., Tensor], x: Tensor, y: Tensor, config: TrainerConfig, reference: GPT | None
) -> Tensor:
    """Return the margins (P,) of pairs of rows x, y (2 P, T) for their loss: of rewards, or with a reference DPO's."""
    if reference is None:
        return reward_margins(forward(x, y, reduction="rows"))
    with torch.no_grad():
        before = reference(x, y, reduction="rows")
    return config.dpo_beta * preference_margins(forward(x, y, reduction="rows"), before)


def sum_losses(
    forward: Callable[..., Tensor], x: Tensor, y: Tensor, config: TrainerConfig, reference: GPT | None
) -> Tensor:
    """Return the summed loss of rows x, y (B, T): over all targets, or over all pairs."""
    if config.task in PAIR_TASKS:
        return bradley_terry_loss(compute_margins(forward, x, y, config, reference)).sum()
    return forward(x, y, reduction="sum")


@torch.no_grad()
def evaluate_examples(
    model: GPT, examples: ExampleDataset, config: TrainerConfig, reference: GPT | None
) -> dict[str, float]:
    """Return the mean loss over all validation examples: of a target (and its bits per byte), or of a pair.

    For pairs, validation_accuracy is the fraction with a positive margin: the reward model ranks them right, or the
    policy prefers the chosen answer more than the reference does.
    """
    device, training, is_paired = next(model.parameters()).device, model.training, config.task in PAIR_TASKS
    model.eval()
    loss, count, right = 0.0, 0, 0
    for start in range(0, len(examples.validation), config.batch_size):
        chosen = examples.validation[start : start + config.batch_size]
        x, y = (part.to(device) for part in pad_examples(chosen, 0))
        with autocast_bf16(device):
            if is_paired:
                margins = compute_margins(model, x, y, config, reference)
                loss += bradley_terry_loss(margins).sum().item()
                right += int((margins > 0).sum())
                count += len(margins)
            else:
                loss += model(x, y, reduction="sum").item()
                count += int((y != IGNORE).sum())
    model.train(training)
    if is_paired:
        return {"validation_loss": loss / count, "validation_accuracy": right / count}
    return {"validation_loss": loss / count, "bits_per_byte": loss / math.log(2) / examples.text_bytes}
