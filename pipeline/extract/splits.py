"""The splits of the extract job: how crawl files are cut, what a split leaves on disk, and what is still to be done.

A file is cut into splits of whole records where that is possible, so that many workers share a large file. Under
`.work/extract/NAME/` a split leaves parts, each with a run of its pages, and what was read of it. A split is done when
it was read to its end and its parts hold all of its pages. When all splits of a file are done, they are merged, and
`.work/extract/NAME.json` marks the file as done.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.config import Config, config_values
from pipeline.io.input_shards import ALL_INPUTS, InputShard
from pipeline.io.inputs import Input, open_input
from pipeline.io.ledger import FileLedger
from pipeline.io.output import WORK, Output, fingerprint_value, shard_name
from pipeline.io.text_inputs import find_text_split_points, input_text_format
from pipeline.warc.reader import find_split_points

SPLITS = 64  # about as many over all local inputs: enough for any laptop's cores to end together
MIN_SPLIT_BYTES, MAX_SPLIT_BYTES = 1 << 18, 64 << 20
# What decides the rows of documents/ and rejected/; dedup, weights and publishing do not.
RELEVANT = ("languages", "input", "url", "robots", "extract", "language", "stages", "rules", "pii", "quality", "dedup")
PART_NAME = re.compile(r"(\d+)-(\d+)-(\d+)\.parquet")


class Split(NamedTuple):
    """A range of an input's records: those that start in [start, end); end is None for the rest of the file.

    Places are bytes; in a table (Parquet, Arrow) they are rows.
    """

    path: str
    name: str  # of the file's shards
    start: int
    end: int | None
    size: int  # in bytes, of a table too
    file_size: int | None


class InputFile(NamedTuple):
    """An input with its splits."""

    path: str
    name: str
    size: int | None
    splits: tuple[Split, ...]


class Part(NamedTuple):
    """A file with the pages `first` to `last` (both included) of the split that begins at `start`."""

    start: int
    first: int
    last: int


@dataclass(frozen=True)
class ReadResult:
    """What was read in a split that ends at `end`: the ledger counts its records and its pages, not where these end."""

    path: str
    file_size: int | None
    end: int | None
    ledger: FileLedger = field(default_factory=FileLedger)


def plan_files(inputs: Iterable[Input], config: Config, shard: InputShard = ALL_INPUTS) -> list[InputFile]:
    """Cut the inputs of a shard into splits. Where they are cut depends on all files, and changes no byte of output.

    With one worker the splits are the longest, since nothing is shared: to find where a file can be cut, it is read.
    """
    inputs = list(inputs)
    local = sum(i.size or 0 for i in inputs if i.local)
    target = MAX_SPLIT_BYTES if config.workers == 1 else min(max(local // SPLITS, MIN_SPLIT_BYTES), MAX_SPLIT_BYTES)
    return [split_file(i, target if len(inputs) < SPLITS else None, config) for i in shard.select(inputs)]


def split_file(item: Input, target: int | None, config: Config) -> InputFile:
    """Return the input with its splits; one split where it is small, remote or cannot be cut."""
    name, size = shard_name(item.path), item.size or 0
    cuts = [(0, size)]
    if target and item.local and size > 2 * target:
        with open_input(item.path, config.input) as source:
            if input_text_format(item.path):
                cuts = find_text_split_points(source, item.path, target)
            else:
                starts = find_split_points(source, target)
                cuts = [(start, end - start) for start, end in zip(starts, [*starts[1:], size], strict=True)]
    ends = [*(start for start, _ in cuts[1:]), None]
    splits = tuple(
        Split(item.path, name, start, end, part, item.size) for (start, part), end in zip(cuts, ends, strict=True)
    )
    return InputFile(item.path, name, item.size, splits)


def make_whole_split(item: Input) -> Split:
    """Return an input as one split, which nothing is written for."""
    return Split(item.path, shard_name(item.path), 0, None, item.size or 0, item.size)


def settings_fingerprint(config: Config) -> str:
    """Return the fingerprint of every setting that decides what the extract job writes."""
    values = config_values(config)
    return fingerprint_value({key: values[key] for key in RELEVANT})


def marker_path(name: str) -> tuple[str, str, str]:
    """Return the path of the file whose existence says that an input is done."""
    return (WORK, "extract", f"{name}.json")


def part_path(name: str, part: Part) -> tuple[str, str, str, str]:
    """Return the path of a part of a file's split."""
    return (WORK, "extract", name, f"{part.start:015d}-{part.first:07d}-{part.last:07d}.parquet")


