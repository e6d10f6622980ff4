"""Read pages from Parquet and JSONL files, which users name by a file, a folder or a glob."""

import glob
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict, cast

import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.errors import ClassifierError

PAGE_COLUMNS = ("text", "url", "id", "language", "topic")
TEXT_COLUMNS = frozenset(PAGE_COLUMNS) - {"id"} | {"canonical_url"}
TEXT_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_null,
    pa.types.is_dictionary,
)
ROWS_PER_BATCH = 512  # of Parquet in memory at a time


class PageRow(TypedDict, total=False):
    """A row as a file holds it. Columns that the file lacks are missing here."""

    text: str | None
    url: str | None
    id: str | int | None
    language: str | None
    topic: str | None


def find_page_files(source: str) -> list[Path]:
    """Return the Parquet and JSONL files of a file, folder or glob, sorted. Raises ClassifierError if there is none."""
    path = Path(source)
    if path.is_dir():
        names = [str(p) for pattern in ("*.parquet", "*.jsonl", "*.jsonl.gz") for p in path.rglob(pattern)]
    else:
        names = [source] if path.exists() else glob.glob(source, recursive=True)
    files = sorted(Path(name) for name in names if not Path(name).name.startswith((".", "_")))
    if not files:
        raise ClassifierError(f"{source}: no Parquet or JSONL file there")
    return files


def read_page_rows(path: Path) -> Iterator[PageRow]:
    """Yield the rows of a Parquet or JSONL(.gz) file. Raises ClassifierError if it is broken or has no `text`."""
    if path.suffix == ".parquet":
        with open_page_table(path) as file:
            names = [name for name in PAGE_COLUMNS if name in file.schema_arrow.names]
            for batch in file.iter_batches(ROWS_PER_BATCH, columns=names):
                yield from batch.to_pylist()
        return
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as lines:
            yield from parse_json_rows(path, lines)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ClassifierError(f"{path}: the gzip file is broken or cut short ({error})") from error


def parse_json_rows(path: Path, lines: Iterable[bytes]) -> Iterator[PageRow]:
    """Yield the objects of JSON lines and skip blank lines. Raises ClassifierError with the number of a bad line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ClassifierError(f"{path}, line {number}: not JSON ({error})") from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise ClassifierError(
                f"{path}, line {number}: no `text` string; a line is an object with text, url, id, language"
            )
        yield cast(PageRow, row)


def open_page_table(path: Path, needed: Iterable[str] = ("text",)) -> pq.ParquetFile:
    """Open a Parquet file. Raises ClassifierError if it is not Parquet, lacks a column, or has one of a wrong type."""
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ClassifierError(f"{path}: not a Parquet file ({str(error).splitlines()[0]})") from error
    missing = [name for name in needed if name not in file.schema_arrow.names]
    if missing:
        names = ", ".join(file.schema_arrow.names)
        raise ClassifierError(f"{path}: no column {missing[0]!r}; it has {names}")
    for field in file.schema_arrow:
        if field.name in TEXT_COLUMNS and not any(test(field.type) for test in TEXT_TYPES):
            raise ClassifierError(f"{path}: the column {field.name!r} holds {field.type}, not text")
    return file
