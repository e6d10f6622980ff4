"""`gristmill run CONFIG --try N`: what becomes of the first N pages. Nothing is written."""

import time
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from pipeline.cli.config_checks import reject_unused_settings, require_named_files
from pipeline.cli.errors import print_error
from pipeline.config import Config

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.extract.page import Page

SHOWN_PAGES = 3  # of each outcome


def try_pages(config: Config, wanted: int) -> int:
    """Process the first pages in this process and print the funnel with samples. Returns the exit code."""
    from pipeline.extract.job import extract_pages

    if wanted < 1:
        return print_error(f"--try {wanted}: try at least one page", 2)
    counts: Counter[str] = Counter()
    samples: dict[str, list[Page]] = {}
    start = time.monotonic()
    try:
        require_named_files(config)
        reject_unused_settings(config)
        for page in islice(extract_pages(list(config.inputs), config), wanted):
            counts[page.key] += 1
            if len(samples.setdefault(page.key, [])) < SHOWN_PAGES:
                samples[page.key].append(page)
    except (ValueError, OSError) as error:
        return print_error(error, 1)
    print_tried_pages(config, counts, samples, time.monotonic() - start)
    return 0


def print_tried_pages(config: Config, counts: Counter[str], samples: dict[str, list["Page"]], seconds: float) -> None:
    """Print the funnel of the tried pages, and some pages of each outcome."""
    from rich.markup import escape

    from pipeline.io.ledger import LedgerTotals
    from pipeline.report.console import new_table, open_console
    from pipeline.report.facts import order_losses, order_stages

    console, pages = open_console(), counts.total()
    console.print(f"{pages:,} pages in {seconds:.1f} s, {pages / max(seconds, 1e-9):,.0f} pages/s in one process")
    console.print("Duplicates and the mixture need all pages: they are not tried here.")
    rejected = Counter({key: n for key, n in counts.items() if key != "kept"})
    losses = order_losses(LedgerTotals(responses=pages, rejected=rejected), order_stages(config))
    keys = [f"{stage}/{reason}" for stage, reasons in losses for reason, _ in reasons]
    table = new_table("what becomes of them", "pages", "of all")
    for key in [*keys, "kept"]:
        table.add_row(escape(key), f"{counts[key]:,}", f"{counts[key] / pages:.1%}" if pages else "")
    console.print(table)
    for key in [*keys, "kept"]:
        for page in samples.get(key, []):
            print_tried_page(console, key, page)


def print_tried_page(console: "Console", key: str, page: "Page") -> None:
    """Print a page with its outcome, why, and the beginning of its text."""
    from rich.markup import escape

    console.print(f"\n[bold]{escape(key)}[/bold]  {escape(page.url)}")
    why = page.rejection
    if why and why.measure:
        console.print(f"  {why.measure} = {why.value:.4g}, threshold {why.threshold:.4g}")
    elif why and why.detail:
        console.print(f"  {escape(why.detail)}")
    text = " ".join((page.text or "").split())
    if text:
        console.print(f"  {len(page.text or ''):,} characters: {escape(text[:200])}")
