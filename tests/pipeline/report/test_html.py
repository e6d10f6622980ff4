"""The report: hostile text stays text, nothing is loaded from anywhere, every reason is there, the same bytes twice."""

import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import build_config, config_values
from pipeline.io.ledger import UnreadableRange
from pipeline.io.output import Output
from pipeline.io.schemas import REJECTED
from pipeline.report.causes import Fragment, compare_texts, cut_excerpt, find_cause
from pipeline.report.distributions import Limit, build_histogram, list_limits
from pipeline.report.facts import build_funnel, order_stages
from pipeline.report.html import count_lengths, find_quantile, keep_two_digits, write_report
from pipeline.report.reasons import describe_all_reasons
from pipeline.report.samples import MAX_SAMPLE_CHARACTERS, MAX_SAMPLES, draw_samples
from pipeline.text.pii.mask import PiiConfig
from tests.pipeline.report.test_dataset_card import read_run

HOSTILE = "</blockquote></details><script>alert('x')</script><img src=https://evil.example/x onerror=alert(1)>"
TAGS = """
html head meta title style body header main nav section h1 h2 h3 p a span div i dl dt dd table caption thead tbody
tr th td ul ol li details summary article bdi blockquote pre code b mark ins del figure figcaption svg path label input
script
""".split()
VOID = ("meta", "input")


