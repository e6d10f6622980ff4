"""A small GPT trainer like nanoGPT, to compare the bundled trainer with on a CPU.

It is written from the published description of GPT-2 (Radford et al. 2019) and of nanoGPT's CPU example for tiny
Shakespeare: pre-norm blocks with LayerNorm and GELU, learned positions, one matrix for queries, keys and values, the
head tied to the embedding, no biases; AdamW with decay on matrices, a cosine schedule, clipping at 1. None of nanoGPT's
code is in it.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class NanoConfig:
    """The settings of nanoGPT's CPU example for tiny Shakespeare, by characters."""

    vocabulary: int = 65
    layers: int = 4
    heads: int = 4
    width: int = 128
    context: int = 64
    batch_size: int = 12
    steps: int = 2000
    warmup: int = 100
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    gradient_clip: float = 1.0


class NanoBlock(nn.Module):
    """LayerNorm and attention, LayerNorm and a GELU layer, each added to the stream."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.qkv, self.attention_out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream x (B, T, C) after the block."""
        B, T, C = x.shape
        q, k, v = (
            part.view(B, T, self.heads, C // self.heads).transpose(1, 2)
            for part in self.qkv(self.norm_1(x)).split(C, 2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attention_out(y.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class NanoGPT(nn.Module):
    """The network; weights are normal with deviation .02, the blocks' output projections .02 / sqrt(2 layers)."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(NanoBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                is_output = name.endswith(("attention_out.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * config.layers) if is_output else 0.02)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy in nats of targets (B, T) given tokens (B, T)."""
        x = self.embed(tokens) + self.positions(torch.arange(tokens.size(1)))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.embed.weight)  # (B, T, V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class NanoTrainer:
    """The loop: random rows of the text, AdamW, warm-up and cosine."""

    def __init__(self, config: NanoConfig, train: Tensor, seed: int = 0) -> None:
        """`train` holds the token ids of the training text."""
        torch.manual_seed(seed)
        self.config, self.train, self.step = config, train, 0
        self.model = NanoGPT(config)
        matrices = [p for p in self.model.parameters() if p.ndim == 2]
        others = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)

    def rate(self) -> float:
        """Return the learning rate of the next step."""
        c = self.config
        if self.step < c.warmup:
            return c.learning_rate * (self.step + 1) / (c.warmup + 1)
        progress = min(1.0, (self.step - c.warmup) / (c.steps - c.warmup))
        return (
            c.final_learning_rate + (c.learning_rate - c.final_learning_rate) * (1 + math.cos(math.pi * progress)) / 2
        )

    def train_step(self) -> float:
        """Do one step and return its loss."""
        c = self.config
        starts = torch.randint(len(self.train) - c.context, (c.batch_size,))
        rows = torch.stack([self.train[start : start + c.context + 1] for start in starts])
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        loss = self.model(rows[:, :-1], rows[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), c.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def validation_loss(self, ids: Tensor) -> float:
        """Return the mean loss over a whole text, in rows of the context."""
        total, count = 0.0, 0
        for start in range(0, len(ids) - 1, self.config.context):
            row = ids[start : start + self.config.context + 1]
            total += self.model(row[None, :-1], row[None, 1:]).item() * (len(row) - 1)
            count += len(row) - 1
        return total / count
