"""What a page says is what its text says: tables, code, formulas, raised figures, and nothing that no reader sees."""

import pytest

from pipeline.html.charset import decode_body
from pipeline.html.engines import load_engine
from tests.pipeline.html.main_content.test_blocks import markdown_of, text_of
from tests.shared import shared_data

FILLER = "<p>" + "The miller wrote down every sack that came in with the carts from the valley. " * 8 + "</p>"
ARTICLE = (
    "<html><head><title>Mills</title></head><body><nav><a href=/>Home</a></nav>"
    "<main><h1>Mills</h1><p>{}</p>{}<p>{}</p></main>"
)
FIRST = "The harbour master wrote down every vessel that came in with the tide, and the clerks copied his notes."
LAST = "A second account was kept by the customs house, which counted barrels and sacks rather than ships."


def extract(html: str) -> str:
    return load_engine("gristmill")(html, "").text


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("<tr><td>a<td>b<td>c<tr><td>d<td><td>f<tr><td><td>h<td>i<tr><td>j<td>k<td>", "a|b|c d||f |h|i j|k|"),
        ("<tr><th>a<th>b<th>c<tr><td rowspan=2>d<td>e<td>f<tr><td>g<td>h<tr><td>i<td>j<td>k", "a|b|c d|e|f |g|h i|j|k"),
        ("<tr><td>a<td>b<td>c<tr><td colspan=2>d<td>e<tr><td>f<td colspan='2'>g", "a|b|c d||e f|g|"),
        ("<tr><td>a<td>b<tr><td><img src=x.png><td>c<tr><td>&nbsp;<td>d", "a|b |c |d"),
        ("<tr><td>a<td>b<tr><td>x<br>y<td><p>u</p><p>v</p><tr><td><ul><li>k<li>l</ul><td><div>m</div><div>n</div>",
         "a|b x_y|u_v k_l|m_n"),
        ("<tr><td>a<td>b<tr><td><pre>x = 1</pre><td>c", "a|b x_=_1|c"),
        ("<tr><td><img><td>a<td>b<tr><td><img><td>c<td>d", "a|b c|d"),  # a column of pictures says nothing
        ("<tr><td rowspan=3>a<td>b<td>c<tr><td>d<td>e<tr><td>f<td>g<tr><td>h<td>i<td>j", "a|b|c |d|e |f|g h|i|j"),
        ("<tr><td>a<td>b<tr><td colspan=2>all of them<tr><td>c<td>d", "a|b all_of_them c|d"),
    ],
)  # fmt: skip
def test_rows_keep_their_columns(table: str, rows: str) -> None:
    expected = [[cell.replace("_", " ") for cell in row.split("|")] for row in rows.split(" ")]
    assert [line.split(" | ") for line in text_of(f"<table>{table}</table>").split("\n")] == expected


def test_a_row_in_markdown_has_a_cell_for_each_column_and_bars_of_the_text_are_told_apart() -> None:
    table = "<table><caption>Rivers</caption><tr><th>River<th>km<tr><td>a|b<td><tr><td><b>Oder</b><td>866</table>"
    assert markdown_of(table) == "Rivers\n\n| River | km |\n| --- | --- |\n| a\\|b |  |\n| **Oder** | 866 |"


def test_a_table_that_arranges_the_page_is_no_data() -> None:
    long = "This column holds the text of the page, which is no cell of a row of data. " * 5
    layout = f"<table><tr><td><ul><li>Home<li>Shop</ul><td><h2>Mills</h2><p>{long}</p><p>{long}</p></table>"
    assert text_of(layout).split("\n")[:3] == ["- Home", "- Shop", "Mills"]
    inner = "<table><tr><td>a<td>b<tr><td>c<td>d</table>"
    assert text_of(f"<table><tr><td>left<td>{inner}</table>") == "left\na | b\nc | d"


def test_a_table_between_two_paragraphs_stays_whole_with_its_caption() -> None:
    table = "<table><caption>Lengths</caption><thead><tr><th>River<th>km<th>Notes</thead>" + "".join(
        f"<tr><td>{name}<td>{'' if number % 2 else number}<td><p>of</p><p>{name}</p>"
        for number, name in enumerate(("Elbe", "Oder", "Rhine", "Main"), 860)
    )
    lines = extract(ARTICLE.format(FIRST, table + "</table>", LAST)).split("\n")
    assert lines[lines.index(FIRST) + 1 : lines.index(LAST)] == [
        "Lengths", "River | km | Notes", "Elbe | 860 | of Elbe", "Oder |  | of Oder", "Rhine | 862 | of Rhine",
        "Main |  | of Main",
    ]  # fmt: skip


