"""A dry run: the Beam graphs of the three jobs, built as they would be sent to a runner, and nothing run or written."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import DebugOptions
from fsspec.utils import get_protocol
from google.protobuf import json_format

from pipeline.cli.resume import holds_config
from pipeline.cli.run import check_before_start
from pipeline.config import Config
from pipeline.dedup.job import build_dedup
from pipeline.dedup.plan import unread_shards
from pipeline.extract.job import build as build_extract
from pipeline.extract.splits import plan_files
from pipeline.io.inputs import expand_inputs
from pipeline.io.output import Output
from pipeline.publish.job import build_publish
from pipeline.runners.beam_options import beam_options, check_flags, is_dataflow

SHUFFLES = ("beam:transform:group_by_key:v1", "beam:transform:combine_per_key:v1")


class Graph(NamedTuple):
    """A job's graph in short; `steps` are those that a runner sees, composites taken apart."""

    job: str
    runner: str
    steps: int
    shuffles: int
    bytes: int  # of the graph as it is sent
    file: str | None  # where it was written, if asked for


def dry_run(config: Config, flags: Sequence[str], jobs: Sequence[str]) -> list[Graph]:
    """Build the graphs of the jobs over the config's inputs. Changes no output, and asks no service.

    `--dataflow_job_file=FILE.json` among the flags writes each graph to FILE-JOB.json. Raises ValueError or OSError
    with one line for what the user can mend: what a run would refuse at its start is refused.
    """
    flags = check_flags(flags)
    check_before_start(config, flags, jobs)
    if get_protocol(config.output) == "file":  # to look into a bucket needs credentials
        holds_config(Output(config.output), config)
    build = builders(config)
    return [graph(job, build[job], flags) for job in jobs]


def builders(config: Config) -> dict[str, Callable[[beam.Pipeline], None]]:
    """Return what adds each job to a pipeline, as if nothing of it were done yet."""
    files = plan_files(expand_inputs(config.inputs, config.input, config.seed), config)
    names, root = sorted(file.name for file in files), config.output
    return {
        "extract": lambda pipeline: build_extract(
            pipeline, root, config, [split for f in files for split in f.splits], files
        ),
        "dedup": lambda pipeline: build_dedup(pipeline, root, config, unread_shards(names)),
        "publish": lambda pipeline: build_publish(pipeline, root, config, names),
    }


def graph(job: str, build: Callable[[beam.Pipeline], None], flags: Sequence[str]) -> Graph:
    """Build one job's graph. On Dataflow its runner checks and rewrites it, as for a job that is sent."""
    options = beam_options(flags, job)
    pipeline = beam.Pipeline(options=options)
    build(pipeline)
    if is_dataflow(flags):
        pipeline.run()  # returns before anything is sent: the flags hold --dry_run
        runner: Any = pipeline.runner
        proto = runner.proto_pipeline
    else:
        proto = pipeline.to_runner_api()
    path = options.view_as(DebugOptions).dataflow_job_file
    if path:
        with open(path, "w", encoding="utf-8") as out:
            out.write(json_format.MessageToJson(proto) + "\n")
    steps = [step for step in proto.components.transforms.values() if step.spec.urn and not step.subtransforms]
    shuffles = sum(step.spec.urn in SHUFFLES for step in steps)
    return Graph(job, type(pipeline.runner).__name__, len(steps), shuffles, proto.ByteSize(), path)


def lines(graphs: Sequence[Graph]) -> list[str]:
    """Return what the command prints, a line a job."""
    return [
        f"{g.job:8} {g.steps:3} steps, {g.shuffles:2} shuffles, {g.bytes / 1000:7.1f} kB, for {g.runner}"
        + (f" -> {g.file}" if g.file else "")
        for g in graphs
    ]
