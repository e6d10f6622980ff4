"""The whole main job: every page accounted for, the same bytes however it is run, nothing lost to a kill."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.__main__ import main
from pipeline.cli.errors import BadInputs, RunError
from pipeline.cli.output_lock import output_lock
from pipeline.cli.resume import load_or_write_config
from pipeline.cli.run import run
from pipeline.io.output import Output
from pipeline.settings import ConfigError
from tests.pipeline.conftest import SETTINGS, config
from tests.shared import ROOT


def corpus_bytes(output) -> dict[str, str]:
    """Return the digest of every corpus and tokenizer file."""
    files = [p for part in ("corpus", "tokenizer") for p in sorted(Path(output, part).rglob("*")) if p.is_file()]
    return {str(p.relative_to(output)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def corpus_rows(output) -> dict[str, list[dict]]:
    """Return the rows of every corpus file, without the names of the inputs that the pages were read from."""
    files = sorted(Path(output, "corpus").rglob("*.parquet"))
    tables = {str(p.relative_to(output)): pq.read_table(p).drop_columns(["file_path"]) for p in files}
    return {name: table.to_pylist() for name, table in tables.items()}


def test_the_ledger_accounts_for_every_page(done, crawl):
    book = json.loads((done / "ledger.json").read_text())
    totals = book["totals"]
    assert totals["records"] == {"request": 1, "response": 62, "warcinfo": 4}
    assert totals["responses"] == 62
    assert totals["rejected"]["http/status"] == 6
    assert totals["rejected"]["robots/noai"] == 1
    assert totals["rejected"]["mime/not-html"] == 1
    assert totals["unreadable_bytes"] == 777
    assert [kind for *_, kind in book["files"][crawl[2]]["unreadable"]]
    assert totals["responses"] == totals["kept"] + sum(totals["rejected"].values())
    published = sum(totals["published"].values())
    assert totals["kept"] == sum(totals["duplicates"].values()) + sum(totals["held_out"].values()) + published
    assert totals["duplicates"]["near"] >= 5
    assert published >= 40


def test_the_shards_hold_what_the_ledger_says(done):
    book = json.loads((done / "ledger.json").read_text())

    def rows(folder):
        return pq.ParquetDataset(done / folder).read()

    assert rows("documents").num_rows == book["totals"]["kept"]
    rejected = rows("rejected").to_pylist()
    assert len(rejected) == sum(book["totals"]["rejected"].values())
    assert {f"{r['stage']}/{r['reason']}" for r in rejected} == set(book["totals"]["rejected"])
    assert rows("duplicates").num_rows == sum(book["totals"]["duplicates"].values())
    for split, n in book["totals"]["published"].items():
        assert rows(f"corpus/{split}").num_rows == n + book["totals"]["repeated"].get(split, 0)
    kept, gone = set(rows("documents")["id"].to_pylist()), rows("duplicates").to_pylist()
    dropped = {row["id"] for row in gone}
    assert all(row["kept_id"] in kept - dropped for row in gone)
    assert not dropped & set(rows("corpus/train")["id"].to_pylist())


def test_the_whole_contract_is_there(done):
    for name in ("config.yaml", "ledger.json", "report.html", "README.md", "tokenizer/tokenizer.json"):
        assert (done / name).stat().st_size > 100, name
    leftovers = [p for p in done.rglob("*") if p.name.endswith(".partial")]
    assert not leftovers


def test_more_workers_another_order_and_other_files_give_the_same_corpus(done, crawl, tmp_path):
    run(config(reversed(crawl), tmp_path / "two", workers=2))
    assert corpus_bytes(tmp_path / "two") == corpus_bytes(done)
    whole = tmp_path / "all.warc.gz"
    whole.write_bytes(b"".join(Path(f).read_bytes() for f in (crawl[0], crawl[2])))
    run(config([str(whole), crawl[1]], tmp_path / "other", workers=2))
    assert corpus_rows(tmp_path / "other") == corpus_rows(done)  # its inputs have other names


def test_killed_again_and_again_the_run_ends_with_the_same_corpus(done, crawl, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"inputs": crawl, "output": str(tmp_path / "out"), "workers": 2, **SETTINGS}))
    command = [sys.executable, "-m", "pipeline", "run", str(path)]
    in_each_job = ((".work/extract/*", signal.SIGTERM), ("index", signal.SIGKILL), (".work/publish", signal.SIGKILL))
    for begun, sent in in_each_job:
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True)
        while not any((tmp_path / "out").glob(begun)) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(sent)  # to the parent alone: its workers must end by themselves
        said = process.communicate()[1]
        assert process.returncode in {0, 143, -signal.SIGKILL}, said  # 0: the last jobs can end before the signal comes
        if sent is signal.SIGTERM:  # as a scheduler ends it, or `timeout`, in the longest job
            assert process.returncode == 143
            assert said.strip().splitlines()[-1] == "interrupted; run the same command again to continue"
        time.sleep(2)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert corpus_bytes(tmp_path / "out") == corpus_bytes(done)
    assert (
        json.loads((tmp_path / "out" / "ledger.json").read_text())["totals"]
        == json.loads((done / "ledger.json").read_text())["totals"]
    )


def test_a_finished_file_is_not_done_again(done, crawl):
    before = {p: p.stat().st_mtime_ns for p in (done / "documents").iterdir()}
    corpus = corpus_bytes(done)
    run(config(crawl, done))
    assert {p: p.stat().st_mtime_ns for p in (done / "documents").iterdir()} == before
    assert corpus_bytes(done) == corpus


def test_a_job_before_its_turn_names_the_one_to_run(crawl, tmp_path):
    """test_input_shards.py runs the jobs one by one, and gets what one run gives."""
    settings = config(crawl[2:], tmp_path / "out")
    with pytest.raises(RunError, match="gristmill extract"):
        run(settings, jobs=("dedup",))
    run(settings, jobs=("extract",))
    with pytest.raises(RunError, match="gristmill dedup"):
        run(settings, jobs=("publish",))


def test_another_config_for_the_output_is_refused_with_what_differs(done, crawl):
    with pytest.raises(ConfigError, match=r"dedup\.threshold: 0\.8 -> 0\.9"):
        run(config(crawl, done, dedup={"threshold": 0.9}))


def test_another_list_or_model_under_the_same_name_is_refused(crawl, tmp_path):
    lists = tmp_path / "lists"
    (lists / "adult").mkdir(parents=True)
    (lists / "adult" / "domains").write_text("site1.example\n")
    settings = config(crawl, tmp_path / "out", url={"blocklists": [str(lists)]})
    run(settings, jobs=["extract"])
    (lists / "README.md").write_text("what it is")
    run(settings, jobs=["extract"])
    (lists / "adult" / "domains").write_text("site2.example\n")
    with pytest.raises(RunError, match="url.blocklists: .*lists: is another file") as error:
        run(settings, jobs=["extract"])
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match=r"url.word_lists: .*absent: no such file"):
        run(config(crawl, tmp_path / "new", url={"word_lists": {"soft": str(tmp_path / "absent")}}))


def test_a_run_that_failed_before_it_made_anything_pins_no_config(crawl, tmp_path):
    with pytest.raises(ConfigError, match=r"quality\.model: .*nowhere: no such file"):
        run(config(crawl, tmp_path / "out", quality={"model": str(tmp_path / "nowhere")}))
    output = Output(str(tmp_path / "out"))
    os.mkdir(output.root)
    load_or_write_config(config(crawl, output.root, seed=1), output)
    load_or_write_config(config(crawl, output.root, seed=2), output)
    assert yaml.safe_load(output.open("config.yaml").read())["seed"] == 2
    output.write_json({}, "documents", "a.json")
    with pytest.raises(ConfigError, match=r"dedup\.threshold: 0\.8 -> 0\.9"):
        load_or_write_config(config(crawl, output.root, seed=2, dedup={"threshold": 0.9}), output)


def test_a_second_run_into_the_output_refuses(done, crawl):
    with output_lock(Output(str(done))), pytest.raises(RunError, match="another run is writing"):
        run(config(crawl, done))


def test_a_folder_that_is_not_ours_is_left_alone(crawl, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty and not an output"):
        run(config(crawl, tmp_path))
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name, content, needle",
    [
        ("missing.warc.gz", None, "no such input"),
        ("empty.warc.gz", b"", "empty.warc.gz"),
        ("error.warc.gz", b"<html><body>403 Forbidden, come back later</body></html>", "error.warc.gz"),
    ],
)
def test_bad_input_is_one_line_and_a_failing_exit(tmp_path, name, content, needle, capsys):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"inputs": [str(tmp_path / name)], "output": str(tmp_path / "out")}))
    if name.startswith("error"):  # as a user runs it, where a worker meets the error
        command = [sys.executable, "-m", "pipeline", "run", str(path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        code, said = done.returncode, done.stderr
    else:
        code, said = main(["run", str(path)]), capsys.readouterr().err
    assert code == 1 and needle in said
    assert len(said.strip().splitlines()) == 1, said
    assert not (tmp_path / "out" / "corpus").exists()


def test_a_bad_file_in_a_folder_is_accounted_for_and_the_rest_goes_on(crawl, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.warc.gz").write_bytes(b"<html>not found</html>")
    (tmp_path / "in" / "good.warc.gz").write_bytes(Path(crawl[0]).read_bytes())
    book = run(config([str(tmp_path / "in")], tmp_path / "out"))
    assert list(book.bad_files) == [str(tmp_path / "in" / "bad.warc.gz")]
    assert book.totals.unreadable_bytes == 22
    with pytest.raises(BadInputs, match="bad.warc.gz"):
        run(config([str(tmp_path / "in" / "bad.warc.gz"), crawl[0]], tmp_path / "named"))


def test_a_file_without_records_may_be_fetched_again(crawl, tmp_path):
    (tmp_path / "a.warc.gz").write_bytes(b"")
    named = config([str(tmp_path / "a.warc.gz")], tmp_path / "out")
    with pytest.raises(BadInputs, match="empty"):
        run(named)
    (tmp_path / "a.warc.gz").write_bytes(Path(crawl[0]).read_bytes())
    book = run(named)
    assert book.totals.kept > 0 and not book.bad_files


def test_an_unwritable_output_is_one_line(crawl, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"inputs": crawl, "output": str(tmp_path / "file" / "out")}))
    assert main(["run", str(path)]) == 1
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1, said


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_one_line_and_the_run_goes_on_afterwards(crawl, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        with open("/dev/full", "wb") as out:
            out.write(b"x" * (1 << 16))

    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.cli.run.write_reports", full)
        with pytest.raises(OSError, match="No space left"):
            run(config(crawl[2:], output))
    run(config(crawl[2:], output))
    assert (output / "report.html").exists()
