"""The trainer's configuration: one YAML of few lines over a preset, checked against a typed tree.

    data: out
    output: runs/first
    preset: llama
    steps: 2000

Everything else has a default. An unknown key, a wrong type or an impossible value is an error of one line.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

Study = TypeVar("Study")

STRICT = ConfigDict(extra="forbid")

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TrainerError(ValueError):
    """Something of the user's that cannot be used or done; its text is one line for them."""


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """The network. `depth` is the one dial: width and heads follow from it unless they are given."""

    # an lstm, for comparison, has a place for depth, width, norm, residual, tied, softcap and dropout alone
    block: Literal["transformer", "lstm"] = "transformer"
    depth: Annotated[int, Field(ge=0)] = 6  # blocks
    width: Positive | None = None  # features of the residual stream; null: 64 a block
    heads: Positive | None = None  # null: heads of 64 features
    context: Annotated[int, Field(ge=2)] = 256  # tokens the model sees at once
    position: Literal["rope", "learned", "none"] = "rope"
    norm: Literal["rms", "layer", "none"] = "rms"  # rms has no gain; layer has gain, and a bias where `bias` is on
    activation: Literal["swiglu", "relu2", "gelu", "relu"] = "swiglu"
    qk_norm: bool = True  # RMSNorm of each head's queries and keys
    document_mask: bool = False  # no attention across documents that share a row
    residual: bool = True  # false, and feed_forward: false, are for the ladder that shows what each part is worth
    feed_forward: bool = True
    tied: bool = False  # the head is the embedding
    bias: bool = False
    softcap: Annotated[float, Field(ge=0)] = 0.0  # logits = cap * tanh(logits / cap); 0: none
    rope_base: PositiveFloat = 10_000.0
    dropout: BelowOne = 0.0  # only worth it for tiny data seen many times


@dataclass(frozen=True, config=STRICT)
class OptimizerConfig:
    """Muon on the blocks' matrices and AdamW on the rest, or AdamW on all."""

    name: Literal["muon", "adamw"] = "muon"
    learning_rate: PositiveFloat = 3e-3  # Muon's update is scaled to AdamW's size, so one rate serves both
    weight_decay: Annotated[float, Field(ge=0)] = 0.1  # of matrices in the blocks; the rest decays not at all
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.95)  # of AdamW
    momentum: BelowOne = 0.95  # of Muon
    clip: Annotated[float, Field(ge=0)] = 1.0  # largest norm of all gradients together; 0: none
    spike: Annotated[float, Field(ge=0)] = 6.0  # a step so many standard deviations above the last is skipped; 0: none


@dataclass(frozen=True, config=STRICT)
class ScheduleConfig:
    """Learning rate: linear warm-up, stable, linear decay; or warm-up and a cosine. Fractions of the whole run."""

    name: Literal["wsd", "cosine"] = "wsd"
    warmup: Fraction = 0.02
    decay: Fraction = 0.3  # the last part; of a cosine too, it is the part that draws on the anneal set
    floor: Fraction = 0.0  # share of the learning rate that is left at the end
    anneal: Fraction = 0.5  # share of each batch that the decay phase draws from the anneal set, where there is one


@dataclass(frozen=True, config=STRICT)
class CheckpointConfig:
    """When the run can be taken up again."""

    every: Positive = 250  # steps
    keep: Positive = 2  # the newest so many stay


@dataclass(frozen=True, config=STRICT)
class Config:
    """The whole configuration of a training run. `data`, `output` and one of `steps` and `minutes` have no default."""

    data: str | list[str] | dict[str, PositiveFloat]  # an OUT, or a text file (.txt, .txt.gz); several: with weights
    output: str  # the run's folder
    preset: str = "llama"
    task: Literal["pretrain", "sft", "dpo"] = "pretrain"  # sft, dpo: `data` is JSONL of prompt and answer(s)
    init_from: str | None = None  # a run to begin from: its model, where `model` does not say else, and its tokenizer
    beta: PositiveFloat = 0.1  # of DPO: how dear it is to leave what the run began from
    steps: Positive | None = None  # the same steps give the same weights
    minutes: PositiveFloat | None = None  # stop by the clock instead; not reproducible, since speed is not
    tokenizer: str | None = None  # null: OUT/tokenizer/tokenizer.json, or the characters of a text file
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1  # last part of a text file; an OUT has its own validation set
    cache: str | None = None  # folder of the token files; null: OUT/.cache
    batch_size: Positive = 16  # rows of `model.context` tokens in one forward pass
    accumulation: Positive = 1  # forward passes a step; several processes (torchrun) share them
    evaluate_every: Positive = 250  # steps
    seed: Annotated[int, Field(ge=0, lt=2**20)] = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    compile: bool = False  # torch.compile; pays on a GPU, after a minute
    tensorboard: bool = False  # event files in RUN/tensorboard; needs the package
    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()


