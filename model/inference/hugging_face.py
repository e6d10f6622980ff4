"""The names and shapes of Hugging Face's Llama, Qwen3 and GPT-2, as export and import both use them."""

import torch
from torch import Tensor

from model.config import JsonObject, ModelConfig

COMMON_KEYS: JsonObject = {"block": "transformer", "residual": True, "feed_forward": True, "softcap": 0.0}
LLAMA_KEYS = COMMON_KEYS | {"position": "rope", "norm": "rms", "activation": "swiglu", "bias": False}
GPT2_KEYS = COMMON_KEYS | {
    "position": "learned",
    "norm": "layer",
    "activation": "gelu",
    "bias": True,
    "qk_norm": False,
    "key_value_heads": None,
    "head_width": None,
}

# Names of the trainer's parameters -> names there, in a block
LLAMA_BLOCK = {
    "attention_norm.weight": "input_layernorm.weight",
    "attention.q.weight": "self_attn.q_proj.weight",
    "attention.k.weight": "self_attn.k_proj.weight",
    "attention.v.weight": "self_attn.v_proj.weight",
    "attention.out.weight": "self_attn.o_proj.weight",
    "feed_forward_norm.weight": "post_attention_layernorm.weight",
    "feed_forward.gate.weight": "mlp.gate_proj.weight",
    "feed_forward.up.weight": "mlp.up_proj.weight",
    "feed_forward.out.weight": "mlp.down_proj.weight",
}
QWEN3_BLOCK = LLAMA_BLOCK | {
    "attention.q_gain": "self_attn.q_norm.weight",
    "attention.k_gain": "self_attn.k_norm.weight",
}
GPT2_BLOCK = {
    "attention_norm": "ln_1",
    "attention.q": "attn.q",  # there, the three are one: see `join_gpt2_attention`
    "attention.k": "attn.k",
    "attention.v": "attn.v",
    "attention.out": "attn.c_proj",
    "feed_forward_norm": "ln_2",
    "feed_forward.up": "mlp.c_fc",
    "feed_forward.out": "mlp.c_proj",
}


def name_llama_tensors(config: ModelConfig) -> dict[str, str]:
    """Return the names of Llama's tensors (with QK-norm Qwen3's), by the trainer's names; those of gains too."""
    names = {"embed.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight"}
    if not config.tied:
        names["head.weight"] = "lm_head.weight"
    block = QWEN3_BLOCK if config.qk_norm else LLAMA_BLOCK
    for index in range(config.depth):
        names |= {f"blocks.{index}.{mine}": f"model.layers.{index}.{theirs}" for mine, theirs in block.items()}
    return names


def name_gpt2_tensors(config: ModelConfig) -> dict[str, str]:
    """Return the names of GPT-2's tensors, by the trainer's names; queries, keys and values are apart."""
    names = {"embed.weight": "transformer.wte.weight", "positions.weight": "transformer.wpe.weight"}
    if not config.tied:
        names["head.weight"] = "lm_head.weight"
    for kind in ("weight", "bias"):
        names[f"norm.{kind}"] = f"transformer.ln_f.{kind}"
        for index in range(config.depth):
            here, there = f"blocks.{index}", f"transformer.h.{index}"
            names |= {f"{here}.{mine}.{kind}": f"{there}.{theirs}.{kind}" for mine, theirs in GPT2_BLOCK.items()}
    return names


def transpose_gpt2_tensor(name: str, tensor: Tensor) -> Tensor:
    """Return a tensor of GPT-2 as a matrix of the trainer, or the reverse: its blocks' matrices are transposed."""
    return tensor.mT if tensor.ndim == 2 and ".h." in name else tensor


def join_gpt2_attention(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return GPT-2's tensors with queries, keys and values as one: `attn.q`, `attn.k`, `attn.v` -> `attn.c_attn`."""
    joined = {name: tensor for name, tensor in tensors.items() if ".attn." not in name or ".c_proj." in name}
    for name in tensors:
        if ".attn.q." in name:
            parts = [tensors[name.replace(".attn.q.", f".attn.{part}.")] for part in "qkv"]
            joined[name.replace(".attn.q.", ".attn.c_attn.")] = torch.cat(parts, dim=-1)
    return joined


def split_gpt2_attention(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return GPT-2's tensors with queries, keys and values apart: the inverse of `join_gpt2_attention`."""
    apart = {name: tensor for name, tensor in tensors.items() if ".c_attn." not in name}
    for name in tensors.keys() - apart.keys():
        for part, tensor in zip("qkv", tensors[name].chunk(3, dim=-1), strict=True):
            apart[name.replace(".c_attn.", f".{part}.")] = tensor
    return apart
