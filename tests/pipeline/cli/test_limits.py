"""A full disk at any stage and limits of the system give one line and nothing half written; then the run completes."""

import contextlib
import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import yaml

from pipeline.cli.run_jobs import run_jobs
from pipeline.io.output import Output
from tests.pipeline.cli.test_run import corpus_bytes
from tests.pipeline.conftest import SETTINGS, config
from tests.shared import ROOT

# In the order in which they are written; `documents` and `rejected` are there already.
WRITTEN = (
    "duplicates",
    "index",
    ".work/dedup.json",
    "corpus/train",
    "tokenizer",
    ".work/publish.json",
    "README.md",
    "report.html",
)
MADE_LATER = (*WRITTEN, "index.json", "ledger.json")


def find_partial(folder: Path) -> list[str]:
    """Return the files that were not finished."""
    return [str(path) for path in folder.rglob("*.partial")]


def test_a_full_disk_at_any_stage(done, crawl, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out"
    shutil.copytree(done, output)
    for name in MADE_LATER:
        path = output / name.partition("/train")[0]
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    settings, write = config(crawl, output), Output.write
    for full in WRITTEN:

        @contextlib.contextmanager
        def fail(self: Output, *parts: str, full: str = full) -> Iterator[IO[bytes]]:
            with write(self, *parts) as out:
                if "/".join(parts).startswith(full):
                    out.write(b"half")
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), full)
                yield out

        monkeypatch.setattr(Output, "write", fail)
        assert run_jobs(settings, [], "run") == 1, full
        said = capsys.readouterr().err.strip().splitlines()
        assert [line for line in said if "the disk is full; make room" in line] == said[-1:], (full, said)
        assert find_partial(output) == [], full
    monkeypatch.setattr(Output, "write", write)
    assert run_jobs(settings, [], "run") == 0
    assert corpus_bytes(output) == corpus_bytes(done)


@pytest.mark.parametrize(
    "limit, value, line",
    [
        (resource.RLIMIT_FSIZE, 8 << 10, "no file may grow larger here (ulimit -f)"),
        (resource.RLIMIT_NOFILE, 8, "no more files may be open (ulimit -n)"),
        (resource.RLIMIT_AS, 400 << 20, "memory"),  # which process is the first to have none is chance
    ],
)
def test_a_limit_of_the_system_is_one_line(crawl, tmp_path, limit, value, line):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"inputs": [crawl[2]], "output": str(tmp_path / "out"), "workers": 1, **SETTINGS}))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "extract", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(limit, (value, value)),
    )
    assert done.returncode == 1 or (limit == resource.RLIMIT_AS and done.returncode == 2), done.stderr
    said = done.stderr.strip().splitlines()
    assert said[-1].startswith("error: ") and line in said[-1]
    assert len(said) == 1 or limit == resource.RLIMIT_AS  # a library may print what it had no memory for
    assert find_partial(tmp_path) == []


def list_user_prefix() -> list[str]:
    """Return what a command begins with to be stopped by permissions, as a user is: root may write everywhere."""
    if os.geteuid():
        return []
    prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]
    if not shutil.which("setpriv") or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("root may write everywhere, and setpriv cannot take that right away here")
    return prefix


@pytest.mark.parametrize("job", ["extract", "run"])
def test_an_output_that_may_not_be_written_is_one_line(done, crawl, tmp_path, job):
    prefix, output = list_user_prefix(), tmp_path / "out"
    if job == "run":  # what is extracted is there; what dedup writes cannot be
        shutil.copytree(done, output)
        for name in ("duplicates", "index"):
            shutil.rmtree(output / name)
        (output / "index.json").unlink()
    output.mkdir(exist_ok=True)
    output.chmod(0o500)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"inputs": crawl, "output": str(output), "workers": 1, **SETTINGS}))
    before = sorted(output.rglob("*"))
    command = [*prefix, sys.executable, "-m", "pipeline", job, str(path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1, ended.stderr
    assert "written: " in ended.stderr and len(ended.stderr.strip().splitlines()) == 1
    assert sorted(output.rglob("*")) == before
