"""`what-if`: which pages other thresholds would keep or drop, by what an output has stored. Nothing is extracted.

A kept page has the measures of its filters; a threshold that has no stored measure is held against the stored text.
A page that a filter, the language or the quality score rejected has the text that it came with, so it goes through
the new filters. Pages that an earlier stage rejected stay rejected. Duplicates and the mixture are left as they are.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml
from rich.console import Console
from rich.markup import escape

from pipeline.config import Config, build_config, compare_configs, config_values
from pipeline.extract.identify_language import check_language
from pipeline.extract.page import Rejection
from pipeline.extract.page_stage import load_once
from pipeline.extract.score_quality import QualityBounds, add_worth, find_poor_score, load_scorer, read_quality_bounds
from pipeline.filters.chain import NamedFilter, apply_filters, load_filters
from pipeline.io.output import Output
from pipeline.report.console import new_table
from pipeline.settings import ConfigError, merge_settings, read_override

ANSWERED = (
    "languages",
    "language.min_score",
    "language.by_language",
    "rules.",
    "quality.min_score",
    "quality.min_worth",
)
KEPT = "kept"
KEPT_COLUMNS = ("url", "language", "language_score", "text", "measures", "scores")
REJECTED_COLUMNS = ("url", "language", "language_score", "text", "stage", "reason", "value")
ROWS_AT_ONCE = 512


class Change(NamedTuple):
    """A page that would end in another way: its address, its old and its new end, and the beginning of its text."""

    url: str
    before: str
    after: str
    text: str


@dataclass
class WhatIf:
    """What would change: pages kept before and after, and the changes with samples."""

    before: int = 0
    after: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: dict[tuple[str, str], list[Change]] = field(default_factory=dict)

    def add(self, change: Change, sample: int) -> None:
        """Count a page."""
        self.before += change.before == KEPT
        self.after += change.after == KEPT
        ends = (change.before, change.after)
        if (change.before == KEPT) == (change.after == KEPT):
            return
        self.counts[ends] += 1
        if len(self.samples.setdefault(ends, [])) < sample:
            self.samples[ends].append(change)


def change_config(output: Output, overrides: Sequence[str]) -> Config:
    """Return the config of an output with other settings. Raises ConfigError for one that needs another run."""
    with output.open("config.yaml") as source:
        values: Mapping[str, Any] = yaml.safe_load(source)
    changed = values
    for override in overrides:
        changed = merge_settings(changed, read_override(override))
    config = build_config(changed)
    for line in compare_configs(values, config_values(config)):
        key = line.partition(":")[0]
        if not key.startswith(ANSWERED):
            raise ConfigError(
                f"--set {key}: only a run can tell; what-if knows {', '.join(ANSWERED).replace('s.,', 's,')}"
            )
    return config


def hold_thresholds(filters: Sequence[NamedFilter], row: Mapping[str, Any]) -> str:
    """Return the reason for which a kept page would be dropped by its stored measures; "kept" where it would not."""
    missing: list[NamedFilter] = []
    for named in filters:
        for threshold in named.filter.thresholds():
            bound = named.filter.threshold_for(threshold.field, row["language"])
            value = (row["measures"] or {}).get(threshold.measure)
            if bound is None:
                continue
            if value is None:
                missing.append(named)
            elif value < bound if threshold.is_minimum else value > bound:
                return f"{named.name}/{threshold.reason}"
    if missing:
        failure = apply_filters(list(dict.fromkeys(missing)), row["text"] or "", row["language"]).failure
        return failure.reason if failure else KEPT
    return KEPT


def judge_kept(row: Mapping[str, Any], config: Config, filters: Sequence[NamedFilter]) -> str:
    """Return how a kept page would end."""
    found = check_language(row["language"], row["language_score"], config.languages, config.language)
    if found:
        return found.key
    end = hold_thresholds(filters, row)
    poor = find_poor_score(row["scores"] or {}, read_quality_bounds(config.quality)) if end == KEPT else None
    return poor.key if poor else end


def judge_rejected(row: Mapping[str, Any], config: Config, filters: Sequence[NamedFilter]) -> str:
    """Return how a page would end that the language, a filter or the quality score has rejected.

    A page that passes the filters is scored, where a score could drop it.
    """
    before = f"{row['stage']}/{row['reason']}"
    if row["text"] is None or row["language"] is None or before == "language/gate":
        return before
    found = check_language(row["language"], row["language_score"] or 0.0, config.languages, config.language)
    if found:
        return found.key
    if any(still_fails(named, row) for named in filters if named.name == row["stage"]):
        return before
    result = apply_filters(filters, row["text"], row["language"])
    if result.failure:
        return result.failure.reason
    poor = score_text(result.text, row["language"], config)
    return poor.key if poor else KEPT


def score_text(text: str, language: str, config: Config) -> Rejection | None:
    """Return why a text would be dropped by its scores; None where it would be kept."""
    least = read_quality_bounds(config.quality)
    if least == QualityBounds() or not config.quality.score:
        return None
    (scores,) = load_once(load_scorer, config.quality.model)([text], [language])
    return find_poor_score(add_worth(scores, text, language), least)


def still_fails(named: NamedFilter, row: Mapping[str, Any]) -> bool:
    """Return whether the stored value of a rejected page is still beyond the threshold that it failed."""
    for threshold in named.filter.thresholds():
        if threshold.reason == row["reason"]:
            bound = named.filter.threshold_for(threshold.field, row["language"])
            if bound is not None and row["value"] is not None:
                return bool(row["value"] < bound if threshold.is_minimum else row["value"] > bound)
    return False


def read_rows(output: Output, folder: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a folder, some columns of them."""
    for name in output.list(folder, ".parquet"):
        with output.parquet(folder, name) as shard:
            for batch in shard.iter_batches(columns=list(columns), batch_size=ROWS_AT_ONCE):
                yield from batch.to_pylist()


