"""The index: OUT/index/, a row for each row of documents/, with everything but the text that finds copies of a page.

The dedup job writes the index first and works from it. The index is kept, so that a later crawl can be deduplicated
against this output (`dedup.previous_outputs`). index.json is written when the job has ended. It says by which
parameters the keys were made.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dedup.settings import DedupConfig
from pipeline.io.output import Output
from pipeline.text.minhash import MinHashParams, compute_band_keys, sign_text
from pipeline.text.tokenize.words import sorted_terminal_marks

VERSION = 2
COLUMNS = ["id", "url", "date", "site", "domain", "canonical_url", "text_hash", "minhash", "scores", "text"]
ROWS = 4096  # documents read at a time, with their texts
PROBE = "Grist is corn to be ground: Getreide, зерно, γέννημα, 磨坊的穀物, मैदा, 방앗간 0123456789."
# How pages are ranked: pages of one URL; then pages of one text and near duplicates, by `dedup.keep_policy`. Pages of
# earlier outputs come first. Only what reaches the corpus decides, and the place only if nothing else differs.
TIES = ["url", "id", "text_hash"]
PREFERENCE = {
    "url": ["-old", "-date", "-characters", *TIES],
    "longest": ["-old", "preferred", "-characters", "date", *TIES],
    "earliest": ["-old", "preferred", "date", "-characters", *TIES],
    "best": ["-old", "preferred", "-quality", "-characters", "date", *TIES],
}
RANK = {
    "old": pa.bool_(),  # a page of an earlier output, which is always kept
    "preferred": pa.int32(),  # the place in `dedup.preferred_sites` of the page's site or domain
    "characters": pa.int32(),
    "quality": pa.float32(),
    "date": pa.string(),
    "url": pa.string(),
    "id": pa.string(),
    "text_hash": pa.binary(16),
}


def make_index_schema(params: MinHashParams) -> pa.Schema:
    """Return the schema of index/: what ranks a page, and its keys; null where a page has nothing to be equal by."""
    rank = [(name, kind) for name, kind in RANK.items() if name != "old"]
    keys = [("url_key", pa.binary(16)), ("bands", pa.binary(8 * params.bands))]
    return pa.schema([*rank, *keys])


class IndexedShard(NamedTuple):
    """A shard whose index is written: its rows, an upper bound of its lines (0 if lines are off), its fingerprint."""

    rows: int
    lines: int
    content: dict[str, str]


def write_index(output: Output, name: str, config: DedupConfig) -> IndexedShard:
    """Write the index of a documents shard.

    Raises ValueError for signatures of another length.
    """
    params = config.minhash_params()
    schema = make_index_schema(params)
    lines = 0
    with (
        output.parquet("documents", f"{name}.parquet") as file,
        output.table_writer(schema, "index", f"{name}.parquet") as writer,
    ):
        for batch in file.iter_batches(columns=COLUMNS, batch_size=ROWS):
            columns = {
                "preferred": pa.array(rank_preferred(batch, config.preferred_sites), pa.int32()),
                "characters": pc.utf8_length(batch.column("text")),
                "quality": pc.struct_field(batch.column("scores"), "quality"),
                "url_key": pa.array(map(hash_url, batch.column("canonical_url").to_pylist()), pa.binary(16)),
                "bands": make_band_column(batch.column("minhash"), params, config.near, name),
            }
            columns |= {key: batch.column(key) for key in ("date", "url", "id", "text_hash")}
            writer.append(pa.table([columns[key] for key in schema.names], schema.names).cast(schema))
            if config.repeated_lines:
                lines += count_lines_at_most(batch.column("text"), config.repeated_lines.line_params().unit)
    return IndexedShard(writer.count, lines, fingerprint_file(output, "index", f"{name}.parquet"))


def count_lines_at_most(texts: pa.Array, unit: str) -> int:
    """Return at least as many lines (paragraphs, sentences) as texts have."""
    found = pc.sum(pc.count_substring(texts, "\n")).as_py() or 0
    if unit == "sentences":
        marks = "".join(rf"\x{{{ord(mark):x}}}" for mark in (*sorted_terminal_marks(), "…"))  # as RE2 writes them
        found += pc.sum(pc.count_substring_regex(texts, f"[{marks}]+")).as_py() or 0
    return len(texts) + found


def fingerprint_file(output: Output, *parts: str) -> dict[str, str]:
    """Return 16 hex digits of a file's bytes, under its path."""
    found = hashlib.blake2b(digest_size=8)
    with output.open(*parts) as source:
        while some := source.read(1 << 20):
            found.update(some)
    return {"/".join(parts): found.hexdigest()}


def rank_preferred(batch: pa.RecordBatch, prefer: Sequence[str]) -> np.ndarray:
    """Return for each page the first place in `prefer` that names its site or its domain; past the end for none."""
    found = np.full(len(batch), len(prefer), np.int32)
    for column in ("site", "domain") if prefer else ():
        place = pc.index_in(batch.column(column), pa.array(prefer, pa.string())).fill_null(len(prefer))
        found = np.minimum(found, place.to_numpy())
    return found


def hash_url(url: str | None) -> bytes | None:
    """Return 16 bytes for a canonical URL; None where there is none."""
    return hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest() if url else None


