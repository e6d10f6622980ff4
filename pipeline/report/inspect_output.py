"""`inspect`: prints an output's funnel, mixture, languages and lengths, or samples of the pages that were dropped.

Reads the shards column by column, a batch at a time.
"""

import argparse
import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape

from pipeline.config import build_config
from pipeline.io.ledger import Ledger, LedgerTotals
from pipeline.io.output import Output, open_finished_output
from pipeline.report.console import new_table, open_console
from pipeline.report.facts import build_funnel, build_mixture, list_fallback, order_losses, order_stages
from pipeline.report.stored_rows import (
    ContaminatedRow,
    DuplicatePage,
    InspectError,
    RejectedPage,
    RepeatedLine,
    StoredRow,
    find_pages,
    read_stored_rows,
    read_texts,
    read_urls,
)
from pipeline.settings import ConfigError, parse_own_yaml, suggest_name

PREVIEW = 300  # characters of a page's text in a sample
TOP = 15  # rows of a table


def inspect_output(output: Output, args: argparse.Namespace) -> None:
    """Print what `gristmill inspect` asks for, except `--explain`. Raises InspectError."""
    ledger = Ledger.from_json(output.read_json("ledger.json"))
    if args.html:
        copy_report(output, args.html)
    elif args.url:
        print_pages(find_pages(output, "url", args.url), f"no page with the URL {args.url}")
    elif args.reason:
        print_reason(output, ledger, args.reason, args.sample)
    else:
        print_funnel(ledger, output)
        print_mixture(output)
        print_documents(output)


def open_inspected_output(root: str) -> Output:
    """Return an output that has a ledger. Raises InspectError."""
    try:
        output = open_finished_output(root)
        ended = output.exists("ledger.json")
    except (OSError, ValueError, ImportError) as error:
        raise InspectError(f"{root}: cannot be read: {' '.join(str(error).split())}") from error
    if not ended:
        raise InspectError(f"{root}: no ledger.json here; is it the output of a run that ended?")
    return output


def read_stage_order(output: Output) -> tuple[str, ...]:
    """Return the stages of an output in order. If its config cannot be read, the built-in stages."""
    try:
        with output.open("config.yaml") as source:
            return order_stages(build_config(parse_own_yaml(source)))
    except (OSError, ConfigError):
        return order_stages(None)


def print_funnel(ledger: Ledger, output: Output) -> None:
    """Print the ledger: what was read, how many pages each stage dropped and why, and what was published."""
    console, totals = open_console(), ledger.totals
    records = ", ".join(f"{n:,} {kind}" for kind, n in totals.records.items())
    console.print(f"[bold]{escape(output.root)}[/bold]  {len(ledger.files):,} inputs, records: {records or 'none'}")
    if totals.unreadable_bytes:
        console.print(f"unreadable: {totals.unreadable_bytes:,} bytes (ledger.json lists the files and ranges)")
    table = new_table("funnel", "pages", "of all", "left")
    pages = totals.responses
    table.add_row("responses", f"{pages:,}", format_percent(pages, pages), f"{pages:,}")
    for stage, reasons in build_funnel(totals, read_stage_order(output)):
        table.add_row(
            escape(stage.name), f"-{stage.pages:,}", format_percent(stage.pages, pages), f"{stage.left:,}", style="bold"
        )
        for reason in reasons:
            name = f"  {escape(stage.name)}/{escape(reason.name)}"
            table.add_row(name, f"-{reason.pages:,}", format_percent(reason.pages, pages), "")
    for split, n in (totals.published or Counter[str]()).items():
        copies = (totals.repeated or Counter[str]())[split]
        name = f"published {split}{f' (and {copies:,} repeats)' if copies else ''}"
        table.add_row(name, f"{n:,}", format_percent(n, pages), "")
    console.print(table)
    print_notes(totals, console)
    print_contamination(output, console)


