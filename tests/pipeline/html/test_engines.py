"""The main text of pages: real ones against human gold, hostile ones within their limits, and with a broken engine."""

import gzip
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from pipeline.html import engines
from pipeline.html.engines import EngineError, Extraction, PageError, load_engine, tidy_lines
from pipeline.html.sandbox import ROOT
from tests.shared import shared_data

PAGE = """<!DOCTYPE html><html lang="en"><head><title>Mills | Site</title><meta name="author" content="J. Miller">
<meta property="article:published_time" content="2020-05-06"><link rel="canonical" href="/mills"></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/shop">Shop</a></li></ul></nav>
<article><h1>How mills work</h1>
<p>The river turns the wheel, and the wheel turns the stone. Nobody in the village remembers a year without it.</p>
<p>Every sack is counted &amp; weighed,<br>and every bad one is set aside with a note of what is wrong with it.</p>
<ul><li>First the grain is cleaned of stones and straw.</li><li>Then it is ground twice between the stones.</li></ul>
<p>What is left over feeds the hens, who have never complained about the quality of the flour in this mill.</p>
</article><footer>Imprint and privacy</footer></body></html>"""


@pytest.fixture(scope="module", params=["trafilatura", "resiliparse", "gristmill"])
def engine(request: pytest.FixtureRequest) -> engines.Engine:
    return load_engine(request.param, seconds=2)


def test_a_page_gives_its_text_in_lines_and_what_it_says_of_itself(engine: engines.Engine) -> None:
    found = engine(PAGE, "https://example.com/a")
    lines = found.text.split("\n")
    assert found[1:] == ("Mills | Site", "J. Miller", "2020-05-06", "https://example.com/mills", "")
    assert "How mills work" in lines
    assert "Every sack is counted & weighed," in lines
    assert any(line.startswith("What is left over feeds the hens") for line in lines)
    assert "Shop" not in found.text and "Imprint" not in found.text
    assert all(lines)


@pytest.mark.parametrize(
    "html", ["", " ", "<html>", "\x00", "<", "plain text", "\ud800<p>x</p>", "<?xml version='1.0' encoding='x'?><p>y"]
)
def test_a_page_with_nothing_in_it_is_an_empty_text_not_an_error(engine: engines.Engine, html: str) -> None:
    assert isinstance(engine(html, ""), Extraction)
    assert "\x00" not in engine(html, "").text


def test_the_result_does_not_depend_on_what_came_before(engine: engines.Engine) -> None:
    pages = [PAGE.replace("mill", word) for word in ("mill", "kiln", "forge")]
    forward = [engine(page, "") for page in pages * 3]
    backward = [engine(page, "") for page in reversed(pages * 3)]
    assert forward == backward[::-1]
    assert len(set(forward)) == 3


def test_threads_may_share_an_engine(engine: engines.Engine) -> None:
    """Long pages fill the pipe, so that threads would get into each other's requests."""
    pages = [
        PAGE.replace("hens", f"hens of yard {n}").replace("</nav>", f"</nav><!--{'x' * 200_000}-->") for n in range(8)
    ]
    expected = [engine(page, "") for page in pages]
    start = threading.Barrier(len(pages))
    found: dict[int, Extraction] = {}

    def work(n: int) -> None:
        start.wait()
        found[n] = engine(pages[n], "")

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(len(pages))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert [found.get(n) for n in range(len(pages))] == expected
    assert len(set(expected)) == len(pages)


def test_tidy() -> None:
    assert tidy_lines("a\r\nb\rc\u2028d\x00\ufeff\n\n  \n") == "a\nb\nc\nd"
    assert tidy_lines("soft\xadhyphen zero\u200bwidth \u2060joined") == "softhyphen zerowidth joined"
    assert (
        tidy_lines("ភាសា\u200bខ្មែរ fa\u200cmily") == "ភាសា\u200bខ្មែរ fa\u200cmily"
    )  # between Khmer words; a non-joiner
    assert tidy_lines("  • item   one \n    code = 1\n\t- two") == "• item one\n    code = 1\n- two"


def test_a_page_that_hangs_native_code_is_a_timeout_and_the_next_one_works() -> None:
    """So many attributes on one tag take either parser seconds of native code, which no Python thread can stop."""
    hostile = "<html><body " + " ".join(f'a{n}="{n}"' for n in range(100_000)) + "><p>text</p></body></html>"
    for name in ("trafilatura", "resiliparse", "gristmill"):
        engine = load_engine(name, seconds=0.7)
        with pytest.raises(PageError) as caught:
            engine(hostile, "")
        assert caught.value.reason == "timeout"
        assert "The river turns the wheel" in engine(PAGE, "").text


