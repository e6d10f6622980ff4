"""A page through the stages: the language prefilter and its checks, and bodies that come again."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline.cli.run import run
from pipeline.config import build_config
from pipeline.extract import extract_text, page_stage
from pipeline.extract.job import load_stages, page_stages, preload_stages
from pipeline.extract.page import Page, PageFunction, settle_page
from pipeline.extract.read_crawl import BATCH_CHARACTERS, BATCH_PAGES, batch_pages, place_page, read_page
from pipeline.extract.splits import Split
from pipeline.extract.write_split import to_row
from pipeline.html.charset import decode_body
from pipeline.html.engines import load_engine
from pipeline.html.extraction_cache import ENTRY, ExtractionCache
from pipeline.html.http import parse_response
from pipeline.io.schemas import DOCUMENT
from pipeline.language import prefilter
from pipeline.url.filter import UrlFilter
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


SPLIT = Split("f", "f", 0, None, 0, None)
EMPTY = Page(split=SPLIT, number=0, id="", url="", date="", file="f", offset=0, end=0)


class Worker:
    """The stages as a worker has them, with the fast engine."""

    def __init__(self, **over):
        self.config = build_config({"inputs": ["x"], "output": "none", "extract": {"engine": "resiliparse"}, **over})
        self.urls = UrlFilter(self.config.url)
        self.stages: list[PageFunction] = [stage.load() for stage in page_stages(self.config)]

    def process(self, records: Sequence[CrawlRecord]) -> list[Page]:
        """Return what becomes of records that are processed together."""
        config = self.config
        pages = [
            read_page(place_page(record, SPLIT, n), record, self.urls, config.input, config.robots)
            for n, record in enumerate(records)
        ]
        for stage in self.stages:
            pages = stage(pages)
        return [settle_page(page) for page in pages]

    def process_one(self, record: CrawlRecord) -> Page:
        """Return what becomes of a record alone."""
        return self.process([record])[0]


def test_the_prefilter_rejects_before_extraction_and_only_with_languages(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.extract.prefilter_language.is_audited", lambda page: False)
    seen = []
    load_engine = extract_text.load_engine

    def load_watched_engine(*args, **kwargs):
        engine = load_engine(*args, **kwargs)
        return lambda page, url: seen.append(url) or engine(page, url)

    monkeypatch.setattr("pipeline.extract.extract_text.load_engine", load_watched_engine)
    german, english = records(
        response("https://a.example/1", html(GERMAN), 1), response("https://a.example/2", html(article(2)), 2),
        tmp_path=tmp_path,
    )  # fmt: skip
    wanted = Worker(languages=["en"])
    page = wanted.process_one(german)
    assert (page.key, page.checked, seen) == ("language/gate", "", [])
    row = to_row(page)
    assert row["detail"] == "de" and row["measure"] == "gate_share" and row["value"] < row["threshold"] == 0.05
    assert row["text"] is None
    assert wanted.process_one(english).key == "kept" and seen == ["https://a.example/2"]
    assert Worker(languages=["en"], language={"prefilter": False}).process_one(german).key == "language/unwanted"
    assert Worker().process_one(german).key != "language/gate"


def test_thresholds_by_language_stand_before_the_general_one(tmp_path):
    german, english = records(
        response("https://a.example/1", html(GERMAN), 1), response("https://a.example/2", html(article(2)), 2),
        tmp_path=tmp_path,
    )  # fmt: skip
    strict = Worker(language={"min_score": 0.0, "by_language": {"de": 1.0}}, recipe="none")
    page = strict.process_one(german)
    assert page.key == "language/low-score"
    assert (page.rejection.measure, page.rejection.threshold) == ("language_score", 1.0)
    assert strict.process_one(english).key == "kept"


def test_columns_that_a_page_states_of_itself(tmp_path):
    head = (
        "<link rel=canonical href='/own'><meta name=author content='Jo Miller'>"
        "<link rel=license href='https://creativecommons.org/licenses/by/4.0/'>"
    )
    dated = [*article(3), "Posted on"]
    body = html(dated, "Sacks", head).replace("<article>", "<article><time datetime='2026-04-03'>3 April</time>")
    (found,) = records(response("https://www.a.example.co.uk/x?utm_source=y", body, 1), tmp_path=tmp_path)
    row = to_row(Worker().process_one(found))
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
    assert set(row) == {*DOCUMENT.names, "tried"}
    without = Worker(extract={"engine": "resiliparse", "find_dates": False})
    assert without.process_one(found).published == ""


def test_the_type_of_a_page_is_that_of_its_text_and_address(tmp_path):
    thread = [
        f"user{n} wrote: Joined 2019, posts {n}. {line} Reply with quote, thanks for your answers."
        for n, line in enumerate(article(3))
    ]
    found = records(
        response("https://forum.example/viewtopic.php?t=5", html(thread), 1),
        response("https://paper.example/news/2024/05/mill-burns", html(article(4)), 2),
        tmp_path=tmp_path,
    )
    pages = Worker(recipe="none").process(found)
    assert [page.page_type for page in pages] == ["forum", "article"]
    assert [to_row(page)["page_type"] for page in pages] == ["forum", "article"]


def test_checked_pages_count_as_dropped_and_say_what_they_would_have_been(tmp_path, monkeypatch):
    """A prefilter that rejects everything: one page in three is checked, and every one of those was a miss."""
    stage = "pipeline.extract.prefilter_language"
    monkeypatch.setattr(
        f"{stage}.prefilter_pages", lambda pages, *given: [prefilter.PrefilterVerdict("xx", 0.0)] * len(pages)
    )
    monkeypatch.setattr(f"{stage}.is_audited", lambda page: int(page[-4:-1]) % 3 == 0)
    ended = Worker(languages=["en"]).process(records(*pages(9), tmp_path=tmp_path))
    assert [page.key for page in ended] == ["language/gate"] * 8 + ["http/status"]
    assert [page.checked for page in ended] == ["kept", "", "", "kept", "", "", "kept", "", ""]
    assert [page.rejection.detail for page in ended[:2]] == ["xx; the full way ends as kept", "xx"]
    assert all(to_row(page).get("language") is None and page.text is None for page in ended)


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
    assert f"{expected} of the pages that it rejected were processed in full; 0 of them would have been kept" in report


def test_what_becomes_of_a_page_does_not_depend_on_those_processed_with_it(tmp_path):
    """Real pages, good and bad, all together, one by one and in another order: the same rows and reasons."""
    with open(shared_data("crawl/public-00001.warc.gz"), "rb") as source:
        found = [
            item for item in read_crawl_records(source) if isinstance(item, CrawlRecord) and item.type == "response"
        ][::25]
    worker = Worker(languages=["en", "de"], recipe="fineweb")
    together = [to_row(page) for page in worker.process(found)]
    assert len({(row.get("stage"), row.get("reason")) for row in together}) > 5
    assert together == [to_row(worker.process_one(record)) for record in found]
    assert together[::-1] == [to_row(page) for page in worker.process(found[::-1])]


@pytest.mark.parametrize("engine", ["resiliparse", "trafilatura"])
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


def test_a_body_that_comes_again_is_extracted_once_with_its_own_metadata(tmp_path, monkeypatch):
    body = html(article(7), head="<link rel=canonical href='/here'>")
    urls = ["https://a.example/2020/01/02/x", "https://b.example/y", "https://a.example/2020/01/02/x"]
    found = records(*(response(url, body, n) for n, url in enumerate(urls)), tmp_path=tmp_path)
    caches = []
    monkeypatch.setattr(extract_text, "ExtractionCache", lambda *by: caches.append(ExtractionCache(*by)) or caches[-1])
    shared = Worker()
    together = [to_row(shared.process_one(record)) for record in found]
    assert together == [to_row(Worker().process_one(record)) for record in found]
    assert [row["published"] for row in together] == ["2020-01-02", "", "2020-01-02"]
    assert len(caches[0].found) == 1


def test_an_engine_that_looks_at_the_address_extracts_a_body_once_for_each():
    engine, calls = load_engine("resiliparse"), []
    seen = ExtractionCache(True)
    urls = ["https://a.example/x", "https://b.example/shop/y", "https://a.example/x"]
    found = [
        seen.extract(lambda page, url: calls.append(url) or engine(page, url), html(article(3)), url) for url in urls
    ]
    assert calls == urls[:2] and found[0] == found[2]


def test_what_is_remembered_is_bounded():
    engine, calls = load_engine("resiliparse"), []
    seen = ExtractionCache(False, limit=3000 + 8 * ENTRY)
    for n in [*range(30), 29, 0]:
        seen.extract(lambda page, url: calls.append(url) or engine(page, url), html(article(n, 2)), str(n))
        assert seen.held == sum(len(page.text) + ENTRY for page in seen.found.values()) <= seen.limit
    assert calls == [*map(str, range(30)), "0"]
    for n in range(100):  # pages without text
        seen.extract(engine, f"<p>{'<br>' * n}", "")
    assert len(seen.found) <= seen.limit / ENTRY


def test_pages_are_processed_a_bounded_number_at_a_time():
    """The order of pages stays, and large pages wait with few others: memory does not grow with a file."""
    made = [replace(EMPTY, number=n, html="x" * (5_000_000 if n % 50 == 7 else 100)) for n in range(600)]
    cut = list(batch_pages(iter(made)))
    assert [page for batch in cut for page in batch] == made
    assert max(map(len, cut)) <= BATCH_PAGES
    assert max(sum(len(page.html) for page in batch) for batch in cut) < BATCH_CHARACTERS + 5_000_000
    assert [len(batch) for batch in batch_pages([EMPTY] * 600)] == [BATCH_PAGES, BATCH_PAGES, 600 - 2 * BATCH_PAGES]


def test_what_is_loaded_before_the_workers_start_is_loaded_no_more(monkeypatch, tmp_path):
    monkeypatch.setattr(page_stage, "LOADED", {})
    settings = {"inputs": ["x"], "output": "none", "languages": ["en"]}
    preload_stages(build_config(settings))
    loaded = set(page_stage.LOADED)
    assert len(load_stages(build_config(settings))) > 5 and len(loaded) >= 3 and set(page_stage.LOADED) == loaded
    broken = build_config(settings | {"language": {"model": str(tmp_path / "none.bin")}})
    preload_stages(broken)  # a worker reports it
    with pytest.raises((ValueError, OSError)):
        load_stages(broken)
