"""A page's text as blocks: one walk over the DOM (lexbor through selectolax), without recursion.

A block is a run of text between two tags that break a line on the screen; a small table row is one block. Each knows
its kind, its container (the element around it) and how much of it is link. Containers know their parent, what their
tags and class names hint at, and which blocks they span. What no reader sees (scripts, forms' options, hidden
elements) is left out, unless the page has hardly any text without it.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count, islice

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, LexborNode, create_tag

from pipeline.html.elements.code_blocks import (
    AROUND_NUMBERS,
    ARRANGING_TAGS,
    BETWEEN_LINES,
    LINE_BEGINS,
    LINE_ENDS,
    LINE_TAGS,
    NUMBER,
    arrange_code,
    holds_breaks,
    is_code_box,
    is_code_list,
    is_code_table,
    is_number_cell,
    is_number_column,
)
from pipeline.html.elements.hidden_text import HIDDEN, PRESERVES, UNSEEN, classify_visibility, remove_moved_text
from pipeline.html.elements.script_text import is_script_text
from pipeline.html.elements.superscripts import (
    LONGEST_SCRIPT,
    is_note,
    write_subscript,
    write_superscript,
)
from pipeline.html.elements.table_rows import PRESENTATION, JoinedRow, OpenTable, plan_rows
from pipeline.html.main_content.class_hints import (
    CLOSED_BIT,
    CODE_NAME,
    COPY_OF_MATHS,
    FIRST_SPECIAL_BIT,
    LINE_NUMBERS,
    NEVER_OPENS,
    NO_VALUES,
    PRESERVED,
    SOURCE_OF_MATHS,
    SPECIAL_BITS,
    TAG_BIT,
    TOGGLE,
    UNSEEN_NAME,
    find_name_hints,
    read_names,
)
from pipeline.html.main_content.mathml import read_image_latex, render_copied_maths, render_maths
from pipeline.html.main_content.page_facts import FACTS, find_page_facts

LITTLE_TEXT = 500  # characters; a page with fewer visible ones is read again with its hidden and noscript content
MAX_BLOCKS = 100_000  # the rest of a page beyond that is left out

# Marks in a block's text that no page's own text has a use for; `remove_marks` takes them out.
BREAK, STRONG, EMPHASIS, CODE, AFTER_LINK, CELL = "\x01", "\x02", "\x03", "\x04", "\x05", "\x06"
MARKS = re.compile("[\x01-\x06]")
BETWEEN_CELLS = " | "  # what a CELL mark is in text
ALL_NOTHING = "\x01\x02\x03\x04\x05\x06 \u200b\u200c\u200d\u2060\ufeff"  # a block of nothing else shows nothing
NOTHING = frozenset(ALL_NOTHING)

# Signs of a link to the heading, term or item that they end: a pilcrow, two forms of a chain
PERMALINKS = ("\u00b6", "\U0001f517", "\uf0c1")

# Kinds of blocks. Headings are 1 to 6.
PARAGRAPH, ITEM, PRE, ROW, TERM, DEFINITION, CAPTION, BUTTON = 0, 7, 8, 9, 10, 11, 12, 13
KINDS = {f"h{level}": level for level in range(1, 7)} | {
    "li": ITEM, "pre": PRE, "listing": PRE, "xmp": PRE, "plaintext": PRE, "dt": TERM, "dd": DEFINITION,
    "figcaption": CAPTION, "caption": CAPTION, "summary": CAPTION, "button": BUTTON,
}  # fmt: skip

TOGGLES = ("aria-expanded", "data-toggle", "data-bs-toggle")  # attributes of a button that opens what follows it
SAME_CELL = frozenset((PARAGRAPH, PRE, ITEM, TERM, DEFINITION, CAPTION))  # kinds that may share a cell of a data row

PROSE = frozenset("p h1 h2 h3 h4 h5 h6 pre blockquote figure tr td th table tbody thead".split())  # never parallel
INLINE = frozenset(
    """a abbr acronym b bdi bdo big blink cite code data dfn em font i ins kbd label mark nobr output q rb ruby
    samp small span strong time tt u var""".split()
)
NEVER_OPENED = INLINE - {"span"} | {"a"}  # hidden ones of these are not shown later
SKIPPED = frozenset(
    """-comment -doctype !doctype -cdata-section head script style svg iframe object embed canvas audio video select
    textarea datalist map rp rt rtc input source del s strike track param meta link title base area col colgroup wbr
    progress meter noframes applet frame""".split()
)
HIDING = frozenset(("noscript", "template"))
MARKED = {"strong": STRONG, "b": STRONG, "em": EMPHASIS, "i": EMPHASIS, "code": CODE, "tt": CODE, "kbd": CODE}
TELLING = frozenset(("aria-expanded", "data-toggle", "role", "style", "hidden"))
NAMES_IN_ORDER = ("id", "role", "itemprop")
NAMING = frozenset(NAMES_IN_ORDER)
READ = TELLING | NAMING  # attributes beside the class names
LISTS = frozenset(("ul", "ol", "menu", "dir"))
# What the walk does at a tag; at any other, it opens a container.
TEXT, SKIP, LINE, SCRIPT, MATHS, IMAGE, LINK, MARK, SPAN, THROUGH, RAISED, MORE, OPEN = range(13)
DOES = (
    dict.fromkeys(SKIPPED, SKIP)
    | dict.fromkeys(INLINE, THROUGH)
    | dict.fromkeys(MARKED, MARK)
    | dict.fromkeys((*KINDS, *LISTS, "blockquote", "table", "tr", "td", "th", *HIDING), MORE)
    | {"-text": TEXT, "br": LINE, "script": SCRIPT, "a": LINK, "span": SPAN, "math": MATHS, "img": IMAGE}
    | {"picture": THROUGH, "sup": RAISED, "sub": RAISED, "mjx-container": MATHS}
)
OPENED = frozenset(
    """address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form
    header hgroup hr html legend main nav optgroup option p search section tbody tfoot thead ul""".split()
)  # other tags whose numbers are worth knowing
TAG_BITS = TAG_BIT | {"pre": PRESERVED}
CODE_TAGS = frozenset(("pre", "table", "ol"))  # which may hold code whatever their names say
# What tells of a link that it is hidden, a button or, in its class, words for screen readers.
TOLD_LINKS = frozenset(("style", "data-toggle", "hidden"))
OPENS = re.compile(r"tab(?!le)|panel|accord|collaps|faq|answer|toggle|expand|more|details|^S:\d", re.I)
STATEMENTS = 'meta[property="og:type"], meta[property="og:description"], meta[name="description"]'
SHOWN_APART = frozenset("span b strong em i code small label time data a output mark abbr var tt kbd samp".split())
FLOWING = frozenset("p h1 h2 h3 h4 h5 h6 b strong em i u font blockquote sup sub code pre".split())
BOXES = frozenset("span small label time data a output code kbd samp".split())
FEW_SIBLINGS = 12  # nodes that are looked at around an element
MARKS_ALONE = frozenset((STRONG, EMPHASIS, CODE, AFTER_LINK))
PUNCTUATION = frozenset(".,;:!?)")
FLOWING_NAMES = re.compile(r"c\d+|[a-z]{1,3}\d+")  # class names that programs number: fonts, not boxes


Block = tuple[str, int, int, int, int, tuple[int, int, int]]  # text, kind, container, link_characters, links, layout
Look = tuple[str, int, int, tuple[int, ...]]  # tag, sign, hints, name_values: what is known of an element by itself
NO_LOOK: Look = ("p", 0, 0, NO_VALUES)
PLAIN_LINK: Look = ("a", 0, 0, NO_VALUES)


@dataclass
class PageBlocks:
    """The blocks of a page (parallel lists, in reading order) and its containers (likewise, the root first)."""

    title: str = ""
    sort: str = ""  # what the page says that it is, in og:type, in lower case
    names: int = 0  # bits of HINTS, of the class names and id of <body>: they speak of the page, not of a part of it
    facts: list[float] = field(default_factory=lambda: [0.0] * len(FACTS))  # of its address and its source
    stated: str = ""  # the texts in its JSON-LD
    description: str = ""  # as the page states it for search engines and links to it
    text: list[str] = field(default_factory=list)  # with marks; a PRE block's with its white space
    kind: list[int] = field(default_factory=list)
    container: list[int] = field(default_factory=list)
    link_characters: list[int] = field(default_factory=list)
    links: list[int] = field(default_factory=list)
    layout: list[tuple[int, int, int]] = field(default_factory=list)  # list depth, number in an <ol> or 0, quote depth
    parent: list[int] = field(default_factory=list)  # of a container; the root's is 0
    sign: list[int] = field(default_factory=list)  # one number for each tag with class names; 0 for parts of prose
    tag: list[str] = field(default_factory=list)  # of a container
    name_values: list[tuple[int, ...]] = field(default_factory=list)  # hash values of its class names, id, role
    hints: list[int] = field(default_factory=list)  # bits of HINTS, and special bits, the container's own
    first: list[int] = field(default_factory=list)  # the first block in a container, and the one after its last
    end: list[int] = field(default_factory=list)
    tables: list[tuple[int, int]] = field(default_factory=list)  # likewise, of a data table


@cache
def number_tags() -> dict[int, tuple[int, str]]:
    """Return what the walk does at an element, and the tag, by the parser's number of the tag. It tells a number faster
    than a name.
    """
    known = {create_tag(tag).tag_id: (does, tag) for tag, does in DOES.items() if tag[0].isalpha() and "-" not in tag}
    known |= {create_tag(tag).tag_id: (DOES.get(tag, OPEN), tag) for tag in OPENED}
    body = LexborHTMLParser("<body>text<!-- comment -->").body
    children = body.iter(include_text=True) if body is not None else ()
    return known | {node.tag_id: (DOES.get(node.tag or "", SKIP), node.tag or "") for node in children}


@cache
def number_texts() -> int:
    """Return the parser's number for a text."""
    return next(number for number, (does, _) in number_tags().items() if does == TEXT)


