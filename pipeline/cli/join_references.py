"""Finds the pages of a crawl that an encyclopedia refers to: a Beam join of references with a crawl, by canonical URL.

    python -m pipeline.cli.join_references R.parquet --crawl OUT/documents --output FOUND
    python -m pipeline.cli.join_references R.parquet --crawl cc-index/crawl=CC-MAIN-2026-18/subset=warc --output FOUND

R.parquet is what `python -m classifiers references` writes. The crawl is the `documents/` of a run, or Common Crawl's
columnar index, which says in which WARC file each record is, and where. Only addresses pass through the shuffle. FOUND
is a folder of Parquet files for `python -m classifiers train --references FOUND`. It is small even if the references of
a whole Wikipedia are not.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypedDict

import apache_beam as beam
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.cli.errors import print_error
from pipeline.io.output import Output
from pipeline.runners.beam_options import beam_options, check_flags
from pipeline.runners.local_pool import explain_error, root_cause
from pipeline.url.canonical import canonical_url

PARTS = 16  # files of the result; a hash of the address chooses the file
KINDS = ("ref", "cite", "external")  # the strongest first, as `classifiers references` writes them
MATCHES = pa.schema(
    [
        ("canonical_url", pa.string()),
        ("url", pa.string()),  # in the crawl
        ("match", pa.string()),  # exact: an article has the same address; canonical: one with the same canonical form
        ("kind", pa.string()),  # the strongest kind of its references
        ("articles", pa.int32()),  # how many articles refer to it
        ("file", pa.string()),  # the crawl file
        ("offset", pa.int64()),  # of the record in the crawl file
        ("length", pa.int64()),  # of the compressed record; null if the crawl is a documents/ folder
    ]
)
# The columns for address, file, offset and length in the two kinds of crawl.
DOCUMENTS = ("url", "file", "offset")
INDEX = ("url", "warc_filename", "warc_record_offset", "warc_record_length")


class CrawlError(ValueError):
    """A crawl or references cannot be read. The text is one line."""


class ArticleReference(NamedTuple):
    """A reference of an article to an address."""

    url: str
    kind: str
    article: str


class CrawlPlace(NamedTuple):
    """An address in a crawl, and where its record is. `length` is None if it is not known."""

    url: str
    file: str
    offset: int
    length: int | None


class MatchSides(TypedDict):
    """Everything that has one canonical URL."""

    references: Iterable[ArticleReference]
    crawl: Iterable[CrawlPlace]


class Match(NamedTuple):
    """A page of the crawl that articles refer to: a row of the result. The fields are those of MATCHES."""

    canonical_url: str
    url: str
    file: str
    offset: int
    length: int | None
    match: str
    kind: str
    articles: int


def find_parquet_files(paths: Iterable[str]) -> list[str]:
    """Return the Parquet files that files, folders and globs name, sorted. Raises CrawlError if a path has none."""
    found: set[str] = set()
    for path in paths:
        fs, base = fsspec.core.url_to_fs(path)
        names = fs.find(base) if fs.isdir(base) else fs.glob(base)
        files = [name for name in names if name.endswith(".parquet")]
        if not files:
            raise CrawlError(f"{path}: no Parquet file there")
        found.update(files if "file" in fs.protocol else map(fs.unstrip_protocol, files))
    return sorted(found)


def read_parquet_columns(path: str, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Yield the values of columns, row by row. Raises CrawlError if the file has no such column."""
    with fsspec.open(path, "rb") as source, pq.ParquetFile(source) as file:
        missing = [name for name in columns if name not in file.schema_arrow.names]
        if missing:
            raise CrawlError(f"{path}: no column {missing[0]!r}; it has {', '.join(file.schema_arrow.names)}")
        for batch in file.iter_batches(8192, columns=list(columns)):
            yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)


