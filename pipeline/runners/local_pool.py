"""The workers of this machine: a map-only Beam stage over a queue of tasks, on every core.

Each worker is a process with an in-memory Beam pipeline of its own, and asks for its next task when it has done one:
nobody waits for a static split, and nothing but small results crosses a process. Beam's own ways of using more cores
split the work statically, and start again for every job (beam_options.py says which of them lose data).

Each worker has a pipe of its own, so that it may die at any moment without a lock that others wait for. Beside it,
worker and parent share a note: what the worker has in hand. The caller decides by it whether the task of a dead worker
is given to a new one.
"""

import collections
import errno
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from pipeline.runners.beam_options import LaunchError, beam_options
from pipeline.runners.memory import OUT_OF_MEMORY, is_out_of_memory
from pipeline.runners.worker_processes import SERVER_ENDED, ignore_interrupts, open_worker_context, prepare_worker

NOTE_BYTES = 512


class WorkerFailure(RuntimeError):
    """A worker raised; the text is the error's own line, `details` its traceback."""

    def __init__(self, line: str, details: str, user: bool):
        """`user` says whether the line alone tells the user what to do."""
        super().__init__(line)
        self.details, self.user = details, user


class Report(NamedTuple):
    """A message of a worker: `kind` is ready, progress, lost, counters, failure or done."""

    worker: int
    kind: str
    value: Any


class WorkerLoss(NamedTuple):
    """A worker that died: its task, if it had one, its exit code, below zero for a signal, and its note."""

    task: Any
    exit_code: int
    note: bytes


def run_tasks(
    tasks: Iterable[Any],
    make_stage: Callable[[], Any],
    workers: int,
    on_report: Callable[[Report], None],
    follow: Callable[[Any], Iterable[Any]] = lambda task: (),
    flags: Sequence[str] = (),
    recover: Callable[[WorkerLoss], bool] = lambda loss: False,
    modules: Sequence[str] = ("apache_beam",),
) -> tuple[list[Any], dict[str, int]]:
    """Run a map-only PTransform over tasks on `workers` processes of this machine.

    `make_stage` is picklable and returns, in the worker, a PTransform of tasks. A task is done when its worker asks for
    the next one; `follow` then names the tasks that it makes possible. `flags` are Beam options for each worker. Where
    a worker died, `recover` says whether its task is tried again by a new worker. `modules` are those that all workers
    import.
    Returns the tasks that are done (in no order) and the sum of the Beam counters. Raises WorkerFailure with the first
    worker's error; LaunchError where a worker was killed and its task is not tried again.
    """
    with open_worker_context(modules) as context:
        pool = TaskPool(tasks, make_stage, follow, flags, recover, context)
        try:
            pool.start_workers(range(workers))
            while pool.running:
                for report in pool.await_reports():
                    on_report(report)
                    pool.take_report(report)
                pool.hand_out()
        finally:
            pool.close()
    return pool.done, pool.counters


class PoolWorker(NamedTuple):
    """The parent's side of a worker: its process, the pipe to it, and the note that they share."""

    process: BaseProcess
    pipe: Connection
    note: Any