def name_unknown_tag(node: LexborNode) -> tuple[int, str]:
    """Return what the walk does at an element whose tag has no number, and the tag."""
    tag = node.tag or ""
    return DOES.get(tag, OPEN), tag


def remove_marks(text: str) -> str:
    """Return a block's text without marks; line breaks become new lines, cells are parted by bars."""
    if BREAK in text:
        text = text.replace(BREAK, "\n")
    if CELL in text:
        text = text.replace(CELL, BETWEEN_CELLS)
    for mark in (STRONG, EMPHASIS, CODE, AFTER_LINK):
        if mark in text:
            text = text.replace(mark, "")
    return text


def read_page_blocks(html: str, url: str = "") -> PageBlocks:
    """Parse a page and return its blocks. Its address says what type of page it is.

    Never raises for what is in the page; time and memory are the parser's.
    """
    parser = parse_document(html, scripting=True)
    page = DomWalker(parser, everything=False).page
    if sum(map(len, page.text)) < LITTLE_TEXT:
        whole = DomWalker(parse_document(html, scripting=False), everything=True).page
        if sum(map(len, whole.text)) > sum(map(len, page.text)):
            page = whole
    read_statements(parser, page)
    page.facts, page.stated = find_page_facts(html, url)
    return page


def parse_document(html: str, scripting: bool) -> LexborHTMLParser:
    """Parse a page without the text that its style sheets move away. With `scripting`, as browsers do, <noscript> holds
    no elements: one in it that never ends, such as an <iframe/>, cannot take in the rest of the page.
    """
    parser = LexborHTMLParser(html, options=LexborDocumentOptions.WO_EVENTS, scripting=scripting)
    remove_moved_text(parser, html)
    return parser


