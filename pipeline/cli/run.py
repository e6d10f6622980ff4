"""A run: the three jobs in order, then the ledger, the dataset card and the report.

Each job reads what the one before has written to the output, so a run can stop and continue between any two.

extract   crawl files -> documents/ rejected/      pipeline/extract/
dedup     documents/  -> duplicates/               pipeline/dedup/
publish   both        -> corpus/ tokenizer/        pipeline/publish/
"""

import sys
from collections.abc import Callable, Sequence
from typing import TypedDict, TypeVar

from pipeline.cli.config_checks import reject_local_paths, reject_unused_settings, require_named_files
from pipeline.cli.documents_source import check_documents_source
from pipeline.cli.errors import BadInputs, RunError
from pipeline.cli.output_lock import output_lock
from pipeline.cli.resume import (
    Markers,
    check_inputs_unchanged,
    compute_stage_key,
    fingerprint_earlier_outputs,
    load_or_write_config,
    read_finished_stage,
)
from pipeline.cli.run_extract import extract, read_markers
from pipeline.cli.write_ledger import build_ledger, write_ledger
from pipeline.config import Config
from pipeline.io.dedup_result import DedupResult
from pipeline.io.evaluation_sets import find_evaluation_sets
from pipeline.io.input_shards import InputShard
from pipeline.io.inputs import Input, expand_inputs
from pipeline.io.ledger import Ledger
from pipeline.io.output import WORK, Output
from pipeline.io.temporary import run_folder
from pipeline.publish.result import PublishResult, TokenizerResult
from pipeline.report.facts import RunResults
from pipeline.runners.beam_options import LaunchError, beam_options, check_flags, is_dataflow, is_dry_run, is_local
from pipeline.runners.progress import show_stage

JOBS = ("extract", "dedup", "publish")
StageResult = TypeVar("StageResult")


class PublishedResults(TypedDict):
    """The results of the publish job and of the training of the tokenizer."""

    publish: PublishResult
    tokenizer: TokenizerResult


def run(config: Config, flags: Sequence[str] = (), jobs: Sequence[str] = JOBS) -> Ledger:
    """Run the jobs into `config.output` and return the ledger.

    `flags` are Beam options. Raises ValueError or OSError with one line for whatever the user can fix, LedgerError if
    the sums do not agree, and BadInputs if no input is a crawl file or, at the very end, if a named one is not.
    """
    flags = check_flags(flags)
    if is_dry_run(flags):
        raise LaunchError("--dry_run: nothing runs; pipeline.cli.dry_run builds the graphs")
    jobs = select_jobs(config, jobs)
    output = Output(config.output, config.documents_from)
    inputs = check_before_start(config, flags, jobs)
    with output_lock(output), run_folder(output.root):
        load_or_write_config(config, output)
        if "extract" in jobs:
            check_inputs_unchanged(inputs, output)
            extract(inputs, config, output, flags)
        files = read_markers(output.documents)
        ledger = write_ledger(output, files)
        if len(ledger.bad_files) == len(files):
            raise BadInputs(list_bad_files(ledger))
        if "dedup" in jobs:
            ledger = write_ledger(output, files, run_dedup(config, output, flags, files))
        if "publish" in jobs:
            dedup_result: DedupResult = read_finished_stage("dedup", config, output.documents, files)
            published = run_publish(config, output, flags, files)
            ledger = write_ledger(output, files, dedup_result, published["publish"])
            write_reports(config, output, ledger, RunResults(dedup_result, **published))
    report_bad_files(ledger, inputs, config, jobs)
    return ledger


def run_input_shard(config: Config, flags: Sequence[str], shard: InputShard) -> Ledger:
    """Extract one shard of the inputs, while other jobs may extract theirs into the same output.

    Returns the ledger of its files, and writes none: `dedup` writes that of all. Raises as `run` does.
    """
    flags = check_flags(flags)
    if is_dry_run(flags):
        raise LaunchError("--shard: has no effect with --dry_run; leave one of them out")
    output = Output(config.output)
    inputs = check_before_start(config, flags, select_jobs(config, ("extract",)))
    own = shard.select(inputs)
    with output_lock(output, shard), run_folder(f"{output.root}#{shard.name}"):
        load_or_write_config(config, output)
        check_inputs_unchanged(own, output, shard)
        ledger = build_ledger(extract(inputs, config, output, flags, shard))
    report_bad_files(ledger, own, config, ("extract",))
    return ledger


def select_jobs(config: Config, jobs: Sequence[str]) -> Sequence[str]:
    """Return the jobs to run: with `documents_from` publish alone. Raises RunError if publish is not asked for."""
    if config.documents_from is None:
        return jobs
    if "publish" not in jobs:
        raise RunError(
            f"documents_from: {config.documents_from}: the {jobs[0]} job does not run with it; run `gristmill "
            "publish`, or leave documents_from out"
        )
    return ("publish",)


