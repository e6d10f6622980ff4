"""The dedup job's transforms: each step's tasks are spread over the workers once all of the step before are done.

Elements are names of tasks. What the tasks work on lies in files (../dedup_tasks.py), in blocks of arrays: a shuffled
tuple of a page's would cost a hundred times its bytes in memory on this machine.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics import Metrics

from pipeline.dedup.job import run_task
from pipeline.dedup.settings import DedupConfig
from pipeline.dedup.tasks import Job, Task


def build(pipeline: beam.Pipeline, root: str, config: DedupConfig) -> None:
    """Add the job to a Beam pipeline."""
    done = pipeline | "begin" >> beam.Create([Task("begin", 0)])
    for step in Job(root, config).steps():
        done = done | step >> Step(step, root, config)


@dataclass(eq=False)
class Step(beam.PTransform):
    """PCollection[Task] -> PCollection[Task]: the step before, done -> this step, done."""

    step: str
    root: str
    config: DedupConfig

    def expand(self, before):
        """Wait for all tasks of the step before, then spread this one's."""
        together = before | "by step" >> beam.Map(by_step) | "wait" >> beam.GroupByKey()
        tasks = together | "tasks" >> beam.FlatMap(tasks_after, self.step, self.root, self.config).with_output_types(
            Task
        )
        return tasks | "spread" >> beam.Reshuffle() | "do" >> Tasks(self.root, self.config)


def by_step(task: Task) -> tuple[str, Task]:
    """Return a task under its step."""
    return task.step, task


def tasks_after(group: tuple[str, Iterable[Task]], step: str, root: str, config: DedupConfig) -> list[Task]:
    """Return a step's tasks. The group is the step before, which only had to be waited for."""
    return Job(root, config).tasks(step)


@dataclass(eq=False)
class Tasks(beam.PTransform):
    """PCollection[Task] -> PCollection[Task]: each done, its rows and counts written to the output."""

    root: str
    config: DedupConfig

    def expand(self, tasks):
        """Do every task where it is; one step, so that each result is out before a worker draws the next task."""
        return tasks | beam.ParDo(DoTask(self.root, self.config)).with_output_types(Task)


class DoTask(beam.DoFn):
    """Does a task."""

    def __init__(self, root: str, config: DedupConfig):
        """Keep what a worker needs to find its work."""
        self.root, self.config = root, config

    def setup(self) -> None:
        """Read nothing yet: the plan is there only once its step is done."""
        self.job = Job(self.root, self.config)

    def process(self, task: Task) -> Iterator[Task]:
        """Do one task."""
        yield run_task(self.job, task)
        Metrics.counter("dedup", task.step).inc()
