"""Inputs that are texts already: JSON lines, Parquet, the Arrow files of `datasets`, plain text. Reads their rows.

A row is found again by its place: the byte at which its line begins (after decompression), or its number in a table.
"""

import datetime
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.settings import TextColumns
from pipeline.io.text_files import COMPRESSED, DAMAGE, match_ending, open_decompressed, replace_surrogates
from pipeline.text.invisible import escape_controls, remove_controls

LINES, TABLES, ARROW, PLAIN = (".jsonl", ".ndjson", ".json"), (".parquet",), (".arrow",), (".txt", ".text")
INPUT_FORMATS = (*LINES, *TABLES, *ARROW, *PLAIN)
# What stands beside the data in a folder that `datasets` wrote or the hub has; none of it holds texts.
BESIDE_DATA = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "readme.txt")
# Where well-known corpora keep what: FineWeb, Dolma, C4, RefinedWeb, RedPajama-V2, DCLM-baseline, OSCAR.
KNOWN_COLUMNS = {
    "text": ("text", "content", "raw_content"),
    "id": ("id", "doc_id", "metadata.WARC-Record-ID", "warc_headers.warc-record-id"),
    "url": (
        *("url", "metadata.url", "metadata.warc_url", "metadata.WARC-Target-URI"),
        "warc_headers.warc-target-uri",
    ),
    "date": (
        *("date", "timestamp", "created", "date_download", "metadata.date", "metadata.warc_date"),
        *("metadata.timestamp", "metadata.WARC-Date", "warc_headers.warc-date"),
    ),
}
TABLE_ROWS = 256  # rows of a table in memory at a time


class InputText(NamedTuple):
    """A row of an input, at its place. `text` is "" where the row has none. A row of a table has the length 1."""

    offset: int
    length: int
    text: str
    id: str
    url: str
    date: str


class UnreadableText(NamedTuple):
    """Bytes of an input that hold no row, and why."""

    offset: int
    length: int
    reason: str


class NotATextInput(ValueError):
    """A file that is not what its name says, or has no texts. The message is one line."""


def input_text_format(path: str) -> str:
    """Return the ending by which an input is read as texts; "" for any other file."""
    return match_ending(path, INPUT_FORMATS)


def is_data_file(path: str) -> bool:
    """Tell whether a file of a folder holds texts, by its name."""
    name = os.path.basename(path).lower()
    return name not in BESIDE_DATA and input_text_format(name) in (*LINES, *TABLES, *ARROW)


def read_input_texts(
    source: IO[bytes], path: str, start: int, end: int | None, columns: TextColumns, longest: int
) -> Iterator[InputText | UnreadableText]:
    """Yield the rows of an input whose places are in [start, end), and what cannot be read.

    `longest` is the longest line in bytes. Raises NotATextInput where the file has no texts at all.
    """
    kind = input_text_format(path)
    if kind in PLAIN:
        yield read_whole_text(source, path, longest)
    elif kind in LINES:
        yield from read_json_lines(source, path, start, end, columns, longest)
    else:
        yield from read_table_rows(source, path, start, end, columns)


def read_whole_text(source: IO[bytes], path: str, longest: int) -> InputText | UnreadableText:
    """Return a plain text file as one row, without its byte-order mark."""
    data = open_decompressed(source, path).read(longest + 1)
    if len(data) > longest:
        return UnreadableText(0, file_size(source), "too-long")
    return make_text({"text": data.decode("utf-8-sig", "replace")}, 0, len(data), path)


def file_size(source: IO[bytes]) -> int:
    """Return the size of an open file in bytes; its place stays."""
    place = source.tell()
    size = source.seek(0, os.SEEK_END)
    source.seek(place)
    return size