class TaskPool:
    """The parent's view of the workers: which tasks wait, who has which, who still runs."""

    def __init__(
        self,
        tasks: Iterable[Any],
        make_stage: Callable[[], Any],
        follow: Callable[[Any], Iterable[Any]],
        flags: Sequence[str],
        recover: Callable[[WorkerLoss], bool],
        context: BaseContext,
    ):
        """Begin with all tasks waiting, and no worker."""
        self.waiting, self.in_hand = collections.deque(tasks), dict[int, Any]()
        self.make_stage, self.follow, self.flags, self.recover = make_stage, follow, flags, recover
        self.context = context
        self.running: dict[int, PoolWorker] = {}
        self.idle: set[int] = set()  # who asked for a task and has none yet
        self.reported: dict[int, list[object]] = {}  # of the task in hand: what `lost` takes back
        self.done: list[object] = []
        self.counters: dict[str, int] = {}

    def start_workers(self, numbers: Iterable[int]) -> None:
        """Start workers, which ignore Ctrl-C: it is the parent's, which ends them."""
        with ignore_interrupts():
            for number in numbers:
                mine, theirs = self.context.Pipe()
                note = self.context.RawArray("c", NOTE_BYTES)
                process = self.context.Process(  # type: ignore[attr-defined]  # each kind of context has its own
                    target=run_worker,
                    args=(number, self.make_stage, theirs, note, self.flags),
                    name=f"gristmill-{number}",
                    daemon=True,
                )
                process.start()
                theirs.close()  # so that the pipe ends with the worker
                self.running[number] = PoolWorker(process, mine, note)

    def await_reports(self) -> Iterator[Report]:
        """Wait for messages and yield one of each worker that has one. Raises LaunchError where a worker was killed."""
        numbers = {worker.pipe: number for number, worker in self.running.items()}
        for pipe in wait(list(numbers)):
            assert isinstance(pipe, Connection)
            try:
                report: Report = pipe.recv()
            except (EOFError, OSError):  # the worker is gone, perhaps in the middle of a message
                report = self.take_loss(numbers[pipe])
            yield report

    def take_report(self, report: Report) -> None:
        """Take note of a message. Raises WorkerFailure where a worker failed."""
        if report.kind == "ready":
            self.reported[report.worker] = []
            self.idle.add(report.worker)
            if report.worker in self.in_hand:
                task = self.in_hand.pop(report.worker)
                self.done.append(task)
                self.waiting.extend(self.follow(task))
        elif report.kind == "progress":
            self.reported[report.worker].append(report.value)
        elif report.kind == "counters":
            for name, n in report.value.items():
                self.counters[name] = self.counters.get(name, 0) + n
        elif report.kind == "failure":
            raise WorkerFailure(*report.value)
        elif report.kind == "done":
            self.running.pop(report.worker).process.join()

    def hand_out(self) -> None:
        """Give each idle worker a task; where nobody can have a further one any more, the end."""
        ended = not self.waiting and not self.in_hand
        for number in sorted(self.idle):
            if not self.waiting and not ended:
                return
            self.idle.discard(number)
            if not ended:
                self.in_hand[number] = self.waiting.popleft()
            try:
                self.running[number].pipe.send(self.in_hand.get(number))
            except OSError:  # the worker is gone; its pipe tells it next
                pass

    def take_loss(self, number: int) -> Report:
        """Put another worker in the place of one that died, and give it the task; return what is to be taken back.

        Raises LaunchError where `recover` does not want this, MemoryError where the server has ended: nothing else ends
        it, and no worker can be started any more.
        """
        process, pipe, note = self.running.pop(number)
        pipe.close()
        process.join()
        code = process.exitcode or 0
        if code == SERVER_ENDED:
            raise MemoryError("the process that all workers are forks of has ended")
        task = self.in_hand.pop(number, None)
        if not self.recover(WorkerLoss(task, code, bytes(note.raw))):
            raise LaunchError(
                f"worker {process.name} was killed (exit {code}), likely for want of memory; "
                "run the same command again to go on from what is done, with fewer --set workers=N"
            )
        self.idle.discard(number)
        if task is not None:
            self.waiting.appendleft(task)
        self.start_workers([number])
        return Report(number, "lost", self.reported.pop(number, []))

    def close(self) -> None:
        """End the workers that have not ended by themselves, and wait for them."""
        for worker in self.running.values():
            worker.process.terminate()
        for worker in self.running.values():
            worker.process.join()


class WorkerEnds(NamedTuple):
    """A worker's own side: its number, the pipe to its parent, and their note."""

    number: int
    pipe: Connection
    note: Any


# Of the process that runs a worker; empty anywhere else. Threads of a worker may report at once.
_worker: list[WorkerEnds] = []
_reporting = threading.Lock()