def check_before_start(config: Config, flags: Sequence[str], jobs: Sequence[str]) -> list[Input]:
    """Check everything that can fail before any work is done, and return the inputs that the extract job reads.

    Raises ValueError or OSError with one line.
    """
    if config.dumps:
        raise RunError("dumps: a run has one dump; pipeline.config.split_dumps gives the config of each")
    if "publish" in jobs:
        from pipeline.publish.dsir import find_target_files  # Beam takes seconds to import; extract does without
        from pipeline.publish.extra_sources import check_sources
        from pipeline.publish.tokenizer import fingerprint_tokenizer
        from pipeline.publish.topics import fingerprint_topics

        fingerprint_tokenizer(config.tokenizer)
        find_evaluation_sets(config.decontaminate.sets)
        find_target_files(config.weights.dsir.target)
        check_sources(config.publish.extra_anneal_sources)
        fingerprint_topics(config.weights.topics)
    if config.documents_from:
        check_documents_source(config, Output(config.output, config.documents_from))
    if "extract" in jobs:
        require_named_files(config)
    if "extract" in jobs or config.documents_from:
        reject_unused_settings(config)
    inputs = expand_inputs(config.inputs, config.input, config.seed) if "extract" in jobs else []
    if is_dataflow(flags):
        roots = [config.output, *(config.dedup.previous_outputs if "dedup" in jobs else ())]
        roots += config.publish.extra_anneal_sources if "publish" in jobs else []
        roots += [config.documents_from] if config.documents_from else []
        reject_local_paths(inputs, roots)
    return inputs


def run_dedup(config: Config, output: Output, flags: list[str], files: Markers) -> DedupResult:
    """Return the result of the dedup job for these documents. Runs the job, unless it has finished for them."""

    def start_dedup() -> DedupResult:
        from pipeline.dedup.job import find_duplicates

        with show_stage("dedup"):
            return find_duplicates(output, config, list(files), flags)

    return run_stage("dedup", config, output, files, start_dedup)


def run_publish(config: Config, output: Output, flags: list[str], files: Markers) -> PublishedResults:
    """Return the results of publishing these documents. Runs the job and trains the tokenizer, unless it has."""

    def publish_and_train() -> PublishedResults:
        from pipeline.publish.formats.finish_shards import finish_corpus
        from pipeline.publish.job import publish_corpus
        from pipeline.publish.tokenizer import make_tokenizer

        with show_stage("publish"):
            published = publish_corpus(output, config, list(files), beam_options(flags, "publish"))
        with show_stage("tokenizer"):
            sizes = make_tokenizer(output, config.tokenizer)
        with show_stage("tokens of the corpus"):
            counts = finish_corpus(output, config, None if is_local(flags) else beam_options(flags, "tokens"))
        return {"publish": published, "tokenizer": {**sizes, **counts}}

    return run_stage("publish", config, output, files, publish_and_train)


def run_stage(
    name: str, config: Config, output: Output, files: Markers, start: Callable[[], StageResult]
) -> StageResult:
    """Return the stored result of a stage if it has finished for these very documents; else start it, and store it."""
    try:
        finished: StageResult = read_finished_stage(name, config, output, files)
        return finished
    except RunError:
        pass
    # Before the job starts: it may not have read what changes later.
    earlier = fingerprint_earlier_outputs(config, output.documents)
    key = compute_stage_key(name, config, files, earlier)
    output.remove(WORK, f"{name}.json")
    result = start()
    output.write_json({"key": key, "against": earlier, "result": result}, WORK, f"{name}.json")
    return result


def write_reports(config: Config, output: Output, ledger: Ledger, results: RunResults) -> None:
    """Write the dataset card and the report."""
    from pipeline.report.dataset_card import write_card
    from pipeline.report.html import write_report

    write_card(output, config, ledger, results)
    write_report(output, config, ledger, results)


def report_bad_files(ledger: Ledger, inputs: Sequence[Input], config: Config, jobs: Sequence[str]) -> None:
    """Warn of inputs without crawl records. Raises BadInputs if the user named one of them."""
    if {item.path for item in inputs if item.named} & set(ledger.bad_files):
        rest = f" (the rest is in {config.output})" if set(jobs) & {"dedup", "publish"} else ""
        raise BadInputs(list_bad_files(ledger) + rest)
    if ledger.bad_files:
        print(f"warning: {list_bad_files(ledger)} (no records there; counted as unreadable)", file=sys.stderr)


def list_bad_files(ledger: Ledger) -> str:
    """Return what is wrong with each file that holds no crawl records, on one line."""
    return "; ".join(text if text.startswith(path) else f"{path}: {text}" for path, text in ledger.bad_files.items())
