"""The dedup job's steps for repeated lines (`dedup.repeated_lines`): lines that many pages have go, and the pages stay.

    lines.keys    a block of shards: the keys of its pages' lines, cut by ranges of the key; and where each line is
    lines.groups  a range of keys: on how many pages each is, written into index/lines/ for a later crawl, and added to
                  what is there of earlier outputs; those of the lines that go, for the blocks that have them
    lines.write   a block: repeated_lines/, a file a shard, with the lines that go from its pages

They come last: only pages that stay are counted, or the copies of one page would make all of its lines repeated ones.
The other way round (as CCNet has it) would sign and compare texts without what their pages share, but signatures are
made where the text is, at extraction, long before it is known what that is.

A line that every page has would be a range of its own as large as the crawl. So a block's task adds up what it has seen
some `HELD` lines at a time, and passes on a count.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from pipeline.dedup import shuffle
from pipeline.dedup.clusters import distinct
from pipeline.dedup.index import digest
from pipeline.dedup.tasks import FOLDER, ROW_BITS, Job, dropped_rows, part_of, rows_of, within
from pipeline.io.output import Output
from pipeline.io.schemas import REPEATED_LINE
from pipeline.text.line_keys import LineParams, compute_line_keys, hash_string

T = TypeVar("T")
HELD = 1 << 20  # lines that a block's task holds: some 100 MB
NOWHERE = np.uint64(0xFFFFFFFFFFFFFFFF)  # the place of a page that does not exist
AT_ONCE = 1 << 16  # characters of the texts whose lines are found together, or one text
COLUMNS = ["id", "url", "date", "text_hash", "site", "text"]

COUNTED = pa.schema(
    [
        ("key", pa.uint64()),
        ("pages", pa.int64()),
        ("order", pa.uint64()),  # the lowest of these pages, and its place
        ("place", pa.uint64()),
    ]
)
FOUND = pa.schema([("place", pa.uint64()), ("key", pa.uint64()), ("start", pa.int32()), ("end", pa.int32())])
INDEX = pa.schema([("key", pa.uint64()), ("pages", pa.int64())])  # a range of keys of index/lines/, rising
GOES = pa.schema([("key", pa.uint64()), ("pages", pa.int64()), ("keeper", pa.uint64())])


def keys(job: Job, block: int) -> dict[str, Any]:
    """Write the keys of the lines of a block's pages that stay, and where each line is. Returns how many there are."""
    params = job.lines
    counts = {"pages": 0, "characters": 0, "lines": 0}
    found_in = (*FOLDER, "lines.found", f"{block:05d}")
    with (
        job.cut("lines.keys", block, COUNTED) as counted,
        shuffle.cut(job.output, found_in, 0, FOUND, compress=True) as found,
    ):
        for held in in_batches(lines_of(job, block, params, counts), HELD, lambda some: len(some[0])):
            place, key, start, end, order = (np.concatenate(column) for column in zip(*held, strict=True))
            found.put(pa.table([place, key, start, end], schema=FOUND), (place >> ROW_BITS).astype(np.int64))
            table = added_up(key, np.ones(len(key), np.int64), order, place, once=True)
            counted.put(table, part_of(table["key"].to_numpy(), job.plan["parts"]["lines"]))
    return counts


def lines_of(job: Job, block: int, params: LineParams, counts: dict[str, int]) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield (place, key, start, end, order) of the lines of some pages that stay at a time, and count them."""
    for pages in in_batches(staying(job, block, params), AT_ONCE, lambda page: len(page[1]["text"])):
        salts = [hash_string(page["site"]) for _, page in pages] if params.scope == "site" else None
        found = compute_line_keys([page["text"] for _, page in pages], params, salts)
        place = np.repeat(np.array([place for place, _ in pages], np.uint64), found.counts)
        order = np.repeat(np.array([order_of(page) for _, page in pages], np.uint64), found.counts)
        counts["pages"] += len(pages)
        counts["characters"] += sum(len(page["text"]) for _, page in pages)
        counts["lines"] += len(found.keys)
        yield place, found.keys, found.starts.astype(np.int32), found.ends.astype(np.int32), order


def staying(job: Job, block: int, params: LineParams) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the place and columns of each page of a block that stays and has text, and a site where that matters."""
    for shard in job.shards_of(block):
        name, first = job.shards[shard].name, 0
        gone = set(dropped_rows(job.output, name).tolist())
        with job.output.parquet("documents", f"{name}.parquet") as file:
            for number in range(file.num_row_groups):
                for batch in file.read_row_group(number, columns=COLUMNS).to_batches(max_chunksize=256):
                    for row, page in enumerate(batch.to_pylist(), first):
                        if row not in gone and page["text"] and (params.scope == "corpus" or page["site"]):
                            yield shard << 32 | row, page
                    first += batch.num_rows


