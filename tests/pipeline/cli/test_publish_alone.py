"""Settings of the publish job alone change the corpus without another extraction, in place or in a new output."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.cli.errors import RunError
from pipeline.cli.run import run
from pipeline.config import dump_config
from pipeline.settings import ConfigError
from tests.pipeline.cli.test_run import corpus_bytes
from tests.pipeline.conftest import config

MIXES = [
    {"weights": {"domains": {"other": 2}}},
    {"publish": {"validation": 0.4, "shard_mb": 1}, "seed": 7},
    {"tokenizer": {"vocab_size": 320}, "decontaminate": {"ngram": 9}},
]


def state_of(output: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of writing of every file that extract and dedup wrote."""
    folders = ("documents", "rejected", "duplicates", "index", ".work/extract")
    files = [path for name in folders for path in Path(output, name).rglob("*") if path.is_file()]
    files += [Path(output, ".work", "dedup.json")]
    return {str(path.relative_to(output)): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def check_ledger(output: Path) -> dict:
    """Return the totals of an output's ledger, which must reconcile."""
    totals = json.loads((output / "ledger.json").read_text())["totals"]
    published = sum(totals["published"].values())
    assert totals["responses"] == totals["kept"] + sum(totals["rejected"].values())
    assert totals["kept"] == sum(totals["duplicates"].values()) + sum(totals["held_out"].values()) + published > 0
    return totals


@pytest.fixture(scope="module")
def mixes(done, crawl, tmp_path_factory) -> list[Path]:
    """New outputs, each with a mix of the documents of the finished one, which nobody may write to."""
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file()}
    outputs = [tmp_path_factory.mktemp("mix") / "out" for _ in MIXES]
    for output, mix in zip(outputs, MIXES, strict=True):
        run(config(crawl, output, documents_from=str(done), **mix))
    assert {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file()} == before
    return outputs


def test_mixes_in_new_outputs_are_whole_outputs(done, mixes, capsys):
    digests = [corpus_bytes(output) for output in [done, *mixes]]
    assert all(digests.count(found) == 1 for found in digests)
    for output in mixes:
        assert check_ledger(output)["responses"] == check_ledger(done)["responses"]
        assert not any((output / name).exists() for name in ("documents", "rejected", "duplicates"))
        card = (output / "README.md").read_text()
        assert "corpus/train/*.parquet" in card and "documents/*.parquet" not in card
        assert main(["inspect", str(output), "--reason", "duplicate/near", "--sample", "1"]) == 0
        assert "https://" in capsys.readouterr().out  # the pages are found where they are


def test_a_mix_is_the_corpus_of_a_run_from_the_beginning(crawl, mixes, tmp_path):
    fresh = tmp_path / "fresh"
    run(config(crawl, fresh, workers=1, **MIXES[0]))
    assert corpus_bytes(mixes[0]) == corpus_bytes(fresh)
    assert json.loads((mixes[0] / "ledger.json").read_text()) == json.loads((fresh / "ledger.json").read_text())
    assert (mixes[0] / "report.html").read_text() == (fresh / "report.html").read_text()


def test_mixes_into_the_same_output_do_not_extract_again(done, crawl, mixes, tmp_path):
    output = Path(shutil.copytree(done, tmp_path / "out"))
    before = state_of(output)
    for mix, other in zip(MIXES[:2], mixes, strict=False):
        run(config(crawl, output, **mix))
        assert corpus_bytes(output) == corpus_bytes(other)
        assert check_ledger(output) == check_ledger(other)
    assert state_of(output) == before


def test_a_mix_in_a_new_output_can_change_there_too(done, crawl, mixes, tmp_path):
    output = Path(shutil.copytree(mixes[0], tmp_path / "out"))
    run(config(crawl, output, documents_from=str(done), **MIXES[1]), jobs=("publish",))
    assert corpus_bytes(output) == corpus_bytes(mixes[1])


@pytest.mark.parametrize(
    "over, key",
    [
        ({"extract": {"threshold": 0.7}}, "extract.threshold: 0.55 -> 0.7"),
        ({"dedup": {"threshold": 0.7}}, "dedup.threshold: 0.8 -> 0.7"),
        ({"pii": {"emails": False}, "weights": {"domains": {"other": 2}}}, "pii.emails: True -> False"),
    ],
)
def test_a_setting_of_an_earlier_job_is_refused_by_its_name(done, crawl, tmp_path, over, key):
    before = (done / "config.yaml").read_bytes()
    for settings in (
        config(crawl, done, **over),
        config(crawl, tmp_path / "new", documents_from=str(done), **over),
    ):
        with pytest.raises(ConfigError) as error:
            run(settings)
        text = str(error.value)
        assert key in text and str(done) in text and "\n" not in text
        assert "choose another output" in text or "change them back" in text
        assert "weights.domains" not in text
    assert (done / "config.yaml").read_bytes() == before and not (tmp_path / "new").exists()


def test_the_seed_is_a_setting_of_extraction_where_it_draws_the_inputs(crawl, tmp_path):
    output = tmp_path / "out"
    run(config(crawl, output, input={"sample": 2}), jobs=("extract",))
    with pytest.raises(ConfigError, match="seed: 0 -> 3"):
        run(config(crawl, output, input={"sample": 2}, seed=3))


@pytest.mark.parametrize(
    "source, output, message",
    [
        ("nowhere", "new", "no output there"),
        ("done", "done", "contain each other"),
        ("done", "done/new", "contain each other"),
        ("extracted", "new", "the dedup job has not ended there"),
        ("mix", "new", "it has no documents of its own; give the output that has them"),
        ("done", "extracted", "this output has documents of its own"),
    ],
)
def test_documents_from_that_cannot_be_used_is_one_line(done, crawl, mixes, tmp_path, source, output, message, capsys):
    folders = {"done": done, "mix": mixes[0], "extracted": tmp_path / "extracted"}
    shutil.copytree(done, tmp_path / "extracted")
    (tmp_path / "extracted" / ".work" / "dedup.json").unlink()
    source, output = (
        folders.get(name, f"{done}/new" if name == "done/new" else tmp_path / name) for name in (source, output)
    )
    settings = config(crawl, output, documents_from=str(source))
    (tmp_path / "config.yaml").write_text(dump_config(settings))
    assert main(["run", str(tmp_path / "config.yaml")]) == 1
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error and str(tmp_path.parent.parent) in error


def test_extract_does_not_run_with_documents_from(done, crawl, tmp_path):
    with pytest.raises(RunError, match="the extract job does not run with it; run `gristmill publish`"):
        run(config(crawl, tmp_path / "out", documents_from=str(done)), jobs=("extract",))
    assert not (tmp_path / "out").exists()
