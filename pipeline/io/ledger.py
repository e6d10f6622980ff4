"""The ledger: every record read, every page kept or dropped with its reason, and the sums that must agree.

    records     how many of each type were read           responses = kept + sum(rejected)
    unreadable  byte ranges that hold no readable record   kept = sum(duplicates) + sum(held_out) + sum(published)

All functions are pure and work on plain dicts, so that a ledger is what its JSON file shows.
"""

from collections.abc import Iterable, Mapping
from typing import Any


class LedgerError(ValueError):
    """The ledger does not reconcile; its text lists every sum that fails, with the difference."""


def empty() -> dict[str, Any]:
    """Return the counts of an input of which nothing has been read."""
    return {
        "records": {},
        "responses": 0,
        "kept": 0,
        "rejected": {},
        "unreadable_bytes": 0,
        "unreadable": [],
        "truncated": {},  # records that the crawler or the reader cut, by why; kept or not
        "robots": {},  # wishes that pages state, honoured or not
        "gate": {},  # of the pages dropped as language/gate: checked (extracted all the same), missed (kept but for it)
        "duplicates": {"url": 0, "exact": 0, "near": 0},
        "held_out": {},
    }


def add(counts: dict[str, int], key: str, n: int = 1) -> None:
    """Add `n` to one counter of a mapping."""
    counts[key] = counts.get(key, 0) + n


def total(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of ledgers: numbers and mappings of numbers add, lists follow each other; keys sorted."""
    result = empty()
    for part in parts:
        for key, value in part.items():
            if isinstance(value, Mapping):
                counts = result.setdefault(key, {})
                for name, n in value.items():
                    add(counts, name, n)
            elif isinstance(value, list):
                result[key] = result.get(key, []) + value
            else:
                result[key] = result.get(key, 0) + value
    return {key: dict(sorted(v.items())) if isinstance(v, dict) else v for key, v in result.items()}


def extract_problems(counts: Mapping[str, Any], name: str) -> list[str]:
    """Return a line for each sum of the extract job that fails in one ledger."""
    rejected = sum(counts["rejected"].values())
    difference = counts["responses"] - counts["kept"] - rejected
    if difference:
        return [
            f"{name}: {counts['responses']} responses, {counts['kept']} kept + {rejected} rejected: {difference:+d}"
        ]
    return []


def publish_problems(counts: Mapping[str, Any], published: int, name: str) -> list[str]:
    """Return a line for each sum of the publish job that fails in one ledger; `published` are its pages in corpus/."""
    gone, held = sum(counts["duplicates"].values()), sum(counts["held_out"].values())
    difference = counts["kept"] - gone - held - published
    sums = f"{gone} duplicates + {held} held out + {published} published"
    return [f"{name}: {counts['kept']} kept, {sums}: {difference:+d}"] if difference else []


def require(problems: list[str]) -> None:
    """Raise LedgerError with all the problems, if there are any."""
    if problems:
        raise LedgerError("the ledger does not reconcile: " + "; ".join(problems))
