"""The ledger of a run: put together from the counts of the jobs, checked, and written to `ledger.json`."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

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
from pipeline.publish.result import find_extra_problems


def write_ledger(output: Output, files: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> Ledger:
    """Write `ledger.json` and return the ledger. Raises LedgerError, with every sum that does not agree.

    `files` has each extracted file's marker by shard name, `facts` the results of the jobs that have ended.
    """
    book, problems = Ledger(), []
    dropped = facts.get("dedup", {}).get("files", {})
    published = facts.get("publish", {}).get("files", {})
    for name, marker in files.items():
        counts, path = FileLedger.from_json(marker["ledger"]), marker["path"]
        if name in dropped:
            counts.duplicates = Counter(dropped[name])
        if counts.bad_file:
            book.bad_files[path] = counts.bad_file
        problems += find_extract_problems(counts, path)
        if published:
            counts.held_out = Counter(published[name]["held_out"])
            problems += find_publish_problems(counts, sum(published[name]["published"].values()), path)
        book.files[path] = counts
    book.totals = LedgerTotals(**vars(sum_file_ledgers(book.files.values())))
    problems += find_extract_problems(book.totals, "in total")
    book.totals.repeated_lines = facts.get("dedup", {}).get("lines") or None
    if published:
        problems += add_published(book.totals, facts["publish"])
    require_no_problems(problems)
    output.write_json(book.to_json(), "ledger.json")
    return book


def add_published(totals: LedgerTotals, result: Mapping[str, Any]) -> list[str]:
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
