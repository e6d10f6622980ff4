"""One WARC or ARC record at a known place: its header, its block, and where the next one begins.

Real files have folded headers, lines that end in LF alone, URLs with spaces, and lengths that are missing or wrong. A
length is believed where the next record, or the end of the data, follows it; else the next header decides.
"""

import re
from typing import NamedTuple

from pipeline.warc.containers import (
    CORRUPT,
    MAGIC,
    ArchiveMember,
    ByteReader,
    find_matches,
    holds_only_zeros,
    member_kind,
)

LONGEST_HEADER = 1 << 13  # bytes that one match of HEADER can have
MAX_HEADER = 1 << 20  # bytes of one record's header lines; more is damage
VERSION = re.compile(rb"WARC/\d+\.\d+[ \t\r]*\n")
NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
BLANK_LINE = re.compile(rb"\n\r*\n")  # \r\r\n occurs
# ARC file format, versions 1 and 2: URL IP date type [status checksum location offset name] length. URLs may hold
# spaces, and so may types, so what tells the fields apart is the date.
ARC_SCHEME = rb"(?:https?|ftp|filedesc|dns|whois|gopher|news|nntp|metadata|warcinfo|screenshot):"
ARC_1 = re.compile(rb"(%s[^\r\n]{1,4000}?) (\S+) (\d{8,18}) ([^\r\n]{1,256}) (\S+)[ \t]*\r?\n" % ARC_SCHEME)
ARC_2 = re.compile(
    rb"(%s[^\r\n]{1,4000}?) (\S+) (\d{14}) (\S+) (?:\d{3}|-) \S+ \S+ \d+ \S+ (\d+)[ \t]*\r?\n" % ARC_SCHEME
)
# What a search takes for a header: stricter than what does at a known place, and linear in time on any bytes.
ARC_FIELDS = rb"%s\S{1,4000}+(?: \S{1,400}+){0,8} \S{1,64}+" % ARC_SCHEME
HEADER = re.compile(
    rb"(?:WARC/\d\.\d{1,2}[ \t\r]*\n(?i:WARC-|Content-)|%s \d{14} [^\r\n]{1,256} \d+[ \t]*\r?\n)" % ARC_FIELDS
)
ARC_HEADER = re.compile(rb"%s \d{8,18} [^\r\n]{1,256} \S+[ \t]*\r?\n" % ARC_FIELDS)


class ParsedRecord(NamedTuple):
    """A record without its place in the file; `end` is where what follows it begins, `id` "" where none is written."""

    end: int
    type: str
    id: str
    url: str
    date: str
    headers: dict[str, str]
    block: bytes
    truncated: str | None


class RecordHead(NamedTuple):
    """A record's header: its `size` in bytes, and the block's declared `length`, None where it is missing or bad."""

    size: int
    type: str
    id: str
    url: str
    date: str
    headers: dict[str, str]
    length: int | None


class ActualEnd(NamedTuple):
    """Where a block really ends, and whether all of it is there."""

    end: int
    is_whole: bool


def is_header_at(reader: ByteReader, at: int) -> bool:
    """Tell whether a record's header begins at `at`."""
    if VERSION.match(reader.peek(at, 32)):
        return True
    return bool(ARC_1.match(reader.peek(at, LONGEST_HEADER)))


def find_next_header(reader: ByteReader, at: int, until: int | None = None) -> int | None:
    """Return the first place in [at, until) where a record's header begins, None if there is none."""
    return next(find_matches(reader, HEADER, at, until, LONGEST_HEADER), None)


