"""Import of Hugging Face folders: GPT-2, Llama and Qwen3 as a run, with the same logits.

A folder holds config.json, tokenizer.json and model.safetensors, or its shards with model.safetensors.index.json. The
run has a checkpoint of step 0, and `sample`, `evaluate`, `export` and `init_from` take it as any other.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from model.baselines import build_model
from model.checkpoint import MODEL, TrainingState, save_checkpoint
from model.config import JsonObject, TrainerError
from model.config_reader import build_trainer_config
from model.gpt import GPT
from model.inference.hugging_face import (
    name_gpt2_tensors,
    name_llama_tensors,
    split_gpt2_attention,
    transpose_gpt2_tensor,
)
from model.run_folder import write_run_files
from model.tokenizer import find_separator_id, load_tokenizer_file

# Buffers that old files hold besides the weights: GPT-2's causal mask, Llama's frequencies of RoPE
BUFFERS = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")


def import_pretrained_model(folder: Path, output: Path) -> None:
    """Write the model of a Hugging Face folder as a run into the new folder `output`.

    Raises TrainerError for a folder that is not empty, or a model that the trainer does not compute.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise TrainerError(f"{output}: it exists and is not empty; name a new folder")
    about = read_json_object(folder / "config.json")
    if not (folder / "tokenizer.json").is_file():
        raise TrainerError(f"{folder}: no tokenizer.json; AutoTokenizer's save_pretrained writes it")
    tokenizer = load_tokenizer_file(folder / "tokenizer.json")
    keys = convert_model_config(about, folder / "config.json")
    config = build_trainer_config({"data": str(folder), "output": str(output), "steps": 1, "model": keys})
    model = build_model(config.model, tokenizer.get_vocab_size(), find_separator_id(tokenizer))
    copy_pretrained_weights(model, read_pretrained_tensors(folder), str(about["model_type"]), folder)
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    try:
        write_run_files(temporary, config, tokenizer)
        state = TrainingState(step=0, tokens=0, seconds=0.0, decay_from=None, recent=[], data={})
        save_checkpoint(temporary / "checkpoints", model, [], state, keep=1)
        os.chmod(temporary, 0o755)
        os.replace(temporary, output)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read_json_object(path: Path) -> JsonObject:
    """Return the object of a JSON file. Raises TrainerError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainerError(f"{path}: {error.strerror}; name a folder in Hugging Face's format") from error
    except ValueError as error:
        raise TrainerError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise TrainerError(f"{path}: not a JSON object")
    return content


def convert_model_config(about: JsonObject, path: Path) -> JsonObject:
    """Return the `model` keys for a config.json. Raises TrainerError for what the trainer does not compute."""
    converters = {"gpt2": convert_gpt2_config, "llama": convert_llama_config, "qwen3": convert_llama_config}
    kind = about.get("model_type")
    if kind not in converters:
        raise TrainerError(f"{path}: model_type {kind!r} cannot be imported; {', '.join(converters)} can")
    try:
        return converters[kind](about)
    except KeyError as error:
        raise TrainerError(f"{path}: it lacks {error}") from error
    except TrainerError as error:
        raise TrainerError(f"{path}: {error}") from error


def require_values(about: JsonObject, expected: JsonObject) -> None:
    """Raise TrainerError if a key of `about` has another value than the expected one; missing keys are as expected."""
    for key, value in expected.items():
        if about.get(key, value) != value:
            raise TrainerError(f"{key}={about[key]!r} cannot be imported; only {value!r} can")


def convert_gpt2_config(about: JsonObject) -> JsonObject:
    """Return the `model` keys for GPT-2. Raises KeyError for a missing key, and TrainerError."""
    plain = {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False}
    require_values(about, plain)
    activations = {"gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "relu": "relu"}
    activation = about.get("activation_function", "gelu_new")
    if activation not in activations:
        raise TrainerError(f"activation_function={activation!r} cannot be imported; {', '.join(activations)} can")
    return {
        "depth": about["n_layer"],
        "width": about["n_embd"],
        "heads": about["n_head"],
        "feed_forward_width": about.get("n_inner") or 4 * about["n_embd"],
        "context": about["n_positions"],
        "vocabulary": about["vocab_size"],
        "position": "learned",
        "norm": "layer",
        "norm_epsilon": about.get("layer_norm_epsilon", 1e-5),
        "activation": activations[activation],
        "qk_norm": False,
        "tied": about.get("tie_word_embeddings", True),
        "bias": True,
    }


def convert_llama_config(about: JsonObject) -> JsonObject:
    """Return the `model` keys for Llama or Qwen3. Raises KeyError for a missing key, and TrainerError."""
    plain = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "use_sliding_window": False}
    require_values(about, plain)
    # Newer files have one object for RoPE; in older ones it is `rope_scaling`, or null, beside `rope_theta`.
    rope: JsonObject = about.get("rope_parameters") or about.get("rope_scaling") or {}
    return {
        "depth": about["num_hidden_layers"],
        "width": about["hidden_size"],
        "heads": about["num_attention_heads"],
        "key_value_heads": about.get("num_key_value_heads"),
        "head_width": about.get("head_dim"),
        "feed_forward_width": about["intermediate_size"],
        "context": about["max_position_embeddings"],
        "vocabulary": about["vocab_size"],
        "norm_gain": True,
        "norm_epsilon": about.get("rms_norm_eps", 1e-6),
        "qk_norm": about["model_type"] == "qwen3",
        "tied": about.get("tie_word_embeddings", False),
        "rope_base": rope.get("rope_theta", about.get("rope_theta", 10_000.0)),
        "rope_scaling": convert_rope_scaling(rope),
    }


def convert_rope_scaling(rope: JsonObject) -> JsonObject | None:
    """Return `model.rope_scaling` for what a config says of RoPE. Raises KeyError and TrainerError."""
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind != "llama3":
        raise TrainerError(f"rope_type={kind!r} cannot be imported; default and llama3 can")
    return {
        "factor": rope["factor"],
        "low_frequency_factor": rope["low_freq_factor"],
        "high_frequency_factor": rope["high_freq_factor"],
        "original_context": rope["original_max_position_embeddings"],
    }


def read_pretrained_tensors(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a folder's safetensors files. Raises TrainerError."""
    index = folder / "model.safetensors.index.json"
    if not (folder / MODEL).is_file() and not index.is_file():
        raise TrainerError(f"{folder}: no model.safetensors; save_pretrained of transformers writes it")
    files = [MODEL] if not index.is_file() else sorted(set(read_json_object(index)["weight_map"].values()))
    tensors: dict[str, Tensor] = {}
    for name in files:
        try:
            tensors |= load_file(folder / name)
        except (SafetensorError, OSError) as error:
            raise TrainerError(f"{folder / name}: cannot read the weights: {error}") from error
    return tensors


