"""Removes the lines that the dedup job found repeated (`repeated_lines/`) from the texts that the publish job reads.

A page is published if enough of its text remains. Nothing else of the page changes: its statistics and its quality
score are those of the text in documents/.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.io.output import Output
from pipeline.text.line_keys import LineParams, RemainingText, remove_spans

REPEATED_LINES_FOLDER = "repeated_lines"
REPEATED_LINES_REASON = "repeated-lines"  # why a page is not published of whose text too little remains


class RemovedLines:
    """The lines that are removed from the pages of a documents shard."""

    def __init__(self, output: Output, name: str, params: LineParams) -> None:
        """Read where the lines are: 16 bytes a line."""
        self.params = params
        with output.parquet(REPEATED_LINES_FOLDER, f"{name}.parquet") as file:
            found = file.read(columns=["row", "start", "end"])
        self.rows, self.starts, self.ends = (column.to_numpy() for column in found.columns)

    def remaining_text(self, row: int, text: str) -> RemainingText | None:
        """Return what remains of a row's text; None where no line is removed."""
        first, last = np.searchsorted(self.rows, [row, row + 1])
        if first == last:
            return None
        spans = zip(self.starts[first:last].tolist(), self.ends[first:last].tolist(), strict=True)
        return remove_spans(text, spans, self.params)

    def remove_from(
        self, batch: pa.RecordBatch, rows: Sequence[int]
    ) -> tuple[pa.RecordBatch, list[RemainingText | None]]:
        """Return pages with the remaining texts, and for each page what `remaining_text` returns."""
        texts = batch.column("text").to_pylist()
        found = [self.remaining_text(row, text) if text else None for row, text in zip(rows, texts, strict=True)]
        cut = [text if left is None else left.text for text, left in zip(texts, found, strict=True)]
        return batch.set_column(batch.schema.get_field_index("text"), "text", pa.array(cut, pa.string())), found


def read_removed_lines(output: Output, name: str, params: LineParams | None) -> RemovedLines | None:
    """Return the lines to remove from a documents shard's pages; None where the dedup job did not look for any."""
    if params is None or not output.exists(REPEATED_LINES_FOLDER, f"{name}.parquet"):
        return None
    return RemovedLines(output, name, params)
