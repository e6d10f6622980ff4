"""Reads a run's YAML config, applies overrides and a preset, and checks every key.

An unknown key, a wrong type or an impossible value raises a TrainerError with one line.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from model.config import PRESETS, JsonObject, TrainerConfig, TrainerError, find_network_shape

Study = TypeVar("Study")

# Keys of the model that may differ from the run named by `init_from`. The weights fit all the same.
CHANGEABLE_MODEL_KEYS = ("context", "rope_base", "dropout", "document_mask")

# Keys whose mapping is one value: a second mapping replaces the first and is not merged with it.
WHOLE_VALUE_KEYS = ("data", "arms")

# Keys that do not change the result: they may differ when a run is resumed.
KEYS_WITHOUT_EFFECT = ("output", "cache", "shard", "tensorboard", "wandb", "checkpoint.every", "checkpoint.keep")

# Former names of keys, for the error message.
RENAMED_KEYS = {
    "accumulation": "gradient_accumulation",
    "beta": "dpo_beta",
    "clip": "gradient_clip",
    "floor": "final_scale",
    "spike": "spike_sigmas",
}


def load_trainer_config(path: str | Path, overrides: Sequence[str] = (), stored: bool = False) -> TrainerConfig:
    """Read a YAML file, apply `a.b=value` overrides, merge it into its preset, and validate. Raises TrainerError.

    Set `stored` for a run's own config.yaml: it is complete, and the run named by `init_from` is not read again.
    """
    user = read_yaml_config(find_trainer_config(Path(path)), overrides)
    return build_trainer_config(user if stored or user.get("init_from") is None else inherit_model(user))


def find_trainer_config(path: Path) -> Path:
    """Return the path of a config: as given, or the one of model/configs/ that has this name."""
    ours = Path(__file__).parent / "configs" / f"{path.name}.yaml"
    return ours if path.name == str(path) and not path.is_file() and ours.is_file() else path


def load_study_config(kind: type[Study], path: Path, overrides: Sequence[str]) -> Study:
    """Read the config of a study (`kind` is its dataclass) in the same way. Raises TrainerError."""
    try:
        study: Study = TypeAdapter(kind).validate_python(read_yaml_config(path, overrides))
    except ValidationError as error:
        raise TrainerError(explain_validation_error(error, kind)) from error
    return study


def read_yaml_config(path: Path, overrides: Sequence[str]) -> JsonObject:
    """Return a YAML file's mapping with the `a.b=value` overrides applied. Raises TrainerError."""
    try:
        user = parse_strict_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainerError(f"{path}: cannot read the config: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TrainerError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(user, dict):
        raise TrainerError(f"{path}: a config is a mapping of keys, not {type(user).__name__}")
    for override in overrides:
        user = merge_keys(user, parse_set_argument(override))
    return user


def parse_strict_yaml(text: str) -> object:
    """Return the value of a YAML text. Raises yaml.YAMLError, also for a key that appears twice in a mapping."""
    nodes = [yaml.compose(text, yaml.SafeLoader)]
    for node in nodes:  # the list grows during the loop
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            repeated = next((key for key in keys if keys.count(key) > 1), None)
            if repeated is not None:
                raise yaml.YAMLError(f"the key {repeated!r} appears twice in one mapping")
            nodes += [value for _, value in node.value if value not in nodes]
    return yaml.safe_load(text)


def parse_set_argument(text: str) -> JsonObject:
    """Turn `a.b=value` (value read as YAML) into {"a": {"b": value}}. Raises TrainerError."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise TrainerError(f"--set {text!r}: write it as key=value, for example --set model.depth=4")
    try:
        parsed = parse_strict_yaml(value)
    except yaml.YAMLError as error:
        raise TrainerError(f"--set {text!r}: the value is not YAML: {' '.join(str(error).split())}") from error
    nested: JsonObject = {}
    first, *others = reversed(key.strip().split("."))
    nested[first] = parsed
    for part in others:
        nested = {part: nested}
    return nested


def merge_keys(base: Mapping[str, Any], over: Mapping[str, Any]) -> JsonObject:
    """Return `base` with the keys of `over` merged in, nested mappings too. Neither argument is changed."""
    merged = dict(base)
    for key, value in over.items():
        mine = merged.get(key)
        if isinstance(mine, Mapping) and isinstance(value, Mapping) and key not in WHOLE_VALUE_KEYS:
            merged[key] = merge_keys(mine, value)
        else:
            merged[key] = value
    return merged


def inherit_model(user: Mapping[str, Any]) -> JsonObject:
    """Return the config with the model and the tokenizer of the run that `init_from` names. Raises TrainerError.

    For a longer context the base of RoPE grows by s^(D / (D - 2)). The slowest frequency then turns s times slower and
    the fastest stays as it was ("NTK-aware", Peng et al. 2023, section 3.1). A given model.rope_base is used as it is.
    """
    folder = Path(str(user["init_from"]))
    if not (folder / "config.yaml").is_file():
        raise TrainerError(f"init_from: {folder} is not a run (it has no config.yaml)")
    theirs, mine = load_trainer_config(folder / "config.yaml", stored=True).model, user.get("model") or {}
    if not isinstance(mine, Mapping):
        return dict(user)  # `build_trainer_config` reports what is wrong with it
    old = asdict(theirs)
    merged = {"tokenizer": str(folder / "tokenizer.json"), **user, "model": {**old, **mine}}
    wanted = build_trainer_config(merged).model
    for key, value in asdict(wanted).items():
        if key not in CHANGEABLE_MODEL_KEYS and value != old[key]:
            raise TrainerError(f"model.{key}: {folder} has {old[key]!r}, and its weights fit no other value")
    if theirs.position == "learned" and wanted.context != theirs.context:
        raise TrainerError(f"model.context: the learned positions of {folder} fit only {theirs.context}")
    if theirs.position == "rope" and wanted.context > theirs.context and "rope_base" not in mine:
        features, growth = find_network_shape(theirs).head_width, wanted.context / theirs.context
        merged["model"]["rope_base"] = theirs.rope_base * growth ** (features / max(1, features - 2))
    return merged


def build_trainer_config(user: Mapping[str, Any]) -> TrainerConfig:
    """Merge a parsed config into its preset and validate the result. Raises TrainerError."""
    name = user.get("preset", "llama")
    if not isinstance(name, str) or name not in PRESETS:
        known = ", ".join(PRESETS)
        raise TrainerError(f"preset: {name!r} is unknown; there are {known}{suggest_key(str(name), PRESETS)}")
    try:
        config: TrainerConfig = TypeAdapter(TrainerConfig).validate_python(merge_keys(PRESETS[name], user))
    except ValidationError as error:
        raise TrainerError(explain_validation_error(error)) from error
    check_combinations(config)
    return config


def check_combinations(config: TrainerConfig) -> None:
    """Raise TrainerError for keys that are valid alone but not together."""
    if (config.steps is None) == (config.minutes is None):
        raise TrainerError("steps, minutes: give exactly one of them, the length of the run")
    if config.schedule.warmup + config.schedule.decay > 1:
        raise TrainerError("schedule.warmup, schedule.decay: they are fractions of the run; their sum is above 1")
    if config.model.block == "lstm" and (config.model.position != "none" or config.model.document_mask):
        raise TrainerError("model.block: an lstm needs model.position=none and model.document_mask=false")
    if config.task != "pretrain" and (config.init_from is None or not isinstance(config.data, str)):
        raise TrainerError(f"task: {config.task} needs init_from, the run to start from, and one JSONL file as data")
    if config.shard and config.task in ("reward", "ppo"):
        raise TrainerError(f"shard: task {config.task} cannot be spread over processes; set shard=false")
    if config.task in ("reward", "ppo") and config.model.block == "lstm":
        raise TrainerError(f"task: {config.task} needs a transformer (model.block)")
    if (config.task == "ppo") != (config.ppo.reward_model is not None):
        raise TrainerError("ppo.reward_model: task ppo needs it, a run of task reward; other tasks have none")
    check_network_shape(config)


def check_network_shape(config: TrainerConfig) -> None:
    """Raise TrainerError for sizes of the network that do not fit each other."""
    shape = find_network_shape(config.model)
    if shape.head_width % 2 or (shape.width % shape.heads and config.model.head_width is None):
        raise TrainerError(
            f"model.width: {shape.width} cannot be split into {shape.heads} heads of an even number of features"
        )
    if shape.heads % shape.key_value_heads:
        raise TrainerError(
            f"model.key_value_heads: {shape.heads} heads cannot share {shape.key_value_heads} evenly; set a divisor"
        )


def suggest_key(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name most similar to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def list_valid_keys(location: Sequence[Any], root: type) -> list[str]:
    """Return the keys that exist at the place of a location's last part, in the tree of a dataclass."""
    here: Any = root
    for part in location[:-1]:
        here = next((field.type for field in fields(here) if field.name == part), None)
        if not is_dataclass(here):
            return []
    return [field.name for field in fields(here)]


def explain_validation_error(error: ValidationError, root: type | None = None) -> str:
    """Turn pydantic's first error into one line: the key, its value, what is allowed, and the most similar name."""
    first = error.errors(include_url=False)[0]
    location = first["loc"]
    key, name = ".".join(str(part) for part in location), str(location[-1]) if location else ""
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = list_valid_keys(location, root or TrainerConfig)
        if RENAMED_KEYS.get(name) in known:
            return f"{key}: no such key; its name is now {RENAMED_KEYS[name]!r}"
        return f"{key}: no such key{suggest_key(name, known)} (known here: {', '.join(known)})"
    if key.startswith("data.") and root is None:  # pydantic reports each of the allowed types
        value = first["input"]
        return f"data: {value!r} cannot be used: give a path, a list of paths, or paths with weights above 0"
    if first["type"] in ("missing", "missing_argument"):
        return f"{key}: this key is required"
    return f"{key}: {first['input']!r} cannot be used: {first['msg'][0].lower()}{first['msg'][1:]}"


def config_to_json(config: TrainerConfig) -> JsonObject:
    """Return the complete config as plain JSON values, in the order of the dataclasses."""
    plain: JsonObject = json.loads(json.dumps(asdict(config)))
    return plain


def dump_trainer_config(config: TrainerConfig) -> str:
    """Return the complete config as YAML. `load_trainer_config` reads it back to an equal config."""
    return str(yaml.safe_dump(config_to_json(config), sort_keys=False, allow_unicode=True))


def list_config_changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return `key: old -> new` for every key whose change gives another result."""
    lines = []
    for key in {**old, **new}:
        mine, other, name = old.get(key), new.get(key), f"{prefix}{key}"
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            lines += list_config_changes(mine, other, f"{name}.")
        elif name not in KEYS_WITHOUT_EFFECT and mine != other:
            lines.append(f"{name}: {mine!r} -> {other!r}")
    return lines