def make_band_column(sketches: pa.Array, params: MinHashParams, near: bool, name: str) -> pa.Array:
    """Return the keys of the bands of each signature, little-endian; null for an empty one."""
    kind = pa.binary(8 * params.bands)
    lengths = pc.binary_length(sketches).fill_null(0).to_numpy()
    if not near or not lengths.any():
        return pa.nulls(len(sketches), kind)
    found = set(np.unique(lengths).tolist()) - {0, 4 * params.hashes}
    if found:
        raise ValueError(
            f"documents/{name}.parquet: signatures of {found.pop() // 4} hashes, the config asks for "
            f"{params.hashes}; extract again into another output"
        )
    some = sketches.filter(pa.array(lengths > 0))
    raw = np.frombuffer(b"".join(some.to_pylist()), "<u4").reshape(len(some), params.hashes)
    keys = compute_band_keys(raw, params).astype("<u8")
    made = pa.FixedSizeBinaryArray.from_buffers(kind, len(keys), [None, pa.py_buffer(keys.tobytes())])
    return made.take(pa.array(np.cumsum(lengths > 0) - 1, mask=lengths == 0))


def read_fixed_bytes(column: pa.ChunkedArray, width: int) -> np.ndarray:
    """Return a column of fixed-size bytes without nulls as uint64[rows, width / 8]."""
    parts = [
        np.frombuffer(chunk.buffers()[1], "<u8", len(chunk) * width // 8, chunk.offset * width)
        for chunk in column.chunks
    ]
    return np.concatenate([np.zeros(0, "<u8"), *parts]).reshape(-1, width // 8)


def read_index(output: Output, name: str, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
    """Yield (first row, columns) of an index shard, a row group at a time."""
    first = 0
    with output.parquet("index", f"{name}.parquet") as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=columns)
            yield first, table
            first += table.num_rows


def read_parquet_rows(
    output: Output, folder: str, name: str, rows: np.ndarray, columns: list[str]
) -> Iterator[pa.Table]:
    """Yield columns of some rows, which rise, of a Parquet shard; a table for each row group that has any."""
    first = 0
    with output.parquet(folder, f"{name}.parquet") as file:
        for number in range(file.num_row_groups):
            count = file.metadata.row_group(number).num_rows
            start, stop = np.searchsorted(rows, [first, first + count])
            if stop > start:
                table = file.read_row_group(number, columns=columns)
                yield table.take(pa.array(rows[start:stop] - first))
            first += count


def describe_index(config: DedupConfig) -> dict[str, Any]:
    """Return what two indexes must have in common to be used together."""
    params = config.minhash_params()
    probe = hashlib.blake2b(
        compute_band_keys(np.frombuffer(sign_text(PROBE, params), "<u4"), params).tobytes(), digest_size=8
    )
    made = {key: getattr(params, key) for key in ("shingle", "bands", "rows", "seed")}
    return {"version": VERSION, "near": config.near, **made, "hash": probe.hexdigest()}


def describe_lines(config: DedupConfig) -> dict[str, Any] | None:
    """Return what two indexes must have in common to count lines together; None where lines are not counted."""
    if config.repeated_lines is None:
        return None
    params = config.repeated_lines.line_params()
    return {key: getattr(params, key) for key in ("scope", "unit", "min_characters", "normalize_digits")}


def read_fingerprint(root: str) -> str | None:
    """Return the fingerprint of an earlier output's index and of what went there; None where there is no index."""
    output = Output(root)
    return output.read_json("index.json").get("content", "") if output.exists("index.json") else None


def describe_differences(made: Mapping[str, object], wanted: Mapping[str, object]) -> str:
    """Return what is wanted and was made otherwise; "" where nothing is."""
    return "; ".join(f"{key} {made.get(key)}, here {wanted[key]}" for key in wanted if made.get(key) != wanted[key])


def check_index(output: Output, config: DedupConfig) -> list[str]:
    """Return the names of an earlier output's shards. Raises ValueError where it cannot be used, with what differs."""
    if not output.exists("index.json"):
        raise ValueError(
            f"dedup.previous_outputs: {output.root}: no index.json here; is it the output of a dedup job that ended?"
        )
    found, wanted = output.read_json("index.json"), describe_index(config)
    made = found["parameters"]
    if not config.near:  # then signatures do not matter
        made, wanted = ({"version": some.get("version")} for some in (made, wanted))
    if differ := describe_differences(made, wanted):
        raise ValueError(f"dedup.previous_outputs: {output.root}: its index was made by other parameters ({differ})")
    if config.repeated_lines and not found["lines"]:
        raise ValueError(
            f"dedup.previous_outputs: {output.root}: dedup.repeated_lines is off there, so it must be off here"
        )
    if differ := describe_differences(found["lines"] or {}, describe_lines(config) or {}):
        raise ValueError(
            f"dedup.previous_outputs: {output.root}: its lines were counted by other parameters ({differ})"
        )
    names = list(found["shards"])
    missing = [name for name in names if not output.exists("documents", f"{name}.parquet")] if config.near else []
    if missing:
        raise ValueError(
            f"dedup.previous_outputs: {output.root}: documents/{missing[0]}.parquet is gone; near duplicates are "
            "confirmed by its texts, so give it back or set dedup.near=false"
        )
    return names


def list_sort_keys(preference: str) -> list[tuple[str, str]]:
    """Return an order of preference as Arrow's sort keys; the place decides where all else is equal."""
    names = [*PREFERENCE[preference], "place"]
    return [(name.lstrip("-"), "descending" if name[0] == "-" else "ascending") for name in names]
