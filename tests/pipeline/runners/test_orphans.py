"""A worker whose parent dies while it starts ends by itself: no process of a killed run is left behind."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# The stage lies in a module of its own: a spawned worker imports it to make it.
STAGE = """
import time
from dataclasses import dataclass

def slow(number):
    time.sleep(60)
    return number

class Stage:
    def __new__(cls):
        import apache_beam as beam
        return beam.Map(slow)
"""
PARENT = """
import multiprocessing.process as process, os, sys
from orphan_stage import Stage
from pipeline.runners.local_pool import run_tasks

started, start = [], process.BaseProcess.start

def tell(self):
    start(self)
    started.append(self.pid)
    print(self.pid, flush=True)

process.BaseProcess.start = tell
if __name__ == "__main__":
    run_tasks(range(100), Stage, int(sys.argv[1]), lambda report: None)
"""


def alive(marker: str) -> list[int]:
    """Return the processes that have the marker in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or f"ORPHAN_TEST={marker}".encode() not in (folder / "environ").read_bytes():
                continue
            if (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                found.append(int(folder.name))
        except OSError:  # it ended meanwhile
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("delay", [0.0, 1.0])
def test_workers_end_when_their_parent_dies_while_they_start(tmp_path, delay):
    (tmp_path / "orphan_stage.py").write_text(STAGE)
    (tmp_path / "parent.py").write_text(PARENT)
    marker = uuid.uuid4().hex
    env = {**os.environ, "ORPHAN_TEST": marker, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, str(tmp_path / "parent.py"), "2"]
    parent = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert parent.stdout is not None
        assert all(parent.stdout.readline() for _ in range(2))  # both have been spawned
        time.sleep(delay)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        end = time.monotonic() + 60
        while alive(marker) and time.monotonic() < end:
            time.sleep(0.2)
        assert not alive(marker)
    finally:
        parent.kill()
        for pid in alive(marker):
            os.kill(pid, signal.SIGKILL)