QUESTIONS = (
    ("How long does delivery take?", "Most parcels leave our warehouse on the day of the order and come soon."),
    ("May I send boots back?", "Yes, you may send back unworn boots within thirty days, and we will refund the price."),
    ("Do you repair soles?", "Our workshop replaces soles of nearly every maker; send us a photograph of yours first."),
    ("Which polish is best?", "Use a neutral cream without pigment, rub it in with a soft cloth and brush it off."),
    ("Why?", "Because leather that is cared for lasts for many years, whatever the weather and the roads are like."),
)  # fmt: skip


@pytest.mark.parametrize(
    "item",
    [
        "<details><summary>{}</summary><p>{}</p></details>",
        "<details class=faq><summary><span>{}</span></summary><div>{}</div></details>",
        "<div class=item><h3><button aria-expanded=false>{}</button></h3><div class=panel>{}</div></div>",
        "<button class=accordion>{}</button><div class=panel><p>{}</p></div>",
        "<div class=elementor-toggle-item><div role=button class=elementor-tab-title><a href=''>{}</a></div>"
        "<div class=elementor-tab-content><p>{}</p></div></div>",
        "<div class=schema-faq-section><strong>{}</strong><p>{}</p></div>",
        "<dl><dt>{}</dt><dd>{}</dd></dl>",
        "<div class=card><h4>{}</h4><p>{}</p></div>",
        "<li class=faq><a href='#' data-toggle=collapse>{}</a><div>{}</div></li>",
    ],
)
def test_parallel_parts_share_one_fate(item: str) -> None:
    items = "".join(item.format(*pair) for pair in QUESTIONS)
    lines = extract(ARTICLE.format(FIRST, f"<section>{items}</section>", LAST)).split("\n")
    lines = [line.removeprefix("- ") for line in lines]
    assert [line for line in lines if any(line in pair for pair in QUESTIONS)] == [*sum(QUESTIONS, ())]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("10<sup>6</sup> or 10<sup>-3</sup> cells", "10^6 or 10^-3 cells"),
        ("x<sup>2</sup>+y<sup>n</sup>, e<sup>x+1</sup>, (a+b)<sup>2</sup>", "x^2+y^n, e^(x+1), (a+b)^2"),
        ("5 m<sup>2</sup>, 3 km<sup>3</sup>, 9 m/s<sup>2</sup>, s<sup>-1</sup>", "5 m^2, 3 km^3, 9 m/s^2, s^-1"),
        ("the 1<sup>st</sup>, 2<sup>nd</sup> and 19<sup>e</sup>", "the 1st, 2nd and 19e"),
        ("H<sub>2</sub>O, CO<sub>2</sub>, Ca<sup>2+</sup>, SO<sub>4</sub><sup>2-</sup>", "H2O, CO2, Ca^2+, SO4^2-"),
        ("x<sub>i</sub>, a<sub>n+1</sub>, log<sub>2</sub> n", "x_i, a_(n+1), log_2 n"),
        ("a note.<sup>12</sup> Then", "a note. Then"),
        ("the mill<sup>3</sup> and a wheel<sup>[4]</sup>.", "the mill and a wheel."),
        ("the mill<sup class=reference><a href='#cite_note-1'>[1]</a></sup> turned", "the mill turned"),
        ("in 1066<sup><a href='#fn2' id=fnref2>2</a></sup> and", "in 1066 and"),
        ("the mill <sup>7</sup>, and the miller*<sup>†</sup>", "the mill, and the miller*"),
        ("Brand<sup>TM</sup> and 20 <sup>o</sup>C, 30<sup>o</sup>C", "Brand™ and 20 oC, 30°C"),
        ("2<sup>1</sup>/<sub>2</sub> sacks", "2 1/2 sacks"),
        ("M<sup>me</sup> Roland, n<sup>o</sup> 5", "Mme Roland, no 5"),
        ("Pricing<sup>new</sup>", "Pricing new"),
        ("2<sup><i>n</i></sup> and 2<sup>10</sup>", "2^n and 2^10"),
        ("<sup>14</sup>C", "14C"),
    ],
)
def test_raised_figures_keep_their_meaning(html: str, text: str) -> None:
    assert text_of(f"<p>{html}") == text


