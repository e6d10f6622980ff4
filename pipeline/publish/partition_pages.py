"""Cuts each documents shard on disk: a row group for each corpus shard that gets pages from it.

This is the second pass over the texts. It removes repeated lines, masks the spans of evaluation items, writes each copy
of a page where it belongs, and counts what became of the shard's pages. Only ids, sizes and names are shuffled.
"""

import hashlib
import math
import os
import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.pvalue import PCollection

from pipeline.config import Config
from pipeline.io.ledger import AddedTexts
from pipeline.io.output import WORK, Output
from pipeline.io.schemas import CORPUS, add_topic_columns
from pipeline.publish.candidates import ClusterPart, count_cluster_parts
from pipeline.publish.decontaminate import read_mask_spans
from pipeline.publish.extra_sources import is_extra_shard, text_folder
from pipeline.publish.formats.dump_names import find_dump
from pipeline.publish.line_removal import RemovedLines, read_removed_lines
from pipeline.publish.result import (
    SPLITS,
    ByteSums,
    Dimension,
    ShardCounts,
    add_byte_sums,
    add_mixture_sums,
    add_reason_counts,
    new_extra_counts,
    new_shard_counts,
)
from pipeline.publish.sampling import PlannedPage
from pipeline.text.item_index import mask_spans
from pipeline.text.line_keys import to_remaining_span

SOURCE_COLUMNS = ["id", "url", "date", "file", "language", "language_score", "domain", "page_type", "scores", "text"]
PARTITION = CORPUS.append(pa.field("order", pa.binary(16)))  # a partition's rows: the corpus's, and their order
SPILL = PARTITION.append(pa.field("target", pa.int32()))  # the same on the way there
HELD_BYTES = 64 << 20  # UTF-8 text of a documents shard in memory at a time
Spans = Mapping[int, list[tuple[int, int]]]  # by row: start and end of spans of its text, in characters
ShardsBySplit = dict[str, int]  # how many corpus shards each split has
ShardPart = PlannedPage | ClusterPart  # a page of a documents shard, or near duplicates that were dropped for one
RowGroup = tuple[str, int]  # a corpus shard's name, and the number of the documents shard that has rows for it
NO_ROWS = -1  # instead of a documents shard's number: it names a corpus shard and adds no rows


class CopyPlace(NamedTuple):
    """One copy of a page in a corpus shard. `size` is UTF-8 bytes of text."""

    row: int
    order: bytes
    weight: float
    size: int
    topic: str = ""
    topic_score: float = 0.0
    cluster_size: int | None = None


def split_sizes(planned: PlannedPage) -> Iterator[tuple[str, int]]:
    """Yield the bytes that a page adds to each split."""
    yield planned.decision.split, planned.page.size * planned.decision.copies
    if planned.decision.anneal:
        yield "anneal", planned.page.size


def count_shards(_: None, sizes: dict[str, int], shard_mb: int) -> ShardsBySplit:
    """Return how many shards each split has; a split without pages has one without rows. `sizes` are bytes."""
    return {split: max(1, math.ceil(sizes.get(split, 0) / (shard_mb << 20))) for split in SPLITS}


def corpus_shard_name(split: str, number: int, shards: int) -> str:
    """Return the name of a corpus shard."""
    return f"{split}-{number:05d}-of-{shards:05d}"


def hash_order(seed: int, split: str, page_id: str, copy: int) -> bytes:
    """Return the hash by which a split's rows are ordered and cut into shards."""
    text = f"{seed}\x00{split}\x00{page_id}\x00{copy}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()


def shard_of_order(order: bytes, shards: int) -> int:
    """Return the shard of a row: the shards are equal ranges of the hash."""
    return int.from_bytes(order[:8], "big") * shards >> 64


def place_copies(
    pages: Iterable[PlannedPage], shards: ShardsBySplit, seed: int, dropped: Mapping[int, int] | None = None
) -> dict[str, list[CopyPlace]]:
    """Return the places of the copies of pages, by corpus shard, sorted.

    `dropped` has the near duplicates that were dropped for the page of each row; None where nobody looked for any.
    """
    targets: dict[str, list[CopyPlace]] = {}
    for page, decision, _ in pages:
        copies = [(decision.split, copy) for copy in range(decision.copies)] + [("anneal", 0)] * decision.anneal
        for split, copy in copies:
            order = hash_order(seed, split, page.id, copy)
            target = corpus_shard_name(split, shard_of_order(order, shards[split]), shards[split])
            cluster_size = None if dropped is None else 1 + dropped.get(page.row, 0)
            place = CopyPlace(page.row, order, decision.weight, page.size, page.topic, page.topic_score, cluster_size)
            targets.setdefault(target, []).append(place)
    return dict(sorted(targets.items()))


