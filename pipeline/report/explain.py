"""`inspect --explain`: prints what each stage found about one page, and what dedup and publish did with it.

The page is extracted again from its crawl record, if that can still be read; otherwise the stored text is shown.
"""

import difflib
from collections.abc import Mapping
from dataclasses import replace

import yaml
from rich.console import Console
from rich.markup import escape

from pipeline.config import Config, build_config
from pipeline.extract.job import apply_stages, load_stages
from pipeline.extract.page import Page
from pipeline.extract.read_crawl import place_page, read_page
from pipeline.extract.settings import QualityConfig
from pipeline.extract.splits import Split
from pipeline.filters.chain import RulesConfig, check_filters, load_filters
from pipeline.io.inputs import open_input
from pipeline.io.output import Output
from pipeline.publish.line_removal import REPEATED_LINES_REASON, read_removed_lines
from pipeline.publish.result import SPLITS
from pipeline.report.console import new_table
from pipeline.report.stored_rows import (
    ContaminatedRow,
    DuplicatePage,
    InspectError,
    KeptPage,
    RejectedPage,
    RepeatedLine,
    StoredPage,
    find_pages,
    read_published_weights,
    read_stored_rows,
)
from pipeline.settings import ConfigError
from pipeline.url.filter import UrlFilter
from pipeline.warc.reader import CrawlRecord, read_crawl_records

MAX_COMPARED_WORDS = 4000  # of each text: the time of a comparison grows with their product
MAX_SHOWN = 20  # lines and differences


def explain_pages(output: Output, wanted: str, console: Console) -> None:
    """Print what happened to every page whose id or URL is `wanted`. Raises InspectError if there is none."""
    pages = find_pages(output, "id", wanted) or find_pages(output, "url", wanted)
    if not pages:
        raise InspectError(f"--explain {wanted}: no page with this id or URL was read")
    with output.open("config.yaml") as source:
        config = build_config(yaml.safe_load(source))
    for page in pages:
        explain_page(output, config, page, console)


def explain_page(output: Output, config: Config, page: StoredPage, console: Console) -> None:
    """Print what happened to one page."""
    console.print(f"[bold]{escape(page.url or page.id)}[/bold]")
    console.print(f"record     {escape(page.id)}, {page.date}, {escape(page.file)} at byte {page.offset:,}")
    text, language = page.text, page.language
    fresh = extract_again(config, page)
    if fresh is not None:
        text, language = fresh.text, fresh.language
        print_extraction(config, fresh, console)
    elif text:
        console.print(f"extract    {len(text):,} characters (the stored text: the record cannot be read)")
    if text and language:
        print_checks(config, text, language, console)
    console.print(f"decision   {page.describe()}")
    if isinstance(page, KeptPage):
        console.print(f"quality    {describe_scores(page.scores)}; masked spans of personal data: {page.pii}")
        if print_duplicates(output, page, console):
            print_publishing(output, config, page, console)
    console.print()


def describe_scores(scores: Mapping[str, float | None]) -> str:
    """Return the quality score of a page and those of the members, in words."""
    known = {name: f"{score:.3f}" for name, score in scores.items() if score is not None}
    members = ", ".join(f"{name} {score}" for name, score in known.items() if name != "quality")
    return f"{known.get('quality', 'no score')}{f' ({members})' if members else ''}"


def print_extraction(config: Config, page: Page, console: Console) -> None:
    """Print what reading, extraction and language identification found, for a page that passes all of them."""
    language, score = page.language or "", page.language_score or 0.0
    engine = escape(page.engine or "the input")
    console.print(f"robots     {page.robots or 'no directives'}; URL, HTTP status and MIME type pass")
    console.print(f"extract    {len(page.text or ''):,} characters by {engine}, decoded as {page.encoding}")
    needed = config.language.by_language.get(language, config.language.min_score)
    mark = "passes" if score >= needed else "fails"
    share = "" if page.language_share is None else f"; {page.language_share:.0%} of the text is in no other language"
    console.print(f"language   {language}, score {score:.3f}, needs {needed:g}: {mark}{share}")


def extract_again(config: Config, page: StoredPage) -> Page | None:
    """Extract a page again with all filters off. Returns None if its record cannot be read or has no text.

    A page that took too much time or memory, or crashed, is left alone: it would do so here.
    """
    if isinstance(page, RejectedPage) and page.stage == "extract" and page.reason in ("timeout", "memory", "crash"):
        return None
    engine = page.engine if isinstance(page, KeptPage) and page.engine else config.extract.engine
    loose = replace(
        config,
        extract=replace(config.extract, engine=engine, fallback=()),
        languages=(),
        language=replace(config.language, min_score=0.0, by_language={}),
        rules=RulesConfig(),
        pii=replace(config.pii, emails=False, ips=False, phones=False, cards=False, ibans=False),
        quality=QualityConfig(score=False),
        dedup=replace(config.dedup, near=False),
    )
    try:
        record, stages = find_record(config, page), load_stages(loose)
    except (OSError, ConfigError):  # the input is no longer there, or a stage of the user's own cannot run here
        return None
    if record is None:
        return None
    split = Split(page.file, "", page.offset, None, record.length, None)
    pages = [read_page(place_page(record, split, 0), record, UrlFilter(config.url), config.input, config.robots)]
    pages = apply_stages(pages, stages)
    return pages[0] if pages[0].rejection is None else None


