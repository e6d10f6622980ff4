"""Rows of tables as lines: a cell keeps its column, whatever it holds and whichever cells around it are empty.

A table is only known as data or as layout at its end. So the walk notes rows and cells, and `plan_rows` decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

LONGEST_ROW = 1000  # characters; longer table rows are layout
LONGEST_CELL = 300  # characters of a cell of several blocks, and of a row with a single filled cell; longer is layout
MOST_COLUMNS = 100
MOST_SPANNED = 1000  # rows that a cell may span; HTML's own limit is 65,534
PRESENTATION = frozenset(("presentation", "none"))


TableCell = tuple[int, int, int]  # its column, the columns that it spans, its first block
CellBlocks = tuple[int, int]  # the first block of a cell and the one after its last, counted from the table's first


@dataclass
class TableRow:
    """A row: its cells, its first block and the one after its last, and the container around it."""

    container: int
    start: int
    cells: list[TableCell] = field(default_factory=list)
    end: int = 0


@dataclass
class OpenTable:
    """A table that is being read. `spans` holds, for columns that a cell from above takes, the rows still taken."""

    container: int  # its own
    start: int  # its first block
    layout: bool  # it says that it is no data
    rows: list[TableRow] = field(default_factory=list)
    spans: dict[int, int] = field(default_factory=dict)
    headed: bool = False  # it has header cells or a caption
    nested: bool = False  # it holds another table

    def open_row(self, container: int, block: int) -> None:
        """Begin a row at a block."""
        self.rows.append(TableRow(container, block))

    def close_row(self, block: int) -> None:
        """End the row before a block; columns are taken by cells from above for one row less."""
        if self.rows:
            self.rows[-1].end = block
        if self.spans:
            self.spans = {column: left - 1 for column, left in self.spans.items() if left > 1}

    def open_cell(self, attributes: Mapping[str, str | None], block: int) -> None:
        """Begin a cell at a block, in the next column that no cell from above takes."""
        if not self.rows:
            return
        cells = self.rows[-1].cells
        if not self.spans and "colspan" not in attributes and "rowspan" not in attributes:
            if len(cells) < MOST_COLUMNS:
                cells.append((cells[-1][0] + cells[-1][1] if cells else 0, 1, block))
            return
        column = cells[-1][0] + cells[-1][1] if cells else 0
        while column in self.spans:
            column += 1
        width, height = read_span(attributes, "colspan", MOST_COLUMNS), read_span(attributes, "rowspan", MOST_SPANNED)
        if column >= MOST_COLUMNS:
            return
        cells.append((column, width, block))
        if height > 1:
            self.spans |= dict.fromkeys(range(column, min(column + width, MOST_COLUMNS)), height)


class JoinedRow(NamedTuple):
    """Blocks that become one, from `start` to `end`, and the texts of the row's columns."""

    row: TableRow
    columns: list[str]


def read_span(attributes: Mapping[str, str | None], name: str, most: int) -> int:
    """Return how many columns or rows a cell spans: 1 where it does not say, or says nonsense."""
    value = (attributes.get(name) or "").strip() if name in attributes else ""
    return min(max(int(value), 1), most) if value.isascii() and value.isdigit() and len(value) < 6 else 1


def plan_rows(table: OpenTable, texts: Sequence[str], kinds: Sequence[int], plain: frozenset[int]) -> list[JoinedRow]:
    """Return the rows of a table that become one block each; none of a table that only arranges the page.

    The table holds no other.

    `texts` and `kinds` are those of its blocks; blocks of a kind in `plain` may share a cell.
    """
    parted = [(row, part_row(row, table.start)) for row in table.rows if len(row.cells) > 1 and row.end > row.start]
    wide = sum(sum(end > start for start, end in cells) > 1 for _, cells in parted)
    if not wide:
        return []
    trusted = not table.layout and (table.headed or wide > 1 or are_rows_short(parted, texts))
    return drop_empty_columns(
        [
            JoinedRow(row, write_columns(row, cells, texts))
            for row, cells in parted
            if is_row_joinable(row.start - table.start, cells, texts, kinds, plain, trusted)
        ]
    )


def part_row(row: TableRow, start: int) -> list[CellBlocks]:
    """Return the first block of each cell and the one after its last, counted from a block."""
    starts = [cell[2] - start for cell in row.cells]
    return list(zip(starts, [*starts[1:], row.end - start], strict=True))


def are_rows_short(parted: Sequence[tuple[TableRow, list[CellBlocks]]], texts: Sequence[str]) -> bool:
    """Tell whether a table has three rows at least, and none with more text than one cell may hold."""
    return len(parted) > 2 and all(
        sum(map(len, texts[cells[0][0] : cells[-1][1]])) <= LONGEST_CELL for _, cells in parted
    )


def is_row_joinable(
    start: int,
    cells: Sequence[CellBlocks],
    texts: Sequence[str],
    kinds: Sequence[int],
    plain: frozenset[int],
    trusted: bool,
) -> bool:
    """Tell whether a row that begins at block `start` can be one line: it is short, and its text is all in its cells.

    `trusted` says that the table holds data.
    """
    filled = [(first, end) for first, end in cells if end > first]
    length = sum(map(len, texts[start : cells[-1][1]]))
    if not filled or length > (LONGEST_ROW if len(filled) > 1 else LONGEST_CELL) or start != filled[0][0]:
        return False
    if len(filled) == 1 and not trusted:
        return False
    return all(is_joinable(first, end, texts, kinds, plain, trusted) for first, end in filled)


def write_columns(row: TableRow, cells: Sequence[CellBlocks], texts: Sequence[str]) -> list[str]:
    """Return the text of each column of a row, "" for those without a cell."""
    columns = [""] * (row.cells[-1][0] + row.cells[-1][1])
    for (column, _, _), (start, end) in zip(row.cells, cells, strict=True):
        columns[column] = texts[start] if end == start + 1 else " ".join(texts[start:end])
    return columns


def is_joinable(
    start: int, end: int, texts: Sequence[str], kinds: Sequence[int], plain: frozenset[int], trusted: bool
) -> bool:
    """Tell whether the blocks of a cell can be part of a line."""
    if end - start == 1:
        return "\n" not in texts[start]  # code of several lines
    return (
        trusted
        and plain.issuperset(kinds[start:end])
        and sum(map(len, texts[start:end])) <= LONGEST_CELL
        and not any("\n" in text for text in texts[start:end])
    )


def drop_empty_columns(rows: list[JoinedRow]) -> list[JoinedRow]:
    """Return the rows, all as wide as the widest, without the columns that are empty in each: they hold pictures."""
    width = max((len(row.columns) for row in rows), default=0)
    if all(len(row.columns) == width for row in rows) and all(all(row.columns) for row in rows[:1]):
        return rows
    full = [row._replace(columns=row.columns + [""] * (width - len(row.columns))) for row in rows]
    kept = [column for column in range(width) if any(row.columns[column] for row in full)]
    return [row._replace(columns=[row.columns[column] for column in kept]) for row in full]
