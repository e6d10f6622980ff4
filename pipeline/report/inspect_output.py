"""Looking into an output: totals and funnel, languages, domains and lengths, samples of what was dropped.

Reads the shards column by column with pyarrow alone; tables are rich on a terminal and plain when piped.
"""

import argparse
import hashlib
import heapq
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

import numpy as np
import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.io.ledger import Ledger, LedgerTotals
from pipeline.io.output import Output, open_finished_output

SNIPPET = 300  # characters of a page's text in a sample
TOP = 15


class InspectError(ValueError):
    """An output, page or reason that is not there; its text is one line."""


def inspect(args: argparse.Namespace) -> None:
    """Run `python -m pipeline inspect`. Raises InspectError."""
    if args.sample < 1:
        raise InspectError(f"--sample {args.sample}: show at least one page")
    try:
        output = open_finished_output(args.output)
        ended = output.exists("ledger.json")
    except (OSError, ValueError, ImportError) as error:
        raise InspectError(f"{args.output}: cannot be read: {' '.join(str(error).split())}") from error
    if not ended:
        raise InspectError(f"{args.output}: no ledger.json here; is it the output of a run that ended?")
    book = Ledger.from_json(output.read_json("ledger.json"))
    if args.html:
        write_html(output, book, args.html)
    elif args.explain:
        from pipeline.report.explain import explain

        explain(output, args.explain, console())
    elif args.url:
        print_pages(find(output, "url", args.url), f"no page with the URL {args.url}")
    elif args.reason:
        print_reason(output, book, args.reason, args.sample)
    else:
        print_funnel(book, output.root)
        print_mixture(output)
        print_documents(output)


def console() -> Console:
    """Return the console for standard output: as wide as the terminal, or wide enough not to fold when piped."""
    return Console() if sys.stdout.isatty() else Console(width=160, no_color=True, highlight=False)


def table(*columns: str) -> Table:
    """Return an empty table; every column but the first is right-aligned."""
    drawn = Table(box=None, pad_edge=False)
    for number, name in enumerate(columns):
        drawn.add_column(name, justify="right" if number else "left", overflow="fold")
    return drawn


def print_funnel(book: Ledger, root: str) -> None:
    """Print the ledger: what was read, what was dropped where and why, what was published."""
    out, totals = console(), book.totals
    records = ", ".join(f"{n:,} {kind}" for kind, n in totals.records.items())
    out.print(f"[bold]{escape(root)}[/bold]  {len(book.files):,} inputs, records: {records or 'none'}")
    if totals.unreadable_bytes:
        out.print(f"unreadable: {totals.unreadable_bytes:,} bytes (listed by file and range in ledger.json)")
    drawn = table("funnel", "pages", "of all", "left")
    pages = left = totals.responses
    drawn.add_row("responses", f"{pages:,}", share(pages, pages), f"{left:,}")
    for name, n in funnel_steps(totals):
        left -= n
        drawn.add_row(f"  {name}", f"-{n:,}", share(n, pages), f"{left:,}")
    for split, n in (totals.published or {}).items():
        again = (totals.repeated or Counter[str]())[split]
        drawn.add_row(f"published {split}{f' (and {again:,} repeats)' if again else ''}", f"{n:,}", share(n, pages), "")
    out.print(drawn)
    for source, counts in (totals.added or {}).items():
        held = "".join(f", {n:,} {reason}" for reason, n in counts["held_out"].items())
        texts = f"{counts['published']:,} of {counts['texts']:,} texts (and {counts['repeated']:,} repeats)"
        out.print(f"added to anneal from {escape(source)}: {texts}{', held out:' if held else ''}{held[1:]}")
    if totals.masked:
        out.print(f"masked in published pages: {totals.masked:,} with spans of evaluation sets")
    if lines := totals.repeated_lines:
        shares = ", ".join(f"{gone:,} {what} ({share(gone, of)})" for what, (gone, of) in lines.items())
        out.print(f"repeated lines dropped, of the pages that are no duplicates: {shares}")
    if gate := totals.gate:
        out.print(
            f"language/gate: {gate['checked']:,} checked in full, {gate['missed']:,} of them would have been kept"
        )


