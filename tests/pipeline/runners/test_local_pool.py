"""Running on this machine: every task done once, errors as the worker's own line, unsafe ways refused."""

import errno
import os
from dataclasses import dataclass

import apache_beam as beam
import pytest
from apache_beam.metrics import Metrics

from pipeline.runners.beam_options import LaunchError, beam_options, check_flags, is_local
from pipeline.runners.local_pool import WorkerFailure, run_tasks


@dataclass(eq=False)
class Square(beam.PTransform):
    """Squares tasks; 13 raises, 99 dies as a process that the system kills does."""

    def expand(self, numbers):
        return numbers | beam.Map(square)


def square(number: int) -> int:
    Metrics.counter("test", "squares").inc()
    if number == 13:
        raise OSError("disk full at 13")
    if number == 28:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/documents/a.parquet")
    if number == 14:
        raise KeyError("a fault of ours")
    if number == 99:
        os.kill(os.getpid(), 9)
    return number * number


def test_every_task_is_done_once_and_counters_add_up():
    tasks = [n for n in range(100, 400)]
    results, counters = run_tasks(tasks, Square, 2, lambda report: None)
    assert sorted(results) == tasks
    assert counters["test/squares"] == len(tasks)


def test_a_users_error_is_the_line_alone(capfd, monkeypatch):
    monkeypatch.setenv("OWN_SERVER", "1")  # see conftest.py: its workers write where capfd reads
    with pytest.raises(WorkerFailure, match=r"^disk full at 13$") as caught:
        run_tasks([1, 13, 2], Square, 2, lambda report: None)
    assert caught.value.user
    assert capfd.readouterr().err == ""


def test_a_full_disk_says_where_and_what_to_do(capfd, monkeypatch):
    monkeypatch.setenv("OWN_SERVER", "1")
    with pytest.raises(
        WorkerFailure, match=r"^out/documents/a\.parquet: the disk is full; make room and run"
    ) as caught:
        run_tasks([28], Square, 1, lambda report: None)
    assert caught.value.user
    assert capfd.readouterr().err == ""


def test_a_fault_of_ours_is_not_taken_for_the_users():
    with pytest.raises(WorkerFailure, match="a fault of ours") as caught:
        run_tasks([14], Square, 1, lambda report: None)
    assert not caught.value.user
    assert "square" in caught.value.details


def test_a_killed_worker_ends_the_run_with_what_to_do():
    with pytest.raises(LaunchError, match="run the same command again"):
        run_tasks([1, 99], Square, 1, lambda report: None)


@pytest.mark.parametrize(
    "flags, needle",
    [
        (["--direct_running_mode=multi_threading"], "loses records"),
        (["--runner", "DaskRunner"], "DaskRunner: refused"),
        (["--runer", "DataflowRunner"], "--runer"),
    ],
)
def test_what_loses_data_or_is_unknown_is_refused(flags, needle):
    with pytest.raises(LaunchError, match=needle):
        check_flags(flags)


def test_beam_options_pass_through_and_the_local_runner_is_named():
    flags = ["--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=gs://bucket/t", "--num_workers=3"]
    check_flags(flags)
    assert not is_local(flags)
    assert beam_options(flags).get_all_options()["num_workers"] == 3
    assert beam_options([]).get_all_options()["runner"].endswith("FnApiRunner")
