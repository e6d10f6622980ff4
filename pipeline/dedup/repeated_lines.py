"""Repeated lines (`dedup.repeated_lines`): lines that many pages have are removed, and the pages are kept.

    PageLines            a batch of shards: the keys of its pages' lines, counted, for the partitions of the keys; and
                        where each line is
    CountLines          a partition: on how many pages each line is, written into index/lines/ for a later crawl, and
                        added to what earlier outputs have; the lines that are removed, for the batches that have them
    WriteRepeatedLines  a batch: repeated_lines/, a file a shard, with the lines that are removed from its pages

These stages come last: only pages that are kept are counted, or the copies of one page would make all of its lines
repeated ones. The other way round (as CCNet has it) would sign and compare texts without what their pages share, but
signatures are made where the text is, at extraction, long before it is known what that is.

A line that every page has would be a partition of its own as large as the crawl. So a batch adds up what it has seen
some HELD_LINES lines at a time, and passes on a count.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypedDict, TypeVar

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsSingleton, PCollection, TaggedOutput

from pipeline.dedup.blocks import (
    BlockGroup,
    BlockPacker,
    DedupJob,
    JoinedBlocks,
    KeyedBlock,
    Made,
    MakeBlocks,
    StageOutputs,
    read_blocks,
    unpack_blocks,
)
from pipeline.dedup.clusters import sort_distinct
from pipeline.dedup.index import fingerprint_file, read_parquet_rows
from pipeline.dedup.index_pages import read_removed_rows, read_shards
from pipeline.dedup.plan import (
    PARTITION_LINES,
    ROW_BITS,
    DocumentShard,
    count_partitions,
    find_partitions,
    rows_of_places,
)
from pipeline.dedup.settings import LinesConfig
from pipeline.dedup.summary import DedupSummary
from pipeline.io.output import Output
from pipeline.io.schemas import REPEATED_LINE
from pipeline.text.line_keys import LineParams, compute_line_keys, hash_string

T = TypeVar("T")
HELD_LINES = 1 << 20  # lines that a batch holds: some 100 MB
NO_PLACE = np.uint64(0xFFFFFFFFFFFFFFFF)  # the place of a page that does not exist
AT_ONCE = 1 << 16  # characters of the texts whose lines are found together, or one text


class PageWithLines(TypedDict):
    """The columns of a page that are read: its text, and what orders it."""

    id: str
    url: str | None
    date: str | None
    text_hash: bytes | None
    site: str | None
    text: str


COLUMNS = list(PageWithLines.__annotations__)

COUNTED = pa.schema(
    [
        ("key", pa.uint64()),
        ("pages", pa.int64()),
        ("order", pa.uint64()),  # the lowest of these pages, and its place
        ("place", pa.uint64()),
    ]
)
FOUND = pa.schema([("place", pa.uint64()), ("key", pa.uint64()), ("start", pa.int32()), ("end", pa.int32())])
INDEX_LINES = pa.schema([("key", pa.uint64()), ("pages", pa.int64())])  # a partition of index/lines/, rising
REPEATED = pa.schema([("key", pa.uint64()), ("pages", pa.int64()), ("keeper", pa.uint64())])


class LinesOfPages(NamedTuple):
    """The lines of some pages, in order: arrays of one length; and how many pages and characters these are."""

    place: np.ndarray
    key: np.ndarray
    start: np.ndarray
    end: np.ndarray
    order: np.ndarray  # `hash_page` of the line's page
    pages: int
    characters: int


def read_line_params(job: DedupJob) -> LineParams:
    """Return how lines are counted."""
    return (job.config.repeated_lines or LinesConfig()).line_params()


def make_line_keys(pages: JoinedBlocks, job: DedupJob, partitions: int) -> Iterator[Made]:
    """Yield the counted keys of the lines of a batch's pages, and under "found" where each line is."""
    packer, counts = BlockPacker(pages[0]), {"pages": 0, "characters": 0, "lines": 0}
    for held in hold_items(find_lines(pages, job, read_line_params(job)), HELD_LINES, lambda some: len(some.key)):
        place, key, start, end, order = (np.concatenate([some[n] for some in held]) for n in range(5))
        found = pa.table([place, key, start, end], schema=FOUND)
        for block in packer.pack(found, np.full(len(key), pages[0]), compress=True):
            yield TaggedOutput("found", block)
        table = add_up_lines(key, np.ones(len(key), np.int64), order, place, once=True)
        yield from packer.pack(table, find_partitions(table["key"].to_numpy(), partitions), compress=True)
        counts["lines"] += len(key)
        counts["pages"] += sum(some.pages for some in held)
        counts["characters"] += sum(some.characters for some in held)
    yield TaggedOutput("summary", DedupSummary(counts={f"lines of {what}": n for what, n in counts.items()}))


