"""Reads evaluation sets in the forms in which they are published: JSONL, CSV and text, compressed or in a tar.

An item is a JSON line, a CSV row, or a paragraph of a text. Its texts are the strings in it, in their order, without
labels and ids. The published files of ARC, PIQA, OpenBookQA and MMLU can be read.
"""

import bz2
import csv
import fnmatch
import gzip
import hashlib
import io
import json
import lzma
import re
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, cast

import fsspec

from pipeline.io.text_files import expand_text_path, match_ending, open_decompressed

# Keys whose strings are neither question nor answer: ids, labels, and what an evaluation harness stores with an item.
LABELS = frozenset(
    "id idx ind index label labels gold answer_key answerkey answer_idx answer_index subject category split source task"
    " dataset metadata meta type url fold activity_label source_id split_type question_id doc_id".split()
)
# Keys of the question, which comes first whatever the order in the file; also the first cell of a CSV header.
QUESTION = frozenset("question question_stem stem prompt query goal problem ctx sentence input text passage".split())
BEFORE = re.compile(r"^\s*(?:question|q)\s*:\s*", re.IGNORECASE)
AFTER = re.compile(r"\s*\b(?:answer|a)\s*:\s*$", re.IGNORECASE)
PARAGRAPH = re.compile(r"\n[ \t]*\n")
FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".text")
ARCHIVES = (".tar", ".tgz", ".txz", ".tar.gz", ".tar.xz", ".tar.bz2")
OPENERS: dict[bytes, Callable[[IO[bytes]], object]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\0": lzma.open,
    b"BZh": bz2.open,
}
MOST_BYTES = 1 << 30  # of a set, decompressed; the largest published ones have some hundred megabytes
MOST_MEMBERS = 100_000  # of an archive
BROKEN = (EOFError, lzma.LZMAError, zlib.error, tarfile.TarError, gzip.BadGzipFile, UnicodeDecodeError, csv.Error)


class EvaluationSetError(ValueError):
    """An evaluation set that cannot be read. Its message is one line."""


class EvaluationItem(NamedTuple):
    """One item: its set (the file's name), its number there from 1 (`12`, or `dev/law.csv 12`), and its texts."""

    set: str
    name: str
    texts: tuple[str, ...]


def find_evaluation_sets(paths: tuple[str, ...]) -> list[str]:
    """Return the files that files, folders and globs name, sorted within each; each once.

    Raises EvaluationSetError where a path names none.
    """
    found: dict[str, None] = {}
    for path in paths:
        names = expand_text_path(path, set_format)
        if not names:
            raise EvaluationSetError(f"decontaminate.sets: {path}: no evaluation set there ({', '.join(FORMATS)}, tar)")
        for name in names:
            if not set_format(name):
                known = ", ".join([*FORMATS, ".tar"])
                raise EvaluationSetError(f"decontaminate.sets: {name}: not one of {known}, with .gz, .xz, .bz2")
            found.setdefault(name)
    return list(found)


def set_format(name: str) -> str:
    """Return the ending that says how a file is read, "" for none, ".tar" for any archive."""
    return ".tar" if name.lower().endswith(ARCHIVES) else match_ending(name, FORMATS)


