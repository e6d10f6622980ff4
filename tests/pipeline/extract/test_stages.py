"""One page's way: the language gate and its checks, and bodies that come again."""

import json

import pytest

from pipeline.cli.run import run
from pipeline.config import build_config
from pipeline.extract.splits import BATCH_CHARACTERS, BATCH_PAGES, batches
from pipeline.extract.stages import Outcome, Page, Tools, mill, read
from pipeline.html.charset import decode_body
from pipeline.html.engines import load_engine
from pipeline.html.extraction_cache import ExtractionCache
from pipeline.html.http import parse_response
from pipeline.io.schemas import DOCUMENT
from pipeline.language import prefilter
from pipeline.warc.reader import CrawlRecord, read_crawl_records
from tests.pipeline.conftest import config
from tests.pipeline.crawls import article, html, pages, response, write_warc
from tests.shared import shared_data

GERMAN = [
    "Der Müller zählt die Säcke, und der Fluss dreht das Rad, seit Menschen in diesem Tal wohnen und backen.",
    "Niemand im Dorf hat je gefragt, warum das Wasser im Winter langsamer fließt als im Sommer.",
    "Am Abend sitzen die Bauern vor der Mühle, trinken ihr Bier und erzählen sich alte Geschichten.",
]


def records(*responses: bytes, tmp_path) -> list[CrawlRecord]:
    """Return response records as the reader gives them."""
    with open(write_warc(tmp_path / "a.warc", list(responses), compress=False), "rb") as source:
        return [
            item for item in read_crawl_records(source) if isinstance(item, CrawlRecord) and item.type == "response"
        ]


def tools(**over) -> Tools:
    """Return a worker's tools with the fast engine."""
    return Tools(build_config({"inputs": ["x"], "output": "none", "extract": {"engine": "resiliparse"}, **over}))


def milled(record: CrawlRecord, worker: Tools) -> Outcome:
    """Return what becomes of one page, alone."""
    return mill([read(record, "f", worker)], worker)[0]


