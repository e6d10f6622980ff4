"""The dedup job's steps and their tasks: what each reads and writes; duplicates by URL and by text are found here.

    index                               documents/ -> index/: keys and what ranks a page, a task a shard
    plan                                how the rest is cut, from the number of pages alone
    url.keys, exact.keys, near.keys     a block of shards: its pages' keys, cut by ranges of the key
    url.groups, exact.groups            a range of keys: of the pages with one key the preferred one stays
    near.buckets ... near.settle        see dedup_near.py
    exact.resolve, url.resolve          a block: those of its pages that others name and that went later are replaced
    write                               a block: duplicates/, a file a shard
    lines.keys ... lines.write          see dedup_lines.py

A page is known by its place, shard << 32 | row. Only keys and places pass between tasks, and what ranks a page where it
has a copy. Every task holds a bounded part, whatever the crawl's size; what it writes depends on its number alone.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dedup import shuffle
from pipeline.dedup.clusters import runs
from pipeline.dedup.index import (
    RANK,
    check_index,
    digest,
    fixed_bytes,
    index_rows,
    sort_keys,
    write_index,
)
from pipeline.dedup.settings import DedupConfig, LinesConfig
from pipeline.io.output import WORK, Output
from pipeline.io.schemas import DUPLICATE
from pipeline.text.line_keys import LineParams

FOLDER = (WORK, "dedup")
BLOCK_ROWS = 1 << 16  # pages of a block, which is whole shards; more where there would be more than MOST_BLOCKS
MOST_BLOCKS = 256
ROWS_AT_ONCE = 1 << 17  # pages whose keys a task holds: with 14 bands some 100 MB while they are sorted
GROUP_ROWS = 1 << 19  # pages with their ranks in a range of keys by URL or text: some 300 MB
BUCKET_KEYS = 1 << 22  # band keys in a range of them: some 250 MB while they are sorted
LINE_KEYS = 1 << 21  # lines in a range of their keys, fewer where a block has one often: some 300 MB
LARGE = 100  # pages; clusters above it are named in the report
MOST_NAMED = 1000  # of them
ROW_BITS = np.uint64(32)

KINDS = ("url", "exact")
VERDICT = pa.schema(
    [
        ("page", pa.uint64()),  # place
        ("kept", pa.uint64()),  # place
        ("kept_id", pa.string()),
        ("similarity", pa.float64()),
        ("cluster", pa.string()),
    ]
)
KEYED = pa.schema([("place", pa.uint64()), ("key", pa.binary(16)), *RANK.items()])
PLACE = pa.schema([("page", pa.uint64())])


class Task(NamedTuple):
    """One of a step's tasks. -1 is the task of a step that has none: nothing is done."""

    step: str
    number: int


class Shard(NamedTuple):
    """A documents shard, of this output ("") or of an earlier one."""

    root: str
    name: str
    rows: int