def read_statements(parser: LexborHTMLParser, page: PageBlocks) -> None:
    """Fill in what a page says of itself as a whole."""
    title = parser.css_first("title")
    page.title = " ".join(title.text().split())[:500] if title is not None else ""
    if parser.body is not None:
        attributes = parser.body.attributes
        names = " ".join(filter(None, (attributes.get("class"), attributes.get("id"))))
        page.names = find_name_hints(names) & ~SPECIAL_BITS
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
        self.blocks: list[Block] = []  # PageBlocks' columns, as rows
        self.looks: list[Look] = []  # of the containers
        self.parents, self.firsts, self.ends = self.page.parent, self.page.first, self.page.end
        self.known_looks: dict[tuple[str, str | None], Look] = {}  # of plain elements, by tag and class names
        self.parser = parser
        self.everything = everything
        self.maths_scripts: bool | None = None  # whether the page has its formulas in scripts, once it is asked
        self.fragments: list[str] = []
        self.link_characters = self.links = 0
        self.kinds: list[int] = [PARAGRAPH]
        self.container = 0
        self.lists: list[int] = []  # the running number of each open list; -1 for an unordered one
        self.number = self.quotes = self.in_link = self.in_pre = 0
        self.opens_text = False  # whether the block that is being read opens what follows it when it is clicked
        self.preserved = True  # whether the code that is being read shows the line breaks of its source
        self.tables: list[OpenTable] = []
        self.signs: dict[tuple[str, str | None], int] = defaultdict(count(1).__next__)
        self.attributes: Mapping[str, str | None] = {}  # of the element that was looked at last
        # What comes after each open element, its tag where leaving it means something, its container or -1.
        self.following: list[tuple[LexborNode | None, str, int]] = []
        root = parser.body if parser.body is not None else parser.root
        if root is not None:
            self.open_container(NO_LOOK)  # the class names of <body> speak of the page, not of a part of it
            self.walk(root)
            self.flush()
            self.ends[0] = len(self.blocks)
            self.fill_page()

    def walk(self, node: LexborNode) -> None:
        """Visit every node in document order: enter on the way down, leave on the way up."""
        following, fragments, blocks, ends = self.following, self.fragments, self.blocks, self.ends
        find_known, text_number = number_tags().get, number_texts()
        following.append((node.child, "", -1))
        while following:
            current, tag, outer = following.pop()
            if outer >= 0:
                if fragments:
                    self.flush()
                ends[self.container] = len(blocks)
                self.container = outer
            if tag:
                self.leave(tag)
            while current is not None:
                number = current.tag_id
                if number == text_number:
                    text = current.text_content or ""
                    if self.in_pre:
                        self.read_code(current, text)
                    elif text.isspace():
                        if fragments:
                            fragments.append(" ")
                    else:
                        if self.in_link:
                            self.link_characters += len(text.strip())
                        fragments.append(text)
                    current = current.next
                    continue
                does, tag = find_known(number) or name_unknown_tag(current)
                if does >= MORE:
                    current = self.open_element(current, tag, does)
                elif does == SKIP:
                    current = current.next
                else:
                    current = self.pass_inline(current, tag, does)

    def open_element(self, node: LexborNode, tag: str, does: int) -> LexborNode | None:
        """Open a container for an element that begins a block, unless it is hidden; return the node to visit next."""
        attributes = self.attributes = node.attributes
        look = self.known_looks.get((tag, attributes.get("class"))) if READ.isdisjoint(attributes) else None
        if look is None:
            look = self.look_at(node, tag)
            if look is None:
                return node.next
        if self.in_pre:
            if is_beside_code(node, tag):
                return node.next
            if self.enter_line(node, tag):
                return node.child
        if self.fragments:
            self.flush()
        outer = self.container
        self.container = self.open_container(look)
        hints = look[2]
        if does == OPEN and hints < FIRST_SPECIAL_BIT:
            self.following.append((node.next, "", outer))
        elif not self.in_pre and self.begins_code(node, tag, hints):
            self.enter_code(node, outer, bool(hints & PRESERVED))
        elif does == MORE:
            self.following.append((node.next, tag, outer))
            self.enter(tag, outer)
        elif hints & TOGGLE:
            self.following.append((node.next, "summary", outer))
            self.enter("summary", outer)
        else:
            self.following.append((node.next, "", outer))
        if len(self.blocks) > MAX_BLOCKS:
            self.leave_out_rest()
            return None
        return node.child

    def begins_code(self, node: LexborNode, tag: str, hints: int) -> bool:
        """Tell whether an element holds code, line by line."""
        if tag not in CODE_TAGS and not hints & CODE_NAME:
            return False
        if tag == "pre":
            return True
        if tag == "table":
            return is_code_table(node)
        if tag in LISTS:
            named = bool(hints & CODE_NAME)
            return (tag == "ol" or named) and is_code_list(node, self.attributes.get("class") or "")
        return bool(hints & PRESERVED) or is_code_box(node)

    def enter_code(self, node: LexborNode, outer: int, preserved: bool) -> None:
        """Begin a block of code; `preserved` says that line breaks of the source are shown in it."""
        self.following.append((node.next, "pre", outer))
        self.kinds.append(PRE)
        self.in_pre += 1
        self.preserved = preserved

    def enter_line(self, node: LexborNode, tag: str) -> bool:
        """Enter an element inside of code that is a line of it, or arranges lines; tell whether it is one."""
        if tag in LINE_TAGS:
            self.fragments.append(LINE_BEGINS)
            self.following.append((node.next, LINE_ENDS, -1))
        elif tag in ARRANGING_TAGS or tag == "pre" or "-" in tag:
            self.following.append((node.next, "", -1))
        else:
            return False
        return True

    def read_code(self, node: LexborNode, text: str) -> None:
        """Take a text inside of code."""
        if text.isspace():
            parent = node.parent if "\n" in text else None
            if parent is not None and parent.tag in BETWEEN_LINES:
                return
        elif self.in_link:
            self.link_characters += len(text.strip())
        is_number = text.strip(AROUND_NUMBERS).isdigit()
        self.fragments.append(f"{NUMBER}{text}{NUMBER}" if is_number else text)

    def leave_out_rest(self) -> None:
        """Close all containers, so that the walk ends here."""
        self.flush()
        for _, _, outer in self.following[::-1]:
            if outer >= 0:
                self.ends[self.container] = len(self.blocks)
                self.container = outer
        self.following.clear()

    def pass_inline(self, node: LexborNode, tag: str, does: int) -> LexborNode | None:
        """Take in an element that is part of a line; return the node to visit next."""
        if does <= IMAGE:
            self.read_leaf(node, tag, does)
            return node.next
        look = self.look_at_inline(node, tag, does)
        if look is None:
            return node.next
        fragments = self.fragments
        if fragments and not fragments[-1][-1:].isspace() and not self.in_pre and is_shown_apart(node, tag, fragments):
            fragments.append(" ")
        if does == LINK:
            if fragments and fragments[-1] == AFTER_LINK:
                fragments[-1] = " "  # two links without a space between them are two words
            self.in_link += 1
            self.links += 1
        elif does == MARK:
            return self.enter_mark(node, tag, look)
        elif does == RAISED and self.read_raised(node, tag):
            return node.next
        else:
            tag = ""
        self.following.append((node.next, tag, -1))
        return node.child

    def look_at_inline(self, node: LexborNode, tag: str, does: int) -> Look | None:
        """Return what is known of an element that is part of a line, as `look_at` does; note that it opens text."""
        attributes = node.attributes
        if does == LINK and not is_told(attributes):
            return PLAIN_LINK
        self.attributes = attributes
        look = self.known_looks.get((tag, attributes.get("class"))) if READ.isdisjoint(attributes) else None
        if look is None:
            look = self.look_at(node, tag)
            if look is not None and look[2] & TOGGLE:
                self.opens_text = True
        return look

    def enter_mark(self, node: LexborNode, tag: str, look: Look) -> LexborNode | None:
        """Begin a marked part of a line, or a block of code; return the node to visit next."""
        if not self.in_pre:
            if MARKED[tag] == CODE and holds_breaks(node):
                return self.open_inline_code(node, look[3])
            self.fragments.append(MARKED[tag])
        self.following.append((node.next, tag, -1))
        return node.child

    def open_inline_code(self, node: LexborNode, name_values: tuple[int, ...]) -> LexborNode | None:
        """Open a block for an inline element that holds lines of code; return the node to visit next."""
        self.flush()
        outer = self.container
        self.container = self.open_container(("pre", 0, 0, name_values))
        self.enter_code(node, outer, preserved=False)
        return node.child

    def read_leaf(self, node: LexborNode, tag: str, does: int) -> None:
        """Take what an element without a walk of its own says: a line break, maths, or nothing."""
        if does == LINE:
            self.fragments.append("\n" if self.in_pre and self.preserved else BREAK)
        elif does == SCRIPT:
            self.maths_script(node)
        elif does == IMAGE:
            if latex := read_image_latex(node):
                self.fragments.append(latex)
        elif tag == "math":
            self.fragments.append(render_maths(node))
        else:
            self.read_copied_maths(node)

    def read_copied_maths(self, node: LexborNode) -> None:
        """Take the MathML that goes with a rendered formula, unless the page has its formulas in scripts."""
        if self.maths_scripts is None:
            self.maths_scripts = self.parser.css_first('script[type^="math/"]') is not None
        if not self.maths_scripts:
            self.fragments.append(render_copied_maths(node))

    def read_raised(self, node: LexborNode, tag: str) -> bool:
        """Take a raised or lowered text as plain text says it; False for one that is more than a script."""
        text, linked = read_short_text(node)
        if text is None:
            return False
        fragments, following = self.fragments, node.next
        before = MARKS.sub("", "".join([fragment[-64:] for fragment in fragments[-4:]]))
        after = (following.text_content or "")[:2] if following is not None and following.tag == "-text" else ""
        if tag == "sub":
            written = write_subscript(text, before)
        elif is_note(self.attributes, linked, text):
            written = ""
        else:
            written = write_superscript(text, before, after)
        if written:
            self.link_characters += len(written) if self.in_link else 0
            fragments.append(written)
        elif fragments and after[:1] in PUNCTUATION:
            fragments[-1] = fragments[-1].rstrip()
        return True

    def look_at(self, node: LexborNode, tag: str) -> Look | None:
        """Return what is known of an element by its tag, names and state, which `self.attributes` are; None if it is
        not shown, or shows what its neighbour says as text.
        """
        attributes = self.attributes
        if tag in HIDING and not self.everything:
            return None
        told = not READ.isdisjoint(attributes)
        names = join_names(tag, attributes) if told else attributes.get("class")
        hints, values = read_names(names) if names else (0, NO_VALUES)
        if hints >= FIRST_SPECIAL_BIT and self.is_left_out(node, hints):
            return None
        if told and not hints & SOURCE_OF_MATHS and not TELLING.isdisjoint(attributes):
            hints = self.hints_of_attributes(node, tag, hints)
            if hints < 0:
                return None
        key = (tag, attributes.get("class"))
        look = (tag, 0 if tag in PROSE else self.signs[key], hints | TAG_BITS.get(tag, 0), values)
        if not told and hints < FIRST_SPECIAL_BIT:
            self.known_looks[key] = look
        return look

    def is_left_out(self, node: LexborNode, hints: int) -> bool:
        """Tell whether an element is left out for its names: words for screen readers, numbers beside code, which
        would not run with them, and rendered formulas, of which the MathML in them is taken.
        """
        if hints & COPY_OF_MATHS:
            self.read_copied_maths(node)
            return True
        if hints & SOURCE_OF_MATHS:
            return False
        return bool(hints & UNSEEN_NAME) or (bool(hints & LINE_NUMBERS) and holds_only_digits(node))

    def hints_of_attributes(self, node: LexborNode, tag: str, hints: int) -> int:
        """Return an element's hints with what its role, style and state add; -1 if they hide it."""
        attributes = self.attributes
        if "aria-expanded" in attributes or "data-toggle" in attributes or attributes.get("role") == "button":
            hints |= TOGGLE
        seen = classify_visibility(attributes, node)
        if seen == PRESERVES:
            return hints | CODE_NAME | PRESERVED
        if seen == UNSEEN or (seen == HIDDEN and tag in NEVER_OPENED):
            return -1
        if seen == HIDDEN and not self.everything:
            return hints | CLOSED_BIT if not hints & NEVER_OPENS and opens_later(attributes) else -1
        return hints

    def enter(self, tag: str, outer: int) -> None:
        """Note what an element means for the blocks in it."""
        if tag in KINDS:
            self.kinds.append(self.find_kind(tag))
            if tag == "li":
                if self.lists and self.lists[-1] >= 0:
                    self.lists[-1] += 1
                    self.number = self.lists[-1]
                else:
                    self.number = 0
        elif tag in LISTS:
            self.lists.append(0 if tag == "ol" else -1)
        elif tag == "blockquote":
            self.quotes += 1
        elif tag == "table":
            if self.tables:
                self.tables[-1].nested = True
            role = (self.attributes.get("role") or "").lower()
            self.tables.append(OpenTable(self.container, len(self.blocks), role in PRESENTATION))
        elif self.tables:
            table = self.tables[-1]
            if tag == "tr":
                table.open_row(outer, len(self.blocks))
            else:
                table.headed = table.headed or tag == "th"
                table.open_cell(self.attributes, len(self.blocks))

    def find_kind(self, tag: str) -> int:
        """Return the kind of blocks in an element; a button that opens text is its title."""
        if tag == "caption" and self.tables:
            self.tables[-1].headed = True
        if tag == "button":
            if 1 <= self.kinds[-1] <= 6 or self.kinds[-1] in (TERM, CAPTION):
                return self.kinds[-1]
            if any(name in self.attributes for name in TOGGLES):
                return CAPTION
        return KINDS[tag]

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
                self.preserved = True
        elif tag in LISTS:
            self.lists.pop()
        elif tag == "blockquote":
            self.quotes -= 1
        elif tag == LINE_ENDS:
            self.fragments.append(LINE_ENDS)
        elif tag == "tr":
            if self.tables:
                self.tables[-1].close_row(len(self.blocks))
        elif tag == "table":
            self.close_table(self.tables.pop())

    def open_container(self, look: Look) -> int:
        """Add a container and return its number."""
        start, looks = len(self.blocks), self.looks
        self.parents.append(self.container)
        self.firsts.append(start)
        self.ends.append(start)
        looks.append(look)
        return len(looks) - 1

    def fill_page(self) -> None:
        """Hand the blocks and the containers over to the page, as columns."""
        page = self.page
        if self.blocks:
            page.text, page.kind, page.container, page.link_characters, page.links, page.layout = map(
                list, zip(*self.blocks, strict=True)
            )
        page.tag, page.sign, page.hints, page.name_values = map(list, zip(*self.looks, strict=True))

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
        if self.opens_text:
            self.opens_text, kind = False, kind or CAPTION
        if kind == PRE:
            self.add_code(text, link_characters, links)
            return
        text = " ".join(text.split())
        if kind and text.endswith(PERMALINKS):
            text = text[:-1].rstrip()
        if ("{" in text or text.endswith(";")) and is_script_text(text):
            return
        if BREAK in text:
            self.add_pieces(text, kind, link_characters, links)
        elif text and not (text[0] in NOTHING and not text.strip(ALL_NOTHING)):
            self.add(text, kind, link_characters, links)
            if kind == ITEM:
                self.kinds[-1] = PARAGRAPH

    def add_code(self, text: str, link_characters: int, links: int) -> None:
        """Add a block of code, unless there is nothing in it or only the numbers of lines beside it."""
        text = arrange_code(text, self.preserved)
        if text and not (self.tables and is_number_column(text)):
            self.add(text, PRE, link_characters, links)

    def add_pieces(self, text: str, kind: int, link_characters: int, links: int) -> None:
        """Add a block for each part of a text that two line breaks part."""
        for piece in split_breaks(text):
            share = len(piece) / len(text)
            self.add(piece, kind, round(link_characters * share), round(links * share))
            if kind == ITEM:
                kind = self.kinds[-1] = PARAGRAPH  # what follows in the same item

    def add(self, text: str, kind: int, link_characters: int, links: int) -> None:
        """Add a block."""
        links_in_text = min(len(text), link_characters)
        layout = (len(self.lists), self.number, self.quotes)
        self.blocks.append((text, kind, self.container, links_in_text, links, layout))

    def close_table(self, table: OpenTable) -> None:
        """Make a block of each row of a data table; the containers in the table span what is left."""
        if table.nested:
            return
        start, read = table.start, self.blocks[table.start :]
        rows = plan_rows(table, [block[0] for block in read], [block[1] for block in read], SAME_CELL)
        if not rows:
            return
        ends = {joined.row.start - start: joined for joined in rows}
        places: list[int] = []  # the new number of each block
        number = 0
        del self.blocks[start:]
        while number < len(read):
            joined = ends.get(number)
            places += [len(self.blocks)] * ((joined.row.end - joined.row.start) if joined else 1)
            self.blocks.append(join_blocks(read[number : len(places)], joined) if joined else read[number])
            number = len(places)
        places.append(len(self.blocks))
        page = self.page
        for container in range(table.container, len(page.first)):
            first, end = page.first[container] - start, page.end[container] - start
            page.first[container] = places[first]
            page.end[container] = places[end - 1] + 1 if end > first else places[first]
        self.page.tables.append((start, len(self.blocks)))


