"""Program code as it is read: indentation and blank lines stay, the numbers of lines go.

Code stands in <pre>, in <code> with <br>, in tables and lists with a line in each row or item, and in boxes whose class
names say so. While the walk is in code, it marks where lines begin and end; `arrange_code` then puts the lines
together.
"""

import re
from collections.abc import Iterator
from itertools import islice

from selectolax.lexbor import LexborNode

# Marks in code that is being read: a line begins, a line ends, and around a text of digits only.
LINE_BEGINS, LINE_ENDS, NUMBER = "\x0e", "\x0f", "\x10"
BREAK = "\x01"  # as in any block
LINE_TAGS = frozenset(("div", "li", "tr"))  # each is a line of the code that it stands in
ARRANGING_TAGS = frozenset("table tbody thead tfoot td th ol ul colgroup col code".split())  # no lines, nothing to see
BETWEEN_LINES = frozenset(("table", "tbody", "thead", "tfoot", "tr", "ol", "ul"))  # white space in these is no text
AROUND_NUMBERS = " \t\r\n\xa0.:|)"
LONGEST_NUMBER = 6  # digits of the number of a line
MOST_LOOKED_AT = 60  # nodes or rows that are looked at to see whether an element holds code
CODE_CELL = re.compile(r"(?<![a-z])(?:code|blob|file-line|line-?content|src|source|highlight)(?![a-z])", re.I)
CODE_LIST = re.compile(r"(?<![a-z])(?:linenums|code|hljs|prettyprint|dp|highlight|source|de|syntax)(?![a-z])", re.I)
MARKED_LINE = re.compile(f"[ \t]*{NUMBER}([^{NUMBER}]*){NUMBER}([ \t])?")
LINE_MARKS = re.compile(f"([{LINE_BEGINS}{LINE_ENDS}])")
SOURCE_BREAK = re.compile(r"[ \t]*[\r\n]\s*")
EMPTY_START = re.compile(r"(?:[ \t]*\n)+")


def is_code_table(node: LexborNode) -> bool:
    """Tell whether a table holds a line of code in each row: a cell of code beside empty cells and numbers."""
    rows = 0
    for row in find_first_rows(node):
        cells = [cell for cell in islice(row.iter(), 5) if cell.tag in ("td", "th")]
        if not 1 <= len(cells) <= 4 or cells[0].tag == "th":
            return False
        *numbers, code = cells
        if not is_code_cell(code) or not all(map(is_number_cell, numbers)):
            return False
        rows += 1
    return rows > 0


def find_first_rows(table: LexborNode) -> Iterator[LexborNode]:
    """Yield the first rows of a table, a few."""
    for part in islice(table.iter(), 4):
        if part.tag == "tr":
            yield part
        elif part.tag in ("tbody", "thead"):
            yield from (row for row in islice(part.iter(), 4) if row.tag == "tr")


def is_code_cell(cell: LexborNode) -> bool:
    """Tell whether a cell holds code: its class says so, or it holds one <code> element and nothing else."""
    if CODE_CELL.search(cell.attributes.get("class") or ""):
        return not any(inner.tag == "pre" for inner in islice(cell.traverse(), 8))
    return is_lone_code(cell)


def is_lone_code(node: LexborNode) -> bool:
    """Tell whether an element holds one <code> element and no other text."""
    children = [
        child for child in islice(node.iter(include_text=True), 4)
        if child.tag != "-text" or (child.text_content or "").strip()
    ]  # fmt: skip
    return len(children) == 1 and children[0].tag == "code"


def is_number_cell(cell: LexborNode) -> bool:
    """Tell whether a cell beside code is empty or holds numbers or the signs of a comparison."""
    for child in islice(cell.traverse(include_text=True), MOST_LOOKED_AT):
        text = (child.text_content or "").strip(AROUND_NUMBERS) if child.tag == "-text" else ""
        if text and not text.isdigit() and text not in ("+", "-", "−"):
            return False
    return True


def is_code_list(node: LexborNode, names: str) -> bool:
    """Tell whether a list holds a line of code in each item: named so or all <code>, and one indented."""
    named = bool(CODE_LIST.search(names))
    if node.tag != "ol" and not named:
        return False
    items = [child for child in islice(node.iter(), 2 * MOST_LOOKED_AT) if child.tag == "li"]
    if not items or not (named or all(map(is_lone_code, items[:4]))):
        return False
    return any(is_indented(item) for item in items[:MOST_LOOKED_AT])


def is_indented(node: LexborNode) -> bool:
    """Tell whether the text of an element begins with two spaces or a tab, or with one that no browser collapses."""
    for child in islice(node.traverse(include_text=True), 12):
        text = child.text_content or "" if child.tag == "-text" else ""
        if text:
            return text.startswith(("\xa0", "  ", "\t")) and "\n" not in text[: len(text) - len(text.lstrip())]
    return False


