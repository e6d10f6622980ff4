"""The rows of an output's Parquet folders as typed records, for a person to look at.

A record has the columns that inspect and explain show. `read_stored_rows` reads no other column.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import count
from typing import Any, ClassVar, TypeVar

from rich.markup import escape

from pipeline.io.output import Output
from pipeline.publish.formats.dolma_json import JSON_SUFFIX, read_dolma_lines
from pipeline.url.canonical import canonical_url

NOT_COLUMNS = ("shard", "row", "kept_url")


class InspectError(ValueError):
    """The output, page or reason does not exist. The text is one line."""


@dataclass(frozen=True, kw_only=True)
class StoredRow(ABC):
    """A row of the shard `folder/shard`. `row` is the number of the page in the shard of documents/ or rejected/."""

    folder: ClassVar[str]
    shard: str
    row: int
    id: str
    url: str | None = None
    text: str | None = None

    @classmethod
    def column_names(cls) -> list[str]:
        """Return the names of the columns that a record has."""
        return [field.name for field in fields(cls) if field.name not in NOT_COLUMNS]

    @abstractmethod
    def describe(self) -> str:
        """Return in one line what happened to the page, as Rich markup."""

    def is_of(self, page: "StoredRow") -> bool:
        """Return whether this row is about a page of documents/."""
        return (self.shard, self.row) == (page.shard, page.row)


@dataclass(frozen=True, kw_only=True)
class StoredPage(StoredRow):
    """A page as the extract job wrote it, kept or rejected."""

    date: str | None
    language: str | None
    language_score: float | None
    file: str
    offset: int


@dataclass(frozen=True, kw_only=True)
class KeptPage(StoredPage):
    """A row of documents/."""

    folder = "documents"
    engine: str | None
    domain: str
    pii: int
    scores: dict[str, float | None]

    def describe(self) -> str:
        """Return the language with its score, and the topic."""
        return f"kept: {self.language} {self.language_score:.2f}, {self.domain}"


@dataclass(frozen=True, kw_only=True)
class RejectedPage(StoredPage):
    """A row of rejected/."""

    folder = "rejected"
    stage: str
    reason: str
    measure: str | None
    value: float | None
    threshold: float | None
    detail: str | None

    def describe(self) -> str:
        """Return the stage and reason, the measure with its threshold, and the detail."""
        line = f"{self.stage}/{self.reason}"
        if self.measure:
            line += f": {self.measure} = {self.value:.4g}, threshold {self.threshold:.4g}"
        elif self.value is not None:
            line += f": {self.value:g}"
        return line + (f" ({escape(self.detail)})" if self.detail else "")


@dataclass(frozen=True, kw_only=True)
class DuplicatePage(StoredRow):
    """A row of duplicates/. `kept_url` is the address of the page that is kept, if it is known."""

    folder = "duplicates"
    kept_id: str
    kind: str
    similarity: float | None
    cluster: str
    kept_in: str | None = None  # the earlier output that has the kept page; None: this one
    kept_url: str | None = None

    def describe(self) -> str:
        """Return the kind of duplicate, the page that is kept, and the similarity of the two."""
        similarity = "" if self.similarity is None else f", similarity {self.similarity:.3f}"
        where = f" in {escape(self.kept_in)}" if self.kept_in else ""
        return f"duplicate/{self.kind} of {escape(self.kept_url or self.kept_id)}{where}{similarity}"


@dataclass(frozen=True, kw_only=True)
class ContaminatedRow(StoredRow):
    """A row of contaminated/: a span of a page that an item of an evaluation set has too."""

    folder = "contaminated"
    set: str
    item: str
    start: int
    action: str

    def describe(self) -> str:
        """Return whether the page was dropped or masked, and for which item."""
        done = {"drop": "dropped", "mask": "masked"}[self.action]
        return f"{done}: {escape(self.set)}, item {escape(self.item)}, from character {self.start:,}"


@dataclass(frozen=True, kw_only=True)
class RepeatedLine(StoredRow):
    """A row of repeated_lines/: a line that is removed from a page."""

    folder = "repeated_lines"
    start: int
    end: int
    pages: int

    def describe(self) -> str:
        """Return where in the page the line is, and how many pages have it."""
        return f"line removed, characters {self.start:,} to {self.end:,}: {self.pages:,} pages have it"


RowType = TypeVar("RowType", bound=StoredRow)


def read_stored_rows(output: Output, kind: type[RowType]) -> Iterator[RowType]:
    """Yield the rows of a kind, shard by shard. At most 512 of them are in memory."""
    for name in output.list(kind.folder, ".parquet"):
        with output.parquet(kind.folder, name) as shard:
            columns = [name for name in ("row", *kind.column_names()) if name in shard.schema_arrow.names]
            numbers = count()
            for batch in shard.iter_batches(columns=columns, batch_size=512):
                for values in batch.to_pylist():
                    yield kind(**{"row": next(numbers), **values, "shard": name})


def read_columns(output: Output, folder: str, name: str, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield the values of some columns of a shard, row by row."""
    with output.parquet(folder, name) as shard:
        for batch in shard.iter_batches(columns=columns, batch_size=8192):
            yield from zip(*(batch.column(column).to_pylist() for column in columns), strict=True)


def read_published_weights(output: Output, split: str) -> Iterator[tuple[str, str, float]]:
    """Yield (shard, id, weight) of each row of a split of the corpus."""
    folder = f"corpus/{split}"
    for name in output.list(folder, ".parquet"):
        for page, weight in read_columns(output, folder, name, "id", "weight"):
            yield name, page, weight
    for name in output.list(folder, JSON_SUFFIX):
        with output.open(folder, name) as source:
            for row in read_dolma_lines(source):
                yield name, row["id"], row["weight"]


def find_pages(output: Output, column: str, value: str) -> list[StoredPage]:
    """Return the kept and the rejected pages whose `id` or `url` is the value. URLs match in canonical form too."""
    canonical = canonical_url(value)
    ids = {value, f"<{value}>", f"<urn:uuid:{value}>"}  # as it is in the WARC, or without the marks around it

    def is_wanted(page: StoredPage) -> bool:
        if column == "id":
            return page.id in ids
        return page.url == value or canonical_url(page.url or "") == canonical

    pages: list[StoredPage] = [page for page in read_stored_rows(output, KeptPage) if is_wanted(page)]
    return pages + [page for page in read_stored_rows(output, RejectedPage) if is_wanted(page)]


def read_urls(output: Output, ids: set[str]) -> dict[str, str | None]:
    """Return the addresses of kept pages by their ids."""
    names = output.list("documents", ".parquet")
    return {page: url for n in names for page, url in read_columns(output, "documents", n, "id", "url") if page in ids}


def read_texts(output: Output, places: set[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Return the texts of kept pages by (shard, row)."""
    texts: dict[tuple[str, int], str] = {}
    for name in sorted({shard for shard, _ in places}):
        for row, (text,) in enumerate(read_columns(output, "documents", name, "text")):
            if (name, row) in places:
                texts[name, row] = text
    return texts
