"""The dedup job's steps for near duplicates.

    near.keys        a block of shards: the keys of its pages' bands, cut by ranges of the key
    near.buckets     a range of keys: pages that share one are linked
    near.components  all links: the connected components, each given a home
    near.sets        a block: the shingles of its pages that are in a component, cut by home. Texts are read here, each
                     once, in the order in which they lie, and never again
    near.settle      a home: pairs confirmed by their exact Jaccard, the clusters of these, and who stays

Components of candidates and not pairs of them decide what is compared where: a page is in one component, so that its
shingles go to one place, and all that decides about it is there.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dedup import shuffle
from pipeline.dedup.clusters import clusters, joined, runs
from pipeline.dedup.index import RANK, fixed_bytes, sort_keys
from pipeline.dedup.tasks import (
    FOLDER,
    MOST_NAMED,
    ROW_BITS,
    VERDICT,
    Job,
    by_size,
    cluster_counts,
    part_of,
    rows_of,
    within,
)
from pipeline.text.minhash import MinHashParams, hash_word_runs, jaccard_similarity
from pipeline.text.tokenize.shingle_words import hash_shingle_words

HOME_PAGES = 1 << 14  # pages of a home, more where one component has more: with 800 words a page some 100 MB
SET_BYTES = 32 << 20  # shingles that a block's task holds before they are written

BAND = pa.schema([("key", pa.uint64()), ("place", pa.uint64())])
LINK = pa.schema([("a", pa.uint64()), ("b", pa.uint64())])
MEMBER = pa.schema([("place", pa.uint64()), ("component", pa.int64()), ("home", pa.int64())])


def keys(job: Job, block: int) -> dict[str, Any]:
    """Write the keys of the bands of a block's pages."""
    parts, entries = job.plan["parts"]["near"], 0
    with job.cut("near.keys", block, BAND, compress=False) as writer:
        for places, found in job.pages(block, ["bands"], job.kinds):
            there = found["bands"].is_valid()
            bands = fixed_bytes(found["bands"].filter(there), 8 * job.params.bands)
            every = bands.ravel()
            order = np.argsort(every, kind="stable")
            places = np.repeat(places[there.to_numpy()], job.params.bands)[order]
            writer.put(pa.table([every[order], places], schema=BAND), part_of(every[order], parts))
            entries += len(every)
    return {"keys": entries}


def buckets(job: Job, part: int) -> dict[str, Any]:
    """Link the pages of each bucket to its first; buckets of earlier outputs' pages alone link nothing."""
    table = job.gathered("near.keys", len(job.plan["blocks"]), part, BAND)
    every = table["key"].to_numpy()
    order = np.argsort(every, kind="stable")  # keeps the order of places: an earlier output's pages come last
    every, places = every[order], table["place"].to_numpy()[order]
    starts, lengths = runs(every)
    new = ~job.old(places[starts])
    starts, lengths = starts[new], lengths[new]
    first = np.repeat(starts, lengths - 1)
    other = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(lengths - 1) - (lengths - 1), lengths - 1)
    with job.cut("near.links", part, LINK, compress=False) as writer:
        writer.put(pa.table([places[first], places[other]], schema=LINK), np.zeros(len(first), np.int64))
    return {"buckets": len(starts), "links": len(first)}


def components(job: Job, number: int) -> dict[str, Any]:
    """Join the links, and give each component a home."""
    folder, writers = (*FOLDER, "near.links"), job.plan["parts"]["near"]

    def links() -> Iterator[np.ndarray]:
        """Yield the links of each range of keys."""
        for table in shuffle.slices(job.output, folder, writers, 0, LINK):
            yield np.stack([table["a"].to_numpy(), table["b"].to_numpy()], axis=1)

    places, labels = joined(links)
    sizes = np.bincount(labels) if len(labels) else np.zeros(0, np.int64)
    homes = (np.cumsum(sizes) - sizes) // HOME_PAGES
    homes = np.unique(homes, return_inverse=True)[1]
    with job.cut("near.members", 0, MEMBER, compress=False) as writer:
        writer.put(pa.table([places, labels, homes[labels]], schema=MEMBER), job.blocks(places))
    job.output.write_json({"homes": max(1, int(homes.max(initial=0)) + 1)}, *FOLDER, "homes.json")
    return {"candidates": len(places), "components": len(sizes), "largest component": int(sizes.max(initial=0))}


def set_schema(job: Job) -> pa.Schema:
    """Return the schema of the pages that go to a home."""
    rest = [("bands", pa.binary(8 * job.params.bands)), ("shingles", pa.large_list(pa.uint64()))]
    return pa.schema([("place", pa.uint64()), ("component", pa.int64()), *RANK.items(), *rest])


def sets(job: Job, block: int) -> dict[str, Any]:
    """Write the shingles of a block's pages that have candidates, with what ranks the pages, for their homes."""
    schema = set_schema(job)
    members = job.gathered("near.members", 1, block, MEMBER)
    places, home = members["place"].to_numpy(), members["home"].to_numpy()
    held: list[Shingles] = []
    size = done = 0
    with job.cut("near.sets", block, schema, compress=False) as writer:
        for shard in job.shards_of(block):
            start, stop = np.searchsorted(places, [np.uint64(shard << 32), np.uint64((shard + 1) << 32)])
            rows = rows_of(places[start:stop])
            for some in texts(job, shard, rows):
                for found in shingles_of(some, job.params):
                    held.append(found)
                    size += found.values.nbytes
                    if size >= SET_BYTES:
                        done, held, size = put(job, writer, members, home, done, held), [], 0
        put(job, writer, members, home, done, held)
    return {"texts": len(places)}


