"""Rows of the corpus as lines of JSON in the shape of Dolma's documents (https://github.com/allenai/dolma).

A line has `id`, `text`, `source`, `added` and `created`; all other columns are in `metadata`. Both times are the date
of the crawl: a time at which the corpus was made would give other bytes each time.
"""

import io
import json
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import zstandard

JSON_SUFFIX = ".jsonl.zst"
TOP_LEVEL = ("id", "text")  # the columns that are not repeated in `metadata`


def format_dolma_lines(table: pa.Table) -> Iterator[str]:
    """Yield each row of a corpus table as a line of JSON."""
    for row in table.to_pylist():
        document = {
            "id": row["id"],
            "text": row["text"],
            "source": row["dump"] or "gristmill",
            "added": row["date"],
            "created": row["date"],
            "metadata": {name: value for name, value in row.items() if name not in TOP_LEVEL},
        }
        yield json.dumps(document, ensure_ascii=False) + "\n"


def read_dolma_lines(raw: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a compressed file of such lines, with the columns that the corpus has as Parquet."""
    with zstandard.ZstdDecompressor().stream_reader(raw) as unpacked:
        for line in io.TextIOWrapper(unpacked, "utf-8"):
            document = json.loads(line)
            yield document["metadata"] | {name: document[name] for name in TOP_LEVEL}