def read_json_lines(
    source: IO[bytes], path: str, start: int, end: int | None, columns: TextColumns, longest: int
) -> Iterator[InputText | UnreadableText]:
    """Yield the objects of JSON lines. A line that is none, or is too long, is unreadable; the others are read."""
    lines = open_decompressed(source, path)
    packed = lines is not source
    if start:
        source.seek(start)
    place, found = start, False
    try:
        for begin, length, line in iterate_lines(lines, start, end, longest):
            place = begin + length
            row = "too-long" if line is None else parse_line(line)
            if isinstance(row, str):
                yield UnreadableText(begin, length, row)
                continue
            if not found and not start and find_value(row, "text", columns) is None:
                raise NotATextInput(describe_missing(path, row, columns))
            found = True
            yield make_text(pick_values(row, columns), begin, length, path)
    except DAMAGE as error:
        if place == start:
            raise NotATextInput(f"{path}: cannot be decompressed: {' '.join(str(error).split())}") from error
        left = file_size(source) - source.tell() if packed else 0
        yield UnreadableText(place, max(0, left), "broken-compression")


def iterate_lines(
    lines: IO[bytes], start: int, end: int | None, longest: int
) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield (place, length, line) of the lines that begin in [start, end) and hold something; None for one too long."""
    place = start
    while (end is None or place < end) and (line := lines.readline(longest + 1)):
        begin, place = place, place + len(line)
        too_long, rest = len(line) > longest, line
        while too_long and not rest.endswith(b"\n") and (rest := lines.readline(longest)):
            place += len(rest)
        if too_long or line.strip():
            yield begin, place - begin, None if too_long else line


def parse_line(line: bytes) -> Mapping[str, object] | str:
    """Return the object of a line, or why it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # ValueError: also bytes that are not UTF-8, and a number of 4,300 digits
        return "not-json"
    return row if isinstance(row, dict) else "not-an-object"


def read_table_rows(
    source: IO[bytes], path: str, start: int, end: int | None, columns: TextColumns
) -> Iterator[InputText | UnreadableText]:
    """Yield the rows of a Parquet or Arrow file. Raises NotATextInput where it is none, or has no texts."""
    place = 0
    try:
        schema, batches = open_table(source, path)
        wanted = choose_columns(schema, path, columns)
        for first, batch in batches(start, sorted({name.partition(".")[0] for name in wanted.values()})):
            place = first
            if end is not None and first >= end:
                return
            for row in batch.to_pylist():
                if place >= start and (end is None or place < end):
                    values = {key: look_up(row, name) for key, name in wanted.items()}
                    yield make_text(values, place, 1, path)
                place += 1
    except (pa.ArrowException, OSError, EOFError) as error:
        if getattr(error, "errno", None):
            raise  # of the disk or the network, not of the file's content
        reason = " ".join(str(error).split())
        if not place:
            raise NotATextInput(f"{path}: cannot be read as {input_text_format(path)}: {reason}") from error
        yield UnreadableText(place, 0, "broken-table")


Batches = Callable[[int, Sequence[str]], Iterator[tuple[int, pa.RecordBatch]]]