def fingerprint_evaluation_sets(paths: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the name and a hash of the bytes of each file that the paths name."""
    found = []
    for path in find_evaluation_sets(paths):
        with fsspec.open(path, "rb") as file:
            found.append((path.rsplit("/", 1)[-1], hashlib.file_digest(file, "sha256").hexdigest()))
    return found


def read_evaluation_sets(paths: tuple[str, ...]) -> Iterator[EvaluationItem]:
    """Yield every item of the sets, in their order. Raises EvaluationSetError, OSError."""
    for path in find_evaluation_sets(paths):
        name = path.rsplit("/", 1)[-1]
        try:
            with fsspec.open(path, "rb") as file:
                if set_format(name) == ".tar":
                    yield from read_archive_items(file, name)
                else:
                    items = read_set_items(bound_set(open_decompressed(file, name)), set_format(name))
                    yield from (EvaluationItem(name, *item) for item in items)
        except (*BROKEN, json.JSONDecodeError, EvaluationSetError) as error:
            raise EvaluationSetError(
                f"{path}: cannot be read as {set_format(name)}: {' '.join(str(error).split())}"
            ) from error


def read_archive_items(file: IO[bytes], name: str) -> Iterator[EvaluationItem]:
    """Yield the items of the files in a tar, by the files' names."""
    with tarfile.open(fileobj=open_archive(file), mode="r:") as archive:
        for member in sorted(list_members(archive), key=lambda member: member.name):
            hidden = fnmatch.fnmatch(member.name.rsplit("/", 1)[-1], "[._]*")
            content = (
                archive.extractfile(member) if member.isfile() and set_format(member.name) and not hidden else None
            )
            if content:
                bounded = bound_set(open_decompressed(content, member.name))
                for place, texts in read_set_items(bounded, set_format(member.name)):
                    yield EvaluationItem(name, f"{member.name} {place}", texts)


def list_members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar. Raises EvaluationSetError for more than MOST_MEMBERS."""
    for number, member in enumerate(archive):
        if number == MOST_MEMBERS:
            raise EvaluationSetError(f"more than {MOST_MEMBERS:,} files in it")
        yield member


def open_archive(file: IO[bytes]) -> IO[bytes]:
    """Return an open tar, decompressed if its first bytes say that it is compressed."""
    start = file.read(6)
    file.seek(0)
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), None)
    return bound_set(cast(IO[bytes], opener(file)) if opener else file)


def bound_set(file: IO[bytes]) -> IO[bytes]:
    """Return an open file from which only MOST_BYTES can be read."""
    return io.BufferedReader(BoundedFile(file))


class BoundedFile(io.RawIOBase):
    """A file that raises EvaluationSetError where more than MOST_BYTES of it are asked for: no set is that large."""

    def __init__(self, file: IO[bytes]):
        """Bound `file`."""
        self.file = file

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def seekable(self) -> bool:
        """A tar needs it."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self.file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; from the end nothing is counted."""
        at = offset + (self.file.tell() if whence == io.SEEK_CUR else 0)
        if whence == io.SEEK_END or at > MOST_BYTES:
            raise EvaluationSetError(f"more than {MOST_BYTES >> 20} MB when decompressed; no evaluation set is")
        return self.file.seek(at)

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        data = self.file.read(len(buffer))
        if self.file.tell() > MOST_BYTES:
            raise EvaluationSetError(f"more than {MOST_BYTES >> 20} MB when decompressed; no evaluation set is")
        buffer[: len(data)] = data
        return len(data)


def read_set_items(file: IO[bytes], file_format: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the number, from 1, and the texts of each item of a file that has any."""
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="" if file_format in (".csv", ".tsv") else None)
    if file_format in (".txt", ".text"):
        items: Iterator[object] = iter(PARAGRAPH.split(lines.read()))
    elif file_format in (".csv", ".tsv"):
        items = read_csv_rows(lines, "\t" if file_format == ".tsv" else ",")
    elif file_format == ".json":
        whole = json.load(lines)
        items = iter(whole if isinstance(whole, list) else [whole])
    else:
        items = (json.loads(line) if line.strip() else None for line in lines)
    for number, item in enumerate(items, 1):
        texts = tuple(filter(None, map(strip_prompt_marks, iterate_strings(item))))
        if texts:
            yield str(number), texts


def read_csv_rows(lines: IO[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the rows of a CSV. A header, whose first cell is one of QUESTION, becomes an empty row."""
    csv.field_size_limit(min(sys.maxsize, 1 << 30))
    for number, row in enumerate(csv.reader(lines, delimiter=delimiter)):
        yield [] if not number and row and row[0].strip().lower() in QUESTION else row


def iterate_strings(value: object) -> Iterator[str]:
    """Yield the strings of an item in their order, without strings under LABELS and single characters."""
    if isinstance(value, str):
        if len(value.strip()) > 1:
            yield value
    elif isinstance(value, dict):
        for key in sorted(value, key=lambda key: key.lower() not in QUESTION):
            if key.lower() not in LABELS:
                yield from iterate_strings(value[key])
    elif isinstance(value, list):
        for inner in value:
            yield from iterate_strings(inner)


def strip_prompt_marks(text: str) -> str:
    """Return a text without `Question:` at its start and `Answer:` at its end, which evaluation harnesses add."""
    return AFTER.sub("", BEFORE.sub("", text)).strip()


def build_passages(item: EvaluationItem) -> list[str]:
    """Return the passages to search for: the question, all texts in order, the question with each other text."""
    first, *others = item.texts
    return [first, " ".join(item.texts), *(f"{first} {other}" for other in others if len(others) > 1)]
