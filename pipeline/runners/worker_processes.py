"""How the worker processes of this machine start and end.

On Linux a server process imports what all workers need, Beam above all (two to three CPU-seconds), and each worker is a
fork of it (`forkserver` of multiprocessing). Elsewhere each worker is an interpreter of its own, since libraries of
macOS do not survive a fork.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import BaseContext, ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess

# Imported first in the server: it keeps the server's want of memory to the one line that the parent prints.
SERVER_MODULE = "pipeline.runners.worker_server"
# For `modules` of open_worker_context, before those that import Beam: workers take less memory and start faster.
SMALL_BEAM = "pipeline.runners.small_beam"

SERVER_ENDED = 255  # the exit code that multiprocessing gives a worker of which the server, gone, cannot tell it


class WorkerProcess(ForkServerProcess):
    """A fork of the server. To start one raises MemoryError where the server has ended: nothing else ends it."""

    @staticmethod
    def _Popen(process_obj: BaseProcess):  # type: ignore[no-untyped-def]  # as in its base
        try:
            return ForkServerProcess._Popen(process_obj)
        except (EOFError, ConnectionError) as error:
            raise MemoryError("the process that all workers are forks of has ended") from error


class WorkerContext(ForkServerContext):
    """The context whose processes are `WorkerProcess`es."""

    Process = WorkerProcess


@contextmanager
def open_worker_context(modules: Sequence[str]) -> Iterator[BaseContext]:
    """Give the context in which workers are started while the block runs; `modules` are imported once for all of them.

    The workers must have ended before the block ends. It then waits for the server, whose CPU time becomes that of this
    process's children, and the next block's server sees the environment of its own time.
    """
    if sys.platform != "linux":
        yield multiprocessing.get_context("spawn")
        return
    from multiprocessing import forkserver

    context = WorkerContext()
    context.set_forkserver_preload([SERVER_MODULE, *modules])
    with ignore_interrupts():
        forkserver.ensure_running()
    try:
        yield context
    finally:
        forkserver._forkserver._stop()  # type: ignore[attr-defined]  # there is no public way


@contextmanager
def ignore_interrupts() -> Iterator[None]:
    """Have the processes that start while the block runs ignore Ctrl-C: it is their parent's, which ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a process inherits this
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end this process once the parent is gone: no killed run leaves workers behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=exit_with_parent, daemon=True).start()


def exit_with_parent() -> None:
    """Wait for the end of the process that asked for this one, then end this one."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
