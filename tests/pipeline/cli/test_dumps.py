"""One command runs a list of dumps, each without copies of pages that the earlier ones kept."""

import hashlib
import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.__main__ import main
from pipeline.cli import run as run_module
from pipeline.cli.run import run
from pipeline.config import build_config, config_values, split_dumps
from pipeline.settings import ConfigError
from tests.pipeline.conftest import SETTINGS
from tests.pipeline.crawls import pages, write_warc
from tests.shared import ROOT

PAGE = (ROOT / "docs" / "deduplication.md").read_text(encoding="utf-8").partition("## Many dumps")[2]
CONFIG = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])
COMMAND = shlex.split(re.search(r"```sh\n(.*?)```", PAGE, re.S)[1])
FIRST, SECOND = CONFIG["dumps"]
FOLDERS = ("documents", "rejected", "duplicates", "index", "corpus", "tokenizer")


def digest_files(output: Path) -> dict[str, tuple[str, int]]:
    """Return the digest and the time of every file of an output that a job wrote."""
    files = [file for name in FOLDERS for file in (output / name).rglob("*") if file.is_file()]
    return {
        str(file.relative_to(output)): (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
        for file in files
    }


def read_column(output: Path, folder: str, column: str) -> list:
    """Return a column of all shards of a folder."""
    return [value for file in sorted((output / folder).rglob("*.parquet")) for value in pq.read_table(file)[column]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the config of the docs, over two small dumps of which the second has pages of the first again.

    The command was interrupted in the dedup job of the second dump, and then started again.
    """
    folder = tmp_path_factory.mktemp("dumps")
    for dump, first in ((FIRST, 0), (SECOND, 14)):
        (folder / "crawl" / dump).mkdir(parents=True)
        write_warc(folder / "crawl" / dump / "a.warc.gz", pages(22, first))
    settings = {**CONFIG, **SETTINGS, "inputs": "crawl/{dump}/*.warc.gz", "workers": 1}
    (folder / "dumps.yaml").write_text(yaml.safe_dump(settings))
    job = run_module.run_dedup

    def stop_in_the_second_dump(config, *rest):
        if SECOND in config.output:
            raise KeyboardInterrupt
        return job(config, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(run_module, "run_dedup", stop_in_the_second_dump)
        assert main(COMMAND[1:]) == 130
        before = digest_files(folder / "out" / FIRST)
        patch.setattr(run_module, "run_dedup", job)
        assert main(COMMAND[1:]) == 0
        assert digest_files(folder / "out" / FIRST) == before
    return folder


def test_a_later_dump_has_no_page_of_an_earlier_one(folder):
    first, second = folder / "out" / FIRST, folder / "out" / SECOND
    kept_in = [value.as_py() for value in read_column(second, "duplicates", "kept_in")]
    assert kept_in.count(f"out/{FIRST}") >= 5
    texts = [{text.as_py() for text in read_column(output, "corpus", "text")} for output in (first, second)]
    assert texts[0] and texts[1] and not texts[0] & texts[1]


def test_a_dump_has_the_bytes_of_a_run_of_its_own(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    values = yaml.safe_load((folder / "out" / SECOND / "config.yaml").read_text())
    assert values["dedup"]["previous_outputs"] == [f"out/{FIRST}"] and values["dumps"] == []
    run(build_config({**values, "output": str(tmp_path / "alone")}))
    digests = [{k: v for k, (v, _) in digest_files(o).items()} for o in (folder / "out" / SECOND, tmp_path / "alone")]
    assert digests[0] == digests[1]


def test_the_same_command_again_runs_no_job(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    before = [digest_files(folder / "out" / dump) for dump in (FIRST, SECOND)]

    def refuse(*_):
        raise AssertionError("a finished job ran again")

    monkeypatch.setattr("pipeline.dedup.job.find_duplicates", refuse)
    monkeypatch.setattr("pipeline.publish.job.publish_corpus", refuse)
    assert main(COMMAND[1:]) == 0
    assert [digest_files(folder / "out" / dump) for dump in (FIRST, SECOND)] == before
    assert f"dump 2 of 2: {SECOND}" in capsys.readouterr().out


def test_another_order_of_the_dumps_is_refused(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main([*COMMAND[1:], "--set", f"dumps=[{SECOND}, {FIRST}]"]) == 2
    assert "made by another config (dedup.previous_outputs: " in capsys.readouterr().err


def test_each_dump_may_be_chosen_and_a_new_one_changes_no_other():
    settings = {"inputs": ["a/{dump}"], "output": "out/{dump}", "dedup": {"previous_outputs": ["old"]}}
    configs = split_dumps(build_config({**settings, "dumps": ["A", "B", "C"]}))
    assert configs["C"].dedup.previous_outputs == ("old", "out/A", "out/B") and configs["C"].inputs == ("a/C",)
    assert split_dumps(build_config({**settings, "dumps": ["A", "B"]}), "B") == {"B": configs["B"]}
    again = {**config_values(configs["B"]), "documents_from": "out/{dump}", "output": "mix/{dump}", "dumps": ["A", "B"]}
    mixed = split_dumps(build_config({**again, "dedup": {"previous_outputs": ["old"]}, "inputs": ["a/{dump}"]}))
    assert mixed["B"].dedup.previous_outputs == configs["B"].dedup.previous_outputs
    with pytest.raises(ConfigError, match="--dump D: the config names A, B, C"):
        split_dumps(build_config({**settings, "dumps": ["A", "B", "C"]}), "D")


@pytest.mark.parametrize(
    "over, line",
    [
        ({"output": "out"}, "output: 'out' is the same for all dumps; write {dump} where the name belongs"),
        ({"inputs": ["a"]}, "inputs: 'a' is the same for all dumps"),
        ({"documents_from": "old"}, "documents_from: 'old' is the same for all dumps"),
        ({"dumps": []}, "{dump} stands for a name of dumps"),
        ({"dumps": ["A", "A"]}, "dumps: 'A' stands twice"),
        ({"dumps": ["a/b"]}, "dumps.0: 'a/b' cannot be used"),
    ],
)
def test_dumps_without_a_place_of_their_own_are_one_line(over, line):
    with pytest.raises(ConfigError, match=re.escape(line)) as caught:
        build_config({"inputs": ["a/{dump}"], "output": "out/{dump}", "dumps": ["A"], **over})
    assert "\n" not in str(caught.value)
