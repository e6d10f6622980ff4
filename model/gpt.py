"""The network: a decoder-only transformer, like GPT-2 or like Llama, as its config says.

Shapes: B rows, T tokens, C width, H heads, D features a head, V vocabulary padded to a multiple of 64.
"""

import functools
import math
from collections.abc import Callable
from typing import TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from model.config import ModelConfig, RopeScaling, TrainerError, find_network_shape
from model.kernels.cpu_norms import normalize_and_rotate, normalize_rms, rotate_features

IGNORE = -1  # a target that is not predicted

Rope: TypeAlias = tuple[Tensor, Tensor]  # cos and sin, each (T, D)
Mask: TypeAlias = Tensor | BlockMask


class GPT(nn.Module):
    """Token ids in; logits, or the cross-entropy of the targets, out."""

    def __init__(self, config: ModelConfig, vocabulary: int, separator: int | None = None) -> None:
        """`vocabulary` is the tokenizer's size, `separator` the token before every document.

        The weights are drawn from torch's global generator. Raises TrainerError for a `vocabulary` that the config's
        does not hold.
        """
        super().__init__()
        self.cos: Tensor
        self.sin: Tensor
        self.config, self.vocabulary, self.separator = config, vocabulary, separator
        shape, rows = find_network_shape(config), config.vocabulary or pad_vocabulary(vocabulary)
        width = shape.width
        if rows < vocabulary:
            raise TrainerError(f"model.vocabulary: {rows} is below {vocabulary}, the size of the tokenizer")
        self.embed = nn.Embedding(rows, width)
        self.positions = nn.Embedding(config.context, width) if config.position == "learned" else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(self.make_block(index) for index in range(config.depth))
        self.norm = make_norm(config)
        self.head = nn.Linear(width, rows, bias=False)
        if config.position == "rope":
            cos, sin = make_rope_tables(config.context, shape.head_width, config.rope_base, config.rope_scaling)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        self.initialize_weights()

    def make_block(self, index: int) -> nn.Module:
        """Return block number `index`."""
        return TransformerBlock(self.config, index)

    def starts_at_zero(self, name: str) -> bool:
        """Return whether a parameter starts at zero: biases, the blocks' output projections, and an untied head.

        A new block is then the identity, and a new model gives every token the same probability.
        """
        return name.endswith(("out.weight", "head.weight", "bias"))

    def initialize_weights(self) -> None:
        """Draw the weights: embeddings with standard deviation .02, matrices with 1 / sqrt(inputs), or zero."""
        for name, parameter in self.named_parameters():
            if name.startswith(("embed", "positions")):
                nn.init.normal_(parameter, std=0.02)
            elif self.starts_at_zero(name):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=parameter.size(1) ** -0.5)
        if self.config.tied:
            self.head.weight = self.embed.weight

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        cache: "KeyValueCache | None" = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Return the logits (B, T, V) of tokens (B, T), or with targets (B, T) the loss in nats.

        `reduction` is "mean" or "sum" over the targets, or "rows" for the sum of each row (B,). With a cache, the
        tokens follow those that it holds, as in `compute_features`, which also says what is raised.
        """
        logits = self.compute_logits(self.compute_features(tokens, cache))
        return logits if targets is None else compute_cross_entropy(logits, targets, reduction)

    def compute_logits(self, features: Tensor) -> Tensor:
        """Return the logits (B, T, V) of the last block's normed output (B, T, C)."""
        logits: Tensor = self.head(features).float()
        return self.config.softcap * torch.tanh(logits / self.config.softcap) if self.config.softcap else logits

    def compute_features(self, tokens: Tensor, cache: "KeyValueCache | None" = None) -> Tensor:
        """Return the normed output (B, T, C) of the last block for tokens (B, T).

        With a cache, the first call may bring several tokens, each later call one. Raises ValueError for more tokens
        than the context has.
        """
        past, T = cache.length if cache is not None else 0, tokens.size(1)
        if past + T > self.config.context or (past and T > 1):
            raise ValueError(
                f"{past} + {T} tokens: at most {self.config.context} in all, one at a time after the first"
            )
        begins = self.find_document_starts(tokens) if cache is None else None
        mask = None if begins is None else make_document_mask(begins, flex=self.can_use_flex(tokens))
        x = self.embed_tokens(tokens, past, begins)
        rope = (self.cos[past : past + T], self.sin[past : past + T]) if self.config.position == "rope" else None
        for block in self.blocks:
            x = block(x, rope, cache, mask)
        if cache is not None:
            cache.length += T
        features: Tensor = self.norm(x)
        return features

    def find_document_starts(self, tokens: Tensor) -> Tensor | None:
        """Return which tokens (B, T) begin a document, or None if documents are not kept apart."""
        return tokens.eq(self.separator) if self.config.document_mask and self.separator is not None else None

    def can_use_flex(self, tokens: Tensor) -> bool:
        """Return whether flex attention can be used: on an NVIDIA card, without dropout."""
        return tokens.is_cuda and not (self.training and self.config.dropout)

    def embed_tokens(self, tokens: Tensor, past: int, begins: Tensor | None) -> Tensor:
        """Return the input (B, T, C) of the first block; `begins` (B, T) marks the tokens that begin a document.

        Learned positions count from `past`, or from the beginning of the document.
        """
        x: Tensor = self.embed(tokens)
        if self.positions is not None:
            index = torch.arange(past, past + tokens.size(1), device=tokens.device)
            if begins is not None:
                index = index - torch.where(begins, index, 0).cummax(1).values
            x = x + self.positions(index)
        x = self.dropout(x)
        if torch.is_autocast_enabled(x.device.type):  # the residual stream in bf16 too: half the bytes to move
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return x

    def count_parameters(self) -> int:
        """Return the number of trained numbers; a tied head is counted once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def count_flops_per_token(self) -> float:
        """Return the FLOPs of forward and backward for a token: 6 N + 12 L H D T (PaLM, Chowdhery et al. 2022, app. B).

        N counts the weights that multiply. Embeddings are only looked up; a tied one multiplies as the head.
        """
        lookups = 0 if self.config.tied else self.embed.weight.numel()
        if self.positions is not None:
            lookups += self.positions.weight.numel()
        layers = self.config.depth if self.config.block == "transformer" else 0
        shape = find_network_shape(self.config)
        attention = 12 * layers * shape.heads * shape.head_width * self.config.context
        return 6 * (self.count_parameters() - lookups) + attention


class TransformerBlock(nn.Module):
    """Attention, then feed-forward. Each reads the normed residual stream and adds its output to the stream."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = make_norm(config), CausalSelfAttention(config, index)
        self.feed_forward_norm, self.feed_forward = make_norm(config), FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, rope: Rope | None, cache: "KeyValueCache | None", mask: Mask | None = None) -> Tensor:
        """Return the residual stream x (B, T, C) after the block."""
        x = x + self.dropout(self.attention(self.attention_norm(x), rope, cache, mask))
        x = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return x


