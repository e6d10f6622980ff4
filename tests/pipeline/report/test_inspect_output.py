"""Looking into an output: what a user sees, and what DuckDB and `datasets` read."""

import subprocess
import sys

import pytest

from pipeline.__main__ import main
from tests.shared import ROOT


def shown(capsys, *args) -> str:
    """Return what `gristmill inspect` prints; it must succeed."""
    assert main(["inspect", *map(str, args)]) == 0
    return capsys.readouterr().out


def test_the_overview_shows_funnel_languages_domains_and_lengths(done, capsys):
    out = shown(capsys, done)
    for needle in (
        "62 response",
        "http/status",
        "-6",
        "duplicate/near",
        "published train",
        "language (1)",
        "en",
    ):
        assert needle in out, needle
    assert "\x1b" not in out  # plain when piped


def test_a_reason_shows_pages_with_what_failed(done, capsys):
    out = shown(capsys, done, "--reason", "http/status", "--sample", "2")
    assert out.count("http/status: 404") == 2
    assert shown(capsys, done, "--reason", "http/status", "--sample", "2") == out
    assert "robots/noai" in shown(capsys, done, "--reason", "robots")
    near = shown(capsys, done, "--reason", "duplicate/near", "--sample", "1")
    assert "similarity" in near


def test_an_unknown_reason_page_or_output_is_one_line(done, capsys, tmp_path):
    for args, needle in (
        ([done, "--reason", "http/statsu"], "did you mean 'http/status'"),
        ([done, "--explain", "https://nowhere.example/"], "no page"),
        ([done, "--url", "https://nowhere.example/"], "no page"),
        ([tmp_path], "no ledger.json"),
    ):
        assert main(["inspect", *map(str, args)]) == 1
        error = capsys.readouterr().err.strip()
        assert needle in error
        assert "\n" not in error


def test_one_pages_life_is_told_from_record_to_corpus(done, capsys):
    out = shown(capsys, done, "--explain", "https://site0.example/page-0")  # without www: found by canonical URL
    for needle in ("byte", "gristmill", "score", "gopher_quality/too-few-words", "dedup      kept", "publish"):
        assert needle in out, needle
    dropped = shown(capsys, done, "--explain", "https://www.site8.example/page-8")
    assert "http/status: 404" in dropped
    twin = shown(capsys, done, "--explain", "https://www.site6.example/page-6")
    other = shown(capsys, done, "--explain", "https://www.site5.example/page-5")
    assert ("duplicate/near" in twin) != ("duplicate/near" in other)
    assert "copyist added note 6" in twin + other  # the difference is shown


def test_the_page_can_be_found_by_id(done, capsys):
    bare = "00000000-0000-4000-8000-000000000003"
    for written in (f"<urn:uuid:{bare}>", f"urn:uuid:{bare}", bare):
        assert "https://www.site3.example/page-3" in shown(capsys, done, "--explain", written)


def test_a_duplicate_is_shown_with_both_addresses(done, capsys):
    out = shown(capsys, done, "--reason", "duplicate/near", "--sample", "50")
    five, six = "https://www.site5.example/page-5", "https://www.site6.example/page-6"
    assert f"{five}\n  duplicate/near of {six}" in out or f"{six}\n  duplicate/near of {five}" in out


def test_duckdb_and_datasets_read_the_shards(done, tmp_path):
    duckdb, datasets = pytest.importorskip("duckdb"), pytest.importorskip("datasets")
    query = f"select language, count(*), avg(measures.words) from '{done}/documents/*.parquet' group by 1"
    rows = duckdb.sql(query).fetchall()
    assert rows[0][0] == "en" and rows[0][1] > 40 and rows[0][2] > 100
    files = sorted(map(str, (done / "corpus" / "train").glob("*.parquet")))
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert {"id", "text", "weight", "domain"} <= set(loaded.column_names)
    assert len(loaded) == duckdb.sql(f"select count(*) from '{done}/corpus/train/*.parquet'").fetchall()[0][0]


def test_help_does_not_wait_for_beam_or_torch():
    code = "import sys; from pipeline.__main__ import build_pipeline_parser; build_pipeline_parser()\n"
    code += "print([m for m in sys.modules if m in %r])"
    heavy = ["apache_beam", "torch", "trafilatura", "pyarrow", "fasttext", "numpy"]
    done = subprocess.run([sys.executable, "-c", code % heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
