"""Near duplicates: candidates whose exact Jaccard is at least the threshold.

Shingles       a batch of shards: the shingles of its pages that are candidates, for the candidates' partitions. Texts
               are read here, each once, in the order in which they lie, and never again
VerifyJaccard  a partition: the clusters of pages whose exact Jaccard is high enough, and which of them are kept
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dedup.blocks import (
    BlockGroup,
    BlockPacker,
    DedupJob,
    JoinedBlocks,
    KeyedBlock,
    Made,
    MakeBlocks,
    StageOutputs,
    unpack_blocks,
)
from pipeline.dedup.clusters import find_clusters
from pipeline.dedup.index import RANK, list_sort_keys, read_fixed_bytes, read_parquet_rows
from pipeline.dedup.index_pages import open_source, read_shards
from pipeline.dedup.keep_one import VERDICT
from pipeline.dedup.plan import ROW_BITS, DocumentShard, rows_of_places
from pipeline.dedup.settings import DedupConfig
from pipeline.dedup.spanning_forest import MEMBER
from pipeline.dedup.summary import DedupSummary, NamedCluster, largest_clusters, summarize_clusters
from pipeline.io.output import Output
from pipeline.text.minhash import MinHashParams, hash_word_runs, jaccard_similarity
from pipeline.text.tokenize.shingle_words import hash_shingle_words

HELD_SHINGLES = 32 << 20  # bytes of shingles that are held before they are made into blocks


class ShingleSets(NamedTuple):
    """The shingles of some texts, one after the other, each text's sorted and unique; and how many are each text's."""

    values: np.ndarray  # uint64
    counts: np.ndarray


class NearDuplicates(NamedTuple):
    """What is decided about the candidates of a partition."""

    verdicts: pa.Table
    sizes: list[int]  # of the clusters
    names: list[str]
    chained: list[NamedCluster]
    compared: int  # pairs of pages


def make_candidate_schema(params: MinHashParams) -> pa.Schema:
    """Return the schema of the pages of a partition: what ranks them, and their shingles."""
    rest = [("bands", pa.binary(8 * params.bands)), ("shingles", pa.large_list(pa.uint64()))]
    return pa.schema([("place", pa.uint64()), ("component", pa.int64()), *RANK.items(), *rest])


def make_shingle_sets(texts: Sequence[str], params: MinHashParams) -> Iterator[ShingleSets]:
    """Yield what `minhash.shingles` returns for each of many texts, some of them at a time."""
    for units, lengths in hash_shingle_words(texts):
        hashes, counts = hash_word_runs(units, lengths, params.shingle)
        text = np.repeat(np.arange(len(counts)), counts)
        hashes = hashes[np.lexsort((hashes, text))]
        first = np.ones(len(hashes), bool)
        first[1:] = (hashes[1:] != hashes[:-1]) | (text[1:] != text[:-1])
        yield ShingleSets(hashes[first], np.bincount(text[first], minlength=len(counts)))


def make_shingles(pages: JoinedBlocks, job: DedupJob) -> Iterator[Made]:
    """Yield the shingles of a batch's candidates, with what ranks the pages, for the candidates' partitions."""
    members = unpack_blocks(pages[1]["members"], MEMBER)
    shard_numbers = members["place"].to_numpy() >> ROW_BITS
    packer = BlockPacker(pages[0])
    for shard in read_shards(pages):
        start, stop = np.searchsorted(shard_numbers, [shard.number, shard.number + 1])
        if stop > start:
            yield from shingle_shard(shard, members.slice(start, stop - start), job, packer)
    yield TaggedOutput("summary", DedupSummary(counts={"near texts": members.num_rows}))


def shingle_shard(shard: DocumentShard, members: pa.Table, job: DedupJob, packer: BlockPacker) -> Iterator[KeyedBlock]:
    """Yield the blocks of a shard's candidates, some HELD_SHINGLES of them at a time."""
    params, source = job.config.minhash_params(), open_source(job, shard)
    schema, rows = make_candidate_schema(params), rows_of_places(members["place"].to_numpy())
    names = [*(name for name in RANK if name != "old"), "bands"]
    facts = pa.concat_tables(read_parquet_rows(source, "index", shard.name, rows, names))
    columns = {"place": members["place"], "component": members["component"]}
    columns |= {"old": pa.array(job.plan.is_earlier(members["place"].to_numpy()))}
    columns |= {name: facts[name] for name in names}
    described = pa.table(columns)
    partitions, done = members["partition"].to_numpy(), 0
    for sets in hold_shingles(shard, source, rows, params):
        some = described.slice(done, len(sets.counts))
        offsets = pa.array(np.concatenate([[0], np.cumsum(sets.counts)]), pa.int64())
        some = some.append_column("shingles", pa.LargeListArray.from_arrays(offsets, pa.array(sets.values)))
        yield from packer.pack(some.select(schema.names).cast(schema), partitions[done : done + len(sets.counts)])
        done += len(sets.counts)


