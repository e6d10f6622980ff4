"""Pages without the lines that the dedup job found repeated (`repeated_lines/`), for the publish job's passes.

What is left of a page is published if it is enough; nothing else of the page is computed anew: its measures and its
quality score are those of the text in documents/.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.dedup.settings import DedupConfig, LinesConfig
from pipeline.io.output import Output
from pipeline.text.line_keys import RemainingText, remove_spans

FOLDER = "repeated_lines"
HELD_OUT = "repeated-lines"  # why a page is not published of which they leave too little


class GoneLines:
    """The lines that go from the pages of a documents shard."""

    def __init__(self, output: Output, name: str, config: LinesConfig):
        """Read where they are: 16 bytes a line."""
        self.params = config.line_params()
        with output.parquet(FOLDER, f"{name}.parquet") as file:
            found = file.read(columns=["row", "start", "end"])
        self.rows, self.starts, self.ends = (column.to_numpy() for column in found.columns)

    def left(self, row: int, text: str) -> RemainingText | None:
        """Return what is left of a row's text; None where nothing goes."""
        first, last = np.searchsorted(self.rows, [row, row + 1])
        if first == last:
            return None
        spans = zip(self.starts[first:last].tolist(), self.ends[first:last].tolist(), strict=True)
        return remove_spans(text, spans, self.params)

    def cut(self, batch: pa.RecordBatch, rows: Sequence[int]) -> tuple[pa.RecordBatch, list[RemainingText | None]]:
        """Return pages with what is left of their texts, and that for each of them; None where nothing goes."""
        texts = batch.column("text").to_pylist()
        found = [self.left(row, text) if text else None for row, text in zip(rows, texts, strict=True)]
        cut = [text if left is None else left.text for text, left in zip(texts, found, strict=True)]
        return batch.set_column(batch.schema.get_field_index("text"), "text", pa.array(cut, pa.string())), found


def gone_lines(output: Output, name: str, config: DedupConfig) -> GoneLines | None:
    """Return the lines that go from a documents shard's pages; None where none were looked for."""
    if config.repeated_lines is None or not output.exists(FOLDER, f"{name}.parquet"):
        return None
    return GoneLines(output, name, config.repeated_lines)
