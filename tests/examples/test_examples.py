"""The examples of an engine, stages and a program of one's own, each run as a user runs it: outside of the tree."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pipeline.crawls import article, html, response, write_warc
from tests.shared import ROOT

EXAMPLES = Path(ROOT) / "examples"
LINKS = " ".join(f"<a href='/{n}'>Page {n}</a>" for n in range(80))
PAGES = {
    "https://a.example/article": html(article(1), "Mills"),
    "https://a.example/letter": html(["Dear reader, welcome.", *article(2)], "Letter"),
    "https://a.example/short": html(["Dear reader, you are welcome here, and here is no more.", "Bye."], "Short"),
    "https://a.example/links": html([*article(3), LINKS], "Links"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside of the tree with a small crawl."""
    records = [response(url, body, number) for number, (url, body) in enumerate(PAGES.items())]
    write_warc(tmp_path / "crawl.warc.gz", records)
    return tmp_path


def run_python(folder: Path, *arguments: str) -> str:
    """Run Python in a folder and return what it prints."""
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_rows(folder: Path, name: str) -> dict[str, dict]:
    """Return the rows of a folder of the output, by URL."""
    rows: list[dict] = pq.read_table(folder / "out" / name).to_pylist()
    return {row["url"]: row for row in rows}


def test_own_engine(folder: Path) -> None:
    shutil.copytree(EXAMPLES / "own_engine", folder, dirs_exist_ok=True)
    run_python(folder, "-m", "pipeline", "extract", "config.yaml", "--set", "workers=1")
    page = read_rows(folder, "documents")["https://a.example/article"]
    assert page["text"] == "\n".join(["Mills", *article(1)]) and page["title"] == "Mills"


def test_own_stage(folder: Path) -> None:
    shutil.copytree(EXAMPLES / "own_stage", folder, dirs_exist_ok=True)
    printed = run_python(folder, "-m", "pipeline", "extract", "config.yaml", "--set", "workers=2")
    assert "remove_salutations/too-short" in printed
    kept, rejected = read_rows(folder, "documents"), read_rows(folder, "rejected")
    assert "Dear reader" not in kept["https://a.example/letter"]["text"]
    page = rejected["https://a.example/short"]
    assert (page["stage"], page["reason"], page["threshold"]) == ("remove_salutations", "too-short", 100)
    totals = json.loads((folder / "out" / "ledger.json").read_text())["totals"]
    assert totals["rejected"]["remove_salutations/too-short"] == 1
    assert totals["responses"] == totals["kept"] + sum(totals["rejected"].values()) == len(PAGES)
    explained = run_python(folder, "-m", "pipeline", "inspect", "out", "--explain", "https://a.example/short")
    assert "remove_salutations/too-short" in explained


def test_beam_stage(folder: Path) -> None:
    run_python(folder, str(EXAMPLES / "beam_stage" / "count_links.py"), "crawl.warc.gz", "out")
    rejected = read_rows(folder, "rejected")["https://a.example/links"]
    assert (rejected["stage"], rejected["reason"], rejected["value"]) == ("links", "too-many", 82)
    assert {"https://a.example/article", "https://a.example/letter"} <= set(read_rows(folder, "documents"))


def test_pages_without_beam(folder: Path) -> None:
    printed = run_python(folder, str(EXAMPLES / "pages_without_beam" / "longest_pages.py"), "crawl.warc.gz")
    assert "https://a.example/article  Mills" in printed
    assert printed.splitlines()[-1].endswith("rejected")


def test_own_parquet(folder: Path) -> None:
    """A copy with few other words goes, also from JSON lines beside the table; the longer text stays."""
    texts = ["\n".join(article(seed, 12)) for seed in range(4)]
    near = texts[0].replace("river", "stream", 1) + " One more sentence stands at the end of the copy."
    shutil.copytree(EXAMPLES / "own_parquet", folder, dirs_exist_ok=True)
    (folder / "texts").mkdir()
    rows = [{"key": f"row-{n}", "body": text} for n, text in enumerate([*texts, texts[1]])]
    pq.write_table(pa.Table.from_pylist(rows), folder / "texts" / "rows.parquet")
    (folder / "texts" / "more.jsonl").write_text(json.dumps({"key": "line-0", "body": near}))
    run_python(folder, "-m", "pipeline", "run", "config.yaml", "--set", "workers=1")
    dropped = {row["id"]: (row["kind"], row["kept_id"]) for row in pq.read_table(folder / "out/duplicates").to_pylist()}
    assert dropped.pop("row-0") == ("near", "line-0")
    ((copy, (kind, kept)),) = dropped.items()
    assert kind == "exact" and {copy, kept} == {"row-1", "row-4"}
    left = pq.read_table(folder / "out" / "corpus" / "train", columns=["id"]).column("id").to_pylist()
    assert sorted(left) == sorted({"row-0", "row-1", "row-2", "row-3", "row-4", "line-0"} - {"row-0", copy})
