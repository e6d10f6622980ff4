"""Components of candidates: which pages are connected by links, however many links lie between them.

    links | CombineGlobally(SpanningForest()) | PartitionCandidates

The components of candidates decide what is compared where: a page is in one component, so that its shingles go to one
partition, and all that decides about the page is there. A component is known by its lowest place.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dedup.blocks import Block, BlockPacker, DedupJob, Made, MakeBlocks, StageOutputs, read_blocks
from pipeline.dedup.clusters import sort_distinct
from pipeline.dedup.summary import DedupSummary

MERGED_LINKS = 1 << 22  # links that are held before they are merged into the forest: some 200 MB while that is done
PARTITION_CANDIDATES = 1 << 14  # pages of a partition, more where one component has more: at 800 words some 100 MB

TREE = pa.schema([("place", pa.uint64()), ("root", pa.uint64())])
MEMBER = pa.schema([("place", pa.uint64()), ("component", pa.int64()), ("partition", pa.int64())])


def span_forest(links: np.ndarray) -> np.ndarray:
    """Return uint64[pages, 2]: each page that the links (uint64[n, 2]) name, rising, and the lowest of its component.

    The result is a set of links that connect the same pages, so that forests of parts of the links can be merged by
    this function too, in any order and with the same result.
    """
    if not len(links):
        return np.zeros((0, 2), np.uint64)
    from scipy.sparse import coo_array  # here, for it takes .3 s, and a small run has no links
    from scipy.sparse.csgraph import connected_components

    ends = sort_distinct(links)
    pairs = find_positions(ends, links)
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(ends), len(ends)))
    labels = connected_components(graph, directed=False)[1]
    lowest = np.full(len(ends), len(ends), np.int64)
    np.minimum.at(lowest, labels, np.arange(len(ends)))
    return np.stack([ends, ends[lowest[labels]]], axis=1)


def find_positions(ends: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Return where each value is in the sorted `ends`; looked up in order, since at random each misses the cache."""
    order = np.argsort(some, axis=None)
    found = np.empty(some.size, np.int64)
    found[order] = np.searchsorted(ends, some.ravel()[order])
    return found.reshape(some.shape)


class ForestAccumulator:
    """A spanning forest, 16 bytes a page, and links that are not yet merged into it."""

    def __init__(self) -> None:
        """Begin without a page."""
        self.forest = np.zeros((0, 2), np.uint64)
        self.links: list[np.ndarray] = []
        self.held = 0

    def add(self, links: np.ndarray) -> None:
        """Add links, uint64[n, 2]. They are merged once they are as many as the forest has."""
        self.links.append(links)
        self.held += len(links)
        if self.held >= max(MERGED_LINKS, len(self.forest)):
            self.merge()

    def merge(self) -> None:
        """Merge the held links into the forest."""
        if self.held:
            self.forest = span_forest(np.concatenate([self.forest, *self.links]))
        self.links, self.held = [], 0


class SpanningForest(beam.CombineFn):
    """Blocks of links -> a table of the schema TREE: each linked page, rising, and the lowest page of its component."""

    def create_accumulator(self) -> ForestAccumulator:
        """Return the forest of no links."""
        return ForestAccumulator()

    def add_input(self, accumulator: ForestAccumulator, block: Block) -> ForestAccumulator:
        """Add the links of a block."""
        for table in read_blocks([block]):
            accumulator.add(np.stack([column.to_numpy() for column in table.columns], axis=1))
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[ForestAccumulator]) -> ForestAccumulator:
        """Join forests."""
        merged = ForestAccumulator()
        for accumulator in accumulators:
            for links in (accumulator.forest, *accumulator.links):
                merged.add(links)
        return merged

    def compact(self, accumulator: ForestAccumulator) -> ForestAccumulator:
        """Merge what is held, before the accumulator is sent."""
        accumulator.merge()
        return accumulator

    def extract_output(self, accumulator: ForestAccumulator) -> pa.Table:
        """Return the forest."""
        accumulator.merge()
        return pa.table(list(accumulator.forest.T), schema=TREE)


def partition_candidates(element: tuple[int, pa.Table], job: DedupJob) -> Iterator[Made]:
    """Yield the component and the partition of each page of the forest, for the page's batch."""
    places, roots = (column.to_numpy() for column in element[1].columns)
    components = np.unique(roots, return_inverse=True)[1]
    sizes = np.bincount(components) if len(components) else np.zeros(0, np.int64)
    partitions = np.unique((np.cumsum(sizes) - sizes) // PARTITION_CANDIDATES, return_inverse=True)[1]
    table = pa.table([places, components, partitions[components]], schema=MEMBER)
    yield from BlockPacker(0).pack(table, job.plan.find_batches(places))
    counts = {"near candidates": len(places), "near components": len(sizes)}
    yield TaggedOutput("summary", DedupSummary(counts=counts))


@dataclass(eq=False)
class PartitionCandidates(beam.PTransform[PCollection[pa.Table], StageOutputs]):
    """PCollection[pa.Table] of one forest -> "blocks" (its pages by batch), "summary"."""

    job: DedupJob

    def expand(self, forest: PCollection[pa.Table]) -> StageOutputs:
        """Give each component a partition."""
        numbered = forest | "number" >> beam.Map(number_forest).with_output_types(tuple[int, pa.Table])
        made: StageOutputs = numbered | MakeBlocks("candidates", partition_candidates, self.job)
        return made


def number_forest(forest: pa.Table) -> tuple[int, pa.Table]:
    """Return the forest under the number 0, by which its file is named."""
    return 0, forest
