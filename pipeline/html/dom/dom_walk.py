"""A page's text as blocks: one walk over the table of its nodes, without recursion. With dom_walk.pxd it is compiled.

What no reader sees (scripts, forms' options, hidden elements) is left out, unless the page has hardly any text without
it.
"""

import re
from collections.abc import Mapping

from selectolax.lexbor import LexborHTMLParser, LexborNode

from pipeline.html.dom.dom_table import (
    HIDING,
    IMAGE,
    INLINE,
    LINE,
    LINK,
    LINK_TOLD,
    LISTS,
    MARK,
    MORE,
    NAMED,
    NO_ATTRIBUTES,
    OPEN,
    RAISED,
    SCRIPT,
    SKIP,
    SPACE,
    SPANS,
    TEXT,
    TOLD,
    NodeRows,
)
from pipeline.html.dom.inline_boxes import SHOWN_APART, ends_in_letter, is_shown_apart, read_short_text
from pipeline.html.dom.name_hints import read_names
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
from pipeline.html.elements.hidden_text import (
    HIDDEN,
    KNOWN_STYLES,
    MAX_FRAME,
    PRESERVES,
    SHOWN,
    UNSEEN,
    classify_visibility,
)
from pipeline.html.elements.mathml import read_image_latex, render_copied_maths, render_maths
from pipeline.html.elements.script_text import is_script_text
from pipeline.html.elements.superscripts import is_note, write_subscript, write_superscript
from pipeline.html.elements.table_rows import PRESENTATION, JoinedRow, OpenTable, plan_rows
from pipeline.html.main_content.blocks import (
    AFTER_LINK,
    ALL_NOTHING,
    BREAK,
    CAPTION,
    CELL,
    CODE,
    DEFINITION,
    EMPHASIS,
    ITEM,
    KINDS,
    MARKS,
    NOTHING,
    PARAGRAPH,
    PRE,
    ROW,
    STRONG,
    TERM,
    PageBlocks,
)
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
    TAG_BIT,
    TOGGLE,
    UNSEEN_NAME,
)

MAX_BLOCKS = 100_000  # the rest of a page beyond that is left out

# Signs of a link to the heading, term or item that they end: a pilcrow, two forms of a chain
PERMALINKS = ("\u00b6", "\U0001f517", "\uf0c1")

TOGGLES = ("aria-expanded", "data-toggle", "data-bs-toggle")  # attributes of a button that opens what follows it
SAME_CELL = frozenset((PARAGRAPH, PRE, ITEM, TERM, DEFINITION, CAPTION))  # kinds that may share a cell of a data row

PROSE = frozenset("p h1 h2 h3 h4 h5 h6 pre blockquote figure tr td th table tbody thead".split())  # never parallel
NEVER_OPENED = INLINE - {"span"}  # hidden ones of these are not shown later
MARKED = {"strong": STRONG, "b": STRONG, "em": EMPHASIS, "i": EMPHASIS, "code": CODE, "tt": CODE, "kbd": CODE}
NAMES_IN_ORDER = ("id", "role", "itemprop")
TAG_BITS = TAG_BIT | {"pre": PRESERVED}
CODE_TAGS = frozenset(("pre", "table", "ol"))  # which may hold code whatever their names say
OPENS = re.compile(r"tab(?!le)|panel|accord|collaps|faq|answer|toggle|expand|more|details|^S:\d", re.I)
BREAKS = re.compile(f"(?:{BREAK}\\s*){{2,}}")
AROUND_BREAK = re.compile(f"\\s*{BREAK}\\s*")
PUNCTUATION = frozenset(".,;:!?)")

Block = tuple[str, int, int, int, int, tuple[int, int, int]]  # text, kind, container, link_characters, links, layout
Look = tuple[str, int, int, tuple[int, ...]]  # tag, sign, hints, name_values: what is known of an element by itself
NO_LOOK: Look = ("p", 0, 0, NO_VALUES)
PLAIN_LINK: Look = ("a", 0, 0, NO_VALUES)