# What each preset sets; the user's own keys win. `gpt2` is the published 124M shape (Radford et al. 2019, table 2; its
# width and heads follow from the depth) with nanoGPT's recipe; `char` is the lecture's last step (6 x 6 x 384, dropout
# .2) in its shape.
PRESETS: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt2": {
        "model": {
            "depth": 12,
            "context": 1024,
            "position": "learned",
            "norm": "layer",
            "activation": "gelu",
            "qk_norm": False,
            "tied": True,
            "bias": True,
        },
        "optimizer": {"name": "adamw", "learning_rate": 6e-4},
    },
    "char": {"model": {"depth": 6, "width": 384, "heads": 6, "context": 256, "dropout": 0.2}, "batch_size": 64},
}

# Keys of the model that may differ from the run that `init_from` names: the weights fit all the same.
MAY_CHANGE = ("context", "rope_base", "dropout", "document_mask")

# Keys whose mapping is one value: another one takes its place, and is not laid over it.
VALUES = ("data", "arms")

# Keys that say where and how often, not what comes out: they may differ when a run is taken up again.
NOT_RESULT = ("output", "cache", "tensorboard", "checkpoint.every", "checkpoint.keep")


def load(path: str | Path, overrides: Sequence[str] = (), stored: bool = False) -> Config:
    """Read a YAML file, apply `a.b=value` overrides, lay it over its preset, and validate. Raises TrainerError.

    A run's own config.yaml is `stored`: it is whole, and need not look at the run it began from any more.
    """
    user = read(Path(path), overrides)
    return build(user if stored or user.get("init_from") is None else inherit(user))