@pytest.mark.parametrize(
    "html",
    [
        "costs <del>20</del><ins>15</ins> pounds",
        "costs <s>$20</s> 15 <strike>shillings</strike>pounds",
        "costs <span style='text-decoration: line-through'>20</span> 15 pounds",
        "costs <del><p>20</p></del>15 pounds",
    ],
)
def test_deleted_text_goes(html: str) -> None:
    assert " ".join(text_of(f"<div>It {html}.</div>").split()) == "It costs 15 pounds."


CODE = "def f(x):\n    if x:\n\n        return 1\n    return 2"
LINES = CODE.split("\n")
NBSP = [line.replace(" ", "&nbsp;") for line in LINES]


@pytest.mark.parametrize(
    "html",
    [
        f"<pre>{CODE}\n</pre>",
        f"<pre><code>\n{CODE}</code></pre>",
        "<pre><ol>" + "".join(f"<li>{line}</li>" for line in LINES) + "</ol></pre>",
        "<pre><ol>\n" + "".join(f"  <li class=L0><span>{line}</span></li>\n" for line in LINES) + "</ol></pre>",
        "<pre>" + "".join(f"<div class=line>{line}</div>" for line in LINES) + "</pre>",
        "<pre>" + "".join(f"<div class=line>{line or '<br>'}</div>" for line in LINES) + "</pre>",
        "<pre>" + "\n".join(f"<span class=line>{line}</span>" for line in LINES) + "</pre>",
        "<pre>" + "".join(f"<span class=ln>{n:>3} </span>{line}\n" for n, line in enumerate(LINES, 8)) + "</pre>",
        "<pre>" + "".join(f"<a id=l{n}>{n}</a> {line}\n" for n, line in enumerate(LINES, 1)) + "</pre>",
        "<pre>" + "<br>".join(LINES) + "</pre>",
        "<code>" + "<br>".join(NBSP) + "</code>",
        "<code>\n" + "<br />\n".join(NBSP) + "\n</code>",
        "<p><code>" + "<br>".join(LINES) + "</code></p>",
        "<div class=code>" + "<br>".join(NBSP) + "</div>",
        "<p class='code-block'>" + "<br/>".join(NBSP) + "</p>",
        "<div style='font-family: monospace; white-space: pre;'>" + "<br>".join(LINES) + "</div>",
        "<table class=highlight>" + "".join(
            f"<tr><td class=blob-num data-line-number={n}></td><td class='blob-code'>{line}</td></tr>\n"
            for n, line in enumerate(LINES, 1)) + "</table>",
        "<table><tbody>" + "".join(
            f"<tr>\n<td class=ln>{n}</td>\n<td class='line-content code'>{line}\n</td>\n</tr>"
            for n, line in enumerate(LINES, 1)) + "</tbody></table>",
        "<table>" + "".join(
            f"<tr><td>{n}</td><td><code>{line}</code></td></tr>" for n, line in enumerate(LINES, 1)) + "</table>",
        "<pre><code><table class=hljs-ln>" + "".join(
            f"<tr><td class=hljs-ln-n><div data-line-number={n}>{n}</div></td><td class=hljs-ln-code>{line}</td>"
            for n, line in enumerate(LINES, 1)) + "</table></code></pre>",
        "<table><tr><td class=gutter><pre>1\n2\n3\n4\n5</pre></td><td class=code><pre>" + CODE + "</pre></td></table>",
        "<table><tr><td><pre>1\n2\n3\n4\n5</pre></td><td><pre>" + CODE + "</pre></td></table>",
        "<table class=syntaxhighlighter><tr><td class=gutter>" + "".join(
            f"<div class='line number{n}'>{n}</div>" for n in range(1, 6)) + "</td><td class=code><div class=container>"
        + "".join(f"<div class=line>{line or '&nbsp;'}</div>" for line in NBSP) + "</div></td></table>",
        "<ol class=linenums>" + "".join(f"<li><code>{line}</code></li>" for line in NBSP) + "</ol>",
        "<ol>" + "".join(f"<li><code>{line}</code></li>" for line in NBSP) + "</ol>",
        "<ol class=dp-py>" + "".join(f"<li><span>{line}</span></li>" for line in LINES) + "</ol>",
    ],
)  # fmt: skip
def test_code_keeps_indentation_and_blank_lines_and_loses_numbers(html: str) -> None:
    assert text_of(f"<p>Before</p>{html}<p>After</p>") == f"Before\n{CODE}\nAfter"


