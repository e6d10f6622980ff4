"""The server of workers is a fork of this process where that is safe, and shares no open file with it."""

import subprocess
import sys

import pytest

from tests.shared import ROOT

# Each worker tells whether it has the state of the process that started it, and whether it holds one of its files.
STAGE = """
import os, sys
from dataclasses import dataclass

def look(number):
    links = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    raise ValueError(f"fork {'marked' in sys.modules}, locked {any('locked' in link for link in links)}")

class Stage:
    def __new__(cls):
        import apache_beam as beam
        return beam.Map(look)
"""
PARENT = """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import sys, threading, time
from pipeline.runners import small_beam
from pipeline.runners.local_pool import run_tasks
from seeing_stage import Stage

if __name__ == "__main__":
    locked, sys.modules["marked"] = open("locked", "w"), sys
    if sys.argv[1] == "thread":
        threading.Thread(target=time.sleep, args=[60], daemon=True).start()
    run_tasks([1], Stage, 1, lambda report: None, modules=["pipeline.runners.small_beam"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are no forks elsewhere")
@pytest.mark.parametrize("state, said", [("alone", "fork True, locked False"), ("thread", "fork False, locked False")])
def test_workers_are_forks_of_a_process_without_threads(tmp_path, state, said):
    (tmp_path / "seeing_stage.py").write_text(STAGE)
    (tmp_path / "parent.py").write_text(PARENT)
    done = subprocess.run(
        [sys.executable, "parent.py", state],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert said in done.stderr.strip().splitlines()[-1]
