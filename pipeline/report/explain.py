"""The life of one page through every stage, measured again from the crawl record itself where it is still at hand."""

from dataclasses import replace
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape

from pipeline.config import Config, build_config
from pipeline.extract.page import Page
from pipeline.extract.splits import Split
from pipeline.filters.chain import RulesConfig, check_filters, load_filters
from pipeline.io.inputs import open_input
from pipeline.io.output import Output
from pipeline.publish.line_removal import REPEATED_LINES_REASON, read_removed_lines
from pipeline.report.inspect_output import InspectError, find, rows, table, verdict
from pipeline.warc.reader import CrawlRecord, read_crawl_records

MOST_WORDS = 4000  # of each text in a comparison: matching costs the product
MOST_CHANGES = 20


def explain(output: Output, wanted: str, out: Console) -> None:
    """Print the life of every page whose id or URL is `wanted`. Raises InspectError where there is none."""
    pages = find(output, "id", wanted) or find(output, "url", wanted)
    if not pages:
        raise InspectError(f"--explain {wanted}: no page with this id or URL was read")
    with output.open("config.yaml") as source:
        config = build_config(yaml.safe_load(source))
    for page in pages:
        explain_page(output, config, page, out)


def explain_page(output: Output, config: Config, page: dict[str, Any], out: Console) -> None:
    """Print one page's life."""
    out.print(f"[bold]{escape(page['url'] or page['id'])}[/bold]")
    out.print(f"record     {escape(page['id'])}, {page['date']}, {escape(page['file'])} at byte {page['offset']:,}")
    text, language = page["text"], page["language"]
    fresh = extract_again(config, page)
    if fresh is not None:
        text, language = fresh.text or "", fresh.language or ""
        score = fresh.language_score or 0.0
        out.print(f"wishes     {fresh.robots or 'none stated'}; URL, HTTP status and MIME type pass")
        out.print(f"extract    {len(text):,} characters by {config.extract.engine}, decoded as {fresh.encoding}")
        wanted = config.language.by_language.get(language, config.language.min_score)
        mark = "passes" if score >= wanted else "fails"
        out.print(f"language   {language}, score {score:.3f}, needs {wanted:g}: {mark}")
    elif text:
        out.print(f"extract    {len(text):,} characters (as stored: the record itself is not at hand)")
    if text and language:
        print_checks(config, text, language, out)
    out.print(f"decision   {verdict(page)}")
    if page["folder"] == "documents":
        score = page["scores"]["quality"]
        quality = "no model was given" if score is None else f"{score:.3f}"
        out.print(f"quality    {quality}; PII spans masked: {page['pii']}")
        print_after(output, config, page, out)
    out.print()


def extract_again(config: Config, page: dict[str, Any]) -> Page | None:
    """Read the page's record again and take it as far as language, all rules off; None where that cannot be done."""
    from pipeline.extract.job import load_stages
    from pipeline.extract.read_crawl import read_page
    from pipeline.url.filter import UrlFilter

    loose = replace(
        config,
        languages=(),
        stages=(),
        language=replace(config.language, min_score=0.0, by_language={}),
        rules=RulesConfig(),
        pii=replace(config.pii, emails=False, ips=False, phones=False, cards=False, ibans=False),
        quality=replace(config.quality, model=None, min_score=None),
        dedup=replace(config.dedup, near=False),
    )
    try:
        record = read_at(page, config)
    except OSError:  # the input has moved; what is stored must do
        return None
    if record is None:
        return None
    split = Split(page["file"], "", page["offset"], None, record.length, None)
    pages = [read_page(record, split, 0, UrlFilter(config.url), config.input, config.robots)]
    for process_pages in load_stages(loose):
        pages = process_pages(pages)
    return pages[0] if pages[0].rejection is None else None


def read_at(page: dict[str, Any], config: Config) -> CrawlRecord | None:
    """Return the record that a page came from. Raises OSError where its file is gone."""
    with open_input(page["file"], config.input) as source:
        for start in (page["offset"], 0):  # offsets into a file compressed as a whole can only be counted to
            for item in read_crawl_records(source, start, page["offset"] + 1):
                if isinstance(item, CrawlRecord) and item.offset == page["offset"] and item.id == page["id"]:
                    return item
    return None


