"""What a run may reuse from an earlier one: its config, its model files, and the results of finished stages."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cli.errors import RunError
from pipeline.config import Config, compare_configs, config_values, dump_config
from pipeline.extract.splits import marker_path
from pipeline.io.evaluation_sets import fingerprint_evaluation_sets
from pipeline.io.input_shards import ALL_INPUTS, InputShard
from pipeline.io.input_versions import find_changed_inputs, forget_input
from pipeline.io.inputs import Input
from pipeline.io.output import WORK, Output, fingerprint_value, is_partial, shard_name
from pipeline.settings import ConfigError, parse_own_yaml

ANEW = "restore it, or choose a new output"
Markers = Mapping[str, Mapping[str, Any]]  # the JSON marker of each extracted file, by shard name

# The sections of the config that decide the result of each stage, besides the documents that it reads.
STAGE_SETTINGS = {
    "dedup": ("dedup",),
    "publish": ("dedup", "decontaminate", "weights", "publish", "tokenizer", "seed"),
}


# Sections that only the publish job reads: they may change in an output, whose documents and duplicates stay valid.
PUBLISH_SECTIONS = ("decontaminate", "weights", "publish", "tokenizer")


def find_earlier_changes(old: Mapping[str, Any], config: Config) -> list[str]:
    """Return `key: old -> new` for every setting in which a config differs, but for those of the publish job alone.

    The seed is one of those unless it draws the input files (`input.sample`).
    """
    alone = PUBLISH_SECTIONS if config.input.sample else (*PUBLISH_SECTIONS, "seed")
    changed = compare_configs(old, config_values(config))
    return [line for line in changed if line.partition(":")[0].partition(".")[0] not in alone]


def read_config_values(output: Output) -> dict[str, Any]:
    """Return the config that an output was made by, as plain values."""
    with output.open("config.yaml") as source:
        values: dict[str, Any] = parse_own_yaml(source)
    return values


def load_or_write_config(config: Config, output: Output) -> None:
    """Write the effective config into an output, whose documents, if it has any, must be those of this config.

    Raises as `holds_config` does.
    """
    if not holds_config(output, config):
        with output.write("config.yaml") as out:
            out.write(dump_config(config).encode())


def holds_config(output: Output, config: Config) -> bool:
    """Return whether an output has this very config; false if it has none, or one that may be replaced by this.

    Settings that only the publish job reads may differ from the config that made the output. Raises ConfigError if
    others do, RunError if the folder holds something else.
    """
    # Listed first: another job of the same run, with another input shard, may write its config meanwhile.
    found = os.listdir(output.base) if output.local and os.path.isdir(output.base) else []
    if output.exists("config.yaml"):
        old = read_config_values(output)
        changed = find_earlier_changes(old, config)
        if changed and has_started(output):
            raise ConfigError(
                f"{output.root}: made by another config ({'; '.join(changed)}); choose another output, or remove this "
                f"one (only {', '.join(PUBLISH_SECTIONS)} may change: then publish alone runs again)"
            )
        return old == config_values(config)
    if any(name != WORK and not is_partial(name) for name in found):
        raise RunError(f"{output.root}: this folder is not empty and not an output of ours; choose another")
    return False


def has_started(output: Output) -> bool:
    """Return whether the output holds any result. A run that failed at its start leaves only its config."""
    return bool(output.list(f"{WORK}/extract") or output.list("documents"))


def check_model_files(hashes: dict[str, str], output: Output) -> None:
    """Record the hashes of the models and lists that extraction uses, or check that they have not changed.

    Without this check, a replaced file would process half of the pages by one model and half by another. Raises
    RunError.
    """
    path = (WORK, "named_files.json")
    before = output.read_json(*path) if has_started(output) and output.exists(*path) else {}
    for name in sorted(before):
        if hashes.get(name) != before[name]:
            raise RunError(
                f"{name}: is another file than the one that made this output; restore it, or choose another output"
            )
    output.write_json(hashes, *path)


def check_inputs_unchanged(inputs: Sequence[Input], output: Output, shard: InputShard = ALL_INPUTS) -> None:
    """Raise RunError if an input of which pages are in the output holds something else now.

    One that held no record, or of which nothing was read yet, is read anew.
    """
    changed = find_changed_inputs(inputs, output, shard)
    for path in changed:
        name = shard_name(path)
        done = output.read_json(*marker_path(name)) if output.exists(*marker_path(name)) else None
        if output.exists(WORK, "extract", name) or (done and "bad_file" not in done["ledger"]):
            raise RunError(f"{path}: holds something else than when it was extracted into {output.root}; {ANEW}")
        output.remove(*marker_path(name))
        forget_input(path, output)
    if changed:
        find_changed_inputs(inputs, output, shard)


def fingerprint_earlier_outputs(config: Config, output: Output) -> dict[str, str]:
    """Return a fingerprint of each earlier output in `dedup.previous_outputs`, by its name.

    An earlier output that was removed keeps the fingerprint that it had when the dedup job used it: the duplicates that
    were found by it are still valid.
    """
    if not config.dedup.previous_outputs:
        return {}
    from pipeline.dedup.index import read_fingerprint

    used = output.read_json(WORK, "dedup.json").get("against", {}) if output.exists(WORK, "dedup.json") else {}
    now = {root: read_fingerprint(root) for root in config.dedup.previous_outputs}
    return {root: used.get(root, "") if found is None else found for root, found in now.items()}


def compute_stage_key(name: str, config: Config, files: Markers, earlier: Mapping[str, str] | None = None) -> str:
    """Return the fingerprint of everything that the result of dedup or publish depends on."""
    values = config_values(config)
    read: list[object] = []
    if name == "publish":
        from pipeline.publish.dsir import fingerprint_target  # Beam takes seconds to import; extract does without
        from pipeline.publish.extra_sources import fingerprint_sources
        from pipeline.publish.tokenizer import fingerprint_tokenizer
        from pipeline.publish.topics import fingerprint_topics

        read = [*fingerprint_evaluation_sets(config.decontaminate.sets)]
        read += fingerprint_target(config.weights.dsir.target)
        read += fingerprint_sources(config.publish.extra_anneal_sources)
        read += fingerprint_topics(config.weights.topics)
        read += fingerprint_tokenizer(config.tokenizer)
    settings = {key: values[key] for key in STAGE_SETTINGS[name]}
    return fingerprint_value([settings, files, *read, *([earlier] if earlier else [])])


def read_finished_stage(name: str, config: Config, output: Output, files: Markers) -> Any:
    """Return the stored result of a stage that has finished for these documents. Raises RunError if it has not."""
    if output.exists(WORK, f"{name}.json"):
        done = output.read_json(WORK, f"{name}.json")
        if done["key"] == compute_stage_key(name, config, files, fingerprint_earlier_outputs(config, output.documents)):
            return done["result"]
    raise RunError(f"{output.root}: the {name} job has not ended here; run `gristmill {name}` first")
