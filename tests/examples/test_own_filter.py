"""The example of a filter of one's own, run as a user runs it: from another folder, with its file copied there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pipeline.crawls import article, html, response, write_warc
from tests.shared import ROOT

EXAMPLE = Path(ROOT) / "examples" / "own_filter"
TEASERS = [f"{paragraph} Read more." for paragraph in article(77, paragraphs=3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the example's filter and config, and a crawl of three pages: one is a list of teasers."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in ("read_more.py", "config.yaml"):
        shutil.copy(EXAMPLE / name, folder)
    bodies = [article(1), article(2), TEASERS + article(3, paragraphs=4)]
    records = [response(f"https://a.example/{n}", html(body), n) for n, body in enumerate(bodies)]
    write_warc(folder / "crawl.warc.gz", records)
    return folder


def gristmill(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, whose modules can be imported there."""
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "COLUMNS": "200"}
    command = [sys.executable, "-m", "pipeline", *args]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    """Return the run of the example."""
    done = gristmill(folder, "extract", "config.yaml", "--set", "workers=2")
    assert done.returncode == 0, done.stderr
    return done


def test_the_filter_is_in_the_ledger_the_rows_the_funnel_and_the_explanation(
    folder: Path, done: subprocess.CompletedProcess[str]
) -> None:
    totals = json.loads((folder / "out" / "ledger.json").read_text())["totals"]
    assert totals["rejected"] == {"read_more/read-more-lines": 1} and totals["kept"] == 2
    (row,) = pq.read_table(folder / "out" / "rejected").to_pylist()
    assert (row["stage"], row["reason"], row["measure"]) == ("read_more", "read-more-lines", "read_more_lines")
    assert row["value"] == pytest.approx(3 / 7, abs=0.06) and row["threshold"] == pytest.approx(0.2)
    assert "read_more" in done.stdout
    explained = gristmill(folder, "inspect", "out", "--explain", "https://a.example/2")
    assert "read_more/read-more-lines" in explained.stdout and "FAILS" in explained.stdout, explained.stderr
    kept = gristmill(folder, "inspect", "out", "--explain", "https://a.example/1")
    assert "read_more/read-more-lines" in kept.stdout and "FAILS" not in kept.stdout


@pytest.mark.usefixtures("done")
def test_other_settings_or_another_file_of_the_filter_are_refused(folder: Path) -> None:
    other = gristmill(folder, "extract", "config.yaml", "--set", "rules.custom=[{use: 'read_more:ReadMoreFilter'}]")
    assert other.returncode != 0 and "rules.custom" in other.stderr and other.stderr.count("\n") == 1
    changed = (folder / "read_more.py").read_text()
    try:
        (folder / "read_more.py").write_text(changed.replace('"read more"', '"more"'))
        again = gristmill(folder, "extract", "config.yaml")
        assert again.returncode != 0 and "read_more.py" in again.stderr and again.stderr.count("\n") == 1
    finally:
        (folder / "read_more.py").write_text(changed)


def test_a_filter_that_cannot_be_imported_is_one_line(folder: Path) -> None:
    for use, expected in (
        ("red_more:ReadMoreFilter", "rules.custom.0.use: there is no module 'red_more'"),
        ("read_more:ReadMreFilter", "mean 'ReadMoreFilter'?"),
        ("read_more:read_more_lines", "is no filter"),
    ):
        done = gristmill(folder, "extract", "config.yaml", "--set", f"rules.custom=[{{use: '{use}'}}]")
        assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_filter_that_raises_stops_the_run_with_one_line(folder: Path) -> None:
    broken = (folder / "read_more.py").read_text().replace("lines = text.filled_lines", "lines = 1 / 0")
    (folder / "broken.py").write_text(broken)
    settings = ["--set", "output=broken", "--set", "rules.custom=[{use: 'broken:ReadMoreFilter'}]"]
    done = gristmill(folder, "extract", "config.yaml", *settings)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "rules.custom.0 (broken:ReadMoreFilter): read_more_lines raised ZeroDivisionError" in done.stderr
    assert "broken.py, line 11" in done.stderr
