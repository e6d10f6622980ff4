"""A run: the three jobs in order, each from what is on disk, then the ledger, the dataset card and the report.

extract   crawl files -> documents/ rejected/      pipeline/extract/splits.py
dedup     documents/  -> duplicates/               pipeline/dedup/job.py
publish   both        -> corpus/ tokenizer/        pipeline/publish/job.py
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import yaml

from pipeline.cli.config_checks import contents, find_files, refuse_idle
from pipeline.config import Config, ConfigError, differences, dump, to_dict
from pipeline.extract.splits import InputFile, Piece, Todo, plan, settings_fingerprint, todo
from pipeline.io import ledger
from pipeline.io.evaluation_sets import find_sets, fingerprints
from pipeline.io.inputs import Input, expand
from pipeline.io.output import WORK, Output, fingerprint
from pipeline.publish import dsir_target, extra_sources, topics
from pipeline.runners.beam_options import LaunchError, beam_options, check_flags, is_dataflow, is_dry_run, is_local
from pipeline.runners.local_pool import run_tasks

JOBS = ("extract", "dedup", "publish")


class RunError(ValueError):
    """A run that cannot start or go on; its text is one line."""


class BadInputs(RunError):
    """The run ended, and inputs that the user named hold no crawl records; the text has a line for each."""


def run(config: Config, flags: Sequence[str] = (), jobs: Sequence[str] = JOBS) -> dict[str, Any]:
    """Run the jobs into `config.output` and return the ledger.

    `flags` are Beam options. Raises ValueError or OSError with one line for whatever the user can mend, LedgerError
    where the sums do not agree, BadInputs where no input is a crawl file, or at the very end where a named one is not.
    """
    flags = check_flags(flags)
    if is_dry_run(flags):
        raise LaunchError("--dry_run: nothing runs; pipeline.dry_run builds the graphs")
    if "publish" in jobs:
        find_sets(config.decontaminate.sets)  # a path that is wrong fails now, not hours later
        dsir_target.fingerprints(config.weights.dsir.target)
        extra_sources.check(config.publish.anneal_sources)
        topics.fingerprints(config.weights.topics)
    if "extract" in jobs:
        find_files(config)
        refuse_idle(config)
    inputs = expand(config.inputs, config.input, config.seed) if "extract" in jobs else []
    output = Output(config.output)
    if is_dataflow(flags):
        read = [*(config.dedup.against if "dedup" in jobs else ())]
        read += config.publish.anneal_sources if "publish" in jobs else []
        refuse_local(inputs, output, read)
    with exclusive(output):
        adopt(config, output)
        facts: dict[str, Any] = {}
        if "extract" in jobs:
            extract(plan(inputs, config), config, output, flags)
        files = extracted(output)
        book = write_ledger(output, files, facts)
        if len(book["bad_files"]) == len(files):
            raise BadInputs(bad_lines(book))
        if "dedup" in jobs:
            facts["dedup"] = stage("dedup", config, output, flags, files)
            book = write_ledger(output, files, facts)
        if "publish" in jobs:
            facts["dedup"] = finished("dedup", config, output, files)
            facts |= stage("publish", config, output, flags, files)
            book = write_ledger(output, files, facts)
            write_papers(config, output, book, facts)
    if {item.path for item in inputs if item.named} & set(book["bad_files"]):
        rest = f" (the rest is in {config.output})" if set(jobs) & {"dedup", "publish"} else ""
        raise BadInputs(bad_lines(book) + rest)
    if book["bad_files"]:
        print(f"warning: {bad_lines(book)} (no records there; counted as unreadable)", file=sys.stderr)
    return book


def bad_lines(book: dict[str, Any]) -> str:
    """Return what is wrong with each file that holds no crawl records, on one line."""
    return "; ".join(text if text.startswith(path) else f"{path}: {text}" for path, text in book["bad_files"].items())


def refuse_local(inputs: list[Input], output: Output, read: Sequence[str]) -> None:
    """Refuse paths of this machine where the workers are others that cannot see it. Raises RunError."""
    local = [output.root] * output.local + [item.path for item in inputs if item.local]
    local += [root for root in read if Output(root).local]
    if local:
        raise RunError(f"{local[0]}: a path of this machine, which Dataflow's workers do not see; give gs:// or s3://")


@contextmanager
def exclusive(output: Output) -> Iterator[None]:
    """Hold the output alone: a second run into it refuses at once. Raises RunError.

    The lock is the operating system's, so that it goes with a killed process. Object stores have none; there it is the
    user who must not start two.
    """
    if not output.local:
        yield
        return
    from filelock import FileLock, Timeout

    try:
        os.makedirs(output.path(WORK), exist_ok=True)
        lock = FileLock(output.path(WORK, "lock"))
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"{output.root}: another run is writing this output; wait for it or choose another") from error
    except OSError as error:
        raise RunError(f"{output.root}: cannot be written: {error.strerror or error}") from error
    try:
        sweep(output)
        yield
    finally:
        lock.release()


def sweep(output: Output) -> None:
    """Remove what a killed run left half written."""
    for folder, _, names in os.walk(output.base):
        for name in names:
            if name.startswith(".") and name.endswith(".partial"):
                os.remove(os.path.join(folder, name))


def adopt(config: Config, output: Output) -> None:
    """Write the effective config beside the outputs, or check that it is the one they were made by."""
    if output.exists("config.yaml"):
        with output.open("config.yaml") as source:
            old = yaml.safe_load(source)
        changed = differences(old, to_dict(config))
        if changed and begun(output):
            what = "; ".join(changed)
            raise ConfigError(
                f"{output.root}: made by another config ({what}); choose another output, or remove this one"
            )
        if not changed:
            return
    elif output.local and set(os.listdir(output.base)) - {WORK}:
        raise RunError(f"{output.root}: this folder is not empty and not an output of ours; choose another")
    with output.write("config.yaml") as out:
        out.write(dump(config).encode())


def begun(output: Output) -> bool:
    """Return whether anything was made by the config: a run that failed at its start leaves nothing but its config."""
    return bool(output.list(f"{WORK}/extract") or output.list("documents"))


def extract(files: list[InputFile], config: Config, output: Output, flags: list[str]) -> None:
    """Run the extract job over what is not done yet, and mark the whole job done."""
    found = todo(files, config, output)
    same_files(contents(config), output)
    if found.files:
        run_extract(found, files, config, output, flags)
    names = [file.name for file in files]
    output.write_json({"files": names, "settings": settings_fingerprint(config)}, WORK, "extract.json")


def same_files(now: dict[str, str], output: Output) -> None:
    """Write down the models and lists that pages go through, or check that they are those of before. Raises RunError.

    Half of the pages by one model and half by another, under one name, nobody would notice.
    """
    path = (WORK, "named_files.json")
    before = output.read_json(*path) if begun(output) and output.exists(*path) else {}
    for name in sorted(before):
        if now.get(name) != before[name]:
            raise RunError(f"{name}: is another than this output was made by; choose another output, or give it back")
    output.write_json(now, *path)


def run_extract(found: Todo, files: list[InputFile], config: Config, output: Output, flags: list[str]) -> None:
    """Mill the pieces and put the files together: on this machine's cores, or as one Beam job on another runner."""
    if is_local(flags):
        from pipeline.runners.progress import Progress

        sizes = [file.size for file in files]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        left = sum(piece.bytes for piece in found.pieces)
        workers = min(config.workers or os.cpu_count() or 1, max(len(found.pieces), 1))
        pieces = sorted(found.pieces, key=lambda piece: (-piece.bytes, piece))  # the largest first
        with Progress(total, (total or left) - left) as progress:
            stage = partial(local_stage, config, output.root)
            run_tasks([*pieces, *ready(found)], stage, workers, progress, joins(found), flags)
        return
    import apache_beam as beam

    from pipeline.extract.job import build

    with beam.Pipeline(options=beam_options(flags, "extract")) as pipeline:
        build(pipeline, output.root, config, found.pieces, found.files)


