"""What was read into an output: a local input whose content changed since is noticed, and so is an object of a store.

A file of equal size can hold something else. Its time of writing tells that it may, and a digest of parts of it whether
it does: reading a whole crawl for this would take longer than it is worth.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.io.downloads import InputError, open_file_system
from pipeline.io.input_shards import ALL_INPUTS, InputShard
from pipeline.io.inputs import Input
from pipeline.io.output import WORK, Output
from pipeline.io.text_files import VERSIONS

SAMPLES, SAMPLE_BYTES = 64, 1 << 16
MOST_OBJECTS = 1000  # of a store; each is one question to it
VERSIONS_FILE = "input_versions"  # in WORK; each input shard has a file of its own


def digest_samples(path: str) -> str:
    """Return a hash of a file's size and of SAMPLES parts of it, of the whole where it is small."""
    found = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as source:
        size = source.seek(0, os.SEEK_END)
        found.update(b"%d:" % size)
        step = max(SAMPLE_BYTES, -(-(size - SAMPLE_BYTES) // (SAMPLES - 1)))
        for at in [*range(0, max(size - SAMPLE_BYTES, 0), step), max(size - SAMPLE_BYTES, 0)]:
            source.seek(at)
            found.update(source.read(SAMPLE_BYTES))
    return found.hexdigest()


def read_file_version(path: str, known: list[object] | None) -> list[object] | None:
    """Return a local file's time of writing and digest; None where it was not written since. Raises InputError."""
    try:
        written = os.stat(path).st_mtime_ns
        return [written, digest_samples(path)] if known is None or known[0] != written else None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def read_object_version(path: str) -> str:
    """Return what a store tells one content of an object from another by; "" where it does not say."""
    try:
        facts = open_file_system(path).info(path)
    except (OSError, ValueError, ImportError):
        return ""
    return next((str(facts[key]) for key in VERSIONS if facts.get(key)), "")


def list_version_files(output: Output) -> list[str]:
    """Return the names of the files that say what was read: one of the runs, and one of each input shard."""
    return [name for name in output.list(WORK, ".json") if name.startswith(VERSIONS_FILE)]


def find_changed_inputs(inputs: Iterable[Input], output: Output, shard: InputShard = ALL_INPUTS) -> list[str]:
    """Return the inputs that hold something else than when an earlier run took them up, and remember all of them.

    What is remembered of a changed input stays, so that the next call returns it again. Raises InputError.
    """
    items = list(inputs)
    known: dict[str, Any] = {}
    for name in list_version_files(output):
        known |= output.read_json(WORK, name)
    versions = read_versions(items, known)
    changed = [path for path, (_, version) in versions.items() if path in known and known[path][1] != version]
    kept = known | {path: found for path, found in versions.items() if path not in changed}
    if shard == ALL_INPUTS:
        output.write_json(kept, WORK, f"{VERSIONS_FILE}.json")
    else:
        own = {item.path: kept[item.path] for item in items if item.path in kept}
        output.write_json(own, WORK, f"{VERSIONS_FILE}-{shard.name}.json")
    return changed


def read_versions(items: Sequence[Input], known: Mapping[str, Any]) -> dict[str, list[object]]:
    """Return the version of each input that has one; what is known of a local file saves reading it again."""
    objects = [item.path for item in items if item.path.startswith(("s3://", "gs://"))]
    versions: dict[str, list[object]] = {}
    for path in [item.path for item in items if item.local]:
        if found := read_file_version(path, known.get(path)):
            versions[path] = found
    if len(objects) <= MOST_OBJECTS:
        versions |= {path: ["", version] for path in objects if (version := read_object_version(path))}
    return versions


def forget_input(path: str, output: Output) -> None:
    """Forget what was remembered of an input: it will be read anew."""
    for name in list_version_files(output):
        known = output.read_json(WORK, name)
        if known.pop(path, None):
            output.write_json(known, WORK, name)
