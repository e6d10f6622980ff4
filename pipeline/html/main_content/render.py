"""Kept blocks as text: plain lines, or Markdown (CommonMark with GitHub's tables)."""

import re

import numpy as np

from pipeline.html.main_content.blocks import (
    BREAK,
    CELL,
    CODE,
    EMPHASIS,
    ITEM,
    MARKS,
    PRE,
    ROW,
    STRONG,
    TERM,
    PageBlocks,
    remove_marks,
)

# A pair of marks with something between them; a mark alone, or a pair around nothing, is dropped.
PAIRS = [
    (re.compile(f"{mark}(\\s*)([^{mark}{BREAK}\\s](?:[^{mark}{BREAK}]*[^{mark}{BREAK}\\s])?)(\\s*){mark}"), sign)
    for mark, sign in ((CODE, "`"), (STRONG, "**"), (EMPHASIS, "*"))
]
DEEPEST = 10  # levels of lists and quotes that are written as such
SPACED = re.compile(" {2,}")
OTHER_LINES = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def render_text(page: PageBlocks, kept: np.ndarray) -> str:
    """Return the kept blocks, a line each; line breaks begin a line, list items "- ", code is as it was.

    A row of a table has " | " between its columns, so that an empty cell is two spaces between bars.
    """
    lines: list[str] = []
    for number in np.flatnonzero(kept).tolist():
        text = remove_marks(page.text[number])
        if page.kind[number] == PRE:
            lines += [line.rstrip() for line in OTHER_LINES.sub("\n", text).split("\n")]
        elif page.kind[number] == ROW:
            lines.append(text)
        else:
            text = SPACED.sub(" ", text) if "  " in text else text
            lines.append("- " + text if page.kind[number] == ITEM else text)
    return "\n".join(lines)


def render_markdown(page: PageBlocks, kept: np.ndarray) -> str:
    """Return the kept blocks as Markdown: list items and table rows a line each, an empty line between other blocks."""
    parts: list[str] = []
    before, rows = -1, 0
    for number in np.flatnonzero(kept).tolist():
        kind, (_, _, quotes) = page.kind[number], page.layout[number]
        table = kind == ROW and before == number - 1 and page.kind[before] == ROW
        text = _render_block(page, number)
        rows = rows + 1 if table else 0
        tight = table or (kind == ITEM and before >= 0 and page.kind[before] == ITEM)
        if table and rows == 1:
            columns = page.text[before].count(CELL) + 1
            text = "|" + " --- |" * columns + "\n" + text
        if quotes:
            text = "\n".join("> " * min(quotes, DEEPEST) + line for line in text.split("\n"))
        if parts:
            parts.append("\n" if tight else "\n\n")
        parts.append(text)
        before = number
    return "".join(parts)


def _render_block(page: PageBlocks, number: int) -> str:
    """Return one block."""
    text, kind = page.text[number], page.kind[number]
    depth, place, _ = page.layout[number]
    if kind == PRE:
        code = OTHER_LINES.sub("\n", MARKS.sub("", text))
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
        return f"{fence}\n{code}\n{fence}"
    if kind == ROW:
        return "| " + " | ".join(_mark_emphasis(cell.replace("|", "\\|")) for cell in text.split(CELL)) + " |"
    text = _mark_emphasis(text)
    if 1 <= kind <= 6:
        return "#" * kind + " " + text.replace("\n", " ")
    if kind == ITEM:
        indent = "    " * max(min(depth, DEEPEST) - 1, 0)
        return indent + (f"{place}. " if place else "- ") + text.replace("\n", "\n" + indent + "  ")
    if kind == TERM:
        return f"**{text}**" if "*" not in text else text
    return text


def _mark_emphasis(text: str) -> str:
    """Return a text on one line whose marks are Markdown's signs."""
    for pattern, sign in PAIRS:
        text = pattern.sub(rf"\1{sign}\2{sign}\3", text)
    return SPACED.sub(" ", MARKS.sub("", text.replace(BREAK, "\\\n"))).strip()
