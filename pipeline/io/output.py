"""The folder that a run writes its files to. A file that exists is complete.

An output is a local folder or any fsspec address (`gs://bucket/run`). A local file is written under a partial name and
renamed at its end; what goes into an object store is written to a temporary file first.
"""

import hashlib
import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

ROW_GROUP_BYTES = 16 << 20  # in memory: few enough to read a group alone, enough to compress well
MAX_NAME = 150  # characters of an input's own name in the names of its shards
WORK = ".work"  # the folder with what a resumed run needs
PARTIAL = ".partial"  # the suffix of a file that is being written
DOCUMENT_FOLDERS = ("documents", "rejected", "duplicates", "repeated_lines")  # what extract and dedup write


class Output:
    """An output. The paths that its methods take are relative to its root, in parts or with `/`."""

    def __init__(self, root: str, documents_from: str | None = None):
        """Open `root`, a local path or an fsspec address. Nothing is created before the first write.

        `documents_from` is another output: its DOCUMENT_FOLDERS are read as if they were here, and never written.
        """
        self.root = root.rstrip("/") or root
        # Other processes write here too: a listing that is kept would say that their files are not there.
        self.fs, self.base = fsspec.core.url_to_fs(self.root, use_listings_cache=False)
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
        return bool(holder.fs.exists(holder.path(*parts)))

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """Return the sorted names of the files in a folder that end with `suffix`; [] if there is no such folder."""
        holder = self.holder(folder)
        base = holder.path(folder)
        if not holder.fs.isdir(base):
            return []
        names = (path.rsplit("/", 1)[-1] for path in holder.fs.ls(base, detail=False, refresh=True))
        return sorted(n for n in names if n.endswith(suffix) and not n.startswith("."))

    @contextmanager
    def write(self, *parts: str) -> Iterator[IO[bytes]]:
        """Open a file for writing. It gets its name only when the block ends without an error."""
        path = self.path(*parts)
        folder, _, name = path.rpartition("/")
        self.fs.makedirs(folder, exist_ok=True)
        if not self.local:
            # An object that is open for writing gets its name when it is closed, also where the block ends early.
            with tempfile.NamedTemporaryFile(prefix="gristmill-") as held:
                yield cast(IO[bytes], held)
                held.flush()
                self.fs.put_file(held.name, path)
            return
        # A random part: two attempts, perhaps on two machines that share the folder, may write the same file at once.
        partial = f"{folder}/.{name}.{uuid.uuid4().hex}{PARTIAL}"
        try:
            with open(partial, "wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            os.replace(partial, path)
        finally:
            if os.path.exists(partial):
                os.remove(partial)

    def write_json(self, value: object, *parts: str) -> None:
        """Write a value as indented JSON; the keys keep their order."""
        with self.write(*parts) as out:
            out.write((json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())

    def read_json(self, *parts: str) -> Any:
        """Return a parsed JSON file. Raises FileNotFoundError."""
        with self.open(*parts) as source:
            return json.load(source)

    def open(self, *parts: str) -> IO[bytes]:
        """Open a file for reading."""
        holder = self.holder(*parts)
        opened: IO[bytes] = holder.fs.open(holder.path(*parts), "rb")
        return opened

    def parquet(self, *parts: str) -> pq.ParquetFile:
        """Open a Parquet file for reading; close it, or use it in a `with` statement."""
        return pq.ParquetFile(self.open(*parts))

    def remove(self, *parts: str) -> None:
        """Remove a file, or a folder with everything in it. It need not exist."""
        path = self.path(*parts)
        if self.fs.exists(path):
            self.fs.rm(path, recursive=True)

    @contextmanager
    def table_writer(self, schema: pa.Schema, *parts: str, is_temporary: bool = False) -> Iterator["TableWriter"]:
        """Open a Parquet file for writing. It gets its name only when the block ends without an error.

        One that `is_temporary` is made for a job to read again: fast, and half as large again.
        """
        with self.write(*parts) as out:
            writer = TableWriter(out, schema, is_temporary)
            try:
                yield writer
                writer.close()
            except BaseException:
                with suppress(OSError):  # on a full disk the footer fails too; the partial file is removed anyway
                    writer.writer.close()
                raise


def is_partial(name: str) -> bool:
    """Return whether a file of this name is being written, or was when its writer was killed."""
    return name.startswith(".") and name.endswith(PARTIAL)


class TableWriter:
    """Writes rows or tables to one Parquet file, in row groups of about ROW_GROUP_BYTES.

    It is compressed with zstd; one that `is_temporary` with lz4, and without least and greatest values, which take four
    times the memory of a text of ten million characters.
    """

    def __init__(self, out: IO[bytes], schema: pa.Schema, is_temporary: bool = False):
        """Write to an open binary file. The caller closes that file."""
        self.schema = schema
        self.writer = pq.ParquetWriter(
            out,
            schema,
            compression="lz4" if is_temporary else "zstd",
            compression_level=None if is_temporary else 3,
            use_dictionary=not is_temporary,
            write_statistics=not is_temporary,
        )
        self.rows: list[Mapping[str, object]] = []  # given by `row`, where `tables` are given by `append`; never both
        self.tables: list[pa.Table] = []
        self.bytes = 0
        self.count = self.groups = 0

    def row(self, row: Mapping[str, object]) -> None:
        """Add one row. A missing key becomes null."""
        self.rows.append(row)
        self.count += 1
        self.bytes += 500 + len(str(row.get("text") or "")) * 2
        if self.bytes >= ROW_GROUP_BYTES:
            self.flush()

    def table(self, table: pa.Table) -> None:
        """Write a table as its own row groups, after the rows so far."""
        self.flush()
        self.count += table.num_rows
        if table.num_rows:
            rows = max(1, int(table.num_rows * ROW_GROUP_BYTES / max(1, table.nbytes)))
            self.writer.write_table(table.cast(self.schema), row_group_size=rows)
            self.groups += -(-table.num_rows // rows)

    def group(self, table: pa.Table) -> None:
        """Write a table, which has at least one row, as exactly one row group."""
        self.flush()
        self.count += table.num_rows
        self.writer.write_table(table, row_group_size=table.num_rows)
        self.groups += 1

    def append(self, table: pa.Table) -> None:
        """Add the rows of a small table to the current row group, so that many small tables make few groups."""
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
        """Write the rows so far as a row group."""
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
    """Return the name of an input's shards, without suffix: its file name, and eight hex digits of its whole path.

    Only the first MAX_NAME characters of a long name are used: file systems allow 255 bytes, with all suffixes.
    """
    stem = path.rstrip("/").rsplit("/", 1)[-1]
    stem = re.sub(r"\.(gz|zst|lz4|bz2)$", "", stem)
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", re.sub(r"\.(warc|arc)$", "", stem))
    return f"{stem[:MAX_NAME]}-{hashlib.blake2b(path.encode(), digest_size=4).hexdigest()}"


def fingerprint_value(value: object) -> str:
    """Return 16 hex digits that are equal for equal JSON values, in whatever order their keys are."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
