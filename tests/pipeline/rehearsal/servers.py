"""Programs that a rehearsal needs, started on free ports of this machine and ended with all their children."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.shared import ROOT

TOOLS = ROOT / ".tools"
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def find_tool(name: str) -> Path:
    """Return a program of `.tools/`, or skip the calling test with the reason."""
    path = TOOLS / name
    if not path.exists():
        pytest.skip(f".tools/{name} is not here; `make tools` builds it where Go is installed")
    return path


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])


def await_port(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    """Wait until somebody listens on a port. Fails with the end of the log when the process ends before."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{process.args}: nobody listens on {port}: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)


def die_with_parent() -> None:
    """Have the kernel kill this process once its parent is gone: a test that runs out of time leaves no server."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def started_server(
    command: Sequence[str | Path], port: int, log: Path, env: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in `folder` until the block ends; its output goes to `log`."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=out,
            stderr=out,
            env=dict(env),
            cwd=folder,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    try:
        await_port(port, process, log)
        yield process
    finally:
        kill_family(process.pid)
        process.wait()


def read_parents() -> dict[int, int]:
    """Return the parent of each process of this machine."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    return parents


def find_family(root: int) -> set[int]:
    """Return a process and all below it."""
    parents, found, size = read_parents(), {root}, 0
    while size != len(found):
        size = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def kill_family(root: int) -> None:
    """Kill a process and all below it."""
    for pid in find_family(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_children(root: int) -> set[int]:
    """Kill all processes below one, which stays; return them."""
    children = find_family(root) - {root}
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return children