def find_lines(pages: JoinedBlocks, job: DedupJob, params: LineParams) -> Iterator[LinesOfPages]:
    """Yield the lines of a batch's pages that are kept, those of some pages at a time."""
    kept = (page for shard in read_shards(pages) for page in read_kept_pages(shard, job, params))
    for some in hold_items(kept, AT_ONCE, lambda page: len(page[1]["text"])):
        salts = [hash_string(page["site"] or "") for _, page in some] if params.scope == "site" else None
        found = compute_line_keys([page["text"] for _, page in some], params, salts)
        yield LinesOfPages(
            place=np.repeat(np.array([place for place, _ in some], np.uint64), found.counts),
            key=found.keys,
            start=found.starts.astype(np.int32),
            end=found.ends.astype(np.int32),
            order=np.repeat(np.array([hash_page(page) for _, page in some], np.uint64), found.counts),
            pages=len(some),
            characters=sum(len(page["text"]) for _, page in some),
        )


def read_kept_pages(shard: DocumentShard, job: DedupJob, params: LineParams) -> Iterator[tuple[int, PageWithLines]]:
    """Yield the place and columns of each page of a shard that is kept and has text, and a site where that matters."""
    removed, first = set(read_removed_rows(job.output, shard.name).tolist()), 0
    with job.output.parquet("documents", f"{shard.name}.parquet") as file:
        for number in range(file.num_row_groups):
            for batch in file.read_row_group(number, columns=COLUMNS).to_batches(max_chunksize=256):
                for row, page in enumerate(batch.to_pylist(), first):
                    if row not in removed and page["text"] and (params.scope == "corpus" or page["site"]):
                        yield shard.number << 32 | row, page
                first += batch.num_rows


def hash_page(page: PageWithLines) -> int:
    """Return the hash by which one page of many keeps a line: of no site's, date's or shard's advantage."""
    return hash_string("\0".join([page["id"], page["url"] or "", page["date"] or "", (page["text_hash"] or b"").hex()]))


