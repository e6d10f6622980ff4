"""The nodes of a parsed page as a table, a row a node in document order, so that a walk needs no object for a node.

`open_dom_table` returns a `LexborTable`, which is compiled and reads the parser's own structs, where it was built for
this parser, and else a `DomTable`. Both have the same rows and methods.
"""

import ctypes
import importlib
from array import array
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple, Protocol

import selectolax.lexbor
from selectolax.lexbor import LexborHTMLParser, LexborNode, create_tag

from pipeline.html.main_content.blocks import KINDS

# What the walk does at a node. SPACE is a text of ASCII's white space. All up to IMAGE are leaves, which have no rows
# in them.
SPACE, TEXT, SKIP, LINE, SCRIPT, MATHS, IMAGE, LINK, MARK, SPAN, THROUGH, RAISED, MORE, OPEN = range(14)

INLINE = frozenset(
    """a abbr acronym b bdi bdo big blink cite code data dfn em font i ins kbd label mark nobr output q rb ruby
    samp small span strong time tt u var""".split()
)
SKIPPED = frozenset(
    """-comment -doctype !doctype -cdata-section head script style svg iframe object embed canvas audio video select
    textarea datalist map rp rt rtc input source del s strike track param meta link title base area col colgroup wbr
    progress meter noframes applet frame""".split()
)
HIDING = frozenset(("noscript", "template"))
MARKED_TAGS = ("strong", "b", "em", "i", "code", "tt", "kbd")
LISTS = frozenset(("ul", "ol", "menu", "dir"))
DOES = (
    dict.fromkeys(SKIPPED, SKIP)
    | dict.fromkeys(INLINE, THROUGH)
    | dict.fromkeys(MARKED_TAGS, MARK)
    | dict.fromkeys((*KINDS, *LISTS, "blockquote", "table", "tr", "td", "th", *HIDING), MORE)
    | {"-text": TEXT, "br": LINE, "script": SCRIPT, "a": LINK, "span": SPAN, "math": MATHS, "img": IMAGE}
    | {"picture": THROUGH, "sup": RAISED, "sub": RAISED, "mjx-container": MATHS}
)
OPENED = frozenset(
    """address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form
    header hgroup hr html legend main nav optgroup option p search section tbody tfoot thead ul""".split()
)  # other tags whose numbers are worth knowing

# What the attributes of an element tell at first sight, a bit each: that one names it, that one may hide or open it,
# that one does so with a link, or that one says how many columns or rows a cell spans.
NAMED, TOLD, LINK_TOLD, SPANS = 1, 2, 4, 8
ATTRIBUTE_BITS = {
    "id": NAMED, "role": NAMED | TOLD, "itemprop": NAMED, "aria-expanded": TOLD, "data-toggle": TOLD | LINK_TOLD,
    "style": TOLD | LINK_TOLD, "hidden": TOLD | LINK_TOLD, "colspan": SPANS, "rowspan": SPANS,
}  # fmt: skip

# The parser's own functions that a compiled table calls: its module exports them.
LEXBOR_FUNCTIONS = ("lxb_dom_element_first_attribute_noi", "lxb_dom_attr_qualified_name", "lxb_dom_attr_value_noi")
SELF_TEST = '<body><div id="a" class="b c" data-toggle><p>text<br> <b style="x">t&auml;xt</b></p></div><x-y>text'
NO_ATTRIBUTES: Mapping[str, str | None] = {}


class TagAction(NamedTuple):
    """What the walk does at the elements of a tag, and the tag."""

    does: int
    tag: str


@cache
def number_tags() -> dict[int, TagAction]:
    """Return what the walk does at an element, by the parser's number of its tag, which is told faster than a name."""
    known = {
        create_tag(tag).tag_id: TagAction(does, tag)
        for tag, does in DOES.items()
        if tag[0].isalpha() and "-" not in tag
    }
    known |= {create_tag(tag).tag_id: TagAction(DOES.get(tag, OPEN), tag) for tag in OPENED}
    body = LexborHTMLParser("<body>text<!-- comment -->").body
    children = body.iter(include_text=True) if body is not None else ()
    return known | {node.tag_id: TagAction(DOES.get(node.tag or "", SKIP), node.tag or "") for node in children}


def name_tag(node: LexborNode) -> TagAction:
    """Return what the walk does at a node, by the name of its tag."""
    tag = node.tag or ""
    return TagAction(DOES.get(tag, OPEN), tag)


