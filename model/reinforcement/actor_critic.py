"""A GPT with a second head: the policy (actor) and its value function (critic) share all blocks."""

from torch import Tensor, nn

from model.config import ModelConfig
from model.gpt import GPT


class ActorCritic(GPT):
    """A GPT that also predicts, at every token, the reward that the rest of the answer will bring."""

    def __init__(self, config: ModelConfig, vocabulary: int, separator: int | None = None) -> None:
        super().__init__(config, vocabulary, separator)
        self.value = nn.Linear(self.head.in_features, 1, bias=False)
        nn.init.zeros_(self.value.weight)

    def compute_logits_and_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (B, T, V) and the values (B, T) of tokens (B, T)."""
        features = self.compute_features(tokens)
        values: Tensor = self.value(features).squeeze(-1).float()
        return self.compute_logits(features), values