class Page(HTMLParser):
    """A parsed page: its tags, attributes, visible text and style, and whether every tag is closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text, self.style, self.script, self.badly_nested = "", "", "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.text += " " if tag in ("td", "th", "p", "li", "summary", "dd") else ""
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        self.badly_nested |= not self.open or self.open.pop() != tag

    def handle_data(self, data):
        if self.open[-1:] == ["style"]:
            self.style += data
        elif self.open[-1:] == ["script"]:
            self.script += data
        else:
            self.text += data


def rejected(number: int, **over) -> dict:
    """Return a row of rejected/."""
    row = {"id": f"<urn:uuid:{number}>", "url": f"https://a.example/{number}", "stage": "language"}
    return row | {"reason": "low-score", "value": 0.1, "text": f"text {number}", "file": "x", "offset": number} | over


def write_rejected(folder: Path, name: str, rows: list[dict]) -> None:
    """Write a shard of rejected/."""
    (folder / "rejected").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=REJECTED), folder / "rejected" / name, row_group_size=7)


@pytest.fixture(scope="module")
def page(done) -> Page:
    """The report of an ordinary run."""
    return Page((done / "report.html").read_text())


def test_nothing_is_loaded_and_nothing_runs(page):
    assert page.tags <= set(TAGS)
    assert not page.badly_nested and not page.open
    for tag, name, value in page.attributes:
        assert not name.startswith("on") and name not in ("src", "srcset", "action"), (tag, name)
        if name == "href":
            assert value.startswith("#")
        if name == "style":
            assert re.fullmatch(r"(--[wab]:[\d.]+%;?)+", value)
    assert not re.search(r"url\(|@import|https?:|</", page.style + page.script)
    (policy,) = [value for tag, name, value in page.attributes if value.startswith("default-src")]
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    ids = {value for _, name, value in page.attributes if name == "id"}
    assert {value[1:] for _, name, value in page.attributes if name == "href"} <= ids  # every link leads somewhere


def test_every_reason_part_and_range_is_in_the_report(page, done):
    config, book, results = read_run(done)
    totals, text = book.totals, " ".join(page.text.split())
    for key, n in totals.rejected.items():
        assert key in text and f"−{n:,}" in text, key
    for kind in ("language", "domain", "quality"):
        for name, sums in results.publish["mixture"][kind].items():
            assert re.search(rf"\b{re.escape(name)} {sums['pages']:,}\b", text), name
    (damaged,) = [path for path, counts in book.files.items() if counts.unreadable]
    (offset, length, why), *_ = book.files[damaged].unreadable
    assert f"{damaged} {offset:,} {length:,} {why}" in text
    assert f"{results.tokenizer['bytes_per_token']['all']:.2f}" in text
    assert f"{results.dedup['clusters']['count']} clusters" in text
    assert "min_words: 50" in text  # the effective config
    assert "404" in text  # the measure that a sample failed by
    assert str(config.output) not in text


def test_hostile_text_stays_text(done, tmp_path):
    config, book, results = read_run(done)
    shutil.copytree(done, tmp_path / "out")
    rows = [
        rejected(1, text=HOSTILE, url=f"javascript:alert(1)//{HOSTILE}", id=HOSTILE, detail=HOSTILE),
        rejected(2, text="\u202egnorw \x00\x1b[31m\u2066", stage=HOSTILE, reason=HOSTILE),
    ]
    write_rejected(tmp_path / "out", "zz.parquet", rows)
    book.totals.rejected.update({"language/low-score": 1, f"{HOSTILE}/{HOSTILE}": 1})
    book.bad_files = {HOSTILE: HOSTILE}
    book.files[HOSTILE] = replace(next(iter(book.files.values())), unreadable=[UnreadableRange(0, 9, HOSTILE)])
    results.dedup["clusters"]["large"] = [("near", HOSTILE, 200)]
    results.publish["mixture"]["domain"][HOSTILE] = dict.fromkeys(("pages", "bytes", "wanted_bytes", "train_bytes"), 1)
    sly = build_config(config_values(config) | {"inputs": [HOSTILE]})
    write_report(Output(str(tmp_path / "out")), sly, book, results)
    found = Page((tmp_path / "out/report.html").read_text())
    test_nothing_is_loaded_and_nothing_runs(found)
    assert found.text.count(HOSTILE) > 8
    assert not set("\u202e\u2066\x00\x1b") & set(found.text)


def test_bytes_are_the_same_twice_for_any_place_and_number_of_workers(done, tmp_path):
    config, book, results = read_run(done)
    shutil.copytree(done, tmp_path / "out")
    (tmp_path / "out/report.html").unlink()
    other = build_config(config_values(config) | {"workers": 7, "output": str(tmp_path / "out")})
    write_report(Output(str(tmp_path / "out")), other, book, results)
    assert (tmp_path / "out/report.html").read_bytes() == (done / "report.html").read_bytes()


def test_samples_are_few_short_masked_and_the_same_for_any_sharding(tmp_path):
    rows = [
        rejected(n, reason=f"r{n % 3}", text=f"Write to someone{n}@riverside.org now. " + "long " * 300)
        for n in range(60)
    ]
    write_rejected(tmp_path / "one", "a.parquet", rows)
    for part in range(4):
        write_rejected(tmp_path / "four", f"{part}.parquet", rows[part::4][::-1])
    one = draw_samples(Output(str(tmp_path / "one")), PiiConfig())
    assert one == draw_samples(Output(str(tmp_path / "four")), PiiConfig())
    assert list(one) == ["language/r0", "language/r1", "language/r2"]
    for found in one.values():
        assert len({page.id for page in found}) == len(found) == MAX_SAMPLES
        for page in found:
            text, url = ("".join(piece.text for piece in pieces) for pieces in (page.text, page.url))
            assert text.startswith("Write to <EMAIL> now.") and len(text) == MAX_SAMPLE_CHARACTERS
            assert page.id == f"<urn:uuid:{url.rpartition('/')[2]}>"  # the text is of the page that was drawn


def test_the_funnel_ends_at_what_was_published(done):
    config, book, _ = read_run(done)
    stages = order_stages(config)
    steps = build_funnel(book.totals, stages)
    assert steps[-1].stage.left == book.totals.published.total()
    names = [step.stage.name for step in steps]
    assert names == [name for name in (*stages, "duplicate") if name in names]  # as a page meets them
    assert {"http", "robots", "duplicate"} <= set(names)
    for step in steps:
        assert sum(reason.pages for reason in step.reasons) == step.stage.pages
        assert step.reasons[-1].left == step.stage.left


def test_lengths_count_every_kept_page_once(done):
    _, book, _ = read_run(done)
    found, texts = count_lengths(Output(str(done))), pq.read_table(done / "documents", columns=["text"]).column("text")
    real = sorted(len(text) for text in texts.to_pylist())
    assert found.pages == sum(n for _, n in found.ranges) == book.totals.kept == len(real)
    assert dict(found.ranges)["1,000 to 3,000"] == sum(1000 <= n < 3000 for n in real)
    assert dict(found.marks)["longest"] == keep_two_digits(real[-1])


@given(st.lists(st.integers(0, 10**7), min_size=1), st.floats(0, 1))
def test_a_quantile_is_a_value_that_the_share_does_not_exceed(values, q):
    counts = {value: values.count(value) for value in values}
    found = find_quantile(counts, q)
    assert found in counts
    assert sum(value <= found for value in values) >= q * len(values)
    assert sum(value < found for value in values) <= q * len(values)


def test_every_threshold_has_its_plot_and_its_meaning(page, done):
    config, book, _ = read_run(done)
    limits, text = list_limits(config), " ".join(page.text.split())
    assert {"language_score", "words", "worth"} <= set(limits)
    titles = [value for _, name, value in page.attributes if name == "title"]
    for name in ("words", "stop_words", "top_2gram", "worth"):
        assert name in text
        assert f"at {'least' if limits[name][0].is_minimum else 'most'} {limits[name][0].value:.4g}" in text
        assert any(title.startswith(limits[name][0].reason) for title in titles)
    for key in book.totals.rejected:
        assert describe_all_reasons()[key] in titles, key


def test_a_histogram_counts_every_page_once_and_cuts_at_the_threshold():
    kept, dropped = np.array([0.0, 0.1, 0.19, 0.2]), np.array([0.21, 0.5, 0.9])
    found = build_histogram("share", kept, dropped, [Limit(0.2, False, "x/y")])
    assert sum(found.kept) == 4 and sum(found.dropped) == 3
    ((place, _),) = found.limits
    edge = place * len(found.kept)
    assert all(n == 0 for n in found.kept[int(edge) + 1 :]) and all(n == 0 for n in found.dropped[: int(edge)])
    wide = build_histogram("words", np.array([60.0, 900.0, 80_000.0]), np.zeros(0), [Limit(50.0, True, "x/y")])
    assert wide.is_logarithmic and sum(wide.kept) == 3 and [text for _, text in wide.ticks][-1] == "10,000"
    assert build_histogram("nothing", np.zeros(0), np.zeros(0), []) is None


@pytest.mark.parametrize(
    "measure, detail, text, marked",
    [
        ("duplicate_lines", "", "one\ntwo\none", ["one", "one"]),
        ("top_2gram", "", "Buy now or buy now, and buy Now", ["Buy now", "buy Now"]),
        ("duplicate_5gram", "", "a b c d e x a b c d e", ["a b c d e", "a b c d e"]),
        ("bullet_lines", "", "- one\ntext", ["- one"]),
        ("ellipsis_lines", "", "read on…\ntext", ["read on…"]),
        ("hashes_per_word", "", "#a #b", ["#", "#"]),
        ("alphabetic_words", "", "it cost 12 or 13", ["12", "13"]),
        ("words", "", "too few", []),
        ("", "Lorem ipsum", "a lorem ipsum b", ["lorem ipsum"]),
    ],
)
def test_the_cause_is_marked(measure, detail, text, marked):
    assert [text[start:end] for start, end in find_cause(measure, detail, text)] == marked


def test_an_excerpt_begins_shortly_before_the_mark():
    text = "x " * 1000 + "cause " + "y " * 1000
    found = cut_excerpt(text, [(2000, 2005)], 200)
    assert [piece.text for piece in found if piece.kind == "mark"] == ["cause"]
    assert len("".join(piece.text for piece in found)) == 200
    assert cut_excerpt("short", [], 200) == [Fragment("short")]


def test_near_duplicates_are_shown_by_their_differences():
    kept = "the mill stands by the river " * 5 + "and is old"
    found = compare_texts(kept, kept.replace("old", "new"))
    assert [(piece.kind, piece.text.strip()) for piece in found if piece.kind] == [("kept", "old"), ("dropped", "new")]
    assert compare_texts("same text", "same text") == [Fragment("same text ")]


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_no_width_of_a_browser_needs_a_sideways_scroll_and_the_search_finds(done, tmp_path):
    """Frames of three widths; a phone's is 390. The script of the page around them looks into each."""
    shutil.copy(done / "report.html", tmp_path / "report.html")
    widths = (390, 820, 1440)
    frames = "".join(f"<iframe src=report.html style='width:{width}px;height:900px'></iframe>" for width in widths)
    script = """
    addEventListener("load", () => { for (const frame of document.querySelectorAll("iframe")) {
      const page = frame.contentDocument, box = page.getElementById("search");
      for (const group of page.querySelectorAll("details")) group.open = true;
      const parts = [page.documentElement, ...page.querySelectorAll("section")];
      const wide = parts.filter(part => part.scrollWidth > part.clientWidth).map(part => part.id || "page");
      box.value = "pdf"; box.dispatchEvent(new Event("input"));
      const shown = page.querySelectorAll("article:not([hidden])").length;
      const all = page.querySelectorAll("article").length;
      document.body.append(`[${frame.clientWidth} wide:${wide} found:${shown > 0 && shown < all}]`);
    } });
    """
    (tmp_path / "frames.html").write_text(f"<!DOCTYPE html><body>{frames}<script>{script}</script>")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command += [f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=5000", "--dump-dom"]
    shown = subprocess.run([*command, f"file://{tmp_path}/frames.html"], capture_output=True, text=True, timeout=300)
    assert re.findall(r"\[(\d+) wide:([^ ]*) found:(\w+)\]", shown.stdout.rpartition("</script>")[2]) == [
        (str(width), "", "true") for width in widths
    ]
