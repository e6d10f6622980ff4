"""Blocks: what passes between two stages of the dedup job, and how a stage makes them.

A block is some rows of one Arrow schema for one reader: a partition of the keys or a batch of shards. Elements of a
PCollection are blocks and never rows, since a row as an element takes twenty times its bytes in a runner's memory.

    {"shards": shards, "removed": removed} | CoGroupByKey() | MakeBlocks(step, function, job) -> blocks, other outputs
    blocks | GroupByKey() | ...

`MakeBlocks` has two expansions. On a runner whose shuffle goes to disk (Dataflow, Flink, Spark) the blocks are in the
elements. On one machine the runner would hold all of them in memory. There each element's blocks go to one file,
`.work/dedup/STEP/NUMBER.arrow`, and the elements say where the blocks are (the pattern's name is claim check). The file
is written whole, then NUMBER.json beside it. An element whose NUMBER.json exists is not worked on again, so that a
killed job resumes where it was. A stage's elements are shared out among the processes of this machine, if a pool
of them is open.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import fsspec
import numpy as np
import pyarrow as pa
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.runners.runner import PipelineRunner

from pipeline.dedup.plan import DedupPlan
from pipeline.dedup.settings import DedupConfig
from pipeline.dedup.summary import DedupSummary
from pipeline.io.output import WORK, Output
from pipeline.runners.process_pool import map_in_pool

Block = tuple[int, bytes, str]  # its maker's number; an Arrow stream, or b"" and the file that has it
KeyedBlock = tuple[int, Block]
BlockGroup = tuple[int, Iterable[Block]]
JoinedBlocks = tuple[int, dict[str, Iterable[Block]]]
if TYPE_CHECKING:
    Made = KeyedBlock | TaggedOutput[str, KeyedBlock] | TaggedOutput[str, DedupSummary]  # what an element gives
    StageOutputs = dict[str, PCollection[Any]]  # by tag
else:
    Made = StageOutputs = Any  # Beam reads type hints, and warns of those of more than one output
Make = Callable[..., Iterator[Made]]

FOLDER = (WORK, "dedup")
BLOCK_BYTES = 4 << 20  # of a block; a row that has more is a block of its own
# Runners that work on one machine and hold what they shuffle in memory.
ONE_MACHINE = ("FnApiRunner", "PrismRunner", "DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner")
LOG_SECONDS = 60.0
MAKER_BITS = 20  # a maker's number is the element's number, followed by this many bits for the order of its blocks


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


def keeps_blocks_in_files(runner: PipelineRunner) -> bool:
    """Return whether blocks go through files, since the runner holds in memory what it shuffles."""
    return type(runner).__name__ in ONE_MACHINE


@dataclass(eq=False)
class MakeBlocks(beam.PTransform[PCollection[Any], StageOutputs]):
    """PCollection[(number, V)] -> dict of PCollection[(reader, Block)] by tag; "summary": PCollection[DedupSummary].

    `make(element, job, *arguments)` yields what the element gives: (reader, block) for the tag "blocks", TaggedOutput
    for the others.
    """

    step: str
    make: Make
    job: DedupJob
    arguments: tuple[object, ...] = ()
    tags: tuple[str, ...] = ("summary",)

    def expand(self, elements: PCollection[Any]) -> StageOutputs:
        """Put each element's blocks into a file where the runner would hold them in memory."""
        arguments = (self.job, *self.arguments)
        if not self.job.blocks_in_files:
            made = beam.FlatMap(self.make, *arguments)
        elif self.job.in_pool:
            numbered = elements | "number" >> beam.Map(put_together).with_output_types(tuple[int, object])
            elements = numbered | "gather" >> beam.GroupByKey()
            made = beam.ParDo(StoreInPool(self.step, self.make, self.job.root), *arguments)
        else:
            made = beam.ParDo(StoreBlocks(self.step, self.make, self.job.root), *arguments)
        types: dict[str, object] = {tag: DedupSummary if tag == "summary" else KeyedBlock for tag in self.tags}
        outputs = elements | "make" >> made.with_output_types(KeyedBlock, **types).with_outputs(
            *self.tags, main="blocks"
        )
        return {tag: outputs[tag] for tag in ("blocks", *self.tags)}