def copy_pretrained_weights(model: GPT, tensors: dict[str, Tensor], kind: str, folder: Path) -> None:
    """Copy the tensors of a model of type `kind` into the model, in its own precision.

    Raises TrainerError unless each parameter has one of its shape, and no tensor is left.
    """
    prefix = "transformer." if kind == "gpt2" else "model."
    tensors = {  # without the head's class, names have no prefix
        name if name.startswith((prefix, "lm_head.")) else prefix + name: tensor
        for name, tensor in tensors.items()
        if not name.endswith(BUFFERS)
    }
    names = name_gpt2_tensors(model.config) if kind == "gpt2" else name_llama_tensors(model.config)
    if kind == "gpt2":
        apart = split_gpt2_attention(tensors)
        tensors = {name: transpose_gpt2_tensor(name, tensor) for name, tensor in apart.items()}
    parameters = dict(model.named_parameters())
    for mine, parameter in parameters.items():
        name = names[mine]
        if name not in tensors:
            raise TrainerError(f"{folder}: the weights lack {name}")
        tensor = tensors.pop(name)
        if tensor.shape != parameter.shape:
            raise TrainerError(
                f"{folder}: {name} has the shape {list(tensor.shape)}; config.json says {list(parameter.shape)}"
            )
        with torch.no_grad():
            parameter.copy_(tensor)
    if model.config.tied:
        tensors.pop("lm_head.weight", None)
    if tensors:
        raise TrainerError(f"{folder}: the trainer's model has no place for the tensor {min(tensors)}")
