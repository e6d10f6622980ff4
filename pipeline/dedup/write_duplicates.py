"""The last stage about pages: duplicates/, a file for each shard of documents/.

WriteDuplicates   a batch: the verdicts of every pass on its pages
"""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dedup.blocks import BlockPacker, DedupJob, JoinedBlocks, Made, MakeBlocks, StageOutputs, unpack_blocks
from pipeline.dedup.index import fingerprint_file, read_parquet_rows
from pipeline.dedup.index_pages import SHARD, read_shards
from pipeline.dedup.keep_one import VERDICT
from pipeline.dedup.plan import ROW_BITS, DocumentShard, rows_of_places
from pipeline.dedup.summary import KINDS, DedupSummary
from pipeline.io.schemas import DUPLICATE


def write_duplicates(verdicts: JoinedBlocks, job: DedupJob) -> Iterator[Made]:
    """Write duplicates/ for the shards of a batch, and yield the shards once more: these files are there now."""
    number, groups = verdicts
    packer = BlockPacker(number)
    own = [shard for shard in read_shards(verdicts) if not shard.root]
    parts = [VERDICT.append(pa.field("kind", pa.string())).empty_table()]
    for kind in KINDS:
        found = unpack_blocks(groups.get(kind, ()), VERDICT)
        parts.append(found.append_column("kind", pa.repeat(pa.scalar(kind), found.num_rows)))
    table = pa.concat_tables(parts).sort_by("page")
    pages = table["page"].to_numpy()
    for shard in own:
        start, stop = np.searchsorted(pages, [np.uint64(shard.number << 32), np.uint64((shard.number + 1) << 32)])
        yield TaggedOutput("summary", write_shard(shard, table.slice(start, stop - start), job))
        yield number, packer.pack_one(pa.table([[value] for value in shard], schema=SHARD))


def write_shard(shard: DocumentShard, verdicts: pa.Table, job: DedupJob) -> DedupSummary:
    """Write the duplicates of one shard, and return how many there are of each kind."""
    rows, output = rows_of_places(verdicts["page"].to_numpy()), job.output
    ids = [found["id"].combine_chunks() for found in read_parquet_rows(output, "index", shard.name, rows, ["id"])]
    columns = {"id": pa.chunked_array(ids, pa.string()), "row": pa.array(rows)}
    kept = verdicts["kept"].to_numpy()
    columns |= {"kept_in": pa.array(find_roots(kept, job), pa.string()), "kept_row": pa.array(rows_of_places(kept))}
    columns |= {"kept_shard": pa.array(job.plan.find_shard_names(kept), pa.string())}
    columns |= {key: verdicts[key] for key in ("kept_id", "kind", "similarity", "cluster")}
    path = ("duplicates", f"{shard.name}.parquet")
    with output.table_writer(DUPLICATE, *path) as writer:
        writer.table(
            pa.table([columns[key].cast(DUPLICATE.field(key).type) for key in DUPLICATE.names], DUPLICATE.names)
        )
    kinds = verdicts["kind"].to_pylist()
    counts = {kind: kinds.count(kind) for kind in KINDS}
    return DedupSummary(files={shard.name: counts}, contents=fingerprint_file(output, *path))


def find_roots(places: np.ndarray, job: DedupJob) -> list[str | None]:
    """Return the earlier output that each place is in; None for a place in this one."""
    starts = np.array(job.plan.earlier_starts, np.uint64)
    numbers = np.searchsorted(starts, places >> ROW_BITS, side="right").tolist()
    return [job.plan.earlier_roots[number - 1] if number else None for number in numbers]


@dataclass(eq=False)
class WriteDuplicates(beam.PTransform[PCollection[JoinedBlocks], StageOutputs]):
    """PCollection[(batch, {"shards", verdicts by kind})] -> "blocks" (the shards that are done), "summary"."""

    job: DedupJob

    def expand(self, verdicts: PCollection[JoinedBlocks]) -> StageOutputs:
        """Write a batch's files where its verdicts meet."""
        made: StageOutputs = verdicts | MakeBlocks("duplicates", write_duplicates, self.job)
        return made
