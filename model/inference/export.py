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
from model.config import JsonObject, TrainerError, find_network_shape
from model.gpt import GPT
from model.inference.hugging_face import (
    GPT2_KEYS,
    LLAMA_KEYS,
    join_gpt2_attention,
    name_gpt2_tensors,
    name_llama_tensors,
    transpose_gpt2_tensor,
)
from model.inference.sample import SamplingOptions
from model.run_folder import TrainedRun
from model.tokenizer import find_document_marks

USE_OF_EXPORT = (
    "",
    "```python",
    "from transformers import AutoModelForCausalLM, AutoTokenizer",
    "",
    'model, tokenizer = (kind.from_pretrained("FOLDER") for kind in (AutoModelForCausalLM, AutoTokenizer))',
    "```",
    "",
)


def export_run(run: TrainedRun, directory: Path) -> None:
    """Write weights, config, generation config, tokenizer and a model card into a new folder.

    Raises TrainerError for a folder that is not empty, or a model that no architecture there computes.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise TrainerError(f"{directory}: it exists and is not empty; name a new folder")
    tensors, config = convert_weights(run.model)
    marks = find_document_marks(run.tokenizer)
    about_tokenizer: JsonObject = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": run.config.model.context,
        "clean_up_tokenization_spaces": False,
    }
    ids: JsonObject = {"bos_token_id": None, "eos_token_id": None}
    if marks is not None:
        about_tokenizer |= {"bos_token": marks[0], "eos_token": marks[1]}
        ids = {"bos_token_id": run.tokenizer.token_to_id(marks[0]), "eos_token_id": run.tokenizer.token_to_id(marks[1])}
    files = {
        "config.json": config | ids | {"dtype": "float32"},
        "tokenizer_config.json": about_tokenizer,
        "generation_config.json": ids | {"do_sample": True, "temperature": SamplingOptions().temperature},
    }
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    try:
        save_safetensors({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary / MODEL)
        for name, content in files.items():
            (temporary / name).write_text(json.dumps(content, indent=2) + "\n")
        (temporary / "tokenizer.json").write_text(run.tokenizer.to_str(pretty=True), encoding="utf-8")
        (temporary / "README.md").write_text(write_model_card(run, config["architectures"][0]), encoding="utf-8")
        os.chmod(temporary, 0o755)
        os.replace(temporary, directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_model_card(run: TrainedRun, architecture: str) -> str:
    """Return the README.md of an export: what the model is, what it was trained on, and how to load it."""
    config = run.config
    sources = [config.data] if isinstance(config.data, str) else list(config.data)
    task = f"Task: {config.task}, on {', '.join(f'`{Path(source).name}`' for source in sources)}"
    if config.init_from is not None:
        task += f", from the weights of `{Path(config.init_from).name}`"
    length = f"Steps: {run.step:,}"
    if config.task == "pretrain":
        tokens = run.step * config.batch_size * config.gradient_accumulation * config.model.context
        length += f", {tokens:,} tokens"
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "tags: [gristmill]",
        "---",
        "",
        f"# {Path(config.output).name}",
        "",
        f"A language model of {run.model.count_parameters():,} parameters, trained with Gristmill.",
        "",
        f"- Architecture: {architecture}",
        f"- {task}",
        f"- {length}",
        f"- Context: {config.model.context:,} tokens; vocabulary: {run.model.vocabulary:,} tokens",
    ]
    return "\n".join([*lines, *USE_OF_EXPORT])


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
    config, weights = model.config, {name: value.detach() for name, value in model.named_parameters()}
    shape = find_network_shape(config)
    tensors = {}
    for mine, theirs in name_llama_tensors(config).items():
        ones = torch.ones(shape.head_width if mine.endswith("_gain") else shape.width)
        tensors[theirs] = weights.get(mine, ones)
    rope: JsonObject = {"rope_type": "default", "rope_theta": config.rope_base}
    if config.rope_scaling is not None:
        rope |= {
            "rope_type": "llama3",
            "factor": config.rope_scaling.factor,
            "low_freq_factor": config.rope_scaling.low_frequency_factor,
            "high_freq_factor": config.rope_scaling.high_frequency_factor,
            "original_max_position_embeddings": config.rope_scaling.original_context,
        }
    about = {
        "architectures": ["Qwen3ForCausalLM" if config.qk_norm else "LlamaForCausalLM"],
        "model_type": "qwen3" if config.qk_norm else "llama",
        "vocab_size": len(weights["embed.weight"]),
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward_width,
        "num_hidden_layers": config.depth,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.norm_epsilon,
        "rope_theta": config.rope_base,
        "rope_parameters": rope,
        "attention_bias": False,
        "tie_word_embeddings": config.tied,
    }
    return tensors, about


def convert_to_gpt2(model: GPT) -> tuple[dict[str, Tensor], JsonObject]:
    """Return the weights as GPT-2's tensors, and its config."""
    config, weights = model.config, {name: value.detach() for name, value in model.named_parameters()}
    shape, names = find_network_shape(config), name_gpt2_tensors(config)
    tensors = {theirs: transpose_gpt2_tensor(theirs, weights[mine]) for mine, theirs in names.items()}
    about = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": len(weights["embed.weight"]),
        "n_positions": config.context,
        "n_embd": shape.width,
        "n_layer": config.depth,
        "n_head": shape.heads,
        "n_inner": shape.feed_forward_width,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": config.norm_epsilon,
        "tie_word_embeddings": config.tied,
    }
    return join_gpt2_attention(tensors), about
