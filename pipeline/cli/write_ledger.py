"""The ledger of a run: put together from the counts of the jobs, checked, and written to `ledger.json`."""

from collections import Counter

from pipeline.cli.resume import Markers
from pipeline.io.dedup_result import DedupResult
from pipeline.io.ledger import (
    FileLedger,
    Ledger,
    LedgerTotals,
    find_extract_problems,
    find_publish_problems,
    require_no_problems,
    sum_file_ledgers,
)
from pipeline.io.output import Output
from pipeline.publish.result import PublishResult, find_extra_problems


def write_ledger(
    output: Output, files: Markers, deduplicated: DedupResult | None = None, published: PublishResult | None = None
) -> Ledger:
    """Write `ledger.json` and return the ledger. Raises LedgerError, with every sum that does not agree."""
    ledger = build_ledger(files, deduplicated, published)
    output.write_json(ledger.to_json(), "ledger.json")
    return ledger


def build_ledger(
    files: Markers, deduplicated: DedupResult | None = None, published: PublishResult | None = None
) -> Ledger:
    """Return the ledger. Raises LedgerError, with every sum that does not agree.

    `files` has each extracted file's marker by shard name; the results are those of the jobs that have ended.
    """
    ledger, problems = Ledger(), []
    for name, marker in files.items():
        counts, path = FileLedger.from_json(marker["ledger"]), marker["path"]
        if deduplicated and name in deduplicated["files"]:
            counts.duplicates = Counter(deduplicated["files"][name])
        if counts.bad_file:
            ledger.bad_files[path] = counts.bad_file
        problems += find_extract_problems(counts, path)
        if published:
            counts.held_out = Counter(published["files"][name]["held_out"])
            problems += find_publish_problems(counts, sum(published["files"][name]["published"].values()), path)
        ledger.files[path] = counts
    ledger.totals = LedgerTotals(**vars(sum_file_ledgers(ledger.files.values())))
    problems += find_extract_problems(ledger.totals, "in total")
    if deduplicated:
        ledger.totals.repeated_lines = deduplicated.get("lines") or None
    if published:
        problems += add_published(ledger.totals, published)
    require_no_problems(problems)
    return ledger


def add_published(totals: LedgerTotals, result: PublishResult) -> list[str]:
    """Add the totals of the publish job. Returns a line for each sum that does not agree."""
    pages: Counter[str] = Counter()
    for counts in result["files"].values():
        pages.update(counts["published"])
    totals.published = Counter(dict(sorted(pages.items())))
    problems = find_publish_problems(totals, pages.total(), "in total")
    totals.repeated = Counter(result["repeated"])
    if result["added"]:
        problems += find_extra_problems(result["added"])
        totals.added = result["added"]
    totals.masked = result["contaminated"]["masked"] or None
    return problems
