"""The documents that a run publishes: its own, or those of a finished output that `documents_from` names."""

import os

from pipeline.cli.errors import RunError
from pipeline.cli.resume import find_earlier_changes, read_config_values
from pipeline.config import Config
from pipeline.io.output import WORK, Output
from pipeline.settings import ConfigError


def check_documents_source(config: Config, output: Output) -> None:
    """Check that `documents_from` is a finished output whose documents this config would make.

    Raises RunError or ConfigError with one line.
    """
    source, key = output.documents, f"documents_from: {config.documents_from}"
    if source is output:
        return
    if is_inside(source, output) or is_inside(output, source):
        raise RunError(f"{key}: this folder and the output {output.root} contain each other; choose another output")
    if not source.exists("config.yaml"):
        raise RunError(f"{key}: no output there (it has no config.yaml)")
    old = read_config_values(source)
    if old.get("documents_from"):
        raise RunError(f"{key}: it has no documents of its own; give the output that has them: {old['documents_from']}")
    for job in ("extract", "dedup"):
        if not source.exists(WORK, f"{job}.json"):
            raise RunError(f"{key}: the {job} job has not ended there; run `gristmill {job}` for it first")
    changed = find_earlier_changes(old, config)
    if changed:
        raise ConfigError(
            f"{key}: made by another config ({'; '.join(changed)}); extraction and deduplication do not run again, so "
            "these settings must be equal: change them back, or leave documents_from out"
        )
    if Output(output.root).list("documents"):
        raise RunError(f"{output.root}: this output has documents of its own; choose another output")


def is_inside(inner: Output, outer: Output) -> bool:
    """Return whether an output is in the folder of another one, or is the same."""
    if inner.local != outer.local:
        return False
    paths = [os.path.realpath(some.base) if some.local else some.base for some in (inner, outer)]
    return f"{paths[0]}/".startswith(f"{paths[1]}/")
