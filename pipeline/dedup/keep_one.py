"""Pages of one canonical URL, and pages of one normalised text: one page of each is kept, the others are removed.

UrlKeys, TextKeys   a batch of shards: the keys of its pages and what ranks the pages, for the partitions of the keys
KeepOne             a partition: of the pages with one key the preferred one is kept
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dedup.blocks import (
    BlockGroup,
    BlockPacker,
    DedupJob,
    JoinedBlocks,
    KeyedBlock,
    Made,
    MakeBlocks,
    StageOutputs,
    unpack_blocks,
)
from pipeline.dedup.clusters import find_equal_runs
from pipeline.dedup.index import RANK, list_sort_keys, read_fixed_bytes
from pipeline.dedup.index_pages import REMOVED, read_remaining_pages
from pipeline.dedup.plan import find_partitions
from pipeline.dedup.summary import DedupSummary, summarize_clusters

VERDICT = pa.schema(
    [
        ("page", pa.uint64()),  # the place of the page that is removed
        ("kept", pa.uint64()),  # the place of the page that is kept
        ("kept_id", pa.string()),
        ("similarity", pa.float64()),
        ("cluster", pa.string()),
    ]
)
KEYED = pa.schema([("place", pa.uint64()), ("key", pa.binary(16)), *RANK.items()])
KEY_COLUMNS = {"url": "url_key", "exact": "text_hash"}


class Choice(NamedTuple):
    """What is decided about the pages of a partition: the verdicts, and the clusters' sizes and names."""

    verdicts: pa.Table
    sizes: np.ndarray
    clusters: pa.Array


def make_page_keys(pages: JoinedBlocks, job: DedupJob, kind: str) -> Iterator[KeyedBlock]:
    """Yield the keys of one kind, URL or text, of a batch's pages that remain, and what ranks the pages."""
    column = KEY_COLUMNS[kind]
    rank = [name for name in RANK if name != "old"]
    packer = BlockPacker(pages[0])
    for places, found in read_remaining_pages(pages, job, [*{*rank, column}]):
        there = found[column].is_valid()
        places, found = places[there.to_numpy()], found.filter(there)
        columns = {"place": pa.array(places), "key": found[column], "old": pa.array(job.plan.is_earlier(places))}
        columns |= {name: found[name] for name in rank}
        table = pa.table([columns[name] for name in KEYED.names], schema=KEYED)
        partitions = find_partitions(read_fixed_bytes(table["key"], 16)[:, 0], job.plan.page_partitions)
        yield from packer.pack(table, partitions, compress=True)


def choose_kept_pages(table: pa.Table, preference: str, similarity: float | None) -> Choice:
    """Return which of the pages with an equal key are kept. Pages of earlier outputs are all kept.

    `table` has the schema KEYED, `preference` is a key of `index.PREFERENCE`, and `similarity` is what pages with an
    equal key are given.
    """
    both = read_fixed_bytes(table["key"], 16)
    order = np.lexsort((both[:, 1], both[:, 0]))
    numbers = np.cumsum(np.any(np.diff(both[order], axis=0, prepend=0), axis=1))  # equal keys, equal number
    starts, lengths = find_equal_runs(numbers)
    # The sort keeps the order of places, and the pages of this output come first in it. So a group that starts with a
    # page of an earlier output has no page of this one.
    new = ~table["old"].to_numpy()[order[starts]]
    starts, lengths = starts[new], lengths[new]
    group = np.repeat(np.arange(len(starts)), lengths)
    offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]])[: len(starts)], lengths)
    members = table.take(pa.array(order[offsets + np.arange(len(group))])).append_column("group", pa.array(group))
    first_of = np.flatnonzero(np.diff(group, prepend=-1))
    by_rank = pc.sort_indices(members, sort_keys=[("group", "ascending"), *list_sort_keys(preference)])
    by_id = pc.sort_indices(members, sort_keys=[("group", "ascending"), ("id", "ascending")])
    kept = members.take(by_rank.take(pa.array(first_of)))
    cluster = members["id"].take(by_id.take(pa.array(first_of)))
    ranked = members.take(by_rank)
    removed = ~ranked["old"].to_numpy()
    removed[first_of] = False
    own = pa.array(group[removed])
    similarities = pa.repeat(pa.scalar(similarity, pa.float64()), len(own))
    columns = [ranked["place"].filter(pa.array(removed)), kept["place"].take(own), kept["id"].take(own), similarities]
    sizes = np.bincount(group[removed], minlength=len(starts)) + 1
    verdicts = pa.table([*columns, cluster.take(own)], schema=VERDICT)
    return Choice(verdicts, sizes[sizes > 1], cluster.filter(pa.array(sizes > 1)))


def keep_one(group: BlockGroup, job: DedupJob, kind: str) -> Iterator[Made]:
    """Yield the verdicts on a partition's pages for the batches of the kept ones, and "removed" for the others'.

    Where the kept page is, it is known whether a later pass removes it.
    """
    number, blocks = group
    table = unpack_blocks(blocks, KEYED)
    by_url = kind == "url"
    choice = choose_kept_pages(table, "url" if by_url else job.config.keep_policy, None if by_url else 1.0)
    packer, verdicts = BlockPacker(number), choice.verdicts
    yield from packer.pack(verdicts, job.plan.find_batches(verdicts["kept"].to_numpy()), compress=True)
    removed = verdicts.select(REMOVED.names)
    for block in packer.pack(removed, job.plan.find_batches(removed["page"].to_numpy())):
        yield TaggedOutput("removed", block)
    summary = summarize_clusters(kind, choice.sizes, choice.clusters)
    summary.add(DedupSummary(counts={f"{kind} removed": verdicts.num_rows}))
    yield TaggedOutput("summary", summary)


@dataclass(eq=False)
class UrlKeys(beam.PTransform[PCollection[JoinedBlocks], PCollection[KeyedBlock]]):
    """PCollection[(batch, {"shards", "removed ..."})] -> PCollection[(partition, Block)]."""

    job: DedupJob

    def expand(self, pages: PCollection[JoinedBlocks]) -> PCollection[KeyedBlock]:
        """Give the canonical URLs of the pages to their partitions."""
        made: StageOutputs = pages | MakeBlocks("url_keys", make_page_keys, self.job, ("url",), tags=())
        return made["blocks"]


@dataclass(eq=False)
class TextKeys(beam.PTransform[PCollection[JoinedBlocks], PCollection[KeyedBlock]]):
    """PCollection[(batch, {"shards", "removed ..."})] -> PCollection[(partition, Block)]."""

    job: DedupJob

    def expand(self, pages: PCollection[JoinedBlocks]) -> PCollection[KeyedBlock]:
        """Give the hashes of the pages' normalised texts to their partitions."""
        made: StageOutputs = pages | MakeBlocks("text_keys", make_page_keys, self.job, ("exact",), tags=())
        return made["blocks"]


@dataclass(eq=False)
class KeepOne(beam.PTransform[PCollection[BlockGroup], StageOutputs]):
    """PCollection[(partition, blocks)] -> "blocks" (verdicts by the kept page's batch), "removed", "summary"."""

    job: DedupJob
    kind: str

    def expand(self, groups: PCollection[BlockGroup]) -> StageOutputs:
        """Decide partition by partition."""
        made: StageOutputs = groups | MakeBlocks(
            f"{self.kind}_verdicts", keep_one, self.job, (self.kind,), ("removed", "summary")
        )
        return made
