"""The extract job's transforms: they wire `pipeline.extract.splits` into Beam, and count what it does."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from pipeline.config import Config
from pipeline.extract.splits import InputFile, Piece, marker, mill_piece, put_together
from pipeline.extract.stages import Outcome, Tools
from pipeline.io.output import Output
from pipeline.runners.local_pool import report

REPORT_SECONDS = 0.5


def build(pipeline: beam.Pipeline, root: str, config: Config, pieces: list[Piece], files: list[InputFile]) -> None:
    """Add the job to a Beam pipeline: mill every piece, and put a file together once all its pieces are there."""
    milled = pipeline | "pieces" >> beam.Create(pieces, reshuffle=True) | "mill" >> MillPieces(config, root)
    every = pipeline | "files" >> beam.Create(files, reshuffle=False)
    _ = (milled, every) | "whole files" >> WholeFiles() | "join" >> PutTogether(config, root)


@dataclass(eq=False)
class WholeFiles(beam.PTransform):
    """(PCollection[Piece], PCollection[InputFile]) -> PCollection[InputFile]: files, after their last piece."""

    def expand(self, milled_and_files):
        """Group by the shards' name, which waits for every piece."""
        milled, files = milled_and_files
        by_name = {"pieces": milled | "piece" >> beam.Map(named), "file": files | "file" >> beam.Map(named)}
        return by_name | beam.CoGroupByKey() | "whole" >> beam.FlatMap(file_of).with_output_types(InputFile)


def named(item: Piece | InputFile) -> tuple[str, Piece | InputFile]:
    """Return a piece or a file under the name of its shards."""
    return item.name, item


def file_of(group: tuple[str, dict[str, Iterable[Any]]]) -> Iterable[InputFile]:
    """Return the file of a group (its pieces only had to be waited for)."""
    return group[1]["file"]


@dataclass(eq=False)
class MillPieces(beam.PTransform):
    """PCollection[Piece] -> PCollection[Piece]: each milled, its rows and counts written to the output."""

    config: Config
    root: str

    def expand(self, pieces):
        """Mill every piece where it is."""
        return pieces | beam.ParDo(MillPiece(self.config, self.root)).with_output_types(Piece)


class MillPiece(beam.DoFn):
    """Mills a piece; its models are loaded once a worker."""

    def __init__(self, config: Config, root: str):
        """Keep what the worker needs to load the rest."""
        self.config, self.root = config, root

    def setup(self) -> None:
        """Load models, engine and lists; a broken one stops the run here."""
        self.output, self.tools = Output(self.root), Tools(self.config)

    def process(self, piece: Piece) -> Iterator[Piece]:
        """Mill one piece, telling Beam's counters and the progress line."""
        counts = PageCounts(piece)
        counts_of = mill_piece(piece, self.config, self.output, self.tools, counts.page)
        for kind, n in counts_of.records.items():
            Metrics.counter("records", kind).inc(n)
        Metrics.counter("extract", "unreadable_bytes").inc(counts_of.unreadable_bytes)
        counts.send(piece.bytes)
        yield piece


class PageCounts:
    """Counts pages as they pass: Beam counters and distributions, and a report to the progress line now and then."""

    def __init__(self, piece: Piece):
        """Start at the piece's first byte."""
        self.start, self.sent_bytes = piece.start, 0
        self.keys: dict[str, int] = {}
        self.time = time.monotonic()
        self.characters = Metrics.distribution("extract", "characters")

    def page(self, outcome: Outcome, offset: int) -> None:
        """Count one page."""
        Metrics.counter("pages", outcome.key).inc()
        if outcome.kept:
            self.characters.update(len(outcome.row["text"]))
        self.keys[outcome.key] = self.keys.get(outcome.key, 0) + 1
        if time.monotonic() - self.time >= REPORT_SECONDS:
            self.send(offset - self.start)

    def send(self, done_bytes: int) -> None:
        """Report what came since the last time; `done_bytes` counts from the piece's start."""
        report("progress", {"bytes": done_bytes - self.sent_bytes, "pages": self.keys})
        self.sent_bytes, self.keys, self.time = done_bytes, {}, time.monotonic()


@dataclass(eq=False)
class PutTogether(beam.PTransform):
    """PCollection[InputFile] -> PCollection[InputFile]: each file's pieces joined into its shards."""

    config: Config
    root: str

    def expand(self, files):
        """Join where the pieces are all written."""
        return files | beam.Map(join, self.config, self.root).with_output_types(InputFile)


def join(file: InputFile, config: Config, root: str) -> InputFile:
    """Put one file together, unless that was done by an attempt of which the runner lost the result."""
    output = Output(root)
    if not output.exists(*marker(file)):
        put_together(file, config, output)
    return file


@dataclass(eq=False)
class MillAndJoin(beam.PTransform):
    """PCollection[Piece | InputFile] -> the same: both kinds of task, for a worker that draws either from a queue."""

    config: Config
    root: str

    def expand(self, tasks):
        """Do each task by its kind; one step, so that each result is out before the next task is drawn."""
        return tasks | beam.ParDo(MillOrJoin(self.config, self.root)).with_output_types(Piece | InputFile)


class MillOrJoin(beam.DoFn):
    """Mills a piece, or puts a file together."""

    def __init__(self, config: Config, root: str):
        """Keep what the worker needs to load the rest."""
        self.mill = MillPiece(config, root)

    def setup(self) -> None:
        """Load what milling needs."""
        self.mill.setup()

    def process(self, task: Piece | InputFile) -> Iterator[Piece | InputFile]:
        """Do one task."""
        if isinstance(task, InputFile):
            yield join(task, self.mill.config, self.mill.root)
        else:
            yield from self.mill.process(task)
