"""Which pages of a crawl an encyclopedia refers to: a Beam join of references with a crawl's addresses.

    python -m pipeline.cli.join_references R.parquet --crawl OUT/documents --output FOUND
    python -m pipeline.cli.join_references R.parquet --crawl cc-index/crawl=CC-MAIN-2026-18/subset=warc --output FOUND

The crawl is the `documents/` of a run, or Common Crawl's columnar index, whose WARC file, offset and length say which
records to fetch. Only addresses pass through the shuffle. FOUND is a folder of Parquet with a column canonical_url, as
`python -m classifiers train --references FOUND` takes it: small, where the references of a whole Wikipedia are not.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.output import Output
from pipeline.runners.beam_options import beam_options, check_flags
from pipeline.runners.local_pool import explained, root_cause
from pipeline.url.canonical import canonical_url

PARTS = 16  # files of the result, by a hash of the address
KINDS = ("ref", "cite", "external")  # the strongest first, as `classifiers references` writes them
FOUND = pa.schema(
    [
        ("canonical_url", pa.string()),
        ("url", pa.string()),  # as the crawl has it
        ("match", pa.string()),  # exact: as an article has it too; canonical: but for what canonical_url removes
        ("kind", pa.string()),  # the strongest of its references
        ("articles", pa.int32()),  # how many refer to it
        ("file", pa.string()),  # where the crawl has it
        ("offset", pa.int64()),
        ("length", pa.int64()),  # of the compressed record; null but for the columnar index
    ]
)
# Columns of the two kinds of crawl: address, file, offset, length.
DOCUMENTS = ("url", "file", "offset", None)
INDEX = ("url", "warc_filename", "warc_record_offset", "warc_record_length")


class CrawlError(ValueError):
    """A crawl or references that cannot be read; its text is one line."""


def parquet_files(paths: Iterable[str]) -> list[str]:
    """Return the Parquet files that files, folders and globs name, sorted. Raises CrawlError where a path has none."""
    found: set[str] = set()
    for path in paths:
        fs, base = fsspec.core.url_to_fs(path)
        names = fs.find(base) if fs.isdir(base) else fs.glob(base)
        mine = [name for name in names if name.endswith(".parquet")]
        if not mine:
            raise CrawlError(f"{path}: no Parquet file there")
        found.update(mine if "file" in fs.protocol else map(fs.unstrip_protocol, mine))
    return sorted(found)


def batches(path: str, columns: Sequence[str | None]) -> Iterator[dict[str, list[Any]]]:
    """Yield columns of a Parquet file. Raises CrawlError where it has no such column."""
    wanted = [name for name in columns if name]
    with fsspec.open(path, "rb") as source, pq.ParquetFile(source) as file:
        missing = [name for name in wanted if name not in file.schema_arrow.names]
        if missing:
            raise CrawlError(f"{path}: no column {missing[0]!r}; it has {', '.join(file.schema_arrow.names)}")
        for batch in file.iter_batches(8192, columns=wanted):
            yield batch.to_pydict()


def read_references(path: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield (canonical URL, (URL, kind, article)) of a file of references."""
    for columns in batches(path, ("canonical_url", "url", "kind", "article")):
        for key, *rest in zip(*(columns[n] for n in ("canonical_url", "url", "kind", "article")), strict=True):
            yield key, (rest[0], rest[1], rest[2])


def read_crawl(path: str) -> Iterator[tuple[str, tuple[str, str, int, int]]]:
    """Yield (canonical URL, (URL, file, offset, length)) of a documents shard or index file; -1 for no length."""
    with fsspec.open(path, "rb") as source, pq.ParquetFile(source) as file:
        names = INDEX if INDEX[1] in file.schema_arrow.names else DOCUMENTS
    for columns in batches(path, names):
        nothing = [-1] * len(columns["url"])
        values = [columns[name] if name else nothing for name in names]
        for url, where, offset, length in zip(*values, strict=True):
            yield canonical_url(url or ""), (url or "", where, offset, length)


def joined(item: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (part, row) for each page of the crawl that has the address of a reference."""
    key, sides = item
    references = list(sides["references"])
    if not references:
        return
    urls, kinds, articles = (set(values) for values in zip(*references, strict=True))
    kind = min(kinds, key=KINDS.index)
    part = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=1).digest()[0] % PARTS
    for url, where, offset, length in sides["crawl"]:
        match = "exact" if url in urls else "canonical"
        place = {"file": where, "offset": offset, "length": None if length < 0 else length}
        row = {"canonical_url": key, "url": url, "match": match, "kind": kind, "articles": len(articles)}
        yield part, row | place


def write_part(group: tuple[int, Iterable[dict[str, Any]]], root: str) -> int:
    """Write one file of the result, in an order of its own. Returns its rows."""
    part, rows = group
    ordered = sorted(rows, key=lambda row: (row["canonical_url"], row["url"], row["file"], row["offset"]))
    with Output(root).table_writer(FOUND, f"part-{part:05d}.parquet") as writer:
        for row in ordered:
            writer.row(row)
    return len(ordered)


def find(references: list[str], crawl: list[str], root: str, flags: Sequence[str] = ()) -> dict[str, int]:
    """Run the join and return how many pages match, by `match`. Raises CrawlError, OSError, flags.LaunchError."""
    sources = {"references": (parquet_files(references), read_references), "crawl": (parquet_files(crawl), read_crawl)}
    output = Output(root)
    for name in output.list("", ".parquet"):
        output.remove(name)
    with beam.Pipeline(options=beam_options(check_flags(flags), "referenced")) as pipeline:
        sides = {
            name: pipeline
            | f"{name} files" >> beam.Create(paths)
            | f"spread {name}" >> beam.Reshuffle()
            | name >> beam.FlatMap(read)
            for name, (paths, read) in sources.items()
        }
        found = sides | "join" >> beam.CoGroupByKey() | "found" >> beam.FlatMap(joined)
        _ = found | "parts" >> beam.GroupByKey() | "write" >> beam.Map(write_part, root)
    counts = {"exact": 0, "canonical": 0}
    for name in output.list("", ".parquet"):
        with output.parquet(name) as file:
            for match in file.read(columns=["match"]).column(0).to_pylist():
                counts[match] += 1
    return counts


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.cli.join_references", description=__doc__.split("\n")[0])
    parser.add_argument("references", nargs="+", metavar="R.parquet", help="what `classifiers references` wrote")
    parser.add_argument("--crawl", nargs="+", required=True, metavar="PATH", help="OUT/documents, or a columnar index")
    parser.add_argument("--output", required=True, metavar="FOUND", help="a folder")
    args, flags = parser.parse_known_args(argv)
    try:
        counts = find(args.references, args.crawl, args.output, flags)
    except (ValueError, OSError, RuntimeError) as error:  # Beam wraps what a transform raises
        cause = root_cause(error)
        if not isinstance(cause, ValueError | OSError):
            raise
        print(f"error: {' '.join(str(explained(cause)).split())}", file=sys.stderr)
        return 1
    print(f"{sum(counts.values()):,} pages of the crawl are referred to: {counts['exact']:,} at the very address")
    return 0


if __name__ == "__main__":
    sys.exit(main())
