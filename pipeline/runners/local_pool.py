"""The workers of this machine: a map-only Beam stage over a queue of tasks, on every core.

Each worker is a process with an in-memory Beam pipeline of its own, and all of them draw tasks from one
queue: nobody waits for a static split, and nothing but small results crosses a process. Beam's own ways of using more
cores split the work statically, and start again for every job (beam_options.py says which of them lose data).
"""

import collections
import errno
import logging
import multiprocessing
import os
import queue
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from pipeline.runners.beam_options import LaunchError, beam_options


class WorkerFailure(RuntimeError):
    """A worker raised; the text is the error's own line, `details` its traceback."""

    def __init__(self, line: str, details: str, user: bool):
        """`user` says whether the line alone tells the user what to do."""
        super().__init__(line)
        self.details, self.user = details, user


class Report(NamedTuple):
    """A message of a worker: `kind` is progress, result, counters, failure or done."""

    worker: int
    kind: str
    value: Any


def run_tasks(
    tasks: Iterable[Any],
    make_stage: Callable[[], Any],
    workers: int,
    on_report: Callable[[Report], None],
    follow: Callable[[Any], Iterable[Any]] = lambda task: (),
    flags: Sequence[str] = (),
) -> tuple[list[Any], dict[str, int]]:
    """Run a map-only PTransform over tasks on `workers` processes of this machine.

    `make_stage` is picklable and returns, in the worker, a PTransform of tasks. A task is done when its worker draws
    the next one; `follow` then names the tasks that it makes possible. `flags` are Beam options for each worker.
    Returns the tasks that are done (in no order) and the sum of the Beam counters. Raises WorkerFailure with the first
    worker's error; LaunchError where a worker was killed.
    """
    context = multiprocessing.get_context("spawn")
    todo, reports = context.SimpleQueue(), context.Queue()
    processes = [
        context.Process(
            target=run_worker,
            args=(n, os.getpid(), make_stage, todo, reports, flags),
            name=f"gristmill-{n}",
            daemon=True,
        )
        for n in range(workers)
    ]
    start_processes(processes)
    pool = TaskPool(tasks, processes, todo, follow)
    try:
        while pool.running:
            pool.hand_out()
            report = pool.await_report(reports)
            if report:
                on_report(report)
                pool.take_report(report)
    finally:
        pool.close()
    return pool.done, pool.counters


def start_processes(processes: Sequence[BaseProcess]) -> None:
    """Start the workers, which ignore Ctrl-C: it is the parent's, which ends them."""
    in_main = threading.current_thread() is threading.main_thread()
    interrupt = signal.getsignal(signal.SIGINT)
    if in_main:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a process inherits this
    try:
        for process in processes:
            process.start()
    finally:
        if in_main:
            signal.signal(signal.SIGINT, interrupt)


class TaskPool:
    """The parent's view of the workers: which tasks wait, how many are handed out, who still runs."""

    def __init__(
        self,
        tasks: Iterable[Any],
        processes: Sequence[BaseProcess],
        todo: Any,
        follow: Callable[[Any], Iterable[Any]],
    ):
        """Begin with all tasks waiting and all processes running; `todo` is the queue that they draw from."""
        self.waiting, self.handed_out, self.told_end = collections.deque(tasks), 0, False
        self.processes, self.todo, self.follow = processes, todo, follow
        self.running = set(range(len(processes)))
        self.done: list[Any] = []
        self.counters: dict[str, int] = {}

    def hand_out(self) -> None:
        """Put tasks into the queue, some at a time, since a pipe holds only so much; after the last one, the end."""
        while self.waiting and self.handed_out < 2 * len(self.processes):
            self.todo.put(self.waiting.popleft())
            self.handed_out += 1
        if not self.waiting and not self.handed_out and not self.told_end:
            for _ in self.processes:
                self.todo.put(None)
            self.told_end = True

    def await_report(self, reports: Any) -> Report | None:
        """Return the next message, or None after a second without one. Raises LaunchError where a worker was killed."""
        try:
            report: Report = reports.get(timeout=1.0)
            return report
        except queue.Empty:
            dead = [p for n, p in enumerate(self.processes) if n in self.running and p.exitcode is not None]
            if dead and reports.empty():
                raise LaunchError(
                    f"worker {dead[0].name} was killed (exit {dead[0].exitcode}), likely for want of memory; "
                    "run the same command again to go on from what is done, with fewer --set workers=N"
                ) from None
            return None

    def take_report(self, report: Report) -> None:
        """Take note of a message. Raises WorkerFailure where a worker failed."""
        if report.kind == "result":
            self.handed_out -= 1
            self.done.append(report.value)
            self.waiting.extend(self.follow(report.value))
        elif report.kind == "counters":
            for name, n in report.value.items():
                self.counters[name] = self.counters.get(name, 0) + n
        elif report.kind == "failure":
            raise WorkerFailure(*report.value)
        elif report.kind == "done":
            self.running.discard(report.worker)

    def close(self) -> None:
        """Wait for the workers; end them first where not all of them have ended by themselves."""
        for process in self.processes:
            if process.is_alive() and self.running:
                process.terminate()
        for process in self.processes:
            process.join()


