"""Rows that pass from the tasks of one step to those of the next, on disk: each writes one file, cut by who reads what.

A cluster's shuffle without the cluster: any task reads its own rows of every file, and nothing else of them. Files lie
in the output, so that they work wherever the output does, and a run that was killed finds them again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.io.output import Output

Folder = tuple[str, ...]


class Cut:
    """Writes tables to one Arrow file, a run of record batches for each reader."""

    def __init__(self, out: Any, schema: pa.Schema, compress: bool):
        """Write to an open binary file."""
        options = pa.ipc.IpcWriteOptions(compression="lz4" if compress else None)
        self.schema, self.writer = schema, pa.ipc.new_file(out, schema, options=options)
        self.batches: dict[str, list[int]] = {}
        self.count = 0

    def put(self, table: pa.Table, readers: np.ndarray) -> None:
        """Add a table's rows, each for the reader whose number stands beside it."""
        if np.any(readers[1:] < readers[:-1]):
            order = np.argsort(readers, kind="stable")
            table, readers = table.take(pa.array(order)), readers[order]
        starts = np.flatnonzero(np.diff(readers, prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(readers)]):
            for batch in table.slice(start, stop - start).to_batches():
                self.writer.write_batch(batch)
                self.batches.setdefault(str(readers[start]), []).append(self.count)
                self.count += 1


@contextmanager
def cut(output: Output, folder: Folder, number: int, schema: pa.Schema, compress: bool = False) -> Iterator[Cut]:
    """Write what task `number` has for the readers of `folder`; it is there only once the block ends without error."""
    with output.write(*folder, f"{number:05d}.arrow") as out:
        writer = Cut(out, schema, compress)
        yield writer
        writer.writer.close()
    output.write_json({"batches": writer.batches}, *folder, f"{number:05d}.json")


def slices(
    output: Output, folder: Folder, writers: int, reader: int, schema: pa.Schema, columns: list[str] | None = None
) -> Iterator[pa.Table]:
    """Yield what each of the `writers` tasks has for a reader, in their order. Local files are mapped, not read."""
    names = columns or schema.names
    options = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in names])
    for number in range(writers):
        places = output.read_json(*folder, f"{number:05d}.json")["batches"].get(str(reader))
        if not places:
            continue
        path = (*folder, f"{number:05d}.arrow")
        with pa.memory_map(output.path(*path)) if output.local else output.open(*path) as source:
            file = pa.ipc.open_file(source, options=options)
            yield pa.Table.from_batches([file.get_batch(place) for place in places]).select(names)


def gathered(
    output: Output, folder: Folder, writers: int, reader: int, schema: pa.Schema, columns: list[str] | None = None
) -> pa.Table:
    """Return all that the `writers` tasks have for a reader, in their order."""
    names = columns or schema.names
    none = pa.schema([schema.field(name) for name in names]).empty_table()
    return pa.concat_tables([none, *slices(output, folder, writers, reader, schema, columns)])
