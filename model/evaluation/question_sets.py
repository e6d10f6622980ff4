"""Reads evaluation sets as they are published: JSONL, JSON, CSV and text files, compressed or in a tar.

An item is a JSON line, a CSV row, or a paragraph of a text.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, TypeAlias

from model.config import TrainerError

Json: TypeAlias = Any  # an item as its file has it: an object, a row of cells, or a text

FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
ARCHIVES = (".tar", ".tgz", ".txz", ".tar.gz", ".tar.xz", ".tar.bz2")
DAMAGED = (EOFError, lzma.LZMAError, zlib.error, tarfile.TarError, gzip.BadGzipFile, ValueError, csv.Error)

# Keys of what is asked. Their texts come first, whatever the order in the file; also a CSV header's first cell.
QUESTION_KEYS = frozenset("question question_stem stem prompt query goal problem ctx sentence input text".split())
# Keys whose texts are neither asked nor answered.
LABEL_KEYS = frozenset(
    "id idx ind index label labels gold answer_key answerkey answer_idx answer_index subject category split source task"
    " dataset metadata meta type url fold activity_label source_id split_type question_id doc_id".split()
)


class SetItem(NamedTuple):
    """An item of an evaluation set, and the file that it is from (within an archive, the member)."""

    file: str
    content: Json


def read_set(path: Path) -> list[SetItem]:
    """Return the items of an evaluation set, in their order. Raises TrainerError and OSError."""
    try:
        with path.open("rb") as file:
            if path.name.lower().endswith(ARCHIVES):
                return list(read_archive(file))
            return list(read_set_file(file, path.name))
    except TrainerError:
        raise
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise TrainerError(f"--sets: {path}: cannot be read: {' '.join(str(error).split())}") from error


def read_archive(file: IO[bytes]) -> Iterator[SetItem]:
    """Yield the items of the files in a tar, by the files' names. Hidden and other files are skipped."""
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            name = PurePosixPath(member.name).name
            if member.isfile() and name[0] not in "._" and find_format(name):
                content = archive.extractfile(member)
                if content is not None:
                    yield from read_set_file(content, name)


def find_format(name: str) -> str:
    """Return the ending that says how a file is read, without a compression's ending; "" if there is none."""
    path = PurePosixPath(name.lower())
    ending = PurePosixPath(path.stem).suffix if path.suffix in OPENERS else path.suffix
    return ending if ending in FORMATS else ""


def read_set_file(file: IO[bytes], name: str) -> Iterator[SetItem]:
    """Yield the items of one file. Raises TrainerError for a name whose ending says no format."""
    ending = find_format(name)
    if not ending:
        raise TrainerError(f"--sets: {name}: not one of {', '.join([*FORMATS, '.tar'])}, with .gz, .xz or .bz2")
    opener = OPENERS.get(PurePosixPath(name.lower()).suffix)
    raw = file if opener is None else opener(file)
    lines = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="" if ending in (".csv", ".tsv") else None)
    for content in parse_items(lines, ending):
        if content:
            yield SetItem(name, content)


def parse_items(lines: IO[str], ending: str) -> Iterator[Json]:
    """Yield the items of a file's text in the format that its ending names."""
    if ending == ".txt":
        yield from re.split(r"\n[ \t]*\n", lines.read())
    elif ending in (".csv", ".tsv"):
        csv.field_size_limit(min(sys.maxsize, 1 << 30))
        for number, row in enumerate(csv.reader(lines, delimiter="\t" if ending == ".tsv" else ",")):
            is_header = number == 0 and bool(row) and row[0].strip().lower() in QUESTION_KEYS
            yield None if is_header else row
    elif ending == ".json":
        whole = json.load(lines)
        yield from whole if isinstance(whole, list) else [whole]
    else:
        yield from (json.loads(line) for line in lines if line.strip())


def list_texts(content: Json) -> Iterator[str]:
    """Yield the texts of an item, the question first; labels and single characters are skipped."""
    if isinstance(content, str):
        if len(content.strip()) > 1:
            yield content.strip()
    elif isinstance(content, dict):
        for key in sorted(content, key=lambda key: key.lower() not in QUESTION_KEYS):
            if key.lower() not in LABEL_KEYS:
                yield from list_texts(content[key])
    elif isinstance(content, list):
        for part in content:
            yield from list_texts(part)


def join_texts(content: Json) -> str:
    """Return the texts of an item as one."""
    return " ".join(list_texts(content))
