"""Repeated lines: found as counting them all by hand finds them, dropped from what is published, every page counted."""

import random
from collections import defaultdict
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pipeline.cli.run import run as run_jobs
from pipeline.config import build_config
from pipeline.dedup import plan, repeated_lines
from pipeline.dedup.job import find_duplicates
from pipeline.dedup.repeated_lines import hash_page
from pipeline.dedup.settings import LinesConfig
from pipeline.io import output as output_module
from pipeline.io.ledger import Ledger, LedgerTotals
from pipeline.io.output import Output
from pipeline.publish.job import publish_corpus
from pipeline.report.explain import explain_pages
from pipeline.report.inspect_output import add_texts_and_urls, print_funnel, print_reason
from pipeline.report.stored_rows import RepeatedLine, read_stored_rows
from pipeline.runners.beam_options import beam_options
from pipeline.text.line_keys import LineParams, remove_spans
from pipeline.text.minhash import MinHashParams
from tests.pipeline.conftest import config
from tests.pipeline.crawls import article, html, response, write_warc
from tests.pipeline.documents import LETTERS, dealt, document, joined, read, words, write

FOOTER = "All rights remain with the miller of this valley."
HEADER = "Welcome to the forum of the old water mill"
QUESTION = "Which piece of the old water mill is turned by the stream before anything else inside can begin to move?"


def run(root, pages, flags=(), against=(), **lines):
    """Write documents, dedup by lines alone, return the rows of repeated_lines/ and the job's summary."""
    output, names = write(root, pages)
    off = {"url": False, "exact": False, "near": False, "previous_outputs": against}
    result = find_duplicates(
        output,
        build_config({"inputs": ["x"], "output": str(root), "dedup": off | {"repeated_lines": lines}}),
        names,
        flags,
    )
    assert output.list("repeated_lines") == [f"{name}.parquet" for name in names]
    found = read(output, "repeated_lines")
    assert result["lines"]["lines"][0] == len(found)
    assert result["lines"]["pages"][0] == len({row["id"] for row in found})
    assert result["lines"]["characters"][0] == sum(row["end"] - row["start"] for row in found)
    return found, result


def by_hand(rows, params: LineParams) -> set[tuple]:
    """Return (id, line, pages) for every line that goes, by counting; lines are compared in lower case."""
    pages = defaultdict(set)
    for number, row in enumerate(rows):
        for line in row["text"].split("\n"):
            if len(line.strip()) >= params.min_characters and (row["site"] or params.scope == "corpus"):
                pages[row["site"] * (params.scope == "site"), line.strip().lower()].add(number)
    gone = set()
    for (_, line), on in pages.items():
        keeper = min(on, key=lambda number: hash_page(rows[number])) if params.keep == "one" else None
        if len(on) >= params.min_pages:
            gone |= {(rows[number]["id"], line, len(on)) for number in on if number != keeper}
    return gone


def lines_of(rows, found) -> set[tuple]:
    """Return the same of rows of repeated_lines/."""
    texts = {row["id"]: row["text"] for row in rows}
    return {(f["id"], texts[f["id"]][f["start"] : f["end"]].lower(), f["pages"]) for f in found}


@pytest.fixture(scope="module")
def corpus():
    """Pages of a dozen sites (and of none) in three scripts, with lines of their own, their site's, and everyone's."""
    rng, rows = random.Random(21), []
    shared = {
        n: [joined(code, words(code, rng, rng.randint(1, 8))) for code in LETTERS for _ in "12345"] for n in range(13)
    }
    for number in range(300):
        site = number % 13
        own = [joined(code, words(code, rng, 9)) for code in LETTERS]
        some = rng.sample(shared[site], rng.randint(0, 7)) + rng.sample(shared[0], rng.randint(0, 3)) + own
        rng.shuffle(some)
        text = "\n".join(line.upper() if rng.random() < 0.2 else line for line in some)
        rows.append(document(number, text, site=f"site{site}.example" if site < 12 else ""))
    return rows


SETTINGS = [
    {"preset": "roots"},
    {"preset": "c4"},
    {"scope": "corpus", "min_pages": 3, "min_characters": 1},
    {"scope": "site", "min_pages": 2, "keep": "one"},
]