def join_blocks(blocks: list[Block], joined: JoinedRow) -> Block:
    """Return the blocks of a row as one."""
    text = CELL.join(joined.columns)
    if BREAK in text or "  " in text:
        text = CELL.join(" ".join(column.replace(BREAK, " ").split()) for column in joined.columns)
    link_characters, links = sum(block[3] for block in blocks), sum(block[4] for block in blocks)
    return text, ROW, joined.row.container, link_characters, links, blocks[0][5]


def join_names(tag: str, attributes: Mapping[str, str | None]) -> str:
    """Return class names with the values of the other attributes that name an element, unless it is part of a line.

    The order is fixed: that of a set differs from process to process, and with it what is made of the names.
    """
    names = attributes.get("class") or ""
    if tag == "span" or tag == "a" or NAMING.isdisjoint(attributes):
        return names
    return " ".join([names, *(attributes[key] or "" for key in NAMES_IN_ORDER if key in attributes)])


def is_told(attributes: Mapping[str, str | None]) -> bool:
    """Tell whether the attributes of a link are worth reading."""
    if not TOLD_LINKS.isdisjoint(attributes):
        return True
    names = attributes.get("class")
    return names is not None and ("sr-" in names or "creen" in names or "isually" in names)


def is_beside_code(cell: LexborNode, tag: str) -> bool:
    """Tell whether an element inside of code is a cell that holds no code but the number of a line."""
    if tag != "td":
        return False
    following = cell.next
    while following is not None and following.tag == "-text":
        following = following.next
    return following is not None and following.tag == "td" and is_number_cell(cell)


