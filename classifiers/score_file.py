"""Add the columns of a classifier to a Parquet file."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.output_files import replace_file_atomically
from classifiers.page_files import open_page_table
from classifiers.quality.model import load_quality_model
from classifiers.topics.model import TOPICS_FILE, load_topic_model
from classifiers.topics.stem_model import SHIPPED


class ScoreColumns(NamedTuple):
    """The columns that a classifier adds, and the function from texts and URLs to their values."""

    fields: list[pa.Field]
    compute: Callable[[list[str], list[str]], list[list[str] | list[float]]]


def score_parquet_file(folder: Path, source: Path, target: Path) -> str:
    """Copy a Parquet file and add (or replace) the columns of the classifier in `folder`, one row group at a time.

    A quality classifier adds `quality`. A topic classifier adds `topic` and `topic_score`. Returns a summary of one
    line. Raises ClassifierError, OSError.
    """
    columns = open_score_columns(folder)
    added, rows = [field.name for field in columns.fields], 0
    with open_page_table(source) as file, replace_file_atomically(target) as partial:
        kept = [name for name in file.schema_arrow.names if name not in added]
        schema = pa.schema([*(file.schema_arrow.field(name) for name in kept), *columns.fields])
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=kept)
                texts = [text or "" for text in table.column("text").to_pylist()]
                urls = table.column("url").to_pylist() if "url" in kept else [""] * len(texts)
                for field, values in zip(columns.fields, columns.compute(texts, urls), strict=True):
                    table = table.append_column(field.name, pa.array(values, field.type))
                writer.write_table(table.cast(schema))
                rows += len(texts)
    return f"{rows:,} pages scored into {target}"


def open_score_columns(folder: Path) -> ScoreColumns:
    """Load the classifier of a folder, quality or topic, and return the columns that it adds."""
    if str(folder) != SHIPPED and not (folder / TOPICS_FILE).exists():
        quality = load_quality_model(folder)
        return ScoreColumns([pa.field("quality", pa.float32())], lambda texts, urls: [quality.score_texts(texts)])
    topics = load_topic_model(folder)

    def predict(texts: list[str], urls: list[str]) -> list[list[str] | list[float]]:
        found = topics.predict_topics(texts, [url or "" for url in urls])
        return [[topic for topic, _ in found], [score for _, score in found]]

    return ScoreColumns([pa.field("topic", pa.string()), pa.field("topic_score", pa.float32())], predict)