class CausalSelfAttention(nn.Module):
    """Self-attention of several heads. A token sees itself and the tokens before it.

    With fewer key and value heads, each serves the same number of query heads (Ainslie et al. 2023).
    """

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        width, self.heads, self.shared_heads, features, _ = find_network_shape(config)
        self.index, self.qk_norm, self.dropout = index, config.qk_norm, config.dropout
        self.epsilon = config.norm_epsilon
        self.q = nn.Linear(width, self.heads * features, bias=config.bias)
        self.k = nn.Linear(width, self.shared_heads * features, bias=config.bias)
        self.v = nn.Linear(width, self.shared_heads * features, bias=config.bias)
        self.out = nn.Linear(self.heads * features, width, bias=config.bias)
        has_gain = config.qk_norm and config.norm_gain
        self.q_gain = nn.Parameter(torch.ones(features)) if has_gain else None
        self.k_gain = nn.Parameter(torch.ones(features)) if has_gain else None

    def forward(self, x: Tensor, rope: Rope | None, cache: "KeyValueCache | None", mask: Mask | None = None) -> Tensor:
        """Return the output (B, T, C) for x (B, T, C)."""
        B, T, _ = x.shape
        heads, shared = self.heads, self.shared_heads
        # One product for queries, keys and values, and one norm and rotation for queries and keys: larger is faster.
        layers = (self.q, self.k, self.v)
        bias = torch.cat([layer.bias for layer in layers]) if self.q.bias is not None else None
        qkv = F.linear(x, torch.cat([layer.weight for layer in layers]), bias)  # (B, T, 3 C) if no head is shared
        q, k, v = self.split_heads(qkv.view(B, T, heads + 2 * shared, -1), rope)
        if cache is not None:
            k, v = cache.extend(self.index, k, v)
        y = compute_attention(q, k, v, mask, self.dropout if self.training else 0.0)  # (B, H, T, D)
        output: Tensor = self.out(y.transpose(1, 2).reshape(B, T, -1))
        return output

    def split_heads(self, qkv: Tensor, rope: Rope | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values (B, heads, T, D) of qkv (B, T, all heads, D).

        Queries and keys are normed, if they are, and rotated by their positions. The norm bounds the attention logits,
        so that high learning rates stay stable.
        """
        if self.qk_norm and self.q_gain is None and rope is not None:
            return normalize_and_rotate(qkv, self.heads, self.epsilon, *rope)
        qk, v = torch.split(qkv, [self.heads + self.shared_heads, self.shared_heads], dim=2)
        if self.qk_norm:
            qk = normalize_rms(qk, self.epsilon)
        if self.q_gain is not None and self.k_gain is not None:
            qk = qk * torch.cat((self.q_gain.expand(self.heads, -1), self.k_gain.expand(self.shared_heads, -1)))
        if rope is not None:
            qk = rotate_features(qk, *(table[:, None] for table in rope))  # tables (T, 1, D)
        q, k = torch.split(qk.transpose(1, 2), [self.heads, self.shared_heads], dim=1)
        return q, k, v.transpose(1, 2)


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020), squared ReLU (So et al. 2021), GPT-2's tanh-approximated GELU, or ReLU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        shape, self.activation = find_network_shape(config), config.activation
        width, hidden = shape.width, shape.feed_forward_width
        if config.activation == "swiglu":
            self.gate = nn.Linear(width, hidden, bias=config.bias)
        self.up = nn.Linear(width, hidden, bias=config.bias)
        self.out = nn.Linear(hidden, width, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output (B, T, C) for x (B, T, C)."""
        up = self.up(x)  # (B, T, hidden)
        if self.activation == "swiglu":
            up = F.silu(self.gate(x)) * up
        elif self.activation == "gelu":
            up = F.gelu(up, approximate="tanh")
        else:
            up = F.relu(up).square() if self.activation == "relu2" else F.relu(up)
        output: Tensor = self.out(up)
        return output


class KeyValueCache:
    """Keys and values of the tokens seen so far, block by block, so that sampling computes each token once.

    The tokens are of one document. An LSTM's blocks keep their state here instead.
    """

    def __init__(self) -> None:
        self.blocks: dict[int, tuple[Tensor, Tensor]] = {}
        self.length = 0  # tokens seen

    def extend(self, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append k and v (B, H, T, D) to those of a block and return all of them."""
        if block in self.blocks:
            old_k, old_v = self.blocks[block]
            k, v = torch.cat((old_k, k), dim=2), torch.cat((old_v, v), dim=2)
        self.blocks[block] = (k, v)
        return k, v


class RMSNorm(nn.Module):
    """RMSNorm over C (Zhang and Sennrich 2019), perhaps with a gain."""

    def __init__(self, width: int, epsilon: float, has_gain: bool) -> None:
        super().__init__()
        self.epsilon, self.weight = epsilon, nn.Parameter(torch.ones(width)) if has_gain else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the normed x (B, T, C)."""
        y = normalize_rms(x, self.epsilon)
        return y if self.weight is None else y * self.weight


def make_norm(config: ModelConfig) -> nn.Module:
    """Return the norm over C: RMSNorm, LayerNorm, or none."""
    width = find_network_shape(config).width
    if config.norm == "rms":
        return RMSNorm(width, config.norm_epsilon, config.norm_gain)
    if config.norm == "none":
        return nn.Identity()
    return nn.LayerNorm(width, eps=config.norm_epsilon, bias=config.bias)


def make_rope_tables(context: int, features: int, base: float, scaling: RopeScaling | None = None) -> Rope:
    """Return cos and sin of position times frequency, each (context, features) (Su et al. 2021).

    Both hold each frequency twice, for the two features that turn together; the first of the two sines is negative.
    """
    frequencies = base ** (-torch.arange(0, features, 2, dtype=torch.float32) / features)
    if scaling is not None:
        frequencies = scale_rope_frequencies(frequencies, scaling)
    angles = torch.outer(torch.arange(context, dtype=torch.float32), frequencies)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=1), torch.cat((-sin, sin), dim=1)


def scale_rope_frequencies(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Return frequencies (D / 2,) with the slow ones divided by the factor, the fast ones kept, and a ramp between.

    It is the rule of Llama 3.1 (Grattafiori et al. 2024, section 3.4.2, as in its published code).
    """
    turns = scaling.original_context * frequencies / (2 * math.pi)  # over the original context
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * frequencies + (1 - kept) * frequencies / scaling.factor


def compute_attention(q: Tensor, k: Tensor, v: Tensor, mask: Mask | None, dropout: float) -> Tensor:
    """Return softmax(q k^T / sqrt(D)) v of (B, H, T, D). Without a mask it is causal; a single query sees all keys.

    k and v may have fewer heads; each then serves several of q.
    """
    is_grouped = q.size(1) != k.size(1)
    if isinstance(mask, BlockMask):
        fuse = q.is_cuda and not torch.compiler.is_compiling()  # a compiled model fuses it by itself
        flex = compile_flex_attention() if fuse else cast(Callable[..., Tensor], flex_attention)
        return flex(
            q.type_as(v), k.type_as(v), v, block_mask=mask, enable_gqa=is_grouped
        )  # autocast does not cast its arguments
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None and q.size(2) > 1, dropout_p=dropout, enable_gqa=is_grouped
    )


@functools.cache
def compile_flex_attention() -> Callable[..., Tensor]:
    """Return flex attention as a fused kernel. Without compilation it would compute every score."""
    return torch.compile(flex_attention)


def make_document_mask(begins: Tensor, flex: bool) -> Mask:
    """Return the mask that lets a token see only the past of its own document; `begins` (B, T) marks first tokens.

    The mask is a table (B, 1, T, T). For flex attention it is the list of blocks that are not empty; its kernel skips
    the others.
    """
    B, T = begins.shape
    document = begins.cumsum(1)  # (B, T)
    if flex:

        def is_visible(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            return (q >= k) & (document[b, q] == document[b, k])

        return create_block_mask(is_visible, B, None, T, T, device=begins.device)
    return ((document[:, :, None] == document[:, None, :]).tril())[:, None]


def compute_cross_entropy(logits: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """Return the cross-entropy in nats of logits (B, T, V): "mean" or "sum" over the targets, or "rows" (B,)."""
    if reduction == "rows":
        return F.cross_entropy(logits.mT, targets, ignore_index=IGNORE, reduction="none").sum(1)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction=reduction)


def pad_vocabulary(vocabulary: int) -> int:
    """Return the vocabulary's size rounded up to a multiple of 64. Matrix units are faster with such sizes."""
    return 64 * math.ceil(vocabulary / 64)