def test_the_gate_drops_before_extraction_and_only_with_languages(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.extract.stages.is_audited", lambda page: False)
    german, english = records(
        response("https://a.example/1", html(GERMAN), 1), response("https://a.example/2", html(article(2)), 2),
        tmp_path=tmp_path,
    )  # fmt: skip
    wanted = tools(languages=["en"])
    seen = []
    engine, wanted.engine = wanted.engine, lambda page, url: seen.append(url) or engine(page, url)
    outcome = milled(german, wanted)
    assert (outcome.key, outcome.checked, seen) == ("language/gate", "", [])
    row = outcome.row
    assert row["detail"] == "de" and row["measure"] == "gate_share" and row["value"] < row["threshold"] == 0.05
    assert "text" not in row
    assert milled(english, wanted).kept and seen == ["https://a.example/2"]
    assert milled(german, tools(languages=["en"], language={"prefilter": False})).key == "language/unwanted"
    assert milled(german, tools()).key != "language/gate"


def test_thresholds_by_language_stand_before_the_general_one(tmp_path):
    german, english = records(
        response("https://a.example/1", html(GERMAN), 1), response("https://a.example/2", html(article(2)), 2),
        tmp_path=tmp_path,
    )  # fmt: skip
    strict = tools(language={"min_score": 0.0, "by_language": {"de": 1.0}}, recipe="none")
    outcome = milled(german, strict)
    assert outcome.key == "language/low-score"
    assert (outcome.row["measure"], outcome.row["threshold"]) == ("language_score", 1.0)
    assert milled(english, strict).kept


def test_columns_that_a_page_states_of_itself(tmp_path):
    head = (
        "<link rel=canonical href='/own'><meta name=author content='Jo Miller'>"
        "<link rel=license href='https://creativecommons.org/licenses/by/4.0/'>"
    )
    dated = [*article(3), "Posted on"]
    body = html(dated, "Sacks", head).replace("<article>", "<article><time datetime='2026-04-03'>3 April</time>")
    (found,) = records(response("https://www.a.example.co.uk/x?utm_source=y", body, 1), tmp_path=tmp_path)
    row = milled(found, tools()).row
    wanted = {
        "title": "Sacks",
        "author": "Jo Miller",
        "published": "2026-04-03",
        "licence": "https://creativecommons.org/licenses/by/4.0/",
        "site": "example.co.uk",
        "canonical_url": "https://a.example.co.uk/x",
        "canonical_link": "https://www.a.example.co.uk/own",
    }
    assert {key: row[key] for key in wanted} == wanted
    assert set(row) | {"minhash"} == set(DOCUMENT.names)  # signatures are made for many pages at a time
    assert milled(found, tools(extract={"engine": "resiliparse", "find_dates": False})).row["published"] == ""


def test_checked_pages_count_as_dropped_and_say_what_they_would_have_been(tmp_path, monkeypatch):
    """A gate that drops everything: one page in three is checked, and every one of those was a miss."""
    monkeypatch.setattr(
        "pipeline.extract.stages.prefilter_pages",
        lambda pages, *given: [prefilter.PrefilterVerdict("xx", 0.0)] * len(pages),
    )
    monkeypatch.setattr("pipeline.extract.stages.is_audited", lambda page: int(page[-4:-1]) % 3 == 0)
    worker = tools(languages=["en"])
    outcomes = mill([read(record, "f", worker) for record in records(*pages(9), tmp_path=tmp_path)], worker)
    assert [outcome.key for outcome in outcomes] == ["language/gate"] * 8 + ["http/status"]
    assert [outcome.checked for outcome in outcomes] == ["kept", "", "", "kept", "", "", "kept", "", ""]
    assert [outcome.row["detail"] for outcome in outcomes[:2]] == ["xx; the full way ends as kept", "xx"]


def test_the_ledger_counts_the_misses(tmp_path):
    """Through the whole job: German pages of which some are checked, none missed; the sums hold."""
    made = [response(f"https://b.example/{n}", html(GERMAN, f"Seite {n}"), n) for n in range(120)]
    crawl = write_warc(tmp_path / "a.warc.gz", [*made, *pages(20, first=200)])
    run(config([crawl], tmp_path / "out", workers=1, languages=["en"], extract={"engine": "resiliparse"}))
    totals = json.loads((tmp_path / "out/ledger.json").read_text())["totals"]
    expected = sum(prefilter.is_audited(f"<urn:uuid:00000000-0000-4000-8000-{n:012d}>") for n in range(120))
    assert totals["gate"] == {"checked": expected, "missed": 0} and expected
    assert totals["rejected"]["language/gate"] == 120
    assert totals["responses"] == totals["kept"] + sum(totals["rejected"].values()) == 140
    report = (tmp_path / "out/report.html").read_text()
    assert f"{expected} went the full way as a check; 0 of them would have been kept" in report


def test_what_becomes_of_a_page_does_not_depend_on_those_milled_with_it(tmp_path):
    """Real pages, good and bad, all together, one by one and in another order: the same rows and reasons."""
    with open(shared_data("crawl/public-00001.warc.gz"), "rb") as source:
        found = [
            item for item in read_crawl_records(source) if isinstance(item, CrawlRecord) and item.type == "response"
        ][::25]
    worker = tools(languages=["en", "de"], recipe="fineweb")
    together = mill([read(record, "f", worker) for record in found], worker)
    assert len({outcome.key for outcome in together}) > 5
    assert together == [milled(record, worker) for record in found]
    assert together[::-1] == mill([read(record, "f", worker) for record in found[::-1]], worker)


@pytest.mark.parametrize("engine", ["resiliparse", "trafilatura", "gristmill"])
def test_an_engines_text_is_the_same_under_any_address(engine):
    """What allows a body to be extracted once: of sixty real pages, no text depends on the address."""
    extract = load_engine(engine)
    with open(shared_data("crawl/public-00002.warc.gz"), "rb") as source:
        found = [
            item for item in read_crawl_records(source) if isinstance(item, CrawlRecord) and item.type == "response"
        ]
    for record in found[::21]:
        made = parse_response(record.block)
        page = decode_body(made.body, made.header("content-type"))[0]
        one, other = extract(page, record.url), extract(page, "http://other.example/2001/02/03/x?y=z")
        assert one.text == other.text, record.url


def test_a_body_that_comes_again_is_extracted_once_with_its_own_metadata(tmp_path):
    body = html(article(7), head="<link rel=canonical href='/here'>")
    urls = ["https://a.example/2020/01/02/x", "https://b.example/y", "https://a.example/2020/01/02/x"]
    found = records(*(response(url, body, n) for n, url in enumerate(urls)), tmp_path=tmp_path)
    shared = tools()
    together = [milled(record, shared) for record in found]
    assert together == [milled(record, tools()) for record in found]
    assert [outcome.row["published"] for outcome in together] == ["2020-01-02", "", "2020-01-02"]
    assert len(shared.repeats.found) == 1


def test_what_is_remembered_is_bounded():
    engine, calls = load_engine("resiliparse"), []
    seen = ExtractionCache(limit=3000)
    for n in [*range(30), 29, 0]:
        seen.extract(lambda page, url: calls.append(url) or engine(page, url), html(article(n, 2)), str(n))
        assert seen.held == sum(len(page.text) for page in seen.found.values()) <= 3000
    assert calls == [*map(str, range(30)), "0"]


def test_pages_are_milled_a_bounded_number_at_a_time():
    """Nobody's order is changed, and large pages wait with few others: memory does not grow with a file."""
    made = [Page({"id": n}, n, html="x" * (5_000_000 if n % 50 == 7 else 100)) for n in range(300)]
    cut = list(batches(iter(made)))
    assert [page for batch in cut for page in batch] == made
    assert max(map(len, cut)) == BATCH_PAGES
    assert max(sum(len(page.html) for page in batch) for batch in cut) < BATCH_CHARACTERS + 5_000_000