@pytest.mark.parametrize("lines", SETTINGS)
def test_the_lines_that_go_are_those_that_counting_by_hand_finds(corpus, tmp_path, lines):
    found, result = run(tmp_path, dealt(corpus, 4, seed=1), **lines)
    wanted = by_hand(corpus, LinesConfig(**lines).line_params())
    assert lines_of(corpus, found) == wanted and len(wanted) > 50
    assert result["lines"]["pages"][1] == (300 if LinesConfig(**lines).line_params().scope == "corpus" else 277)


def small_parts(patch) -> None:
    """Cut everything into so small parts that nothing is ever held whole."""
    patch.setattr(output_module, "ROW_GROUP_BYTES", 5_000)
    patch.setattr(repeated_lines, "HELD_LINES", 60)
    patch.setattr(repeated_lines, "PARTITION_LINES", 150)
    patch.setattr(plan, "BATCH_PAGES", 40)


@pytest.mark.parametrize("lines", SETTINGS[1:3])
def test_no_sharding_order_or_size_of_the_parts_changes_a_line(corpus, tmp_path, monkeypatch, lines):
    found, result = run(tmp_path / "whole", [corpus], **lines)
    small_parts(monkeypatch)
    again, other = run(tmp_path / "parts", [*dealt(corpus, 9, seed=2), []], **lines)
    assert other["lines"] == result["lines"] and other["counts"] == result["counts"]
    assert sorted(map(str, ({**row, "row": 0} for row in again))) == sorted(map(str, ({**r, "row": 0} for r in found)))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcde"), max_size=5), min_size=1, max_size=12),
    st.integers(2, 4),
    st.sampled_from(["one", "none"]),
    st.integers(0, 99),
)
def test_any_pages_in_any_order(tmp_path_factory, pages, least, keep, seed):
    rows = [document(n, "\n".join(page) or "-", site="a.example") for n, page in enumerate(pages)]
    lines = {"scope": "corpus", "min_pages": least, "keep": keep, "min_characters": 1}
    root = tmp_path_factory.mktemp("any")
    found, _ = run(root, dealt(rows, 2, seed=seed), **lines)
    wanted = by_hand([row for row in rows if row["text"] != "-"], LinesConfig(**lines).line_params())
    assert lines_of(rows, found) == wanted


@pytest.mark.parametrize("lines", SETTINGS[1:])
def test_in_two_steps_the_lines_go_that_go_in_one(corpus, tmp_path, monkeypatch, lines):
    """Of the second half of the pages, the first being an earlier output: but that what is there stays there."""
    first, second = corpus[:150], corpus[150:]
    small_parts(monkeypatch)
    run(tmp_path / "one", dealt(first, 2, seed=1), **lines)
    monkeypatch.undo()
    found, _ = run(tmp_path / "two", dealt(second, 3, seed=2), against=[str(tmp_path / "one")], **lines)
    params = LinesConfig(**lines).line_params()
    old = by_hand(corpus, params._replace(keep="none"))
    texts = {row["id"]: {line.strip().lower() for line in row["text"].split("\n")} for row in first}
    sites = {row["id"]: row["site"] for row in corpus}
    there = {(sites[id] * (params.scope == "site"), line) for id, some in texts.items() for line in some}
    new = {(id, line, pages) for id, line, pages in by_hand(second, params)}
    wanted = set()
    for id, line, pages in old:
        earlier = (sites[id] * (params.scope == "site"), line) in there
        if id not in texts and (earlier or params.keep == "none" or (id, line, pages) in new):
            wanted.add((id, line, pages))
    assert lines_of(second, found) == wanted and len(wanted) > 50
    monkeypatch.setattr(repeated_lines, "PARTITION_LINES", 300)
    again, _ = run(tmp_path / "again", dealt(second, 2, seed=3), against=[str(tmp_path / "one")], **lines)
    assert lines_of(second, again) == wanted


def test_lines_counted_otherwise_are_refused(corpus, tmp_path):
    run(tmp_path / "one", [corpus[:9]], preset="c4")
    with pytest.raises(ValueError, match=r"other parameters \(scope corpus, here site; min_characters 1, here 15\)$"):
        run(tmp_path / "two", [corpus[9:]], against=[str(tmp_path / "one")], preset="roots")
    output, names = write(tmp_path / "off", [corpus[:9]])
    find_duplicates(output, build_config({"inputs": ["x"], "output": output.root, "dedup": {"near": False}}), names)
    with pytest.raises(ValueError, match="off: dedup.repeated_lines is off there, so it must be off here"):
        run(tmp_path / "two", [corpus[9:]], against=[output.root], preset="roots")


