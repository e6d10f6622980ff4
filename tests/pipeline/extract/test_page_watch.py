"""A page that hangs, crashes or takes all memory in any stage is charged, its neighbours are kept, and the run ends."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.io.output import Output
from pipeline.runners.local_pool import WorkerLoss
from pipeline.runners.page_charges import Charge, charge_loss, load_charges, read_loss
from pipeline.runners.page_watch import NOBODY, Turn
from tests.pipeline.crawls import article, html, response, write_warc

ROOT = Path(__file__).parents[3]
PARTS = "tests.pipeline.extract.hostile_parts"


def asking(wish: str, seed: int) -> bytes:
    """Return a good page with a wish in its text, which ObedientFilter or LoopStage grants."""
    paragraphs = article(seed)
    return response(f"https://site.test/{seed}", html([*paragraphs, f"The traveller said: {wish}."]), seed)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Two files with hostile pages between good ones, extracted by two workers; the output, and what was said."""
    folder = tmp_path_factory.mktemp("watch")
    wishes = {"a": ["please hang", "please eat"], "b": ["please kill once", "please loop"]}
    for n, (name, asked) in enumerate(wishes.items()):
        pages = [asking("well met", 100 * n)]
        for i, wish in enumerate(asked):
            pages += [asking(wish, 100 * n + 2 * i + 1), asking("well met", 100 * n + 2 * i + 2)]
        write_warc(folder / f"{name}.warc.gz", pages)
    config = {
        "inputs": [str(folder / "a.warc.gz"), str(folder / "b.warc.gz")],
        "output": str(folder / "out"),
        "recipe": "none",
        "workers": 2,
        "extract": {"timeout_seconds": 1.5},
        "rules": {"custom": [{"use": f"{PARTS}:ObedientFilter", "folder": str(folder)}]},
        "stages": [{"after": "mask_pii", "use": f"{PARTS}:LoopStage"}],
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "pipeline", "extract", str(folder / "c.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stderr.splitlines()


def test_each_hostile_page_is_charged_and_its_neighbours_are_kept(outcome: tuple[Path, list[str]]) -> None:
    output, _ = outcome
    kept = [row for path in (output / "documents").iterdir() for row in pq.read_table(path).to_pylist()]
    rejected = [row for path in (output / "rejected").iterdir() for row in pq.read_table(path).to_pylist()]
    assert sorted(int(row["url"].rsplit("/")[-1]) for row in kept) == [0, 2, 4, 100, 101, 102, 104]
    found = {int(row["url"].rsplit("/")[-1]): (row["stage"], row["reason"], row["detail"]) for row in rejected}
    assert found == {
        1: ("extract", "timeout", "FilterQuality"),
        3: ("extract", "memory", "FilterQuality"),
        103: ("extract", "timeout", "LoopStage"),
    }
    assert all(row["offset"] > 0 and row["file"].endswith(".warc.gz") for row in rejected)


def test_the_user_is_told_file_and_offset(outcome: tuple[Path, list[str]]) -> None:
    output, said = outcome
    rejected = [row for path in (output / "rejected").iterdir() for row in pq.read_table(path).to_pylist()]
    for row in rejected:
        if row["reason"] != "memory":  # which cost no worker
            line = f"warning: {row['file']}, byte {row['offset']}: the page is rejected as extract/{row['reason']}"
            assert any(text.startswith(line) for text in said), said
    assert any("killed from outside in FilterQuality; the page is tried once more" in text for text in said)


def lose(output: Output, turn: Turn, exit_code: int) -> str:
    """Charge a worker that died over a turn."""
    found = read_loss(WorkerLoss("task", exit_code, turn.pack().ljust(512, b"\0")))
    assert found is not None
    return charge_loss(output, *found)


def test_what_a_lost_worker_means(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    page = Turn("größe-1", 40, 7, 7, 4711, "FilterQuality")
    assert "once more" in lose(output, page, -9)
    assert load_charges(output, "größe-1", 40).pages == {}
    assert "extract/memory" in lose(output, page, -9)
    assert load_charges(output, "größe-1", 40).pages == {7: Charge("memory", "FilterQuality")}
    assert "one by one" in lose(output, page._replace(first=8, last=90), -27)
    assert load_charges(output, "größe-1", 40).one_by_one
    assert "extract/crash" in lose(output, page._replace(first=9, last=9), -6)
    assert "unreadable" in lose(output, page._replace(first=NOBODY, last=NOBODY, offset=99), -14)
    charges = load_charges(output, "größe-1", 40)
    assert charges.unreadable == {99} and charges.pages[9] == Charge("crash", "FilterQuality")
    assert load_charges(output, "größe-1", 0).pages == {}  # another split


HANGING = """
import re
from pipeline.runners.page_watch import start_watch, watch_pages
start_watch(0.001)
with watch_pages(1):
    pass
with watch_pages(1):
    re.match(r"(\\w+\\s?)*$", "word " * 40 + "!")
"""


def test_on_another_runner_a_batch_that_never_ends_ends_its_process() -> None:
    done = subprocess.run([sys.executable, "-c", HANGING], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Timeout" in done.stderr and "re/__init__.py" in done.stderr  # where it hung


@pytest.mark.parametrize(("note", "code"), [(bytes(512), -9), (Turn("a", 0, 1, 1, 1, "s").pack(), 1)])
def test_what_is_no_pages_fault_is_charged_to_none(note: bytes, code: int) -> None:
    assert read_loss(WorkerLoss("task", code, note)) is None
