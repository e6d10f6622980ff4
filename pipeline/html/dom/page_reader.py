"""Parse a page (lexbor through selectolax) and read its blocks, and what it says of itself as a whole."""

from collections.abc import Mapping

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, LexborNode

from pipeline.html.dom.dom_table import open_dom_table
from pipeline.html.dom.dom_walk import DomWalker
from pipeline.html.dom.name_hints import find_name_hints
from pipeline.html.elements.hidden_text import remove_moved_text
from pipeline.html.main_content.blocks import PageBlocks
from pipeline.html.main_content.class_hints import SPECIAL_BITS
from pipeline.html.main_content.page_facts import find_page_facts

LITTLE_TEXT = 500  # characters; a page with fewer visible ones is read again with its hidden and noscript content


def read_page_blocks(html: str, url: str = "") -> PageBlocks:
    """Parse a page and return its blocks. Its address says what type of page it is.

    Never raises for what is in the page; time and memory are the parser's.
    """
    parser = parse_document(html, scripting=True)
    page = walk_page(parser, everything=False)
    if sum(map(len, page.text)) < LITTLE_TEXT:
        whole = walk_page(parse_document(html, scripting=False), everything=True)
        if sum(map(len, whole.text)) > sum(map(len, page.text)):
            page = whole
    read_statements(parser, page)
    page.facts, page.stated = find_page_facts(html, url)
    return page


def parse_document(html: str, scripting: bool) -> LexborHTMLParser:
    """Parse a page without the text that its style sheets move away. With `scripting`, as browsers do, <noscript> holds
    no elements: one in it that never ends, such as an <iframe/>, cannot take in the rest of the page.
    """
    source = html.encode("utf-8", "ignore")  # without lone surrogates
    parser = LexborHTMLParser(source, options=LexborDocumentOptions.WO_EVENTS, scripting=scripting)
    remove_moved_text(parser, source)
    return parser


def find_root(parser: LexborHTMLParser) -> LexborNode | None:
    """Return the element whose nodes are the page: the body, or what a page of frames has in its place."""
    return parser.body if parser.body is not None else parser.root


def walk_page(parser: LexborHTMLParser, everything: bool) -> PageBlocks:
    """Return the blocks of a parsed page; with `everything`, of hidden, template and noscript content, too."""
    root = find_root(parser)
    if root is None:
        return PageBlocks()
    return DomWalker(parser, open_dom_table(root), everything).read_page()


def read_statements(parser: LexborHTMLParser, page: PageBlocks) -> None:
    """Fill in what a page says of itself as a whole."""
    title = parser.css_first("title")
    page.title = " ".join(title.text().split())[:500] if title is not None else ""
    if parser.body is not None:
        of_body = parser.body.attributes
        names = " ".join(filter(None, (of_body.get("class"), of_body.get("id"))))
        page.names = find_name_hints(names) & ~SPECIAL_BITS
    if parser.head is not None:
        head = open_dom_table(parser.head)
        for row, tag in enumerate(head.tags):
            if tag == "meta":
                read_statement(head.read_attributes(row), page)


def read_statement(attributes: Mapping[str, str | None], page: PageBlocks) -> None:
    """Fill in what one <meta> element says: the type of the page, or its description, of which the longest counts."""
    kind = attributes.get("property")
    if kind not in ("og:type", "og:description") and attributes.get("name") != "description":
        return
    stated = " ".join((attributes.get("content") or "").split())[:500]
    if kind == "og:type":
        page.sort = page.sort or stated.lower()
    elif len(stated) > len(page.description):
        page.description = stated
