"""How a dedup job is cut: its shards, batches of them, and partitions of the keys. All of it is known before the graph.

A page is known by its place: the number of its shard << 32 | its row there. The shards of this output come first, then
those of each earlier output (`dedup.previous_outputs`). The stages that read pages take a batch of neighbouring shards
at a time. The stages that compare keys take a partition, which is a range of the keys.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.dedup.index import check_index
from pipeline.dedup.settings import DedupConfig
from pipeline.io.output import Output

BATCH_PAGES = 1 << 16  # pages of a batch, which is whole shards; more where there would be more than MAX_BATCHES
MAX_BATCHES = 1024
PARTITION_PAGES = 1 << 19  # pages with the columns that rank them, in a partition by URL or text: some 300 MB
PARTITION_BANDS = 1 << 22  # keys of bands in a partition: some 250 MB while they are sorted
PARTITION_LINES = 1 << 21  # lines in a partition, fewer where a batch has a line often: some 300 MB
READERS = 16  # threads that ask for the number of rows of shards, which takes as long as a bucket needs to answer
ROW_BITS = np.uint64(32)


class DocumentShard(NamedTuple):
    """A shard of documents/, of this output (`root` is "") or of an earlier one."""

    number: int
    root: str
    name: str
    rows: int


@dataclass(frozen=True)
class DedupPlan:
    """The cut of one job."""

    own_shards: int  # shards of this output
    shard_names: tuple[str, ...]  # of every shard, by its number
    earlier_roots: tuple[str, ...]  # earlier outputs that have shards
    earlier_starts: tuple[int, ...]  # the number of the first shard of each of them
    batch_ends: tuple[int, ...]  # the number after the last shard of each batch
    page_partitions: int
    band_partitions: int

    def find_batches(self, places: np.ndarray) -> np.ndarray:
        """Return the number of the batch that each place is in."""
        return np.searchsorted(np.array(self.batch_ends, np.uint64), places >> ROW_BITS, side="right")

    def find_shard_names(self, places: np.ndarray) -> list[str]:
        """Return the name of the shard that each place is in."""
        return [self.shard_names[number] for number in (places >> ROW_BITS).tolist()]

    def batch_of_shard(self, number: int) -> int:
        """Return the number of the batch that a shard is in."""
        return int(np.searchsorted(self.batch_ends, number, side="right"))

    def is_earlier(self, places: np.ndarray) -> np.ndarray:
        """Return which places are of pages of earlier outputs."""
        return places >= np.uint64(self.own_shards << 32)


def list_shards(output: Output, config: DedupConfig, names: Sequence[str]) -> list[DocumentShard]:
    """Return the shards of this output and of the earlier ones, with their rows.

    Raises ValueError where an earlier output cannot be used.
    """
    found = [("", name) for name in names]
    for root in config.previous_outputs:
        found += [(root, name) for name in check_index(Output(root), config)]
    with ThreadPoolExecutor(READERS) as pool:
        rows = list(pool.map(lambda shard: count_shard_rows(output, *shard), found))
    return [DocumentShard(n, *shard, count) for n, (shard, count) in enumerate(zip(found, rows, strict=True))]


def count_shard_rows(output: Output, root: str, name: str) -> int:
    """Return the rows of a shard: of documents/ here, of index/ in an earlier output, which may have lost the other."""
    folder, source = ("index", Output(root)) if root else ("documents", output)
    with source.parquet(folder, f"{name}.parquet") as file:
        return int(file.metadata.num_rows)


def make_plan(shards: Sequence[DocumentShard], config: DedupConfig) -> DedupPlan:
    """Return how a job over these shards is cut; it depends on the numbers of their rows alone."""
    pages = sum(shard.rows for shard in shards)
    most, ends, held = max(BATCH_PAGES, pages // MAX_BATCHES), [], 0
    for shard in shards:
        if shard.number and (held + shard.rows > most or shard.root != shards[shard.number - 1].root):
            ends.append(shard.number)
            held = 0
        held += shard.rows
    ends += [len(shards)] * bool(shards)
    firsts = [
        shard for shard in shards if shard.root and (not shard.number or shard.root != shards[shard.number - 1].root)
    ]
    return DedupPlan(
        own_shards=sum(not shard.root for shard in shards),
        shard_names=tuple(shard.name for shard in shards),
        earlier_roots=tuple(shard.root for shard in firsts),
        earlier_starts=tuple(shard.number for shard in firsts),
        batch_ends=tuple(ends),
        page_partitions=count_partitions(pages, PARTITION_PAGES),
        band_partitions=count_partitions(pages * config.minhash_params().bands, PARTITION_BANDS),
    )


def count_partitions(keys: int, most: int) -> int:
    """Return how many partitions hold a number of keys."""
    return max(1, -(-keys // most))


def find_partitions(keys: np.ndarray, partitions: int) -> np.ndarray:
    """Return the partition of each uint64 key: equal ranges of the upper half."""
    return ((keys >> np.uint64(32)) * np.uint64(partitions) >> np.uint64(32)).astype(np.int64)


def rows_of_places(places: np.ndarray) -> np.ndarray:
    """Return the row of each place in its shard."""
    return (places & np.uint64(0xFFFFFFFF)).astype(np.int64)


def unread_shards(names: Sequence[str]) -> list[DocumentShard]:
    """Return shards of this output as if they had no rows, for a graph that is only looked at."""
    return [DocumentShard(number, "", name, 0) for number, name in enumerate(names)]
