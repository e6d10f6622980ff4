"""The publish job's transforms: a plan of ids and sizes (mix.py) is shuffled, the text goes over disk once.

Partition   a documents shard cut on disk, a row group for each corpus shard
Gather      a corpus shard: its row groups, sorted by a hash, written whole
"""

import hashlib
import math
import os
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.io import output as output_module
from pipeline.io.output import WORK, Output
from pipeline.io.schemas import CORPUS, with_topics
from pipeline.publish import extra_sources
from pipeline.publish.decontaminate import masks
from pipeline.publish.line_removal import GoneLines, gone_lines
from pipeline.publish.plan import Planned
from pipeline.text.line_keys import to_remaining_span
from pipeline.text.ngram_index import mask_spans

SOURCE = ["id", "url", "date", "language", "domain", "scores", "text"]
PART = CORPUS.append(pa.field("order", pa.binary(16)))  # a partition's rows: the corpus's, and where they belong
SPILL = PART.append(pa.field("target", pa.int32()))  # the same on the way there
SPLITS = ("train", "validation", "anneal")
Spans = dict[int, list[tuple[int, int]]]  # by row: where characters of its text start and end
HELD_BYTES = 64 << 20  # UTF-8 text of a documents shard held at a time


class Place(NamedTuple):
    """One copy of a page in a corpus shard. `size` is UTF-8 bytes of text."""

    row: int
    order: bytes
    weight: float
    size: int
    topic: str = ""
    topic_score: float = 0.0


def sizes(plan: Planned) -> Iterator[tuple[str, int]]:
    """Yield the bytes that a page adds to each split."""
    yield plan.copies.split, plan.page.size * plan.copies.times
    if plan.copies.anneal:
        yield "anneal", plan.page.size


def shard_counts(size_by_split: dict[str, int], shard_mb: int) -> dict[str, int]:
    """Return how many shards each split has; a split without pages has one, with no rows."""
    return {split: max(1, math.ceil(size_by_split.get(split, 0) / (shard_mb << 20))) for split in SPLITS}


def order_of(seed: int, split: str, page_id: str, copy: int) -> bytes:
    """Return the hash by which a split's rows are ordered and cut into shards."""
    text = f"{seed}\x00{split}\x00{page_id}\x00{copy}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()


def shard_of(order: bytes, shards: int) -> int:
    """Return the shard of a row: equal ranges of the hash."""
    return int.from_bytes(order[:8], "big") * shards >> 64


def partition(
    group: tuple[int, Iterable[Planned]], counts: dict[str, int], names: tuple[str, ...], config: Config, root: str
) -> Iterator[tuple[str, int]]:
    """Write the copies of a documents shard's pages, a row group for each corpus shard, and what was counted.

    Yields (corpus shard, documents shard) for each row group.
    """
    number, plans = group
    output, name = Output(root), names[number]
    plans = sorted(plans, key=lambda plan: plan.page.row)
    targets = placed(plans, counts, config.seed)
    groups = {}
    part, spill = (with_topics(schema, bool(config.weights.topics.model)) for schema in (PART, SPILL))
    with output.table_writer(part, WORK, "publish", f"{name}.parquet") as writer:
        spans = masks(output, name) if config.decontaminate.sets else {}
        for target, table in by_target(output, name, targets, spans, gone_lines(output, name, config.dedup), spill):
            groups[target] = writer.groups
            writer.group(table)
    counts = text_counts(plans) if name.startswith(extra_sources.PREFIX) else page_counts(plans)
    output.write_json({"groups": groups, "counts": counts}, WORK, "publish", f"{name}.json")
    yield from ((target, number) for target in groups)


def placed(plans: Iterable[Planned], counts: dict[str, int], seed: int) -> dict[str, list[Place]]:
    """Return where the copies of pages go, by corpus shard, sorted."""
    targets: dict[str, list[Place]] = {}
    for page, copies, _ in plans:
        for split, copy in [(copies.split, copy) for copy in range(copies.times)] + [("anneal", 0)] * copies.anneal:
            order = order_of(seed, split, page.id, copy)
            target = f"{split}-{shard_of(order, counts[split]):05d}-of-{counts[split]:05d}"
            place = Place(page.row, order, copies.weight, page.size, page.topic, page.topic_score)
            targets.setdefault(target, []).append(place)
    return dict(sorted(targets.items()))


