"""A reward model: a GPT whose head gives one number, how good an answer is.

It learns from pairs of answers, of which people chose one: the probability that the chosen answer is the better one is
sigmoid(reward of the chosen - reward of the rejected) (Bradley and Terry 1952; Ouyang et al. 2022, section 3.5). The
loss is `bradley_terry_loss` in `model/finetuning/losses.py`; the loop is that of every run.
"""

import torch
from torch import Tensor, nn

from model.config import ModelConfig
from model.gpt import GPT, IGNORE, KeyValueCache


class RewardModel(GPT):
    """A GPT that reads a prompt and an answer, and gives the reward at the answer's last token."""

    def __init__(self, config: ModelConfig, vocabulary: int, separator: int | None = None) -> None:
        super().__init__(config, vocabulary, separator)
        self.reward = nn.Linear(self.head.in_features, 1, bias=False)
        nn.init.zeros_(self.reward.weight)  # at first all answers are equally good
        del self.head

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        cache: KeyValueCache | None = None,
        reduction: str = "rows",
    ) -> Tensor:
        """Return the rewards (B,) of rows of tokens (B, T).

        A row's reward is read at the last position that has a target: at its answer's last token. Without targets it is
        the row's last token.
        """
        features = self.compute_features(tokens, cache)  # (B, T, C)
        rewards: Tensor = self.reward(features).squeeze(-1).float()  # (B, T)
        return rewards[:, -1] if targets is None else rewards.gather(1, find_last_targets(targets)[:, None])[:, 0]


def find_last_targets(targets: Tensor) -> Tensor:
    """Return the last position (B,) of each row of targets (B, T) that is not IGNORE; 0 if there is none."""
    positions = torch.arange(targets.size(1), device=targets.device)
    return torch.where(targets != IGNORE, positions, 0).amax(1)