def is_code_box(node: LexborNode) -> bool:
    """Tell whether an element whose names speak of code holds lines of it: one indented, <br> or <div>s between."""
    lines = indented = False
    for child in islice(node.traverse(include_text=True), 4 * MOST_LOOKED_AT):
        if child.mem_id == node.mem_id:
            continue
        tag = child.tag
        if tag in ("p", "pre", "table", "ul", "ol", "h1", "h2", "h3", "h4", "form", "button"):
            return False
        lines = lines or tag == "br" or tag == "div"
        if tag == "-text" and not indented:
            text = child.text_content or ""
            indented = text.lstrip("\r\n").startswith("\xa0") or (text.startswith(("  ", "\t")) and "\n" not in text)
        if lines and indented:
            return True
    return False


def holds_breaks(node: LexborNode) -> bool:
    """Tell whether an element has a line break among its children."""
    child, looked = node.child, 0
    while child is not None and looked < MOST_LOOKED_AT:
        if child.tag == "br":
            return True
        child, looked = child.next, looked + 1
    return False


def arrange_code(text: str, preserved: bool) -> str:
    """Return code whose lines are marked as the lines that a reader sees; "" where there is nothing but white space.

    `preserved`: it stands in <pre>, where each line break of the source is shown; elsewhere only marks part lines.
    """
    if "\xa0" in text:
        text = text.replace("\xa0", " ")
    if not preserved or LINE_BEGINS in text or LINE_ENDS in text:
        text = "\n".join(split_code_lines(text, preserved))
    if NUMBER in text:
        text = remove_line_numbers(text)
    if not text.strip():
        return ""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    start = EMPTY_START.match(text)
    text = (text[start.end() :] if start else text).rstrip()
    return text if preserved else remove_common_indent(text)


def split_code_lines(text: str, preserved: bool) -> list[str]:
    """Return the lines of code in which elements begin and end lines."""
    lines: list[str] = []
    piece, is_open = "", False
    for token in LINE_MARKS.split(text):
        if token != LINE_BEGINS and token != LINE_ENDS:
            piece = token
            continue
        if piece.strip() or (is_open and token == LINE_ENDS):
            lines += [piece.removesuffix("\n")] if preserved else map(tidy_line, piece.removesuffix(BREAK).split(BREAK))
        piece, is_open = "", token == LINE_BEGINS
    if piece.strip():
        lines += [piece] if preserved else map(tidy_line, piece.removesuffix(BREAK).split(BREAK))
    return lines


def tidy_line(piece: str) -> str:
    """Return a line of code outside of <pre>: a break in the source is a space, one at its start nothing."""
    if "\n" not in piece:
        return piece.rstrip()
    first, _, rest = piece.partition("\n")
    return SOURCE_BREAK.sub(" ", first + rest if not first.strip() else piece).rstrip()


def remove_common_indent(text: str) -> str:
    """Return text without the white space that all its lines begin with."""
    lines = text.split("\n")
    indents = [line[: len(line) - len(line.lstrip())] for line in lines if line.strip()]
    shared = min(indents, key=len, default="")
    while shared and not all(indent.startswith(shared) for indent in indents):
        shared = ""
    return "\n".join(line[len(shared) :] for line in lines) if shared else text


def remove_line_numbers(text: str) -> str:
    """Return code without marked numbers at the start of its lines, if they count the lines; without the marks in any
    case.
    """
    lines = text.split("\n")
    found = [MARKED_LINE.match(line) for line in lines]
    if are_lines_counted(lines, found):
        space = all(match[2] or match.end() == len(match.string) for match in found if match)
        lines = [
            (line[match.end() if space else match.end(1) + 1 :] if match else line)
            for line, match in zip(lines, found, strict=True)
        ]
    return "\n".join(lines).replace(NUMBER, "")


def are_lines_counted(lines: list[str], found: list[re.Match[str] | None]) -> bool:
    """Tell whether the marked numbers that were found in lines of code count them: most lines, each one more."""
    digits = [match[1].strip(AROUND_NUMBERS) for match in found if match]
    numbers = [int(text) for text in digits if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER]
    return len(numbers) >= max(2, 0.7 * len([line for line in lines if line.strip()])) and all(
        later == number + 1 for number, later in zip(numbers, numbers[1:], strict=False)
    )


def is_number_column(text: str) -> bool:
    """Tell whether a text is the numbers of lines and nothing else: two at least, each one more than the one before."""
    lines = text.split()
    if len(lines) < 2 or len(lines[0]) > LONGEST_NUMBER or not all(line.isascii() and line.isdigit() for line in lines):
        return False
    first = int(lines[0])
    return all(line == str(first + number) for number, line in enumerate(lines))
