"""The network: a decoder-only transformer, GPT-2-like or Llama-like as its config says.

Shapes: B rows, T tokens, C width, H heads, D = C / H features a head, V vocabulary padded to a multiple of 64.
"""

import functools
import math
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from model.config import ModelConfig, shape

EPSILON = 1e-6  # of both norms; Llama's and Qwen3's
IGNORE = -1  # a target that is not predicted


def padded(vocabulary: int) -> int:
    """Return the vocabulary's size rounded up to a multiple of 64, which matrix units like."""
    return 64 * math.ceil(vocabulary / 64)


def hidden_width(width: int, activation: str) -> int:
    """Return the feed-forward width: 4 C, or for SwiGLU's three matrices 8/3 C to the nearest 64 (Shazeer 2020)."""
    return max(64, 64 * round(8 / 3 * width / 64)) if activation == "swiglu" else 4 * width


def rope_tables(context: int, features: int, base: float) -> tuple[Tensor, Tensor]:
    """Return cos and sin of position times frequency, each (context, features / 2) (Su et al. 2021)."""
    frequencies = base ** (-torch.arange(0, features, 2, dtype=torch.float32) / features)
    angles = torch.outer(torch.arange(context, dtype=torch.float32), frequencies)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate feature i with feature i + D/2 by its position's angle: x (B, H, T, D), cos and sin (T, D/2)."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1).type_as(x)


class Cache:
    """Keys and values of the tokens seen so far, block by block, so that sampling computes each token once.

    They are of one document. An LSTM's block keeps its state here instead.
    """

    def __init__(self) -> None:
        self.blocks: dict[int, tuple[Tensor, Tensor]] = {}
        self.length = 0  # tokens seen

    def extend(self, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append k and v (B, H, T, D) to a block's and return all of them."""
        if block in self.blocks:
            old_k, old_v = self.blocks[block]
            k, v = torch.cat((old_k, k), dim=2), torch.cat((old_v, v), dim=2)
        self.blocks[block] = (k, v)
        return k, v


def document_mask(begins: Tensor, flex: bool) -> "Tensor | BlockMask":
    """Return the mask that lets a token see its own document's past only; `begins` (B, T) says where one begins.

    As a table (B, 1, T, T), or for flex attention as the blocks that are not empty: its kernel skips the others.
    """
    B, T = begins.shape
    document = begins.cumsum(1)  # (B, T)
    if flex:

        def visible(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            return (q >= k) & (document[b, q] == document[b, k])

        return create_block_mask(visible, B, None, T, T, device=begins.device)
    return ((document[:, :, None] == document[:, None, :]).tril())[:, None]


@functools.cache
def compiled_flex() -> Callable[..., Tensor]:
    """Return flex attention as a fused kernel; uncompiled it would compute every score."""
    return torch.compile(flex_attention)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: "Tensor | BlockMask | None", dropout: float) -> Tensor:
    """Return softmax(q k^T / sqrt(D)) v of (B, H, T, D); without a mask causal, or a last token that sees all."""
    if isinstance(mask, BlockMask):
        fuse = q.is_cuda and not torch.compiler.is_compiling()  # a compiled model fuses it by itself
        flex = compiled_flex() if fuse else cast(Callable[..., Tensor], flex_attention)
        return flex(q.type_as(v), k.type_as(v), v, block_mask=mask)  # autocast does not reach it
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None and q.size(2) > 1, dropout_p=dropout
    )


class Attention(nn.Module):
    """Causal self-attention of several heads."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        width, self.heads = shape(config)
        self.index, self.qk_norm, self.dropout = index, config.qk_norm, config.dropout
        self.q = nn.Linear(width, width, bias=config.bias)
        self.k = nn.Linear(width, width, bias=config.bias)
        self.v = nn.Linear(width, width, bias=config.bias)
        self.out = nn.Linear(width, width, bias=config.bias)

    def forward(
        self,
        x: Tensor,
        rope: tuple[Tensor, Tensor] | None,
        cache: Cache | None,
        mask: "Tensor | BlockMask | None" = None,
    ) -> Tensor:
        B, T, C = x.shape
        q, k, v = (layer(x).view(B, T, self.heads, -1).transpose(1, 2) for layer in (self.q, self.k, self.v))
        if self.qk_norm:  # bounds the attention logits, so that high learning rates stay stable
            q, k = (F.rms_norm(y, (y.size(-1),), eps=EPSILON) for y in (q, k))  # (B, H, T, D)
        if rope is not None:
            q, k = rotate(q, *rope), rotate(k, *rope)
        if cache is not None:
            k, v = cache.extend(self.index, k, v)
        y = attend(q, k, v, mask, self.dropout if self.training else 0.0)  # (B, H, T, D)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020), squared ReLU (So et al. 2021) or GPT-2's tanh-approximated GELU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, self.activation = shape(config)[0], config.activation
        hidden = hidden_width(width, config.activation)
        if config.activation == "swiglu":
            self.gate = nn.Linear(width, hidden, bias=config.bias)
        self.up = nn.Linear(width, hidden, bias=config.bias)
        self.out = nn.Linear(hidden, width, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        up = self.up(x)  # (B, T, hidden)
        if self.activation == "swiglu":
            return self.out(F.silu(self.gate(x)) * up)
        if self.activation == "gelu":
            return self.out(F.gelu(up, approximate="tanh"))
        return self.out(F.relu(up).square() if self.activation == "relu2" else F.relu(up))


def make_norm(config: ModelConfig) -> nn.Module:
    """Return the norm over C: RMSNorm without gain, LayerNorm, or none."""
    width = shape(config)[0]
    if config.norm == "rms":
        return nn.RMSNorm(width, eps=EPSILON, elementwise_affine=False)
    if config.norm == "none":
        return nn.Identity()
    return nn.LayerNorm(width, eps=EPSILON, bias=config.bias)


class Block(nn.Module):
    """Attention, then feed-forward; each reads the normed residual stream and adds to it."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = make_norm(config), Attention(config, index)
        if config.feed_forward:
            self.feed_forward_norm, self.feed_forward = make_norm(config), FeedForward(config)
        self.dropout, self.config = nn.Dropout(config.dropout), config

    def forward(
        self,
        x: Tensor,
        rope: tuple[Tensor, Tensor] | None,
        cache: Cache | None,
        mask: "Tensor | BlockMask | None" = None,
    ) -> Tensor:
        y = self.dropout(self.attention(self.attention_norm(x), rope, cache, mask))
        x = x + y if self.config.residual else y
        if not self.config.feed_forward:
            return x
        y = self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return x + y if self.config.residual else y