def test_what_only_looks_like_code_is_none() -> None:
    steps = "<ol><li><code>npm install</code></li><li><code>npm start</code></li></ol>"
    assert text_of(steps) == "- npm install\n- npm start"
    assert text_of("<pre>10 PRINT\n20 GOTO 10</pre>") == "10 PRINT\n20 GOTO 10"
    assert text_of("<pre><b>1</b> apple\n<b>5</b> pears</pre>") == "1 apple\n5 pears"
    assert text_of("<div class='promo-code'>Use <b>MILL</b><br>until May</div>") == "Use MILL\nuntil May"
    assert text_of("<table><tr><td>1<td>Elbe<tr><td>2<td>Oder</table>") == "1 | Elbe\n2 | Oder"


MATHML = "<math><mi>x</mi><mo>+</mo><mn>1</mn></math>"


@pytest.mark.parametrize(
    ("html", "latex"),
    [
        (f"<mjx-container class=MathJax jax=CHTML><mjx-math>x+1</mjx-math><mjx-assistive-mml>{MATHML}"
         "</mjx-assistive-mml></mjx-container>", "$x+1$"),
        (f"<mjx-container jax=SVG><svg><text>x</text></svg><mjx-assistive-mml>{MATHML}</mjx-assistive-mml>"
         "</mjx-container>", "$x+1$"),
        (f"<mjx-container class=MathJax display=true><mjx-assistive-mml>{MATHML}</mjx-assistive-mml></mjx-container>",
         "$$x+1$$"),
        (f"<span class=MathJax><nobr>x+1</nobr><span class=MJX_Assistive_MathML>{MATHML}</span></span>", "$x+1$"),
        ("<span class=MathJax><nobr>x</nobr><span class=MJX_Assistive_MathML><math><mi>x</mi></math></span></span>"
         "<script type='math/tex'>y</script>", "$y$"),
        ("<img class=latex alt='x^2+y^2' src=a.png>", "$x^2+y^2$"),
        ("<img src='https://s0.wp.com/latex.php?latex=x%5E2&amp;bg=fff'>", "$x^2$"),
        ("<img src='https://latex.codecogs.com/gif.latex?%5Calpha' title='\\alpha'>", "$\\alpha$"),
        ("<img src='https://latex.codecogs.com/svg.image?x_1'>", "$x_1$"),
        ("<img alt='$\\frac{a}{b}$' src=b.png>", "$\\frac{a}{b}$"),
        ("<img alt='\\(a_1\\)' src=b.png>", "$a_1$"),
        ("<img class=mwe-math-fallback-image-inline alt='{\\displaystyle \\beta }'>", "$\\beta$"),
        ("<picture><source src=x><img class=tex alt='r^2'></picture>", "$r^2$"),
        (f"<span class=mwe-math-element><span class=mwe-math-mathml-inline style='display:none'>{MATHML}</span>"
         "<img class=mwe-math-fallback-image-inline alt='{\\displaystyle x+1}'></span>", "$x+1$"),
    ],
)  # fmt: skip
def test_formulas_are_latex_once(html: str, latex: str) -> None:
    assert text_of(f"<p>Here {html} holds.") == f"Here {latex} holds."


def test_other_pictures_say_nothing() -> None:
    html = "<p>A <img alt='The mill' src=mill.png> and <img class=equation-icon alt='Equation' src=x.png> stand."
    assert text_of(html) == "A and stand."