def print_mixture(output: Output) -> None:
    """Print the mix in tokens: each domain, language and quality bucket before, as asked for, and as it came out."""
    if not output.exists(".work", "publish.json"):
        return
    from pipeline.report.facts import mixture

    for kind, parts in mixture(output.read_json(".work", "publish.json")["result"]).items():
        drawn = table(f"mix by {kind}", "pages", "before", "target", "outcome", "tokens")
        for part in parts[:TOP]:
            shares = (f"{n:.1%}" for n in (part.before, part.target, part.after))
            drawn.add_row(f"  {part.name}", f"{part.pages:,}", *shares, f"{part.tokens:,}")
        console().print(drawn)


def funnel_steps(totals: LedgerTotals) -> Iterator[tuple[str, int]]:
    """Yield (name, pages) of every loss: stages as a page meets them, reasons within them by their size."""
    from pipeline.report.facts import stage_place

    def place(item: tuple[str, int]) -> tuple[float, str, int, str]:
        key, n = item
        stage = key.partition("/")[0]
        return stage_place(stage), stage, -n, key

    yield from sorted(totals.rejected.items(), key=place)
    yield from ((f"duplicate/{kind}", n) for kind, n in totals.duplicates.items() if n)
    yield from ((f"held out/{reason}", n) for reason, n in totals.held_out.items() if n)


def share(n: int, of: int) -> str:
    """Return a percentage."""
    return f"{n / of:.1%}" if of else ""


def print_documents(output: Output) -> None:
    """Print languages, domains, sites and lengths of the kept pages."""
    counts: dict[str, Counter[str]] = {"language": Counter(), "domain": Counter(), "site": Counter()}
    lengths: list[np.ndarray] = []
    for name in output.list("documents", ".parquet"):
        with output.parquet("documents", name) as shard:
            for batch in shard.iter_batches(columns=[*counts, "text"], batch_size=2048):
                for column, counter in counts.items():
                    counter.update(batch.column(column).to_pylist())
                lengths.append(np.asarray(pc.utf8_length(batch.column("text"))))
    out, all_lengths = console(), np.concatenate(lengths) if lengths else np.zeros(0, int)
    for column, counter in counts.items():
        drawn = table(f"{column} ({len(counter):,})", "kept pages", "share")
        for name, n in sorted(counter.items(), key=lambda kv: (-kv[1], kv[0]))[:TOP]:
            drawn.add_row(escape(name or "none"), f"{n:,}", share(n, len(all_lengths)))
        out.print(drawn)
        out.print()
    if len(all_lengths):
        marks = np.percentile(all_lengths, [0, 10, 50, 90, 100]).astype(int)
        drawn = table("characters a kept page", "shortest", "10 %", "median", "90 %", "longest", "all")
        drawn.add_row("", *(f"{n:,}" for n in [*marks, int(all_lengths.sum())]))
        out.print(drawn)


