"""Evaluation sets read as they are: JSONL, CSV and text, compressed or in a tar; what pages are searched for.

An item is a JSON line, a CSV row, or a paragraph of a text. Its texts are the strings within, in their order, without
labels and ids: ARC, PIQA, OpenBookQA and MMLU are understood in the forms in which they are passed around.
"""

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
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import fsspec

from pipeline.io.text_files import ending, files_of, unpacked

# Keys whose strings are not asked or answered: ids, labels, and what a harness keeps beside an item.
LABELS = frozenset(
    "id idx ind index label labels gold answer_key answerkey answer_idx answer_index subject category split source task"
    " dataset metadata meta type url fold activity_label source_id split_type question_id doc_id".split()
)
# Keys of what is asked, which stands before the rest whatever the order in the file; also a CSV header's first cell.
QUESTION = frozenset("question question_stem stem prompt query goal problem ctx sentence input text passage".split())
BEFORE = re.compile(r"^\s*(?:question|q)\s*:\s*", re.IGNORECASE)
AFTER = re.compile(r"\s*\b(?:answer|a)\s*:\s*$", re.IGNORECASE)
PARAGRAPH = re.compile(r"\n[ \t]*\n")
FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".text")
ARCHIVES = (".tar", ".tgz", ".txz", ".tar.gz", ".tar.xz", ".tar.bz2")
BROKEN = (EOFError, lzma.LZMAError, zlib.error, tarfile.TarError, gzip.BadGzipFile, UnicodeDecodeError, csv.Error)


class EvaluationSetError(ValueError):
    """An evaluation set that cannot be read; its text is one line."""


class Item(NamedTuple):
    """One item: its set (the file's name), its place there (`12`, or `dev/law.csv 12`, from 1), and its texts."""

    set: str
    name: str
    texts: tuple[str, ...]


def find_sets(paths: tuple[str, ...]) -> list[str]:
    """Return the files that files, folders and globs name, sorted within each; each once.

    Raises EvaluationSetError where a path names none.
    """
    found: dict[str, None] = {}
    for path in paths:
        names = files_of(path, form)
        if not names:
            raise EvaluationSetError(f"decontaminate.sets: {path}: no evaluation set there ({', '.join(FORMATS)}, tar)")
        for name in names:
            if not form(name):
                known = ", ".join([*FORMATS, ".tar"])
                raise EvaluationSetError(f"decontaminate.sets: {name}: not one of {known}, with .gz, .xz, .bz2")
            found.setdefault(name)
    return list(found)


def form(name: str) -> str:
    """Return the ending that says how a file is read, "" for none, ".tar" for any archive."""
    return ".tar" if name.lower().endswith(ARCHIVES) else ending(name, FORMATS)


def fingerprints(paths: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the name and a hash of the bytes of each file that the paths name."""
    found = []
    for path in find_sets(paths):
        with fsspec.open(path, "rb") as file:
            found.append((path.rsplit("/", 1)[-1], hashlib.file_digest(file, "sha256").hexdigest()))
    return found


def read_sets(paths: tuple[str, ...]) -> Iterator[Item]:
    """Yield every item of the sets, in their order. Raises EvaluationSetError, OSError."""
    for path in find_sets(paths):
        name = path.rsplit("/", 1)[-1]
        try:
            with fsspec.open(path, "rb") as file:
                if form(name) == ".tar":
                    yield from archived(file, name)
                else:
                    yield from (Item(name, *item) for item in read_items(unpacked(file, name), form(name)))
        except (*BROKEN, json.JSONDecodeError) as error:
            raise EvaluationSetError(
                f"{path}: cannot be read as {form(name)}: {' '.join(str(error).split())}"
            ) from error


def archived(file: IO[bytes], name: str) -> Iterator[Item]:
    """Yield the items of the files in a tar, by the files' names."""
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            hidden = fnmatch.fnmatch(member.name.rsplit("/", 1)[-1], "[._]*")
            content = archive.extractfile(member) if member.isfile() and form(member.name) and not hidden else None
            if content:
                for place, texts in read_items(unpacked(content, member.name), form(member.name)):
                    yield Item(name, f"{member.name} {place}", texts)


def read_items(file: IO[bytes], form: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the number, from 1, and the texts of each item of a file that has any."""
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="" if form in (".csv", ".tsv") else None)
    if form in (".txt", ".text"):
        items: Iterator[Any] = iter(PARAGRAPH.split(lines.read()))
    elif form in (".csv", ".tsv"):
        items = rows(lines, "\t" if form == ".tsv" else ",")
    elif form == ".json":
        whole = json.load(lines)
        items = iter(whole if isinstance(whole, list) else [whole])
    else:
        items = (json.loads(line) if line.strip() else None for line in lines)
    for number, item in enumerate(items, 1):
        texts = tuple(filter(None, map(stripped, strings(item))))
        if texts:
            yield str(number), texts


def rows(lines: IO[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the rows of a CSV; a header, whose first cell names a question, as an empty one."""
    csv.field_size_limit(min(sys.maxsize, 1 << 30))
    for number, row in enumerate(csv.reader(lines, delimiter=delimiter)):
        yield [] if not number and row and row[0].strip().lower() in QUESTION else row


def strings(value: Any) -> Iterator[str]:
    """Yield the strings of an item in their order, without labels: strings under LABELS, and single characters."""
    if isinstance(value, str):
        if len(value.strip()) > 1:
            yield value
    elif isinstance(value, dict):
        for key in sorted(value, key=lambda key: key.lower() not in QUESTION):
            if key.lower() not in LABELS:
                yield from strings(value[key])
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def stripped(text: str) -> str:
    """Return a text without a harness's `Question:` before and `Answer:` behind it."""
    return AFTER.sub("", BEFORE.sub("", text)).strip()


def passages(item: Item) -> list[str]:
    """Return what of an item a page may hold: the question, all texts in order, the question with each other text."""
    first, *others = item.texts
    return [first, " ".join(item.texts), *(f"{first} {other}" for other in others if len(others) > 1)]