def hold_shingles(
    shard: DocumentShard, source: Output, rows: np.ndarray, params: MinHashParams
) -> Iterator[ShingleSets]:
    """Yield the shingles of some rows of a shard, each time HELD_SHINGLES bytes or more but for the last."""
    held: list[ShingleSets] = []
    for table in read_parquet_rows(source, "documents", shard.name, rows, ["text"]):
        for sets in make_shingle_sets(table["text"].to_pylist(), params):
            held.append(sets)
            if sum(some.values.nbytes for some in held) >= HELD_SHINGLES:
                yield ShingleSets(*map(np.concatenate, zip(*held, strict=True)))
                held = []
    if held:
        yield ShingleSets(*map(np.concatenate, zip(*held, strict=True)))


def find_near_duplicates(table: pa.Table, config: DedupConfig) -> NearDuplicates:
    """Return the clusters among the candidates of a partition, which have `candidate_schema`, and which are kept."""
    width = 8 * config.minhash_params().bands
    sets = [shingles for chunk in table["shingles"].chunks for shingles in split_lists(chunk)]
    by_rank = [("component", "ascending"), *list_sort_keys(config.keep_policy)]
    order = pc.sort_indices(table.drop_columns(["shingles", "bands"]), sort_keys=by_rank).to_numpy()
    ranked = table.select(["component", "place", "id", "old", "bands"]).take(pa.array(order))
    bands = read_fixed_bytes(ranked["bands"], width)
    ids, old, places = ranked["id"].to_pylist(), ranked["old"].to_pylist(), ranked["place"].to_pylist()
    starts = np.flatnonzero(np.diff(ranked["component"].to_numpy(), prepend=-1)).tolist()
    rows: list[tuple[int, int, str, float, str]] = []
    found = NearDuplicates(VERDICT.empty_table(), [], [], [], 0)
    compared = 0
    for start, stop in pairwise([*starts, len(order)]):
        some = [sets[place] for place in order[start:stop].tolist()]
        similarity = CountedSimilarity(some, config.threshold)
        for pages, removed in find_clusters(
            stop - start, bands[start:stop], similarity, config.threshold, old[start:stop]
        ):
            name = min(ids[start + page] for page in pages)
            for page, kept, similar in removed:
                rows.append((places[start + page], places[start + kept], ids[start + kept], similar, name))
            found.sizes.append(len(pages))
            found.names.append(name)
            if len(pages) - len(removed) > 1:
                found.chained.append(NamedCluster("near", name, len(pages), len(pages) - len(removed)))
        compared += similarity.calls
    columns = zip(*rows, strict=True) if rows else ((),) * len(VERDICT)
    verdicts = pa.table([pa.array(c, f.type) for c, f in zip(columns, VERDICT, strict=True)], schema=VERDICT)
    return found._replace(verdicts=verdicts, compared=compared)


class CountedSimilarity:
    """The exact Jaccard of two pages, or 0 where their numbers of shingles alone rule out the threshold.

    It counts how often it is asked.
    """

    def __init__(self, sets: Sequence[np.ndarray], threshold: float):
        """Take the shingles of the pages."""
        self.sets, self.threshold, self.calls = sets, threshold, 0

    def __call__(self, a: int, b: int) -> float:
        """Return the similarity of two pages."""
        self.calls += 1
        one, other = self.sets[a], self.sets[b]
        shorter, longer = sorted((len(one), len(other)))
        return jaccard_similarity(one, other) if shorter >= self.threshold * longer else 0.0


def split_lists(chunk: pa.LargeListArray) -> list[np.ndarray]:
    """Return the lists of an array of uint64, without copying them."""
    offsets = chunk.offsets.to_numpy().tolist()
    values = chunk.values.to_numpy()
    return [values[a:b] for a, b in pairwise(offsets)]


def verify_partition(group: BlockGroup, job: DedupJob) -> Iterator[Made]:
    """Yield the verdicts on a partition's pages, for the batches of the pages that are removed."""
    number, blocks = group
    found = find_near_duplicates(unpack_blocks(blocks, make_candidate_schema(job.config.minhash_params())), job.config)
    batches = job.plan.find_batches(found.verdicts["page"].to_numpy())
    yield from BlockPacker(number).pack(found.verdicts, batches, compress=True)
    summary = summarize_clusters("near", np.array(found.sizes, np.int64), pa.array(found.names, pa.string()))
    counts = {"removed": found.verdicts.num_rows, "compared": found.compared, "chains": len(found.chained)}
    chained = largest_clusters(found.chained)
    summary.add(DedupSummary(chained=chained, counts={f"near {what}": n for what, n in counts.items()}))
    yield TaggedOutput("summary", summary)


@dataclass(eq=False)
class Shingles(beam.PTransform[PCollection[JoinedBlocks], StageOutputs]):
    """PCollection[(batch, {"shards", "members"})] -> "blocks" (candidates by partition), "summary"."""

    job: DedupJob

    def expand(self, pages: PCollection[JoinedBlocks]) -> StageOutputs:
        """Give the shingles of the candidates to their partitions."""
        made: StageOutputs = pages | MakeBlocks("shingles", make_shingles, self.job)
        return made


@dataclass(eq=False)
class VerifyJaccard(beam.PTransform[PCollection[BlockGroup], StageOutputs]):
    """PCollection[(partition, blocks)] -> "blocks" (verdicts by the removed page's batch), "summary"."""

    job: DedupJob

    def expand(self, groups: PCollection[BlockGroup]) -> StageOutputs:
        """Verify partition by partition."""
        made: StageOutputs = groups | MakeBlocks("near_verdicts", verify_partition, self.job)
        return made