class Job:
    """What every task of one dedup job needs: where it works, its settings, and the plan once it is made."""

    def __init__(self, root: str, config: DedupConfig):
        """Work in the output `root`, in which the job was begun (`begin`)."""
        self.output, self.config, self.params = Output(root), config, config.minhash_params()
        self.kinds = [kind for kind in KINDS if getattr(config, kind)]

    @cached_property
    def lines(self) -> LineParams:
        """How lines are counted, where they are."""
        return (self.config.repeated_lines or LinesConfig()).line_params()

    @cached_property
    def names(self) -> list[str]:
        """The shards of this output."""
        return self.output.read_json(*FOLDER, "job.json")["names"]

    @cached_property
    def plan(self) -> dict[str, Any]:
        """What the step `plan` wrote."""
        return self.output.read_json(*FOLDER, "plan.json")

    @cached_property
    def shards(self) -> list[Shard]:
        """Every shard by number, those of this output first."""
        return [Shard(*shard) for shard in self.plan["shards"]]

    @cached_property
    def block_of_shard(self) -> np.ndarray:
        """The block of each shard."""
        return np.repeat(np.arange(len(self.plan["blocks"])), np.diff([0, *self.plan["blocks"]]))

    @property
    def first_old(self) -> int:
        """The first place of a page of an earlier output."""
        return len(self.names) << 32

    def old(self, places: np.ndarray) -> np.ndarray:
        """Return which places are of earlier outputs."""
        return places >= np.uint64(self.first_old)

    def blocks(self, places: np.ndarray) -> np.ndarray:
        """Return the block of each place."""
        return self.block_of_shard[(places >> ROW_BITS).astype(np.int64)]

    def shards_of(self, block: int) -> range:
        """Return the numbers of a block's shards."""
        return range(([0, *self.plan["blocks"]])[block], self.plan["blocks"][block])

    def source(self, shard: int) -> Output:
        """Return the output that a shard is in."""
        return Output(self.shards[shard].root) if self.shards[shard].root else self.output

    def steps(self) -> list[str]:
        """Return the names of the steps, in order."""
        copies = [f"{kind}.{part}" for kind in self.kinds for part in ("keys", "groups")]
        near = [f"near.{part}" for part in ("keys", "buckets", "components", "sets", "settle")] * self.config.near
        lines = [f"lines.{part}" for part in ("keys", "groups", "write")] * (self.config.repeated_lines is not None)
        resolve = [f"{kind}.resolve" for kind in reversed(self.kinds)]
        return ["index", "plan", *copies, *near, *resolve, "write", *lines]

    def tasks(self, step: str) -> list[Task]:
        """Return a step's tasks; the steps before it are done."""
        kind, _, part = step.partition(".")
        if step in ("plan", "near.components"):
            count = 1
        elif step == "index":
            count = len(self.names)
        elif step in ("write", "lines.keys", "lines.write"):
            count = len(set(self.block_of_shard[: len(self.names)].tolist()))
        elif part in ("groups", "buckets"):
            count = self.plan["parts"][kind]
        elif part == "settle":
            count = self.output.read_json(*FOLDER, "homes.json")["homes"]
        else:
            count = len(self.plan["blocks"])
        return [Task(step, n) for n in range(count)] or [Task(step, -1)]

    def cut(self, name: str, number: int, schema: pa.Schema, compress: bool = True) -> Any:
        """Open what a task writes for the tasks of a later step."""
        return shuffle.cut(self.output, (*FOLDER, name), number, schema, compress)

    def gathered(self, name: str, writers: int, reader: int, schema: pa.Schema) -> pa.Table:
        """Return what the tasks of an earlier step wrote for one."""
        return shuffle.gathered(self.output, (*FOLDER, name), writers, reader, schema)

    def gone(self, block: int, kinds: Sequence[str]) -> np.ndarray:
        """Return the places of a block's pages that went in earlier passes."""
        parts = [self.gathered(f"{k}.gone", self.plan["parts"][k], block, PLACE)["page"].to_numpy() for k in kinds]
        return np.concatenate([np.zeros(0, np.uint64), *parts])

    def pages(self, block: int, columns: list[str], before: Sequence[str]) -> Iterator[tuple[np.ndarray, pa.Table]]:
        """Yield (places, columns of the index) of a block's pages that are still there after the passes before."""
        gone = self.gone(block, before)
        held: list[tuple[np.ndarray, pa.Table]] = []
        for shard in self.shards_of(block):
            source = self.source(shard)
            dropped = dropped_rows(source, self.shards[shard].name) if self.shards[shard].root else None
            for first, table in index_rows(source, self.shards[shard].name, columns):
                rows = np.arange(first, first + table.num_rows)
                places = rows.astype(np.uint64) + (np.uint64(shard) << ROW_BITS)
                stays = ~np.isin(places, gone) if dropped is None else ~np.isin(rows, dropped)
                held.append((places[stays], table.filter(pa.array(stays))))
                if sum(len(some) for some, _ in held) >= ROWS_AT_ONCE:
                    yield together(held)
                    held = []
        if held:
            yield together(held)


def together(parts: list[tuple[np.ndarray, pa.Table]]) -> tuple[np.ndarray, pa.Table]:
    """Return parts as one."""
    return np.concatenate([places for places, _ in parts]), pa.concat_tables([table for _, table in parts])


def rows_of(places: np.ndarray) -> np.ndarray:
    """Return the row of each place in its shard."""
    return (places & np.uint64(0xFFFFFFFF)).astype(np.int64)


def dropped_rows(output: Output, name: str) -> np.ndarray:
    """Return the rows of an output's documents shard that are duplicates."""
    with output.parquet("duplicates", f"{name}.parquet") as file:
        return file.read(columns=["row"]).column("row").to_numpy()


def done(task: Task) -> tuple[str, ...]:
    """Return the path of the file whose existence says that a task is done; it holds what the task counted."""
    return (*FOLDER, "done", f"{task.step}-{task.number:05d}.json")


def index(job: Job, number: int) -> dict[str, Any]:
    """Write the index of a shard."""
    return write_index(job.output, job.names[number], job.config)


