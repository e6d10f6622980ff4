"""The publish job: documents/ without duplicates/, sampled by the mixture, shuffled and split into corpus/.

The bytes of the corpus depend on the pages and the config alone: the rows of a split are ordered by a hash of the seed
and the page's id, and cut into shards by ranges of that hash.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.config import Config
from pipeline.io.output import WORK, Output
from pipeline.publish.candidates import ReadCandidates, read_duplicate_rows
from pipeline.publish.decontaminate import build_contamination_index, count_contamination
from pipeline.publish.dsir import write_target_counts
from pipeline.publish.extra_sources import (
    EXTRA_FOLDER,
    AddExtraSources,
    check_sources,
    extra_shard_name,
    find_source_files,
    sum_source_counts,
)
from pipeline.publish.formats.token_files import TOKENS_FOLDER
from pipeline.publish.gather_shards import GatherShards
from pipeline.publish.partition_pages import PartitionPages
from pipeline.publish.result import FileCounts, PublishResult, ShardCounts, new_shard_counts, sum_shard_counts
from pipeline.publish.sampling import CapSites, ExcludePages, ResamplePages, SamplePages, SelectAnneal

REASONS_SHOWN = 3  # in an error


class EmptyCorpus(ValueError):
    """No page is left to publish. The message is one line."""


def build_publish(pipeline: beam.Pipeline, root: str, config: Config, shards: Sequence[str]) -> None:
    """Add the job to a Beam pipeline. `shards` are the names of the documents shards."""
    files = tuple(find_source_files(config.publish.extra_anneal_sources))
    names = (*shards, *(extra_shard_name(n) for n in range(len(files))))
    numbered = pipeline | "documents shards" >> beam.Create(list(enumerate(shards))).with_output_types(tuple[int, str])
    judged = numbered | "read candidates" >> ReadCandidates(root, config) | "exclude pages" >> ExcludePages()
    if config.weights.dsir.target:
        judged |= "resample pages" >> ResamplePages(config)
    if config.weights.max_pages_per_site:
        judged |= "cap sites" >> CapSites(config.weights.max_pages_per_site, config.seed)
    planned = judged | "sample pages" >> SamplePages(config) | "select anneal" >> SelectAnneal(config)
    if files:
        planned |= "add extra sources" >> AddExtraSources(root, config, tuple(shards), files)
    row_groups = planned | "partition pages" >> PartitionPages(root, config, names)
    _ = row_groups | "gather shards" >> GatherShards(root, config, names)


def publish_corpus(output: Output, config: Config, shards: Sequence[str], options: PipelineOptions) -> PublishResult:
    """Run the job over the documents `shards` and return what it counted.

    Raises EmptyCorpus, EvaluationSetError, ExtraSourceError, DsirTargetError.
    """
    output.remove("corpus")
    output.remove(TOKENS_FOLDER)
    output.remove(WORK, "publish")
    items = build_contamination_index(output, config.decontaminate)
    write_target_counts(output, config.weights.dsir)
    check_sources(config.publish.extra_anneal_sources)
    output.remove(EXTRA_FOLDER)
    with beam.Pipeline(options=options) as pipeline:
        build_publish(pipeline, output.root, config, shards)
    by_shard = {name: read_shard_counts(output, name) for name in shards}
    whole = sum_shard_counts(by_shard.values())
    result: PublishResult = {
        "files": {name: FileCounts(held_out=c["held_out"], published=c["published"]) for name, c in by_shard.items()},
        "repeated": whole["repeated"],
        "mixture": whole["mixture"],
        "by_language": whole["by_language"],
        "contaminated": count_contamination(output, items, shards),
        "added": sum_source_counts(output, find_source_files(config.publish.extra_anneal_sources)),
    }
    output.remove(WORK, "publish")
    output.remove(EXTRA_FOLDER)
    if not sum(whole["published"].values()):
        output.remove("corpus")
        raise EmptyCorpus(
            f"{output.root}: no page is left to publish: {explain_empty_corpus(output, shards, whole['held_out'])}; "
            f"see `gristmill inspect {output.root}`"
        )
    return result


def read_shard_counts(output: Output, name: str) -> ShardCounts:
    """Return what was counted for a documents shard. A shard without candidates has no file of counts."""
    path = (WORK, "publish", f"{name}.json")
    counts: ShardCounts = output.read_json(*path)["counts"] if output.exists(*path) else new_shard_counts()
    return counts


def explain_empty_corpus(output: Output, shards: Sequence[str], held_out: Mapping[str, int]) -> str:
    """Return in a few words why no page is left: held out, duplicates, or rejected before."""
    duplicates = sum(len(read_duplicate_rows(output, name)) for name in shards)
    if held_out:
        kept = sum(held_out.values()) + duplicates
        return f"of {kept:,} kept, {duplicates:,} are duplicates, the rest is held out: {list_reasons(held_out)}"
    if duplicates:
        return f"all {duplicates:,} that were kept are duplicates of pages in the outputs of dedup.previous_outputs"
    rejected: Counter[str] = Counter()
    for name in output.list("rejected", ".parquet"):
        with output.parquet("rejected", name) as file:
            for batch in file.iter_batches(columns=["stage", "reason"]):
                rejected.update("/".join(pair) for pair in zip(*batch.to_pydict().values(), strict=True))
    return f"{rejected.total():,} were rejected: {list_reasons(rejected)}" if rejected else "the inputs have no pages"


def list_reasons(counts: Mapping[str, int]) -> str:
    """Return the most frequent reasons with their counts."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{reason} {n:,}" for reason, n in ordered[:REASONS_SHOWN])
    return shown + (", ..." if len(ordered) > REASONS_SHOWN else "")
