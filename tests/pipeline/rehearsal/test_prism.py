"""Runners that are not this machine's own: Beam's Prism, and a portable job server with a pool of worker processes."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli.run import run
from tests.pipeline.cli.test_run import corpus_bytes
from tests.pipeline.conftest import config
from tests.pipeline.rehearsal.servers import find_tool, free_port, started_server
from tests.shared import ROOT


def assert_equal_outputs(found: Path, expected: Path) -> None:
    """Compare the corpus, the duplicates and the ledger of two outputs, byte for byte."""
    assert corpus_bytes(found) == corpus_bytes(expected)
    assert (found / "ledger.json").read_bytes() == (expected / "ledger.json").read_bytes()
    assert_equal_folders(found, expected, ("documents", "rejected", "duplicates"))


def assert_equal_folders(found: Path, expected: Path, folders: Sequence[str]) -> None:
    """Compare the files of some folders of two outputs, byte for byte."""
    for folder in folders:
        files = {path.name: path.read_bytes() for path in (expected / folder).iterdir()}
        assert {path.name: path.read_bytes() for path in (found / folder).iterdir()} == files, folder


def test_prism_gives_the_same_bytes(done, crawl, tmp_path):
    prism = find_tool("prism")
    run(config(crawl, tmp_path / "out"), ["--runner=PrismRunner", f"--prism_location={prism}"])
    assert_equal_outputs(tmp_path / "out", done)


def test_a_pool_of_two_worker_processes_gives_the_same_bytes(done, crawl, tmp_path):
    """PortableRunner sends the job to Beam's job server, which takes its two workers from a pool.

    test_runners.py has this runner do all three jobs.
    """
    # the pool starts its workers as `python`: it must be this one, also where no environment is activated
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = dict(os.environ, PYTHONPATH=str(ROOT), PATH=path)
    jobs, pool = free_port(), free_port()
    python = [sys.executable, "-m"]
    server = [*python, "apache_beam.runners.portability.local_job_service_main", f"--port={jobs}"]
    workers = [*python, "apache_beam.runners.worker.worker_pool_main", f"--service_port={pool}"]
    with (
        started_server(server, jobs, tmp_path / "jobs.log", env, tmp_path),
        started_server(workers, pool, tmp_path / "workers.log", env, tmp_path),
    ):
        flags = ["--runner=PortableRunner", f"--job_endpoint=localhost:{jobs}", "--environment_type=EXTERNAL"]
        settings = config(crawl, tmp_path / "out")
        run(settings, [*flags, f"--environment_config=localhost:{pool}"], jobs=("extract",))
    assert_equal_folders(tmp_path / "out", done, ("documents", "rejected"))
