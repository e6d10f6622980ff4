"""Settings of the input: which files are read, and how they are fetched."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.settings import STRICT, Positive


@dataclass(frozen=True, config=STRICT)
class TextColumns:
    """Where the rows of text inputs (JSON lines, Parquet, Arrow) have what; `metadata.url` is a key within another.

    Null: where FineWeb, Dolma, C4, RefinedWeb, RedPajama-V2, DCLM-baseline or OSCAR have it.
    """

    text: str | None = None  # the text; null: text, content, raw_content
    id: str | None = None  # null: id, doc_id, ...; a row without one gets one from its file's name, place and text
    url: str | None = None  # the address; null: url, metadata.url, ...
    date: str | None = None  # of the crawl; null: date, timestamp, created, ...


@dataclass(frozen=True, config=STRICT)
class InputConfig:
    """How the inputs are found and fetched."""

    limit: Positive | None = None  # the first so many files of the expanded list (Common Crawl's order)
    sample: Positive | None = None  # so many files of it, drawn by the run's seed
    prefix: str = "https://data.commoncrawl.org/"  # put before the relative paths of a *.paths.gz
    concurrency: Annotated[int, Field(gt=0, le=32)] = 4  # downloads at a time, over all workers of one machine
    cache: str | None = None  # a folder that keeps what was fetched; null: temporary files
    retries: Annotated[int, Field(ge=0)] = 8  # on 403, 429, 5xx and broken connections, with exponential back-off
    max_record_mb: Positive = 32  # a longer record is cut here and counted
    max_page_mb: Positive = 10  # a longer decoded body is rejected
    columns: TextColumns = TextColumns()
    truncated: Literal["keep", "reject"] = "keep"  # pages that the crawler cut (WARC-Truncated); counted either way