def group_by_memory(targets: dict[str, list[CopyPlace]]) -> list[list[str]]:
    """Cut the corpus shards into runs of at most `HELD_BYTES` of text, or of one shard that has more."""
    batches: list[list[str]] = []
    held = 0
    for target, places in targets.items():
        size = sum(place.size for place in places)
        if not batches or held + size > HELD_BYTES:
            batches.append([])
            held = 0
        batches[-1].append(target)
        held += size
    return batches


def edit_text(text: str, row: int, spans: Spans, lines: RemovedLines | None) -> str:
    """Return a row's text without its repeated lines, and with its spans masked."""
    left, mine = lines.remaining_text(row, text) if lines else None, spans.get(row, [])
    if left:
        text, mine = left.text, [to_remaining_span(left.pieces, *span) for span in mine]
    return mask_spans(text, mine) if mine else text


def read_edited_groups(
    file: pq.ParquetFile, spans: Spans, lines: RemovedLines | None = None
) -> Iterator[tuple[int, pa.Table]]:
    """Yield the number of the first row and the columns of each row group of a documents shard, its texts edited."""
    first, edited = 0, set(lines.rows.tolist() if lines else ()) | spans.keys()
    for number in range(file.num_row_groups):
        table = file.read_row_group(number, columns=SOURCE_COLUMNS)
        here = [row for row in range(first, first + table.num_rows) if row in edited]
        if here:
            texts = table.column("text").to_pylist()
            for row in here:
                texts[row - first] = edit_text(texts[row - first], row, spans, lines)
            table = table.set_column(table.schema.get_field_index("text"), "text", pa.array(texts, pa.string()))
        yield first, table
        first += table.num_rows


def row_of_copy(place: CopyPlace) -> int:
    """Return the row of the documents shard that a copy is made from."""
    return place.row


def take_page_columns(table: pa.Table, rows: list[int]) -> dict[str, pa.ChunkedArray | pa.Array]:
    """Return the columns of corpus/ that follow from a page alone, for some rows of a documents shard."""
    part = table.take(pa.array(rows, pa.int64()))
    files = part.column("file")
    columns = {column: part.column(column) for column in SOURCE_COLUMNS}
    columns["file_path"] = files
    columns["dump"] = pa.array([find_dump(file or "") for file in files.to_pylist()], pa.string())
    columns["quality"] = pc.struct_field(part.column("scores"), "quality")
    columns["token_count"] = pa.nulls(part.num_rows, pa.int32())  # counted once there is a tokenizer
    return columns


def select_copies(table: pa.Table, first: int, batch: dict[str, list[CopyPlace]], schema: pa.Schema) -> pa.Table:
    """Return the rows of a row group for a batch of corpus shards, each with the shard's number in the batch."""
    wanted: list[tuple[CopyPlace, int]] = []
    for number, places in enumerate(batch.values()):  # sorted by row: the row group's are a run of them
        start, end = (bisect_left(places, row, key=row_of_copy) for row in (first, first + table.num_rows))
        wanted += [(place, number) for place in places[start:end]]
    columns = take_page_columns(table, [place.row - first for place, _ in wanted])
    columns["minhash_cluster_size"] = pa.array([place.cluster_size for place, _ in wanted], pa.int32())
    columns["weight"] = pa.array([place.weight for place, _ in wanted], pa.float32())
    columns["order"] = pa.array([place.order for place, _ in wanted], pa.binary(16))
    columns["target"] = pa.array([number for _, number in wanted], pa.int32())
    columns["topic"] = pa.array([place.topic for place, _ in wanted], pa.string())
    columns["topic_score"] = pa.array([place.topic_score for place, _ in wanted], pa.float32())
    return pa.table({field.name: columns[field.name] for field in schema}).cast(schema)