def parse_record_at(reader: ByteReader, at: int, limit: int) -> ParsedRecord | None:
    """Return the record at `at`, its block cut to `limit` bytes; None where no whole header is there."""
    head = parse_head_at(reader, at)
    if head is None:
        return None
    start, length, truncated = at + head.size, head.length, head.headers.get("warc-truncated")
    if length is None:
        end = find_unknown_end(reader, start, head)
        block = read_up_to(reader, start, end, limit)
    else:
        end = start + length
        block = reader.peek(start, min(length, limit))
        whole = len(block) == length or bool(reader.peek(end - 1, 1))
        if not whole and join_next_member(reader):
            return parse_record_at(reader, at, limit)
        follows = skip_newlines(reader, end) if whole else end
        if whole and is_plausible_end(reader, end, follows, head):
            end = follows
        else:
            found = find_actual_end(reader, start, end, whole)
            if found is None:
                end = follows
            else:
                end, block = found.end, read_up_to(reader, start, found.end, limit)
                truncated = truncated if found.is_whole else "disconnect"
    if len(block) == limit and (end - start if length is None else length) > limit and truncated != "disconnect":
        truncated = "size"
    return ParsedRecord(end, head.type, head.id, head.url, head.date, head.headers, block, truncated)


def find_actual_end(reader: ByteReader, start: int, end: int, whole: bool) -> ActualEnd | None:
    """Return where a block from `start` on ends if not at `end`, as declared; None where the declaration may be right.

    It is wrong where another record begins inside the block, or the data ends before it: `whole` is false.
    """
    inside = find_next_header(reader, start, end)
    if inside is not None:
        return ActualEnd(inside, False)
    if whole:
        return None
    own_end = find_own_end(reader)
    return ActualEnd(reader.size, False) if own_end is None else ActualEnd(own_end, True)


def read_up_to(reader: ByteReader, start: int, end: int, limit: int) -> bytes:
    """Return a block that runs up to `end`, cut to `limit` bytes, without the line ends before the next record."""
    return remove_terminator(reader.peek(start, min(end - start, limit)), end - start <= limit)


def join_next_member(reader: ByteReader) -> bool:
    """Let a member that ends inside a record go on with the next one. True if it does.

    It does not where a record begins in the next one, or where that is damaged, which would take this record along.
    """
    if not isinstance(reader, ArchiveMember) or reader.status != "end" or reader.end is None:
        return False
    if member_kind(reader.window.peek(reader.end, 4)) != reader.kind:
        return False
    following = ArchiveMember(reader.window, reader.end, reader.kind, reader.dictionary)
    if is_header_at(following, 0) or following.status == CORRUPT:
        return False
    reader.join()
    return True


def find_own_end(reader: ByteReader) -> int | None:
    """Return where a record ends that is whole though shorter than declared; None where it is not whole.

    It is whole where it ends as records do, at the end of a compressed member without damage.
    """
    if not is_whole_member(reader):
        return None
    size = reader.size
    return size if reader.peek(max(0, size - 4), 4).endswith((b"\r\n\r\n", b"\n\n")) else None


def is_plausible_end(reader: ByteReader, end: int, follows: int, head: RecordHead) -> bool:
    """Tell whether a record of the declared length is followed by what may follow one."""
    after = reader.peek(follows, 8)
    if not after or after.startswith(b"WARC/") or MAGIC.match(after) or is_header_at(reader, follows):
        return True
    if after.startswith(b"\0") and holds_only_zeros(reader, follows):
        return True
    return "warc-type" in head.headers and reader.peek(end, 4).startswith((b"\r\n\r\n", b"\n\n"))


def skip_newlines(reader: ByteReader, at: int) -> int:
    """Return the first place from `at` on that holds no line end."""
    while data := reader.peek(at, 64):
        rest = data.lstrip(b"\r\n")
        at += len(data) - len(rest)
        if rest or len(data) < 64:
            break
    return at


def remove_terminator(block: bytes, whole: bool) -> bytes:
    """Return a block that ran up to the next record without the line ends between them."""
    if not whole:
        return block
    return block.removesuffix(b"\r\n\r\n") if block.endswith(b"\r\n\r\n") else block.removesuffix(b"\n\n")


