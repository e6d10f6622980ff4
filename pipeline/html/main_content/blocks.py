"""A page's blocks and containers, and the marks in their texts.

A block is a run of text between two tags that break a line on the screen; a small table row is one block. Each knows
its kind, its container (the element around it) and how much of it is link. Containers know their parent, what their
tags and class names hint at, and which blocks they span.
"""

import re
from dataclasses import dataclass, field

from pipeline.html.main_content.page_facts import FACTS

# Marks in a block's text that no page's own text has a use for; `remove_marks` takes them out.
BREAK, STRONG, EMPHASIS, CODE, AFTER_LINK, CELL = "\x01", "\x02", "\x03", "\x04", "\x05", "\x06"
MARKS = re.compile("[\x01-\x06]")
BETWEEN_CELLS = " | "  # what a CELL mark is in text
ALL_NOTHING = "\x01\x02\x03\x04\x05\x06 \u200b\u200c\u200d\u2060\ufeff"  # a block of nothing else shows nothing
NOTHING = frozenset(ALL_NOTHING)

# Kinds of blocks. Headings are 1 to 6.
PARAGRAPH, ITEM, PRE, ROW, TERM, DEFINITION, CAPTION, BUTTON = 0, 7, 8, 9, 10, 11, 12, 13
KINDS = {f"h{level}": level for level in range(1, 7)} | {
    "li": ITEM, "pre": PRE, "listing": PRE, "xmp": PRE, "plaintext": PRE, "dt": TERM, "dd": DEFINITION,
    "figcaption": CAPTION, "caption": CAPTION, "summary": CAPTION, "button": BUTTON,
}  # fmt: skip


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