def read_result_path(name: str, start: int) -> tuple[str, str, str, str]:
    """Return the path of what was read in the split that begins at `start`."""
    return (WORK, "extract", name, f"{start:015d}.json")


def load_read_result(output: Output, name: str, start: int) -> ReadResult:
    """Return what was read in a split. Raises FileNotFoundError where it was not read to its end."""
    values = output.read_json(*read_result_path(name, start))
    return ReadResult(**{**values, "ledger": FileLedger.from_json(values["ledger"])})


def save_read_result(output: Output, split: Split, result: ReadResult) -> None:
    """Write what was read in a split that was read to its end."""
    values = {"path": result.path, "file_size": result.file_size, "end": result.end}
    output.write_json({**values, "ledger": result.ledger.to_json()}, *read_result_path(split.name, split.start))


def list_parts(output: Output, name: str) -> dict[int, list[Part]]:
    """Return the parts of a file that are there, by the start of their split."""
    parts: dict[int, list[Part]] = defaultdict(list)
    for found in output.list(f"{WORK}/extract/{name}", ".parquet"):
        if match := PART_NAME.fullmatch(found):
            part = Part(*map(int, match.groups()))
            parts[part.start].append(part)
    return parts


class PartRows(NamedTuple):
    """The rows `first` to `last` (excluded) of a part."""

    part: Part
    first: int
    last: int


def cover_pages(parts: Sequence[Part], pages: int) -> tuple[list[PartRows], int]:
    """Return rows of parts that are a split's pages, each once and in order, and how many pages stand in no part.

    Parts may overlap: a runner may process a split twice, in other batches.
    """
    chosen: list[PartRows] = []
    following = missing = 0
    for part in sorted(parts, key=lambda part: (part.first, -part.last)):
        end = min(part.last + 1, pages)
        if end <= max(following, part.first):
            continue
        missing += max(0, part.first - following)
        begin = max(part.first, following)
        chosen.append(PartRows(part, begin - part.first, end - part.first))
        following = end
    return chosen, missing + pages - following


def is_split_done(split: Split, output: Output, parts: Mapping[int, Sequence[Part]] | None = None) -> bool:
    """Tell whether a split was read to its end and all its pages were written.

    `parts` are those of the split's file, listed here where they are not given.
    """
    if not output.exists(*read_result_path(split.name, split.start)):
        return False
    result = load_read_result(output, split.name, split.start)
    if (result.end, result.file_size) != (split.end, split.file_size):
        return False  # cut otherwise, or of a file that was fetched again
    found = list_parts(output, split.name) if parts is None else parts
    return cover_pages(found.get(split.start, ()), result.ledger.responses)[1] == 0


def remaining_splits(file: InputFile, output: Output) -> list[Split]:
    """Return the splits of a file that are not done."""
    parts = list_parts(output, file.name)
    return [split for split in file.splits if not is_split_done(split, output, parts)]


@dataclass
class RemainingWork:
    """What an extract job still has to do: splits to process, and files that have not been merged."""

    splits: list[Split]
    files: list[InputFile]


def find_remaining(files: Sequence[InputFile], names: Collection[str], config: Config, output: Output) -> RemainingWork:
    """Compare the plan with what is on disk; `names` are those of the shards of all inputs.

    Raises ValueError where an input changed since its shards were written, or shards of an input exist that is no
    longer among the inputs.
    """
    settings, left, names = settings_fingerprint(config), RemainingWork([], []), set(names)
    for name in output.list(f"{WORK}/extract", ".json"):
        if name.removesuffix(".json") not in names:
            path = output.read_json(WORK, "extract", name)["path"]
            raise ValueError(
                f"{path}: was extracted into this output and is no longer among the inputs; add it again, or choose "
                "a new output"
            )
    for file in files:
        if output.exists(*marker_path(file.name)):
            done: dict[str, Any] = output.read_json(*marker_path(file.name))
            if done["size"] == file.size or "bad_file" not in done["ledger"]:
                if done["settings"] != settings or done["size"] != file.size:
                    what = "the settings" if done["settings"] != settings else "its size"
                    raise ValueError(f"{file.path}: {what} changed since it was extracted; choose a new output")
                continue
            output.remove(*marker_path(file.name))  # it held no record, and was fetched again
        left.files.append(file)
        left.splits += remaining_splits(file, output)
    return left