def find_unknown_end(reader: ByteReader, start: int, head: RecordHead) -> int:
    """Return where a block of unknown length ends: at the next header, else at the end of the data."""
    pattern = HEADER if "warc-type" in head.headers else ARC_HEADER
    found = next(find_matches(reader, pattern, start, None, LONGEST_HEADER), None)
    return reader.size if found is None else found


def parse_head_at(reader: ByteReader, at: int) -> RecordHead | None:
    """Return the header at `at`, None where there is none or not the whole of it."""
    data = reader.peek(at, 4096)
    if not VERSION.match(data):
        if data and b"WARC/".startswith(data[:5]) and len(data) < 16 and join_next_member(reader):
            return parse_head_at(reader, at)
        return parse_arc_head(reader.peek(at, LONGEST_HEADER))
    blank = BLANK_LINE.search(data)
    if blank is None:
        if HEADER.search(data, 5):
            return None  # another record's header begins inside; so that no search is longer where many do
        data = reader.peek(at, MAX_HEADER)
        blank = BLANK_LINE.search(data)
        if blank is None and len(data) < MAX_HEADER and join_next_member(reader):
            return parse_head_at(reader, at)
        # A whole member without a blank line is a record without a block.
        if blank is None and (len(data) == MAX_HEADER or not is_whole_member(reader)):
            return None
    return parse_head(data[: blank.end() if blank else len(data)])


def is_whole_member(reader: ByteReader) -> bool:
    """Tell whether a reader is a compressed member that was read to its end without damage."""
    return isinstance(reader, ArchiveMember) and reader.status == "end"


def parse_head(text: bytes) -> RecordHead | None:
    """Return a WARC record's header, given all of it; None where it is damaged."""
    if text.find(b"WARC/", 5) > 0 and HEADER.search(text, 5):
        return None  # another record's header begins inside: this one was cut
    if NO_TEXT.search(text) or not (headers := parse_header_fields(text)):
        return None
    url = headers.get("warc-target-uri", "")
    if url.startswith("<") and url.endswith(">"):
        url = url[1:-1].strip()
    return RecordHead(
        len(text),
        headers.setdefault("warc-type", "unknown").lower(),
        headers.get("warc-record-id", ""),
        url,
        headers.get("warc-date", ""),
        headers,
        parse_length(headers.get("content-length", "")),
    )


def parse_length(text: str) -> int | None:
    """Return a declared length in bytes; None where it is missing or malformed."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def parse_header_fields(data: bytes) -> dict[str, str]:
    """Return the fields below a header's first line: names in lower case, the last of each, folded lines joined."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    headers: dict[str, list[str]] = {}
    values: list[str] = []
    for line in text.split("\n")[1:]:
        folded = line[:1] in (" ", "\t")
        name, colon, value = ("", "", line) if folded else line.partition(":")
        if colon:
            values = headers[name.strip().lower()] = []
        if (colon or folded) and (value := value.strip()):
            values.append(value)
    return {name: " ".join(values) for name, values in headers.items()}


def parse_arc_head(line: bytes) -> RecordHead | None:
    """Return the header that an ARC record's one line is, None where `line` begins with no such line."""
    match = ARC_2.match(line) or ARC_1.match(line)
    if not match:
        return None
    url, address, date, mime, length = (field.decode("utf-8", "replace") for field in match.groups())
    return RecordHead(
        match.end(),
        "warcinfo" if url.startswith("filedesc:") else "response",
        "",
        url,
        format_arc_date(date),
        {"content-type": mime, "ip": address},
        parse_length(length),
    )


def format_arc_date(digits: str) -> str:
    """Return an ARC date (YYYYMMDDhhmmss, shorter and longer ones occur) as ISO 8601 in UTC."""
    d = digits[:14].ljust(14, "0")
    return f"{d[:4]}-{d[4:6]}-{d[6:8]}T{d[8:10]}:{d[10:12]}:{d[12:14]}Z"