def is_shown_apart(node: LexborNode, tag: str, fragments: list[str]) -> bool:
    """Tell whether an inline element is a box beside the one before it, so that their words are two.

    Without style sheets this is a guess: both hold more than a letter, there is no text around them but in such
    elements, and the element around them is no paragraph or heading, whose parts flow.
    """
    last = fragments[-1]
    if last in MARKS_ALONE and len(fragments) > 1:
        last = fragments[-2]
    before = find_node_before(node) if last[-1:].isalnum() and tag in SHOWN_APART else None
    if before is None or before.tag not in SHOWN_APART or (tag not in BOXES and before.tag not in BOXES):
        return False
    parent = node.parent
    if parent is None or is_flowing(parent) or holds_own_text(parent):
        return False
    if not is_inline_box(before) or not is_inline_box(node):
        return False
    return read_first_text(node)[:1].isalnum()


def find_node_before(node: LexborNode) -> LexborNode | None:
    """Return the node before an element; a <wbr/>, at which a line may break, shows nothing."""
    before = node.prev
    return before.prev if before is not None and before.tag == "wbr" else before


def holds_own_text(node: LexborNode) -> bool:
    """Tell whether an element has a text among its first children."""
    for child in islice(node.iter(include_text=True), FEW_SIBLINGS):
        if child.tag == "-text" and not (child.text_content or "").isspace():
            return True
    return False


