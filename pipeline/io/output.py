"""Where an output's files lie and how they are written: whole or not at all.

An output is a local folder or any fsspec address (`gs://bucket/run`). Every file is written under a temporary name and
renamed, so that a file which exists is a file which is whole.
"""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

ROW_GROUP_BYTES = 16 << 20  # in memory; small enough to read one alone, large enough to compress
MAX_NAME = 150  # characters of an input's own name in those of its shards
WORK = ".work"  # what a resumed run needs; users do not read it
DOCUMENT_FOLDERS = ("documents", "rejected", "duplicates", "repeated_lines")  # what extract and dedup write


class Output:
    """The folder that a run writes. Paths given to its methods are relative to it, with `/`."""

    def __init__(self, root: str, documents_from: str | None = None):
        """Open `root`, a local path or an fsspec address. Nothing is created before the first write.

        `documents_from` is another output: its DOCUMENT_FOLDERS are read as if they were here, and never written.
        """
        self.root = root.rstrip("/") or root
        self.fs, self.base = fsspec.core.url_to_fs(self.root)
        self.local = "file" in self.fs.protocol
        self.documents = Output(documents_from) if documents_from else self

    def holder(self, *parts: str) -> "Output":
        """Return the output from which a file or folder is read: this one, or the one that has its documents."""
        return self.documents if parts and parts[0] in DOCUMENT_FOLDERS else self

    def path(self, *parts: str) -> str:
        """Return the file system's own path of a file of the output."""
        return "/".join([self.base, *parts])

    def exists(self, *parts: str) -> bool:
        """Return whether a file or folder exists."""
        holder = self.holder(*parts)
        return holder.fs.exists(holder.path(*parts))

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """Return the names of the files right below a folder, sorted; [] where it does not exist."""
        holder = self.holder(folder)
        base = holder.path(folder)
        if not holder.fs.isdir(base):
            return []
        names = (path.rsplit("/", 1)[-1] for path in holder.fs.ls(base, detail=False, refresh=True))
        return sorted(n for n in names if n.endswith(suffix) and not n.startswith("."))

    @contextmanager
    def write(self, *parts: str) -> Iterator[IO[bytes]]:
        """Open a file for writing; it appears under its name only when the block ends without an error."""
        path = self.path(*parts)
        folder, _, name = path.rpartition("/")
        self.fs.makedirs(folder, exist_ok=True)
        if not self.local:  # object stores show an object only once it is whole
            with self.fs.open(path, "wb") as out:
                yield out
            return
        partial = f"{folder}/.{name}.{uuid.uuid4().hex}.partial"  # two attempts may write the same file at once
        try:
            with open(partial, "wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            os.replace(partial, path)
        finally:
            if os.path.exists(partial):
                os.remove(partial)

    def write_json(self, value: Any, *parts: str) -> None:
        """Write a value as indented JSON with keys in the order given."""
        with self.write(*parts) as out:
            out.write((json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())

    def read_json(self, *parts: str) -> Any:
        """Return a parsed JSON file. Raises FileNotFoundError."""
        with self.open(*parts) as source:
            return json.load(source)

    def open(self, *parts: str) -> IO[bytes]:
        """Open a file for reading."""
        holder = self.holder(*parts)
        return holder.fs.open(holder.path(*parts), "rb")

    def parquet(self, *parts: str) -> pq.ParquetFile:
        """Open a Parquet file of the output; close it or use it as a context."""
        return pq.ParquetFile(self.open(*parts))

    def remove(self, *parts: str) -> None:
        """Remove a file or a folder with all it holds; absent is fine."""
        path = self.path(*parts)
        if self.fs.exists(path):
            self.fs.rm(path, recursive=True)

    @contextmanager
    def table_writer(self, schema: pa.Schema, *parts: str) -> Iterator["TableWriter"]:
        """Write a Parquet file row by row, or table by table, atomically."""
        with self.write(*parts) as out:
            writer = TableWriter(out, schema)
            try:
                yield writer
                writer.close()
            except BaseException:
                with suppress(OSError):  # a full disk refuses the footer too; the partial file goes anyway
                    writer.writer.close()
                raise


class TableWriter:
    """Rows and tables to one zstd Parquet file, in row groups of about ROW_GROUP_BYTES."""

    def __init__(self, out: IO[bytes], schema: pa.Schema):
        """Write to an open binary file that the caller closes."""
        self.schema = schema
        self.writer = pq.ParquetWriter(out, schema, compression="zstd", compression_level=3)
        self.rows: list[
            dict[str, Any]
        ] = []  # a writer is given rows, or tables by append or append_rows; not both in turn
        self.tables: list[pa.Table] = []
        self.bytes = 0
        self.count = self.groups = 0

    def row(self, row: dict[str, Any]) -> None:
        """Add one row; missing keys are null."""
        self.rows.append(row)
        self.count += 1
        self.bytes += 500 + len(row.get("text") or "") * 2
        if self.bytes >= ROW_GROUP_BYTES:
            self.flush()

    def table(self, table: pa.Table) -> None:
        """Add a whole table as row groups of its own, after the rows given so far."""
        self.flush()
        self.count += table.num_rows
        if table.num_rows:
            rows = max(1, int(table.num_rows * ROW_GROUP_BYTES / max(1, table.nbytes)))
            self.writer.write_table(table.cast(self.schema), row_group_size=rows)
            self.groups += -(-table.num_rows // rows)

    def group(self, table: pa.Table) -> None:
        """Add a table with at least one row as exactly one row group."""
        self.flush()
        self.count += table.num_rows
        self.writer.write_table(table, row_group_size=table.num_rows)
        self.groups += 1

    def append(self, table: pa.Table) -> None:
        """Add a table's rows to the row group that is being filled: small tables become few row groups."""
        self.count += table.num_rows
        self.tables.append(table)
        self.bytes += table.nbytes
        if self.bytes >= ROW_GROUP_BYTES:
            self.flush()

    def append_rows(self, table: pa.Table) -> None:
        """Add a table's rows to the row group that is being filled. Where groups end depends on the rows alone."""
        self.count += table.num_rows
        sizes = 500 + 2 * pc.fill_null(pc.utf8_length(table["text"]), 0).to_numpy()
        while len(sizes):
            rows = min(len(sizes), int(np.searchsorted(np.cumsum(sizes), ROW_GROUP_BYTES - self.bytes)) + 1)
            self.tables.append(table.slice(0, rows))
            self.bytes += int(sizes[:rows].sum())
            table, sizes = table.slice(rows), sizes[rows:]
            if self.bytes >= ROW_GROUP_BYTES:
                self.flush()

    def flush(self) -> None:
        """Write what is held so far as a row group."""
        held = [*self.tables, *([pa.Table.from_pylist(self.rows, schema=self.schema)] if self.rows else [])]
        rows = sum(table.num_rows for table in held)
        if rows:
            self.writer.write_table(pa.concat_tables(held).combine_chunks().cast(self.schema), row_group_size=rows)
            self.groups += 1
        self.rows, self.tables, self.bytes = [], [], 0

    def close(self) -> None:
        """Flush and write the footer."""
        self.flush()
        self.writer.close()


def open_finished_output(root: str) -> Output:
    """Open an output for reading, with the documents of another one where its config names one (`documents_from`)."""
    output = Output(root)
    if not output.exists("config.yaml"):
        return output
    with output.open("config.yaml") as source:
        return Output(root, yaml.safe_load(source).get("documents_from"))


def shard_name(path: str) -> str:
    """Return the name (no suffix) that an input's shards carry: its own, and eight hex digits of its whole path.

    Only the first MAX_NAME characters of a long name are taken: file systems allow 255 bytes, with all suffixes.
    """
    stem = path.rstrip("/").rsplit("/", 1)[-1]
    stem = re.sub(r"\.(gz|zst|lz4|bz2)$", "", stem)
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", re.sub(r"\.(warc|arc)$", "", stem))
    return f"{stem[:MAX_NAME]}-{hashlib.blake2b(path.encode(), digest_size=4).hexdigest()}"


def fingerprint(value: Any) -> str:
    """Return 16 hex digits of a JSON-able value, equal for equal values whatever the order of keys."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
