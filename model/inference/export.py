"""Export to Hugging Face's format, with the same logits.

The model's shape decides the architecture: Llama; Llama with normed queries and keys, called Qwen3 there; or GPT-2.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from model.checkpoint import MODEL, save_safetensors
from model.config import JsonObject, ModelConfig, TrainerError, width_and_heads
from model.gpt import EPSILON, GPT, feed_forward_width, pad_vocabulary
from model.run_folder import TrainedRun
from model.tokenizer import SEPARATOR, find_separator_id

COMMON_KEYS: JsonObject = {"block": "transformer", "residual": True, "feed_forward": True, "softcap": 0.0}
LLAMA_KEYS = COMMON_KEYS | {"position": "rope", "norm": "rms", "activation": "swiglu", "bias": False}
GPT2_KEYS = COMMON_KEYS | {
    "position": "learned",
    "norm": "layer",
    "activation": "gelu",
    "bias": True,
    "qk_norm": False,
    "tied": True,
}


def export_run(run: TrainedRun, directory: Path) -> None:
    """Write model.safetensors, config.json and the tokenizer's files into a new folder.

    Raises TrainerError for a folder that is not empty, or a model that no architecture there computes.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise TrainerError(f"{directory}: it exists and is not empty; name a new folder")
    tensors, config = convert_weights(run.model)
    separator = find_separator_id(run.tokenizer)
    config |= {"bos_token_id": separator, "eos_token_id": separator, "dtype": "float32"}
    about_tokenizer: JsonObject = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": run.config.model.context,
        "clean_up_tokenization_spaces": False,
    }
    if separator is not None:
        about_tokenizer |= {"bos_token": SEPARATOR, "eos_token": SEPARATOR}
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    try:
        save_safetensors({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary / MODEL)
        for name, content in (("config.json", config), ("tokenizer_config.json", about_tokenizer)):
            (temporary / name).write_text(json.dumps(content, indent=2) + "\n")
        (temporary / "tokenizer.json").write_text(run.tokenizer.to_str(pretty=True), encoding="utf-8")
        os.chmod(temporary, 0o755)
        os.replace(temporary, directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def convert_weights(model: GPT) -> tuple[dict[str, Tensor], JsonObject]:
    """Return the tensors and the config with Hugging Face's names. Raises TrainerError if no architecture fits."""
    config = model.config
    odd = {
        name: [f"model.{key}={getattr(config, key)!r}" for key, value in there.items() if getattr(config, key) != value]
        for name, there in {"Llama": LLAMA_KEYS, "GPT-2": GPT2_KEYS}.items()
    }
    if not odd["Llama"]:
        return convert_to_llama(model)
    if not odd["GPT-2"]:
        return convert_to_gpt2(model)
    name = min(odd, key=lambda name: len(odd[name]))
    raise TrainerError(
        f"export: no Hugging Face architecture computes this model; the nearest, {name}, has no {', '.join(odd[name])}"
    )


def convert_to_llama(model: GPT) -> tuple[dict[str, Tensor], JsonObject]:
    """Return the weights as the tensors of Llama or Qwen3, and its config. Norms without a gain get a gain of one."""
    config, weights = model.config, dict(model.named_parameters())
    width, heads = width_and_heads(config)
    ones, head_ones = torch.ones(width), torch.ones(width // heads)
    tensors = {"model.embed_tokens.weight": weights["embed.weight"].detach(), "model.norm.weight": ones}
    if not config.tied:
        tensors["lm_head.weight"] = weights["head.weight"].detach()
    names = {
        "self_attn.q_proj": "attention.q",
        "self_attn.k_proj": "attention.k",
        "self_attn.v_proj": "attention.v",
        "self_attn.o_proj": "attention.out",
        "mlp.gate_proj": "feed_forward.gate",
        "mlp.up_proj": "feed_forward.up",
        "mlp.down_proj": "feed_forward.out",
    }
    for index in range(config.depth):
        there = f"model.layers.{index}"
        for name, mine in names.items():
            tensors[f"{there}.{name}.weight"] = weights[f"blocks.{index}.{mine}.weight"].detach()
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{there}.{name}.weight"] = ones.clone()
        if config.qk_norm:
            for name in ("q_norm", "k_norm"):
                tensors[f"{there}.self_attn.{name}.weight"] = head_ones.clone()
    about = {
        "architectures": ["Qwen3ForCausalLM" if config.qk_norm else "LlamaForCausalLM"],
        "model_type": "qwen3" if config.qk_norm else "llama",
        "vocab_size": pad_vocabulary(model.vocabulary),
        "hidden_size": width,
        "intermediate_size": feed_forward_width(width, config.activation),
        "num_hidden_layers": config.depth,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": width // heads,
        "hidden_act": "silu",
        "max_position_embeddings": config.context,
        "rms_norm_eps": EPSILON,
        "rope_theta": config.rope_base,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_base},
        "attention_bias": False,
        "tie_word_embeddings": config.tied,
    }
    return tensors, about


def convert_to_gpt2(model: GPT) -> tuple[dict[str, Tensor], JsonObject]:
    """Return the weights as GPT-2's tensors, and its config.

    GPT-2's matrices are transposed, and those of queries, keys and values are one matrix.
    """
    config: ModelConfig = model.config
    weights = {name: value.detach() for name, value in model.named_parameters()}
    width, heads = width_and_heads(config)
    tensors = {"transformer.wte.weight": weights["embed.weight"], "transformer.wpe.weight": weights["positions.weight"]}
    for kind in ("weight", "bias"):
        tensors[f"transformer.ln_f.{kind}"] = weights[f"norm.{kind}"]
        for index in range(config.depth):
            there, here = f"transformer.h.{index}", f"blocks.{index}"
            qkv = torch.cat([weights[f"{here}.attention.{name}.{kind}"] for name in "qkv"])
            parts = {
                "ln_1": weights[f"{here}.attention_norm.{kind}"],
                "ln_2": weights[f"{here}.feed_forward_norm.{kind}"],
                "attn.c_attn": transpose_matrix(qkv),
                "attn.c_proj": transpose_matrix(weights[f"{here}.attention.out.{kind}"]),
                "mlp.c_fc": transpose_matrix(weights[f"{here}.feed_forward.up.{kind}"]),
                "mlp.c_proj": transpose_matrix(weights[f"{here}.feed_forward.out.{kind}"]),
            }
            tensors |= {f"{there}.{name}.{kind}": value for name, value in parts.items()}
    about = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": pad_vocabulary(model.vocabulary),
        "n_positions": config.context,
        "n_embd": width,
        "n_layer": config.depth,
        "n_head": heads,
        "n_inner": feed_forward_width(width, config.activation),
        "activation_function": "gelu_new",
        "layer_norm_epsilon": EPSILON,
        "tie_word_embeddings": True,
    }
    return tensors, about


def transpose_matrix(tensor: Tensor) -> Tensor:
    """Return a matrix transposed, and a bias as it is."""
    return tensor.mT if tensor.ndim == 2 else tensor
