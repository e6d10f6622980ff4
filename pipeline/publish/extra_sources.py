"""Given clean sources (Wikipedia text, books) for the end of training: found, read, and how often they are published.

They go into anneal/ beside the best of the crawl's pages, decontaminated like these, never what validation has.
"""

import gzip
import hashlib
import json
import lzma
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.io.output import WORK, Output
from pipeline.io.schemas import DOCUMENT
from pipeline.io.text_files import ending, files_of, unpacked
from pipeline.publish.mixture_fit import Factor
from pipeline.text.minhash import compute_band_keys, hash_text, sign_texts
from pipeline.url.canonical import canonical_url, url_domain
from pipeline.url.topic_by_address import DOMAINS, find_topic

PREFIX = "clean."  # of a source file's shard; a crawl file's shard ends in a hash, so none is called so
FOLDER = f"{WORK}/clean"
SCHEMA = pa.schema([DOCUMENT.field(name) for name in ("id", "url", "date", "language", "domain", "scores", "text")])
READ = ("id", "url", "language", "domain", "text")  # what rows may say of a text
FORMATS = (".parquet", ".jsonl", ".ndjson", ".txt", ".text")
BROKEN = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError, json.JSONDecodeError)
VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "updated", "mtime")  # as fsspec's file systems name them
ROWS = 256  # texts in memory at a time


class CleanSourceError(ValueError):
    """A clean source that cannot be read; its text is one line."""


class SourceFile(NamedTuple):
    """One file of a clean source; `source` is the path in the config."""

    source: str
    path: str


def form(path: str) -> str:
    """Return the ending that says how a file is read, "" for none."""
    return ending(path, FORMATS)


def find(sources: Mapping[str, float | None]) -> list[SourceFile]:
    """Return the files that the sources name, sorted within each; each once. Raises CleanSourceError for none."""
    found: dict[str, str] = {}
    for source in sources:
        names = files_of(source, form)
        if not names or not all(form(name) for name in names):
            wanted = ", ".join(FORMATS)
            raise CleanSourceError(
                f"publish.extra_anneal_sources: {source}: no text there ({wanted}, with .gz, .xz, .bz2)"
            )
        for name in names:
            found.setdefault(name, source)
    return [SourceFile(source, path) for path, source in found.items()]


def fingerprints(sources: Mapping[str, float | None]) -> list[tuple[str, int, str]]:
    """Return name, size and version of each of the sources' files, which may be too large to be read for it.

    A version is what the file system tells one content of a file from another by: when it was written, or its tag.
    """
    found = []
    for _, path in find(sources):
        fs, base = fsspec.core.url_to_fs(path)
        facts = fs.info(base)
        version = next((str(facts[key]) for key in VERSIONS if facts.get(key)), "")
        found.append((base.rsplit("/", 1)[-1], facts["size"], version))
    return found


def shard(number: int) -> str:
    """Return the name of a source file's shard."""
    return f"{PREFIX}{number:05d}"


def folder(name: str) -> str:
    """Return the folder that holds a shard's texts: the crawl's pages, or a source file's."""
    return FOLDER if name.startswith(PREFIX) else "documents"