def is_inline_box(node: LexborNode) -> bool:
    """Tell whether an inline element may be a box: it holds more than a letter, and is not there for its font."""
    attributes, text = node.attributes, read_first_text(node)
    names = attributes.get("class") or ""
    return not (len(text) < 2 or ("style" in attributes and not names) or FLOWING_NAMES.fullmatch(names))


def is_flowing(node: LexborNode) -> bool:
    """Tell whether the parts of an element, or of the one around an inline element, are like the words of a line."""
    if node.tag in FLOWING or node.tag not in SHOWN_APART:
        return node.tag in FLOWING
    outer = node.parent
    return outer is None or outer.tag in FLOWING


def read_first_text(node: LexborNode) -> str:
    """Return the first text in an element, "" where there is none near its beginning."""
    for inner in islice(node.traverse(include_text=True), FEW_SIBLINGS):
        text = (inner.text_content or "").strip() if inner.tag == "-text" else ""
        if text:
            return text
    return ""


def read_short_text(node: LexborNode) -> tuple[str | None, Mapping[str, str | None] | None]:
    """Return the text of an element and the attributes of a link in it; no text where it is long or more than text."""
    text, linked = "", None
    for inner in islice(node.traverse(include_text=True), FEW_SIBLINGS):
        tag = inner.tag or ""
        if tag == "-text":
            text += inner.text_content or ""
        elif tag == "a":
            linked = linked or inner.attributes
        elif tag not in INLINE and tag not in ("sup", "sub"):
            return None, linked
        if len(text) > LONGEST_SCRIPT + 20:
            return None, linked
    text = " ".join(text.split())
    return (text if len(text) <= LONGEST_SCRIPT else None), linked


def opens_later(attributes: Mapping[str, str | None]) -> bool:
    """Tell whether an element that is hidden at first comes to be seen: the panel of a tab, an answer, a part of the
    page that React streams and then puts in its place.
    """
    return bool(OPENS.search(" ".join(attributes.get(name) or "" for name in ("id", "class", "role"))))


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
