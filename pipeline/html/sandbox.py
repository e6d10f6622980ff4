"""A process for work that no thread can interrupt: native code that hangs, takes all memory, or crashes.

The sandbox process sets its own limits before every request, and the kernel enforces them: CPU time (a suspended or
overloaded machine costs a page nothing), ten times that in wall-clock time, and address space. So the parent needs no
timer, and any thread of it may ask. A request and its answer are bytes with a length before them; nothing is pickled.
A process that is killed from outside, as the kernel does when another process takes all memory, is no fault of the
request: it is asked once more of a new process.
"""

import contextlib
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
LENGTH = struct.Struct(">Q")
WALL_PER_CPU = 10  # wall-clock seconds allowed for each of CPU time: for a process that waits, which it never should
TRIES = 2  # of a request whose process is killed from outside
TIMEOUT_SIGNALS = (signal.SIGPROF, signal.SIGALRM, signal.SIGXCPU)
CRASH_SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
OUTSIDE_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class SandboxEnded(OSError):
    """The process died over a request.

    `reason` is "timeout", "crash", "memory" (killed from outside, again and again), or "ended" for what no page causes.
    """

    def __init__(self, returncode: int):
        """Read the reason from the exit status."""
        reasons: dict[int, str] = {
            **dict.fromkeys(TIMEOUT_SIGNALS, "timeout"),
            **dict.fromkeys(CRASH_SIGNALS, "crash"),
            **dict.fromkeys(OUTSIDE_SIGNALS, "memory"),  # SIGKILL is the kernel's last resort
        }
        self.reason = reasons.get(-returncode, "ended")
        self.from_outside = -returncode in OUTSIDE_SIGNALS
        super().__init__(f"the sandbox process ended with status {returncode} ({self.reason})")


class SandboxProcess:
    """A process of its own, started when first asked and again after it dies. `ask` may be called from any thread."""

    def __init__(self, module: str, *arguments: str):
        """Name the module whose `__main__` calls `serve_requests`, and its command-line arguments."""
        self.command = [sys.executable, "-P", "-m", module, *arguments]
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.owner = 0

    def ask(self, request: bytes) -> bytes:
        """Return the answer. Raises SandboxEnded; the next call starts another process."""
        with self.lock:
            for left in range(TRIES - 1, -1, -1):
                try:
                    return self._ask_once(request)
                except SandboxEnded as error:
                    if not error.from_outside or not left:
                        raise
            raise AssertionError("the last try returns or raises")

    def _ask_once(self, request: bytes) -> bytes:
        """Return the answer of the running process, or of a new one. Raises SandboxEnded."""
        process = self._find_running()
        assert process.stdin and process.stdout
        try:
            _send_message(process.stdin, request)
            answer = _receive_message(process.stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            self.process = None
            _close_process(process)
            raise SandboxEnded(process.returncode)
        return answer

    def _find_running(self) -> subprocess.Popen[bytes]:
        """Return this process's sandbox; one that was inherited over a fork belongs to the parent."""
        if self.process is None or self.owner != os.getpid() or self.process.poll() is not None:
            paths = [str(ROOT), *(path or os.getcwd() for path in sys.path)]  # an engine of the user's own may be there
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
            self.owner = os.getpid()
            weakref.finalize(self, _close_own_process, self.process, self.owner)
        return self.process


def _close_process(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes, which ends an idle sandbox process, and collect its status."""
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    process.wait()


def _close_own_process(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner == os.getpid():
        _close_process(process)


def _send_message(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def _receive_message(pipe: IO[bytes]) -> bytes | None:
    """Return the next message, or None at the end of the pipe."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size = LENGTH.unpack(head)[0]
    message = pipe.read(size)
    return message if len(message) == size else None


def serve_requests(answer: Callable[[bytes], bytes], seconds: float, memory_mb: int) -> None:
    """Answer requests from standard input until it closes, each within `seconds` of CPU time: the main loop."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not print into the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; the closed pipe then ends us
    for number in TIMEOUT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(ValueError, OSError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while (request := _receive_message(requests)) is not None:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds * WALL_PER_CPU)
        reply = answer(request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            _send_message(answers, reply)
        except BrokenPipeError:  # the process that asked was killed
            return
