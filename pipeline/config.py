"""The configuration: a short YAML file laid over a recipe and validated against typed settings.

    inputs: [crawl/*.warc.gz]
    output: out
    recipe: fineweb
    languages: [en]

Everything else has a default. Each section's class stands beside its stage; this module composes them. Unknown keys,
wrong types and impossible values are errors of one line that name the key, the value and what is allowed.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pipeline.dedup.settings import DedupConfig
from pipeline.extract.settings import QualityConfig, read_own_stages
from pipeline.filters.chain import RulesConfig, custom_filters, filter_names
from pipeline.html.robots import RobotsConfig
from pipeline.html.settings import ExtractConfig, is_own_engine
from pipeline.io.plugins import load_object
from pipeline.io.settings import InputConfig
from pipeline.language.settings import LanguageConfig
from pipeline.publish.settings import DecontaminateConfig, PublishConfig, TokenizerConfig, WeightsConfig
from pipeline.settings import (
    STRICT,
    ConfigError,
    Positive,
    describe_error,
    merge_settings,
    parse_yaml,
    read_override,
    read_table,
    suggest_name,
)
from pipeline.text.pii.mask import PiiConfig
from pipeline.url.filter import UrlRules

RECIPES = Path(__file__).parent / "recipes"

# Keys that were renamed, with their present names: the error for an old key names the new one.
OLD_KEYS = {
    "dedup.against": "dedup.previous_outputs",
    "dedup.keep": "dedup.keep_policy",
    "dedup.lines": "dedup.repeated_lines",
    "dedup.prefer": "dedup.preferred_sites",
    "dedup.repeated_lines.fold_digits": "dedup.repeated_lines.normalize_digits",
    "dedup.repeated_lines.left_characters": "dedup.repeated_lines.min_remaining_characters",
    "dedup.repeated_lines.left_sentences": "dedup.repeated_lines.min_remaining_sentences",
    "decontaminate.short": "decontaminate.min_question_words",
    "extract.favor": "extract.objective",
    "language.gate": "language.prefilter",
    "language.gate_margin": "language.prefilter_margin",
    "publish.anneal_sources": "publish.extra_anneal_sources",
    "weights.floor": "weights.min_weight",
}


DUMP = "{dump}"  # stands for a name of `dumps`
DumpName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]  # a part of a path


@dataclass(frozen=True, config=STRICT)
class Config:
    """The whole configuration of a run. `inputs` and `output` have no default."""

    # crawl files: paths, folders, globs, https://, s3://, gs://, or a list of paths (*.paths.gz)
    inputs: Annotated[tuple[str, ...], Field(min_length=1)]
    output: Annotated[str, Field(min_length=1)]  # the folder of the result: a path, gs:// or s3://
    # a run for each name, in this order, without copies of earlier ones' pages; {dump} in inputs and output is the name
    dumps: tuple[DumpName, ...] = ()
    # a finished output whose documents are published here: extract and dedup do not run; null: they run
    documents_from: Annotated[str, Field(min_length=1)] | None = None
    recipe: str = "default"  # the recipe that this config is laid over
    languages: tuple[str, ...] = ()  # empty: all
    seed: int = 0  # decides every random draw
    workers: Positive | None = None  # processes on this machine; null: one a core. Not part of the result.
    input: InputConfig = InputConfig()
    url: UrlRules = UrlRules()
    robots: RobotsConfig = RobotsConfig()
    extract: ExtractConfig = ExtractConfig()
    language: LanguageConfig = LanguageConfig()
    stages: tuple[dict[str, Any], ...] = ()  # of your own: {after: STAGE, use: "package.module:MyStage", its settings}
    rules: RulesConfig = RulesConfig()
    pii: PiiConfig = PiiConfig()
    quality: QualityConfig = QualityConfig()
    dedup: DedupConfig = DedupConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    weights: WeightsConfig = WeightsConfig()
    publish: PublishConfig = PublishConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()


# Keys that say how to run, not what comes out: they may differ between runs into one output.
NOT_RESULT = ("workers", "output", "documents_from", "dumps")
NOT_RESULT_INPUT = ("concurrency", "retries", "cache")


@cache
def read_recipes() -> Mapping[str, Mapping[str, Any]]:
    """Return the built-in recipes by name, each the parsed YAML with its `description`."""
    return {path.stem: read_table(path) for path in sorted(RECIPES.glob("*.yaml"))}


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a YAML file, apply `a.b=value` overrides, lay the result over its recipe, and validate it.

    `path` may be an address (gs://, s3://). Raises ConfigError, one line, for anything that cannot be used.
    """
    try:
        user = parse_yaml(read_config_text(path))
    except (OSError, ImportError) as error:
        problem = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{path}: cannot read the config: {problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(user, dict):
        raise ConfigError(f"{path}: a config is a mapping of keys, not {type(user).__name__}")
    for override in overrides:
        user = merge_settings(user, read_override(override))
    return build_config(user)


def read_config_text(path: str | Path) -> str:
    """Return the text of a config, of this machine or in a bucket. Raises OSError, ImportError, UnicodeDecodeError."""
    if "://" not in str(path):
        return Path(path).read_text(encoding="utf-8")
    import fsspec

    with fsspec.open(str(path), "rb") as source:
        data: bytes = source.read()
    return data.decode("utf-8")


def build_config(user: Mapping[str, object]) -> Config:
    """Lay a parsed config over the recipe that it names and validate the whole. Raises ConfigError."""
    known = read_recipes()
    name = user.get("recipe", "default")
    if not isinstance(name, str) or name not in known:
        hint = suggest_name(str(name), known)
        raise ConfigError(f"recipe: {name!r} is unknown; the recipes are {', '.join(known)}{hint}")
    base = {key: value for key, value in known[name].items() if key != "description"}
    merged = merge_settings(base, user)
    if isinstance(merged.get("inputs"), str):
        merged["inputs"] = [merged["inputs"]]
    if merged.get("inputs") is None and isinstance(merged.get("input"), str | list):
        raise ConfigError("input: this key has the settings of fetching; did you mean 'inputs'?")
    try:
        config = make_validator().validate_python(merged)
    except ValidationError as error:
        raise ConfigError(describe_error(error, Config, OLD_KEYS)) from error
    check_dumps(config)
    check_own_parts(config)
    return config


@cache
def make_validator() -> TypeAdapter[Config]:
    """Return what validates a config; it is made once, since that takes longer than any validation."""
    return TypeAdapter(Config)


def check_own_parts(config: Config) -> None:
    """Import the filters, the stages and the engine of the user's own. Raises ConfigError where one cannot be used."""
    custom_filters(config.rules)
    for stage in read_own_stages(config.stages, filter_names(config.rules)):
        stage.make()
    for engine in filter(is_own_engine, (config.extract.engine, *config.extract.fallback)):
        load_object(engine, "extract.engine")


def check_dumps(config: Config) -> None:
    """Raise ConfigError unless every dump has inputs and an output of its own."""
    named = {"inputs": config.inputs, "output": (config.output,), "documents_from": (config.documents_from,)}
    for key, paths in named.items():
        written = any(DUMP in path for path in paths if path)
        if written and not config.dumps:
            raise ConfigError(f"{key}: {DUMP} stands for a name of dumps; set `dumps: [NAME, ...]`")
        if config.dumps and not written and any(paths):
            raise ConfigError(f"{key}: {paths[0]!r} is the same for all dumps; write {DUMP} where the name belongs")
    if twice := next((name for name in config.dumps if config.dumps.count(name) > 1), None):
        raise ConfigError(f"dumps: {twice!r} stands twice")


def split_dumps(config: Config, only: str | None = None) -> dict[str, Config]:
    """Return the config of each dump's run by the name of the dump; without dumps the config itself, under "".

    A run has the outputs of all earlier dumps in `dedup.previous_outputs`. `only` is the one dump to return. Raises
    ConfigError if the config does not name it.
    """
    if only is not None and only not in config.dumps:
        known = f"the config names {', '.join(config.dumps)}" if config.dumps else "the config names no dumps"
        raise ConfigError(f"--dump {only}: {known}{suggest_name(only, config.dumps)}")
    if not config.dumps:
        return {"": config}
    configs: dict[str, Config] = {}
    earlier = config.dedup.previous_outputs
    for dump in config.dumps:
        source = config.documents_from.replace(DUMP, dump) if config.documents_from else None
        configs[dump] = replace(
            config,
            inputs=tuple(path.replace(DUMP, dump) for path in config.inputs),
            output=config.output.replace(DUMP, dump),
            documents_from=source,
            dumps=(),
            dedup=replace(config.dedup, previous_outputs=earlier),
        )
        earlier += (source or configs[dump].output,)
    return {only: configs[only]} if only is not None else configs


def config_values(config: Config) -> dict[str, Any]:
    """Return the effective config as plain values for JSON, in the tree's order."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return values


def dump_config(config: Config) -> str:
    """Return the effective config as YAML that `load_config` reads back to an equal config."""
    return yaml.safe_dump(config_values(config), sort_keys=False, allow_unicode=True)


def compare_configs(old: Mapping[str, object], new: Mapping[str, object], prefix: str = "") -> list[str]:
    """Return `key: old -> new` for every key in which two effective configs give another result."""
    lines = []
    for key in {**old, **new}:
        if (not prefix and key in NOT_RESULT) or (prefix == "input." and key in NOT_RESULT_INPUT):
            continue
        mine, other = old.get(key), new.get(key)
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            lines += compare_configs(mine, other, f"{prefix}{key}.")
        elif mine != other:
            lines.append(f"{prefix}{key}: {mine!r} -> {other!r}")
    return lines