def hold_items(items: Iterable[T], most: int, size: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield items in runs of at least a size, but for the last."""
    held: list[T] = []
    done = 0
    for item in items:
        held.append(item)
        done += size(item)
        if done >= most:
            yield held
            held, done = [], 0
    if held:
        yield held


def add_up_lines(key: np.ndarray, pages: np.ndarray, order: np.ndarray, place: np.ndarray, once: bool) -> pa.Table:
    """Return a row a key, sorted: on how many pages it is, and the lowest of them. `once`: a page counts once a key."""
    sort = np.lexsort((place, order, key))
    key, pages, order, place = key[sort], pages[sort], order[sort], place[sort]
    first = np.ones(len(key), bool)
    first[1:] = key[1:] != key[:-1]
    if once:
        pages[1:] = pages[1:] * (first[1:] | (place[1:] != place[:-1]))
    starts = np.flatnonzero(first)
    sums = np.add.reduceat(pages, starts) if len(starts) else pages
    return pa.table([key[starts], sums, order[starts], place[starts]], schema=COUNTED)


def count_lines(group: BlockGroup, job: DedupJob) -> Iterator[Made]:
    """Write how many pages have each line of a partition, and yield those that are removed for the batches."""
    number, blocks = group
    table, params = unpack_blocks(blocks, COUNTED), read_line_params(job)
    key, pages, order, place = (table[name].to_numpy() for name in COUNTED.names)
    every = add_up_lines(key, pages, order, place, once=False)
    path = ("index", "lines", f"{number:05d}.parquet")
    with job.output.table_writer(INDEX_LINES, *path) as index:
        index.table(every.select(INDEX_LINES.names))
    repeated = choose_repeated(every, job, params)
    keys = repeated["key"].to_numpy()
    at = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
    there = keys[at] == key if len(keys) else np.zeros(len(key), bool)
    # A batch may have counted a line more than once; it is told once.
    packed = sort_distinct(job.plan.find_batches(place[there]) << 32 | at[there])
    yield from BlockPacker(number).pack(repeated.take(pa.array(packed & 0xFFFFFFFF)), packed >> 32, compress=True)
    counts = {"lines that differ": every.num_rows, "lines that repeat": len(keys)}
    yield TaggedOutput("summary", DedupSummary(contents=fingerprint_file(job.output, *path), counts=counts))


def choose_repeated(every: pa.Table, job: DedupJob, params: LineParams) -> pa.Table:
    """Return the lines (schema REPEATED) that enough pages have, here and in earlier outputs together."""
    keys, pages, _, keeper = (every[name].to_numpy() for name in COUNTED.names)
    earlier = np.zeros(len(keys), np.int64)
    for root in job.config.previous_outputs:
        earlier += count_earlier_pages(Output(root), keys)
    # What an earlier output has is kept there.
    keeper = np.where((earlier > 0) | (params.keep == "none"), NO_PLACE, keeper)
    repeated = pages + earlier >= params.min_pages
    return pa.table([keys[repeated], (pages + earlier)[repeated], keeper[repeated]], schema=REPEATED)


def count_earlier_pages(output: Output, keys: np.ndarray) -> np.ndarray:
    """Return on how many pages of an earlier output each key is; of rising keys, some of its rows at a time."""
    found = np.zeros(len(keys), np.int64)
    if not len(keys):
        return found
    first, last = find_partitions(keys[[0, -1]], output.read_json("index.json")["lines"]["parts"]).tolist()
    for part in range(first, last + 1):
        with output.parquet("index", "lines", f"{part:05d}.parquet") as file:
            for batch in file.iter_batches(batch_size=HELD_LINES):
                key, pages = batch["key"].to_numpy(), batch["pages"].to_numpy()
                at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
                there = keys[at] == key
                found[at[there]] = pages[there]
    return found


def write_repeated_lines(lines: JoinedBlocks, job: DedupJob) -> Iterator[Made]:
    """Write repeated_lines/ for the shards of a batch."""
    groups = lines[1]
    repeated = unpack_blocks(groups["repeated"], REPEATED)  # partitions rise: sorted by key
    removed = pa.concat_tables(
        [
            FOUND.append(REPEATED.field("pages")).empty_table(),
            *(select_removed_lines(table, repeated) for table in read_blocks(groups["found"])),
        ]
    )
    shard_numbers = removed["place"].to_numpy() >> ROW_BITS
    for shard in read_shards(lines):
        start, stop = np.searchsorted(shard_numbers, [shard.number, shard.number + 1])
        yield TaggedOutput("summary", write_lines_of_shard(shard, removed.slice(start, stop - start), job))


def select_removed_lines(found: pa.Table, repeated: pa.Table) -> pa.Table:
    """Return those of some lines (schema FOUND) that are removed, and on how many pages each is."""
    keys, keeper = repeated["key"].to_numpy(), repeated["keeper"].to_numpy()
    key, place = found["key"].to_numpy(), found["place"].to_numpy()
    at = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
    removed = (keys[at] == key) & (keeper[at] != place) if len(keys) else np.zeros(len(key), bool)
    return found.filter(pa.array(removed)).append_column("pages", repeated["pages"].take(pa.array(at[removed])))


def write_lines_of_shard(shard: DocumentShard, removed: pa.Table, job: DedupJob) -> DedupSummary:
    """Write the removed lines of a shard, and return how much they are."""
    rows, start, end = rows_of_places(removed["place"].to_numpy()), *(removed[n].to_numpy() for n in ("start", "end"))
    ids = [some["id"].combine_chunks() for some in read_parquet_rows(job.output, "index", shard.name, rows, ["id"])]
    columns = [pa.chunked_array(ids, pa.string()), rows, start, end, removed["pages"]]
    with job.output.table_writer(REPEATED_LINE, "repeated_lines", f"{shard.name}.parquet") as writer:
        writer.table(pa.table(columns, schema=REPEATED_LINE))
    counts = {"lines": len(rows), "pages": len(sort_distinct(rows)), "characters": count_covered(rows, start, end)}
    return DedupSummary(counts={f"removed {what}": n for what, n in counts.items()})


def count_covered(rows: np.ndarray, start: np.ndarray, end: np.ndarray) -> int:
    """Return how many characters some spans have together: by page, starts and ends rising, they may overlap."""
    before = np.zeros(len(rows), np.int64)
    before[1:] = np.where(rows[1:] == rows[:-1], end[:-1], 0)
    return int((end - np.maximum(start, before)).sum())


def name_partitions(_: None, partitions: int) -> Iterator[KeyedBlock]:
    """Yield a block without a line for each partition, so that one without lines is counted and written too."""
    packer = BlockPacker(0)
    yield from ((number, packer.pack_one(COUNTED.empty_table())) for number in range(partitions))


def count_line_partitions(lines: int) -> int:
    """Return how many partitions the keys of a number of lines have."""
    return count_partitions(lines, PARTITION_LINES)


def count_index_lines(summary: DedupSummary) -> int:
    """Return how many lines a shard has at most."""
    return summary.counts["index lines"]


@dataclass(eq=False)
class PageLines(beam.PTransform[PCollection[JoinedBlocks], StageOutputs]):
    """PCollection[(batch, {"shards"})] -> "blocks" (counted lines by partition), "found" (by batch), "summary".

    `indexed` is the summaries of the stage Index: the number of lines decides how many partitions there are.
    """

    job: DedupJob
    indexed: PCollection[DedupSummary]

    def expand(self, pages: PCollection[JoinedBlocks]) -> StageOutputs:
        """Count lines batch by batch."""
        lines = self.indexed | "lines" >> beam.Map(count_index_lines) | "sum" >> beam.CombineGlobally(sum)
        partitions = AsSingleton(lines | "partitions" >> beam.Map(count_line_partitions))
        made: StageOutputs = pages | MakeBlocks(
            "line_keys", make_line_keys, self.job, (partitions,), ("found", "summary")
        )
        one = pages.pipeline | "one" >> beam.Create([None])
        every = one | "every partition" >> beam.FlatMap(name_partitions, partitions).with_output_types(KeyedBlock)
        return made | {"blocks": (made["blocks"], every) | beam.Flatten()}


@dataclass(eq=False)
class CountLines(beam.PTransform[PCollection[BlockGroup], StageOutputs]):
    """PCollection[(partition, blocks)] -> "blocks" (lines that are removed, by batch), "summary"."""

    job: DedupJob

    def expand(self, groups: PCollection[BlockGroup]) -> StageOutputs:
        """Count partition by partition."""
        made: StageOutputs = groups | MakeBlocks("repeated", count_lines, self.job)
        return made


@dataclass(eq=False)
class WriteRepeatedLines(beam.PTransform[PCollection[JoinedBlocks], PCollection[DedupSummary]]):
    """PCollection[(batch, {"shards", "found", "repeated"})] -> PCollection[DedupSummary]."""

    job: DedupJob

    def expand(self, lines: PCollection[JoinedBlocks]) -> PCollection[DedupSummary]:
        """Write a batch's files where its lines and their counts meet."""
        made: StageOutputs = lines | MakeBlocks("repeated_lines", write_repeated_lines, self.job)
        return made["summary"]
