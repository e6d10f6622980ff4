"""Output on a terminal: tables as wide as the screen, or plain text when it is piped."""

import sys

from rich.console import Console
from rich.table import Table


def open_console() -> Console:
    """Return the console for standard output. Piped text has lines of 160 characters and no colours."""
    return Console() if sys.stdout.isatty() else Console(width=160, no_color=True, highlight=False)


def new_table(*columns: str) -> Table:
    """Return an empty table. All columns but the first are right-aligned."""
    drawn = Table(box=None, pad_edge=False)
    for number, name in enumerate(columns):
        drawn.add_column(name, justify="right" if number else "left", overflow="fold")
    return drawn