@pytest.mark.parametrize(
    "html",
    [
        "<div style='position:absolute;left:-9999px'>{}</div>",
        "<div style='position: fixed; top: -3000px;'><a href=x>{}</a></div>",
        "<p style='text-indent:-9999em'>{}</p>",
        "<p style='text-indent:100%;white-space:nowrap;overflow:hidden'>{}</p>",
        "<div style='margin-left:-10000px'>{}</div>",
        "<div style='height:0;overflow:hidden'>{}</div>",
        "<font style='position: absolute;overflow: hidden;height: 0;width: 0'>{}</font>",
        "<div style='width:1px;height:1px;overflow:hidden'>{}</div>",
        "<div style='max-height:0px; overflow: hidden'>{}</div>",
        "<span style='font-size:0'>{}</span>",
        "<div style='opacity:0'>{}</div>",
        "<div style='opacity: 0.0; position: absolute'>{}</div>",
        "<div style='position:absolute;clip:rect(0,0,0,0)'>{}</div>",
        "<div style='clip-path: inset(100%)'>{}</div>",
        "<div style='transform: translateX(-9999px)'>{}</div>",
        "<a style='display:none' href=x>{}</a>",
        "<b style='position:absolute;left:-999px'>{}</b>",
        "<u hidden>{}</u>",
        "<span class=sr-only>{}</span>",
        "<h2 class='visually-hidden'>{}</h2>",
        "<a class='skip-link screen-reader-text' href=#x>{}</a>",
        "<i class=material-icons aria-hidden=true>{}</i>",
        "<style>.q{{position:absolute;left:-5000px}}</style><div class=q><p>{}</p></div>",
        "<style>p{{color:red}} #q, .r {{ text-indent : -9999px; }}</style><div id=q>{}</div>",
        "<div style='color:#fff;background-color:#fff'>{}</div>",
    ],
)
def test_what_no_reader_sees_never_enters(html: str) -> None:
    for page in (FILLER + html.format("cheap pills"), html.format("cheap pills") + "<p>Little text."):
        assert "cheap pills" not in text_of(page)


@pytest.mark.parametrize(
    "html",
    [
        "<p aria-hidden=true>{}</p>",
        "<div style='left:-20px;text-indent:-2em;margin-left:-15px'>{}</div>",
        "<div style='opacity:0;transform:translateY(20px);transition:opacity 1s'>{}</div>",
        "<div class='wow fadeIn' style='opacity:0'>{}</div>",
        "<div data-w-id=3 style='opacity:0'>{}</div>",
        "<main style='opacity:0'><p>{}</p></main>",
        "<div style='opacity:0'><div><h1>Rye</h1><p>{}</p></div></div>",
        "<noscript><iframe src=x style='display:none'/></noscript><p>{}</p>",
        "<div style='opacity:.9'>{}</div>",
        "<div id=answer-1 class=accordion-collapse style='height:0;overflow:hidden'>{}</div>",
        "<div style='width:9000px;left:-1200px;position:relative'>{}</div>",
        "<div style='transform:translate3d(-1200px,0,0)'>{}</div>",
        "<td style='font-size:0'><div style='font-size:14px'>{}</div></td>",
        "<div style='height:0'>{}</div>",
        "<p class='not-sr-only'>{}</p>",
        "<style>.nav{{left:-5px}}</style><p class=nav>{}</p>",
    ],
)
def test_what_a_reader_sees_stays(html: str) -> None:
    assert "good flour" in text_of(FILLER + html.format("good flour"))


@pytest.mark.parametrize(
    "html",
    [
        '<p>{"@context":"https://schema.org","name":"Mill"}</p>',
        '<div>[{"id":1,"name":"a"},{"id":2}]</div>',
        "<p>window.dataLayer = window.dataLayer || []; function gtag(){dataLayer.push(arguments);}</p>",
        "<div>(adsbygoogle = window.adsbygoogle || []).push({});</div>",
        "<p>jQuery(document).ready(function($){ $('.a').slick({dots:true}); });</p>",
        "<p>var a = 1; document.write(a);</p>",
        "<div>.mill-widget .title{color:red;font-size:12px} .a{margin:0}</div>",
        "<p>{{ product.title }}</p>",
        "<div>//&lt;![CDATA[\nvar x = {a: 1};\n//]]&gt;</div>",
    ],
)
def test_fragments_of_data_and_scripts_are_no_text(html: str) -> None:
    assert text_of(f"<p>Before</p>{html}<p>After</p>") == "Before\nAfter"