def texts(job: Job, shard: int, rows: np.ndarray) -> Iterator[list[str]]:
    """Yield the texts of some rows of a documents shard, in order, a row group at a time."""
    if not len(rows):
        return
    source, name, first = job.source(shard), job.shards[shard].name, 0
    with source.parquet("documents", f"{name}.parquet") as file:
        for number in range(file.num_row_groups):
            count = file.metadata.row_group(number).num_rows
            start, stop = np.searchsorted(rows, [first, first + count])
            if stop > start:
                column = file.read_row_group(number, columns=["text"]).column("text")
                yield column.take(pa.array(rows[start:stop] - first)).to_pylist()
            first += count


class Shingles(NamedTuple):
    """The shingles of some texts, one after the other, each text's sorted and unique; and how many are each text's."""

    values: np.ndarray  # uint64
    counts: np.ndarray


def shingles_of(some: Sequence[str], params: MinHashParams) -> Iterator[Shingles]:
    """Yield what `minhash.shingles` returns for each of many texts, some of them at a time."""
    for units, lengths in hash_shingle_words(some):
        hashes, counts = hash_word_runs(units, lengths, params.shingle)
        text = np.repeat(np.arange(len(counts)), counts)
        hashes = hashes[np.lexsort((hashes, text))]
        first = np.ones(len(hashes), bool)
        first[1:] = (hashes[1:] != hashes[:-1]) | (text[1:] != text[:-1])
        yield Shingles(hashes[first], np.bincount(text[first], minlength=len(counts)))


def put(job: Job, writer: shuffle.Cut, members: pa.Table, home: np.ndarray, start: int, held: list[Shingles]) -> int:
    """Write the pages from the place `start` on of which the shingles are held. Returns the place after them."""
    if not held:
        return start
    counts = np.concatenate([found.counts for found in held])
    members, home = members.slice(start, len(counts)), home[start : start + len(counts)]
    places = members["place"].to_numpy()
    names = [name for name in RANK if name != "old"] + ["bands"]
    parts = []
    for shard in np.unique(places >> ROW_BITS).tolist():
        rows = rows_of(places[places >> ROW_BITS == shard])
        parts += [found.take(pa.array(here - first)) for first, found, here in within(job, shard, rows, names)]
    found = pa.concat_tables(parts)
    columns = {"place": members["place"], "component": members["component"], "old": pa.array(job.old(places))}
    columns |= {name: found[name] for name in names}
    offsets, values = np.concatenate([[0], np.cumsum(counts)]), np.concatenate([found.values for found in held])
    columns["shingles"] = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(values))
    writer.put(pa.table([columns[name] for name in writer.schema.names], schema=writer.schema), home)
    return start + len(counts)


def settle(job: Job, home: int) -> dict[str, Any]:
    """Find the clusters among the pages of a home, and who of them stays."""
    schema = set_schema(job)
    table = shuffle.gathered(job.output, (*FOLDER, "near.sets"), len(job.plan["blocks"]), home, schema)
    sets = [part for chunk in table["shingles"].chunks for part in pieces(chunk)]
    order = pc.sort_indices(
        table.drop_columns(["shingles", "bands"]),
        sort_keys=[("component", "ascending"), *sort_keys(job.config.keep_policy)],
    ).to_numpy()
    ranked = table.select(["component", "place", "id", "old", "bands"]).take(pa.array(order))
    bands = fixed_bytes(ranked["bands"], 8 * job.params.bands)
    ids, old, places = ranked["id"].to_pylist(), ranked["old"].to_pylist(), ranked["place"].to_pylist()
    starts = np.flatnonzero(np.diff(ranked["component"].to_numpy(), prepend=-1)).tolist()
    threshold, compared = job.config.threshold, 0
    verdicts: list[tuple[Any, ...]] = []
    sizes, names, chains = [], [], []
    for start, stop in pairwise([*starts, len(order)]):
        some = [sets[place] for place in order[start:stop].tolist()]

        def similarity(a: int, b: int, some: list[np.ndarray] = some) -> float:
            """Return the exact Jaccard of two pages, or 0 where their lengths alone rule out the threshold."""
            nonlocal compared
            compared += 1
            shorter, longer = sorted((len(some[a]), len(some[b])))
            return jaccard_similarity(some[a], some[b]) if shorter >= threshold * longer else 0.0

        found = clusters(stop - start, bands[start:stop], similarity, threshold, old[start:stop])
        for pages, drops in found:
            name = min(ids[start + page] for page in pages)
            for page, kept, similar in drops:
                verdicts.append((places[start + page], places[start + kept], ids[start + kept], similar, name))
            sizes.append(len(pages))
            names.append(name)
            if len(pages) - len(drops) > 1:
                chains.append(["near", name, len(pages), len(pages) - len(drops)])
    columns = zip(*verdicts, strict=True) if verdicts else ((),) * len(VERDICT)
    made = pa.table([pa.array(c, f.type) for c, f in zip(columns, VERDICT, strict=True)], schema=VERDICT)
    with job.cut("near.final", home, VERDICT) as writer:
        writer.put(made, job.blocks(made["page"].to_numpy()))
    counts = cluster_counts("near", np.array(sizes, np.int64), pa.array(names, pa.string()))
    chained = {"chains": len(chains), "chained": sorted(chains, key=by_size)[:MOST_NAMED]}
    return {"drops": len(verdicts), "compared": compared, **counts, **chained}


def pieces(chunk: pa.LargeListArray) -> list[np.ndarray]:
    """Return the lists of an array of uint64, without copying them."""
    offsets = chunk.offsets.to_numpy().tolist()
    values = chunk.values.to_numpy()
    return [values[a:b] for a, b in pairwise(offsets)]