def read(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Return a YAML file's mapping with `a.b=value` overrides on it. Raises TrainerError."""
    try:
        user = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainerError(f"{path}: cannot read the config: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TrainerError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(user, dict):
        raise TrainerError(f"{path}: a config is a mapping of keys, not {type(user).__name__}")
    for override in overrides:
        user = merge(user, parse_override(override))
    return user


def parse(text: str) -> Any:
    """Return what a YAML text holds. Raises yaml.YAMLError, also for a key that stands twice: one would be lost."""
    nodes = [yaml.compose(text, yaml.SafeLoader)]
    for node in nodes:  # grows on the way
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                raise yaml.YAMLError(f"the key {twice!r} stands twice in one mapping")
            nodes += [value for _, value in node.value if value not in nodes]
    return yaml.safe_load(text)


def load_study(kind: type[Study], path: Path, overrides: Sequence[str]) -> Study:
    """Read the config of a study, a dataclass of another kind, in the same way. Raises TrainerError."""
    try:
        return TypeAdapter(kind).validate_python(read(path, overrides))
    except ValidationError as error:
        raise TrainerError(describe(error, kind)) from error


def inherit(user: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with the model and the tokenizer of the run that `init_from` names.

    For a longer context the base of RoPE grows by s^(D / (D - 2)), so that the slowest frequency turns s times slower
    and the fastest as before ("NTK-aware", Peng et al. 2023, section 3.1), unless model.rope_base is given.
    """
    folder = Path(str(user["init_from"]))
    if not (folder / "config.yaml").is_file():
        raise TrainerError(f"init_from: {folder} is not a run (it has no config.yaml)")
    theirs, mine = load(folder / "config.yaml", stored=True).model, user.get("model") or {}
    if not isinstance(mine, Mapping):
        return dict(user)  # `build` says what is wrong with it
    old = asdict(theirs)
    whole = {"tokenizer": str(folder / "tokenizer.json"), **user, "model": {**old, **mine}}
    wanted = build(whole).model
    for key, value in asdict(wanted).items():
        if key not in MAY_CHANGE and value != old[key]:
            raise TrainerError(f"model.{key}: {folder} has {old[key]!r}, and its weights fit no other")
    if theirs.position == "learned" and wanted.context != theirs.context:
        raise TrainerError(f"model.context: learned positions stay at the {theirs.context} of {folder}")
    if theirs.position == "rope" and wanted.context > theirs.context and "rope_base" not in mine:
        width, heads = shape(theirs)
        features, growth = width // heads, wanted.context / theirs.context
        whole["model"]["rope_base"] = theirs.rope_base * growth ** (features / max(1, features - 2))
    return whole


def build(user: Mapping[str, Any]) -> Config:
    """Lay a parsed config over the preset it names, and validate the whole. Raises TrainerError."""
    name = user.get("preset", "llama")
    if not isinstance(name, str) or name not in PRESETS:
        raise TrainerError(f"preset: {name!r} is unknown; there are {', '.join(PRESETS)}{nearest(str(name), PRESETS)}")
    try:
        config: Config = TypeAdapter(Config).validate_python(merge(PRESETS[name], user))
    except ValidationError as error:
        raise TrainerError(describe(error)) from error
    if (config.steps is None) == (config.minutes is None):
        raise TrainerError("steps, minutes: give exactly one of them, the length of the run")
    if config.schedule.warmup + config.schedule.decay > 1:
        raise TrainerError("schedule.warmup, schedule.decay: together they are longer than the run; they are fractions")
    if config.model.block == "lstm" and (config.model.position != "none" or config.model.document_mask):
        raise TrainerError("model.block: an lstm needs model.position=none and model.document_mask=false")
    if config.task != "pretrain" and (config.init_from is None or not isinstance(config.data, str)):
        raise TrainerError(f"task: {config.task} needs init_from, the run to go on from, and one JSONL file as data")
    width, heads = shape(config.model)
    if width % heads or (width // heads) % 2:
        raise TrainerError(f"model.width: {width} cannot be cut into {heads} heads of an even number of features")
    return config


def shape(model: ModelConfig) -> tuple[int, int]:
    """Return (width, heads) that the dial `depth` gives, where they are not set by hand."""
    width = model.width or 64 * max(1, model.depth)
    return width, model.heads or max(1, width // 64)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid on it, mapping by mapping but for VALUES; neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        mine = merged.get(key)
        if isinstance(mine, Mapping) and isinstance(value, Mapping) and key not in VALUES:
            merged[key] = merge(mine, value)
        else:
            merged[key] = value
    return merged


def parse_override(text: str) -> dict[str, Any]:
    """Turn `a.b=value` (value read as YAML) into {"a": {"b": value}}. Raises TrainerError."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise TrainerError(f"--set {text!r}: write it as key=value, for example --set model.depth=4")
    try:
        parsed = parse(value)
    except yaml.YAMLError as error:
        raise TrainerError(f"--set {text!r}: the value is not YAML: {' '.join(str(error).split())}") from error
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return parsed


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def known_keys(location: Sequence[Any], root: type) -> list[str]:
    """Return the keys that exist beside the last part of a location in the tree of a dataclass."""
    here: Any = root
    for part in location[:-1]:
        here = next((field.type for field in fields(here) if field.name == part), None)
        if not is_dataclass(here):
            return []
    return [field.name for field in fields(here)]


def describe(error: ValidationError, root: type | None = None) -> str:
    """Turn pydantic's first error into one line: key, value, what is allowed, the nearest name."""
    first = error.errors(include_url=False)[0]
    location = first["loc"]
    key = ".".join(str(part) for part in location)
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = known_keys(location, root or Config)
        return f"{key}: no such key{nearest(str(location[-1]), known)} (known here: {', '.join(known)})"
    if key.startswith("data.") and root is None:  # pydantic speaks of each of its types
        value = first["input"]
        return f"data: {value!r} cannot be used: give a path, a list of paths, or paths with weights above 0"
    if first["type"] in ("missing", "missing_argument"):
        return f"{key}: this key is required"
    return f"{key}: {first['input']!r} cannot be used: {first['msg'][0].lower()}{first['msg'][1:]}"


def to_dict(config: Config) -> dict[str, Any]:
    """Return the effective config as plain JSON-able values, in the tree's order."""
    return json.loads(json.dumps(asdict(config)))


def dump(config: Config) -> str:
    """Return the effective config as YAML that `load` reads back to an equal config."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return `key: old -> new` for every key in which two effective configs would give another result."""
    lines = []
    for key in {**old, **new}:
        mine, other, name = old.get(key), new.get(key), f"{prefix}{key}"
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            lines += differences(mine, other, f"{name}.")
        elif name not in NOT_RESULT and mine != other:
            lines.append(f"{name}: {mine!r} -> {other!r}")
    return lines