def list_losses(totals: LedgerTotals, stages: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield (stage/reason, pages) of everything that was dropped, in the order in which pages pass the stages."""
    for stage, reasons in order_losses(totals, stages):
        yield from ((f"{stage}/{reason}", n) for reason, n in reasons)


def print_notes(totals: LedgerTotals, console: Console) -> None:
    """Print what is not part of the funnel: extra sources, masked pages, removed lines, the check of the prefilter."""
    for source, counts in (totals.added or {}).items():
        held_out = ", ".join(f"{n:,} {reason}" for reason, n in counts["held_out"].items())
        texts = f"{counts['published']:,} of {counts['texts']:,} texts (and {counts['repeated']:,} repeats)"
        console.print(f"added to anneal from {escape(source)}: {texts}{f', held out: {held_out}' if held_out else ''}")
    if totals.masked:
        console.print(f"published pages with masked spans of evaluation sets: {totals.masked:,}")
    if totals.repeated_lines:
        shares = (f"{n:,} {what} ({format_percent(n, whole)})" for what, (n, whole) in totals.repeated_lines.items())
        console.print(f"repeated lines removed from the pages that are no duplicates: {', '.join(shares)}")
    for engine, tried, kept in list_fallback(totals):
        what = f"tried on {tried:,} pages whose text the rules rejected; {kept:,} are kept with its text"
        console.print(f"engine {escape(engine)}: {what}")
    if totals.gate:
        checked, missed = totals.gate["checked"], totals.gate["missed"]
        console.print(
            f"check of the language prefilter: of {checked:,} rejected pages that were processed in full, "
            f"{missed:,} would have been kept"
        )


def print_contamination(output: Output, console: Console) -> None:
    """Print what was found of evaluation sets, also where it is nothing."""
    if not output.exists(".work", "publish.json"):
        return
    found = output.read_json(".work", "publish.json")["result"]["publish"]["contaminated"]
    if found["sets"]:
        items, hits = (sum(counts[key] for counts in found["sets"].values()) for key in ("items", "found"))
        sets = f"{len(found['sets']):,} evaluation sets with {items:,} items"
        pages = f"{hits:,} items found, {found['dropped']:,} pages dropped, {found['masked']:,} masked"
        console.print(f"{sets}: {pages if hits else 'no page has any of them'}")


def print_mixture(output: Output) -> None:
    """Print the mixture in bytes, and its tokens: languages, topics, quality buckets before and after the weights."""
    if not output.exists(".work", "publish.json"):
        return
    results = output.read_json(".work", "publish.json")["result"]
    for kind, parts in build_mixture(results["publish"], results["tokenizer"]).items():
        table = new_table(f"mixture by {kind}", "pages", "before", "target", "in train", "tokens", "of tokens")
        for part in parts[:TOP]:
            shares = (f"{n:.1%}" for n in (part.before, part.target, part.after))
            table.add_row(
                f"  {escape(part.name)}", f"{part.pages:,}", *shares, f"{part.tokens:,}", f"{part.token_share:.1%}"
            )
        open_console().print(table)


def format_percent(n: int, whole: int) -> str:
    """Return `n` of `whole` as a percentage, or nothing if `whole` is 0."""
    return f"{n / whole:.1%}" if whole else ""


def print_documents(output: Output) -> None:
    """Print the languages, topics, sites and lengths of the kept pages."""
    counts: dict[str, Counter[str]] = {"language": Counter(), "domain": Counter(), "site": Counter()}
    lengths: list[np.ndarray] = []
    for name in output.list("documents", ".parquet"):
        with output.parquet("documents", name) as shard:
            for batch in shard.iter_batches(columns=[*counts, "text"], batch_size=2048):
                for column, counter in counts.items():
                    counter.update(batch.column(column).to_pylist())
                lengths.append(np.asarray(pc.utf8_length(batch.column("text"))))
    console, all_lengths = open_console(), np.concatenate(lengths) if lengths else np.zeros(0, int)
    for column, counter in counts.items():
        table = new_table(f"{column} ({len(counter):,})", "kept pages", "share")
        for name, n in sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:TOP]:
            table.add_row(escape(name or "none"), f"{n:,}", format_percent(n, len(all_lengths)))
        console.print(table)
        console.print()
    if len(all_lengths):
        marks = np.percentile(all_lengths, [0, 10, 50, 90, 100]).astype(int)
        table = new_table("characters of a kept page", "shortest", "10 %", "median", "90 %", "longest", "all")
        table.add_row("", *(f"{n:,}" for n in [*marks, int(all_lengths.sum())]))
        console.print(table)


def print_reason(output: Output, ledger: Ledger, reason: str, sample: int) -> None:
    """Print a sample of the pages that a stage, or a stage/reason, dropped.

    A hash of the pages' ids draws the sample, so it is the same each time. Raises InspectError.
    """
    rejected = [*ledger.totals.rejected]
    duplicates = [f"duplicate/{kind}" for kind in ledger.totals.duplicates]
    others = {
        kind.folder.replace("_", "-"): kind
        for kind in (ContaminatedRow, RepeatedLine)
        if output.list(kind.folder, ".parquet")
    }
    chosen = choose_reasons(reason, [*rejected, *duplicates, *others])
    pages: list[Iterator[StoredRow]] = [read_stored_rows(output, others[key]) for key in chosen & others.keys()]
    if chosen & set(duplicates):
        pages.append(row for row in read_stored_rows(output, DuplicatePage) if f"duplicate/{row.kind}" in chosen)
    if chosen & set(rejected):
        pages.append(row for row in read_stored_rows(output, RejectedPage) if f"{row.stage}/{row.reason}" in chosen)
    drawn = heapq.nsmallest(sample, chain.from_iterable(pages), key=draw_order)
    print_pages(add_texts_and_urls(output, drawn), f"no page was dropped for {reason}")


def choose_reasons(reason: str, known: Sequence[str]) -> set[str]:
    """Return which known reasons a stage, or a stage/reason, names. Raises InspectError where it names none."""
    chosen = {key for key in known if key == reason or key.startswith(f"{reason}/")}
    if not chosen:
        stages = dict.fromkeys(key.partition("/")[0] for key in known)
        hint = suggest_name(reason, [*known, *stages])
        raise InspectError(f"--reason {reason}: no page was dropped for it{hint} (known: {', '.join(known)})")
    return chosen


def draw_order(row: StoredRow) -> bytes:
    """Return a hash by which rows are drawn: of the page's id, and of the place in the page if the row is a part."""
    start = row.start if isinstance(row, ContaminatedRow | RepeatedLine) else ""
    return hashlib.blake2b(f"{row.id}{start}".encode(), digest_size=8).digest()


def add_texts_and_urls(output: Output, rows: Sequence[StoredRow]) -> list[StoredRow]:
    """Return the rows with what only documents/ has: addresses, and the texts of repeated lines."""
    without_url = [row for row in rows if isinstance(row, DuplicatePage | RepeatedLine)]
    kept = {row.kept_id for row in without_url if isinstance(row, DuplicatePage)}
    urls = read_urls(output, {row.id for row in without_url} | kept) if without_url else {}
    texts = read_texts(output, {(row.shard, row.row) for row in rows if isinstance(row, RepeatedLine)})
    full: list[StoredRow] = []
    for row in rows:
        if isinstance(row, DuplicatePage):
            full.append(replace(row, url=urls.get(row.id), kept_url=urls.get(row.kept_id)))
        elif isinstance(row, RepeatedLine):
            full.append(replace(row, url=urls.get(row.id), text=texts[row.shard, row.row][row.start : row.end]))
        else:
            full.append(row)
    return full


def print_pages(pages: Sequence[StoredRow], nothing: str) -> None:
    """Print pages one below the other. Raises InspectError with the text `nothing` if there are none."""
    if not pages:
        raise InspectError(nothing)
    console = open_console()
    for page in pages:
        console.print(f"[bold]{escape(page.url or page.id)}[/bold]")
        console.print(f"  {page.describe()}")
        console.print(f"  id {escape(page.id)}  in {page.folder}/{page.shard}")
        if page.text:
            text = " ".join(page.text.split())
            dots = "..." if len(text) > PREVIEW else ""
            console.print(f"  {len(page.text):,} characters: {escape(text[:PREVIEW])}{dots}")
        console.print()


def copy_report(output: Output, path: str) -> None:
    """Copy the run's report to a file. Raises InspectError if there is none, or if the file cannot be written."""
    if not output.exists("report.html"):
        raise InspectError(f"{output.root}: no report.html; run `gristmill publish` first")
    with output.open("report.html") as source:
        try:
            with open(path, "wb") as target:
                target.write(source.read())
        except OSError as error:
            raise InspectError(f"{path}: cannot be written: {error.strerror}") from error