def read_article_references(path: str) -> Iterator[tuple[str, ArticleReference]]:
    """Yield (canonical URL, reference) from a file of references."""
    for key, url, kind, article in read_parquet_columns(path, ("canonical_url", "url", "kind", "article")):
        yield str(key), ArticleReference(str(url), str(kind), str(article))


def read_crawl_places(path: str) -> Iterator[tuple[str, CrawlPlace]]:
    """Yield (canonical URL, place) of every page in a documents shard or index file."""
    with fsspec.open(path, "rb") as source, pq.ParquetFile(source) as file:
        columns = INDEX if INDEX[1] in file.schema_arrow.names else DOCUMENTS
    for url, file_name, offset, *length in read_parquet_columns(path, columns):
        place = CrawlPlace(str(url or ""), str(file_name), to_number(offset), to_number(length[0]) if length else None)
        yield canonical_url(place.url), place


def to_number(value: object) -> int:
    """Return a value of an integer column. Raises CrawlError if it is null or no number."""
    if not isinstance(value, int):
        raise CrawlError(f"{value!r}: an offset or a length of the crawl must be a number")
    return value


def match_pages(item: tuple[str, MatchSides]) -> Iterator[tuple[int, Match]]:
    """Yield (number of the output file, match) for each page of the crawl with the canonical URL of a reference."""
    key, sides = item
    references = list(sides["references"])
    if not references:
        return
    urls = {reference.url for reference in references}
    kind = min((reference.kind for reference in references), key=KINDS.index)
    articles = len({reference.article for reference in references})
    part = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=1).digest()[0] % PARTS
    for place in sides["crawl"]:
        match = "exact" if place.url in urls else "canonical"
        yield part, Match(key, *place, match=match, kind=kind, articles=articles)


def write_matches(group: tuple[int, Iterable[Match]], root: str) -> int:
    """Write one file of the result, sorted. Returns how many rows it has."""
    part, matches = group
    ordered = sorted(matches, key=lambda match: (match.canonical_url, match.url, match.file, match.offset))
    with Output(root).table_writer(MATCHES, f"part-{part:05d}.parquet") as writer:
        for match in ordered:
            writer.row(match._asdict())
    return len(ordered)


def join_references(references: list[str], crawl: list[str], root: str, flags: Sequence[str] = ()) -> dict[str, int]:
    """Run the join and return how many pages match, by `match`. Raises CrawlError, OSError or LaunchError."""
    sources = {
        "references": (find_parquet_files(references), read_article_references),
        "crawl": (find_parquet_files(crawl), read_crawl_places),
    }
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
        found = sides | "join" >> beam.CoGroupByKey() | "found" >> beam.FlatMap(match_pages)
        _ = found | "parts" >> beam.GroupByKey() | "write" >> beam.Map(write_matches, root)
    counts = {"exact": 0, "canonical": 0}
    for name in output.list("", ".parquet"):
        with output.parquet(name) as file:
            for match in file.read(columns=["match"]).column(0).to_pylist():
                counts[match] += 1
    return counts


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.cli.join_references",
        description="Find the pages of a crawl that an encyclopedia refers to.",
    )
    parser.add_argument("references", nargs="+", metavar="R.parquet", help="what `classifiers references` wrote")
    parser.add_argument("--crawl", nargs="+", required=True, metavar="PATH", help="OUT/documents, or a columnar index")
    parser.add_argument("--output", required=True, metavar="FOUND", help="the folder for the result")
    args, flags = parser.parse_known_args(argv)
    try:
        counts = join_references(args.references, args.crawl, args.output, flags)
    except (ValueError, OSError, RuntimeError) as error:  # Beam wraps what a transform raises
        cause = root_cause(error)
        if not isinstance(cause, ValueError | OSError):
            raise
        return print_error(explain_error(cause), 1)
    total = sum(counts.values())
    print(f"{total:,} pages of the crawl are referred to: {counts['exact']:,} by their exact address")
    return 0


if __name__ == "__main__":
    sys.exit(main())
