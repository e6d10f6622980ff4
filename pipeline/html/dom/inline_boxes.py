"""What the parser's objects around an inline element tell: whether it is a box of its own, and its short text."""

import re
from collections.abc import Mapping
from itertools import islice

from selectolax.lexbor import LexborNode

from pipeline.html.dom.dom_table import INLINE
from pipeline.html.elements.superscripts import LONGEST_SCRIPT
from pipeline.html.main_content.blocks import AFTER_LINK, CODE, EMPHASIS, STRONG

SHOWN_APART = frozenset("span b strong em i code small label time data a output mark abbr var tt kbd samp".split())
FLOWING = frozenset("p h1 h2 h3 h4 h5 h6 b strong em i u font blockquote sup sub code pre".split())
BOXES = frozenset("span small label time data a output code kbd samp".split())
FEW_SIBLINGS = 12  # nodes that are looked at around an element
MARKS_ALONE = frozenset((STRONG, EMPHASIS, CODE, AFTER_LINK))
FLOWING_NAMES = re.compile(r"c\d+|[a-z]{1,3}\d+")  # class names that programs number: fonts, not boxes


def ends_in_letter(fragments: list[str]) -> bool:
    """Tell whether the text that is being read ends in a letter or digit, marks apart."""
    last = fragments[-1]
    if last in MARKS_ALONE and len(fragments) > 1:
        last = fragments[-2]
    return last[-1:].isalnum()


def is_shown_apart(node: LexborNode, tag: str) -> bool:
    """Tell whether an inline element of SHOWN_APART is a box beside the one before it, so that their words are two.

    Without style sheets this is a guess: both hold more than a letter, there is no text around them but in such
    elements, and the element around them is no paragraph or heading, whose parts flow.
    """
    before = find_node_before(node)
    if before is None or before.tag not in SHOWN_APART or (tag not in BOXES and before.tag not in BOXES):
        return False
    parent = node.parent
    if parent is None or is_flowing(parent) or holds_own_text(parent):
        return False
    if not is_inline_box(before, read_first_text(before)):
        return False
    text = read_first_text(node)
    return text[:1].isalnum() and is_inline_box(node, text)


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


def is_inline_box(node: LexborNode, text: str) -> bool:
    """Tell whether an inline element, whose first text is given, may be a box: it holds more than a letter, and is not
    there for its font.
    """
    if len(text) < 2:
        return False
    attributes = node.attributes
    names = attributes.get("class") or ""
    return not (("style" in attributes and not names) or FLOWING_NAMES.fullmatch(names))


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
