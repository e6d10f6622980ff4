"""What a reader of the shown page does not see: hidden elements, and text that is moved, shrunk or cut out of sight.

`HIDDEN` elements may be shown later (tabs, menus): a page with hardly any text is read again with them. `UNSEEN` ones
are never shown to a reader: spam that crackers hide in pages, labels for screen readers, deleted text. Of style sheets
only the rules count that move text far out of the page.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice

from selectolax.lexbor import LexborHTMLParser, LexborNode

SHOWN, HIDDEN, UNSEEN, PRESERVES = 0, 1, 2, -1  # the last is shown, with the line breaks of its source
FAR = {"px": 500, "pt": 400, "em": 40, "rem": 40, "ex": 80, "cm": 14, "in": 6, "vw": 100, "vh": 100, "%": 100, "": 500}
LONGEST_STYLE = 2000  # characters of a style attribute that are read
MANY_STYLES = 20_000
KNOWN_STYLES: dict[str, int] = {}  # a pure function's cache
LENGTH = re.compile(r"(?<![\w.])-?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(px|pt|r?em|ex|cm|in|vw|vh|%)?(?![\w.])")
OFFSETS = ("left", "top", "right", "bottom", "inset", "margin", "margin-left", "margin-top")
SIZES = ("width", "height", "max-width", "max-height")
NO_CLIP = re.compile(r"rect\(\s*[01](?:px)?(?:[\s,]+[01](?:px)?){3}\s*\)|inset\(\s*(?:[5-9]\d|100)%|circle\(\s*0|"
                     r"polygon\(\s*0(?:px|%)?(?:[\s,]+0(?:px|%)?)*\s*\)")  # fmt: skip
NO_SCALE = re.compile(r"scale[xy3d]*\(\s*0(?:\.0*)?\s*[,)]")
TRANSLATE = re.compile(r"translate[xy3d]*\(\s*(-[^)]*)\)")
# What appears by and by: its first state is no sight, but a reader sees it soon.
APPEARS = re.compile(r"wow|show|anim|fade|aos|reveal|appear|motion|scroll|slide|framer|w-id|elementor|transition", re.I)
MOVEMENTS = ("animation", "transition", "transform", "will-change")
# What opens at a click: the answer of a question, the panel of a tab.
OPENS = re.compile(r"accordion|collaps|panel|toggle|tab|faq|answer|expand|details|drop|content", re.I)
MAX_CHILDREN = 20  # children of an element that are looked at
# What the frame of a page holds, and hidden spam does not: a script fades the whole page in.
FRAME = frozenset(("main", "article", "header", "nav", "footer", "h1"))
MAX_FRAME = 400  # nodes that are looked at for it
CAROUSEL = 10  # times farther must a transformation move: it shows the parts of a strip
GATES = (b"-99", b"000px")  # without which no style sheet moves text out of the page
FAR_RULE = re.compile(
    rb"(?:left|top|right|text-indent|margin-left|margin-top)\s{0,9}:\s{0,9}(?:-\d{1,4})?$"
)  # before a gate
SELECTOR = re.compile(r"[\w-]*(?:[.#][\w-]+)+(?: [\w-]*(?:[.#][\w-]+)+)?")
BEFORE_SELECTORS = (b"{", b"}", b"/", b";", b">")
MAX_SHEET = 200_000  # bytes of a style sheet that are read
MAX_RULES = 30
STANDING = frozenset(("html", "body", "main", "article", "head"))  # never removed as a whole


def classify_visibility(attributes: Mapping[str, str | None], node: LexborNode, tags: Sequence[str]) -> int:
    """Return SHOWN, PRESERVES, HIDDEN or UNSEEN for an element by its `hidden` and `style` attributes. `tags` are those
    of its first MAX_FRAME nodes, itself the first.
    """
    found = HIDDEN if "hidden" in attributes else SHOWN
    style = attributes.get("style") if "style" in attributes else None
    if not style:
        return found
    known = KNOWN_STYLES.get(style)
    if known is None:
        if len(KNOWN_STYLES) >= MANY_STYLES:
            KNOWN_STYLES.clear()
        known = classify_style(style[:LONGEST_STYLE])
        if len(style) <= LONGEST_STYLE:
            KNOWN_STYLES[style] = known
    if known <= UNSEEN:
        return known if known < SHOWN and not found else max(known, found)
    return found if is_shown_later(known, attributes, node, tags) else max(found, UNSEEN)


# Three more results of `classify_style`, which depend on more than the style: text that appears, that opens, and that
# has no size of its own.
MAY_APPEAR, MAY_OPEN, NO_FONT = 3, 4, 5


def classify_style(style: str) -> int:
    """Return what the declarations of a style attribute make of an element."""
    style = style.lower()
    if ":" not in style:
        return SHOWN
    declared = {}
    for declaration in style.split(";"):
        name, _, value = declaration.partition(":")
        declared[name.strip()] = value.replace("!important", "").strip()
    if declared.get("display") == "none" or declared.get("content-visibility") == "hidden":
        return HIDDEN
    if declared.get("visibility") in ("hidden", "collapse"):
        return MAY_APPEAR if "animation" in style else HIDDEN
    if moves_far(declared) or is_cut_away(declared):
        return UNSEEN
    cut = declared.get("overflow", "").startswith(("hidden", "clip"))
    if cut and any(is_tiny(declared.get(size, "")) for size in SIZES):
        return MAY_OPEN
    return classify_appearance(declared, style)


def classify_appearance(declared: Mapping[str, str], style: str) -> int:
    """Return what opacity, scale, size and colour make of an element that has its place in the page."""
    if is_zero(declared.get("opacity", "")):
        return SHOWN if any(word in style for word in MOVEMENTS) else MAY_APPEAR
    if NO_SCALE.search(declared.get("transform", "")):
        return HIDDEN
    if is_tiny(declared.get("font-size", "")):
        return NO_FONT
    background = declared.get("background-color") or declared.get("background")
    if background and declared.get("color") == background != "inherit":
        return UNSEEN
    return PRESERVES if declared.get("white-space") == "pre" else SHOWN


def is_cut_away(declared: Mapping[str, str]) -> bool:
    """Tell whether declarations clip an element to nothing, or strike its text out."""
    lines = declared.get("text-decoration", "") + declared.get("text-decoration-line", "")
    clipped = NO_CLIP.match(declared.get("clip", "")) or NO_CLIP.match(declared.get("clip-path", ""))
    return "line-through" in lines or clipped is not None


def is_shown_later(kind: int, attributes: Mapping[str, str | None], node: LexborNode, tags: Sequence[str]) -> bool:
    """Tell whether a reader comes to see what a style hides at first, or whether its parts have a size of their own."""
    if kind == NO_FONT:
        return any(has_own_size(child) for child in islice(node.iter(), MAX_CHILDREN))
    words = " ".join(attributes.get(name) or "" for name in ("class", "id", "role"))
    if kind == MAY_OPEN:
        return bool("aria-labelledby" in attributes or OPENS.search(words) or attributes.get("role") == "region")
    if APPEARS.search(words) or any(name[:5] == "data-" and APPEARS.search(name) for name in attributes):
        return True
    return not FRAME.isdisjoint(tags)


def has_own_size(node: LexborNode) -> bool:
    """Tell whether an element may set its own font size, which inline boxes do whose parent removes the gaps."""
    attributes = node.attributes
    return "class" in attributes or "font-size" in (attributes.get("style") or "")


def read_lengths(value: str) -> list[tuple[float, str]]:
    """Return the lengths of a value with their units."""
    return [
        (float(match[0][: len(match[0]) - len(match[1] or "")]), match[1] or "") for match in LENGTH.finditer(value)
    ]


def moves_far(declared: Mapping[str, str]) -> bool:
    """Tell whether declarations move an element or its text out of the page.

    A wide strip that is moved by less than its width shows another of its parts, as a carousel does.
    """
    lengths = []
    for name in OFFSETS:
        value = declared.get(name, "")
        if "-" in value and not (name.startswith("margin") and declared.get("left") == "50%"):
            lengths += [(-number, unit) for number, unit in read_lengths(value)]
    lengths += [(abs(number), unit) for number, unit in read_lengths(declared.get("text-indent", ""))]
    if "-" in declared.get("transform", ""):
        moved = [length for value in TRANSLATE.findall(declared["transform"]) for length in read_lengths(value)]
        lengths += [(-number / CAROUSEL, unit) for number, unit in moved if unit != "%"]
    far = max((number / FAR[unit] for number, unit in lengths), default=0)
    if far < 1:
        return False
    width = max((number / FAR[unit] for number, unit in read_lengths(declared.get("width", ""))), default=0)
    return width < far


def is_tiny(value: str) -> bool:
    """Tell whether a size is at most a pixel."""
    match = LENGTH.fullmatch(value)
    return bool(match) and (is_zero(value) or value in ("1px", "1pt", ".1px", "0.1px"))


def is_zero(value: str) -> bool:
    """Tell whether a number, with or without a unit, is zero."""
    digits = value.rstrip("pxtrem%vhw ")
    return bool(digits) and not digits.strip("0.")


def remove_moved_text(parser: LexborHTMLParser, source: bytes) -> None:
    """Remove the elements that a style sheet in the page moves far out of it, by rules with simple selectors."""
    for selector in find_moving_rules(source):
        for node in reversed(parser.css(selector)):  # the inner ones first: an element goes with all that it holds
            if node.tag not in STANDING:
                node.decompose()


def find_moving_rules(source: bytes) -> list[str]:
    """Return the simple selectors of rules that move text far out of the page, at most MAX_RULES. Linear time.

    `source` is the page in UTF-8, in which words are found faster than in a str.
    """
    found: dict[str, None] = {}
    position = source.find(b"<style")
    while position >= 0 and len(found) < MAX_RULES:
        start = source.find(b">", position, position + 300)
        end = source.find(b"</", start, start + MAX_SHEET) if start >= 0 else -1
        for gate in GATES if end >= 0 else ():
            at = source.find(gate, start, end)
            while at >= 0 and len(found) < MAX_RULES:
                if FAR_RULE.search(source, max(start, at - 40), at):
                    found |= dict.fromkeys(read_selectors(source, start, at))
                at = source.find(gate, at + len(gate), end)
        position = source.find(b"<style", end if end >= 0 else start + MAX_SHEET) if start >= 0 else -1
    return list(found)[:MAX_RULES]


def read_selectors(source: bytes, start: int, position: int) -> list[str]:
    """Return the simple selectors of the rule around a declaration in a style sheet that begins at `start`."""
    brace = source.rfind(b"{", max(start, position - 1000), position)
    if brace < 0 or source.find(b"}", brace, position) >= 0:
        return []
    begin = max(source.rfind(char, max(start, brace - 500), brace) for char in BEFORE_SELECTORS) + 1
    written = source[max(begin, start) : brace].decode("utf-8", "replace")
    selectors = (" ".join(selector.split()) for selector in written.split(","))
    return [selector for selector in selectors if SELECTOR.fullmatch(selector)]
