"""Answers without a run: some pages tried, other thresholds on stored measures, two outputs side by side."""

import json
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.cli.run import run
from pipeline.config import dump_config
from pipeline.io.output import Output
from pipeline.report.what_if import change_config, find_changes, read_rows
from tests.pipeline.conftest import config

STRICTER = "rules.gopher_quality.min_words=360"


@pytest.fixture(scope="module")
def stricter(crawl, tmp_path_factory) -> Path:
    """What extraction makes of the crawl with a higher threshold."""
    output = tmp_path_factory.mktemp("stricter") / "out"
    run(config(crawl, output, rules={"gopher_quality": {"min_words": 360}}, workers=1), jobs=("extract",))
    return output


def rejected(output: Path) -> dict[str, int]:
    """Return the rejected pages of an output by reason."""
    return json.loads((output / "ledger.json").read_text())["totals"]["rejected"]


def test_what_if_says_what_a_run_would_do(done, stricter):
    before, after = rejected(done), rejected(stricter)
    assert before != after, "the threshold changes nothing"
    found = find_changes(Output(str(done)), change_config(Output(str(done)), [STRICTER]), 3)
    kept = [json.loads((output / "ledger.json").read_text())["totals"]["kept"] for output in (done, stricter)]
    assert [found.before, found.after] == kept
    more = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
    assert {end: n for (_, end), n in found.counts.items()} == more
    back = find_changes(
        Output(str(stricter)), change_config(Output(str(stricter)), ["rules.gopher_quality.min_words=50"]), 3
    )
    assert [back.before, back.after] == kept[::-1]


def test_what_if_knows_by_the_stored_worth_what_a_higher_bound_drops(done):
    worths = [row["scores"]["worth"] for row in read_rows(Output(str(done)), "documents", ("scores",))]
    bound = sorted(worths)[len(worths) // 2]
    found = find_changes(Output(str(done)), change_config(Output(str(done)), [f"quality.min_worth={bound}"]), 3)
    assert found.counts == {("kept", "quality/low-worth"): sum(worth < bound for worth in worths)}
    assert 0 < found.after < found.before == len(worths)


def test_what_if_scores_a_page_that_other_filters_would_let_pass(stricter):
    settings = ["rules.gopher_quality.min_words=50", "quality.min_worth=1.0"]
    found = find_changes(Output(str(stricter)), change_config(Output(str(stricter)), settings), 3)
    assert found.after == 0 and all(after == "quality/low-worth" for _, after in found.counts)


def test_what_if_without_a_least_worth_keeps_all_pages_that_it_dropped(crawl, tmp_path):
    run(config(crawl, tmp_path / "out", quality={"min_worth": 0.999}, workers=1), jobs=("extract",))
    output, dropped = Output(str(tmp_path / "out")), rejected(tmp_path / "out")["quality/low-worth"]
    found = find_changes(output, change_config(output, ["quality.min_worth=null"]), 3)
    assert dropped and found.counts == {("quality/low-worth", "kept"): dropped}


def test_what_if_prints_counts_and_samples(done, capsys):
    assert main(["what-if", str(done), "--set", STRICTER, "--sample", "1"]) == 0
    shown = capsys.readouterr().out
    assert "would go" in shown and "gopher_quality/too-few-words" in shown and "https://" in shown


@pytest.mark.parametrize("override", ["extract.engine=trafilatura", "dedup.threshold=0.9"])
def test_what_if_refuses_what_only_a_run_can_tell(done, override, capsys):
    assert main(["what-if", str(done), "--set", override]) == 2
    error = capsys.readouterr().err
    assert override.partition("=")[0] in error and "only a run can tell" in error and error.count("\n") == 1


def test_compare_names_the_pages_that_end_in_another_way(done, stricter, capsys):
    assert main(["compare", str(done), str(stricter), "--sample", "1"]) == 0
    shown = capsys.readouterr().out
    assert "rules.gopher_quality.min_words: 50 -> 360" in shown
    assert "published" in shown and "gopher_quality/too-few-words" in shown and "https://" in shown
    assert main(["compare", str(done), str(done)]) == 0
    shown = capsys.readouterr().out
    assert "the settings are equal" in shown and "every page ends in the same way" in shown


def test_try_shows_what_becomes_of_some_pages_and_writes_nothing(crawl, tmp_path, capsys):
    (tmp_path / "crawl.yaml").write_text(dump_config(config(crawl, tmp_path / "out")))
    assert main(["run", str(tmp_path / "crawl.yaml"), "--try", "12"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("12 pages in ") and "kept" in shown and "https://" in shown
    assert [path.name for path in tmp_path.iterdir()] == ["crawl.yaml"]
    assert main(["run", str(tmp_path / "crawl.yaml"), "--try", "0"]) == 2
