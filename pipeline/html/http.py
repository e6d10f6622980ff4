"""One HTTP response as a crawl stored it: status, headers, and the body without its transfer and content codings.

Servers and crawlers lie: a header says gzip or chunked and the body is plain, a body is cut, codings are nested or not
named at all. What decodes is used, what does not is taken as it stands, and `problems` says what was found.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import brotli
import zstandard

MAX_BODY_BYTES = 10 << 20  # Common Crawl itself cuts at 1 MiB (5 MiB since 2025); more is not a page of text
PIECE = 1 << 16
MAX_LAYERS = 4
MAX_HEADER_BYTES = 1 << 18  # as browsers have it; later header lines are left out
INTERIM = (b"100", b"102", b"103")  # RFC 9110, 15.2; 101 is a final response
STATUS_LINE = re.compile(rb"\s{0,8}HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?=\s|$)[^\n]*(?:\n|$)", re.I)
BLANK_LINE = re.compile(rb"\n\r*\n")
CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,1024})?(?:\r\n|\n)")
MAX_ZSTD_WINDOW = 1 << 27
ERRORS = (zlib.error, brotli.error, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response; `status` is None where the message has no status line, and then all of it is `body`.

    `headers` are (lower-case name, value) in order. `problems` are stable words: too-large (the body was cut to the
    limit), long-header (header lines beyond the limit were left out), not-chunked, bad-chunk, truncated-chunk,
    not-CODING, corrupt-CODING, truncated-CODING, unknown-coding, undeclared-gzip.
    """

    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    problems: tuple[str, ...]

    def header(self, name: str) -> str:
        """Return the first value of a header (any case), "" where it is absent."""
        name = name.lower()
        return next((value for key, value in self.headers if key == name), "")


def parse_response(block: bytes, *, max_body_bytes: int = MAX_BODY_BYTES) -> HttpResponse:
    """Parse and decode a response; the body is cut to `max_body_bytes`, also where it is a decompression bomb."""
    match, blank = find_head(block)
    if not match:
        return HttpResponse(None, (), block[:max_body_bytes], ("too-large",) if len(block) > max_body_bytes else ())
    problems: list[str] = []
    head = block[match.end() : blank.start() if blank else len(block)]
    if len(head) > MAX_HEADER_BYTES:
        head = head[: head.rfind(b"\n", 0, MAX_HEADER_BYTES) + 1]
        problems.append("long-header")
    headers = tuple(parse_header_lines(head))
    body = block[blank.end() :] if blank else b""
    response = HttpResponse(int(match[1]), headers, body, ())
    if "chunked" in list_header_values(response, "transfer-encoding"):
        body = decode_chunked(body, response.header("content-length"), problems)
    codings = [c for value in list_header_values(response, "content-encoding") for c in [value.removeprefix("x-")] if c]
    for coding in codings[::-1][:MAX_LAYERS]:
        body = decode_coding(body, coding, max_body_bytes, problems)
    if body.startswith(b"\x1f\x8b\x08") and is_html_type(declared_mime_type(response)):
        problems.append("undeclared-gzip")
        body = decode_coding(body, "gzip", max_body_bytes, problems)
    if len(body) > max_body_bytes:
        body = body[:max_body_bytes]
        problems.append("too-large")
    return HttpResponse(response.status, headers, body, tuple(dict.fromkeys(problems)))


def find_head(block: bytes) -> tuple[re.Match[bytes] | None, re.Match[bytes] | None]:
    """Return the match of the final status line and of the blank line below its header; None where one is missing.

    Informational responses ("100 Continue") before the final one are passed over.
    """
    match = STATUS_LINE.match(block)
    blank = BLANK_LINE.search(block, match.end() - 1) if match else None
    while match and blank and match[1] in INTERIM:
        following = STATUS_LINE.match(block, blank.end())
        if not following:
            break
        match, blank = following, BLANK_LINE.search(block, following.end() - 1)
    return match, blank


