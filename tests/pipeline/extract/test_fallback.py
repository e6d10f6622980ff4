"""Other engines are tried where the rules reject a text for its shape: one run with an engine that misses pages."""

import json
import sys
from pathlib import Path

import pytest

from pipeline.cli.run import run
from pipeline.config import build_config
from pipeline.io.output import Output
from pipeline.settings import ConfigError
from tests.pipeline.conftest import config
from tests.pipeline.crawls import article, html, response, write_warc
from tests.pipeline.documents import read

ENGINES = """
import re

def read_paragraphs(html, url):
    if "missed" in url:
        return "You can sign up for the newsletter here\\n" * 60
    return "\\n".join(re.findall("<p>(.*?)</p>", html))

def find_nothing(html, url):
    return "Self-test" if "Self-test" in html else ""
"""
RUN = {"extract": {"engine": "odd_engines:read_paragraphs", "fallback": ["odd_engines:find_nothing", "resiliparse"]}}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The output of a run: 20 good pages, 3 that the engine misses, one in a language that nobody wants, one junk."""
    folder = tmp_path_factory.mktemp("fallback")
    (folder / "odd_engines.py").write_text(ENGINES)
    german = "Der Müller zählt die Säcke, und der Fluss dreht das Rad, seit Menschen in diesem Tal wohnen und backen. "
    found = {f"https://site{n}.example/page": article(n) for n in range(20)}
    found |= {f"https://site{n}.example/missed": article(n) for n in range(20, 23)}
    found |= {
        "https://a.example/missed-german": [german] * 9,
        "https://a.example/missed-junk": ["Add this item to your basket now"] * 40,
    }
    records = [response(url, html(text), n) for n, (url, text) in enumerate(found.items())]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.delitem(sys.modules, "odd_engines", raising=False)
        crawl = [write_warc(folder / "a.warc.gz", records)]
        run(config(crawl, folder / "out", workers=1, languages=["en"], language={"prefilter": False}, **RUN))
    return folder / "out"


def test_a_missed_page_is_kept_with_the_text_of_the_next_engine_that_passes(output):
    documents = {row["url"]: row for row in read(Output(str(output)), "documents")}
    assert len(documents) == 23
    for url, row in documents.items():
        number = int(url.split(".")[0].removeprefix("https://site"))
        engine = "resiliparse" if "missed" in url else "odd_engines:read_paragraphs"
        assert row["engine"] == engine and all(paragraph in row["text"] for paragraph in article(number))
        assert (row["language"], row["language_share"]) == ("en", 1.0)
        assert row["measures"] and row["text_hash"] and row["minhash"]


def test_a_page_that_no_engine_helps_keeps_its_first_reason_and_text(output):
    rejected = read(Output(str(output)), "rejected")
    assert sorted(row["url"] for row in rejected) == [
        "https://a.example/missed-german",
        "https://a.example/missed-junk",
    ]
    for row in rejected:
        assert row["stage"] in ("gopher_repetition", "gopher_quality") and row["text"].startswith("You can sign up")


def test_each_page_is_once_in_the_ledger_and_the_report_has_what_the_engines_took(output):
    totals = json.loads((output / "ledger.json").read_text())["totals"]
    assert (totals["responses"], totals["kept"], sum(totals["rejected"].values())) == (25, 23, 2)
    assert totals["fallback"] == {
        "odd_engines:find_nothing/kept": 0, "odd_engines:find_nothing/tried": 5,
        "resiliparse/kept": 3, "resiliparse/tried": 5,
    }  # fmt: skip
    report = (output / "report.html").read_text()
    assert "The engine resiliparse was tried on 5 pages whose text the rules rejected, and 3 pages are kept" in report
    assert "3 are kept with its text" in (output / "README.md").read_text()
    (marker,) = (output / ".work" / "extract").glob("*.json")
    assert json.loads(marker.read_text())["fallback_cpu"]["resiliparse"] > 0


@pytest.mark.parametrize(
    "extract, problem",
    [
        ({"fallback": ["gristmill"]}, "gristmill is named twice"),
        ({"fallback": ["resiliparse"], "format": "markdown"}, "resiliparse has no markdown"),
        ({"fallback": ["trafilature"]}, "did you mean 'trafilatura'"),
        ({"fallback": ["own:engine"], "comments": True}, "own:engine is not asked for extract.comments"),
        ({"fallback": ["own_missing:engine"]}, "own_missing"),
    ],
)
def test_engines_that_cannot_be_tried_are_refused(tmp_path: Path, extract, problem):
    with pytest.raises(ConfigError, match=problem):
        build_config({"inputs": ["x"], "output": str(tmp_path), "extract": extract})