def put_together(element: object) -> tuple[int, object]:
    """Return an element under a key that all have."""
    return 0, element


class StoreBlocks(beam.DoFn):
    """Writes the blocks of an element to a file, unless that was done before, and yields blocks that name it."""

    def __init__(self, step: str, make: Make, root: str):
        """Work in the output `root`, and name the files by `step` and the number that an element begins with."""
        self.step, self.make, self.root = step, make, root
        self.done = Metrics.counter("dedup", step)

    def process(self, element: Any, *arguments: object) -> Iterator[Made]:
        """Do one element."""
        store_blocks(element, self.step, self.make, self.root, arguments)
        yield from read_claims(Output(self.root), self.step, element[0])
        self.done.inc()


class StoreInPool(beam.DoFn):
    """Does what StoreBlocks does, for all elements of a stage, on the processes of the open pool."""

    def __init__(self, step: str, make: Make, root: str):
        """Work in the output `root`, and name the files by `step` and the number that an element begins with."""
        self.step, self.make, self.root = step, make, root
        self.done = Metrics.counter("dedup", step)

    def process(self, gathered: tuple[int, Iterable[Any]], *arguments: object) -> Iterator[Made]:
        """Do all elements; what one gives is yielded as soon as it is done."""
        elements, logged = list(gathered[1]), time.monotonic()
        store = partial(store_blocks, step=self.step, make=self.make, root=self.root, arguments=arguments)
        for count, number in enumerate(map_in_pool(store, elements), 1):
            yield from read_claims(Output(self.root), self.step, number)
            self.done.inc()
            if time.monotonic() - logged >= LOG_SECONDS:
                logged = time.monotonic()
                print(f"dedup {self.step}: {count} of {len(elements)} done", file=sys.stderr, flush=True)


def store_blocks(element: Any, step: str, make: Make, root: str, arguments: tuple[object, ...]) -> int:
    """Write what an element gives to its files, unless they are there. Returns the element's number."""
    output, number = Output(root), int(element[0])
    if not output.exists(*FOLDER, step, f"{number:06d}.json"):
        write_claims(output, step, number, make(element, *arguments))
    return number


def write_claims(output: Output, step: str, number: int, made: Iterator[Made]) -> None:
    """Write an element's blocks to its file; then to its marker where each block is, and what else it gives."""
    claims: list[list[object]] = []
    with ExitStack() as stack:
        out = None
        for item in made:
            tag, value = (item.tag, item.value) if isinstance(item, TaggedOutput) else ("blocks", item)
            if isinstance(value, DedupSummary):
                claims.append([tag, value.to_json()])
                continue
            key, (maker, data, _) = value
            out = out or stack.enter_context(output.write(*FOLDER, step, f"{number:06d}.arrow"))
            claims.append([tag, key, maker, out.tell(), len(data)])
            out.write(data)
    output.write_json(claims, *FOLDER, step, f"{number:06d}.json")


def read_claims(output: Output, step: str, number: int) -> Iterator[Made]:
    """Yield what an element's marker says, each block by where it is."""
    parts = (*FOLDER, step, f"{number:06d}.arrow")
    path = output.path(*parts) if output.local else "/".join([output.root, *parts])
    for tag, *claim in output.read_json(*FOLDER, step, f"{number:06d}.json"):
        if len(claim) == 1:
            yield TaggedOutput(tag, DedupSummary.from_json(claim[0]))
            continue
        key, maker, offset, length = claim
        made = key, (maker, b"", f"{offset} {length} {path}")
        yield made if tag == "blocks" else TaggedOutput(tag, made)