def test_without_pages_there_are_no_lines(tmp_path):
    nothing = {"lines": [0, 0], "pages": [0, 0], "characters": [0, 0]}
    for name, pages in (("none", []), ("empty", [[], []]), ("blank", [[document(1, "", site="a.example")]])):
        assert run(tmp_path / name, pages, preset="c4")[1]["lines"] == nothing


def test_copies_of_a_page_make_none_of_its_lines_repeated(tmp_path):
    rng = random.Random(5)
    text = "\n".join(joined("en", words("en", rng, 12)) for _ in range(9))
    rows = [document(n, text, MinHashParams(), site="a.example") for n in range(5)]
    rows.append(document(9, text + "\nand a word", MinHashParams(), site="a.example"))
    output, names = write(tmp_path, [rows])
    chosen = {"repeated_lines": {"preset": "ccnet"}}
    result = find_duplicates(output, build_config({"inputs": ["x"], "output": str(tmp_path), "dedup": chosen}), names)
    assert sum(result["files"]["part-0"].values()) == 5 and result["lines"]["lines"] == [0, 10]


def published(root, rows, deal, lines, **over):
    """Dedup and publish; return the texts in the corpus by id, the result, and the output."""
    output, names = write(root, deal)
    off = {"url": False, "exact": False, "near": False, "repeated_lines": lines}
    made = build_config({"inputs": ["x"], "output": str(root), "dedup": off, "publish": {"validation": 0.2}, **over})
    find_duplicates(output, made, names)
    result = publish_corpus(output, made, names, beam_options([]))
    rows_out = read(output, "corpus/train") + read(output, "corpus/validation")
    held = sum(sum(counts["held_out"].values()) for counts in result["files"].values())
    assert held + len(rows_out) == len(rows)
    return {row["id"]: row["text"] for row in rows_out}, result, output


def test_what_is_published_is_what_is_left_and_its_bytes_are_counted(corpus, tmp_path):
    lines = {"preset": "roots", "min_pages": 3, "min_remaining_characters": 120}
    texts, result, output = published(tmp_path / "a", corpus, dealt(corpus, 3, seed=6), lines)
    gone, params = defaultdict(list), LinesConfig(**lines).line_params()
    for row in read(output, "repeated_lines"):
        gone[row["id"]].append((row["start"], row["end"]))
    lefts = {row["id"]: remove_spans(row["text"], gone[row["id"]], params) for row in corpus}
    few = {id for id, left in lefts.items() if gone[id] and not left.enough}
    assert texts == {
        row["id"]: lefts[row["id"]].text if gone[row["id"]] else row["text"] for row in corpus if row["id"] not in few
    }
    assert len(few) > 3 and any(len(row["text"]) < 120 and row["id"] not in few for row in corpus)
    held = sum(counts["held_out"].get("repeated-lines", 0) for counts in result["files"].values())
    assert held == len(few)
    before = sum(sums["bytes"] for sums in result["mixture"]["language"].values())
    assert before == sum(len(left.text.encode()) for id, left in lefts.items())
    again, _, _ = published(tmp_path / "b", corpus, dealt(corpus, 7, seed=7), lines)
    assert again == texts


def test_evaluation_items_are_looked_for_in_what_is_left_and_listed_where_they_stand(tmp_path):
    (tmp_path / "mill.txt").write_text(QUESTION)
    rng = random.Random(8)
    rows = []
    for n in range(12):
        own = [joined("en", words("en", rng, 20)) for _ in range(3)]
        if n < 3:  # the item goes on behind the footer: only without it are its words in a row
            own.append(QUESTION.replace(" before", f"\n{FOOTER}\nbefore") if n else QUESTION)
        rows.append(document(n, "\n".join([HEADER, *own, FOOTER]), site="a.example"))
    rows.append(document(12, f"{HEADER}\n{QUESTION}\n{FOOTER}", site="a.example"))  # goes for what is left of it
    lines, sets = {"min_pages": 5, "min_remaining_characters": 150}, {"sets": [str(tmp_path / "mill.txt")]}
    for action, left in (("drop", 9), ("mask", 12)):
        over = {"decontaminate": {**sets, "action": action}}
        texts, result, output = published(tmp_path / action, rows, dealt(rows, 2, seed=9), lines, **over)
        held = sum(counts["held_out"].get("repeated-lines", 0) for counts in result["files"].values())
        assert len(texts) == left and held == 1 and not any(HEADER in text or FOOTER in text for text in texts.values())
        hits, whole = read(output, "contaminated"), {row["id"]: row["text"] for row in rows}
        assert {hit["id"] for hit in hits} == {row["id"] for row in rows[:3]}
        for hit in hits:
            span = whole[hit["id"]][hit["start"] : hit["end"]].replace(f"{FOOTER}\n", "")
            assert span == hit["text"] and span.replace("\n", " ") == QUESTION.rstrip("?")
        for row in rows[:3]:
            assert action == "drop" or texts[row["id"]].endswith("[...]?")


