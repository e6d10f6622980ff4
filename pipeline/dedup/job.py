"""The dedup job: `documents/` in, `duplicates/` out, a shard of it for each of documents/; and the index in `index/`.

Three passes in order, and a page is removed at most once: pages of one canonical URL (the newest capture is kept),
pages of one normalised text, and near duplicates confirmed by the exact Jaccard of their shingles. `build_dedup` is the
whole job, on every runner. What passes between its stages is blocks of rows (blocks.py) under a number: that of a
partition of the keys, or of a batch of shards (plan.py). Texts are read where they lie and are never shuffled.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipeline.config import Config, config_values
from pipeline.dedup.blocks import FOLDER, DedupJob, KeyedBlock, StageOutputs, keeps_blocks_in_files
from pipeline.dedup.index import VERSION, check_index, describe_index, describe_lines, read_fingerprint
from pipeline.dedup.index_pages import Index
from pipeline.dedup.keep_one import KeepOne, TextKeys, UrlKeys
from pipeline.dedup.link_buckets import BandKeys, LinkBuckets
from pipeline.dedup.plan import DocumentShard, list_shards, make_plan
from pipeline.dedup.repeated_lines import CountLines, PageLines, WriteRepeatedLines, count_line_partitions
from pipeline.dedup.resolve_kept import ResolveKept
from pipeline.dedup.spanning_forest import PartitionCandidates, SpanningForest
from pipeline.dedup.summary import AddSummaries, DedupSummary
from pipeline.dedup.verify_jaccard import Shingles, VerifyJaccard
from pipeline.dedup.write_duplicates import WriteDuplicates
from pipeline.io.dedup_result import DedupResult
from pipeline.io.output import Output, fingerprint_value
from pipeline.runners.beam_options import beam_options, is_local
from pipeline.runners.process_pool import open_process_pool
from pipeline.runners.worker_processes import SMALL_BEAM

POOL_PAGES = 1 << 19  # with fewer pages, starting more processes takes more CPU than the job itself saves by them
SUMMARY = "summary.json"
PASSES = {"url": UrlKeys, "exact": TextKeys}

Blocks = PCollection[KeyedBlock]
Summaries = list[PCollection[DedupSummary]]


def build_dedup(
    pipeline: beam.Pipeline, root: str, config: Config, shards: Sequence[DocumentShard], in_pool: bool = False
) -> None:
    """Add the job to a Beam pipeline. `in_pool`: the stages share their elements out to the open process pool."""
    in_files = keeps_blocks_in_files(pipeline.runner)
    job = DedupJob(root, config.dedup, make_plan(shards, config.dedup), in_files, in_pool)
    indexed = pipeline | "Shards" >> beam.Create(shards).with_output_types(DocumentShard) | "Index" >> Index(job)
    summaries: Summaries = [indexed["summary"]]
    removed: dict[str, Blocks] = {}
    kept: dict[str, Blocks] = {}
    for kind in [kind for kind in PASSES if getattr(config.dedup, kind)]:
        found = find_copies(indexed["blocks"], removed, job, kind)
        kept[kind], removed[f"removed by {kind}"] = found["blocks"], found["removed"]
        summaries.append(found["summary"])
    verdicts: dict[str, Blocks] = {}
    if config.dedup.near:
        verdicts["near"], counted = find_near_copies(indexed["blocks"], removed, job)
        summaries += counted
    for kind in reversed(kept):
        verdicts[kind] = (
            {"kept": kept[kind], **verdicts}
            | f"Join {kind} with later passes" >> beam.CoGroupByKey()
            | f"Resolve {kind}" >> ResolveKept(job, kind)
        )
    written = (
        {"shards": indexed["blocks"], **verdicts}
        | "Join verdicts" >> beam.CoGroupByKey()
        | "WriteDuplicates" >> WriteDuplicates(job)
    )
    summaries.append(written["summary"])
    if config.dedup.repeated_lines:
        summaries += find_repeated_lines(written["blocks"], indexed["summary"], job)
    _ = (
        summaries
        | "Summaries" >> beam.Flatten()
        | "AddSummaries" >> beam.CombineGlobally(AddSummaries())
        | "WriteSummary" >> beam.Map(write_summary, root)
    )


def find_copies(shards: Blocks, removed: dict[str, Blocks], job: DedupJob, kind: str) -> StageOutputs:
    """Return what `KeepOne` does, for pages with an equal key of one kind."""
    outputs: StageOutputs = (
        {"shards": shards, **removed}
        | f"Join pages for {kind}" >> beam.CoGroupByKey()
        | PASSES[kind](job)
        | f"Group {kind} keys" >> beam.GroupByKey()
        | f"Keep one by {kind}" >> KeepOne(job, kind)
    )
    return outputs


def find_near_copies(shards: Blocks, removed: dict[str, Blocks], job: DedupJob) -> tuple[Blocks, Summaries]:
    """Return the verdicts on near duplicates, and the summaries of the stages."""
    bands = {"shards": shards, **removed} | "Join pages for bands" >> beam.CoGroupByKey() | "BandKeys" >> BandKeys(job)
    links = bands["blocks"] | "Group band keys" >> beam.GroupByKey() | "LinkBuckets" >> LinkBuckets(job)
    members = (
        links["blocks"]
        | "Links" >> beam.Values()
        | "SpanningForest" >> beam.CombineGlobally(SpanningForest())
        | "PartitionCandidates" >> PartitionCandidates(job)
    )
    shingles = (
        {"shards": shards, "members": members["blocks"]}
        | "Join candidates" >> beam.CoGroupByKey()
        | "Shingles" >> Shingles(job)
    )
    verdicts = shingles["blocks"] | "Group candidates" >> beam.GroupByKey() | "VerifyJaccard" >> VerifyJaccard(job)
    return verdicts["blocks"], [stage["summary"] for stage in (bands, links, members, shingles, verdicts)]


def find_repeated_lines(shards: Blocks, indexed: PCollection[DedupSummary], job: DedupJob) -> Summaries:
    """Add the stages for lines, over the shards whose duplicates are written; return the stages' summaries."""
    lines = {"shards": shards} | "Join kept pages" >> beam.CoGroupByKey() | "PageLines" >> PageLines(job, indexed)
    repeated = lines["blocks"] | "Group lines" >> beam.GroupByKey() | "CountLines" >> CountLines(job)
    written = (
        {"shards": shards, "found": lines["found"], "repeated": repeated["blocks"]}
        | "Join lines" >> beam.CoGroupByKey()
        | "WriteRepeatedLines" >> WriteRepeatedLines(job)
    )
    return [lines["summary"], repeated["summary"], written]