class DomWalker:
    """One walk over a document, the state of it, and the page it finds. Nodes are rows of a table."""

    def __init__(self, parser: LexborHTMLParser, table: NodeRows, everything: bool):
        """Prepare the walk; `everything` includes hidden, template and noscript content."""
        self.parser, self.table, self.everything = parser, table, everything
        self.does, self.after, self.bits, self.tags = table.does, table.ends, table.bits, table.tags
        self.read_text, self.read_class = table.read_text, table.read_names
        self.page = PageBlocks()
        self.blocks: list[Block] = []  # PageBlocks' columns, as rows
        self.parents, self.firsts, self.ends = self.page.parent, self.page.first, self.page.end
        self.container_tags, self.container_signs = self.page.tag, self.page.sign
        self.container_hints, self.container_values = self.page.hints, self.page.name_values
        self.known_looks: dict[tuple[str, str | None], Look] = {}  # of plain elements, by tag and class names
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
        self.signs: dict[tuple[str, str | None], int] = {}
        # Of each open element: the row after it, its tag where leaving it means something, its container or -1.
        self.following: list[tuple[int, str, int]] = []
        self.next_end = -1  # the row after the innermost open element

    def read_page(self) -> PageBlocks:
        """Walk over all rows, and return the page."""
        self.open_container(NO_LOOK)  # the class names of <body> speak of the page, not of a part of it
        self.walk()
        self.flush()
        self.ends[0] = len(self.blocks)
        self.fill_page()
        return self.page

    def walk(self) -> None:
        """Visit every node in document order: enter on the way down, leave on the way up."""
        fragments, all_does, tags = self.fragments, self.does, self.tags
        row, rows = 0, len(tags)
        while True:
            while self.next_end == row:
                self.close_element()
            if row >= rows:
                return
            does = all_does[row]
            if does == SPACE and not self.in_pre:
                if fragments:
                    fragments.append(" ")
                row += 1
            elif does <= TEXT:
                self.take_text(row)
                row += 1
            elif does >= MORE:
                row = self.open_element(row, tags[row], does)
            elif does == SKIP:
                row += 1
            else:
                row = self.pass_inline(row, tags[row], does)

    def take_text(self, row: int) -> None:
        """Take a text."""
        text = self.read_text(row)
        if self.in_pre:
            self.read_code(row, text)
        elif text.isspace():
            if self.fragments:
                self.fragments.append(" ")
        else:
            if self.in_link:
                self.link_characters += len(text.strip())
            self.fragments.append(text)

    def close_element(self) -> None:
        """Leave the innermost open element."""
        _, tag, outer = self.following.pop()
        self.next_end = self.following[-1][0] if self.following else -1
        if outer >= 0:
            if self.fragments:
                self.flush()
            self.ends[self.container] = len(self.blocks)
            self.container = outer
        if tag:
            self.leave(tag)

    def enter_row(self, row: int, tag: str, outer: int) -> int:
        """Note that an element is open, by the tag that is to be left and its container; return the row to visit."""
        self.next_end = self.after[row]
        self.following.append((self.next_end, tag, outer))
        return row + 1

    def open_element(self, row: int, tag: str, does: int) -> int:
        """Open a container for an element that begins a block, unless it is hidden; return the row to visit next."""
        look = self.find_look(row, tag)
        if look is None:
            return self.after[row]
        if self.in_pre:
            if tag == "td" and is_beside_code(self.table.make_node(row)):
                return self.after[row]
            if self.enter_line(row, tag):
                return row + 1
        if self.fragments:
            self.flush()
        outer = self.container
        self.container = self.open_container(look)
        hints = look[2]
        if does == OPEN and hints < FIRST_SPECIAL_BIT:
            self.enter_row(row, "", outer)
        elif not self.in_pre and self.begins_code(row, tag, hints):
            self.enter_code(row, outer, bool(hints & PRESERVED))
        elif does == MORE:
            self.enter_row(row, tag, outer)
            self.enter(row, tag, outer)
        elif hints & TOGGLE:
            self.enter_row(row, "summary", outer)
            self.enter(row, "summary", outer)
        else:
            self.enter_row(row, "", outer)
        if len(self.blocks) > MAX_BLOCKS:
            self.leave_out_rest()
            return len(self.tags)
        return row + 1

    def find_look(self, row: int, tag: str) -> Look | None:
        """Return what is known of an element by itself, as `look_at` does."""
        names = self.read_class(row)
        bits = self.bits[row] & (NAMED | TOLD)
        if bits:
            return self.look_at(row, tag, names, bits)
        return self.known_looks.get((tag, names)) or self.look_at(row, tag, names, 0)

    def begins_code(self, row: int, tag: str, hints: int) -> bool:
        """Tell whether an element holds code, line by line."""
        if tag not in CODE_TAGS and not hints & CODE_NAME:
            return False
        if tag == "pre":
            return True
        node = self.table.make_node(row)
        if tag == "table":
            return is_code_table(node)
        if tag in LISTS:
            named = bool(hints & CODE_NAME)
            return (tag == "ol" or named) and is_code_list(node, self.read_class(row) or "")
        return bool(hints & PRESERVED) or is_code_box(node)

    def enter_code(self, row: int, outer: int, preserved: bool) -> None:
        """Begin a block of code; `preserved` says that line breaks of the source are shown in it."""
        self.enter_row(row, "pre", outer)
        self.kinds.append(PRE)
        self.in_pre += 1
        self.preserved = preserved

    def enter_line(self, row: int, tag: str) -> bool:
        """Enter an element inside of code that is a line of it, or arranges lines; tell whether it is one."""
        if tag in LINE_TAGS:
            self.fragments.append(LINE_BEGINS)
            self.enter_row(row, LINE_ENDS, -1)
        elif tag in ARRANGING_TAGS or tag == "pre" or "-" in tag:
            self.enter_row(row, "", -1)
        else:
            return False
        return True

    def read_code(self, row: int, text: str) -> None:
        """Take a text inside of code."""
        if text.isspace():
            parent = self.table.make_node(row).parent if "\n" in text else None
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
        self.next_end = -1

    def pass_inline(self, row: int, tag: str, does: int) -> int:
        """Take in an element that is part of a line; return the row to visit next."""
        if does <= IMAGE:
            self.read_leaf(row, tag, does)
            return row + 1
        look = self.look_at_inline(row, tag, does)
        if look is None:
            return self.after[row]
        fragments = self.fragments
        if self.begins_apart(row, tag):
            fragments.append(" ")
        if does == LINK:
            if fragments and fragments[-1] == AFTER_LINK:
                fragments[-1] = " "  # two links without a space between them are two words
            self.in_link += 1
            self.links += 1
            return self.enter_row(row, tag, -1)
        if does == MARK:
            return self.enter_mark(row, tag, look)
        if does == RAISED and self.read_raised(row, tag):
            return self.after[row]
        return self.enter_row(row, "", -1)

    def begins_apart(self, row: int, tag: str) -> bool:
        """Tell whether an inline element is a box beside what was read last."""
        if self.in_pre or not self.fragments or tag not in SHOWN_APART or not ends_in_letter(self.fragments):
            return False
        return is_shown_apart(self.table.make_node(row), tag)

    def look_at_inline(self, row: int, tag: str, does: int) -> Look | None:
        """Return what is known of an element that is part of a line, as `look_at` does; note that it opens text."""
        names = self.read_class(row)
        if does == LINK and not self.bits[row] & LINK_TOLD and not is_telling_name(names):
            return PLAIN_LINK
        bits = self.bits[row] & (NAMED | TOLD)
        look = None if bits else self.known_looks.get((tag, names))
        if look is None:
            look = self.look_at(row, tag, names, bits)
            if look is not None and look[2] & TOGGLE:
                self.opens_text = True
        return look

    def enter_mark(self, row: int, tag: str, look: Look) -> int:
        """Begin a marked part of a line, or a block of code; return the row to visit next."""
        if not self.in_pre:
            if MARKED[tag] == CODE and holds_breaks(self.table.make_node(row)):
                return self.open_inline_code(row, look[3])
            self.fragments.append(MARKED[tag])
        return self.enter_row(row, tag, -1)

    def open_inline_code(self, row: int, name_values: tuple[int, ...]) -> int:
        """Open a block for an inline element that holds lines of code; return the row to visit next."""
        self.flush()
        outer = self.container
        self.container = self.open_container(("pre", 0, 0, name_values))
        self.enter_code(row, outer, False)
        return row + 1

    def read_leaf(self, row: int, tag: str, does: int) -> None:
        """Take what an element without a walk of its own says: a line break, maths, or nothing."""
        if does == LINE:
            self.fragments.append("\n" if self.in_pre and self.preserved else BREAK)
        elif does == SCRIPT:
            self.read_maths_script(row)
        elif does == IMAGE:
            if latex := read_image_latex(self.table.make_node(row), self.table.read_attributes(row)):
                self.fragments.append(latex)
        elif tag == "math":
            self.fragments.append(render_maths(self.table.make_node(row)))
        else:
            self.read_copied_maths(self.table.make_node(row))

    def read_copied_maths(self, node: LexborNode) -> None:
        """Take the MathML that goes with a rendered formula, unless the page has its formulas in scripts."""
        if self.maths_scripts is None:
            self.maths_scripts = self.parser.css_first('script[type^="math/"]') is not None
        if not self.maths_scripts:
            self.fragments.append(render_copied_maths(node))

    def read_raised(self, row: int, tag: str) -> bool:
        """Take a raised or lowered text as plain text says it; False for one that is more than a script."""
        node = self.table.make_node(row)
        text, linked = read_short_text(node)
        if text is None:
            return False
        fragments, following = self.fragments, node.next
        before = MARKS.sub("", "".join([fragment[-64:] for fragment in fragments[-4:]]))
        after = (following.text_content or "")[:2] if following is not None and following.tag == "-text" else ""
        if tag == "sub":
            written = write_subscript(text, before)
        elif is_note(node.attributes, linked, text):
            written = ""
        else:
            written = write_superscript(text, before, after)
        if written:
            self.link_characters += len(written) if self.in_link else 0
            fragments.append(written)
        elif fragments and after[:1] in PUNCTUATION:
            fragments[-1] = fragments[-1].rstrip()
        return True

    def look_at(self, row: int, tag: str, class_names: str | None, bits: int) -> Look | None:
        """Return what is known of an element by its tag, names and state; None if it is not shown, or shows what its
        neighbour says as text. `bits`: whether it is NAMED and TOLD.
        """
        if tag in HIDING and not self.everything:
            return None
        attributes, names = NO_ATTRIBUTES, class_names
        named = bits & NAMED and tag != "span" and tag != "a"  # the parts of a line have names of their own
        if named or bits & TOLD:
            attributes = self.table.read_attributes(row)
        if named:
            names = join_names(attributes)
        hints, values = read_names(names) if names else (0, NO_VALUES)
        if hints >= FIRST_SPECIAL_BIT and self.is_left_out(row, hints):
            return None
        if bits & TOLD and not hints & SOURCE_OF_MATHS:
            hints = self.hints_of_attributes(row, tag, hints, attributes)
            if hints < 0:
                return None
        return self.make_look(tag, class_names, hints, values, bits)

    def make_look(self, tag: str, class_names: str | None, hints: int, values: tuple[int, ...], bits: int) -> Look:
        """Return a look, and keep that of a plain element, which all of its tag and class names have."""
        key = (tag, class_names)
        sign = 0 if tag in PROSE else self.signs.setdefault(key, len(self.signs) + 1)
        look = (tag, sign, hints | TAG_BITS.get(tag, 0), values)
        if not bits and hints < FIRST_SPECIAL_BIT:
            self.known_looks[key] = look
        return look

    def is_left_out(self, row: int, hints: int) -> bool:
        """Tell whether an element is left out for its names: words for screen readers, numbers beside code, which
        would not run with them, and rendered formulas, of which the MathML in them is taken.
        """
        if hints & COPY_OF_MATHS:
            self.read_copied_maths(self.table.make_node(row))
            return True
        if hints & SOURCE_OF_MATHS:
            return False
        return bool(hints & UNSEEN_NAME) or (
            bool(hints & LINE_NUMBERS) and holds_only_digits(self.table.make_node(row))
        )

    def hints_of_attributes(self, row: int, tag: str, hints: int, attributes: Mapping[str, str | None]) -> int:
        """Return an element's hints with what its role, style and state add; -1 if they hide it."""
        if "aria-expanded" in attributes or "data-toggle" in attributes or attributes.get("role") == "button":
            hints |= TOGGLE
        if not may_be_hidden(attributes):
            return hints
        inner = self.tags[row : min(self.after[row], row + MAX_FRAME)]
        seen = classify_visibility(attributes, self.table.make_node(row), inner)
        if seen == PRESERVES:
            return hints | CODE_NAME | PRESERVED
        if seen == UNSEEN or (seen == HIDDEN and tag in NEVER_OPENED):
            return -1
        if seen == HIDDEN and not self.everything:
            return hints | CLOSED_BIT if not hints & NEVER_OPENS and opens_later(attributes) else -1
        return hints

    def enter(self, row: int, tag: str, outer: int) -> None:
        """Note what an element means for the blocks in it."""
        if tag in KINDS:
            self.kinds.append(self.find_kind(row, tag))
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
            role = (self.table.read_attributes(row).get("role") or "").lower() if self.bits[row] & TOLD else ""
            self.tables.append(OpenTable(self.container, len(self.blocks), role in PRESENTATION))
        elif self.tables:
            table = self.tables[-1]
            if tag == "tr":
                table.open_row(outer, len(self.blocks))
            else:
                table.headed = table.headed or tag == "th"
                spans = self.table.read_attributes(row) if self.bits[row] & SPANS else NO_ATTRIBUTES
                table.open_cell(spans, len(self.blocks))

    def find_kind(self, row: int, tag: str) -> int:
        """Return the kind of blocks in an element; a button that opens text is its title."""
        if tag == "caption" and self.tables:
            self.tables[-1].headed = True
        if tag == "button":
            if 1 <= self.kinds[-1] <= 6 or self.kinds[-1] in (TERM, CAPTION):
                return self.kinds[-1]
            attributes = self.table.read_attributes(row)
            if any(name in attributes for name in TOGGLES):
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
        start, number = len(self.blocks), len(self.parents)
        tag, sign, hints, values = look
        self.parents.append(self.container)
        self.firsts.append(start)
        self.ends.append(start)
        self.container_tags.append(tag)
        self.container_signs.append(sign)
        self.container_hints.append(hints)
        self.container_values.append(values)
        return number

    def fill_page(self) -> None:
        """Hand the blocks over to the page, as columns."""
        page = self.page
        if self.blocks:
            page.text, page.kind, page.container, page.link_characters, page.links, page.layout = map(
                list, zip(*self.blocks, strict=True)
            )

    def read_maths_script(self, row: int) -> None:
        """Take LaTeX from a MathJax script; other scripts are left out."""
        kind = (self.table.read_attributes(row).get("type") or "").lower()
        if kind.startswith("math/tex") or kind.startswith("math/latex"):
            latex = " ".join(self.table.make_node(row).text().split())
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
        else:
            self.add_text(text, kind, link_characters, links)

    def add_text(self, text: str, kind: int, link_characters: int, links: int) -> None:
        """Add what was read as blocks, with single spaces; nothing for what shows nothing, or is a script."""
        text = text.strip()
        if "  " in text or not text.isprintable():  # as no white space is but the space
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