def find_changes(output: Output, config: Config, sample: int) -> WhatIf:
    """Return what a config would change in an output."""
    filters, found = load_filters(config.rules), WhatIf()
    for row in read_rows(output, "documents", KEPT_COLUMNS):
        end = judge_kept(row, config, filters)
        found.add(Change(row["url"] or "", KEPT, end, row["text"] or ""), sample)
    judged = {"language", "quality", *(named.name for named in load_filters(config.rules))}
    judged |= set(config_values(config)["rules"])
    unchanged = change_config(output, ()).rules == config.rules
    for row in read_rows(output, "rejected", REJECTED_COLUMNS):
        if row["stage"] in judged:
            before = f"{row['stage']}/{row['reason']}"
            # Its text is the one that the filters left, and need not pass them a second time.
            remaining = () if unchanged and row["stage"] == "quality" else filters
            change = Change(row["url"] or "", before, judge_rejected(row, config, remaining), row["text"] or "")
            found.add(change, sample)
    return found


def print_what_if(output: Output, overrides: Sequence[str], sample: int, console: Console) -> None:
    """Print what other settings would keep and drop. Raises ConfigError."""
    found = find_changes(output, change_config(output, overrides), sample)
    gone = sum(n for (before, _), n in found.counts.items() if before == KEPT)
    come = found.counts.total() - gone
    console.print(f"kept {found.before:,} -> {found.after:,} pages: {come:,} would come, {gone:,} would go")
    console.print("(before duplicates and the mixture; of pages without measures or text only a run can tell)")
    if not found.counts:
        return
    table = new_table("as it is", "with these settings", "pages")
    ordered = sorted(found.counts.items(), key=lambda item: (-item[1], item[0]))
    for (before, after), n in ordered:
        table.add_row(escape(before), escape(after), f"{n:,}")
    console.print(table)
    for ends, _ in ordered:
        console.print(f"\n[bold]{escape(ends[0])} -> {escape(ends[1])}[/bold]")
        for change in found.samples[ends]:
            text = " ".join(change.text.split())
            console.print(f"  {escape(change.url)}\n    {escape(text[:200])}")
