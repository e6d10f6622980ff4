"""Checks of a config before a run starts, so that a mistake does not show only hours later in a worker."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import fsspec

from pipeline.cli.errors import RunError
from pipeline.cli.language_names import find_language_code
from pipeline.config import Config
from pipeline.extract.settings import own_stage_files
from pipeline.filters.custom import custom_filter_files
from pipeline.html.settings import ExtractConfig, is_own_engine
from pipeline.io.inputs import Input
from pipeline.io.plugins import find_source_file, load_object
from pipeline.language.identify import LanguageModel
from pipeline.publish.settings import TopicsConfig
from pipeline.settings import ConfigError, suggest_name


def list_named_files(config: Config) -> list[tuple[str, str]]:
    """Return (key, path) of each local file or folder that the config names for extraction."""
    named = [("language.model", config.language.model), ("quality.model", config.quality.model)]
    named += [("url.blocklists", path) for path in config.url.blocklists]
    named += [("url.word_lists", path) for path in config.url.word_lists.values()]
    lists = config.rules.bad_words.lists if config.rules.bad_words else {}
    named += [(f"rules.bad_words.lists.{language}", path) for language, path in lists.items()]
    named += custom_filter_files(config.rules.custom)
    named += own_stage_files(config.stages)
    for engine in filter(is_own_engine, (config.extract.engine, *config.extract.fallback)):
        path = find_source_file(load_object(engine, "extract.engine"))
        named += [("extract.engine", path)] if path else []
    return [(key, path) for key, path in named if path and "://" not in path]


def require_named_files(config: Config) -> None:
    """Raise ConfigError if a file or folder that the config names for extraction is missing."""
    for key, path in list_named_files(config):
        if not os.path.exists(path):
            raise ConfigError(f"{key}: {path}: no such file or folder")


def hash_named_files(config: Config) -> dict[str, str]:
    """Return a hash of the content of each of these files, by key and path."""
    return {f"{key}: {path}": hash_path(Path(path)) for key, path in list_named_files(config)}


def hash_path(path: Path) -> str:
    """Return a hash of the content of a file, or of all files in a folder except Markdown."""
    found = hashlib.blake2b(digest_size=16)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and file.suffix != ".md":
            with open(file, "rb") as source:
                found.update(f"{file.relative_to(path)}\0".encode() + hashlib.file_digest(source, "blake2b").digest())
    return found.hexdigest()


def reject_unused_settings(config: Config) -> None:
    """Raise ConfigError if a setting has no effect.

    Such a run would cost hours and would not do what the user asked for.
    """
    reject_scores_without_model(config)
    reject_thresholds_without_model(config)
    reject_unknown_languages(config)


def reject_scores_without_model(config: Config) -> None:
    """Raise ConfigError if a setting needs quality scores and there are none."""
    weights = config.weights
    needs_scores = {
        "quality.model": config.quality.model is not None,
        "quality.min_score": config.quality.min_score is not None,
        "dedup.keep_policy: best": config.dedup.keep_policy == "best",
        "weights.quality": bool(weights.quality),
        "weights.shares.quality": bool(weights.shares.quality),
        "quality.min_worth": config.quality.min_worth is not None,  # the last, since a recipe may set it
    }
    for key, needed in needs_scores.items():
        if needed and not config.quality.score:
            unset = "this to null" if key == "quality.min_worth" else "leave this out"
            raise ConfigError(f"{key}: has no effect without scores; set quality.score to true, or {unset}")


def reject_thresholds_without_model(config: Config) -> None:
    """Raise ConfigError if a threshold belongs to another engine, or to a topic model that is not set."""
    engine, topics = config.extract.engine, config.weights.topics
    engines = (engine, *config.extract.fallback)
    if "gristmill" not in engines and config.extract.threshold != ExtractConfig().threshold:
        raise ConfigError(
            f"extract.threshold: {engine} has none; use extract.objective, or set extract.engine to gristmill"
        )
    if topics.min_score != TopicsConfig().min_score and not topics.model:
        raise ConfigError(
            "weights.topics.min_score: has no effect without weights.topics.model; set it, or leave this out"
        )


def reject_unknown_languages(config: Config) -> None:
    """Raise ConfigError if a setting names a language that the model does not know, or that no page can have."""
    named: dict[str, Iterable[str]] = {
        "languages": config.languages,
        "language.by_language": config.language.by_language,
        "weights.languages": config.weights.languages,
        "weights.shares.languages": config.weights.shares.languages,
    }
    if not any(named.values()):
        return
    known = LanguageModel.load(config.language.model).languages()
    model = config.language.model or "lid.176"
    examples = ", ".join(sorted(known, key=lambda code: (len(code), code))[:5])
    for key, names in named.items():
        for name in sorted(set(names) - known):
            code = find_language_code(name)
            hint = f"; did you mean {code!r}?" if code in known else suggest_name(name, known)
            raise ConfigError(
                f"{key}: {name!r} is none of the {len(known)} languages that {model} knows by codes such as "
                f"{examples}{hint}"
            )
    if not config.languages:
        return
    for key in ("weights.languages", "weights.shares.languages"):
        for name in sorted(set(named[key]) - set(config.languages)):
            raise ConfigError(f"{key}: {name!r} is not in `languages`, so no page has it; add it there")


def reject_local_paths(inputs: Sequence[Input], roots: Sequence[str]) -> None:
    """Raise RunError if an output or an input is on this machine, where Dataflow's workers cannot read it."""
    local = [root for root in roots if fsspec.utils.get_protocol(root) in ("file", "local")]
    local += [item.path for item in inputs if item.local]
    if local:
        raise RunError(f"{local[0]}: is on this machine, and Dataflow's workers cannot read it; give gs:// or s3://")