def find_record(config: Config, page: StoredPage) -> CrawlRecord | None:
    """Return the record that a page came from. Raises OSError if its file is gone."""
    with open_input(page.file, config.input) as source:
        for start in (page.offset, 0):  # in a file that is compressed as a whole, reading starts at its beginning
            for item in read_crawl_records(source, start, page.offset + 1):
                if isinstance(item, CrawlRecord) and item.offset == page.offset and item.id == page.id:
                    return item
    return None


def print_checks(config: Config, text: str, language: str, console: Console) -> None:
    """Print every threshold of the filters, built-in and custom, beside the page's measure."""
    checks = check_filters(load_filters(config.rules), text, language)
    table = new_table("filter/reason", "measure", "value", "at least", "at most", "")
    for check in checks:
        limits = ["" if limit is None else f"{limit:g}" for limit in (check.minimum, check.maximum)]
        table.add_row(check.reason, check.measure, f"{check.value:.4g}", *limits, "" if check.passed else "FAILS")
    if checks:
        console.print(table)


def print_duplicates(output: Output, page: KeptPage, console: Console) -> bool:
    """Print whether a page was dropped as a duplicate, and of which page. Returns whether it was kept."""
    for row in read_stored_rows(output, DuplicatePage):
        if row.is_of(page):
            console.print(f"dedup      {row.describe()}, cluster {escape(row.cluster)}")
            print_differences(Output(row.kept_in) if row.kept_in else output, page, row.kept_id, console)
            return False
    console.print("dedup      kept" if output.exists("duplicates") else "dedup      the dedup job has not run yet")
    return True


def print_publishing(output: Output, config: Config, page: KeptPage, console: Console) -> None:
    """Print what the publish job did with a page that is no duplicate."""
    reason = print_removed_lines(output, config, page, console)
    spans = [row for row in read_stored_rows(output, ContaminatedRow) if row.is_of(page)]
    for span in spans:
        console.print(f"contains   {span.describe()}: {escape(quote_words((span.text or '').split()))}")
    published = print_copies(output, page, console)
    if not output.exists("corpus"):
        console.print("publish    the publish job has not run yet")
    elif not published:
        reason = reason or ("contaminated" if any(span.action == "drop" for span in spans) else "")
        console.print(f"publish    not published: {reason or 'not sampled by the mixture'}")


def print_copies(output: Output, page: KeptPage, console: Console) -> bool:
    """Print in which splits of the corpus a page is, and how often; return whether it is in any."""
    published = False
    for split in SPLITS:
        found = find_copies_of(output, split, page.id)
        if found:
            times, weight, shard = found
            often = "once" if times == 1 else f"{times} times"
            console.print(f"publish    {split}, {often}, weight {weight:.3g}, in {shard}")
            published = True
    return published


def find_copies_of(output: Output, split: str, page_id: str) -> tuple[int, float, str] | None:
    """Return how often a split has a page, with its weight and the shard of its first copy; None if it has none."""
    copies = [(weight, name) for name, found, weight in read_published_weights(output, split) if found == page_id]
    return (len(copies), *copies[0]) if copies else None


def print_removed_lines(output: Output, config: Config, page: KeptPage, console: Console) -> str:
    """Print the repeated lines that are removed from a page.

    Returns the reason for which the page is held out if too little text remains, else "".
    """
    lines = [row for row in read_stored_rows(output, RepeatedLine) if row.is_of(page)]
    if not lines:
        return ""
    text = page.text or ""
    removed = read_removed_lines(output, page.shard.removesuffix(".parquet"), config.dedup.line_params())
    remaining = removed.remaining_text(page.row, text) if removed else None
    after = f"; {len(remaining.text):,} of {len(text):,} characters remain" if remaining else ""
    console.print(f"lines      {len(lines):,} removed, which other pages have too{after}")
    for row in lines[:MAX_SHOWN]:
        console.print(f"  on {row.pages:,} pages: {escape(quote_words(text[row.start : row.end].split()))}")
    if len(lines) > MAX_SHOWN:
        console.print(f"  ... and {len(lines) - MAX_SHOWN} more")
    return REPEATED_LINES_REASON if remaining and not remaining.enough else ""


def print_differences(source: Output, page: KeptPage, kept_id: str, console: Console) -> None:
    """Print how a duplicate's text differs from that of the page that is kept, in this or an earlier output."""
    kept = next((row for row in read_stored_rows(source, KeptPage) if row.id == kept_id), None)
    if kept is None:
        console.print(f"  the kept page is no longer in {escape(source.root)}/documents")
        return
    if kept.text == page.text:
        console.print("  the two texts are equal")
        return
    kept_words = (kept.text or "").split()[:MAX_COMPARED_WORDS]
    words = (page.text or "").split()[:MAX_COMPARED_WORDS]
    changes = difflib.SequenceMatcher(None, kept_words, words, autojunk=False).get_opcodes()
    shown = [change for change in changes if change[0] != "equal"]
    for _, a, b, c, d in shown[:MAX_SHOWN]:
        before = escape(" ".join(kept_words[max(0, a - 4) : a]))
        kept_part, dropped_part = escape(quote_words(kept_words[a:b])), escape(quote_words(words[c:d]))
        console.print(f"  ... {before} kept: {kept_part} dropped: {dropped_part}")
    if len(shown) > MAX_SHOWN:
        console.print(f"  ... and {len(shown) - MAX_SHOWN} more differences")


def quote_words(words: list[str]) -> str:
    """Return words as a quotation of at most 120 characters."""
    text = " ".join(words)
    return f'"{text[:120]}{"..." if len(text) > 120 else ""}"'
