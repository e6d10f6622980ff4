"""The extract job of a run: over what is not done yet, on this machine's cores or on another runner."""

import importlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from pipeline.cli.config_checks import hash_named_files
from pipeline.cli.errors import RunError
from pipeline.cli.resume import Markers, check_model_files
from pipeline.config import Config
from pipeline.extract.settings import read_own_stages
from pipeline.extract.splits import (
    InputFile,
    RemainingWork,
    Split,
    find_remaining,
    list_parts,
    marker_path,
    part_path,
    plan_files,
    remaining_splits,
    settings_fingerprint,
)
from pipeline.html.settings import is_own_engine
from pipeline.io.input_shards import ALL_INPUTS, InputShard, find_input_shards, record_input_shard
from pipeline.io.inputs import Input
from pipeline.io.output import WORK, Output, shard_name
from pipeline.runners.beam_options import beam_options, is_local
from pipeline.runners.local_pool import WorkerLoss, run_tasks
from pipeline.runners.page_charges import charge_loss, read_loss
from pipeline.runners.page_watch import NOBODY
from pipeline.runners.worker_processes import SMALL_BEAM, import_modules

EXTRACT_MODULES = (SMALL_BEAM, "pipeline.extract.job")  # what the workers of this machine import
DONE = (WORK, "extract.json")
OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGQUIT)
MOST_KILLED = 3  # workers that a run replaces when they are killed from outside: for want of memory, most likely


def extract(
    inputs: Sequence[Input], config: Config, output: Output, flags: list[str], shard: InputShard = ALL_INPUTS
) -> Markers:
    """Run the extract job over what is not done yet of a shard of the inputs. Returns the markers of its files.

    With all inputs, the whole job is marked done.
    """
    names, settings = [shard_name(item.path) for item in inputs], settings_fingerprint(config)
    files = plan_files(inputs, config, shard)
    found = find_remaining(files, names, config, output)
    check_model_files(hash_named_files(config), output)
    if shard != ALL_INPUTS:
        record_input_shard(shard, names, settings, output)
        if output.exists(*DONE) and output.read_json(*DONE)["files"] != names:
            output.remove(*DONE)  # of fewer inputs
    if found.files:
        run_extract(found, files, config, output, flags)
    if shard == ALL_INPUTS:
        output.write_json({"files": names, "settings": settings}, *DONE)
    return {file.name: output.read_json(*marker_path(file.name)) for file in files}


def run_extract(found: RemainingWork, files: list[InputFile], config: Config, output: Output, flags: list[str]) -> None:
    """Process the splits and merge the files: on this machine's cores, or as one Beam job on another runner."""
    if is_local(flags):
        from pipeline.runners.progress import Progress

        sizes = [file.size for file in files]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        left = sum(split.size for split in found.splits)
        workers = min(config.workers or os.cpu_count() or 1, max(len(found.splits), 1))
        splits = sorted(found.splits, key=lambda split: (-split.size, split.name, split.start))  # the largest first
        merges = FollowingMerges(found, output)
        with Progress(total, (total or left) - left) as progress:
            stage = partial(local_stage, config, output.root)
            recovery = LossRecovery(output, retries=not has_own_transform(config))
            modules = [name for name in EXTRACT_MODULES if name != SMALL_BEAM or not has_own_part(config)]
            if SMALL_BEAM in modules:  # once for all: the workers are forks of this process
                import_modules(modules)
                importlib.import_module("pipeline.extract.job").preload_stages(config)
            run_tasks([*splits, *merges.ready()], stage, workers, progress, merges, flags, recovery, modules)
            if merges.waiting:  # a stage of the user's own kept pages back until all splits were drawn
                run_tasks(list(merges.waiting.values()), stage, workers, progress, flags=flags, modules=modules)
        return
    import apache_beam as beam

    from pipeline.extract.job import build

    with beam.Pipeline(options=beam_options(flags, "extract")) as pipeline:
        build(pipeline, output.root, config, found.splits, found.files)


def local_stage(config: Config, root: str) -> Any:
    """Return what a worker of this machine runs; called there, so that this process need not import Beam."""
    from pipeline.extract.job import ExtractOrMerge

    return ExtractOrMerge(config, root)


def has_own_part(config: Config) -> bool:
    """Return whether a filter, an engine or a stage of the user's own runs: it may need all of Beam and of pyarrow."""
    engines = (config.extract.engine, *config.extract.fallback)
    return bool(config.rules.custom or config.stages or any(map(is_own_engine, engines)))


def has_own_transform(config: Config) -> bool:
    """Return whether a Beam transform of the user's own regroups pages: a lost worker may have held any of them."""
    made = [stage.make() for stage in read_own_stages(config.stages, ())]
    return any(not hasattr(stage, "process_pages") and not hasattr(stage, "load") for stage in made)


class LossRecovery:
    """Charges the page over which a worker died, tells the user, and has the split tried again."""

    def __init__(self, output: Output, retries: bool):
        """With `retries` false a page is charged all the same, for the next run."""
        self.output, self.retries, self.killed = output, retries, 0

    def __call__(self, loss: WorkerLoss) -> bool:
        """Return whether a new worker tries the task again."""
        found = read_loss(loss)
        if found is None or not isinstance(loss.task, Split):
            self.killed += 1
            return loss.exit_code in OUTSIDE and self.may_go_on()
        turn, reason = found
        line = charge_loss(self.output, turn, reason)
        if turn.first == NOBODY:  # the pages behind what is passed over get other numbers
            for part in list_parts(self.output, turn.name).get(turn.start, ()):
                self.output.remove(*part_path(turn.name, part))
        print(f"warning: {loss.task.path}, {line}", file=sys.stderr, flush=True)
        self.killed += reason == "killed"
        return self.may_go_on()

    def may_go_on(self) -> bool:
        """Return whether the run takes another worker."""
        return self.retries and self.killed <= MOST_KILLED


class FollowingMerges:
    """Names a file to be merged once all of its splits are done, by what is on disk."""

    def __init__(self, found: RemainingWork, output: Output):
        """`waiting` are the files that have not been named, by the name of their shards."""
        self.waiting, self.output = {file.name: file for file in found.files}, output
        self.left = Counter(split.name for split in found.splits)

    def ready(self) -> list[InputFile]:
        """Return the files all of whose splits were done before."""
        return [self.waiting.pop(name) for name in list(self.waiting) if not self.left[name]]

    def __call__(self, task: Split | InputFile) -> list[InputFile]:
        """Return the file that a task was the last split of, if it was."""
        if isinstance(task, InputFile):
            return []
        self.left[task.name] -= 1
        if self.left[task.name] or remaining_splits(self.waiting[task.name], self.output):
            return []
        return [self.waiting.pop(task.name)]


def read_markers(output: Output) -> Markers:
    """Return each extracted file's marker by shard name. Raises RunError if the extract job has not ended.

    Where jobs have extracted all input shards, the whole job is marked done here.
    """
    if not output.exists(*DONE):
        found = find_input_shards(output)
        problem = found.problem or "the extract job has not ended here; run `gristmill extract` first"
        if not found.names:
            raise RunError(f"{output.root}: {problem}")
        output.write_json({"files": found.names, "settings": found.settings}, *DONE)
    names = output.read_json(*DONE)["files"]
    return {name: output.read_json(*marker_path(name)) for name in sorted(names)}
