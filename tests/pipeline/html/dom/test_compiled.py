"""What is compiled does what its source does: the table of a page's nodes, and the walk over it."""

import random
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType

import pytest
from selectolax.lexbor import LexborHTMLParser

from pipeline.html.charset import decode_body
from pipeline.html.dom import dom_walk
from pipeline.html.dom.dom_table import DomTable, describe_rows, find_compiled_table, open_dom_table
from pipeline.html.dom.page_reader import find_root, parse_document
from pipeline.html.http import parse_response
from pipeline.warc.reader import CrawlRecord, read_crawl_records
from tests.shared import ROOT

PARTS = (
    "<div class='a b'>", "</div>", "<p>", "<p id=x>text ", "<ul>", "<li>one", "</ul>", "<table>", "<tr>", "<td>cell",
    "<td colspan=3 rowspan=2>wide", "</table>", "<pre>  code\n  more", "</pre>", "<a href=/>link</a>", "<b>bold</b>",
    "<span class='sr-only'>hidden</span>", "<div style='display:none'>gone", "<math><mi>x</mi></math>", "<!-- c -->",
    "<script>var x;</script>", "<br>", "<br><br>", "<sup>2</sup>", "H<sub>2</sub>O", "<h2>Head", "&nbsp;", " \n\t",
    "<button aria-expanded=false>Open</button>", "<x-y data-toggle>", "<svg><title>t</title></svg>", "<noscript><p>n",
    "<template><p>t</template>", "<?php echo ?>", "<svg><![CDATA[x]]></svg>", "text. ", "文字", "<div class>",
    "<ol><li>", "<blockquote>q", "<frameset>", "\x01\x05",
)  # fmt: skip


def make_pages() -> Iterator[str]:
    """Yield the pages of the sample crawl, and heaps of tags."""
    with open(ROOT / "demo" / "sample.warc.gz", "rb") as source:
        for record in read_crawl_records(source):
            if isinstance(record, CrawlRecord) and record.type == "response":
                response = parse_response(record.block)
                yield decode_body(response.body, response.header("content-type"))[0]
    choose = random.Random(5)
    for _ in range(150):
        yield "".join(choose.choices(PARTS, k=choose.randrange(60)))


@pytest.fixture(scope="module")
def compiled() -> type:
    """What makes compiled tables."""
    found = find_compiled_table()
    if found is None or dom_walk.__file__.endswith(".py"):
        pytest.skip("nothing is compiled here (make compile)")
    return found


@pytest.fixture(scope="module")
def plain_walk(compiled) -> ModuleType:
    """The walk's module as Python runs its source."""
    path = ROOT / "pipeline" / "html" / "dom" / "dom_walk.py"
    loader = SourceFileLoader("plain_dom_walk", str(path))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_the_compiled_table_has_the_rows_of_the_plain_one(compiled):
    rows = 0
    for html in make_pages():
        root = find_root(parse_document(html, scripting=True))
        table = compiled(root)
        assert describe_rows(table) == describe_rows(DomTable(root)), html
        elements = [row for row in range(len(table.tags)) if table.does[row] > 5][:50]
        assert all(table.read_attributes(row) == table.make_node(row).attributes for row in elements)
        rows += len(table.tags)
    assert rows > 10_000


def test_the_compiled_walk_finds_the_blocks_that_its_source_finds(compiled, plain_walk):
    blocks = 0
    for html in make_pages():
        for everything in (False, True):
            parser = parse_document(html, scripting=not everything)
            root = find_root(parser)
            expected = plain_walk.DomWalker(parser, DomTable(root), everything).read_page()
            assert dom_walk.DomWalker(parser, open_dom_table(root), everything).read_page() == expected, html
            blocks += len(expected.text)
    assert blocks > 2000


def test_a_compiled_table_refuses_a_row_that_it_does_not_have(compiled):
    table = compiled(LexborHTMLParser("<p>one").body)
    assert table.tags == ["p", "-text"] and table.read_text(1) == "one"
    for row in (-1, 2, 1 << 40):
        with pytest.raises(IndexError):
            table.read_text(row)
    assert compiled(LexborHTMLParser("").body).tags == []
    with pytest.raises(TypeError):
        compiled(None)
