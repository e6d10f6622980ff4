"""After the last page of a file: the parts of its splits become its two shards, and its ledger is written last."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection

from pipeline.extract.splits import (
    PartRows,
    ReadResult,
    cover_pages,
    list_parts,
    load_read_result,
    marker_path,
    part_path,
)
from pipeline.io.ledger import FileLedger, find_extract_problems, require_no_problems, sum_file_ledgers
from pipeline.io.output import WORK, Output
from pipeline.io.schemas import DOCUMENT, REJECTED


class MissingPages(ValueError):
    """Pages that were read and never written; the text is one line for the user."""


def merge_splits(name: str, output: Output, settings: str) -> None:
    """Merge a file's parts into documents/NAME.parquet and rejected/NAME.parquet, check its ledger, mark it done.

    `settings` is the fingerprint kept in the marker. A file that is done already is left as it is. Raises MissingPages
    where a stage lost pages, LedgerError where the sums do not agree.
    """
    if output.exists(*marker_path(name)):
        return
    try:
        read = list(load_read_results(name, output))
        chosen = choose_parts(name, read, output)
        counts, cpu = write_file_shards(name, chosen, output)
    except (MissingPages, FileNotFoundError):
        if output.exists(*marker_path(name)):  # another attempt has merged the file and removed its parts meanwhile
            return
        raise
    total = sum_file_ledgers([*(result.ledger for result in read), counts])
    require_no_problems(find_extract_problems(total, read[0].path))
    done: dict[str, object] = {"path": read[0].path, "size": read[0].file_size, "settings": settings}
    done |= {"ledger": total.to_json()} | ({"fallback_cpu": cpu} if cpu else {})
    output.write_json(done, *marker_path(name))
    with suppress(FileNotFoundError):  # another attempt removes the parts at the same time
        output.remove(WORK, "extract", name)


def load_read_results(name: str, output: Output) -> Iterator[ReadResult]:
    """Yield what was read, split after split; each ends where the next begins. Raises MissingPages."""
    start: int | None = 0
    while start is not None:
        try:
            result = load_read_result(output, name, start)
        except FileNotFoundError as error:
            raise MissingPages(
                f"{name}: the split at byte {start} was not read into {output.root} to its end; give ReadCrawl the "
                "output that WriteSplit has"
            ) from error
        yield result
        start = result.end


def choose_parts(name: str, read: list[ReadResult], output: Output) -> list[PartRows]:
    """Return the rows of parts that are the file's pages, each once and in order. Raises MissingPages."""
    parts = list_parts(output, name)
    starts = [0, *(result.end for result in read[:-1] if result.end is not None)]
    chosen: list[PartRows] = []
    for start, result in zip(starts, read, strict=True):
        rows, missing = cover_pages(parts.get(start, ()), result.ledger.responses)
        if missing:
            raise MissingPages(
                f"{missing} pages of {result.path} (split at byte {start}) are missing: a stage dropped pages without "
                "a rejection; set page.rejection instead"
            )
        chosen += rows
    return chosen


def write_file_shards(name: str, chosen: list[PartRows], output: Output) -> tuple[FileLedger, dict[str, float]]:
    """Write the rows to the file's two shards.

    Returns its ledger, without what was read, and the CPU seconds that each engine of `extract.fallback` took.
    """
    counts, cpu = FileLedger(), dict[str, float]()
    shard = f"{name}.parquet"
    with (
        output.table_writer(DOCUMENT, "documents", shard) as documents,
        output.table_writer(REJECTED, "rejected", shard) as rejected,
    ):
        for rows in chosen:
            with output.parquet(*part_path(name, rows.part)) as part:
                table = part.read().slice(rows.first, rows.last - rows.first)
            count_outcomes(table, counts)
            count_tries(table, counts, cpu)
            kept = pc.is_null(table["stage"])
            documents.append_rows(table.filter(kept).select(DOCUMENT.names))
            rejected.append_rows(table.filter(pc.invert(kept)).select(REJECTED.names))
    return counts, cpu


def count_outcomes(table: pa.Table, counts: FileLedger) -> None:
    """Add the rows of a part to a ledger."""
    for stage, reason in zip(table["stage"].to_pylist(), table["reason"].to_pylist(), strict=True):
        if stage is None:
            counts.kept += 1
        else:
            counts.rejected[f"{stage}/{reason}"] += 1
    for robots in filter(None, table["robots"].to_pylist()):
        counts.robots.update(robots.split(","))
    for checked in filter(None, table["checked"].to_pylist()):
        counts.gate["checked"] += 1
        counts.gate["missed"] += checked == "kept"


def count_tries(table: pa.Table, counts: FileLedger, cpu: dict[str, float]) -> None:
    """Add how often each engine of `extract.fallback` was tried, how many pages are kept with its text, and its CPU."""
    columns = (table[name].to_pylist() for name in ("tried", "engine", "stage"))
    for tried, engine, stage in zip(*columns, strict=True):
        for one in tried or ():
            counts.fallback[f"{one['engine']}/tried"] += 1
            counts.fallback[f"{one['engine']}/kept"] += stage is None and one["engine"] == engine
            cpu[one["engine"]] = cpu.get(one["engine"], 0.0) + one["cpu"]


@dataclass(eq=False)
class MergeSplits(beam.PTransform[PCollection[str], PCollection[str]]):
    """PCollection[str] -> PCollection[str]: shard names, each once, after its last page was written and it was merged.

    `settings` is the fingerprint that marks the merged file.
    """

    output: str
    settings: str = ""

    def expand(self, names: PCollection[str]) -> PCollection[str]:
        """Wait for every part of a file, then merge it."""
        each: PCollection[str] = names | "by file" >> beam.Distinct()
        merged: PCollection[str] = each | "merge" >> MergeWrittenSplits(self.output, self.settings)
        return merged


@dataclass(eq=False)
class MergeWrittenSplits(beam.PTransform[PCollection[str], PCollection[str]]):
    """PCollection[str] -> PCollection[str]: shard names whose pages are all written, each after it was merged."""

    output: str
    settings: str = ""

    def expand(self, names: PCollection[str]) -> PCollection[str]:
        """Merge every file."""
        merged: PCollection[str] = names | beam.Map(merge_file, self.output, self.settings).with_output_types(str)
        return merged


def merge_file(name: str, output: str, settings: str) -> str:
    """Merge one file. Returns its name."""
    merge_splits(name, Output(output), settings)
    return name
