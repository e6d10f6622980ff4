"""What the stages of the dedup job count, and their sum, from which the ledger and the report are made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

LARGE_CLUSTER = 100  # pages; clusters above it are named in the report
MAX_NAMED = 1000  # of them
MAX_LARGEST = 10
KINDS = ("url", "exact", "near")


class NamedCluster(NamedTuple):
    """A cluster that the report names: by which pass it was found, its smallest id, its pages, those that are kept."""

    kind: str
    cluster: str
    pages: int
    kept: int = 1


@dataclass
class DedupSummary:
    """Counts of a part of the job, or of all of it."""

    files: dict[str, dict[str, int]] = field(default_factory=dict)  # shard -> kind -> duplicates
    contents: dict[str, str] = field(default_factory=dict)  # file of index/ or duplicates/ -> fingerprint
    clusters: int = 0
    largest: tuple[int, ...] = ()  # pages of the largest clusters
    large: tuple[NamedCluster, ...] = ()
    chained: tuple[NamedCluster, ...] = ()  # clusters of near duplicates of which more than one page is kept
    counts: dict[str, int] = field(default_factory=dict)  # "step what" -> number

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are not empty."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: value for name, value in values.items() if value}

    def add(self, other: "DedupSummary") -> None:
        """Add another part's counts to these. The order in which parts are added is no matter."""
        self.files |= other.files
        self.contents |= other.contents
        self.clusters += other.clusters
        self.largest = tuple(sorted([*self.largest, *other.largest], reverse=True)[:MAX_LARGEST])
        self.large = largest_clusters([*self.large, *other.large])
        self.chained = largest_clusters([*self.chained, *other.chained])
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DedupSummary":
        """Return what `to_json` was made from, read from a JSON file."""
        named = {name: tuple(NamedCluster(*row) for row in value.get(name, ())) for name in ("large", "chained")}
        return cls(**{**value, **named, "largest": tuple(value.get("largest", ()))})


def order_by_size(named: NamedCluster) -> tuple[int, str, str, int]:
    """Return a key that sorts clusters from the largest."""
    return -named.pages, named.kind, named.cluster, named.kept


def largest_clusters(named: Iterable[NamedCluster]) -> tuple[NamedCluster, ...]:
    """Return the MAX_NAMED largest clusters, the largest first."""
    return tuple(sorted(named, key=order_by_size)[:MAX_NAMED])


def summarize_clusters(kind: str, sizes: np.ndarray, names: pa.Array) -> DedupSummary:
    """Return how many clusters there are, and which are the largest."""
    large = [NamedCluster(kind, names[int(n)].as_py(), int(sizes[n])) for n in np.flatnonzero(sizes > LARGE_CLUSTER)]
    return DedupSummary(
        clusters=len(sizes),
        largest=tuple(sorted(sizes.tolist(), reverse=True)[:MAX_LARGEST]),
        large=largest_clusters(large),
    )


class AddSummaries(beam.CombineFn):
    """Adds the summaries of a job's parts."""

    def create_accumulator(self) -> DedupSummary:
        """Return the sum of nothing."""
        return DedupSummary()

    def add_input(self, accumulator: DedupSummary, summary: DedupSummary) -> DedupSummary:
        """Add one part."""
        accumulator.add(summary)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[DedupSummary]) -> DedupSummary:
        """Add sums."""
        merged = DedupSummary()
        for accumulator in accumulators:
            merged.add(accumulator)
        return merged

    def extract_output(self, accumulator: DedupSummary) -> DedupSummary:
        """Return the sum."""
        return accumulator
