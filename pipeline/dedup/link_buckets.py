"""Candidates for near duplicates: pages that share the key of a band.

BandKeys     a batch of shards: the keys of its pages' bands, for the partitions of the keys
LinkBuckets  a partition: the pages that share a key (a bucket), each linked to the first of them
"""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dedup.blocks import (
    BlockGroup,
    BlockPacker,
    DedupJob,
    JoinedBlocks,
    Made,
    MakeBlocks,
    StageOutputs,
    unpack_blocks,
)
from pipeline.dedup.clusters import find_equal_runs
from pipeline.dedup.index import read_fixed_bytes
from pipeline.dedup.index_pages import read_remaining_pages
from pipeline.dedup.plan import DedupPlan, find_partitions
from pipeline.dedup.summary import DedupSummary

BAND = pa.schema([("key", pa.uint64()), ("place", pa.uint64())])
LINK = pa.schema([("a", pa.uint64()), ("b", pa.uint64())])


def make_band_keys(pages: JoinedBlocks, job: DedupJob) -> Iterator[Made]:
    """Yield the keys of the bands of a batch's pages that remain."""
    width, packer, count = job.config.minhash_params().bands, BlockPacker(pages[0]), 0
    for places, found in read_remaining_pages(pages, job, ["bands"]):
        there = found["bands"].is_valid()
        every = read_fixed_bytes(found["bands"].filter(there), 8 * width).ravel()
        order = np.argsort(every, kind="stable")
        places, every = np.repeat(places[there.to_numpy()], width)[order], every[order]
        partitions = find_partitions(every, job.plan.band_partitions)
        yield from packer.pack(pa.table([every, places], schema=BAND), partitions)
        count += len(every)
    yield TaggedOutput("summary", DedupSummary(counts={"near band keys": count}))


def link_pages(keys: np.ndarray, places: np.ndarray, plan: DedupPlan) -> tuple[np.ndarray, np.ndarray, int]:
    """Return (a, b, buckets): the links from the first page of each bucket to its others, and how many buckets link.

    `places` rise where keys are equal, so that pages of earlier outputs come last. A bucket of such pages alone links
    nothing.
    """
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    starts, lengths = find_equal_runs(keys)
    new = ~plan.is_earlier(places[starts])
    starts, lengths = starts[new], lengths[new]
    first = np.repeat(starts, lengths - 1)
    other = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(lengths - 1) - (lengths - 1), lengths - 1)
    return places[first], places[other], len(starts)


def link_buckets(group: BlockGroup, job: DedupJob) -> Iterator[Made]:
    """Yield the links of a partition, all for one reader."""
    number, blocks = group
    table = unpack_blocks(blocks, BAND)
    a, b, buckets = link_pages(table["key"].to_numpy(), table["place"].to_numpy(), job.plan)
    yield from BlockPacker(number).pack(pa.table([a, b], schema=LINK), np.zeros(len(a), np.int64))
    yield TaggedOutput("summary", DedupSummary(counts={"near buckets": buckets, "near links": len(a)}))


@dataclass(eq=False)
class BandKeys(beam.PTransform[PCollection[JoinedBlocks], StageOutputs]):
    """PCollection[(batch, {"shards", "removed ..."})] -> "blocks" (band keys by partition), "summary"."""

    job: DedupJob

    def expand(self, pages: PCollection[JoinedBlocks]) -> StageOutputs:
        """Give the keys of the pages' bands to their partitions."""
        made: StageOutputs = pages | MakeBlocks("band_keys", make_band_keys, self.job)
        return made


@dataclass(eq=False)
class LinkBuckets(beam.PTransform[PCollection[BlockGroup], StageOutputs]):
    """PCollection[(partition, blocks)] -> "blocks" (links, all under 0), "summary"."""

    job: DedupJob

    def expand(self, groups: PCollection[BlockGroup]) -> StageOutputs:
        """Link the pages of each bucket."""
        made: StageOutputs = groups | MakeBlocks("links", link_buckets, self.job)
        return made