class Recurrence(nn.Module):
    """An LSTM layer (Hochreiter and Schmidhuber 1997) in a block's place, for comparison."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        width = shape(config)[0]
        self.index, self.config, self.norm = index, config, make_norm(config)
        self.lstm, self.dropout = nn.LSTM(width, width, batch_first=True), nn.Dropout(config.dropout)
        with torch.no_grad():
            for name, parameter in self.lstm.named_parameters():
                if name.startswith("bias"):
                    parameter.zero_()
                    parameter[width : 2 * width] = 0.5  # two of them: remembers at first (Jozefowicz et al. 2015)

    def forward(self, x: Tensor, rope: None, cache: Cache | None, mask: None = None) -> Tensor:
        y, state = self.lstm(self.norm(x), cache.blocks.get(self.index) if cache is not None else None)
        if cache is not None:
            cache.blocks[self.index] = state
        y = self.dropout(y)
        return x + y if self.config.residual else y


class GPT(nn.Module):
    """Token ids in; logits, or the cross-entropy of the targets, out."""

    def __init__(self, config: ModelConfig, vocabulary: int, separator: int | None = None) -> None:
        """`vocabulary` is the tokenizer's size, `separator` the token that begins a document.

        Weights are drawn from torch's global generator.
        """
        super().__init__()
        self.cos: Tensor
        self.sin: Tensor
        self.config, self.vocabulary, self.separator = config, vocabulary, separator
        width, heads = shape(config)
        self.embed = nn.Embedding(padded(vocabulary), width)
        self.positions = nn.Embedding(config.context, width) if config.position == "learned" else None
        self.dropout = nn.Dropout(config.dropout)
        block = Block if config.block == "transformer" else Recurrence
        self.blocks = nn.ModuleList(block(config, index) for index in range(config.depth))
        self.norm = make_norm(config)
        self.head = nn.Linear(width, padded(vocabulary), bias=False)
        if config.position == "rope":
            cos, sin = rope_tables(config.context, width // heads, config.rope_base)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        self.initialise()

    def initialise(self) -> None:
        """Blocks start as the identity and the logits at zero (output projections and an untied head are zero).

        Without residual connections a zero would let nothing through.
        """
        closed = ("out.weight", "head.weight") if self.config.residual else ("head.weight",)
        for name, parameter in self.named_parameters():
            if name.startswith(("embed", "positions")):
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith((*closed, "bias")):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=parameter.size(1) ** -0.5)
        if self.config.tied:
            self.head.weight = self.embed.weight

    def forward(
        self, tokens: Tensor, targets: Tensor | None = None, cache: Cache | None = None, reduction: str = "mean"
    ) -> Tensor:
        """Return logits (B, T, V) of tokens (B, T), or with targets (B, T) the loss in nats.

        That is its "mean" or "sum" over the targets, or the sums of the "rows" (B,).

        With a cache, tokens follow those it holds: the first call may bring several, later ones one each.
        """
        past, T = cache.length if cache is not None else 0, tokens.size(1)
        if past + T > self.config.context or (past and T > 1):
            raise ValueError(
                f"{past} + {T} tokens: at most {self.config.context} in all, one at a time after the first"
            )
        begins = tokens.eq(self.separator) if self.config.document_mask and self.separator is not None else None
        mask = None
        if begins is not None and cache is None:
            flex = tokens.is_cuda and not (self.training and self.config.dropout)  # it has no dropout
            mask = document_mask(begins, flex)
        x = self.embed(tokens)  # (B, T, C)
        if self.positions is not None:
            index = torch.arange(past, past + T, device=tokens.device)
            if begins is not None and mask is not None:  # counted from the document's beginning
                index = index - torch.where(begins, index, 0).cummax(1).values
            x = x + self.positions(index)
        rope = (self.cos[past : past + T], self.sin[past : past + T]) if self.config.position == "rope" else None
        x = self.dropout(x)
        if torch.is_autocast_enabled(x.device.type):  # the residual stream in bf16 too: half the bytes to move
            x = x.to(torch.get_autocast_dtype(x.device.type))
        for block in self.blocks:
            x = block(x, rope, cache, mask)
        if cache is not None:
            cache.length += T
        logits = self.head(self.norm(x)).float()  # (B, T, V)
        if self.config.softcap:
            logits = self.config.softcap * torch.tanh(logits / self.config.softcap)
        if targets is None:
            return logits
        if reduction == "rows":
            return F.cross_entropy(logits.mT, targets, ignore_index=IGNORE, reduction="none").sum(1)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction=reduction)

    def parameter_count(self) -> int:
        """Return the number of trained numbers, a tied head counted once."""
        return sum(parameter.numel() for parameter in self.parameters())