def local_stage(config: Config, root: str) -> Any:
    """Return what a worker of this machine runs; called there, so that this process need not import Beam."""
    from pipeline.extract.job import MillAndJoin

    return MillAndJoin(config, root)


def ready(found: Todo) -> list[InputFile]:
    """Return the files whose pieces were all milled before."""
    unfinished = {piece.name for piece in found.pieces}
    return [file for file in found.files if file.name not in unfinished]


def joins(found: Todo) -> Callable[[Piece | InputFile], list[InputFile]]:
    """Return what names a file to be put together once the last of its pieces is milled."""
    left = Counter(piece.name for piece in found.pieces)
    files = {file.name: file for file in found.files}

    def follow(result: Piece | InputFile) -> list[InputFile]:
        if isinstance(result, InputFile):
            return []
        left[result.name] -= 1
        return [] if left[result.name] else [files[result.name]]

    return follow


def extracted(output: Output) -> dict[str, dict[str, Any]]:
    """Return each extracted file's marker by shard name. Raises RunError where the extract job has not ended."""
    if not output.exists(WORK, "extract.json"):
        raise RunError(f"{output.root}: the extract job has not ended here; run `python -m pipeline extract` first")
    names = output.read_json(WORK, "extract.json")["files"]
    return {name: output.read_json(WORK, "extract", f"{name}.json") for name in sorted(names)}


