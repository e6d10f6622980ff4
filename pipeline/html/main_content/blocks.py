"""A page's text as blocks: one walk over the DOM (lexbor through selectolax), without recursion.

A block is a run of text between two tags that break a line on the screen; a small table row is one block. Each knows
its kind, its container (the element around it) and how much of it is link. Containers know their parent, what their
tags and class names hint at, and which blocks they span. What no reader sees (scripts, forms' options, hidden
elements) is left out, unless the page has hardly any text without it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, LexborNode

from pipeline.html.main_content.class_hints import (
    COPY_OF_MATHS,
    LINE_NUMBERS,
    SOURCE_OF_MATHS,
    TAG_BIT,
    find_name_hints,
)
from pipeline.html.main_content.mathml import read_annotation, translate_to_latex

LITTLE_TEXT = 500  # characters; a page with fewer visible ones is read again with its hidden and noscript content
LONGEST_ROW = 1000  # characters; longer table rows are layout, as are rows whose cells hold several blocks
MAX_BLOCKS = 100_000  # the rest of a page beyond that is left out

# Marks in a block's text that no page's own text has a use for; `remove_marks` takes them out.
BREAK, STRONG, EMPHASIS, CODE, AFTER_LINK = "\x01", "\x02", "\x03", "\x04", "\x05"
MARKS = re.compile("[\x01-\x05]")
ALL_NOTHING = "\x01\x02\x03\x04\x05 \u200b\u200c\u200d\u2060\ufeff"  # a block of nothing else shows nothing
NOTHING = frozenset(ALL_NOTHING)

# Kinds of blocks. Headings are 1 to 6.
PARAGRAPH, ITEM, PRE, ROW, TERM, DEFINITION, CAPTION, BUTTON = 0, 7, 8, 9, 10, 11, 12, 13
KINDS = {f"h{level}": level for level in range(1, 7)} | {
    "li": ITEM, "pre": PRE, "listing": PRE, "xmp": PRE, "plaintext": PRE, "dt": TERM, "dd": DEFINITION,
    "figcaption": CAPTION, "caption": CAPTION, "summary": CAPTION, "button": BUTTON,
}  # fmt: skip

INLINE = frozenset(
    """a abbr acronym b bdi bdo big blink cite code data del dfn em font i ins kbd label mark nobr output q rb ruby s
    samp small span strike strong sub sup time tt u var""".split()
)
SKIPPED = frozenset(
    """-comment -doctype !doctype -cdata-section head script style svg iframe object embed canvas audio video select
    textarea datalist map rp rt rtc input img picture source track param meta link title base area col colgroup wbr
    progress meter noframes applet frame""".split()
)
HIDING = frozenset(("noscript", "template"))
MARKED = {"strong": STRONG, "b": STRONG, "em": EMPHASIS, "i": EMPHASIS, "code": CODE, "tt": CODE, "kbd": CODE}
NAMING = frozenset(("id", "role", "itemprop"))
LISTS = frozenset(("ul", "ol", "menu", "dir"))
# What the walk does at a tag; at any other, it opens a container.
TEXT, LINE, SKIP, SCRIPT, LINK, MARK, SPAN, THROUGH, MATHS, MORE, OPEN = range(11)
DOES = (
    dict.fromkeys(SKIPPED, SKIP)
    | dict.fromkeys(INLINE, THROUGH)
    | dict.fromkeys(MARKED, MARK)
    | dict.fromkeys((*KINDS, *LISTS, "blockquote", "tr", "td", "th", *HIDING), MORE)
    | {"-text": TEXT, "br": LINE, "script": SCRIPT, "a": LINK, "span": SPAN, "math": MATHS}
)
SPECIAL_HINTS = COPY_OF_MATHS | LINE_NUMBERS
STATEMENTS = 'meta[property="og:type"], meta[property="og:description"], meta[name="description"]'
HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)


@dataclass
class PageBlocks:
    """The blocks of a page (parallel lists, in reading order) and its containers (likewise, the root first)."""

    title: str = ""
    sort: str = ""  # what the page says that it is, in og:type, in lower case
    names: int = 0  # bits of HINTS, of the class names and id of <body>: they speak of the page, not of a part of it
    description: str = ""  # as the page states it for search engines and links to it
    text: list[str] = field(default_factory=list)  # with marks; a PRE block's with its white space
    kind: list[int] = field(default_factory=list)
    container: list[int] = field(default_factory=list)
    link_characters: list[int] = field(default_factory=list)
    links: list[int] = field(default_factory=list)
    layout: list[tuple[int, int, int]] = field(default_factory=list)  # list depth, number in an <ol> or 0, quote depth
    parent: list[int] = field(default_factory=list)  # of a container; the root's is 0
    depth: list[int] = field(default_factory=list)
    hints: list[int] = field(default_factory=list)  # bits of HINTS, the container's own
    path_hints: list[int] = field(default_factory=list)  # those of all containers it lies in, too
    first: list[int] = field(default_factory=list)  # the first block in a container, and the one after its last
    end: list[int] = field(default_factory=list)


def remove_marks(text: str) -> str:
    """Return a block's text without marks; line breaks become new lines."""
    if BREAK in text:
        text = text.replace(BREAK, "\n")
    for mark in (STRONG, EMPHASIS, CODE, AFTER_LINK):
        if mark in text:
            text = text.replace(mark, "")
    return text


