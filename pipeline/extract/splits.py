"""The extract job: crawl files in, `documents/` and `rejected/` out, a shard of each per input file.

A file is cut into pieces of whole records where it can be (one big file must not be one worker's), each piece is milled
alone and written whole, and a file's shards are put together once all its pieces are there. What exists is whole, so a
run that was killed goes on from it: a finished file, or a finished piece, is not done again.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from pipeline.config import Config, config_values
from pipeline.extract.stages import Outcome, Page, Tools, mill, read
from pipeline.io.inputs import Input, open_input
from pipeline.io.ledger import (
    FileLedger,
    UnreadableRange,
    find_extract_problems,
    require_no_problems,
    sum_file_ledgers,
)
from pipeline.io.output import WORK, Output, TableWriter, fingerprint, shard_name
from pipeline.io.schemas import DOCUMENT, REJECTED
from pipeline.text.minhash import MinHashParams, sign_texts
from pipeline.warc.reader import (
    CrawlRecord,
    NotACrawlFile,
    find_page_record_type,
    find_split_points,
    read_crawl_records,
)

PIECES = 64  # about so many over all local inputs: enough for any laptop's cores to end together
MIN_PIECE_BYTES, MAX_PIECE_BYTES = 1 << 18, 64 << 20
BATCH_PAGES, BATCH_CHARACTERS = 64, 8_000_000  # milled together: enough for the models, four bytes a character at most
SIGNED_CHARACTERS = 400_000  # of text that waits for its signatures: some 65,000 words, minhash.BLOCK
# What decides the rows of documents/ and rejected/; dedup, weights and publishing do not.
RELEVANT = ("languages", "input", "url", "robots", "extract", "language", "rules", "pii", "quality", "dedup")


class Piece(NamedTuple):
    """A range of an input's records: those that start in [start, end); end is None for the rest of the file."""

    path: str
    name: str  # of the shards
    start: int
    end: int | None
    bytes: int


class InputFile(NamedTuple):
    """An input with the pieces that it is cut into."""

    path: str
    name: str
    size: int | None
    pieces: tuple[Piece, ...]