def write_summary(summary: DedupSummary, root: str) -> None:
    """Write the job's summary where the process that began the job finds it."""
    Output(root).write_json(summary.to_json(), *FOLDER, SUMMARY)


def find_duplicates(output: Output, config: Config, names: list[str], flags: Sequence[str] = ()) -> DedupResult:
    """Run the job. Returns the duplicates of each shard by kind, the clusters, and the removed lines with their totals.

    `flags` are Beam options, as checked. Raises ValueError where a shard's signatures were made by other parameters
    than the config's, or an output to dedup against cannot be used.
    """
    prepare_output(output, config, names)
    shards = list_shards(output, config.dedup, names)
    workers = count_workers(shards, config) if is_local(flags) else 1
    pool = open_process_pool(workers, [SMALL_BEAM, __name__])
    with pool, silence_beam(), beam.Pipeline(options=beam_options(flags, "dedup")) as pipeline:
        build_dedup(pipeline, output.root, config, shards, in_pool=workers > 1)
    summary = DedupSummary.from_json(output.read_json(*FOLDER, SUMMARY))
    lines = describe_lines(config.dedup)
    if lines:
        lines |= {"parts": count_line_partitions(summary.counts.get("index lines", 0))}
    made = {"parameters": describe_index(config.dedup), "lines": lines, "shards": names}
    output.write_json(made | {"content": fingerprint_value(summary.contents)}, "index.json")
    output.remove(*FOLDER)
    return describe_result(summary, config, names)


def count_workers(shards: Sequence[DocumentShard], config: Config) -> int:
    """Return how many processes work on the job on this machine; one where that is done before more have started."""
    return (config.workers or os.cpu_count() or 1) if sum(shard.rows for shard in shards) > POOL_PAGES else 1


@contextmanager
def silence_beam() -> Iterator[None]:
    """Keep Beam from logging what a stage raises, which is raised here too."""
    log = logging.getLogger("apache_beam")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def prepare_output(output: Output, config: Config, names: list[str]) -> None:
    """Clear away what is of another job, and mark the folder. Raises ValueError where `against` cannot be used."""
    against: dict[str, object] = {}
    for root in config.dedup.previous_outputs:
        earlier = Output(root)
        if earlier.path() == output.path():
            raise ValueError(f"dedup.previous_outputs: {root}: this is the output itself")
        against[root] = [check_index(earlier, config.dedup), read_fingerprint(root)]
    sizes = [output.fs.size(output.path("documents", f"{name}.parquet")) for name in names]
    key = fingerprint_value([VERSION, config_values(config)["dedup"], names, sizes, against])
    job = (*FOLDER, "job.json")
    if output.exists(*job) and output.read_json(*job)["key"] == key:
        return
    for place in (FOLDER, ("duplicates",), ("repeated_lines",), ("index.json",), ("index",)):
        output.remove(*place)
    output.write_json({"key": key}, *job)


def describe_result(summary: DedupSummary, config: Config, names: list[str]) -> DedupResult:
    """Return the summary as the ledger and the report take it."""
    result: DedupResult = {
        "files": {name: summary.files[name] for name in names},
        "clusters": {
            "count": summary.clusters,
            "largest": list(summary.largest),
            "large": sorted((named.kind, named.cluster, named.pages) for named in summary.large),
            "chained": [(named.kind, named.cluster, named.pages, named.kept) for named in summary.chained],
        },
        "counts": dict(sorted(summary.counts.items())),
    }
    if config.dedup.repeated_lines:
        counts = summary.counts
        result["lines"] = {
            what: [counts.get(f"removed {what}", 0), counts.get(f"lines of {what}", 0)]
            for what in ("lines", "pages", "characters")
        }
    return result