def read_page_blocks(html: str) -> PageBlocks:
    """Parse a page and return its blocks. Never raises for what is in the page; time and memory are the parser's."""
    parser = LexborHTMLParser(html, options=LexborDocumentOptions.WO_EVENTS)
    page = DomWalker(parser, everything=False).page
    if sum(map(len, page.text)) < LITTLE_TEXT:
        whole = DomWalker(parser, everything=True).page
        if sum(map(len, whole.text)) > sum(map(len, page.text)):
            page = whole
    read_statements(parser, page)
    return page


def read_statements(parser: LexborHTMLParser, page: PageBlocks) -> None:
    """Fill in what a page says of itself as a whole."""
    title = parser.css_first("title")
    page.title = " ".join(title.text().split())[:500] if title is not None else ""
    if parser.body is not None:
        attributes = parser.body.attributes
        page.names = find_name_hints(" ".join(filter(None, (attributes.get("class"), attributes.get("id")))))
    for meta in parser.head.css(STATEMENTS) if parser.head is not None else ():
        stated = " ".join((meta.attributes.get("content") or "").split())[:500]
        if meta.attributes.get("property") == "og:type":
            page.sort = page.sort or stated.lower()
        elif len(stated) > len(page.description):
            page.description = stated


class DomWalker:
    """One walk over a document, the state of it, and the page it finds."""

    def __init__(self, parser: LexborHTMLParser, everything: bool):
        """Walk the body; `everything` includes hidden, template and noscript content."""
        self.page = PageBlocks()
        self.everything = everything
        self.fragments: list[str] = []
        self.link_characters = self.links = 0
        self.kinds: list[int] = [PARAGRAPH]
        self.container = 0
        self.lists: list[int] = []  # the running number of each open list; -1 for an unordered one
        self.number = self.quotes = self.in_link = self.in_pre = 0
        self.rows: list[tuple[int, int]] = []  # of each open row: its first block, and its container
        self.cells: list[int] = []  # the first block of each cell of the innermost row
        # What comes after each open element, its tag where leaving it means something, its container or -1.
        self.following: list[tuple[LexborNode | None, str, int]] = []
        root = parser.body if parser.body is not None else parser.root
        if root is not None:
            self.open_container(0)  # the class names of <body> speak of the page, not of a part of it
            self.walk(root)
            self.flush()
            self.page.end[0] = len(self.page.text)

    def walk(self, node: LexborNode) -> None:
        """Visit every node in document order: enter on the way down, leave on the way up."""
        following = self.following
        current: LexborNode | None = node.child
        fragments, does_at = self.fragments, DOES.get
        while True:
            while current is None:
                if not following:
                    return
                current, tag, outer = following.pop()
                if outer >= 0:
                    self.close_container(outer)
                if tag:
                    self.leave(tag)
            tag = current.tag or ""
            does = does_at(tag, OPEN)
            if does == TEXT:
                text = current.text_content or ""
                if not text.isspace() or self.in_pre:
                    if self.in_link:
                        self.link_characters += len(text.strip())
                    fragments.append(text)
                elif fragments:
                    fragments.append(" ")
                current = current.next
            elif does == SKIP:
                current = current.next
            elif does >= MORE:
                current = self.open_element(current, tag, does)
            else:
                current = self.pass_inline(current, tag, does)

    def open_element(self, node: LexborNode, tag: str, does: int) -> LexborNode | None:
        """Open a container for an element that begins a block, unless it is hidden; return the node to visit next."""
        hints = self.hints_of(node, tag)
        if hints < 0:
            return node.next
        if self.fragments:
            self.flush()
        outer = self.container
        self.container = self.open_container(hints | TAG_BIT.get(tag, 0))
        self.following.append((node.next, tag if does == MORE else "", outer))
        if does == MORE:
            self.enter(tag, outer)
        if len(self.page.text) > MAX_BLOCKS:
            self.leave_out_rest()
            return None
        return node.child

    def leave_out_rest(self) -> None:
        """Close all containers, so that the walk ends here."""
        self.flush()
        for _, _, outer in self.following[::-1]:
            if outer >= 0:
                self.page.end[self.container] = len(self.page.text)
                self.container = outer
        self.following.clear()

    def close_container(self, outer: int) -> None:
        """End the innermost container, after which `outer` is it."""
        if self.fragments:
            self.flush()
        self.page.end[self.container] = len(self.page.text)
        self.container = outer

    def pass_inline(self, node: LexborNode, tag: str, does: int) -> LexborNode | None:
        """Take in an element that is part of a line; return the node to visit next."""
        if does == THROUGH or (does == SPAN and self.hints_of(node, tag) >= 0):
            self.following.append((node.next, "", -1))
            return node.child
        if does == LINK:
            if self.fragments and self.fragments[-1] == AFTER_LINK:
                self.fragments[-1] = " "  # two links without a space between them are two words
            self.in_link += 1
            self.links += 1
        elif does == MARK:
            if not self.in_pre:
                self.fragments.append(MARKED[tag])
        else:
            self.read_leaf(node, does)
            return node.next
        self.following.append((node.next, tag, -1))
        return node.child

    def read_leaf(self, node: LexborNode, does: int) -> None:
        """Take what an element without a walk of its own says: a line break, maths, or nothing."""
        if does == LINE:
            self.fragments.append("\n" if self.in_pre else BREAK)
        elif does == SCRIPT:
            self.maths_script(node)
        elif does == MATHS:
            self.fragments.append(render_maths(node))

    def hints_of(self, node: LexborNode, tag: str) -> int:
        """Return the hints of an element's names; -1 if it is not shown, or shows what its neighbour says as text."""
        attributes = node.attributes
        if tag in HIDING and not self.everything:
            return -1
        if not attributes:
            return 0
        names = attributes.get("class") or ""
        if tag != "span" and not NAMING.isdisjoint(attributes):
            names = join_names(names, attributes)
        hints = find_name_hints(names) if names else 0
        if hints & SPECIAL_HINTS:
            if hints & COPY_OF_MATHS or (hints & LINE_NUMBERS and holds_only_digits(node)):
                return -1  # rendered maths; numbers beside code, which would not run with them
            hints &= ~LINE_NUMBERS
        shown = self.everything or hints & SOURCE_OF_MATHS or not is_hidden(attributes)
        return hints if shown else -1

    def enter(self, tag: str, outer: int) -> None:
        """Note what an element means for the blocks in it."""
        if tag in KINDS:
            self.kinds.append(KINDS[tag])
            if tag == "pre":
                self.in_pre += 1
            elif tag == "li":
                if self.lists and self.lists[-1] >= 0:
                    self.lists[-1] += 1
                    self.number = self.lists[-1]
                else:
                    self.number = 0
        elif tag in LISTS:
            self.lists.append(0 if tag == "ol" else -1)
        elif tag == "blockquote":
            self.quotes += 1
        elif tag == "tr":
            self.rows.append((len(self.page.text), outer))
            self.cells = []
        elif tag == "td" or tag == "th":
            self.cells.append(len(self.page.text))

    def leave(self, tag: str) -> None:
        """Forget what `enter` noted; end a link or a mark."""
        if tag == "a":
            self.in_link -= 1
            self.fragments.append(AFTER_LINK)
        elif tag in MARKED:
            if not self.in_pre:
                self.fragments.append(MARKED[tag])
        elif tag in KINDS:
            self.kinds.pop()
            if tag == "pre":
                self.in_pre -= 1
        elif tag in LISTS:
            self.lists.pop()
        elif tag == "blockquote":
            self.quotes -= 1
        elif tag == "tr":
            self.join_row(*self.rows.pop())

    def open_container(self, hints: int) -> int:
        """Add a container and return its number."""
        page, parent = self.page, self.container
        number, start = len(page.parent), len(page.text)
        page.parent.append(parent)
        page.depth.append(page.depth[parent] + 1 if number else 0)
        page.hints.append(hints)
        page.path_hints.append(hints | page.path_hints[parent] if number else 0)
        page.first.append(start)
        page.end.append(start)
        return number

    def maths_script(self, node: LexborNode) -> None:
        """Take LaTeX from a MathJax script; other scripts are left out."""
        kind = (node.attributes.get("type") or "").lower()
        if kind.startswith("math/tex") or kind.startswith("math/latex"):
            latex = " ".join(node.text().split())
            self.fragments.append(f" $${latex}$$ " if "display" in kind else f"${latex}$")

    def flush(self) -> None:
        """End the block that is being read."""
        text = "".join(self.fragments)
        self.fragments.clear()
        if AFTER_LINK in text:
            text = text.replace(AFTER_LINK, "")
        links, link_characters, kind = self.links, self.link_characters, self.kinds[-1]
        self.links = self.link_characters = 0
        if kind == PRE:
            text = text.strip("\r\n").rstrip()
            if text.strip():
                self.add(text, kind, link_characters, links)
            return
        text = " ".join(text.split())
        if BREAK in text:
            for piece in split_breaks(text):
                share = len(piece) / len(text)
                self.add(piece, kind, round(link_characters * share), round(links * share))
                if kind == ITEM:
                    kind = self.kinds[-1] = PARAGRAPH  # what follows in the same item
        elif text and not (text[0] in NOTHING and not text.strip(ALL_NOTHING)):
            self.add(text, kind, link_characters, links)
            if kind == ITEM:
                self.kinds[-1] = PARAGRAPH

    def add(self, text: str, kind: int, link_characters: int, links: int) -> None:
        """Add a block."""
        page = self.page
        page.text.append(text)
        page.kind.append(kind)
        page.container.append(self.container)
        page.link_characters.append(min(len(text), link_characters))
        page.links.append(links)
        page.layout.append((len(self.lists), self.number, self.quotes))

    def join_row(self, start: int, outer: int) -> None:
        """Join the cells of a data row into one block: two cells or more, at most one plain block in each."""
        page = self.page
        count = len(page.text) - start
        cells, self.cells = self.cells, []
        if count < 2 or self.rows or count > len(cells) or any(kind >= PRE for kind in page.kind[start:]):
            return
        starts = [cell for cell in cells if cell < len(page.text)]
        if (
            sum(map(len, page.text[start:])) > LONGEST_ROW
            or len({*starts}) != count
            or BREAK in "".join(page.text[start:])
        ):
            return
        row = " | ".join(page.text[start:])
        links, characters = sum(page.links[start:]), sum(page.link_characters[start:])
        for column in (page.text, page.kind, page.container, page.links, page.link_characters, page.layout):
            del column[start + 1 :]
        page.text[start], page.kind[start], page.container[start] = row, ROW, outer
        page.links[start], page.link_characters[start] = links, characters
        for number in range(len(page.first) - 1, outer, -1):
            if page.first[number] < start:
                break
            page.first[number], page.end[number] = start, start + 1


