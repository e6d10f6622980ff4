"""What is wrong with a config can be told before a run begins: it fails now, not in every worker or hours later."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli.errors import RunError
from pipeline.config import Config
from pipeline.extract.settings import own_stage_files
from pipeline.filters.custom import custom_filter_files
from pipeline.html.settings import ExtractConfig, is_own_engine
from pipeline.io.inputs import Input
from pipeline.io.output import Output
from pipeline.io.plugins import find_source_file, load_object
from pipeline.language.identify import LanguageModel
from pipeline.publish.settings import TopicsConfig
from pipeline.settings import ConfigError, suggest_name


def named_files(config: Config) -> list[tuple[str, str]]:
    """Return (key, path) of each file or folder of this machine that the config names for extraction."""
    named = [("language.model", config.language.model), ("quality.model", config.quality.model)]
    named += [("url.blocklists", path) for path in config.url.blocklists]
    named += [("url.word_lists", path) for path in config.url.word_lists.values()]
    lists = config.rules.bad_words.lists if config.rules.bad_words else {}
    named += [(f"rules.bad_words.lists.{language}", path) for language, path in lists.items()]
    named += custom_filter_files(config.rules.custom)
    named += own_stage_files(config.stages)
    if is_own_engine(config.extract.engine):
        path = find_source_file(load_object(config.extract.engine, "extract.engine"))
        named += [("extract.engine", path)] if path else []
    return [(key, path) for key, path in named if path and "://" not in path]


def find_files(config: Config) -> None:
    """Look for the files that the config names for extraction. Raises ConfigError."""
    for key, path in named_files(config):
        if not os.path.exists(path):
            raise ConfigError(f"{key}: {path}: no such file or folder")


def contents(config: Config) -> dict[str, str]:
    """Return a hash of each of those files' bytes, by key and path: another file in its place is another setting."""
    return {f"{key}: {path}": digest(Path(path)) for key, path in named_files(config)}


def digest(path: Path) -> str:
    """Return a hash of the bytes of a file, or of all in a folder but cards."""
    found = hashlib.blake2b(digest_size=16)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and file.suffix != ".md":
            with open(file, "rb") as source:
                found.update(f"{file.relative_to(path)}\0".encode() + hashlib.file_digest(source, "blake2b").digest())
    return found.hexdigest()


def refuse_idle(config: Config) -> None:
    """Refuse settings that would do nothing: thresholds of another engine or of no model, scores that no model gives,
    languages that no page is in.

    A run that ignored them would cost hours and not be what was asked for. Raises ConfigError.
    """
    weights = config.weights
    scored = {
        "quality.min_score": config.quality.min_score is not None,
        "dedup.keep_policy: best": config.dedup.keep_policy == "best",
        "weights.quality": bool(weights.quality),
        "weights.shares.quality": bool(weights.shares.quality),
    }
    for key in (key for key, asked in scored.items() if asked and not config.quality.model):
        trained = "the folder that `python -m classifiers train` wrote"
        raise ConfigError(f"{key}: has no effect without scores; set quality.model to {trained}, or leave this out")
    engine = config.extract.engine
    if engine != "gristmill" and config.extract.threshold != ExtractConfig().threshold:
        raise ConfigError(
            f"extract.threshold: {engine} has none; use extract.objective, or set extract.engine to gristmill"
        )
    if weights.topics.min_score != TopicsConfig().min_score and not weights.topics.model:
        raise ConfigError(
            "weights.topics.min_score: has no effect without weights.topics.model; set it, or leave this out"
        )
    named = {
        "languages": config.languages,
        "language.by_language": config.language.by_language,
        "weights.languages": weights.languages,
        "weights.shares.languages": weights.shares.languages,
    }
    if any(named.values()):
        known = LanguageModel.load(config.language.model).languages()
        for key, names in named.items():
            for name in sorted(set(names) - known):
                model, examples = (
                    config.language.model or "lid.176",
                    ", ".join(sorted(known, key=lambda code: (len(code), code))[:5]),
                )
                raise ConfigError(
                    f"{key}: {name!r} is none of the {len(known)} languages that {model} knows by codes such as "
                    f"{examples}{suggest_name(name, known)}"
                )
    for key in ("weights.languages", "weights.shares.languages"):
        for name in sorted(set(named[key]) - set(config.languages)) if config.languages else ():
            raise ConfigError(f"{key}: {name!r} is not among `languages`, so that no page is in it; add it there")


def reject_local_paths(inputs: Sequence[Input], output: Output, read: Sequence[str]) -> None:
    """Raise RunError if a path is on this machine, where Dataflow's workers cannot read it."""
    local = [output.root] * output.local + [item.path for item in inputs if item.local]
    local += [root for root in read if Output(root).local]
    if local:
        raise RunError(f"{local[0]}: is on this machine, and Dataflow's workers cannot read it; give gs:// or s3://")
