"""Last stage over pages: each run of consecutive pages of a split is written to a file of its own, whole or not at all.

The file's name says which pages it holds, so that a batch that is processed twice writes the same file again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from pipeline.extract.merge_splits import MergeSplits
from pipeline.extract.page import Page, settle_page
from pipeline.extract.splits import Part, part_path
from pipeline.io.output import Output
from pipeline.io.schemas import DOCUMENT, REJECTED
from pipeline.runners.local_pool import report

# A part holds kept and rejected pages in their order; `stage` is null for kept ones.
PART = pa.schema(
    [
        *DOCUMENT,
        *(field for field in REJECTED if field.name not in DOCUMENT.names),
        ("checked", pa.string()),
        ("tried", pa.list_(pa.struct([("engine", pa.string()), ("cpu", pa.float64())]))),
    ]
)
COLUMNS = [name for name in DOCUMENT.names if name in Page.__dataclass_fields__]
REJECTED_COLUMNS = [name for name in COLUMNS if name in REJECTED.names]


def to_row(page: Page) -> dict[str, Any]:
    """Return a settled page as a row of PART."""
    tried = [one._asdict() for one in page.tried]
    if page.rejection is None:
        return {name: getattr(page, name) for name in COLUMNS} | {"tried": tried}
    row = {name: getattr(page, name) for name in REJECTED_COLUMNS} | {"tried": tried}
    why = page.rejection
    row |= {"stage": why.stage, "reason": why.reason, "value": why.value, "measure": why.measure}
    return row | {"threshold": why.threshold, "detail": why.detail, "checked": page.checked}


def find_page_runs(pages: Sequence[Page]) -> Iterator[list[Page]]:
    """Yield the pages as runs of consecutive pages of one split, sorted; a page that is given twice comes once."""
    numbered = {(page.split.name, page.split.start, page.number): page for page in pages}
    run: list[Page] = []
    for (name, start, number), page in sorted(numbered.items()):
        if run and numbered.get((name, start, number - 1)) is not run[-1]:
            yield run
            run = []
        run.append(page)
    if run:
        yield run


def write_parts(pages: Sequence[Page], output: Output) -> set[str]:
    """Write settled pages as parts of their splits. Returns the names of their files' shards."""
    names: set[str] = set()
    for run in find_page_runs(pages):
        split = run[0].split
        part = Part(split.start, run[0].number, run[-1].number)
        with output.table_writer(PART, *part_path(split.name, part), is_temporary=True) as writer:
            for page in run:
                writer.row(to_row(page))
        names.add(split.name)
    return names


@dataclass(eq=False)
class WriteSplit(beam.PTransform[PCollection[Page], PCollection[str]]):
    """PCollection[Page] -> PCollection[str]: pages written below `output`; the names of the shards that they go to.

    With `merge`, the splits of each file are merged into its shards in documents/ and rejected/ once all of their pages
    are written; `ReadCrawl` must have the same output then.
    """

    output: str
    merge: bool = True

    def expand(self, pages: PCollection[Page]) -> PCollection[str]:
        """Write every batch."""
        names: PCollection[str] = pages | beam.ParDo(WriteParts(self.output)).with_output_types(str)
        if not self.merge:
            return names
        merged: PCollection[str] = names | MergeSplits(self.output)
        return merged


class WriteParts(beam.DoFn):
    """Writes batches of pages, and counts what became of each page."""

    def __init__(self, output: str):
        """Keep where to write."""
        self.output = output

    def setup(self) -> None:
        """Open the output."""
        self.files = Output(self.output)

    @beam.DoFn.yields_elements  # type: ignore[untyped-decorator]
    def process_batch(self, pages: list[Page]) -> Iterator[str]:
        """Write one batch."""
        settled = [settle_page(page) for page in pages]
        names = write_parts(settled, self.files)
        keys = Counter(page.key for page in settled)
        for key, n in keys.items():
            Metrics.counter("pages", key).inc(n)
        characters = Metrics.distribution("WriteSplit", "characters")
        for page in settled:
            if page.rejection is None:
                characters.update(len(page.text or ""))
        report("progress", {"pages": dict(keys)})
        yield from sorted(names)
