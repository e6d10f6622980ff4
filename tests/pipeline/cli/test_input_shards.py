"""N jobs that each extract a shard of the inputs into one output give what one run gives, and disturb nobody."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import output_lock as locks
from pipeline.cli.errors import RunError
from pipeline.cli.output_lock import output_lock
from pipeline.cli.resume import load_or_write_config
from pipeline.cli.run import run, run_input_shard
from pipeline.config import dump_config
from pipeline.io.input_shards import InputShard
from pipeline.io.output import Output
from tests.pipeline.conftest import config
from tests.shared import ROOT


def digest_files(output: Path) -> dict[str, str]:
    """Return the digest of every file that users read; the report and the card name the output."""
    names = ("documents", "rejected", "duplicates", "corpus", "tokenizer", "ledger.json")
    files = [file for name in names for file in [output / name, *(output / name).rglob("*")] if file.is_file()]
    return {str(file.relative_to(output)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_jobs_with_a_shard_each_give_what_one_run_gives(done, crawl, tmp_path):
    output = tmp_path / "out"
    settings = config(crawl, output, workers=1)
    (tmp_path / "crawl.yaml").write_text(dump_config(settings))
    command = [sys.executable, "-m", "pipeline", "extract", str(tmp_path / "crawl.yaml"), "--shard", "1/3"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        run_input_shard(settings, (), InputShard(3, 3))  # at the same time
        out, err = job.communicate()
    assert job.returncode == 0 and "responses 31" in " ".join(out.split()), err
    assert not (output / "ledger.json").exists()

    with pytest.raises(RunError, match=r"1 of 3 shards of the inputs are not extracted \(2/3\)"):
        run(settings, jobs=["dedup"])

    with output_lock(Output(str(output)), InputShard(1, 3)):  # as if job 1 were at work again
        ledger = run_input_shard(settings, (), InputShard(2, 3))
    assert list(ledger.files) == [crawl[1]] and ledger.totals.responses == 21

    run(settings, jobs=["dedup"])
    run(settings, jobs=["publish"])
    assert digest_files(output) == digest_files(done)


def test_a_shard_without_inputs_is_done_at_once_and_an_earlier_run_over_less_does_not_count(crawl, tmp_path):
    settings = config(crawl[:1], tmp_path / "out")
    (tmp_path / "out").mkdir()
    load_or_write_config(settings, Output(settings.output))
    Output(settings.output).write_json({"files": [], "settings": ""}, ".work", "extract.json")
    ledger = run_input_shard(settings, (), InputShard(2, 2))
    assert ledger.totals.responses == 0
    with pytest.raises(RunError, match=r"1 of 2 shards of the inputs are not extracted \(1/2\)"):
        run(settings, jobs=["dedup"])


def test_a_run_and_a_job_with_a_shard_refuse_each_other(crawl, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "WAIT", 0.0)
    output = Output(str(tmp_path / "out"))
    for first, second in (("1/1", "2/3"), ("2/3", "1/1"), ("2/3", "2/3")):
        with (
            output_lock(output, InputShard.parse(first)),
            pytest.raises(RunError, match="another run is writing"),
            output_lock(output, InputShard.parse(second)),
        ):
            pass


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/4", "1/" + "9" * 50])
def test_what_is_no_shard_is_one_line(text, tmp_path):
    with pytest.raises(ValueError, match="is no shard: give I/N") as error:
        InputShard.parse(text)
    assert "\n" not in str(error.value)
