"""The ledger of a run: put together from the counts of the jobs, checked, and written."""

from typing import Any

from pipeline.io import ledger
from pipeline.io.output import Output
from pipeline.publish import extra_sources


def write_ledger(output: Output, files: dict[str, dict[str, Any]], facts: dict[str, Any]) -> dict[str, Any]:
    """Put the ledger together from the jobs' counts, check every sum, and write it. Raises LedgerError."""
    dropped = facts.get("dedup", {}).get("files", {})
    published = facts.get("publish", {}).get("files", {})
    book: dict[str, Any] = {"totals": {}, "files": {}, "bad_files": {}}
    problems = []
    for name, done in files.items():
        counts = {**done["ledger"], "duplicates": dropped.get(name, ledger.empty()["duplicates"])}
        counts["held_out"] = published.get(name, {}).get("held_out", {})
        bad = counts.pop("bad_file", None)
        if bad:
            book["bad_files"][done["path"]] = bad[0]
        problems += ledger.extract_problems(counts, done["path"])
        if published:
            pages = sum(published[name]["published"].values())
            problems += ledger.publish_problems(counts, pages, done["path"])
        book["files"][done["path"]] = counts
    book["totals"] = ledger.total(book["files"].values())
    book["totals"].pop("unreadable")
    problems += ledger.extract_problems(book["totals"], "in total")
    if lines := facts.get("dedup", {}).get("lines"):
        book["totals"]["repeated_lines"] = lines
    if published:
        pages = ledger.total({"published": counts["published"]} for counts in published.values())["published"]
        book["totals"]["published"] = pages
        problems += ledger.publish_problems(book["totals"], sum(pages.values()), "in total")
        book["totals"]["repeated"] = facts["publish"]["repeated"]
        if added := facts["publish"]["added"]:
            problems += extra_sources.problems(added)
            book["totals"]["added"] = {"anneal": added}
        if masked := facts["publish"]["contaminated"]["masked"]:
            book["totals"]["masked"] = {"contaminated": masked}
    ledger.require(problems)
    output.write_json(book, "ledger.json")
    return book