def test_the_ledger_reconciles_and_each_page_tells_which_lines_went(tmp_path):
    pages = []
    for n in range(24):
        body = article(n, 1 if n == 23 else 6)
        text = [HEADER, *body, FOOTER] if n % 2 else body
        pages.append(response(f"https://www.forum{n % 3}.example/page-{n}", html(text, f"Page {n}"), n))
    crawl = write_warc(tmp_path / "forum.warc.gz", pages)
    chosen = {"repeated_lines": {"min_pages": 4, "min_remaining_characters": 400}}
    settings = {"extract": {"engine": "resiliparse"}, "rules": {"gopher_quality": None, "c4": None, "fineweb": None}}
    made = config([crawl], tmp_path / "out", recipe="none", dedup=chosen, workers=1, **settings)
    book, output = run_jobs(made), Output(str(tmp_path / "out"))
    totals = book.totals
    assert totals.kept == 24 and totals.held_out["repeated-lines"] == 1
    out = totals.published.total()
    assert out == 23 and totals.repeated_lines["pages"] == [24, 24]
    assert totals.repeated_lines["lines"][0] == 2 * 12 + 24  # the template of html() has a footer of its own
    corpus = [row["text"] for split in ("train", "validation") for row in read(output, f"corpus/{split}")]
    assert corpus and not any(HEADER in text or FOOTER in text for text in corpus)
    with StringIO() as told:
        console = Console(file=told, width=200)
        explain_pages(output, "https://www.forum1.example/page-1", console)
        explain_pages(output, "https://www.forum2.example/page-23", console)
        life = " ".join(told.getvalue().split())
    assert "lines 3 removed, which other pages have too" in life and f'on 4 pages: "{FOOTER}"' in life
    assert "publish not published: repeated-lines" in life
    for paper in ("report.html", "README.md"):
        text = " ".join(output.open(paper).read().decode().split())
        assert "repeated-lines" in text and f"48 lines of {totals.repeated_lines['lines'][1]}, 24 pages of 24" in text


def test_inspect_shows_the_lines(tmp_path, capsys, corpus):
    _, result = run(tmp_path, [corpus], preset="c4")
    output = Output(str(tmp_path))
    book = Ledger(LedgerTotals(responses=300, repeated_lines=result["lines"]))
    print_funnel(book, output)
    print_reason(output, book, "repeated-lines", 2)
    out = capsys.readouterr().out
    gone, of = result["lines"]["lines"]
    assert f"{gone:,} lines ({gone / of:.1%})" in out and out.count("pages have it") == 2
    shown = [line.partition("characters: ")[2] for line in out.splitlines() if "characters: " in line]
    whole = {" ".join(line.split()) for row in corpus for line in row["text"].split("\n")}
    assert len(shown) == 2 and all(line in whole for line in shown)


def test_pages_of_one_id_are_told_apart(tmp_path):
    texts = [f"{'What only this page says. ' * (number + 1)}\n{FOOTER}" for number in range(4)]
    pages = [document(number, text, id="<urn:uuid:same>") for number, text in enumerate(texts)]
    output, names = write(tmp_path, [pages])
    lines = {"near": False, "repeated_lines": {"preset": "c4", "keep": "none"}}
    find_duplicates(output, build_config({"inputs": ["x"], "output": str(tmp_path), "dedup": lines}), names)
    shown = add_texts_and_urls(output, list(read_stored_rows(output, RepeatedLine)))
    assert [(page.row, page.text) for page in shown] == [(number, FOOTER) for number in range(4)]
