"""Stream Wikimedia dumps in bounded memory: articles of `pages-articles` XML, rows of `externallinks` SQL.

The compression and the format are detected from the first bytes of the file, not from its name.
"""

import bz2
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.parsers import expat

from classifiers.errors import ClassifierError

CHUNK = 1 << 18  # bytes of XML that the parser gets at a time
MAX_ARTICLE = 64 << 20  # characters; MediaWiki's own limit is 2 MB ($wgMaxArticleSize)
MAX_STATEMENT = 1 << 28  # bytes of one INSERT; mysqldump writes about 1 MB
COLUMN = re.compile(rb"\s*`(\w+)` ")
QUOTED = rb"'([^'\\]*(?:\\.[^'\\]*)*)'"
ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
ESCAPES = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"Z": b"\x1a"}
REVERSED_HOST = re.compile(r"^(\w+)://([^/:]*?)\.?(:\d+)?$")


class DumpError(ClassifierError):
    """A dump cannot be read to its end."""


def open_dump(path: Path) -> IO[bytes] | gzip.GzipFile:
    """Open a plain, gzip or bz2 file (one or many streams). Raises OSError, and DumpError for an empty file."""
    with open(path, "rb") as file:
        magic = file.read(3)
    if not magic:
        raise DumpError(f"{path}: the file is empty")
    if magic == b"BZh":
        return bz2.open(path, "rb")
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(path, "rb")
    return open(path, "rb")


def is_sql_dump(path: Path) -> bool:
    """Return whether a dump is SQL, judged by its first characters. Any other dump is read as XML."""
    try:
        with open_dump(path) as file:
            head = file.read(512).lstrip(b"\xef\xbb\xbf \r\n\t")
    except (EOFError, zlib.error, OSError) as error:
        raise DumpError(f"{path}: cannot be read: {describe_read_error(error)}") from error
    return head[:2] in (b"--", b"/*") or head[:6].upper() in (b"CREATE", b"INSERT", b"DROP T")


