"""Blocks of a page, and what they become as text and as Markdown."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.html.dom.name_hints import find_name_hints
from pipeline.html.dom.page_reader import read_page_blocks
from pipeline.html.main_content.blocks import BREAK, ITEM, PARAGRAPH, PRE, ROW, remove_marks
from pipeline.html.main_content.render import render_markdown, render_text
from tests.shared import ROOT


def text_of(html: str) -> str:
    page = read_page_blocks(html)
    return render_text(page, np.ones(len(page.text), bool))


def markdown_of(html: str) -> str:
    page = read_page_blocks(html)
    return render_markdown(page, np.ones(len(page.text), bool))


def test_nothing_is_glued_and_no_word_is_cut() -> None:
    assert text_of("<p>one<p>two<div>three</div>four") == "one\ntwo\nthree\nfour"
    assert text_of("<p>un<b>believ</b>able <i>things</i> <span>hap</span>pen") == "unbelievable things happen"
    assert text_of("<div>a<br>b<br/><br>c</div>") == "a\nb\nc"
    assert text_of("<a href=/>Home</a><a href=/s>Shop</a>") == "Home Shop"
    assert text_of("<dl><dt>term<dd>meaning</dl><custom-tag>own</custom-tag>tail") == "term\nmeaning\nown\ntail"
    assert text_of("<p>10&nbsp;000 &amp; more\n   lines") == "10 000 & more lines"


def test_a_data_row_is_one_line_and_a_layout_cell_is_not() -> None:
    rows = "<table><tr><th>Name<th>Sacks</tr><tr><td>Anna</td><td><b>12</b> or so</td></tr></table>"
    assert text_of(rows) == "Name | Sacks\nAnna | 12 or so"
    layout = "<table><tr><td><p>left</p><p>more</p></td><td>right</td></tr></table>"
    assert text_of(layout) == "left\nmore\nright"


def test_code_keeps_its_white_space() -> None:
    page = read_page_blocks(
        "<pre><code>def f(x):\n    if  x:\n\treturn <b>1</b>\n</code></pre><p>Use <code>f()</code>."
    )
    assert page.kind == [PRE, PARAGRAPH]
    assert page.text[0] == "def f(x):\n    if  x:\n\treturn 1"
    kept = np.ones(2, bool)
    assert render_text(page, kept).startswith("def f(x):\n    if  x:\n\treturn 1\n")
    assert render_markdown(page, kept) == "```\ndef f(x):\n    if  x:\n\treturn 1\n```\n\nUse `f()`."


def test_line_numbers_beside_code_are_left_out_and_other_numbers_are_not() -> None:
    code = "<pre><span class='linenos'>1</span>a = 7\n<span class='linenos'>2</span>b = 8</pre>"
    assert text_of(code) == "a = 7\nb = 8"
    table = "<table><tr><td class='rouge-gutter'><pre class='lineno'>1\n2</pre></td><td><pre>a\nb</pre></td></table>"
    assert text_of(table) == "a\nb"
    assert text_of("<div class='gutter'>Numbers: 12</div><p class='total'>12</p>") == "Numbers: 12\n12"


def test_what_a_page_says_of_itself() -> None:
    head = """<title>Mill\n prices</title><meta property="og:type" content=" Article ">
        <meta name="description" content="a"><meta property="og:description" content="What a sack costs">
        <meta property="og:type" content="website">"""
    page = read_page_blocks(f"<html><head>{head}</head><body class='single-post'><p>Rye.</p></body></html>")
    assert (page.title, page.sort, page.description) == ("Mill prices", "article", "What a sack costs")
    assert page.names == find_name_hints("single-post") != 0


@pytest.mark.parametrize(
    ("html", "latex"),
    [
        ('<script type="math/tex">x^2</script>', "$x^2$"),
        ('<script type="math/tex; mode=display">x^2</script>', "$$x^2$$"),
        ('<math alttext="\\alpha + 1"><mi>α</mi></math>', "$\\alpha + 1$"),
        (
            '<span class="katex"><span class="katex-mathml"><math><semantics><mi>x</mi><annotation '
            'encoding="application/x-tex">\\sqrt{x}</annotation></semantics></math></span><span class="katex-html" '
            'aria-hidden="true">√x</span></span>',
            "$\\sqrt{x}$",
        ),
        (
            '<span class="mwe-math-element"><span class="mwe-math-mathml-inline mwe-math-mathml-a11y" '
            'style="display: none;"><math alttext="{\\displaystyle E=mc^{2}}"></math></span><img alt="E"></span>',
            "$E=mc^{2}$",
        ),
        ("<math><mfrac><mi>a</mi><msup><mi>b</mi><mn>2</mn></msup></mfrac></math>", "$\\frac{a}{b^{2}}$"),
        ("<math><munderover><mo>∑</mo><mi>i</mi><mi>n</mi></munderover><mi>α</mi><mi>x</mi></math>",
         "$\\sum_{i}^{n}\\alpha x$"),
        ("<math><msqrt><mi>x</mi><mo>+</mo><mn>1</mn></msqrt><mo>≤</mo><mi>sin</mi><mi>y</mi></math>",
         "$\\sqrt{x+1}\\le\\sin y$"),
    ],
)  # fmt: skip
def test_maths_is_latex(html: str, latex: str) -> None:
    assert text_of(f"<p>Let {html} be.") == f"Let {latex} be."


def test_ruby_keeps_the_base_and_hidden_things_are_left_out() -> None:
    assert text_of("<p><ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字") == "漢字"
    long = "<p>" + "word " * 200
    assert "secret" not in text_of(
        long + '<div hidden>secret</div><p style="display:none">secret<script>secret</script>'
    )
    assert "shown" in text_of("<noscript><p>shown without scripts</p></noscript>")


def test_lists_and_quotes() -> None:
    html = "<h2>Title</h2><ol><li>one<ul><li>in</li></ul></li><li><p>two</p><p>more</p></li></ol><blockquote>q"
    assert text_of(html) == "Title\n- one\n- in\n- two\nmore\nq"
    assert markdown_of(html) == "## Title\n\n1. one\n    - in\n2. two\n\nmore\n\n> q"
    assert read_page_blocks(html).kind == [2, ITEM, ITEM, ITEM, PARAGRAPH, PARAGRAPH]


def test_a_row_with_text_outside_of_its_empty_cells_is_read() -> None:
    row = "<tr><td>rye</td><td>12</td></tr>"
    odd = "<tr><script type='math/tex'>x</script><td></td><td></td></tr>"
    assert text_of(f"<table>{row}{odd}{row}</table>") == "rye | 12\n$x$\nrye | 12"


def test_markdown_tables_and_emphasis() -> None:
    html = (
        "<table><tr><th>A<th>B</tr><tr><td>1<td>2</tr><tr><td>3<td>4</tr></table><p>a <b>bold </b>word, <em></em>x<br>y"
    )
    assert markdown_of(html) == "| A | B |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n\na **bold** word, x\\\ny"
    assert read_page_blocks(html).kind[:3] == [ROW] * 3


@settings(max_examples=60, deadline=None)
@given(st.recursive(
    st.text("ab <&\x01", max_size=6),
    lambda inner: st.tuples(st.sampled_from("div p li ul table tr td b a pre span br h1 blockquote".split()),
                            st.lists(inner, max_size=4)).map(lambda t: f"<{t[0]}>{''.join(t[1])}</{t[0]}>"),
    max_leaves=20,
))  # fmt: skip
def test_whatever_the_tags_the_columns_agree_and_containers_span_their_blocks(html: str) -> None:
    page = read_page_blocks(html)
    columns = (page.text, page.kind, page.container, page.link_characters, page.links, page.layout)
    assert len({len(column) for column in columns}) == 1
    assert all(0 <= first <= end <= len(page.text) for first, end in zip(page.first, page.end, strict=True))
    for number, container in enumerate(page.container):
        while True:
            assert page.first[container] <= number < page.end[container]
            if container == 0:
                break
            container = page.parent[container]
    assert all(remove_marks(text).strip() for text in page.text)
    assert all(BREAK not in text for text in render_text(page, np.ones(len(page.text), bool)))


def test_deep_nesting_needs_no_recursion() -> None:
    page = read_page_blocks("<div><span>" * 10_000 + "deep")
    assert page.text == ["deep"]


def test_every_process_reads_the_same_blocks():
    """Sets of strings have another order in each process; nothing of a page may depend on it."""
    page = "<main id=a role=b itemprop=c class='d e'><p>One text.</p><div role=f id=g>Another</div></main>"
    program = f"from pipeline.html.dom.page_reader import read_page_blocks\nprint(read_page_blocks({page!r}))"
    found = set()
    for seed in ("0", "1", "2", "3"):
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        found.add(subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=True).stdout)
    assert len(found) == 1