def rows(output: Output, folder: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a folder's shards, a batch in memory at a time; `shard` names where each came from.

    `row` is the number of the page in documents/, by which tables about pages name it: ids may come twice.
    """
    for name in output.list(folder, ".parquet"):
        with output.parquet(folder, name) as shard:
            numbers = count()
            for batch in shard.iter_batches(columns=columns, batch_size=512):
                for row in batch.to_pylist():
                    yield {"row": next(numbers), **row, "shard": name, "folder": folder}


def find(output: Output, column: str, value: str) -> list[dict[str, Any]]:
    """Return the kept and the rejected pages whose `id` or `url` is the value; URLs also match when canonical."""
    from pipeline.url.canonical import canonical_url

    wanted = canonical_url(value) if column == "url" else value
    written = {value, f"<{value}>", f"<urn:uuid:{value}>"}  # an id as it is in the WARC, or without its wrapping
    found = []
    for folder in ("documents", "rejected"):
        for row in rows(output, folder):
            if row[column] in written or (column == "url" and canonical_url(row["url"] or "") == wanted):
                found.append(row)
    return found


def print_reason(output: Output, book: Ledger, reason: str, sample: int) -> None:
    """Print a deterministic sample of the pages dropped for a stage or stage/reason. Raises InspectError."""
    known = [*book.totals.rejected, *(f"duplicate/{kind}" for kind in book.totals.duplicates)]
    known += ["contaminated"] * bool(output.list("contaminated", ".parquet"))
    known += ["repeated-lines"] * bool(output.list("repeated_lines", ".parquet"))
    chosen = [key for key in known if key == reason or key.startswith(f"{reason}/")]
    if not chosen:
        from pipeline.settings import suggest_name

        names = ", ".join(known)
        raise InspectError(
            f"--reason {reason}: no page was dropped for it{suggest_name(reason, known)} (known: {names})"
        )
    if reason.startswith("duplicate"):
        kinds = {key.partition("/")[2] for key in chosen}
        pages: Iterable[dict[str, Any]] = (r for r in rows(output, "duplicates") if r["kind"] in kinds)
    elif reason in ("contaminated", "repeated-lines"):
        pages = rows(output, reason.replace("-", "_"))
    else:
        pages = (r for r in rows(output, "rejected") if f"{r['stage']}/{r['reason']}" in chosen)
    drawn = heapq.nsmallest(sample, pages, key=draw_of)
    print_pages(with_lines(output, with_urls(output, drawn)), f"no page was dropped for {reason}")


def draw_of(row: Mapping[str, Any]) -> bytes:
    """Return a hash by which rows are drawn: of the page, and of the place in it where a row is a part of one."""
    return hashlib.blake2b(f"{row['id']}{row.get('start', '')}".encode(), digest_size=8).digest()


def with_lines(output: Output, pages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pages, with their text where they are repeated lines, which is only in documents/."""
    wanted = {(page["shard"], page["row"]) for page in pages if page["folder"] == "repeated_lines"}
    if not wanted:
        return pages
    every = ((row["shard"], row["row"], row["text"]) for row in rows(output, "documents", ["text"]))
    texts = {(shard, row): text for shard, row, text in every if (shard, row) in wanted}
    return [page | {"text": texts[page["shard"], page["row"]][page["start"] : page["end"]]} for page in pages]


def with_urls(output: Output, pages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pages with the addresses that only documents/ has: their own, and that of the page that stays."""
    wanted = {page.get(key) for page in pages if "url" not in page for key in ("id", "kept_id")}
    urls = {row["id"]: row["url"] for row in rows(output, "documents", ["id", "url"]) if row["id"] in wanted}
    return [{"url": urls.get(page["id"]), "kept_url": urls.get(page.get("kept_id")), **page} for page in pages]


def print_pages(pages: list[dict[str, Any]], nothing: str) -> None:
    """Print pages one below the other. Raises InspectError where there is none."""
    if not pages:
        raise InspectError(nothing)
    out = console()
    for page in pages:
        out.print(f"[bold]{escape(page.get('url') or page['id'])}[/bold]")
        out.print(f"  {verdict(page)}")
        out.print(f"  id {escape(page['id'])}  in {page['folder']}/{page['shard']}")
        if page.get("text"):
            text = " ".join(page["text"].split())
            dots = "..." if len(text) > SNIPPET else ""
            out.print(f"  {len(page['text']):,} characters: {escape(text[:SNIPPET])}{dots}")
        out.print()


def verdict(page: Mapping[str, Any]) -> str:
    """Return what became of a page in one line: the reason and the measure against its threshold."""
    if page["folder"] == "documents":
        return f"kept: {page['language']} {page['language_score']:.2f}, {page['domain']}"
    if page["folder"] == "duplicates":
        close = "" if page["similarity"] is None else f", similarity {page['similarity']:.3f}"
        where = f" in {escape(page['kept_in'])}" if page.get("kept_in") else ""  # an earlier output
        stays = escape(page.get("kept_url") or page["kept_id"])
        return f"duplicate/{page['kind']} of {stays}{where}{close}"
    if page["folder"] == "contaminated":
        what = {"drop": "dropped", "mask": "masked"}[page["action"]]
        return f"{what}: {escape(page['set'])}, item {escape(page['item'])}, from character {page['start']:,}"
    if page["folder"] == "repeated_lines":
        return f"a line goes, characters {page['start']:,} to {page['end']:,}: {page['pages']:,} pages have it"
    line = f"{page['stage']}/{page['reason']}"
    if page["measure"]:
        line += f": {page['measure']} = {page['value']:.4g}, threshold {page['threshold']:.4g}"
    elif page["value"] is not None:
        line += f": {page['value']:g}"
    return line + (f" ({escape(page['detail'])})" if page["detail"] else "")


def write_html(output: Output, book: Ledger, path: str) -> None:
    """Write the run's report to a file. Raises InspectError where the run has not published, or the file cannot be."""
    if not output.exists("report.html"):
        raise InspectError(f"{output.root}: no report.html; run `python -m pipeline publish` first")
    with output.open("report.html") as source:
        try:
            with open(path, "wb") as target:
                target.write(source.read())
        except OSError as error:
            raise InspectError(f"{path}: cannot be written: {error.strerror}") from error
