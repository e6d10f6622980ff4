"""The ledger: how many records were read, and where every page ended. Its sums must agree.

    responses = kept + sum(rejected)
    kept      = sum(duplicates) + sum(held_out) + sum(published)

The extract job counts a FileLedger for each input file. A run adds what dedup and publish did with the pages, sums the
files up, checks both equations for each file and in total, and writes all of it to `ledger.json`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

COUNTERS = ("records", "rejected", "truncated", "robots", "gate", "fallback", "duplicates", "held_out")
DUPLICATE_KINDS = ("url", "exact", "near")


class LedgerError(ValueError):
    """The ledger does not add up; the text lists every sum that fails, with the difference."""


class UnreadableRange(NamedTuple):
    """A range of bytes of an input file that holds no readable record, and why."""

    offset: int
    length: int
    reason: str


class AddedTexts(TypedDict):
    """Texts of an extra source. `bytes` has three sums: after decontamination, wanted in anneal/, published there."""

    texts: int
    held_out: dict[str, int]
    published: int
    repeated: int
    bytes: list[int]


def count_no_duplicates() -> Counter[str]:
    """Return a count of zero for each kind of duplicate."""
    return Counter(dict.fromkeys(DUPLICATE_KINDS, 0))


@dataclass
class FileLedger:
    """The counts of one input file, of a part of it, or the sum of several. All mappings are name -> number."""

    records: Counter[str] = field(default_factory=Counter)  # by WARC type
    responses: int = 0  # records that are pages
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by "stage/reason"
    unreadable_bytes: int = 0
    unreadable: list[UnreadableRange] = field(default_factory=list)
    truncated: Counter[str] = field(default_factory=Counter)  # records that are cut short, by cause; kept or not
    robots: Counter[str] = field(default_factory=Counter)  # robots directives of the pages, obeyed or not
    # Pages that the language prefilter dropped: "checked" were processed in full, "missed" would have been kept.
    gate: Counter[str] = field(default_factory=Counter)
    # Engines of extract.fallback: "NAME/tried" pages that it was tried on, "NAME/kept" those kept with its text.
    fallback: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=count_no_duplicates)  # by kind
    held_out: Counter[str] = field(default_factory=Counter)  # not published, by reason
    bad_file: str = ""  # why the file is no crawl file; "" if it is one

    def add(self, other: "FileLedger") -> None:
        """Add the counts of another ledger to these."""
        self.records.update(other.records)
        self.responses += other.responses
        self.kept += other.kept
        self.rejected.update(other.rejected)
        self.unreadable_bytes += other.unreadable_bytes
        self.unreadable += other.unreadable
        self.truncated.update(other.truncated)
        self.robots.update(other.robots)
        self.gate.update(other.gate)
        self.fallback.update(other.fallback)
        self.duplicates.update(other.duplicates)
        self.held_out.update(other.held_out)
        self.bad_file = self.bad_file or other.bad_file

    def sort(self) -> None:
        """Sort the names of all counts."""
        for name in COUNTERS:
            setattr(self, name, Counter(dict(sorted(getattr(self, name).items()))))

    def to_json(self) -> dict[str, object]:
        """Return the counts as `ledger.json` has them for a file; `bad_file` only if the file is no crawl file."""
        values: dict[str, object] = {
            "records": dict(self.records),
            "responses": self.responses,
            "kept": self.kept,
            "rejected": dict(self.rejected),
            "unreadable_bytes": self.unreadable_bytes,
            "unreadable": [list(found) for found in self.unreadable],
            "truncated": dict(self.truncated),
            "robots": dict(self.robots),
            "gate": dict(self.gate),
            "fallback": dict(self.fallback),
            "duplicates": dict(self.duplicates),
            "held_out": dict(self.held_out),
        }
        return values | ({"bad_file": self.bad_file} if self.bad_file else {})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FileLedger":
        """Return the counts that `to_json` returned."""
        return cls(
            responses=values["responses"],
            kept=values["kept"],
            unreadable_bytes=values["unreadable_bytes"],
            unreadable=[UnreadableRange(*found) for found in values.get("unreadable", ())],
            bad_file=values.get("bad_file", ""),
            **{name: Counter(values[name]) for name in COUNTERS},
        )


@dataclass
class LedgerTotals(FileLedger):
    """The sums over all files, with what only the whole run has. A field is None before the job that counts it."""

    # Of the pages that are no duplicates, "lines", "pages" and "characters": [removed or changed, all].
    repeated_lines: dict[str, list[int]] | None = None
    published: Counter[str] | None = None  # by split
    repeated: Counter[str] | None = None  # further copies of published pages, by split
    added: dict[str, AddedTexts] | None = None  # in anneal/, by extra source
    masked: int | None = None  # published pages in which spans of evaluation sets are masked

    def to_json(self) -> dict[str, object]:
        """Return the sums as `ledger.json` has them."""
        values = super().to_json()
        del values["unreadable"]
        values.pop("bad_file", None)
        more = {
            "repeated_lines": self.repeated_lines,
            "published": None if self.published is None else dict(self.published),
            "repeated": None if self.repeated is None else dict(self.repeated),
            "added": {"anneal": self.added} if self.added else None,
            "masked": {"contaminated": self.masked} if self.masked else None,
        }
        return values | {name: value for name, value in more.items() if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "LedgerTotals":
        """Return the sums that `to_json` returned."""
        totals = cls(**vars(FileLedger.from_json(values)))
        totals.repeated_lines = values.get("repeated_lines")
        totals.published = Counter(values["published"]) if "published" in values else None
        totals.repeated = Counter(values["repeated"]) if "repeated" in values else None
        totals.added = values.get("added", {}).get("anneal")
        totals.masked = values.get("masked", {}).get("contaminated")
        return totals


@dataclass
class Ledger:
    """All of `ledger.json`: the totals, the counts of each input file, and why a file is no crawl file."""

    totals: LedgerTotals = field(default_factory=LedgerTotals)
    files: dict[str, FileLedger] = field(default_factory=dict)
    bad_files: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the content of `ledger.json`."""
        files = {path: counts.to_json() for path, counts in self.files.items()}
        for counts in files.values():
            counts.pop("bad_file", None)
        return {"totals": self.totals.to_json(), "files": files, "bad_files": self.bad_files}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Ledger":
        """Return the ledger that a `ledger.json` holds."""
        files = {path: FileLedger.from_json(counts) for path, counts in values["files"].items()}
        for path, why in values["bad_files"].items():
            files[path].bad_file = why
        return cls(LedgerTotals.from_json(values["totals"]), files, dict(values["bad_files"]))


