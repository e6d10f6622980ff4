"""The publish job: `documents/` less `duplicates/`, mixed by weights, shuffled and split into `corpus/`.

The bytes of the corpus depend on the pages and the config alone: a split's rows are ordered by a hash of the seed and
the page's id, and cut into shards by ranges of that hash.
"""

from collections import Counter
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.config import Config
from pipeline.io.output import WORK, Output
from pipeline.publish import decontaminate, dsir_target, extra_sources
from pipeline.publish.add_extra_sources import AddClean
from pipeline.publish.plan import Candidates, Plan, Planned, dropped_rows
from pipeline.publish.write_shards import SPLITS, add, gather, partition, shard_counts, sizes

SHOWN = 3  # reasons that an error names


class EmptyCorpus(ValueError):
    """No page is left to publish; its text is one line."""


def build(pipeline: beam.Pipeline, root: str, config: Config, shards: list[str]) -> None:
    """Add the job to a Beam pipeline."""
    files = tuple(extra_sources.find(config.publish.extra_anneal_sources))
    names = (*shards, *(extra_sources.shard(n) for n in range(len(files))))
    shard = pipeline | "shards" >> beam.Create(list(enumerate(shards)))
    plans = shard | "candidates" >> Candidates(root, config) | "plan" >> Plan(config)
    if files:
        plans = plans | "clean sources" >> AddClean(root, config, tuple(shards), files)
    size_by_split = plans | "sizes" >> beam.FlatMap(sizes) | "sum" >> beam.CombinePerKey(sum)
    sums = beam.pvalue.AsDict(size_by_split)
    counts = pipeline | "one" >> beam.Create([None]) | "counts" >> beam.Map(count_shards, sums, config.publish.shard_mb)
    partitioned = (
        plans
        | "by documents shard" >> beam.Map(by_documents_shard)
        | "documents shards" >> beam.GroupByKey()
        | "partition" >> beam.FlatMap(partition, beam.pvalue.AsSingleton(counts), names, config, root)
    )
    every = counts | "every shard" >> beam.FlatMap(every_target)
    _ = (
        (partitioned, every)
        | "targets" >> beam.Flatten()
        | "corpus shards" >> beam.GroupByKey()
        | "gather" >> beam.Map(gather, names, config, root)
    )


def count_shards(_: None, size_by_split: dict[str, int], shard_mb: int) -> dict[str, int]:
    """Return how many shards each split has."""
    return shard_counts(size_by_split, shard_mb)


def by_documents_shard(plan: Planned) -> tuple[int, Planned]:
    """Return a page's plan under the shard that holds its text."""
    return plan.page.shard, plan


def every_target(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return a mark for each corpus shard, so that one without rows is written too."""
    return [(f"{split}-{n:05d}-of-{counts[split]:05d}", -1) for split in SPLITS for n in range(counts[split])]


def publish(output: Output, config: Config, shards: list[str], options: PipelineOptions) -> dict[str, Any]:
    """Run the job. Returns each shard's counts, the repeats, the mixture in bytes, what decontamination found, and what
    clean sources added to anneal/.

    Raises EmptyCorpus, EvaluationSetError, CleanSourceError.
    """
    output.remove("corpus")
    output.remove(WORK, "publish")
    items = decontaminate.prepare(output, config)
    dsir_target.prepare(output, config)
    extra_sources.check(config.publish.extra_anneal_sources)
    output.remove(extra_sources.FOLDER)
    with beam.Pipeline(options=options) as pipeline:
        build(pipeline, output.root, config, shards)
    result = summary(output, shards) | {"contaminated": decontaminate.summary(output, items)}
    result["added"] = extra_sources.summary(output, extra_sources.find(config.publish.extra_anneal_sources))
    output.remove(WORK, "publish")
    output.remove(extra_sources.FOLDER)
    if not sum(sum(counts["published"].values()) for counts in result["files"].values()):
        output.remove("corpus")
        raise EmptyCorpus(
            f"{output.root}: no page is left to publish: {where_pages_went(output, shards, result['files'])}; "
            f"see `python -m pipeline inspect {output.root}`"
        )
    return result


def where_pages_went(output: Output, shards: list[str], files: dict[str, Any]) -> str:
    """Return in a few words why no page is left: held out, duplicates, or rejected before."""
    held: Counter[str] = Counter()
    for counts in files.values():
        held.update(counts["held_out"])
    duplicates = sum(len(dropped_rows(output, name)) for name in shards)
    if held:
        kept = held.total() + duplicates
        return f"of {kept:,} kept, {duplicates:,} are duplicates, the rest is held out: {most(held)}"
    if duplicates:
        return f"all {duplicates:,} that were kept are duplicates of pages in the outputs of dedup.previous_outputs"
    rejected: Counter[str] = Counter()
    for name in output.list("rejected", ".parquet"):
        with output.parquet("rejected", name) as file:
            for batch in file.iter_batches(columns=["stage", "reason"]):
                rejected.update("/".join(pair) for pair in zip(*batch.to_pydict().values(), strict=True))
    return f"{rejected.total():,} were rejected: {most(rejected)}" if rejected else "there was none in the inputs"


def most(counts: Counter[str]) -> str:
    """Return the most frequent reasons with their counts."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{reason} {n:,}" for reason, n in ordered[:SHOWN])
    return shown + (", ..." if len(ordered) > SHOWN else "")


def summary(output: Output, shards: list[str]) -> dict[str, Any]:
    """Add up what the partitions counted.

    `mixture` has [pages, bytes before, bytes that the mix wants of the train sites' pages within the cap a site, bytes
    in train] by kind and name. What is wanted and what came out differ by the cap on repeats and by the draws.
    `by_language` has the bytes of domains and quality buckets by language.
    """
    files, repeated = {}, Counter({"train": 0, "anneal": 0})
    mixture: dict[str, dict[str, list[int]]] = {"domain": {}, "language": {}, "quality": {}}
    by_language: dict[str, dict[str, dict[str, list[int]]]] = {"domain": {}, "quality": {}}
    nothing: dict[str, Any] = {"held_out": {}, "published": dict.fromkeys(SPLITS, 0)}
    nothing |= {"repeated": {}, "mixture": {}, "by_language": {}}
    for name in shards:
        path = (WORK, "publish", f"{name}.json")
        counts = output.read_json(*path)["counts"] if output.exists(*path) else nothing
        files[name] = {key: counts[key] for key in ("held_out", "published")}
        repeated.update(counts["repeated"])
        for kind, entries in counts["mixture"].items():
            for key, values in entries.items():
                add(mixture[kind].setdefault(key, [0] * len(values)), values)
        for kind, names in counts["by_language"].items():
            for key, languages in names.items():
                for language, values in languages.items():
                    add(by_language[kind].setdefault(key, {}).setdefault(language, [0] * len(values)), values)
    ordered = {kind: dict(sorted(entries.items(), key=lambda e: (-e[1][1], e[0]))) for kind, entries in mixture.items()}
    in_order = {
        kind: {key: dict(sorted(names[key].items())) for key in sorted(names)} for kind, names in by_language.items()
    }
    return {"files": files, "repeated": dict(repeated), "mixture": ordered, "by_language": in_order}
