"""How the worker processes of this machine start and end.

On Linux each worker is a fork of a server (`forkserver` of multiprocessing), which has imported what workers need, Beam
above all. Where this process has imported it already and runs no thread, the server is a fork of this process; else it
is a new interpreter, which imports it again (one CPU-second). Elsewhere each worker is an interpreter of its own, since
libraries of macOS do not survive a fork.
"""

import gc
import importlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import BaseContext, ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

# Imported first in the server: it keeps the server's want of memory or files to the one line that the parent prints.
SERVER_MODULE = "pipeline.runners.worker_server"
# For `modules` of open_worker_context, before those that import Beam: workers take less memory and start faster.
SMALL_BEAM = "pipeline.runners.small_beam"

# Threads that do not keep a process from a fork: jemalloc, in pyarrow, ends its own before and starts it afterwards.
HARMLESS_THREADS = ("jemalloc_bg_thd",)
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


def import_modules(names: Sequence[str]) -> None:
    """Import modules without the search for garbage that so many new objects set off: in a tenth less time."""
    before = gc.isenabled()
    gc.disable()
    try:
        for name in names:
            importlib.import_module(name)
    finally:
        if before:
            gc.enable()


@contextmanager
def open_worker_context(modules: Sequence[str]) -> Iterator[BaseContext]:
    """Give the context in which workers are started while the block runs; `modules` are imported once for all of them.

    The workers must have ended before the block ends. It then waits for the server, whose CPU time becomes that of this
    process's children, and the next block's server sees the environment of its own time. Where this process has
    imported all of `modules`, workers find its modules as they are now; a caller who must not have that imports none.
    """
    if sys.platform != "linux":
        yield multiprocessing.get_context("spawn")
        return
    context = WorkerContext()
    with ignore_interrupts():
        if sys.modules.keys() >= set(modules) and runs_one_thread():
            fork_server()
        else:
            context.set_forkserver_preload([SERVER_MODULE, *modules])
            forkserver.ensure_running()
    try:
        yield context
    finally:
        find_server()._stop()


def runs_one_thread() -> bool:
    """Return whether this process may be forked: no other thread holds a lock that nobody would release in the fork."""
    for number in set(os.listdir("/proc/self/task")) - {str(os.getpid())}:
        with suppress(OSError), open(f"/proc/self/task/{number}/comm") as name:  # a thread may have ended
            if name.read().strip() not in HARMLESS_THREADS:
                return False
    return True


def find_server() -> Any:
    """Return what multiprocessing keeps of the server. There is no public way."""
    return vars(forkserver)["_forkserver"]


def fork_server() -> None:
    """Start the server as a fork of this process; do nothing where one runs."""
    server = find_server()
    if server._forkserver_pid is not None:
        return
    resource_tracker.ensure_running()
    address: str = vars(connection)["arbitrary_address"]("AF_UNIX")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        os.chmod(address, 0o600)
        listener.listen()
        read_end, write_end = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()  # the collector would write to the memory that the processes share
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # the fork must never run this process's handler
        pid = os.fork()
        if not pid:
            serve_forks(listener.fileno(), read_end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.close(read_end)
    server._forkserver_address, server._forkserver_alive_fd, server._forkserver_pid = address, write_end, pid


def serve_forks(listener: int, read_end: int) -> NoReturn:
    """Be the server, until its parent and all workers have closed the other end of a pipe; then end the process."""
    try:
        importlib.import_module(SERVER_MODULE)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        nothing = os.open(os.devnull, os.O_RDWR)
        for name in os.listdir("/proc/self/fd"):  # a file that its parent has locked is free when that ends
            if int(name) not in (0, 1, 2, listener, read_end, nothing):
                os.dup2(nothing, int(name), inheritable=False)
        forkserver.main(listener, read_end, [])
    except SystemExit:
        os._exit(0)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(1)


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