def order_of(page: dict[str, Any]) -> int:
    """Return the hash by which one page of many keeps a line: of no site's, date's or shard's advantage."""
    return hash_string("\0".join([page["id"], page["url"] or "", page["date"] or "", (page["text_hash"] or b"").hex()]))


def in_batches(items: Iterable[T], most: int, size: Callable[[T], int]) -> Iterator[list[T]]:
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


def added_up(key: np.ndarray, pages: np.ndarray, order: np.ndarray, place: np.ndarray, once: bool) -> pa.Table:
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


def groups(job: Job, part: int) -> dict[str, Any]:
    """Say which lines of a range of keys go, to the blocks that have them; and in which page one stays, if it does."""
    writers = sum(task.number >= 0 for task in job.tasks("lines.keys"))
    table = job.gathered("lines.keys", writers, part, COUNTED)
    key, pages, order, place = (table[name].to_numpy() for name in COUNTED.names)
    every = added_up(key, pages, order, place, once=False)
    path = ("index", "lines", f"{part:05d}.parquet")
    with job.output.table_writer(INDEX, *path) as index:
        index.table(every.select(INDEX.names))
    goes, pages, _, keeper = (every[name].to_numpy() for name in COUNTED.names)
    earlier = np.zeros(len(goes), np.int64)
    for root in job.config.previous_outputs:
        earlier += earlier_pages(Output(root), goes)
    # What an earlier output has stays there.
    keeper = np.where((earlier > 0) | (job.lines.keep == "none"), NOWHERE, keeper)
    repeated = pages + earlier >= job.lines.min_pages
    goes, pages, keeper = goes[repeated], (pages + earlier)[repeated], keeper[repeated]
    at = np.minimum(np.searchsorted(goes, key), max(len(goes) - 1, 0))
    there = goes[at] == key if len(goes) else np.zeros(len(key), bool)
    # A block may have counted a line more than once; it is told once.
    packed = distinct(job.blocks(place[there]) << 32 | at[there])
    at = packed & 0xFFFFFFFF
    with job.cut("lines.goes", part, GOES) as writer:
        writer.put(pa.table([goes[at], pages[at], keeper[at]], schema=GOES), packed >> 32)
    return {"different": every.num_rows, "repeated": len(goes), "content": digest(job.output, *path)}


def earlier_pages(output: Output, keys: np.ndarray) -> np.ndarray:
    """Return on how many pages of an earlier output each key is; of rising keys, some of its rows at a time."""
    found = np.zeros(len(keys), np.int64)
    if not len(keys):
        return found
    first, last = part_of(keys[[0, -1]], output.read_json("index.json")["lines"]["parts"]).tolist()
    for part in range(first, last + 1):
        with output.parquet("index", "lines", f"{part:05d}.parquet") as file:
            for batch in file.iter_batches(batch_size=HELD):
                key, pages = batch["key"].to_numpy(), batch["pages"].to_numpy()
                at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
                there = keys[at] == key
                found[at[there]] = pages[there]
    return found


def write(job: Job, block: int) -> dict[str, Any]:
    """Write repeated_lines/ for the shards of a block. Returns how much goes."""
    goes = job.gathered("lines.goes", job.plan["parts"]["lines"], block, GOES)  # ranges rise: sorted by key
    keys, keeper = goes["key"].to_numpy(), goes["keeper"].to_numpy()
    counts = {"lines": 0, "pages": 0, "characters": 0}
    for shard in job.shards_of(block):
        found_in, name = (*FOLDER, "lines.found", f"{block:05d}"), job.shards[shard].name
        lines = shuffle.gathered(job.output, found_in, 1, shard, FOUND)
        key, place = lines["key"].to_numpy(), lines["place"].to_numpy()
        at = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
        gone = (keys[at] == key) & (keeper[at] != place) if len(keys) else np.zeros(len(key), bool)
        some = lines.filter(pa.array(gone))
        rows, start, end = rows_of(place[gone]), some["start"].to_numpy(), some["end"].to_numpy()
        ids = [found["id"].take(pa.array(here - first)) for first, found, here in within(job, shard, rows, ["id"])]
        columns = [pa.chunked_array(ids, pa.string()), rows, start, end, goes["pages"].take(pa.array(at[gone]))]
        with job.output.table_writer(REPEATED_LINE, "repeated_lines", f"{name}.parquet") as writer:
            writer.table(pa.table(columns, schema=REPEATED_LINE))
        counts["lines"] += len(rows)
        counts["pages"] += len(distinct(rows))
        counts["characters"] += covered(rows, start, end)
    return counts


def covered(rows: np.ndarray, start: np.ndarray, end: np.ndarray) -> int:
    """Return how many characters some spans have together: by page, starts and ends rising, they may overlap."""
    before = np.zeros(len(rows), np.int64)
    before[1:] = np.where(rows[1:] == rows[:-1], end[:-1], 0)
    return int((end - np.maximum(start, before)).sum())