def open_table(source: IO[bytes], path: str) -> tuple[pa.Schema, Batches]:
    """Return the schema of a table, and what yields (number of the first row, rows) of its columns from a row on."""
    if input_text_format(path) in ARROW:
        head = source.read(6)
        source.seek(0)
        reader = pa.ipc.open_file(source) if head == b"ARROW1" else pa.ipc.open_stream(source)
        whole = iter(reader) if head != b"ARROW1" else map(reader.get_batch, range(reader.num_record_batches))
        return reader.schema, lambda _, names: number_batches(0, slice_batches(whole, names))
    file = pq.ParquetFile(source)

    def read_groups(start: int, names: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if first + count > start:
                yield from number_batches(first, file.iter_batches(TABLE_ROWS, row_groups=[group], columns=names))
            first += count

    return file.schema_arrow, read_groups


def slice_batches(batches: Iterable[pa.RecordBatch], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of batches, TABLE_ROWS rows at a time."""
    for batch in batches:
        for start in range(0, batch.num_rows, TABLE_ROWS):
            yield batch.select(list(names)).slice(start, TABLE_ROWS)


def number_batches(first: int, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield batches with the number of their first row."""
    for batch in batches:
        yield first, batch
        first += batch.num_rows


def choose_columns(schema: pa.Schema, path: str, columns: TextColumns) -> dict[str, str]:
    """Return where a table has what. Raises NotATextInput where it has no texts, or not what the config names."""
    known = set(schema.names)
    for field in schema:
        if pa.types.is_struct(field.type):
            known |= {f"{field.name}.{inner.name}" for inner in field.type}
    chosen = {}
    for key, places in list_columns(columns).items():
        place = next((place for place in places if place in known), None)
        if place is None and (key == "text" or getattr(columns, key)):
            wanted = getattr(columns, key) or key
            names = ", ".join(sorted(known))
            raise NotATextInput(f"{path}: no column {wanted!r}; set input.columns.{key} to one of: {names}")
        if place is not None:
            chosen[key] = place
    return chosen


def list_columns(columns: TextColumns) -> dict[str, tuple[str, ...]]:
    """Return where each value is looked for, the first place first: where the config says, else where corpora do."""
    return {key: (named,) if named else KNOWN_COLUMNS[key] for key, named in asdict(columns).items()}


def look_up(row: Mapping[str, object], place: str) -> object:
    """Return the value at a place such as "url" or "metadata.url"; None where there is none."""
    if place in row:
        return row[place]
    outer, _, inner = place.partition(".")
    within = row.get(outer)
    return within.get(inner) if isinstance(within, Mapping) else None


def find_value(row: Mapping[str, object], key: str, columns: TextColumns) -> object:
    """Return what a row has for "text", "id", "url" or "date"; None where it has nothing."""
    return next((value for place in list_columns(columns)[key] if (value := look_up(row, place)) is not None), None)


def pick_values(row: Mapping[str, object], columns: TextColumns) -> Mapping[str, object]:
    """Return what a row has for "text", "id", "url" and "date"."""
    return {key: replace_surrogates(find_value(row, key, columns)) for key in KNOWN_COLUMNS}


def describe_missing(path: str, row: Mapping[str, object], columns: TextColumns) -> str:
    """Return one line: the first row of a file has no text where it was looked for."""
    wanted = columns.text or "text"
    names = ", ".join(map(str, row)) or "none"
    return f"{path}: its first line has no key {wanted!r}; set input.columns.text to one of: {names}"


def make_text(values: Mapping[str, object], offset: int, length: int, path: str) -> InputText:
    """Return a row with values of the right type. A row without an id gets one from its file's name, place and text."""
    text = value if isinstance(value := values.get("text"), str) else ""
    url = value if isinstance(value := values.get("url"), str) else ""
    identity = values.get("id")
    if identity is None or identity == "":
        digest = hashlib.blake2b(digest_size=16)
        for part in (os.path.basename(path), str(offset), text):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(data) + data)
        identity = f"<urn:gristmill:{digest.hexdigest()}>"
    return InputText(
        offset, length, text, remove_controls(str(identity)), escape_controls(url), write_date(values.get("date"))
    )


def write_date(value: object) -> str:
    """Return a date as WARC files write it; what is no date, as it is."""
    if isinstance(value, datetime.datetime):
        moment = value.astimezone(datetime.UTC) if value.tzinfo else value
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return remove_controls(str(value)) if isinstance(value, str | int | datetime.date) else ""


def find_text_split_points(source: IO[bytes], path: str, target: int) -> list[tuple[int, int]]:
    """Return (place, bytes) of parts of about `target` bytes into which an input is cut: one where it cannot be cut."""
    size, kind = file_size(source), input_text_format(path)
    if kind in LINES and not path.lower().endswith(tuple(COMPRESSED)):
        points = [0]
        while (place := points[-1] + target) < size:
            source.seek(place)
            if (place := place + len(source.readline())) >= size:
                break
            points.append(place)
        return [(place, end - place) for place, end in zip(points, [*points[1:], size], strict=True)]
    if kind in TABLES:
        try:
            return group_rows(pq.ParquetFile(source).metadata, size, target)
        except (pa.ArrowException, OSError):
            return [(0, size)]  # whoever reads it says what is wrong
    return [(0, size)]


def group_rows(metadata: pq.FileMetaData, size: int, target: int) -> list[tuple[int, int]]:
    """Return (first row, bytes) of runs of row groups of about `target` bytes."""
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    total, first = max(1, sum(rows)), 0
    runs: list[tuple[int, int]] = []
    for count in rows:
        part = size * count // total
        if runs and runs[-1][1] + part <= target:
            runs[-1] = (runs[-1][0], runs[-1][1] + part)
        else:
            runs.append((first, part))
        first += count
    return runs or [(0, size)]
