"""Verdicts whose kept page a later pass removed: that page is replaced by the one that is kept in its place.

ResolveKept   a batch: of the verdicts of a pass that keep a page of the batch, those whose page is kept no more
"""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection

from pipeline.dedup.blocks import (
    BlockPacker,
    DedupJob,
    JoinedBlocks,
    KeyedBlock,
    MakeBlocks,
    StageOutputs,
    unpack_blocks,
)
from pipeline.dedup.keep_one import VERDICT


def replace_kept(verdicts: pa.Table, later: pa.Table, similar: bool) -> pa.Table:
    """Return the verdicts with each `kept` that is a `page` of later ones replaced by that one's `kept`.

    Of two equal texts each is as similar to a third as the other is (`similar`); of two captures of one URL nothing is
    known.
    """
    pages = later["page"].to_numpy()
    order = np.argsort(pages)
    kept = verdicts["kept"].to_numpy()
    place = np.searchsorted(pages[order], kept)
    there = place < len(pages)
    there[there] = pages[order[place[there]]] == kept[there]
    hit, at = pa.array(there), pa.array(order[place[there]] if len(pages) else place[:0])
    columns = {}
    for name in VERDICT.names:
        columns[name] = verdicts[name].combine_chunks()
        if name in ("kept", "kept_id") or (similar and name == "similarity"):
            columns[name] = pc.replace_with_mask(columns[name], hit, later[name].combine_chunks().take(at))
    return pa.table(columns, schema=VERDICT)


def resolve_kept(verdicts: JoinedBlocks, job: DedupJob, kind: str) -> Iterator[KeyedBlock]:
    """Yield the verdicts of a pass, each of which names a page that is kept at last, for the removed page's batch."""
    number, groups = verdicts
    later = [unpack_blocks(blocks, VERDICT) for name, blocks in groups.items() if name != "kept"]
    every = pa.concat_tables([VERDICT.empty_table(), *later])
    found = replace_kept(unpack_blocks(groups["kept"], VERDICT), every, kind == "exact")
    yield from BlockPacker(number).pack(found, job.plan.find_batches(found["page"].to_numpy()), compress=True)


@dataclass(eq=False)
class ResolveKept(beam.PTransform[PCollection[JoinedBlocks], PCollection[KeyedBlock]]):
    """PCollection[(batch, {"kept", later passes by name})] -> PCollection[(batch, Block)]: the pass's last verdicts."""

    job: DedupJob
    kind: str

    def expand(self, verdicts: PCollection[JoinedBlocks]) -> PCollection[KeyedBlock]:
        """Resolve the verdicts of one pass."""
        step = f"{self.kind}_resolved"
        made: StageOutputs = verdicts | MakeBlocks(step, resolve_kept, self.job, (self.kind,), tags=())
        return made["blocks"]
