"""What runners may do to bundles: run them twice, lose them after their writes, run two at a time. The bytes stay."""

import functools
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from pipeline.config import Config
from pipeline.extract import merge_splits, read_crawl, splits
from pipeline.extract.job import build
from pipeline.extract.page_stage import ProcessPages
from pipeline.extract.read_crawl import ReadSplit
from pipeline.extract.splits import InputFile, plan_files
from pipeline.extract.write_split import WriteParts
from pipeline.io.inputs import expand_inputs
from pipeline.runners.beam_options import beam_options
from tests.pipeline.conftest import config

METHODS = [(ReadSplit, "process"), (ProcessPages, "process_batch"), (WriteParts, "process_batch")]


@pytest.fixture
def settings(crawl: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The tests' crawl in many small splits, by the fast engine."""
    monkeypatch.setattr(splits, "MIN_SPLIT_BYTES", 4000)
    return config(crawl, tmp_path / "out", extract={"engine": "resiliparse"})


def plan(settings: Config) -> list[InputFile]:
    files = plan_files(expand_inputs(settings.inputs, settings.input, settings.seed), settings)
    assert sum(len(file.splits) for file in files) > 10
    return files


def run_job(settings: Config, root: Path, files: list[InputFile]) -> None:
    """Run the whole job as one Beam job over all splits, as a runner that knows nothing of earlier attempts."""
    with beam.Pipeline(options=beam_options([], "extract")) as pipeline:
        build(pipeline, str(root), settings, [split for file in files for split in file.splits], files)


def read_bytes(root: Path) -> dict[str, bytes]:
    """Return the bytes of every shard and of every file's ledger."""
    paths = [*root.glob("documents/*"), *root.glob("rejected/*"), *root.glob(".work/extract/*.json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


@pytest.fixture
def expected(settings: Config, tmp_path: Path) -> dict[str, bytes]:
    """What the job writes when nothing goes wrong."""
    run_job(settings, tmp_path / "calm", plan(settings))
    found = read_bytes(tmp_path / "calm")
    assert len(found) == 9
    return found


def wrap_every_function(patch: pytest.MonkeyPatch, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace the method of every DoFn of the job, and the function that merges a file."""
    for cls, name in METHODS:
        patch.setattr(cls, name, wrap(getattr(cls, name)))
    merge = merge_splits.merge_file

    def merge_as_generator(*args: Any) -> Iterator[str]:
        yield merge(*args)

    patch.setattr(merge_splits, "merge_file", lambda *args: next(iter(wrap(merge_as_generator)(*args))))


def cut_at_random(patch: pytest.MonkeyPatch) -> None:
    """Cut the batches otherwise at each attempt, as another version or runner might."""
    draw = random.Random(7)

    def batch_pages(pages: Any) -> Iterator[list[Any]]:
        batch: list[Any] = []
        for page in pages:
            batch.append(page)
            if draw.random() < 0.4:
                yield batch
                batch = []
        if batch:
            yield batch

    patch.setattr(read_crawl, "batch_pages", batch_pages)


def test_every_bundle_runs_twice_and_the_first_result_is_lost(settings, expected, tmp_path, monkeypatch):
    def twice(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def run(*args: Any) -> Iterator[Any]:
            list(method(*args))
            yield from method(*args)

        return run

    cut_at_random(monkeypatch)
    wrap_every_function(monkeypatch, twice)
    run_job(settings, tmp_path / "out", plan(settings))
    assert read_bytes(tmp_path / "out") == expected


def test_results_that_come_twice_count_once(settings, expected, tmp_path, monkeypatch):
    for cls, name in (METHODS[0], METHODS[2]):
        method = getattr(cls, name)

        def doubled(*args: Any, _method: Callable[..., Any] = method) -> Iterator[Any]:
            yield from _method(*args)
            yield from list(_method(*args))

        monkeypatch.setattr(cls, name, functools.wraps(method)(doubled))
    cut_at_random(monkeypatch)
    run_job(settings, tmp_path / "out", plan(settings))
    assert read_bytes(tmp_path / "out") == expected


def test_two_attempts_of_every_bundle_overlap(settings, expected, tmp_path, monkeypatch):
    def overlapping(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def run(*args: Any) -> Iterator[Any]:
            results: list[Any] = [None, None]
            barrier = threading.Barrier(2)

            def attempt(number: int) -> None:
                barrier.wait()
                try:
                    results[number] = list(method(*args))
                except Exception as error:
                    results[number] = error

            threads = [threading.Thread(target=attempt, args=(number,)) for number in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for result in results:
                if isinstance(result, Exception):
                    raise result
            yield from results[1]

        return run

    cut_at_random(monkeypatch)
    wrap_every_function(monkeypatch, overlapping)
    run_job(settings, tmp_path / "out", plan(settings))
    assert read_bytes(tmp_path / "out") == expected


class WorkerLost(RuntimeError):
    """A worker died after its writes."""


def test_bundles_fail_after_their_writes_until_one_attempt_ends(settings, expected, tmp_path, monkeypatch):
    """Every function fails at some of its first calls, when it has done its work; the runner begins anew each time."""
    calls: dict[str, int] = {}

    def failing(method: Callable[..., Any]) -> Callable[..., Any]:
        name = method.__qualname__

        @functools.wraps(method)
        def run(*args: Any) -> Iterator[Any]:
            yield from method(*args)
            calls[name] = calls.get(name, 0) + 1
            if calls[name] in (2, 7, 23):
                raise WorkerLost

        return run

    cut_at_random(monkeypatch)
    wrap_every_function(monkeypatch, failing)
    files, attempts = plan(settings), 0
    while True:
        attempts += 1
        try:
            run_job(settings, tmp_path / "out", files)
            break
        except RuntimeError as error:
            assert "WorkerLost" in str(error)
    assert attempts > 5
    assert read_bytes(tmp_path / "out") == expected


def test_a_repeated_bundle_does_not_process_finished_splits_again(settings, tmp_path, monkeypatch):
    files = plan(settings)
    run_job(settings, tmp_path / "out", files)
    before = read_bytes(tmp_path / "out")

    def not_again(*args: Any) -> Any:
        raise AssertionError("a split was read again")

    monkeypatch.setattr(read_crawl, "read_split", not_again)
    run_job(settings, tmp_path / "out", files)
    assert read_bytes(tmp_path / "out") == before