def sum_file_ledgers(parts: Iterable[FileLedger]) -> FileLedger:
    """Return the sum of ledgers, with all names sorted. Unreadable ranges follow each other."""
    total = FileLedger()
    for part in parts:
        total.add(part)
    total.sort()
    return total


def find_extract_problems(counts: FileLedger, name: str) -> list[str]:
    """Return a line of text if `responses = kept + sum(rejected)` does not hold, else nothing."""
    rejected = counts.rejected.total()
    difference = counts.responses - counts.kept - rejected
    if not difference:
        return []
    return [f"{name}: {counts.responses} responses, {counts.kept} kept + {rejected} rejected: {difference:+d}"]


def find_publish_problems(counts: FileLedger, published: int, name: str) -> list[str]:
    """Return a line if `kept = sum(duplicates) + sum(held_out) + published` does not hold, else nothing."""
    duplicates, held_out = counts.duplicates.total(), counts.held_out.total()
    difference = counts.kept - duplicates - held_out - published
    sums = f"{duplicates} duplicates + {held_out} held out + {published} published"
    return [f"{name}: {counts.kept} kept, {sums}: {difference:+d}"] if difference else []


def require_no_problems(problems: list[str]) -> None:
    """Raise LedgerError with all problems, if there are any."""
    if problems:
        raise LedgerError("the ledger does not add up: " + "; ".join(problems))