def parse_header_lines(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the fields of a header block: names in lower case, folded lines joined, lines without a colon left out."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    fields: list[tuple[str, list[str]]] = []
    for line in text.split("\n"):
        if line[:1] in (" ", "\t"):
            if fields:
                fields[-1][1].append(line.strip())
            continue
        name, colon, value = line.partition(":")
        if colon:
            fields.append((name.strip().lower(), [value.strip()]))
    for name, values in fields:
        yield name, " ".join(values).strip()


def list_header_values(response: HttpResponse, name: str) -> list[str]:
    """Return the comma-separated values of every header of that name, in lower case."""
    return [v.strip().lower() for key, value in response.headers if key == name for v in value.split(",")]


def decode_chunked(body: bytes, content_length: str, problems: list[str]) -> bytes:
    """Return a chunked body joined; the body itself where it is not chunked, all that is there where it is cut."""
    if content_length == str(len(body)):
        problems.append("not-chunked")
        return body
    chunks: list[bytes] = []
    at = 0
    while match := CHUNK_SIZE.match(body, at):
        start, size = match.end(), int(match[1], 16)
        if size == 0:
            return b"".join(chunks)
        if start + size > len(body):
            if chunks or start < len(body):
                problems.append("truncated-chunk")
            chunks.append(body[start:])
            return b"".join(chunks)
        after = body[start + size : start + size + 2]
        if after[:1] not in (b"\r", b"\n", b""):
            break
        chunks.append(body[start : start + size])
        at = start + size + (2 if after == b"\r\n" else len(after[:1]))
    if not chunks:
        problems.append("not-chunked")
        return body
    problems.append("truncated-chunk" if at >= len(body) else "bad-chunk")
    return b"".join(chunks)


def decode_coding(body: bytes, coding: str, limit: int, problems: list[str]) -> bytes:
    """Return a body without one content coding: in full, as far as it decodes, or as it is where it is not coded."""
    if coding in ("identity", "none", "utf-8", "binary", "8bit") or not body:
        return body
    if coding not in DECODERS:
        problems.append("unknown-coding")
        return body
    best: tuple[bytes, str] = (b"", "corrupt")
    for start in DECODERS[coding](body):
        out, outcome = run_decoder(start, limit)
        if outcome == "whole":
            return out
        if len(out) > len(best[0]):
            best = out, outcome
    out, outcome = best
    if not out or (outcome == "corrupt" and looks_plain(body)) or (coding in ("deflate", "br") and looks_plain(body)):
        problems.append(f"not-{coding}")
        return body
    problems.append(f"{outcome}-{coding}")
    return out


def run_decoder(pieces: Iterator[bytes], limit: int) -> tuple[bytes, str]:
    """Return what `pieces` yields up to just over `limit` bytes, and whether it is whole, truncated or corrupt.

    A decoder's last piece is b"" where it found the end of its data.
    """
    parts: list[bytes] = []
    size, outcome = 0, "truncated"
    try:
        for piece in pieces:
            if not piece:
                outcome = "whole"
                break
            parts.append(piece)
            size += len(piece)
            if size > limit:
                outcome = "whole"
                break
    except ERRORS:
        outcome = "corrupt"
    return b"".join(parts), outcome


def inflate_pieces(body: bytes, wbits: int) -> Iterator[bytes]:
    """Yield what zlib makes of `body`: gzip members that follow one another joined, other trailing bytes ignored."""
    at, size = 0, len(body)
    inflater = zlib.decompressobj(wbits)
    waiting = b""
    while waiting or at < size:
        if not waiting:
            waiting, at = body[at : at + 4096], at + 4096
        out = inflater.decompress(waiting, PIECE)
        waiting = inflater.unconsumed_tail
        if out:
            yield out
        if inflater.eof:
            at = min(at, size) - len(inflater.unused_data)
            if wbits != 31 or not body.startswith(b"\x1f\x8b\x08", at):
                yield b""
                return
            inflater = zlib.decompressobj(wbits)
    while out := inflater.decompress(b"", PIECE):
        yield out


def gzip_decoders(body: bytes) -> Iterator[Iterator[bytes]]:
    """Yield the ways to decode gzip: one, where the body begins as gzip does."""
    if body.startswith(b"\x1f\x8b"):
        yield inflate_pieces(body, 31)


def deflate_decoders(body: bytes) -> Iterator[Iterator[bytes]]:
    """Yield the ways to decode deflate: with zlib's header as the standard says, bare as servers do, or gzip."""
    if len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0:
        yield inflate_pieces(body, 15)
    yield from gzip_decoders(body)
    yield inflate_pieces(body, -15)


def brotli_decoders(body: bytes) -> Iterator[Iterator[bytes]]:
    """Yield the way to decode brotli, which has no magic number."""

    def pieces() -> Iterator[bytes]:
        decoder, at = brotli.Decompressor(), 0
        while not decoder.is_finished():
            waiting = b""
            if decoder.can_accept_more_data():
                waiting, at = body[at : at + 4096], at + 4096
                if not waiting:
                    return
            if out := decoder.process(waiting, output_buffer_limit=PIECE):
                yield out
        yield b""

    yield pieces()


def zstd_decoders(body: bytes) -> Iterator[Iterator[bytes]]:
    """Yield the way to decode zstd, where the body begins as a frame does."""

    def pieces() -> Iterator[bytes]:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW)
        reader = decompressor.stream_reader(body, read_across_frames=True)
        while out := reader.read(PIECE):
            yield out
        if is_zstd_complete(body):
            yield b""

    if body.startswith(b"\x28\xb5\x2f\xfd"):
        yield pieces()


