"""The dedup job: `documents/` in, `duplicates/` out, a shard of it for each of documents/; and the index in `index/`.

Three passes in order, and a page goes at most once: pages of one canonical URL (the newest capture stays), pages of one
normalised text, near duplicates confirmed by the exact Jaccard of their shingles. The job is a row of steps, each of
them independent tasks (tasks.py, near.py). A runner passes only their names; keys and shingles lie in files
under `.work/dedup/`, cut so that no task holds more than a bounded part of them. So the same tasks run here, on this
machine's workers or on a cluster, and a job that was killed goes on from the tasks that were done.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pipeline.config import Config, config_values
from pipeline.dedup import near, repeated_lines, tasks
from pipeline.dedup.index import VERSION, check_index, content, line_parameters, parameters
from pipeline.dedup.settings import DedupConfig
from pipeline.dedup.tasks import FOLDER, MOST_NAMED, Job, Task, by_size, done
from pipeline.io.output import Output, fingerprint
from pipeline.runners.beam_options import beam_options, is_local
from pipeline.runners.local_pool import Report, run_tasks

SMALL = 1 << 14  # pages: with fewer the job takes less time than a worker needs to start

LOG_SECONDS = 60.0

DO: dict[str, Callable[[Job, int], dict[str, Any]]] = {
    "index": tasks.index,
    "plan": tasks.plan,
    **{f"{kind}.keys": partial(tasks.keys, kind) for kind in tasks.KINDS},
    **{f"{kind}.groups": partial(tasks.groups, kind) for kind in tasks.KINDS},
    "near.keys": near.keys,
    "near.buckets": near.buckets,
    "near.components": near.components,
    "near.sets": near.sets,
    "near.settle": near.settle,
    **{f"{kind}.resolve": partial(tasks.resolve, kind) for kind in tasks.KINDS},
    "write": tasks.write,
    "lines.keys": repeated_lines.keys,
    "lines.groups": repeated_lines.groups,
    "lines.write": repeated_lines.write,
}


def dedup(output: Output, config: Config, shards: list[str], flags: Sequence[str] = ()) -> dict[str, Any]:
    """Run the job. Returns what each shard lost by kind, the clusters, and the lines that go of all by what is counted.

    `flags` are Beam options, as checked. Raises ValueError where a shard's signatures were made by other parameters
    than the config's, or an output to dedup against cannot be used.
    """
    begin(output, config, shards)
    job = Job(output.root, config.dedup)
    if not is_local(flags):
        import apache_beam as beam

        with beam.Pipeline(options=beam_options(flags, "dedup")) as pipeline:
            build(pipeline, output.root, config)
    elif pages(output, shards) <= SMALL:
        for step in job.steps():
            for task in job.tasks(step):
                run_task(job, task)
    else:
        stage = partial(local_stage, output.root, config.dedup)
        workers = config.workers or os.cpu_count() or 1
        run_tasks(job.tasks("index"), stage, workers, Steps(job), Following(job), flags)
    result, contents = summary(job)
    lines = line_parameters(config.dedup)
    made = {"parameters": parameters(config.dedup), "lines": lines and lines | {"parts": job.plan["parts"]["lines"]}}
    output.write_json(made | {"shards": shards, "content": fingerprint(contents)}, "index.json")
    output.remove(*FOLDER)
    return result


def build(pipeline: Any, root: str, config: Config) -> None:
    """Add the job to a Beam pipeline, step by step; it finds the shards in the output, where `begin` named them."""
    from pipeline.dedup.beam import build

    build(pipeline, root, config.dedup)


def begin(output: Output, config: Config, shards: list[str]) -> None:
    """Clear away what is of another job, and name the shards. Raises ValueError where `against` cannot be used."""
    against: dict[str, Any] = {}
    for root in config.dedup.previous_outputs:
        earlier = Output(root)
        if earlier.path() == output.path():
            raise ValueError(f"dedup.previous_outputs: {root}: this is the output itself")
        against[root] = [check_index(earlier, config.dedup), content(root)]
    sizes = [output.fs.size(output.path("documents", f"{name}.parquet")) for name in shards]
    key = fingerprint([VERSION, config_values(config)["dedup"], shards, sizes, against])
    job = (*FOLDER, "job.json")
    if output.exists(*job) and output.read_json(*job)["key"] == key:
        return
    for place in (FOLDER, ("duplicates",), ("repeated_lines",), ("index.json",), ("index",)):
        output.remove(*place)
    output.write_json({"key": key, "names": shards}, *job)


def pages(output: Output, shards: list[str]) -> int:
    """Return how many pages there are, at least one more than SMALL where there are more than that."""
    found = 0
    for name in shards:
        with output.parquet("documents", f"{name}.parquet") as file:
            found += file.metadata.num_rows
        if found > SMALL:
            break
    return found


def run_task(job: Job, task: Task) -> Task:
    """Do a task, unless an earlier attempt has, and write down what it counted."""
    place = done(task)
    if task.number >= 0 and not job.output.exists(*place):
        job.output.write_json(DO[task.step](job, task.number), *place)
    return task


def local_stage(root: str, config: DedupConfig) -> Any:
    """Return what a worker of this machine runs; called there, so that this process need not import Beam."""
    from pipeline.dedup.beam import Tasks

    return Tasks(root, config)


class Following:
    """Names the tasks of the next step once all of a step's are done."""

    def __init__(self, job: Job):
        """Begin with the first step."""
        self.job, self.steps = job, job.steps()
        self.left = len(job.tasks(self.steps[0]))

    def __call__(self, task: Task) -> list[Task]:
        """Take note that a task is done."""
        self.left -= 1
        following = self.steps[self.steps.index(task.step) + 1 :]
        if self.left or not following:
            return []
        tasks = self.job.tasks(following[0])
        self.left = len(tasks)
        return tasks


