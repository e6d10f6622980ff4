"""Blocks: what passes between two stages of the dedup job.

A block is some rows of one Arrow schema for one reader: a partition of the keys or a batch of shards. Elements of a
PCollection are blocks and never rows, since a row as an element takes twenty times its bytes in a runner's memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dedup.plan import DedupPlan
from pipeline.dedup.settings import DedupConfig
from pipeline.dedup.summary import DedupSummary
from pipeline.io.output import WORK, Output

Block = tuple[int, bytes, str]  # its maker's number; an Arrow stream, or b"" and the file that has it
KeyedBlock = tuple[int, Block]
BlockGroup = tuple[int, Iterable[Block]]
JoinedBlocks = tuple[int, dict[str, Iterable[Block]]]
if TYPE_CHECKING:
    Made = KeyedBlock | TaggedOutput[str, KeyedBlock] | TaggedOutput[str, DedupSummary]  # what an element gives
    StageOutputs = dict[str, PCollection[Any]]  # by tag
else:
    Made = StageOutputs = Any  # Beam reads type hints, and warns of those of more than one output

FOLDER = (WORK, "dedup")
BLOCK_BYTES = 4 << 20  # of a block; a row that has more is a block of its own
MAKER_BITS = 20  # a maker's number: the element's number, and so many bits for the order of its blocks


@dataclass(frozen=True)
class DedupJob:
    """What every stage of one job is given."""

    root: str  # the output
    config: DedupConfig
    plan: DedupPlan
    blocks_in_files: bool
    in_pool: bool = False  # an element of any stage may be worked on by another process of this machine

    @property
    def output(self) -> Output:
        """The output that the job works in."""
        return Output(self.root)


class BlockPacker:
    """Makes the blocks of one element."""

    def __init__(self, number: int):
        """`number` is the element's; no other element of the step has it."""
        self.maker = number << MAKER_BITS

    def pack(self, table: pa.Table, readers: np.ndarray, compress: bool = False) -> Iterator[KeyedBlock]:
        """Yield blocks of a table's rows for the readers that `readers` gives, a number a row."""
        if not table.num_rows:
            return
        if np.any(readers[1:] < readers[:-1]):
            order = np.argsort(readers, kind="stable")
            table, readers = table.take(pa.array(order)), readers[order]
        starts = np.flatnonzero(np.diff(readers, prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(readers)]):
            for piece in cut_table(table.slice(start, stop - start)):
                yield int(readers[start]), self.pack_one(piece, compress)

    def pack_one(self, table: pa.Table, compress: bool = False) -> Block:
        """Return a table as one block."""
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="lz4" if compress else None)
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            writer.write_table(table)
        self.maker += 1
        return self.maker - 1, sink.getvalue().to_pybytes(), ""


def cut_table(table: pa.Table) -> Iterator[pa.Table]:
    """Yield a table in pieces of at most BLOCK_BYTES, or one row."""
    if table.num_rows <= 1 or table.nbytes <= BLOCK_BYTES:
        yield table
        return
    half = table.num_rows // 2
    yield from cut_table(table.slice(0, half))
    yield from cut_table(table.slice(half))


def read_blocks(blocks: Iterable[Block]) -> Iterator[pa.Table]:
    """Yield the blocks of a group in the order of their makers, whatever order they came in. Local files are mapped."""
    files: dict[str, pa.MemoryMappedFile] = {}
    for _, data, place in sorted(blocks, key=lambda block: block[0]):
        yield pa.ipc.open_stream(read_stored(place, files) if place else data).read_all()


def read_stored(place: str, files: dict[str, pa.MemoryMappedFile]) -> pa.Buffer | bytes:
    """Return the bytes of a block in a file; `files` are those that are mapped already."""
    offset, length, path = place.split(" ", 2)
    start, stop = int(offset), int(offset) + int(length)
    if "://" in path:
        fs, inner = fsspec.core.url_to_fs(path)
        return bytes(fs.cat_file(inner, start=start, end=stop))
    if path not in files:
        files[path] = pa.memory_map(path)
    files[path].seek(start)
    return files[path].read_buffer(stop - start)


def unpack_blocks(blocks: Iterable[Block], schema: pa.Schema) -> pa.Table:
    """Return the blocks of a group as one table, in the order of their makers."""
    return pa.concat_tables([schema.empty_table(), *read_blocks(blocks)])