def plan(job: Job, number: int) -> dict[str, Any]:
    """Cut the shards into blocks, and the keys into ranges."""
    shards = []
    for root in ("", *job.config.previous_outputs):
        output = Output(root) if root else job.output
        for name in check_index(output, job.config) if root else job.names:
            with output.parquet("index", f"{name}.parquet") as file:
                shards.append([root, name, file.metadata.num_rows])
    pages = sum(rows for _, _, rows in shards)
    block_rows, ends, held = max(BLOCK_ROWS, pages // MOST_BLOCKS), [], 0
    for number, (root, _, rows) in enumerate(shards):
        if number and (held + rows > block_rows or root != shards[number - 1][0]):
            ends.append(number)
            held = 0
        held += rows
    ends += [len(shards)] * bool(shards)
    copies = max(1, -(-pages // GROUP_ROWS))
    parts = {"url": copies, "exact": copies, "near": max(1, -(-pages * job.params.bands // BUCKET_KEYS))}
    if job.config.repeated_lines:
        lines = sum(job.output.read_json(*done(task))["lines"] for task in job.tasks("index") if task.number >= 0)
        parts["lines"] = max(1, -(-lines // LINE_KEYS))
    job.output.write_json({"shards": shards, "blocks": ends, "parts": parts}, *FOLDER, "plan.json")
    return {"pages": pages}


def part_of(keys: np.ndarray, parts: int) -> np.ndarray:
    """Return the range that each key is in: equal ranges of its upper half."""
    return ((keys >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.int64)


def keys(kind: str, job: Job, block: int) -> dict[str, Any]:
    """Write the pages of a block by their key of one kind: canonical URL or text."""
    column = {"url": "url_key", "exact": "text_hash"}[kind]
    before = job.kinds[: job.kinds.index(kind)]
    rank = [name for name in RANK if name != "old"]
    with job.cut(f"{kind}.keys", block, KEYED) as writer:
        for places, found in job.pages(block, [*{*rank, column}], before):
            there = found[column].is_valid()
            places, found = places[there.to_numpy()], found.filter(there)
            columns = {"place": pa.array(places), "key": found[column], "old": pa.array(job.old(places))}
            columns |= {name: found[name] for name in rank}
            table = pa.table([columns[name] for name in KEYED.names], schema=KEYED)
            writer.put(table, part_of(fixed_bytes(table["key"], 16)[:, 0], job.plan["parts"][kind]))
    return {}


def groups(kind: str, job: Job, part: int) -> dict[str, Any]:
    """Let one of the pages with an equal key stay; the others go."""
    table = job.gathered(f"{kind}.keys", len(job.plan["blocks"]), part, KEYED)
    both = fixed_bytes(table["key"], 16)
    order = np.lexsort((both[:, 1], both[:, 0]))
    numbers = np.cumsum(np.any(np.diff(both[order], axis=0, prepend=0), axis=1))  # equal keys, equal number
    starts, lengths = runs(numbers)
    # Of a group the pages of this output come first: a group that starts with an earlier one's has none of ours.
    new = ~job.old(table["place"].to_numpy()[order[starts]])
    starts, lengths = starts[new], lengths[new]
    group = np.repeat(np.arange(len(starts)), lengths)
    offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]])[: len(starts)], lengths)
    members = table.take(pa.array(order[offsets + np.arange(len(group))])).append_column("group", pa.array(group))
    first_of = np.flatnonzero(np.diff(group, prepend=-1))
    by_rank = pc.sort_indices(
        members, sort_keys=[("group", "ascending"), *sort_keys("url" if kind == "url" else job.config.keep_policy)]
    )
    by_id = pc.sort_indices(members, sort_keys=[("group", "ascending"), ("id", "ascending")])
    kept = members.take(by_rank.take(pa.array(first_of)))
    cluster = members["id"].take(by_id.take(pa.array(first_of)))
    ranked = members.take(by_rank)
    goes = ~ranked["old"].to_numpy()
    goes[first_of] = False
    own = pa.array(group[goes])
    similarity = pa.nulls(len(own), pa.float64()) if kind == "url" else pa.repeat(pa.scalar(1.0), len(own))
    columns = [ranked["place"].filter(pa.array(goes)), kept["place"].take(own), kept["id"].take(own), similarity]
    verdicts = pa.table([*columns, cluster.take(own)], schema=VERDICT)
    write_verdicts(job, kind, part, verdicts)
    with job.cut(f"{kind}.gone", part, PLACE, compress=False) as writer:
        writer.put(verdicts.select(["page"]), job.blocks(verdicts["page"].to_numpy()))
    sizes = np.bincount(group[goes], minlength=len(starts)) + 1
    return {"drops": int(goes.sum()), **cluster_counts(kind, sizes[sizes > 1], cluster.filter(pa.array(sizes > 1)))}


def cluster_counts(kind: str, sizes: np.ndarray, names: pa.Array) -> dict[str, Any]:
    """Return how many clusters there are, and which are the largest."""
    large = np.flatnonzero(sizes > LARGE)
    named = [[kind, names[int(n)].as_py(), int(sizes[n])] for n in large]
    return {
        "clusters": len(sizes),
        "largest": sorted(sizes.tolist(), reverse=True)[:10],
        "large": sorted(named, key=by_size)[:MOST_NAMED],
    }


def by_size(named: Sequence[Any]) -> tuple[Any, ...]:
    """Return a key that sorts [kind, cluster, pages] from the largest."""
    return -named[2], named[0], named[1]


def write_verdicts(job: Job, name: str, number: int, verdicts: pa.Table) -> None:
    """Write verdicts for the blocks of the pages that they keep, where it is known whether those stay."""
    with job.cut(f"{name}.kept", number, VERDICT) as writer:
        writer.put(verdicts, job.blocks(verdicts["kept"].to_numpy()))


def resolve(kind: str, job: Job, block: int) -> dict[str, Any]:
    """Replace the pages of a block that are named as kept and went in a later pass by those that stay for them."""
    verdicts = job.gathered(f"{kind}.kept", job.plan["parts"][kind], block, VERDICT)
    later = pa.concat_tables(final(job, name, block) for name in [*job.kinds[job.kinds.index(kind) + 1 :], "near"])
    found = replaced(verdicts, later, kind == "exact")
    with job.cut(f"{kind}.final", block, VERDICT) as writer:
        writer.put(found, job.blocks(found["page"].to_numpy()))
    return {}


def final(job: Job, kind: str, block: int) -> pa.Table:
    """Return the verdicts of a pass on a block's pages, each of which names a page that stays."""
    if kind == "near" and not job.config.near:
        return VERDICT.empty_table()
    writers = len(job.tasks("near.settle")) if kind == "near" else len(job.plan["blocks"])
    return job.gathered(f"{kind}.final", writers, block, VERDICT)


def replaced(verdicts: pa.Table, later: pa.Table, similar: bool) -> pa.Table:
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


def write(job: Job, block: int) -> dict[str, Any]:
    """Write duplicates/ for the shards of a block. Returns how many of each kind each has."""
    parts = []
    for kind in (*job.kinds, "near"):
        verdicts = final(job, kind, block)
        parts.append(verdicts.append_column("kind", pa.repeat(pa.scalar(kind), verdicts.num_rows)))
    table = pa.concat_tables([VERDICT.append(pa.field("kind", pa.string())).empty_table(), *parts]).sort_by("page")
    pages = table["page"].to_numpy()
    counts: dict[str, dict[str, int]] = {}
    contents: dict[str, str] = {}
    for shard in job.shards_of(block):
        name = job.shards[shard].name
        start, stop = np.searchsorted(pages, [np.uint64(shard << 32), np.uint64((shard + 1) << 32)])
        some = table.slice(start, stop - start)
        rows = rows_of(pages[start:stop])
        ids = [found["id"].take(pa.array(here - first)) for first, found, here in within(job, shard, rows, ["id"])]
        roots = [job.shards[n].root or None for n in (some["kept"].to_numpy() >> ROW_BITS).tolist()]
        columns = {"id": pa.chunked_array(ids, pa.string()), "row": pa.array(rows)}
        columns |= {"kept_in": pa.array(roots, pa.string())}
        columns |= {key: some[key] for key in ("kept_id", "kind", "similarity", "cluster")}
        with job.output.table_writer(DUPLICATE, "duplicates", f"{name}.parquet") as writer:
            writer.table(
                pa.table([columns[key].cast(DUPLICATE.field(key).type) for key in DUPLICATE.names], DUPLICATE.names)
            )
        found = {kind: 0 for kind in ("url", "exact", "near")}
        for kind in some["kind"].to_pylist():
            found[kind] += 1
        counts[name] = found
        contents |= digest(job.output, "duplicates", f"{name}.parquet")
    return {"files": counts, "content": contents}


def within(job: Job, shard: int, rows: np.ndarray, columns: list[str]) -> Iterator[tuple[int, pa.Table, np.ndarray]]:
    """Yield (first row, columns, which of the sorted `rows`) for each row group of a shard's index that has any."""
    for first, table in index_rows(job.source(shard), job.shards[shard].name, columns):
        start, stop = np.searchsorted(rows, [first, first + table.num_rows])
        if stop > start:
            yield first, table, rows[start:stop]
