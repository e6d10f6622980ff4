"""Scores and choices: forests from text, the threshold, comments; the model that ships."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.html.dom.page_reader import read_page_blocks
from pipeline.html.main_content.block_features import BlockLayout
from pipeline.html.main_content.boosted_trees import parse_forests
from pipeline.html.main_content.classifier import (
    bridge_gaps,
    extract_main_content,
    find_cut,
    load_main_content_model,
    select_main_content,
    smooth_scores,
)

SENTENCE = "The river turns the wheel, the wheel turns the stone, and nobody in the village remembers another time."
URL = "https://mills.example/how-mills-work"
PAGE = f"""<title>How mills work</title><body>
<nav class="menu"><ul>{'<li><a href="/a">Some other page</a></li>' * 12}</ul></nav>
<main><h1>How mills work</h1><p>{SENTENCE}</p><p>Then. {SENTENCE}</p><h2>Prices</h2>
<table><tr><th>Grain</th><th>Price</th></tr><tr><td>Rye</td><td>12</td></tr></table>
<pre>grind(grain):
    return flour</pre><p>After that, {SENTENCE}</p></main>
<section class="comments"><h3>Comments</h3>
<div class="comment"><p>My grandfather was a miller in the next valley.</p></div>
</section><footer class="footer"><p>Imprint</p><p>All rights reserved 2020</p></footer>"""


def test_a_forest_asks_its_questions_and_adds_its_leaves() -> None:
    text = "# a comment\nforest f\nfeatures length link\nbias 0\ntree length>10.5 link>0.25 : 0 10000 -20000 5\n"
    forest = parse_forests(text.splitlines())["f"]
    rows = np.array([[1, 20, 1, 20], [0, 0, 0.5, 0.5]], np.float32)
    odds = np.array([0, 1, -2, 0.0005])
    assert forest.score(rows) == pytest.approx(1 / (1 + np.exp(-odds)), abs=6e-5)


@pytest.mark.parametrize("line", ["tree length>1 : 1", "tree height>1 : 1 2", "tree length>x : 1 2", "leaf 3"])
def test_a_broken_model_is_one_line_with_its_number(line: str) -> None:
    with pytest.raises(ValueError, match="model, line 3: "):
        parse_forests(["forest f", "features length", line])


def test_a_block_scores_the_same_alone_and_among_others() -> None:
    first = load_main_content_model().first
    rows = np.random.default_rng(0).normal(20, 60, (len(first.features), 3000)).astype(np.float32)
    together = first.score(rows)
    assert len(set(together.tolist())) > 20
    assert all(first.score(rows[:, n : n + 1])[0] == together[n] for n in range(0, 3000, 97))


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 1000)), min_size=1, max_size=40))
def test_a_higher_threshold_keeps_less_and_half_is_the_best_expected_f1(blocks: list[tuple[float, int]]) -> None:
    score, length = np.array([b[0] for b in blocks]), np.array([float(b[1]) for b in blocks])

    def expected(kept: np.ndarray) -> float:
        right = (score * length)[kept].sum()
        whole = length[kept].sum() + (score * length).sum()
        return 2 * right / whole if whole else 0.0

    kept = [score > find_cut(score, length, threshold) for threshold in (0.2, 0.5, 0.8)]
    assert (kept[0] | kept[1] == kept[0]).all() and (kept[1] | kept[2] == kept[1]).all()
    order = np.argsort(-score)
    best = max(expected(np.isin(np.arange(len(score)), order[:count])) for count in range(len(score) + 1))
    assert expected(kept[1]) == pytest.approx(best, abs=1e-9)


def test_what_stands_between_two_kept_paragraphs_is_kept_if_an_author_put_it_there() -> None:
    table = "<table><tr><td>Rye<td>12</tr><tr><td>Oats<td></tr><tr><td colspan=2>All prices</tr></table>"
    steps = "<ul><li>Fill the hopper<li>Lower the stone</ul>"
    links = "<ul><li><a href=/a>Mills</a><li><a href=/b>Rivers</a></ul>"
    page = read_page_blocks(
        f"<p>First.</p>{table}<p>Second.</p>{steps}<p>Third.</p>{links}<p>Fourth.</p><p>Aside.</p><p>Last.</p>"
    )
    ends = np.array([text in ("First.", "Second.", "Third.", "Fourth.", "Last.") for text in page.text])
    doubtful = np.where(ends, 0.9, 0.2)
    kept = bridge_gaps(ends, page, BlockLayout(page), doubtful, 0.5)
    left_out = [text for text, keep in zip(page.text, kept, strict=True) if not keep]
    assert left_out == ["Mills", "Rivers", "Aside."]
    refused = np.where(ends, 0.9, 0.1)
    assert (bridge_gaps(ends, page, BlockLayout(page), refused, 0.5) == ends).all()


def keep_with_doubts(html: str, url: str, doubts: dict[str, float]) -> list[str]:
    """Return the kept blocks of a page whose blocks are certain; `doubts` has the scores of the others."""
    page = read_page_blocks(html, url)
    scores = np.array([doubts.get(text, 0.95) for text in page.text])
    _, kept = select_main_content(scores, page, BlockLayout(page), 0.55)
    return [text for text, keep in zip(page.text, kept, strict=True) if keep]


NOTE, CHAPTER = "Never open the gate while the wheel turns.", "The pond"
MANUAL = f"""<title>The mill</title><nav><a href=/>Home</a></nav><article><p>{SENTENCE}</p><div class=note>{NOTE}
</div><ul><li><a href=/pond>{CHAPTER}</a></ul><button>Run</button><pre>grind(rye)</pre><p>{SENTENCE} Then it rests.</p>
</article><footer><p>Imprint</p></footer>"""


def test_documentation_keeps_notes_and_lists_of_chapters_between_its_kept_parts() -> None:
    doubts = {"Home": 0.1, NOTE: 0.3, CHAPTER: 0.2, "Run": 0.2, "grind(rye)": 0.1, "Imprint": 0.3}
    kept = keep_with_doubts(MANUAL, "https://mills.example/docs/mill", doubts)
    assert kept == [SENTENCE, NOTE, CHAPTER, "Run", "grind(rye)", f"{SENTENCE} Then it rests."]
    elsewhere = keep_with_doubts(MANUAL, "https://mills.example/news/mill", doubts)
    assert elsewhere == [SENTENCE, "grind(rye)", f"{SENTENCE} Then it rests."]
    refused = keep_with_doubts(MANUAL, "https://mills.example/docs/mill", doubts | {NOTE: 0.01, CHAPTER: 0.01})
    assert NOTE not in refused and CHAPTER not in refused and "grind(rye)" in refused


def test_a_chapter_whose_text_is_a_list_of_its_sections_keeps_the_list() -> None:
    sections = [f"4.{number}. The {part}" for number, part in enumerate(("wheel", "stone", "hopper", "gate"), 1)]
    links = "".join(f"<dt><a href=/docs/{number}>{title}</a>" for number, title in enumerate(sections))
    html = f"""<title>Mills: Chapter 4. Parts</title><nav><a href=/>Home</a></nav><main><h2>Chapter 4. Parts</h2>
    <dl>{links}</dl><p>The parts of a mill.</p><table><tr><td><a href=/3>Before</a><td>Up<td>Next</table></main>
    <div><p>Is anything wrong here? Write to us and tell us what.</p></div>"""
    doubts = dict.fromkeys(sections, 0.15) | {"Home": 0.05, "Chapter 4. Parts": 0.2, "The parts of a mill.": 0.8}
    page = read_page_blocks(html)
    doubts |= {text: 0.35 for text in page.text if "wrong" in text or "Up" in text}
    kept = keep_with_doubts(html, "https://mills.example/docs/parts", doubts)
    assert kept == ["Chapter 4. Parts", *sections, "The parts of a mill."]


def test_the_table_of_contents_of_a_page_is_left_out() -> None:
    titles = ("The wheel", "The stone", "The hopper")
    contents = "".join(f"<li><a href=#{number}>{number}. {title}</a>" for number, title in enumerate(titles, 1))
    parts = "".join(f"<h2>{title}</h2><p>{title}: {SENTENCE}</p>" for title in titles)
    others = "<li><a href=/pond>The pond</a><li><a href=/weir>The weir</a><li><a href=/race>The mill race</a>"
    kept = keep_with_doubts(f"<p>Parts.</p><ul>{contents}</ul>{parts}<ul>{others}</ul>", "https://mills.example/a", {})
    assert [text for text in kept if "The wheel" in text] == ["The wheel", f"The wheel: {SENTENCE}"]
    assert kept[0] == "Parts." and kept[-3:] == ["The pond", "The weir", "The mill race"]


def test_a_label_that_several_buttons_have_is_no_text() -> None:
    wheels = "".join(f"<div><b>{name} wheel</b><button>Add to cart</button></div>" for name in ("Oak", "Elm"))
    kept = keep_with_doubts(f"<p>{SENTENCE}</p>{wheels}<button>Why oak?</button>", "https://mills.example/shop", {})
    assert "Add to cart" not in kept and "Why oak?" in kept and len(kept) == 4


def test_a_score_leans_on_its_neighbours_and_stays_a_score() -> None:
    assert smooth_scores(np.array([0.0, 1.0, 1.0, 0.0, 1.0])) == pytest.approx([0.1, 0.9, 0.9, 0.2, 0.9])
    assert smooth_scores(np.ones(3)) == pytest.approx(np.ones(3)) and len(smooth_scores(np.zeros(0))) == 0


def test_the_shipped_model_finds_the_main_content_and_its_structure() -> None:
    model = load_main_content_model()
    lines = extract_main_content(PAGE, URL, 0.5, False, False, model).split("\n")
    assert "How mills work" in lines and SENTENCE in lines and f"After that, {SENTENCE}" in lines
    assert not any("Some other page" in line or "rights reserved" in line for line in lines)
    assert "Rye | 12" in lines and "    return flour" in lines
    markdown = extract_main_content(PAGE, URL, 0.5, False, True, model)
    assert "# How mills work\n\n" in markdown and "```\ngrind(grain):\n    return flour\n```" in markdown


def test_comments_are_taken_when_asked_for() -> None:
    model = load_main_content_model()
    assert "grandfather" not in extract_main_content(PAGE, URL, 0.5, False, False, model)
    assert "grandfather" in extract_main_content(PAGE, URL, 0.5, True, False, model)


def test_the_model_says_how_it_was_trained_and_is_small() -> None:
    from pipeline.html.main_content.classifier import MODEL

    text = MODEL.read_text()
    assert text.startswith("# ") and "pages with human gold" in text[:1000]
    assert len(text) < 600_000
