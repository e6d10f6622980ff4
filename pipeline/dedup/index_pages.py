"""The first stage of the dedup job writes the index; the later ones read from it the pages that remain.

Index   a shard: index/NAME.parquet, and the shard itself for the batch that it is in
"""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dedup.blocks import (
    BlockPacker,
    DedupJob,
    JoinedBlocks,
    Made,
    MakeBlocks,
    StageOutputs,
    unpack_blocks,
)
from pipeline.dedup.index import read_index, write_index
from pipeline.dedup.plan import ROW_BITS, DocumentShard
from pipeline.dedup.summary import DedupSummary
from pipeline.io.output import Output

READ_PAGES = 1 << 17  # pages whose keys are held at a time: with 14 bands some 100 MB while they are sorted
SHARD = pa.schema([("number", pa.int64()), ("root", pa.string()), ("name", pa.string()), ("rows", pa.int64())])
REMOVED = pa.schema([("page", pa.uint64())])
Pages = tuple[np.ndarray, pa.Table]  # places, and columns of the index


def index_shard(shard: DocumentShard, job: DedupJob) -> Iterator[Made]:
    """Write the index of a shard of this output, and yield the shard for its batch."""
    packer = BlockPacker(shard.number)
    yield job.plan.batch_of_shard(shard.number), packer.pack_one(pa.table([[value] for value in shard], schema=SHARD))
    if not shard.root:
        made = write_index(job.output, shard.name, job.config)
        counts = {"index pages": made.rows, "index lines": made.lines}
        yield TaggedOutput("summary", DedupSummary(contents=made.content, counts=counts))


def read_shards(pages: JoinedBlocks) -> list[DocumentShard]:
    """Return the shards of a batch, in order."""
    return [DocumentShard(**row) for row in unpack_blocks(pages[1]["shards"], SHARD).to_pylist()]


def open_source(job: DedupJob, shard: DocumentShard) -> Output:
    """Return the output that a shard is in."""
    return Output(shard.root) if shard.root else job.output


def read_removed_rows(output: Output, name: str) -> np.ndarray:
    """Return the rows of a documents shard that duplicates/ lists."""
    with output.parquet("duplicates", f"{name}.parquet") as file:
        rows: np.ndarray = file.read(columns=["row"]).column("row").to_numpy()
    return rows


def read_remaining_pages(pages: JoinedBlocks, job: DedupJob, columns: list[str]) -> Iterator[Pages]:
    """Yield (places, columns of the index) of a batch's pages that no earlier pass has removed, READ_PAGES at a time.

    The groups of the joined blocks whose names begin with "removed" hold the places of those that were.
    """
    blocks = [block for name, some in pages[1].items() if name.startswith("removed") for block in some]
    removed = unpack_blocks(blocks, REMOVED)["page"].to_numpy()
    held: list[Pages] = []
    for shard in read_shards(pages):
        source = open_source(job, shard)
        removed_before = read_removed_rows(source, shard.name) if shard.root else None
        for first, table in read_index(source, shard.name, columns):
            rows = np.arange(first, first + table.num_rows)
            places = rows.astype(np.uint64) + (np.uint64(shard.number) << ROW_BITS)
            remains = ~np.isin(places, removed) if removed_before is None else ~np.isin(rows, removed_before)
            held.append((places[remains], table.filter(pa.array(remains))))
            if sum(len(some) for some, _ in held) >= READ_PAGES:
                yield concatenate_pages(held)
                held = []
    if held:
        yield concatenate_pages(held)


def concatenate_pages(parts: list[Pages]) -> Pages:
    """Return parts as one."""
    return np.concatenate([places for places, _ in parts]), pa.concat_tables([table for _, table in parts])


@dataclass(eq=False)
class Index(beam.PTransform[PCollection[DocumentShard], StageOutputs]):
    """PCollection[DocumentShard] -> "blocks" (the shards by batch), "summary"."""

    job: DedupJob

    def expand(self, shards: PCollection[DocumentShard]) -> StageOutputs:
        """Write each shard's index where it is."""
        made: StageOutputs = shards | MakeBlocks("index", index_shard, self.job)
        return made
