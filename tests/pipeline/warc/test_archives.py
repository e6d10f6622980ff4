"""The whole job over real and damaged archives: nothing stops it, what can be recovered is, the sums agree."""

import json

import pyarrow.parquet as pq
import pytest

from pipeline.cli.run import run
from pipeline.config import build_config
from tests.shared import shared_data


@pytest.fixture(scope="module")
def book_and_output(tmp_path_factory):
    """The ledger and the output of a run over both folders."""
    output = tmp_path_factory.mktemp("archives") / "out"
    inputs = [str(shared_data("edge")), str(shared_data("real"))]
    settings = {"recipe": "none", "extract": {"engine": "resiliparse"}, "tokenizer": {"vocab_size": 1000}}
    return run(build_config({"inputs": inputs, "output": str(output), **settings})), output


def test_every_file_is_in_the_ledger_and_its_sums_agree(book_and_output):
    book, _ = book_and_output
    assert len(book.files) >= 90
    for path, counts in book.files.items():
        assert counts.responses == counts.kept + counts.rejected.total(), path
    assert {path.rsplit("/", 1)[-1] for path in book.bad_files} >= {"empty.warc.gz", "html_error_page.warc.gz"}
    totals = book.totals
    assert totals.kept == totals.duplicates.total() + totals.held_out.total() + totals.published.total()


def test_what_is_recoverable_is_recovered(book_and_output):
    _, output = book_and_output
    expected = json.loads(shared_data("edge/EXPECTED.json").read_text())
    seen: dict[str, set[str]] = {}
    for folder in ("documents", "rejected"):
        for path in (output / folder).iterdir():
            for row in pq.read_table(path, columns=["url", "file"]).to_pylist():
                seen.setdefault(row["file"].rsplit("/", 1)[-1], set()).add(row["url"])
    for name, facts in expected.items():
        for key in ("urls", "good_urls", "good_urls_before", "good_urls_after", "html_200", "html_ok"):
            for url in facts.get(key, ()):
                assert url in seen.get(name, ()), f"{name}: {url}"


def test_pages_that_end_well_are_kept_with_their_text(book_and_output):
    _, output = book_and_output
    expected = json.loads(shared_data("edge/EXPECTED.json").read_text())
    kept: dict[str, str] = {}
    for path in (output / "documents").iterdir():
        for row in pq.read_table(path, columns=["url", "file", "text"]).to_pylist():
            kept[f"{row['file'].rsplit('/', 1)[-1]} {row['url']}"] = row["text"]
    for url in expected["pathological_html.warc.gz"]["html_ok"]:
        assert len(kept[f"pathological_html.warc.gz {url}"]) > 200
    found, cases = 0, [case for case in expected["charsets.warc.gz"]["cases"] if case.get("probe")]
    for case in cases:
        text = "".join(kept.get(f"charsets.warc.gz {case['url']}", "").split())
        found += "".join(case["probe"].split()) in text
    assert found >= 0.85 * len(cases)  # main text leaves some probes out