def print_checks(config: Config, text: str, language: str, out: Console) -> None:
    """Print every threshold of the rules with the page's measure."""
    checks = check_filters(load_filters(config.rules), text, language)
    drawn = table("rule", "measure", "value", "at least", "at most", "")
    for check in checks:
        limits = ["" if limit is None else f"{limit:g}" for limit in (check.minimum, check.maximum)]
        drawn.add_row(check.reason, check.measure, f"{check.value:.4g}", *limits, "" if check.passed else "FAILS")
    if checks:
        out.print(drawn)


def print_after(output: Output, config: Config, page: dict[str, Any], out: Console) -> None:
    """Print what dedup and publishing did with a kept page."""
    for row in rows(output, "duplicates"):
        if row["row"] == page["row"] and row["shard"] == page["shard"]:
            out.print(f"dedup      {verdict(row)}, cluster {escape(row['cluster'])}")
            print_difference(Output(row["kept_in"]) if row.get("kept_in") else output, page, row["kept_id"], out)
            return
    out.print("dedup      stays" if output.exists("duplicates") else "dedup      not yet: the dedup job has not run")
    reason = print_lines(output, config, page, out)
    hits = [row for row in rows(output, "contaminated") if row["row"] == page["row"] and row["shard"] == page["shard"]]
    for hit in hits:
        out.print(f"contains   {verdict(hit)}: {escape(quoted(hit['text'].split()))}")
    found = False
    for split in ("train", "validation", "anneal"):
        copies = [row for row in rows(output, f"corpus/{split}", ["id", "weight"]) if row["id"] == page["id"]]
        if copies:
            found = True
            times = "once" if len(copies) == 1 else f"{len(copies)} times"
            out.print(f"publish    {split}, {times}, weight {copies[0]['weight']:.3g}, in {copies[0]['shard']}")
    if not output.exists("corpus"):
        out.print("publish    not yet: the publish job has not run")
    elif not found:
        reason = reason or ("contaminated" if any(hit["action"] == "drop" for hit in hits) else "")
        out.print(f"publish    held out {f'as {reason}' if reason else 'of the mix'}")


def print_lines(output: Output, config: Config, page: dict[str, Any], out: Console) -> str:
    """Print the lines that go from a page because many have them. Returns why it is held out for that, or ""."""
    gone = [r for r in rows(output, "repeated_lines") if r["row"] == page["row"] and r["shard"] == page["shard"]]
    if not gone:
        return ""
    before = len(page["text"])
    name = page["shard"].removesuffix(".parquet")
    lines = read_removed_lines(output, name, config.dedup)
    left = lines.remaining_text(gone[0]["row"], page["text"]) if lines else None
    after = f", {len(left.text):,} of {before:,} characters are left" if left else ""
    out.print(f"lines      {len(gone):,} go, which other pages have too{after}")
    for row in gone[:MOST_CHANGES]:
        line = quoted(page["text"][row["start"] : row["end"]].split())
        out.print(f"  on {row['pages']:,} pages: {escape(line)}")
    if len(gone) > MOST_CHANGES:
        out.print(f"  ... and {len(gone) - MOST_CHANGES} more")
    return REPEATED_LINES_REASON if left and not left.enough else ""


def print_difference(source: Output, page: dict[str, Any], kept_id: str, out: Console) -> None:
    """Print how the text of a duplicate differs from that of the page that stays, of this or an earlier output."""
    import difflib

    texts = rows(source, "documents", ["id", "text"])
    kept = next((row for row in texts if row["id"] == kept_id), None)
    if kept is None:
        out.print(f"  the page that stays is no longer in {escape(source.root)}/documents")
        return
    if kept["text"] == page["text"]:
        out.print("  the two texts are equal")
        return
    stays, dropped = kept["text"].split()[:MOST_WORDS], page["text"].split()[:MOST_WORDS]
    changes = difflib.SequenceMatcher(None, stays, dropped, autojunk=False).get_opcodes()
    shown = [change for change in changes if change[0] != "equal"]
    for _, a, b, c, d in shown[:MOST_CHANGES]:
        before = " ".join(stays[max(0, a - 4) : a])
        out.print(f"  ... {escape(before)} stays: {escape(quoted(stays[a:b]))} dropped: {escape(quoted(dropped[c:d]))}")
    if len(shown) > MOST_CHANGES:
        out.print(f"  ... and {len(shown) - MOST_CHANGES} more differences")


def quoted(words: list[str]) -> str:
    """Return words as a short quotation."""
    text = " ".join(words)
    return f'"{text[:120]}{"..." if len(text) > 120 else ""}"'
