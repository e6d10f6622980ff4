"""How a stage of the dedup job makes blocks: in the runner's shuffle, or in files that the shuffle names.

    {"shards": shards, "removed": removed} | CoGroupByKey() | MakeBlocks(step, function, job) -> blocks, other outputs
    blocks | GroupByKey() | ...

`MakeBlocks` has two expansions. On a runner whose shuffle goes to disk (Dataflow, Flink, Spark) the blocks are in the
elements. On one machine the runner would hold all of them in memory. There each element's blocks go to one file,
`.work/dedup/STEP/NUMBER.arrow`, and the elements say where the blocks are (the pattern's name is claim check). The file
is written whole, then NUMBER.json beside it. An element whose NUMBER.json exists is not worked on again, so that a job
that was killed goes on where it was. A stage's elements are shared out among the processes of this machine, if a pool
of them is open.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.runners.runner import PipelineRunner

from pipeline.dedup.blocks import FOLDER, DedupJob, KeyedBlock, Made, StageOutputs
from pipeline.dedup.summary import DedupSummary
from pipeline.io.output import Output
from pipeline.runners.process_pool import map_in_pool

# Runners that work on one machine and hold what they shuffle in memory.
ONE_MACHINE = ("FnApiRunner", "PrismRunner", "DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner")
LOG_SECONDS = 60.0

Make = Callable[..., Iterator[Made]]


def keeps_blocks_in_files(runner: PipelineRunner) -> bool:
    """Return whether blocks go through files, since the runner holds in memory what it shuffles."""
    return type(runner).__name__ in ONE_MACHINE


@dataclass(eq=False)
class MakeBlocks(beam.PTransform[Any, Any]):
    """PCollection[(number, V)] -> dict of PCollection[(reader, Block)] by tag; "summary": PCollection[DedupSummary].

    `make(element, job, *arguments)` yields what the element gives: (reader, block) for the tag "blocks", TaggedOutput
    for the others.
    """

    step: str
    make: Make
    job: DedupJob
    arguments: tuple[Any, ...] = ()
    tags: tuple[str, ...] = ("summary",)

    def expand(self, elements: PCollection[Any]) -> StageOutputs:
        """Put each element's blocks into a file where the runner would hold them in memory."""
        arguments = (self.job, *self.arguments)
        if not self.job.blocks_in_files:
            made = beam.FlatMap(self.make, *arguments)
        elif self.job.in_pool:
            numbered = elements | "number" >> beam.Map(put_together).with_output_types(tuple[int, Any])
            elements = numbered | "gather" >> beam.GroupByKey()
            made = beam.ParDo(StoreInPool(self.step, self.make, self.job.root), *arguments)
        else:
            made = beam.ParDo(StoreBlocks(self.step, self.make, self.job.root), *arguments)
        types: dict[str, Any] = {tag: DedupSummary if tag == "summary" else KeyedBlock for tag in self.tags}
        outputs = elements | "make" >> made.with_output_types(KeyedBlock, **types).with_outputs(
            *self.tags, main="blocks"
        )
        return {tag: outputs[tag] for tag in ("blocks", *self.tags)}


def put_together(element: Any) -> tuple[int, Any]:
    """Return an element under a key that all have."""
    return 0, element


class StoreBlocks(beam.DoFn):
    """Writes the blocks of an element to a file, unless that was done before, and yields blocks that name it."""

    def __init__(self, step: str, make: Make, root: str):
        """Work in the output `root`, and name the files by `step` and the number that an element begins with."""
        self.step, self.make, self.root = step, make, root
        self.done = Metrics.counter("dedup", step)

    def process(self, element: Any, *arguments: Any) -> Iterator[Made]:
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

    def process(self, gathered: tuple[int, Iterable[Any]], *arguments: Any) -> Iterator[Made]:
        """Do all elements; what one gives is yielded as soon as it is done."""
        elements, logged = list(gathered[1]), time.monotonic()
        store = partial(store_blocks, step=self.step, make=self.make, root=self.root, arguments=arguments)
        for count, number in enumerate(map_in_pool(store, elements), 1):
            yield from read_claims(Output(self.root), self.step, number)
            self.done.inc()
            if time.monotonic() - logged >= LOG_SECONDS:
                logged = time.monotonic()
                print(f"dedup {self.step}: {count} of {len(elements)} done", file=sys.stderr, flush=True)


def store_blocks(element: Any, step: str, make: Make, root: str, arguments: tuple[Any, ...]) -> int:
    """Write what an element gives to its files, unless they are there. Returns the element's number."""
    output, number = Output(root), int(element[0])
    if not output.exists(*FOLDER, step, f"{number:06d}.json"):
        write_claims(output, step, number, make(element, *arguments))
    return number


def write_claims(output: Output, step: str, number: int, made: Iterator[Made]) -> None:
    """Write an element's blocks to its file; then to its marker where each block is, and what else it gives."""
    claims: list[list[Any]] = []
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