def plan(inputs: Iterable[Input], config: Config) -> list[InputFile]:
    """Cut the inputs into pieces; the cut depends on the files alone, never on the number of workers."""
    inputs = list(inputs)
    local = sum(i.size or 0 for i in inputs if i.local)
    target = min(max(local // PIECES, MIN_PIECE_BYTES), MAX_PIECE_BYTES)
    return [cut(i, target if len(inputs) < PIECES else None, config) for i in inputs]


def cut(item: Input, target: int | None, config: Config) -> InputFile:
    """Return the input with its pieces; one piece where it is small, remote or cannot be split."""
    name, starts = shard_name(item.path), [0]
    if target and item.local and (item.size or 0) > 2 * target:
        with open_input(item.path, config.input) as source:
            starts = find_split_points(source, target)
    ends = [*starts[1:], None]
    pieces = tuple(
        Piece(item.path, name, start, end, (end or item.size or start) - start)
        for start, end in zip(starts, ends, strict=True)
    )
    return InputFile(item.path, name, item.size, pieces)


def settings_fingerprint(config: Config) -> str:
    """Return the fingerprint of every setting that decides what the extract job writes."""
    values = config_values(config)
    return fingerprint({key: values[key] for key in RELEVANT})


def marker(file: InputFile) -> tuple[str, str, str]:
    """Return the path of the file whose existence says that an input is done."""
    return (WORK, "extract", f"{file.name}.json")


def piece_paths(piece: Piece) -> dict[str, tuple[str, ...]]:
    """Return where a piece's rows and counts lie until its file is put together; counts are written last."""
    folder = (WORK, "extract", piece.name)
    stem = f"{piece.start:015d}-{'end' if piece.end is None else f'{piece.end:015d}'}"
    return {kind: (*folder, f"{stem}.{kind}") for kind in ("documents.parquet", "rejected.parquet", "json")}


def mill_piece(
    piece: Piece, config: Config, output: Output, tools: Tools, on_page: Callable[[Outcome, int], None]
) -> FileLedger:
    """Mill one piece and write its rows and its ledger. Returns the ledger.

    `on_page(outcome, offset)` is called for every page. A file that holds no crawl record at all is an entry in its own
    ledger (`bad_file`), not an exception: the other inputs go on.
    """
    paths = piece_paths(piece)
    counts = FileLedger()
    with (
        open_input(piece.path, config.input) as source,
        output.table_writer(DOCUMENT, *paths["documents.parquet"]) as documents,
        output.table_writer(REJECTED, *paths["rejected.parquet"]) as rejected,
    ):
        signed = Signed(documents, tools.minhash)
        pages = (read(record, piece.path, tools) for record in pages_of(source, piece, config, counts))
        for batch in batches(pages):
            for page, outcome in zip(batch, mill(batch, tools), strict=True):
                for wish in filter(None, outcome.row.get("robots", "").split(",")):
                    counts.robots[wish] += 1
                if outcome.checked:
                    counts.gate["checked"] += 1
                    counts.gate["missed"] += outcome.checked == "kept"
                if outcome.kept:
                    counts.kept += 1
                    signed.row(outcome.row)
                else:
                    counts.rejected[outcome.key] += 1
                    rejected.row(outcome.row)
                on_page(outcome, page.end)
        signed.flush()
    output.write_json(counts.to_json(), *paths["json"])
    return counts


def pages_of(source: BinaryIO, piece: Piece, config: Config, counts: FileLedger) -> Iterator[CrawlRecord]:
    """Yield the records of a piece that are pages; every record, and every range that is none, is counted."""
    try:
        page_type = find_page_record_type(source)
        items = read_crawl_records(source, piece.start, piece.end, max_record_bytes=config.input.max_record_mb << 20)
        for item in items:
            if not isinstance(item, CrawlRecord):
                counts.unreadable_bytes += item.length
                counts.unreadable.append(UnreadableRange(item.offset, item.length, item.reason))
                continue
            counts.records[item.type] += 1
            if item.truncated:
                counts.truncated[item.truncated] += 1
            if item.type == page_type:
                counts.responses += 1
                yield item
    except NotACrawlFile as error:
        size = source.seek(0, os.SEEK_END)
        counts.bad_file = str(error)
        counts.unreadable_bytes, counts.unreadable = size, [UnreadableRange(0, size, "not-a-crawl-file")]


def batches(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """Yield the pages in their order, some at a time: at most BATCH_PAGES, and fewer where they are large."""
    batch: list[Page] = []
    characters = 0
    for page in pages:
        batch.append(page)
        characters += len(page.html or page.found.text)
        if len(batch) == BATCH_PAGES or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class Signed:
    """Writes documents with their signatures, which are made faster for many pages at a time."""

    def __init__(self, documents: TableWriter, params: MinHashParams | None):
        """Write to `documents`, signed by `params`; None where near duplicates are off."""
        self.documents, self.params = documents, params
        self.waiting: list[dict[str, Any]] = []
        self.characters = 0

    def row(self, row: dict[str, Any]) -> None:
        """Take a document; it is written once there are enough of them."""
        self.waiting.append(row)
        self.characters += len(row["text"])
        if self.characters >= SIGNED_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        texts = [row["text"] for row in self.waiting]
        sketches = sign_texts(texts, self.params) if self.params else [b""] * len(texts)
        for row, sketch in zip(self.waiting, sketches, strict=True):
            self.documents.row({**row, "minhash": sketch})
        self.waiting, self.characters = [], 0


def put_together(file: InputFile, config: Config, output: Output) -> dict[str, Any]:
    """Join a file's pieces into its two shards, check its ledger, and mark it done. Returns the marker's content."""
    paths = [piece_paths(piece) for piece in file.pieces]
    for kind, schema in (("documents", DOCUMENT), ("rejected", REJECTED)):
        with output.table_writer(schema, kind, f"{file.name}.parquet") as writer:
            for path in paths:
                with output.parquet(*path[f"{kind}.parquet"]) as part:
                    for group in range(part.num_row_groups):
                        writer.append(part.read_row_group(group))
    counts = sum_file_ledgers(FileLedger.from_json(output.read_json(*path["json"])) for path in paths)
    require_no_problems(find_extract_problems(counts, file.path))
    done = {"path": file.path, "size": file.size, "settings": settings_fingerprint(config), "ledger": counts.to_json()}
    output.write_json(done, *marker(file))
    output.remove(WORK, "extract", file.name)
    return done


@dataclass
class Todo:
    """What an extract job still has to do, and what was done before."""

    pieces: list[Piece]
    files: list[InputFile]
    done: list[dict[str, Any]]


def todo(files: list[InputFile], config: Config, output: Output) -> Todo:
    """Compare the plan with what is on disk.

    Raises ValueError where an input changed since its shards were written, or shards of an input exist that is gone.
    """
    settings, found = settings_fingerprint(config), Todo([], [], [])
    names = {file.name for file in files}
    for name in output.list(f"{WORK}/extract", ".json"):
        if name.removesuffix(".json") not in names:
            path = output.read_json(WORK, "extract", name)["path"]
            raise ValueError(
                f"{path}: was milled into this output and is no longer among the inputs; give it again, or a new output"
            )
    for file in files:
        if output.exists(*marker(file)):
            done = output.read_json(*marker(file))
            if done["size"] != file.size and "bad_file" in done["ledger"]:  # it held no record, and was fetched again
                output.remove(*marker(file))
                found.files.append(file)
                found.pieces += file.pieces
                continue
            if done["settings"] != settings or done["size"] != file.size:
                what = "the settings" if done["settings"] != settings else "its size"
                raise ValueError(f"{file.path}: {what} changed since it was milled; choose a new output")
            found.done.append(done)
        else:
            found.files.append(file)
            found.pieces += [p for p in file.pieces if not output.exists(*piece_paths(p)["json"])]
    return found
