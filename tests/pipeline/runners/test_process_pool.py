"""The pool of a job: its processes take one element each, tell what went wrong, and end with their parent."""

import importlib
import importlib.metadata
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from pipeline.runners.beam_options import LaunchError
from pipeline.runners.process_pool import map_in_pool, open_process_pool
from pipeline.runners.worker_processes import SMALL_BEAM
from tests.shared import ROOT

PARENT = """
import os, signal
from pipeline.runners.process_pool import map_in_pool, open_process_pool
from tests.pipeline.runners.test_process_pool import work_on

if __name__ == "__main__":
    with open_process_pool(2):
        print(*set(map_in_pool(work_on, range(8))), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def work_on(number: int) -> int:
    """Return the process that worked on an element; 13 raises, 99 is killed."""
    if number == 13:
        raise ValueError("thirteen")
    if number == 99:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return os.getpid()


def test_a_job_of_one_process_works_here():
    with open_process_pool(1):
        assert set(map_in_pool(work_on, range(3))) == {os.getpid()}


def test_what_a_worker_raises_is_raised_here_and_no_process_is_left():
    before = set(multiprocessing.active_children())
    with pytest.raises(ValueError, match="thirteen"), open_process_pool(2):
        workers = set(map_in_pool(work_on, range(12)))
        assert os.getpid() not in workers
        list(map_in_pool(work_on, [1, 13, 2]))
    assert set(multiprocessing.active_children()) == before


def test_a_killed_worker_is_one_line():
    with pytest.raises(LaunchError, match=r"^a worker was killed, .* run the same command again"), open_process_pool(2):
        list(map_in_pool(work_on, [1, 99, 2, 3]))


def test_the_workers_end_with_their_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL and done.stdout, done.stderr
    for worker in map(int, done.stdout.split()):
        while os.path.exists(f"/proc/{worker}"):
            time.sleep(0.1)


def find_loaded_modules(number: int) -> tuple[list[str], str]:
    """Return which of some libraries a worker has loaded, and the version of pandas there."""
    some = ("absl", "apache_beam", "boto3", "bson", "dill", "google.cloud.storage", "pandas")
    loaded = [name for name in some if name in sys.modules]
    return loaded, importlib.import_module("pandas").__version__


def test_workers_can_do_without_the_libraries_of_clouds_and_data_frames():
    pytest.importorskip("pandas")
    with open_process_pool(2, [SMALL_BEAM]):
        found = list(map_in_pool(find_loaded_modules, range(1)))
    assert found == [(["apache_beam"], importlib.metadata.version("pandas"))]