def join_names(attributes: Mapping[str, str | None]) -> str:
    """Return class names with the values of the other attributes that name an element, in a fixed order."""
    names = attributes.get("class") or ""
    for key in NAMES_IN_ORDER:
        value = attributes.get(key)
        if value:
            names += " " + value
    return names


def is_telling_name(names: str | None) -> bool:
    """Tell whether the class names of a link may say that it holds words for screen readers."""
    return names is not None and ("sr-" in names or "creen" in names or "isually" in names)


def may_be_hidden(attributes: Mapping[str, str | None]) -> bool:
    """Tell whether attributes may hide an element: a quick look, which passes over styles known to hide nothing."""
    style = attributes.get("style")
    return "hidden" in attributes or (style is not None and KNOWN_STYLES.get(style) != SHOWN)


def is_beside_code(cell: LexborNode) -> bool:
    """Tell whether a cell inside of code holds no code but the number of a line."""
    following = cell.next
    while following is not None and following.tag == "-text":
        following = following.next
    return following is not None and following.tag == "td" and is_number_cell(cell)


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
    pieces = [AROUND_BREAK.sub(BREAK, piece).strip(f" {BREAK}") for piece in BREAKS.split(text)]
    return [piece for piece in pieces if piece.strip(ALL_NOTHING)]
