"""A small crawl and the output of an uninterrupted run over it, shared by the tests of the jobs; both are only read."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest

from pipeline.cli.run import run
from pipeline.cli.run_extract import EXTRACT_MODULES
from pipeline.config import Config, build_config
from pipeline.io.temporary import machine_folder
from pipeline.runners import local_pool, process_pool, worker_processes
from pipeline.runners.worker_processes import open_worker_context
from tests.pipeline.crawls import article, html, pages, record, response, write_warc

SETTINGS = {"publish": {"validation": 0.2, "shard_mb": 1}, "tokenizer": {"vocab_size": 600}}


def read_environment() -> dict[str, str]:
    """Return the environment without what pytest sets for each test, and a run for its temporary files."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTEST_CURRENT_TEST", "TMPDIR")}


@pytest.fixture(scope="session", autouse=True)
def shared_worker_server() -> Iterator[None]:
    """Keep the process that workers are forks of from one run to the next: to import Beam costs seconds.

    A run with another environment than that at the beginning gets a process of its own, as every run does elsewhere.
    """
    if sys.platform != "linux":
        yield
        return
    server, before, temporary = forkserver._forkserver, read_environment(), machine_folder()
    stop = server._stop

    @contextmanager
    def open_shared_context(modules: Sequence[str]) -> Iterator[BaseContext]:
        if read_environment() != before:
            stop()
            with open_worker_context(modules) as context:
                yield context
            return
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server, "_stop", lambda: None)
            with pytest.MonkeyPatch.context() as elsewhere:  # its socket outlives the run's own temporary folder
                elsewhere.setattr(tempfile, "tempdir", temporary)
                elsewhere.setenv("TMPDIR", temporary)
                with open_worker_context([*EXTRACT_MODULES, "pipeline.dedup.job"]) as context:
                    elsewhere.undo()
                    yield context

    with pytest.MonkeyPatch.context() as patch:
        for module in (local_pool, process_pool):
            patch.setattr(module, "open_worker_context", open_shared_context)
        patch.setattr(worker_processes, "runs_one_thread", lambda: False)  # workers see nothing of what tests replace
        yield
    stop()


@pytest.fixture(scope="session")
def crawl(tmp_path_factory) -> list[str]:
    """Three inputs: per-record gzip, plain, and one with damage between two good pages."""
    folder = tmp_path_factory.mktemp("crawl")
    good = pages(60)
    robots = response("https://quiet.example/", html(article(900), head="<meta name=robots content=noai>"), 900)
    pdf = record(
        "response",
        "https://site1.example/a",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n%PDF-1",
        901,
    )
    files = [
        write_warc(folder / "a.warc.gz", [*good[:30], robots, record("request", "https://x.example/", b"GET /", 902)]),
        write_warc(folder / "b.warc", [*good[30:50], pdf], compress=False),
    ]
    damaged = folder / "c.warc.gz"
    write_warc(damaged, good[50:55])
    with open(damaged, "ab") as out:
        out.write(b"\xff" * 777)
    write_warc(folder / "tail.warc.gz", good[55:])
    with open(damaged, "ab") as out:
        out.write((folder / "tail.warc.gz").read_bytes())
    (folder / "tail.warc.gz").unlink()
    return [*files, str(damaged)]


def config(crawl, output, **over) -> Config:
    """Return the settings of the tests' runs, over the given inputs."""
    return build_config({"inputs": list(crawl), "output": str(output), "recipe": "default", **SETTINGS, **over})


@pytest.fixture(scope="session")
def done(crawl, tmp_path_factory) -> Path:
    """The output of an uninterrupted run with one worker."""
    output = tmp_path_factory.mktemp("done") / "out"
    run(config(crawl, output, workers=1))
    return output