def test_a_page_that_eats_memory_is_charged_for_it() -> None:
    """The helper's address space is limited; what goes over it is the page's reason, and the worker lives on."""
    script = (
        "from pipeline.html import engines\n"
        "def greedy(options):\n"
        "    return lambda html, url: engines.Extraction(html if 'eat' not in html else 'x' * (8 << 30), *[''] * 5)\n"
        "engines.ENGINES['trafilatura'] = greedy\n"
        "engines.SELF_TEST = engines.SELF_TEST_WORDS\n"
        "engines.run_sandbox(['trafilatura', '5', '[]'])\n"
    )
    engine = load_engine("resiliparse")
    engine.helper.command = [sys.executable, "-c", script]
    with pytest.raises(PageError, match="memory"):
        engine.ask_helper(b"eat", "")
    assert engine.ask_helper(b"fine", "").text == "fine"


def test_too_large_and_unknown(engine: engines.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "MAX_CHARACTERS", 100)
    with pytest.raises(PageError) as caught:
        engine("x" * 101, "")
    assert caught.value.reason == "too-large"
    with pytest.raises(EngineError, match="'trafilature' is unknown"):
        load_engine("trafilature")


def test_what_an_engine_raises_is_the_pages_reason_but_a_missing_module_stops_the_run() -> None:
    def raising(error: BaseException) -> engines.Engine:
        def engine(html: str, url: str) -> Extraction:
            raise error

        return engine

    for error, reason in ((RecursionError(), "too-deep"), (MemoryError(), "memory"), (KeyError("x"), "parse-error")):
        with pytest.raises(PageError) as caught:
            engines.run_guarded(raising(error), "", "")
        assert caught.value.reason == reason
    with pytest.raises(EngineError, match="lxml_html_clean"):
        engines.run_guarded(raising(ImportError("No module named 'lxml_html_clean'")), "", "")


def test_an_engine_that_cannot_be_imported_is_one_line_at_loading(tmp_path: Path) -> None:
    """As when lxml_html_clean is missing: trafilatura is there, and its import fails."""
    (tmp_path / "trafilatura.py").write_text("import lxml_html_clean_that_is_not_here")
    script = "from pipeline.html.engines import load_engine; load_engine('trafilatura')"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(tmp_path)}
    )
    assert ran.returncode == 1
    last = ran.stderr.strip().split("\n")[-1]
    assert "EngineError: extract.engine: trafilatura does not work here: ModuleNotFoundError" in last


def test_an_engine_that_finds_nothing_in_its_self_test_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, "resiliparse", lambda options: lambda html, url: Extraction(*[""] * 6))
    with pytest.raises(EngineError, match="self-test"):
        load_engine("resiliparse")