def is_zstd_complete(body: bytes) -> bool:
    """Tell whether the zstd frame that `body` begins with ends within it: its blocks' headers say so (RFC 8878)."""
    at = zstandard.frame_header_size(body)
    while at + 3 <= len(body):
        block = int.from_bytes(body[at : at + 3], "little")
        at += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
        if block & 1:
            return at <= len(body)
    return False


DECODERS: dict[str, Callable[[bytes], Iterator[Iterator[bytes]]]] = {
    "gzip": gzip_decoders,
    "deflate": deflate_decoders,
    "br": brotli_decoders,
    "zstd": zstd_decoders,
}


def looks_plain(body: bytes) -> bool:
    """Tell whether the body's beginning is text: no control bytes but white space in 256 bytes."""
    head = body[:256]
    return not head.translate(None, bytes(range(32, 256)) + b"\t\n\r\f\x1b")


# Magic numbers (WHATWG MIME Sniffing, section 6, and the formats' own): start offset, bytes, type.
BINARY: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"%!PS-Adobe-", "application/postscript"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP", "image/webp"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"BZh9", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"OggS\x00", "application/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/avi"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"CWS", "application/x-shockwave-flash"),
    (0, b"FWS", "application/x-shockwave-flash"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"OTTO", "font/otf"),
    (0, b"\x00\x01\x00\x00\x00", "font/ttf"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"\x00asm", "application/wasm"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s|<!--.{0,2000}?-->|<\?xml[^>]{0,200}\?>)*+"
    rb"<(?:!doctype\s+html|html|head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p|meta|link)[\s>]",
    re.I | re.S,
)
XHTML = b"http://www.w3.org/1999/xhtml"
XML_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml[\s]", re.I)
# Types that say nothing: WHATWG's unknown types, and what servers send for files that they do not know.
UNKNOWN_TYPES = frozenset(
    ("", "unknown/unknown", "application/unknown", "*/*", "application/octet-stream", "binary/octet-stream")
    + ("application/x-unknown", "content/unknown", "httpd/unix-directory", "application/download", "text")
)
CONTROLS = bytes(c for c in range(1, 32) if c not in b"\t\n\v\f\r\x1b")  # NULs do occur in pages
MAX_CONTROLS = 0.05  # of the bytes; text has none, random bytes have a tenth
MIME = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+*-]+")


def declared_mime_type(response: HttpResponse) -> str:
    """Return the type in the Content-Type header without its parameters, "" where it is missing or malformed."""
    mime = response.header("content-type").split(";")[0].split(",")[0].strip().lower()
    return mime if MIME.fullmatch(mime) else ""


def is_html_type(mime: str) -> bool:
    """Tell whether a type is HTML, or none."""
    return mime in ("", "text/html", "application/xhtml+xml")


def detect_mime_type(response: HttpResponse) -> str:
    """Return the body's type: as declared, but by its first bytes where none is declared or the body shows otherwise.

    The body overrules text types and unknown ones where it has a binary format's magic number, and unknown ones where
    it is markup or text.
    """
    mime, body = declared_mime_type(response), response.body
    unknown, is_text = mime in UNKNOWN_TYPES, mime.startswith("text/")
    if not unknown and not is_text and mime != "application/xhtml+xml":
        return mime
    head = body[:16].lstrip() if is_text else body[:16]
    for offset, magic, found in BINARY:
        if head.startswith(magic, offset):
            return found
    start = body[:4096]
    if len(start) - len(start.translate(None, CONTROLS)) > MAX_CONTROLS * len(start):
        return "application/octet-stream"
    return sniff_text_type(start, mime) if unknown else mime


def sniff_text_type(start: bytes, mime: str) -> str:
    """Return the type of a body without a known one, `mime`, that does not begin as a binary format does."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start.decode("utf-16", "replace").encode()
    if HTML_START.match(start):
        return "application/xhtml+xml" if XML_START.match(start) and XHTML in start else "text/html"
    if XML_START.match(start):
        return "text/xml"
    if not start or b"\x00" in start or not looks_plain(start):
        return "application/octet-stream"
    return mime or "text/plain"