class Steps:
    """Writes a line to standard error for each step that takes a while."""

    def __init__(self, job: Job):
        """Begin to wait."""
        self.following, self.logged = job.steps(), time.monotonic()
        self.done: Counter[str] = Counter()

    def __call__(self, report: Report) -> None:
        """Take a worker's report."""
        if report.kind != "result":
            return
        step = report.value.step
        self.done[step] += 1
        if time.monotonic() - self.logged >= LOG_SECONDS:
            self.logged = time.monotonic()
            place = f"step {self.following.index(step) + 1} of {len(self.following)}"
            print(f"dedup {place}, {step}: {self.done[step]} tasks done", file=sys.stderr, flush=True)


def summary(job: Job) -> tuple[dict[str, Any], dict[str, str]]:
    """Put together what the tasks counted: the duplicates by shard and kind, the clusters, the lines.

    Returns that, and the fingerprint of each file of index/ and duplicates/.
    """
    files: dict[str, Any] = {}
    contents: dict[str, str] = {}
    clusters: dict[str, Any] = {"count": 0, "largest": [], "large": [], "chained": []}
    totals: Counter[str] = Counter()
    for step in job.steps():
        for task in job.tasks(step):
            counts = job.output.read_json(*done(task)) if task.number >= 0 else {}
            files |= counts.pop("files", {})
            contents |= counts.pop("content", {})
            clusters["count"] += counts.pop("clusters", 0)
            clusters["largest"] = sorted([*clusters["largest"], *counts.pop("largest", [])], reverse=True)[:10]
            clusters["large"] = sorted([*clusters["large"], *counts.pop("large", [])], key=by_size)[:MOST_NAMED]
            clusters["chained"] = sorted([*clusters["chained"], *counts.pop("chained", [])], key=by_size)[:MOST_NAMED]
            totals.update({f"{step} {key}": n for key, n in counts.items()})
    clusters["large"].sort()
    result = {"files": {name: files[name] for name in job.names}, "clusters": clusters, "steps": dict(totals)}
    if job.config.repeated_lines:
        counted = [(what, totals[f"lines.keys {what}"]) for what in ("lines", "pages", "characters")]
        result["lines"] = {what: [totals[f"lines.write {what}"], of] for what, of in counted}
    return result, contents