def draw_tasks(_: object) -> Iterator[Any]:
    """Yield tasks that the parent gives until it says that there are no more."""
    while True:
        report("ready", None)  # whatever was drawn before is done
        try:
            task = _worker[0].pipe.recv()
        except EOFError:  # the parent is gone
            os._exit(1)
        if task is None:
            return
        yield task


def report(kind: str, value: object) -> None:
    """Tell the parent process; does nothing on a runner that is not ours."""
    for worker in _worker:
        try:
            with _reporting:
                worker.pipe.send(Report(worker.number, kind, value))
        except BrokenPipeError:  # the parent is gone
            os._exit(1)


def shared_note() -> memoryview | None:
    """Return the note that this worker shares with its parent; None on a runner that is not ours."""
    return memoryview(_worker[0].note).cast("B") if _worker else None


def run_worker(number: int, make_stage: Callable[[], Any], pipe: Connection, note: Any, flags: Sequence[str]) -> None:
    """Be one worker of the process `parent`: an in-memory Beam pipeline over the tasks that it gives."""
    for timer in (signal.SIGPROF, signal.SIGALRM):  # those of page_watch.py end this process
        signal.signal(timer, signal.SIG_DFL)
    prepare_worker()  # first: Beam takes seconds to import where it is not there yet
    _worker.append(WorkerEnds(number, pipe, note))
    try:
        import apache_beam as beam

        # It logs what a transform raises; the parent tells it.
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
        pipeline = beam.Pipeline(options=beam_options(flags))
        drawn = pipeline | "worker" >> beam.Create([number]) | "draw" >> beam.FlatMap(draw_tasks).with_output_types(Any)
        _ = drawn | make_stage()
        outcome = pipeline.run()
        outcome.wait_until_finish()
        report("counters", read_counters(outcome))
        report("done", None)
    except BaseException as error:  # sent on to the parent, which raises it
        cause = root_cause(error)
        user = isinstance(cause, OSError | ValueError) or is_out_of_memory(error)
        line = (
            explain_error(error if is_out_of_memory(error) else cause)
            if user
            else f"{type(cause).__name__}: {explain_error(cause)}"
        )
        report("failure", (line, traceback.format_exc(), user))
        os._exit(1)
    sys.stdout.flush()


def root_cause(error: BaseException) -> BaseException:
    """Return what a DoFn raised: Beam raises a copy with the step's name behind its text, or a RuntimeError."""
    while "[while running '" in str(error) and (error.__cause__ or error.__context__):
        error = error.__cause__ or error.__context__ or error
    return error


WHAT_TO_DO = {
    errno.EFBIG: "no file may grow larger here (ulimit -f); raise the limit and run the same command again",
    errno.EMFILE: "no more files may be open (ulimit -n); raise the limit and run the same command again",
    errno.ENFILE: "no more files may be open (ulimit -n); raise the limit and run the same command again",
    errno.ENOSPC: "the disk is full; make room and run the same command again: it goes on from what is done",
    errno.EDQUOT: "the disk is full; make room and run the same command again: it goes on from what is done",
    errno.EACCES: "cannot be read or written: this user has no permission",
    errno.EPERM: "cannot be read or written: this user has no permission",
    errno.EROFS: "cannot be written: the file system is read-only",
}


def explain_error(error: BaseException) -> str:
    """Return an error that the user can mend as one line."""
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno in WHAT_TO_DO:
        where = f"{error.filename}: " if error.filename else ""
        return where + WHAT_TO_DO[error.errno]
    return " ".join(re.sub(r" \[while running '.*", "", str(error), flags=re.DOTALL).split())


def read_counters(result: Any) -> dict[str, int]:
    """Return a finished Beam job's counters as {"namespace/name": n}."""
    found = result.metrics().query()["counters"]
    return {f"{c.key.metric.namespace}/{c.key.metric.name}": c.result for c in found}