# A worker's own ends of the queues, for the pipeline that runs in its process; None anywhere else.
_worker: dict[str, Any] = {}


def draw_tasks(_: Any) -> Iterator[Any]:
    """Yield tasks from this worker's queue until it is told that there are no more; report each once it is done."""
    while (task := _worker["todo"].get()) is not None:
        yield task
        report("result", task)


def report(kind: str, value: Any) -> None:
    """Tell the parent process; does nothing on a runner that is not ours."""
    if _worker:
        _worker["reports"].put(Report(_worker["number"], kind, value))


def run_worker(
    number: int, parent: int, make_stage: Callable[[], Any], todo: Any, reports: Any, flags: Sequence[str]
) -> None:
    """Be one worker of the process `parent`: an in-memory Beam pipeline over the tasks drawn from the queue."""
    threading.Thread(
        target=exit_with_parent, args=(parent,), daemon=True
    ).start()  # first: Beam takes seconds to import
    import apache_beam as beam

    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # it logs what a transform raises; the parent tells it
    _worker.update(number=number, todo=todo, reports=reports)
    try:
        pipeline = beam.Pipeline(options=beam_options(flags))
        drawn = pipeline | "worker" >> beam.Create([number]) | "draw" >> beam.FlatMap(draw_tasks).with_output_types(Any)
        _ = drawn | make_stage()
        outcome = pipeline.run()
        outcome.wait_until_finish()
        report("counters", read_counters(outcome))
        report("done", None)
    except BaseException as error:  # sent on to the parent, which raises it
        cause = root_cause(error)
        user = isinstance(cause, OSError | ValueError)
        line = explained(cause) if user else f"{type(cause).__name__}: {explained(cause)}"
        report("failure", (line, traceback.format_exc(), user))
        reports.close()
        reports.join_thread()
        os._exit(1)
    reports.close()
    reports.join_thread()
    sys.stdout.flush()


def exit_with_parent(parent: int) -> None:
    """End this process once its parent is gone: a killed run must not leave workers behind."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def root_cause(error: BaseException) -> BaseException:
    """Return what a DoFn raised: Beam raises a copy with the step's name behind its text, or a RuntimeError."""
    while "[while running '" in str(error) and (error.__cause__ or error.__context__):
        error = error.__cause__ or error.__context__ or error
    return error


def explained(error: BaseException) -> str:
    """Return an error that the user can mend as one line."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}the disk is full; make room and run the same command again: it goes on from what is done"
    return " ".join(re.sub(r" \[while running '.*", "", str(error), flags=re.DOTALL).split())


def read_counters(result: Any) -> dict[str, int]:
    """Return a finished Beam job's counters as {"namespace/name": n}."""
    found = result.metrics().query()["counters"]
    return {f"{c.key.metric.namespace}/{c.key.metric.name}": c.result for c in found}