def test_texts_about_code_are_no_fragments() -> None:
    for text in ("Write {a: 1} and then (b); it works.", "The set {1, 2, 3}", "If (and only if) it rains; go.", "[1]",
                 "$$f(x) = {a \\over b};$$", "Let us go (now);"):  # fmt: skip
        assert text_of(f"<p>{text}</p>") == text
    assert text_of('<pre>{"a": 1, "b": 2}</pre>') == '{"a": 1, "b": 2}'
    assert text_of('<p><code>{"a": 1, "b": 2}</code></p>') == '{"a": 1, "b": 2}'


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<div><span class=name>amount</span><span class=type>integer</span></div>", "amount integer"),
        ("<td><span>id</span><span>string</span></td>", "id string"),
        ("<div class=row><span class=badge>New</span><span class=badge>Sale</span></div>", "New Sale"),
        ("<td><strong>Name</strong><span>Rye</span></td>", "Name Rye"),
        ("<div><a href=x>Read</a><span class=n>12</span></div>", "Read 12"),
        ("<dt><a href=x>Rye<wbr>Mill</a><wbr><span class=stab>unstable</span></dt>", "RyeMill unstable"),
        ("<div><b>H</b>ello</div>", "Hello"),
        ("<p><b>H</b>ello, <span>hap</span>pen</p>", "Hello, happen"),
        ("<p><span style='color:red'>un</span><span style='color:blue'>real</span></p>", "unreal"),
        ("<p class=c1><span class=c2>par</span><span class=c3>agraph</span></p>", "paragraph"),
        ("<h2><span>H</span><span>e</span><span>l</span><span>lo</span></h2>", "Hello"),
        ("<div><code><span class=n>foo</span><span class=n>bar</span></code></div>", "foobar"),
        ("<div>the <em>un</em><b>believable</b> mill</div>", "the unbelievable mill"),
    ],
)
def test_words_that_are_shown_apart_are_two(html: str, text: str) -> None:
    assert text_of(html) == text


REPORTS = {
    "charset-nino": (["El Niño"], ["Niņo"]),
    "faq-bootstrap": (["How long does delivery take?", "Can I return a pair of boots?", "Do you repair old soles?",
                       "Which polish suits light leather?"], []),
    "faq-details": (["How long does delivery take?", "Can I return a pair of boots?", "Do you repair old soles?",
                     "Which polish suits light leather?"], []),
    "html-br-in-cell": (["Elbe | Hamburg Dresden | 1094"], []),
    "html-code-blank": (["import os\n\n\ndef f():\n    a = 1\n\n    return a\n"], []),
    "html-code-github": (["def f():\n    return 1\n"], []),
    "html-code-ol": (["def f():\n    return 1\n"], ["- def"]),
    "html-deleted": (["The price is 15 pounds, formerly $25, and the new rule"], ["2015", "$30", "the old"]),
    "html-empty-middle": (["Elbe |  | Cuxhaven", "\n | 741 | Danzig"], []),
    "html-imgtex": (["$x^2+y^2$", "$r^2$", "$\\alpha$", "$\\beta$"], []),
    "html-mathjax3": (["Here $x+1$ holds."], []),
    "html-p-in-cell": (["Elbe | Hamburg Dresden | 1094"], []),
    "html-sup": (["10^6 cells", "2^10 bytes", "x^2+y^2=r^2", "5 m^2", "6.02×10^23", "CO2", "1st", "a note.\n"], []),
    "table-599": (["Lengths of rivers", "Elbe | 1,094 | navigable tidal", "Oder Odra |  | first second",
                   "Rhine | 1,233 | a|b", " | 1,236 | new"], []),
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_the_reported_pages_say_what_they_say(name: str) -> None:
    body = shared_data(f"reports/{name}/in.html").read_bytes()
    text = extract(decode_body(body)[0])
    said, unsaid = REPORTS[name]
    assert [words for words in said if words not in text] == []
    assert [words for words in unsaid if words in text.replace("the old port", "")] == []


def test_the_sign_of_a_link_to_a_heading_is_no_text() -> None:
    page = "<h2>Rye<a href=#rye>¶</a></h2><dl><dt>mill()<a href=#mill>\N{LINK SYMBOL}</a><dd>Grinds.</dl><p>A ¶"
    assert text_of(page).replace("\n\n", "\n") == "Rye\nmill()\nGrinds.\nA ¶"
