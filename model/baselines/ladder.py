"""The rungs of the lecture's ladder that lack a part of the transformer: `residual: false`, `feed_forward: false`.

`configs/ladder-*.yaml` holds the rungs. Those with every part are the GPT itself.
"""

from torch import Tensor, nn

from model.config import ModelConfig
from model.gpt import GPT, CausalSelfAttention, FeedForward, KeyValueCache, Mask, Rope, make_norm


class LadderGPT(GPT):
    """A GPT whose blocks lack the residual connections or the feed-forward layer."""

    def make_block(self, index: int) -> nn.Module:
        """Return block number `index`."""
        return LadderBlock(self.config, index)

    def starts_at_zero(self, name: str) -> bool:
        """Return whether a parameter starts at zero. Without residual connections a zero projection blocks all."""
        return super().starts_at_zero(name) and (self.config.residual or not name.endswith("out.weight"))


class LadderBlock(nn.Module):
    """Attention and perhaps feed-forward, added to the residual stream or in its place."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.residual = config.residual
        self.attention_norm, self.attention = make_norm(config), CausalSelfAttention(config, index)
        if config.feed_forward:
            self.feed_forward_norm, self.feed_forward = make_norm(config), FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, rope: Rope | None, cache: KeyValueCache | None, mask: Mask | None = None) -> Tensor:
        """Return the stream x (B, T, C) after the block."""
        y: Tensor = self.dropout(self.attention(self.attention_norm(x), rope, cache, mask))
        x = x + y if self.residual else y
        if hasattr(self, "feed_forward"):
            y = self.dropout(self.feed_forward(self.feed_forward_norm(x)))
            x = x + y if self.residual else y
        return x