def earlier_contents(config: Config, output: Output) -> dict[str, str]:
    """Return what tells an earlier output of `dedup.against` from what it may become, by its name.

    One that is gone counts as it was when the dedup job used it: what was found by it still holds.
    """
    if not config.dedup.against:
        return {}
    from pipeline.dedup.index import content

    used = output.read_json(WORK, "dedup.json").get("against", {}) if output.exists(WORK, "dedup.json") else {}
    now = {root: content(root) for root in config.dedup.against}
    return {root: used.get(root, "") if found is None else found for root, found in now.items()}


def stage_key(
    name: str, config: Config, files: dict[str, dict[str, Any]], earlier: dict[str, str] | None = None
) -> str:
    """Return the fingerprint of everything that the result of dedup or publish depends on."""
    values = to_dict(config)
    mix = ("dedup", "decontaminate", "weights", "publish", "tokenizer", "seed")
    parts = {"dedup": ("dedup",), "publish": mix}[name]
    read: list[Any] = []
    if name == "publish":
        read = [*fingerprints(config.decontaminate.sets), *dsir_target.fingerprints(config.weights.dsir.target)]
        read += [
            *extra_sources.fingerprints(config.publish.anneal_sources),
            *topics.fingerprints(config.weights.topics),
        ]
    return fingerprint([{key: values[key] for key in parts}, files, *read, *([earlier] if earlier else [])])


def finished(name: str, config: Config, output: Output, files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a finished stage's result. Raises RunError where it has not ended for these documents."""
    if output.exists(WORK, f"{name}.json"):
        done = output.read_json(WORK, f"{name}.json")
        if done["key"] == stage_key(name, config, files, earlier_contents(config, output)):
            return done["result"]
    raise RunError(f"{output.root}: the {name} job has not ended here; run `python -m pipeline {name}` first")


def stage(
    name: str, config: Config, output: Output, flags: list[str], files: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Run dedup or publish unless its result for these very documents is there. Returns the result."""
    try:
        return finished(name, config, output, files)
    except RunError:
        pass
    earlier = earlier_contents(config, output)  # before the job: what changes meanwhile may not have been read
    key = stage_key(name, config, files, earlier)
    output.remove(WORK, f"{name}.json")
    if name == "dedup":
        from pipeline.dedup.job import dedup

        result = dedup(output, config, list(files), flags)
    else:
        from pipeline.publish.job import publish
        from pipeline.publish.tokenizer import train_tokenizer

        result = {"publish": publish(output, config, list(files), beam_options(flags, "publish"))}
        result["tokenizer"] = train_tokenizer(output, config)
    output.write_json({"key": key, "against": earlier, "result": result}, WORK, f"{name}.json")
    return result


def write_ledger(output: Output, files: dict[str, dict[str, Any]], facts: dict[str, Any]) -> dict[str, Any]:
    """Put the ledger together from the jobs' counts, check every sum, and write it. Raises LedgerError."""
    dropped = facts.get("dedup", {}).get("files", {})
    published = facts.get("publish", {}).get("files", {})
    book: dict[str, Any] = {"totals": {}, "files": {}, "bad_files": {}}
    problems = []
    for name, done in files.items():
        counts = {**done["ledger"], "duplicates": dropped.get(name, ledger.empty()["duplicates"])}
        counts["held_out"] = published.get(name, {}).get("held_out", {})
        bad = counts.pop("bad_file", None)
        if bad:
            book["bad_files"][done["path"]] = bad[0]
        problems += ledger.extract_problems(counts, done["path"])
        if published:
            pages = sum(published[name]["published"].values())
            problems += ledger.publish_problems(counts, pages, done["path"])
        book["files"][done["path"]] = counts
    book["totals"] = ledger.total(book["files"].values())
    book["totals"].pop("unreadable")
    problems += ledger.extract_problems(book["totals"], "in total")
    if lines := facts.get("dedup", {}).get("lines"):
        book["totals"]["repeated_lines"] = lines
    if published:
        pages = ledger.total({"published": counts["published"]} for counts in published.values())["published"]
        book["totals"]["published"] = pages
        problems += ledger.publish_problems(book["totals"], sum(pages.values()), "in total")
        book["totals"]["repeated"] = facts["publish"]["repeated"]
        if added := facts["publish"]["added"]:
            problems += extra_sources.problems(added)
            book["totals"]["added"] = {"anneal": added}
        if masked := facts["publish"]["contaminated"]["masked"]:
            book["totals"]["masked"] = {"contaminated": masked}
    ledger.require(problems)
    output.write_json(book, "ledger.json")
    return book


def write_papers(config: Config, output: Output, book: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write the dataset card and the report."""
    from pipeline.report.dataset_card import write_card
    from pipeline.report.html import write_report

    write_card(output, config, book, facts)
    write_report(output, config, book, facts)