def describe_read_error(error: Exception) -> str:
    """Return the message of an error on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


class ExportHandler:
    """Collects the pages of a MediaWiki export from expat's events. It builds no tree and holds one page in memory."""

    def __init__(self) -> None:
        """Start without any page."""
        self.pages: list[tuple[str, str, str]] = []  # namespace, title, text of the page's last revision
        self.fields: dict[str, str] = {}
        self.parts: list[str] | None = None
        self.size = 0
        self.root: str | None = None
        self.path: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Handle the start of an element, and begin to collect text if the element is wanted."""
        if self.root is None:
            self.root = name
            if name != "mediawiki":
                raise DumpError(f"is not a MediaWiki export: its first element is <{name}>, not <mediawiki>")
        parent = self.path[-1] if self.path else ""
        self.path.append(name)
        if name == "page":
            self.fields = {}
        elif (parent == "page" and name in ("title", "ns")) or (parent == "revision" and name == "text"):
            self.parts, self.size = [], 0

    def data(self, text: str) -> None:
        """Handle text inside an element. Raises DumpError for a page over MAX_ARTICLE."""
        if self.parts is not None:
            self.parts.append(text)
            self.size += len(text)
            if self.size > MAX_ARTICLE:
                raise DumpError(f"holds a page of more than {MAX_ARTICLE:,} characters ({self.fields.get('title')!r})")

    def end(self, name: str) -> None:
        """Handle the end of an element."""
        self.path.pop()
        if self.parts is not None:
            self.fields[name] = "".join(self.parts)
            self.parts = None
        elif name == "page":
            get = self.fields.get
            self.pages.append((get("ns", "0"), get("title", ""), get("text", "")))
            self.fields = {}

    def entity(self, name: str, *_: object) -> None:
        """Refuse entity declarations. Exports have none, and expanding them can exhaust memory."""
        raise DumpError(f"declares the XML entity {name!r}; no MediaWiki export declares entities")


def read_dump_articles(path: Path) -> Iterator[tuple[str, str]]:
    """Yield `(title, wikitext)` of each page of the main namespace, in the order of the dump.

    Raises DumpError, naming the file, if it is not a MediaWiki export, is broken or is cut short. Raises OSError if it
    cannot be opened.
    """
    handler = ExportHandler()
    parser = expat.ParserCreate()
    parser.buffer_text, parser.buffer_size = True, 1 << 16
    parser.StartElementHandler, parser.EndElementHandler = handler.start, handler.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = handler.data, handler.entity
    count, size = 0, 0
    with open_dump(path) as file:
        while True:
            try:
                chunk = file.read(CHUNK)
                size += len(chunk)
                parser.Parse(chunk, not chunk)
            except (EOFError, OSError, zlib.error, expat.ExpatError) as error:
                message = (
                    f"{path}: broken after {count:,} pages and {size:,} bytes of XML ({describe_read_error(error)})"
                )
                raise DumpError(f"{message}; fetch it again") from error
            except DumpError as error:
                raise DumpError(f"{path}: {error}") from None
            for namespace, title, text in handler.pages:
                count += 1
                if namespace == "0":
                    yield title, text
            handler.pages.clear()
            if not chunk:
                return


def read_external_links(path: Path) -> Iterator[tuple[str, str]]:
    """Yield `(page id, url)` of an `externallinks` SQL dump, in the order of the dump and with URLs of every scheme.

    Both schemas are supported: `el_to` (until 2023), and `el_to_domain_index` with `el_to_path` (since then). These
    dumps hold no titles. Raises DumpError if the file is broken or holds another table.
    """
    columns: list[str] = []
    rows = 0
    with open_dump(path) as file:
        while True:
            try:
                line = file.readline(MAX_STATEMENT)
            except (EOFError, OSError, zlib.error) as error:
                raise DumpError(
                    f"{path}: broken after {rows:,} rows ({describe_read_error(error)}); fetch it again"
                ) from error
            if not line:
                break
            if len(line) >= MAX_STATEMENT and not line.endswith(b"\n"):
                raise DumpError(
                    f"{path}: has a line of more than {MAX_STATEMENT:,} bytes, which mysqldump does not write"
                )
            if line.startswith(b"CREATE TABLE"):
                columns = []
            elif line.startswith(b"INSERT INTO `externallinks`"):
                for row in parse_insert_rows(line, columns, path):
                    rows += 1
                    url = build_row_url(row)
                    yield row["el_from"].decode(), url
            elif match := COLUMN.match(line):
                columns.append(match[1].decode())
    if "el_from" not in columns:
        raise DumpError(f"{path}: this SQL has no table `externallinks`")


def parse_insert_rows(line: bytes, columns: list[str], path: Path) -> Iterator[dict[str, bytes]]:
    """Yield the rows of one INSERT statement as {column: value}. Raises DumpError if a row does not parse."""
    if "el_from" not in columns:
        raise DumpError(f"{path}: an INSERT stands before CREATE TABLE, so the dump is not complete")
    value = rb"(?:" + QUOTED + rb"|([^',()]*))"
    row = re.compile(rb"\(" + rb",".join([value] * len(columns)) + rb"\)([,;])", re.DOTALL)
    at = line.find(b"VALUES ") + len(b"VALUES ")
    while True:
        match = row.match(line, at)
        if not match:
            raise DumpError(f"{path}: cannot parse a row of the INSERT at {line[at : at + 60]!r}")
        groups = match.groups()
        values = (q if q is not None else plain for q, plain in zip(groups[:-1:2], groups[1:-1:2], strict=True))
        yield {
            name: ESCAPE.sub(lambda m: ESCAPES.get(m[1], m[1]), v) if b"\\" in v else v
            for name, v in zip(columns, values, strict=True)
        }
        if groups[-1] == b";":
            return
        at = match.end()


def build_row_url(row: dict[str, bytes]) -> str:
    """Return the URL of an `externallinks` row of either schema. Bytes that are not UTF-8 become U+FFFD."""
    if "el_to" in row:
        return row["el_to"].decode("utf-8", "replace")
    index = row.get("el_to_domain_index", b"").decode("utf-8", "replace")
    path = row.get("el_to_path", b"")
    return restore_host_order(index) + ("" if path == b"NULL" else path.decode("utf-8", "replace"))


def restore_host_order(index: str) -> str:
    """Return the scheme, host and port of a reversed domain index (MediaWiki's `LinkFilter::makeIndexes`).

    >>> restore_host_order("https://org.example.www.:8080")
    'https://www.example.org:8080'
    """
    match = REVERSED_HOST.match(index)
    if not match:
        return index
    scheme, host, port = match.groups()
    if host.startswith("V4."):
        host = host[3:]  # an IPv4 address is not reversed
    else:
        host = ".".join(reversed(host.split(".")))
    return f"{scheme}://{host}{port or ''}"