def join_names(names: str, attributes: Mapping[str, str | None]) -> str:
    """Return class names with the values of the other attributes that name an element, in any order."""
    return " ".join([names, *(attributes[key] or "" for key in NAMING if key in attributes)])


def is_hidden(attributes: Mapping[str, str | None]) -> bool:
    """Tell whether an element's attributes hide it."""
    return "hidden" in attributes or ("style" in attributes and bool(HIDDEN_STYLE.search(attributes["style"] or "")))


def holds_only_digits(node: LexborNode) -> bool:
    """Tell whether the text of an element is digits and white space, with one digit at least."""
    found = False
    for inner in node.traverse(include_text=True):
        text = "".join((inner.text_content or "").split()) if inner.tag == "-text" else ""
        if text and not text.isdigit():
            return False
        found = found or bool(text)
    return found


def split_breaks(text: str) -> list[str]:
    """Split a block's text where two line breaks follow each other; take those at its ends away."""
    pieces = re.split(f"(?:{BREAK}\\s*){{2,}}", text)
    pieces = [re.sub(f"\\s*{BREAK}\\s*", BREAK, piece).strip(f" {BREAK}") for piece in pieces]
    return [piece for piece in pieces if piece.strip(ALL_NOTHING)]


def render_maths(node: LexborNode) -> str:
    """Return a <math> element as LaTeX between dollar signs: its own LaTeX where it has it, else translated."""
    latex = read_annotation(node) or translate_to_latex(node)
    latex = " ".join(latex.split())
    if latex.startswith("{\\displaystyle") and latex.endswith("}"):
        latex = latex[len("{\\displaystyle") : -1].strip()
    if not latex:
        return ""
    return f" $${latex}$$ " if node.attributes.get("display") == "block" else f"${latex}$"