def test_the_helper_ends_with_its_parent() -> None:
    """kill -9 leaves no helper behind: its pipe closes."""
    script = (
        "import os, signal\nfrom pipeline.html.sandbox import SandboxProcess\n"
        "helper = SandboxProcess('pipeline.html.engines', 'resiliparse', '5', '[]')\n"
        "helper.ask(b'\"\"\\n')\nprint(helper.process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    pid = int(ran.stdout)
    for _ in range(100):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the helper is still running")


def test_pathological_pages_finish_and_the_good_ones_are_found(engine: engines.Engine) -> None:
    expected = json.loads(shared_data("edge/EXPECTED.json").read_text())["pathological_html.warc.gz"]
    texts: dict[str, str] = {}
    with open(shared_data("edge/pathological_html.warc.gz"), "rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            html = record.reader.read().decode("utf-8", "replace")
            url = record.headers["WARC-Target-URI"]
            start = time.monotonic()
            try:
                texts[url] = engine(html, url).text
            except PageError as error:
                assert error.reason in ("timeout", "memory", "too-deep", "too-large", "parse-error")
                texts[url] = ""
            assert time.monotonic() - start < 30
    assert len(texts) == expected["responses"]
    assert all(len(texts[url]) > 1000 for url in expected["html_ok"])


# 4-gram-bag F1 of the mean precision and recall on the sample below. A floor only rises while the sample is the same.
FLOORS = {"trafilatura": 0.825, "resiliparse": 0.81, "gristmill": 0.88}  # gristmill has been trained on them


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """Return the bag of word 4-grams; of scripts without spaces, every character is a word."""
    words = re.findall(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|\w+", text)
    return Counter(zip(*(words[start:] for start in range(4)), strict=False)) or Counter([tuple(words)])


@pytest.mark.parametrize("name", FLOORS)
def test_against_human_gold(name: str) -> None:
    with gzip.open(shared_data("crawl/gold.jsonl.gz"), "rt", encoding="utf-8") as lines:
        gold = {page["record_id"]: page for page in map(json.loads, lines) if page["gold_kind"] == "human"}
    with gzip.open(shared_data("crawl/index.jsonl.gz"), "rt", encoding="utf-8") as lines:
        pages = sorted((p for p in map(json.loads, lines) if p["record_id"] in gold), key=lambda p: p["record_id"])
    engine = load_engine(name)
    precisions, recalls = [], []
    for page in pages[:: len(pages) // 60][:60]:
        with open(shared_data("crawl/" + page["file"]), "rb") as stream:
            stream.seek(page["offset"])
            record = next(iter(ArchiveIterator(stream)))
            html = record.reader.read().decode(page["enc"] or "utf-8", "replace")
        truth, found = shingles(gold[page["record_id"]]["gold_text"]), shingles(engine(html, page["url"]).text)
        common = (truth & found).total()
        precisions.append(common / found.total())
        recalls.append(common / truth.total())
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    f1 = 2 * precision * recall / (precision + recall)
    assert f1 >= FLOORS[name], f"precision {precision:.3f} recall {recall:.3f} F1 {f1:.3f}"


@pytest.mark.parametrize("objective", ["balanced", "precision", "recall"])
@pytest.mark.parametrize("name", ["trafilatura", "resiliparse", "gristmill"])
def test_every_engine_loads_for_every_preference(name: str, objective: str) -> None:
    assert "one sack after another" in load_engine(name, objective=objective)(engines.SELF_TEST, "").text


@pytest.mark.parametrize("name", ["trafilatura", "gristmill"])
def test_markdown_has_headings_lists_and_paragraphs_apart(name: str) -> None:
    text = load_engine(name, format="markdown")(PAGE, "").text
    assert "# How mills work\n\n" in text
    assert "- First the grain is cleaned of stones and straw.\n- Then it is ground" in text
    assert "\n\n\n" not in text and not text.endswith("\n")


def test_an_engine_without_markdown_says_so() -> None:
    with pytest.raises(EngineError, match="resiliparse has no markdown; trafilatura and gristmill have it"):
        load_engine("resiliparse", format="markdown")


def test_the_threshold_and_favor_trade_recall_for_precision() -> None:
    related = '<div class="related">' + "<p>Read about our bakery.</p>" * 3 + "</div>"
    page = PAGE.replace("</article>", "</article>" + related)
    lengths = [len(load_engine("gristmill", threshold=threshold)(page, "").text) for threshold in (0, 0.5, 1)]
    assert lengths[0] > lengths[1] >= lengths[2]
    objectives = ("precision", "balanced", "recall")
    lengths = [len(load_engine("gristmill", objective=objective)(page, "").text) for objective in objectives]
    assert 0 < lengths[0] <= lengths[1] <= lengths[2]


def test_huge_pages_are_read_by_the_helper_in_bounded_time() -> None:
    engine = load_engine("gristmill", seconds=20)
    start = time.monotonic()
    paragraphs = "".join(f"<p>In the year {n}, the mill ground what the river brought.</p>" for n in range(90_000))
    text = engine(f"<article>{paragraphs}</article>", "").text
    assert text.count("the mill ground") > 50_000
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 4001,
        "<p " + " ".join(f"a{n}=b" for n in range(5001)) + ">x",
        "<p " + " ".join(f"a{n}" for n in range(20_000)) + ">x",
        "<p>" + "x " * 100_001,
    ],
    ids=["depth", "attributes", "attributes without values", "length"],
)
def test_a_page_that_a_parser_may_take_long_for_goes_to_the_sandbox(html: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr(engines.LoadedEngine, "ask_helper", lambda engine, source, url: asked.append(source))
    engine = load_engine("gristmill")
    engine(html, "")
    engine(PAGE, "")
    assert asked == [html.encode()]