def read_rows(path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file that have a text; of a plain text file, its whole text as one. Raises CleanSourceError.

    Parquet and JSONL have a column `text`, and may have id, url, language and domain.
    """
    try:
        with fsspec.open(path, "rb") as raw:
            if form(path) == ".parquet":
                rows = parquet_rows(raw, path)
            else:
                rows = plain_rows(unpacked(raw, path), path)
            yield from (row for row in rows if row["text"].strip())
    except (*BROKEN, pa.ArrowInvalid) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CleanSourceError(
            f"publish.extra_anneal_sources: {path}: cannot be read as {form(path)}: {reason}"
        ) from error


def parquet_rows(file: IO[bytes], path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file."""
    table = pq.ParquetFile(file)
    known = table.schema_arrow.names
    if "text" not in known or str(table.schema_arrow.field("text").type) not in ("string", "large_string"):
        names = ", ".join(known)
        raise CleanSourceError(f"publish.extra_anneal_sources: {path}: no column 'text' of strings; it has {names}")
    for batch in table.iter_batches(ROWS, columns=[name for name in READ if name in known]):
        yield from (row | {"text": row["text"] or ""} for row in batch.to_pylist())


def plain_rows(file: IO[bytes], path: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON lines, or a text file's text."""
    if form(path) in (".txt", ".text"):
        yield {"text": file.read().decode("utf-8-sig")}
        return
    for number, line in enumerate(file, 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise CleanSourceError(
                    f"publish.extra_anneal_sources: {path}, line {number}: no object with a `text` string"
                )
            yield {name: writable(row.get(name)) for name in READ}


def writable(value: Any) -> Any:
    """Return a value; of a string's lone surrogates, which JSON can escape and UTF-8 cannot write, each is U+FFFD."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as one of `.work/clean/`: an id by its address and text where it has none."""
    text, url = row["text"], row.get("url") if isinstance(row.get("url"), str) else ""
    named = hashlib.blake2b(f"{url}\x00{text}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    topic = row.get("domain")
    return {
        "id": str(row["id"]) if row.get("id") is not None else f"<urn:text:{named}>",
        "url": url or None,
        "date": None,
        "language": row.get("language") if isinstance(row.get("language"), str) else None,
        "domain": topic if topic in DOMAINS else find_topic(url or ""),
        "scores": {"quality": None},
        "text": text,
    }


def site_of(row: Mapping[str, Any]) -> str:
    """Return the site of a row's address, "" for none."""
    return url_domain(row["url"]) if row["url"] else ""


def keys(rows: list[dict[str, Any]], config: Config) -> Iterator[list[bytes]]:
    """Yield the keys of each row: rows that share one are copies, or may be: of a text, an address, a MinHash band.

    A row has `text`, or `text_hash` and `minhash` as the extract job made them, and `url` or `canonical_url`.
    """
    params = config.dedup.minhash_params()
    texts = [row["text"] for row in rows if "minhash" not in row]
    made = iter(sign_texts(texts, params) if config.dedup.near and texts else [b""] * len(texts))
    for row in rows:
        sketch = row["minhash"] if "minhash" in row else next(made)
        address = row["canonical_url"] if "canonical_url" in row else canonical_url(row["url"]) if row["url"] else ""
        found = [b"t" + (row["text_hash"] if "text_hash" in row else hash_text(row["text"]))]
        found += [b"u" + address.encode("utf-8", "surrogatepass")] if address else []
        if sketch and len(sketch) == 4 * params.hashes:
            bands = compute_band_keys(np.frombuffer(sketch, "<u4").reshape(1, -1), params)[0]
            found += [b"m%d." % n + int(key).to_bytes(8, "little") for n, key in enumerate(bands)]
        yield found


def factors(sizes: Mapping[str, int], best: int, shares: Mapping[str, float | None], most: float) -> dict[str, Factor]:
    """Return how often each source's texts are published. `sizes` are bytes, `best` those of the crawl's best pages.

    A source without a share is published once; the others so that they have their shares of anneal/, each text at most
    `most` times. Where nothing else is in anneal/, they keep to their shares of one another, none more than once.
    """
    asked = {source: share for source, share in shares.items() if share is not None and sizes.get(source)}
    fixed = best + sum(size for source, size in sizes.items() if shares[source] is None)
    if fixed or not asked:
        whole = fixed / (1 - sum(asked.values()))
    else:
        whole = min(sizes[source] / share for source, share in asked.items() if share) if any(asked.values()) else 0.0
    wanted = {source: asked[source] * whole / sizes[source] if source in asked else 1.0 for source in sizes}
    return {source: Factor(value, min(value, most)) for source, value in wanted.items()}


def check(sources: Mapping[str, float | None]) -> None:
    """Read the first row of each file, so that one that is no text fails before the job. Raises CleanSourceError."""
    for _, path in find(sources):
        if next(read_rows(path), None) is None:
            raise CleanSourceError(f"publish.extra_anneal_sources: {path}: no text in it")


def summary(output: Output, files: list[SourceFile]) -> dict[str, dict[str, Any]]:
    """Add up what the partitions counted, by source: texts read, held out by reason, published, repeats, bytes."""
    sums: dict[str, dict[str, Any]] = {}
    for number, (source, _) in enumerate(files):
        mine = sums.setdefault(source, {"texts": 0, "held_out": {}, "published": 0, "repeated": 0, "bytes": [0, 0, 0]})
        path = (WORK, "publish", f"{shard(number)}.json")
        if not output.exists(*path):
            continue
        counts = output.read_json(*path)["counts"]
        for reason, n in counts["held_out"].items():
            mine["held_out"][reason] = mine["held_out"].get(reason, 0) + n
        for key in ("texts", "published", "repeated"):
            mine[key] += counts[key]
        mine["bytes"] = [a + b for a, b in zip(mine["bytes"], counts["bytes"], strict=True)]
    return sums


def problems(added: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each source whose texts are not all published or held out."""
    lines = []
    for source, counts in added.items():
        difference = counts["texts"] - sum(counts["held_out"].values()) - counts["published"]
        if difference:
            lines.append(f"{source}: {counts['texts']} texts, {difference:+d} neither published nor held out")
    return lines
