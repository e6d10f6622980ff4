"""Writes the corpus shards: the row groups of every partition, put in the order of the hash."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection

from pipeline.config import Config
from pipeline.io import output as output_module
from pipeline.io.output import WORK, Output
from pipeline.io.schemas import CORPUS, add_topic_columns
from pipeline.publish.partition_pages import NO_ROWS, RowGroup

# What decides the order of rows: rows that are equal in all of these have the same bytes.
ORDERING = ("order", "url", "date", "text", "file_path", "minhash_cluster_size")


def sort_rows(parts: list[pa.Table]) -> Iterator[pa.Table]:
    """Yield the parts' rows in the order of the hash, a row group at a time: a sorted copy would double the memory.

    The length of the groups depends on the rows alone, not on their distribution over the parts.
    """
    if not parts:
        return
    whole = pa.concat_tables(parts)  # a view; taking rows of it would copy a whole column
    keys = [(name, "ascending") for name in ORDERING]
    places = pc.sort_indices(whole, sort_keys=keys).to_numpy().astype(np.int64)
    text_bytes = max(1, pc.sum(pc.binary_length(whole["text"])).as_py())
    rows = max(1, whole.num_rows * output_module.ROW_GROUP_BYTES // text_bytes)
    first_rows = np.cumsum([0, *(part.num_rows for part in parts)])
    for start in range(0, whole.num_rows, rows):
        order = np.argsort(places[start : start + rows])
        rising = places[start : start + rows][order]
        cuts = np.searchsorted(rising, first_rows)
        spans = zip(parts, first_rows, cuts, cuts[1:], strict=False)
        some = pa.concat_tables([part.take(pa.array(rising[a:b] - first)) for part, first, a, b in spans if b > a])
        yield some.take(pa.array(np.argsort(order)))


def gather_shard(group: tuple[str, Iterable[int]], names: tuple[str, ...], config: Config, root: str) -> str:
    """Write one corpus shard from the partitions of documents shards. Returns its name."""
    target, numbers = group
    output = Output(root)
    parts = []
    for name in (names[number] for number in sorted(numbers) if number != NO_ROWS):
        place = output.read_json(WORK, "publish", f"{name}.json")["groups"][target]
        with output.parquet(WORK, "publish", f"{name}.parquet") as file:
            parts.append(file.read_row_group(place))
    split = target.partition("-")[0]
    schema = add_topic_columns(CORPUS, bool(config.weights.topics.model))
    with output.table_writer(schema, "corpus", split, f"{target}.parquet") as writer:
        for table in sort_rows(parts):
            writer.group(table.drop_columns(["order"]))
    return target


@dataclass(eq=False)
class GatherShards(beam.PTransform[PCollection[RowGroup], PCollection[str]]):
    """PCollection[RowGroup] -> PCollection[str]: the names of the corpus shards, which are written."""

    root: str
    config: Config
    names: tuple[str, ...]  # of the documents shards

    def expand(self, row_groups: PCollection[RowGroup]) -> PCollection[str]:
        """Group the row groups by corpus shard, and write each shard."""
        by_shard = row_groups | "by corpus shard" >> beam.GroupByKey()
        written: PCollection[str] = by_shard | "write" >> beam.Map(gather_shard, self.names, self.config, self.root)
        return written
