"""Text files that a config names, on this machine or in a store: finds them, opens them, reads their rows."""

import bz2
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Literal, NamedTuple, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard


def open_zstandard(file: IO[bytes], mode: Literal["rb"]) -> IO[bytes]:
    """Return a Zstandard file, of one frame or several, decompressed."""
    return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))


COMPRESSED = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open, ".zst": open_zstandard}
TEXT_FORMATS = (".parquet", ".jsonl", ".ndjson", ".txt", ".text")
TEXT_COLUMNS = ("id", "url", "language", "domain", "text")  # the columns or keys of a row that are read
# What decompressors raise for a broken file
DAMAGE = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
BROKEN = (*DAMAGE, UnicodeDecodeError, json.JSONDecodeError)
VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "updated", "mtime")  # as fsspec's file systems name them
PARQUET_ROWS = 256  # rows in memory at a time


class TextFileError(ValueError):
    """A text file that cannot be read. Its message is one line."""


class TextRow(NamedTuple):
    """One text of a file, and what the file says about it."""

    text: str
    id: str | None = None
    url: str | None = None
    language: str | None = None
    domain: str | None = None


def match_ending(name: str, formats: Iterable[str]) -> str:
    """Return which of the formats (".txt", ...) a file's name has, its compression aside; "" for none."""
    name = name.lower()
    for packed in COMPRESSED:
        name = name.removesuffix(packed)
    return next((known for known in formats if name.endswith(known)), "")


def text_format(path: str) -> str:
    """Return the ending that says how a text file is read; "" for a file that is none."""
    return match_ending(path, TEXT_FORMATS)


def expand_text_path(path: str, wanted: Callable[[str], object]) -> list[str]:
    """Return the files that a file, folder or glob names, sorted; [] for none. Of a folder only those `wanted`."""
    fs, base = fsspec.core.url_to_fs(path)
    if fs.isdir(base):
        names = [name for name in fs.find(base) if wanted(name)]
    else:
        names = fs.glob(base) if any(mark in base for mark in "*?[") else [base] if fs.exists(base) else []
    return [fs.unstrip_protocol(name) if "file" not in fs.protocol else name for name in sorted(names)]


def find_text_files(source: str) -> list[str]:
    """Return the text files that a file, folder or glob names, sorted. Raises TextFileError where it names none."""
    names = expand_text_path(source, text_format)
    if not names or not all(text_format(name) for name in names):
        wanted = ", ".join(TEXT_FORMATS)
        raise TextFileError(
            f"{source}: no text file there; give files ending in {wanted} (also with .gz, .xz, .bz2, .zst)"
        )
    return names


def fingerprint_files(paths: Iterable[str]) -> list[tuple[str, int, str]]:
    """Return name, size and version of each file, which may be too large to be read for a fingerprint.

    A version is what the file system tells one content of a file from another by: the time of writing, or a tag.
    """
    found = []
    for path in paths:
        fs, base = fsspec.core.url_to_fs(path)
        facts = fs.info(base)
        version = next((str(facts[key]) for key in VERSIONS if facts.get(key)), "")
        found.append((base.rsplit("/", 1)[-1], int(facts["size"]), version))
    return found


def open_decompressed(file: IO[bytes], name: str) -> IO[bytes]:
    """Return an open file, decompressed if its name says that it is compressed."""
    for packed, opener in COMPRESSED.items():
        if name.lower().endswith(packed):
            return cast(IO[bytes], opener(file, "rb"))  # type: ignore[operator]
    return file


def read_text_rows(path: str) -> Iterator[TextRow]:
    """Yield the rows of a file that have a text; a plain text file is one row.

    Parquet files and JSON lines have a column `text`, and may have id, url, language and domain. Raises TextFileError.
    """
    try:
        with fsspec.open(path, "rb") as raw:
            if text_format(path) == ".parquet":
                rows = read_parquet_texts(raw, path)
            else:
                rows = read_plain_texts(open_decompressed(raw, path), path)
            yield from (row for row in rows if row.text.strip())
    except (*BROKEN, pa.ArrowInvalid) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TextFileError(f"{path}: cannot be read as {text_format(path)}: {reason}") from error


def read_parquet_texts(file: IO[bytes], path: str) -> Iterator[TextRow]:
    """Yield the rows of a Parquet file. Raises TextFileError where it has no texts."""
    table = pq.ParquetFile(file)
    known = table.schema_arrow.names
    if "text" not in known or str(table.schema_arrow.field("text").type) not in ("string", "large_string"):
        raise TextFileError(f"{path}: no column 'text' of strings; its columns are {', '.join(known)}")
    for batch in table.iter_batches(PARQUET_ROWS, columns=[name for name in TEXT_COLUMNS if name in known]):
        yield from map(to_text_row, batch.to_pylist())


def read_plain_texts(file: IO[bytes], path: str) -> Iterator[TextRow]:
    """Yield the objects of JSON lines, or a text file's text. Raises TextFileError for a line that has no text."""
    if text_format(path) in (".txt", ".text"):
        yield TextRow(file.read().decode("utf-8-sig"))
        return
    for number, line in enumerate(file, 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise TextFileError(f"{path}, line {number}: not an object with a string `text`")
            yield to_text_row({name: replace_surrogates(row.get(name)) for name in TEXT_COLUMNS})


def to_text_row(row: Mapping[str, object]) -> TextRow:
    """Return the values of a row that are of the right type. An id may be of any type; it becomes a string."""
    text, url, language, domain = (
        value if isinstance(value := row.get(name), str) else None for name in ("text", "url", "language", "domain")
    )
    return TextRow(text or "", str(row["id"]) if row.get("id") is not None else None, url, language, domain)


def replace_surrogates(value: object) -> object:
    """Return a value with U+FFFD for each lone surrogate of a string: JSON can escape them, UTF-8 cannot hold them."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value