def by_target(
    output: Output,
    name: str,
    targets: dict[str, list[Place]],
    spans: Spans | None = None,
    lines: GoneLines | None = None,
    schema: pa.Schema = SPILL,
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of each corpus shard that come from a documents shard, which may be larger than memory.

    `lines` go from its texts, `spans` of a row's text are masked. Two passes: one over its row groups, which deals
    their rows to files on the worker's own disk, each for as many corpus shards as fit into `HELD_BYTES` of text, then
    one over those files.
    """
    batches = in_memory(targets)
    with tempfile.TemporaryDirectory(prefix="gristmill-") as folder:
        files = [os.path.join(folder, f"{n}.arrow") for n in range(len(batches))]
        with ExitStack() as stack:
            file = stack.enter_context(output.parquet(extra_sources.folder(name), f"{name}.parquet"))
            spills = [stack.enter_context(pa.ipc.new_file(path, schema)) for path in files]
            for first, table in row_groups(file, spans or {}, lines) if batches else ():
                for spill, batch in zip(spills, batches, strict=True):
                    some = rows_for(table, first, {target: targets[target] for target in batch}, schema)
                    if some.num_rows:
                        spill.write_table(some)
        for path, batch in zip(files, batches, strict=True):
            with pa.ipc.open_file(path) as spilled:
                held = spilled.read_all()
            for place, target in enumerate(batch):
                rows = held.filter(pc.equal(held.column("target"), place))
                yield target, rows.drop_columns(["target"])


def in_memory(targets: dict[str, list[Place]]) -> list[list[str]]:
    """Cut the corpus shards into runs of at most `HELD_BYTES` of text, one at least each."""
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


def row_groups(file: pq.ParquetFile, spans: Spans, lines: GoneLines | None = None) -> Iterator[tuple[int, pa.Table]]:
    """Yield the number of the first row and the columns of each row group of a documents shard, its texts edited."""
    first, losing = 0, set(lines.rows.tolist()) if lines else set()
    for number in range(file.num_row_groups):
        table = file.read_row_group(number, columns=SOURCE)
        mine = [row for row in range(first, first + table.num_rows) if row in spans or row in losing]
        if mine:
            texts = table.column("text").to_pylist()
            for row in mine:
                texts[row - first] = edited(texts[row - first], row, spans, lines)
            table = table.set_column(table.schema.get_field_index("text"), "text", pa.array(texts, pa.string()))
        yield first, table
        first += table.num_rows


def edited(text: str, row: int, spans: Spans, lines: GoneLines | None) -> str:
    """Return a row's text without the lines that go, and with its spans masked."""
    left, mine = lines.left(row, text) if lines else None, spans.get(row, [])
    if left:
        text, mine = left.text, [to_remaining_span(left.pieces, *span) for span in mine]
    return mask_spans(text, mine) if mine else text


def rows_for(table: pa.Table, first: int, batch: dict[str, list[Place]], schema: pa.Schema) -> pa.Table:
    """Return the rows of a row group that go to a batch's corpus shards, each with the shard's number in the batch."""
    wanted = []
    for number, places in enumerate(batch.values()):  # sorted by row: the row group's are a run of them
        start, end = (bisect_left(places, (row,)) for row in (first, first + table.num_rows))
        wanted += [(place, number) for place in places[start:end]]
    part = table.take(pa.array([place.row - first for place, _ in wanted], pa.int64()))
    columns = {column: part.column(column) for column in SOURCE if column != "scores"}
    columns["quality"] = pc.struct_field(part.column("scores"), "quality")
    columns["weight"] = pa.array([place.weight for place, _ in wanted], pa.float32())
    columns["order"] = pa.array([place.order for place, _ in wanted], pa.binary(16))
    columns["target"] = pa.array([number for _, number in wanted], pa.int32())
    columns["topic"] = pa.array([place.topic for place, _ in wanted], pa.string())
    columns["topic_score"] = pa.array([place.topic_score for place, _ in wanted], pa.float32())
    return pa.table({field.name: columns[field.name] for field in schema}).cast(schema)


def page_counts(plans: Iterable[Planned]) -> dict[str, Any]:
    """Count a documents shard's pages by what became of them, and the mix: pages, bytes before, wanted, in train."""
    held: Counter[str] = Counter()
    published: Counter[str] = Counter({"train": 0, "validation": 0, "anneal": 0})
    repeated: Counter[str] = Counter()
    mixture: dict[str, dict[str, list[int]]] = {"domain": {}, "language": {}, "quality": {}}
    by_language: dict[str, dict[str, dict[str, list[int]]]] = {"domain": {}, "quality": {}}
    for plan in plans:
        page, copies = plan.page, plan.copies
        if copies.held_out:
            held[copies.held_out] += 1
        else:
            published[copies.split] += 1
            repeated["train"] += copies.times - 1
            repeated["anneal"] += copies.anneal
        train = copies.split == "train"
        # Wanted bytes are rounded page by page: a sum of whole numbers does not depend on its order.
        sums = (1, page.size, round(page.size * copies.target) * train, page.size * copies.times * train)
        name = "unscored" if plan.bucket is None else f"bucket {plan.bucket + 1}"
        for kind, key in (("domain", page.domain), ("language", page.language), ("quality", name)):
            add(mixture[kind].setdefault(key, [0] * len(sums)), sums)
            if kind != "language":  # a token's bytes differ by language, so what is told in tokens needs both
                languages = by_language[kind].setdefault(key, {})
                add(languages.setdefault(page.language, [0] * (len(sums) - 1)), sums[1:])
    counts = {"held_out": held, "published": published, "repeated": repeated}
    return counts | {"mixture": mixture, "by_language": by_language}


def text_counts(plans: Iterable[Planned]) -> dict[str, Any]:
    """Count a clean source's texts by what became of them; bytes: left after decontamination, wanted, in anneal."""
    held: Counter[str] = Counter()
    counts: dict[str, Any] = {"texts": 0, "published": 0, "repeated": 0, "bytes": [0, 0, 0]}
    for page, copies, _ in plans:
        counts["texts"] += 1
        if copies.held_out:
            held[copies.held_out] += 1
        else:
            counts["published"] += 1
            counts["repeated"] += copies.times - 1
        add(counts["bytes"], (page.size, round(page.size * copies.target), page.size * copies.times))
    return counts | {"held_out": held}


def add(sums: list[int], more: Iterable[int]) -> None:
    """Add numbers to sums, place by place."""
    for place, n in enumerate(more):
        sums[place] += n


def gather(group: tuple[str, Iterable[int]], names: tuple[str, ...], config: Config, root: str) -> str:
    """Write one corpus shard: its row groups of every partition, in the order of the hash."""
    target, numbers = group
    output = Output(root)
    parts = []
    for number in sorted(numbers):
        if number < 0:  # the mark of a shard that must exist even without rows
            continue
        place = output.read_json(WORK, "publish", f"{names[number]}.json")["groups"][target]
        with output.parquet(WORK, "publish", f"{names[number]}.parquet") as file:
            parts.append(file.read_row_group(place))
    split = target.partition("-")[0]
    schema = with_topics(CORPUS, bool(config.weights.topics.model))
    with output.table_writer(schema, "corpus", split, f"{target}.parquet") as writer:
        for table in in_order(parts):
            writer.group(table.drop_columns(["order"]))
    return target


def in_order(parts: list[pa.Table]) -> Iterator[pa.Table]:
    """Yield the parts' rows in the order of the hash, a row group at a time: a sorted copy would double the memory.

    The groups' length depends on the rows alone, not on how they lie in the parts.
    """
    if not parts:
        return
    whole = pa.concat_tables(parts)  # a view; taking rows of it would copy a whole column
    keys = [(name, "ascending") for name in ("order", "url", "date", "text")]
    places = pc.sort_indices(whole, sort_keys=keys).to_numpy().astype(np.int64)
    rows = max(
        1, whole.num_rows * output_module.ROW_GROUP_BYTES // max(1, pc.sum(pc.binary_length(whole["text"])).as_py())
    )
    first_rows = np.cumsum([0, *(part.num_rows for part in parts)])
    for start in range(0, whole.num_rows, rows):
        order = np.argsort(places[start : start + rows])
        rising = places[start : start + rows][order]
        cuts = np.searchsorted(rising, first_rows)
        spans = zip(parts, first_rows, cuts, cuts[1:], strict=False)
        some = pa.concat_tables([part.take(pa.array(rising[a:b] - first)) for part, first, a, b in spans if b > a])
        yield some.take(pa.array(np.argsort(order)))