class NodeRows(Protocol):
    """The rows of the nodes in an element, in document order. A row is known by its number."""

    @property
    def does(self) -> "array[int]":
        """What the walk does at each node: signed bytes."""

    @property
    def ends(self) -> "array[int]":
        """For each node, the row after its last descendant: the next sibling, or what comes after its parent."""

    @property
    def bits(self) -> "array[int]":
        """For each element, the ATTRIBUTE_BITS of its attributes: signed bytes."""

    @property
    def tags(self) -> list[str]:
        """The tag of each node, "-text" for a text."""

    def read_text(self, row: int) -> str:
        """Return the text of a text node."""

    def read_names(self, row: int) -> str | None:
        """Return the class names of an element; None if it has none."""

    def read_attributes(self, row: int) -> Mapping[str, str | None]:
        """Return the attributes of an element."""

    def make_node(self, row: int) -> LexborNode:
        """Return a node as the parser's object."""


class DomTable:
    """The rows of the nodes in an element, read through the parser's objects."""

    def __init__(self, root: LexborNode):
        """Read all nodes in `root`, without recursion: linear in their number."""
        self.does, self.ends, self.bits = array("b"), array("i"), array("b")
        self.tags: list[str] = []
        self.names: list[str | None] = []
        self.nodes: list[LexborNode] = []
        known, unknown, opened = number_tags(), dict[int, TagAction](), list[int]()
        current = root.child
        while current is not None:
            number = current.tag_id
            action = known.get(number) or unknown.get(number)
            if action is None:
                action = unknown[number] = name_tag(current)
            child = self.add_row(current, action)
            if child is not None:
                opened.append(len(self.tags) - 1)
                current = child
                continue
            following = current.next
            while following is None and opened:
                row = opened.pop()
                self.ends[row] = len(self.tags)
                following = self.nodes[row].next
            current = following

    def add_row(self, node: LexborNode, action: TagAction) -> LexborNode | None:
        """Add the row of a node, whose end is the next row; return its first child, if the walk may look at it."""
        does, tag = action
        text = (node.text_content or "") if does == TEXT else ""
        if text.isspace() and text.isascii():
            does = SPACE
        bits, attributes = 0, node.attributes if does > IMAGE else NO_ATTRIBUTES
        for name in attributes:
            bits |= ATTRIBUTE_BITS.get(name, 0)
        self.does.append(does)
        self.tags.append(tag)
        self.bits.append(bits)
        self.names.append(attributes.get("class"))
        self.nodes.append(node)
        self.ends.append(len(self.tags))
        return node.child if does > IMAGE else None

    def read_text(self, row: int) -> str:
        """Return the text of a text node."""
        return self.nodes[row].text_content or ""

    def read_names(self, row: int) -> str | None:
        """Return the class names of an element; None if it has none."""
        return self.names[row]

    def read_attributes(self, row: int) -> Mapping[str, str | None]:
        """Return the attributes of an element."""
        return self.nodes[row].attributes

    def make_node(self, row: int) -> LexborNode:
        """Return a node as the parser's object."""
        return self.nodes[row]


@cache
def find_compiled_table() -> Callable[[LexborNode], NodeRows] | None:
    """Return what makes a compiled table; None where none was built, or not for this version of the parser."""
    try:
        compiled = importlib.import_module("pipeline.html.dom.lexbor_table")  # by name: linters see no source of it
    except ImportError:
        return None
    library = ctypes.CDLL(selectolax.lexbor.__file__)
    try:
        addresses = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in LEXBOR_FUNCTIONS]
    except AttributeError:  # a parser that keeps its functions to itself
        return None
    body, codes = LexborHTMLParser(SELF_TEST).body, (SPACE, TEXT, IMAGE)
    if body is None or not compiled.prepare_tables(body, number_tags(), name_tag, ATTRIBUTE_BITS, codes, addresses):
        return None
    make_table: Callable[[LexborNode], NodeRows] = compiled.LexborTable
    return make_table if describe_rows(make_table(body)) == describe_rows(DomTable(body)) else None


def describe_rows(table: NodeRows) -> list[object]:
    """Return all that a table says."""
    rows = range(len(table.tags))
    texts = [table.read_text(row) if table.does[row] == TEXT else "" for row in rows]
    names = [table.read_names(row) if table.does[row] > IMAGE else None for row in rows]
    return [table.does, table.ends, table.bits, table.tags, texts, names]


def open_dom_table(root: LexborNode) -> NodeRows:
    """Return the rows of all nodes in an element."""
    make_table = find_compiled_table()
    return make_table(root) if make_table is not None else DomTable(root)