def split_shard(
    output: Output,
    name: str,
    targets: dict[str, list[CopyPlace]],
    spans: Spans,
    lines: RemovedLines | None,
    schema: pa.Schema,
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows for each corpus shard from a documents shard, which may be larger than memory.

    `lines` are removed from its texts, `spans` are masked. The first of two passes deals the rows of its row groups to
    files on the worker's own disk, each for as many corpus shards as fit into `HELD_BYTES` of text. The second pass
    reads those files.
    """
    batches = group_by_memory(targets)
    with tempfile.TemporaryDirectory(prefix="gristmill-") as folder:
        files = [os.path.join(folder, f"{n}.arrow") for n in range(len(batches))]
        with ExitStack() as stack:
            file = stack.enter_context(output.parquet(text_folder(name), f"{name}.parquet"))
            spills = [stack.enter_context(pa.ipc.new_file(path, schema)) for path in files]
            for first, table in read_edited_groups(file, spans, lines) if batches else ():
                for spill, batch in zip(spills, batches, strict=True):
                    some = select_copies(table, first, {target: targets[target] for target in batch}, schema)
                    if some.num_rows:
                        spill.write_table(some)
        for path, batch in zip(files, batches, strict=True):
            with pa.ipc.open_file(path) as spilled:
                held = spilled.read_all()
            for place, target in enumerate(batch):
                rows = held.filter(pc.equal(held.column("target"), place))
                yield target, rows.drop_columns(["target"])


def count_pages(pages: Iterable[PlannedPage]) -> ShardCounts:
    """Count the pages of a documents shard by what became of them, and their bytes by the parts of the mixture."""
    counts = new_shard_counts()
    for page, decision, bucket in pages:
        if decision.exclusion:
            add_reason_counts(counts["held_out"], {decision.exclusion: 1})
        else:
            add_reason_counts(counts["published"], {decision.split: 1})
            add_reason_counts(counts["repeated"], {"train": decision.copies - 1, "anneal": int(decision.anneal)})
        train = decision.split == "train"
        # Wanted bytes are rounded page by page: a sum of whole numbers does not depend on its order.
        sums: ByteSums = {
            "bytes": page.size,
            "wanted_bytes": round(page.size * decision.wanted) * train,
            "train_bytes": page.size * decision.copies * train,
        }
        quality = "unscored" if bucket is None else f"bucket {bucket + 1}"
        mixture, by_language = counts["mixture"], counts["by_language"]
        add_mixture_sums(mixture["language"], page.language, {"pages": 1, **sums})
        # The bytes of a token differ by language, so that tokens of the other dimensions are told from these sums.
        parts: dict[Dimension, str] = {"domain": page.domain, "type": page.page_type, "quality": quality}
        for dimension, part in parts.items():
            add_mixture_sums(mixture[dimension], part, {"pages": 1, **sums})
            add_byte_sums(by_language[dimension].setdefault(part, {}), page.language, sums)
    return counts


def count_extra_texts(texts: Iterable[PlannedPage]) -> AddedTexts:
    """Count the texts of a file of an extra source by what became of them."""
    counts = new_extra_counts()
    for page, decision, _ in texts:
        counts["texts"] += 1
        if decision.exclusion:
            add_reason_counts(counts["held_out"], {decision.exclusion: 1})
        else:
            counts["published"] += 1
            counts["repeated"] += decision.copies - 1
        more = (page.size, round(page.size * decision.wanted), page.size * decision.copies)
        counts["bytes"] = [a + b for a, b in zip(counts["bytes"], more, strict=True)]
    return counts


def split_parts(parts: Iterable[ShardPart]) -> tuple[list[PlannedPage], list[ClusterPart]]:
    """Return the pages of a documents shard in their order, and what was dropped for some of them."""
    pages: list[PlannedPage] = []
    clusters: list[ClusterPart] = []
    for part in parts:
        if isinstance(part, ClusterPart):
            clusters.append(part)
        else:
            pages.append(part)
    return sorted(pages, key=lambda planned: planned.page.row), clusters


def sum_cluster_parts(parts: Iterable[ClusterPart]) -> dict[int, int]:
    """Return how many near duplicates were dropped for the page of each row."""
    dropped: dict[int, int] = {}
    for row, pages in parts:
        dropped[row] = dropped.get(row, 0) + pages
    return dropped


def partition_shard(
    group: tuple[int, Iterable[ShardPart]], shards: ShardsBySplit, names: tuple[str, ...], config: Config, root: str
) -> Iterator[RowGroup]:
    """Write the copies of a documents shard's pages, a row group for each corpus shard, then what was counted.

    Yields each row group.
    """
    number, parts = group
    output, name = Output(root, config.documents_from), names[number]
    pages, clusters = split_parts(parts)
    dropped = sum_cluster_parts(clusters) if config.dedup.near and not is_extra_shard(name) else None
    targets = place_copies(pages, shards, config.seed, dropped)
    part, spill = (add_topic_columns(schema, bool(config.weights.topics.model)) for schema in (PARTITION, SPILL))
    spans = read_mask_spans(output, name) if config.decontaminate.sets else {}
    lines = read_removed_lines(output, name, config.dedup.line_params())
    groups: dict[str, int] = {}
    with output.table_writer(part, WORK, "publish", f"{name}.parquet") as writer:
        for target, table in split_shard(output, name, targets, spans, lines, spill):
            groups[target] = writer.groups
            writer.group(table)
    counts = count_extra_texts(pages) if is_extra_shard(name) else count_pages(pages)
    output.write_json({"groups": groups, "counts": counts}, WORK, "publish", f"{name}.json")
    yield from ((target, number) for target in groups)


def key_cluster_parts(name: str, root: str, config: Config, names: tuple[str, ...]) -> Iterator[tuple[int, ShardPart]]:
    """Yield the near duplicates of a documents shard under the number of the shard of the page that is kept."""
    yield from count_cluster_parts(name, root, config, names)


def key_by_documents_shard(planned: PlannedPage) -> tuple[int, ShardPart]:
    """Return a page under the number of the documents shard that has its text."""
    return planned.page.shard, planned


def list_corpus_shards(shards: ShardsBySplit) -> list[RowGroup]:
    """Return every corpus shard with `NO_ROWS`, so that a shard without rows is written too."""
    return [
        (corpus_shard_name(split, number, shards[split]), NO_ROWS)
        for split in SPLITS
        for number in range(shards[split])
    ]


@dataclass(eq=False)
class CountShards(beam.PTransform[PCollection[PlannedPage], PCollection[ShardsBySplit]]):
    """PCollection[PlannedPage] -> PCollection[ShardsBySplit] with one element."""

    shard_mb: int

    def expand(self, pages: PCollection[PlannedPage]) -> PCollection[ShardsBySplit]:
        """Sum the bytes of each split."""
        sizes = pages | "sizes" >> beam.FlatMap(split_sizes) | "splits" >> beam.CombinePerKey(sum)
        one = pages.pipeline | "one" >> beam.Create([None])
        sides = beam.pvalue.AsDict(sizes), self.shard_mb
        shards: PCollection[ShardsBySplit] = one | "count" >> beam.Map(count_shards, *sides)
        return shards


@dataclass(eq=False)
class PartitionPages(beam.PTransform[PCollection[PlannedPage], PCollection[RowGroup]]):
    """PCollection[PlannedPage] -> PCollection[RowGroup], written to `.work/publish/`; each corpus shard is named."""

    root: str
    config: Config
    names: tuple[str, ...]  # of the documents shards

    def expand(self, pages: PCollection[PlannedPage]) -> PCollection[RowGroup]:
        """Group the pages by the documents shard that has their text, and cut each shard."""
        shards = pages | "count shards" >> CountShards(self.config.publish.shard_mb)
        every_name = pages.pipeline | "names" >> beam.Create(self.names)
        dealt = (
            pages | "by shard" >> beam.Map(key_by_documents_shard),
            every_name | "clusters" >> beam.FlatMap(key_cluster_parts, self.root, self.config, self.names),
        )
        by_shard = dealt | "parts" >> beam.Flatten() | "documents shards" >> beam.GroupByKey()
        sides = beam.pvalue.AsSingleton(shards), self.names, self.config, self.root
        cut = by_shard | "cut" >> beam.FlatMap(partition_shard, *sides)
        every = shards | "every shard" >> beam.FlatMap(list_corpus_shards)
        row_groups: PCollection[RowGroup] = (cut, every) | "all" >> beam.Flatten()
        return row_groups
