"""Crawl files: WARC and ARC records out of gzip, zstd, lz4 or plain files, with every byte accounted for.

The libraries for this stop at the first damaged record. This reader goes on behind it: it looks for the next gzip
member (or frame) that really decompresses to a WARC or ARC header, or in plain text for the next such header, and
yields what it skipped as `UnreadableBytes`. Of every file,

    sum of record lengths + sum of unreadable lengths + zero padding, dictionary and empty members = size of the file.

Where a member holds several records, `offset` is the member's own plus the record's in its decompressed content, and
`length` its share of the member's bytes in the file. Only of a file that was compressed twice are they those of the
file within.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import IO, NamedTuple

from pipeline.text.invisible import escape_controls, remove_controls
from pipeline.warc.containers import (
    CHUNK,
    CORRUPT,
    MAGIC,
    MAGICS,
    SKIPPABLE,
    TRUNCATED,
    ZSTD,
    ArchiveMember,
    FileWindow,
    find_matches,
    holds_only_zeros,
    member_kind,
    read_dictionary,
    skippable_size,
)
from pipeline.warc.records import (
    HEADER,
    LONGEST_HEADER,
    ParsedRecord,
    find_next_header,
    is_header_at,
    parse_head_at,
    parse_record_at,
    skip_newlines,
)

PLAIN, COMPRESSED = "plain", "compressed"
STARTS = {kind: re.compile(magic, re.S) for kind, magic in MAGICS.items()} | {
    PLAIN: HEADER,
    COMPRESSED: MAGIC,
}
OVERRUN = 1 << 16  # bytes that damage may carry the decompressor past a member's end
NESTED_GROWTH = 4  # a gzip file of a .warc.gz is about as large as that; one that grows more is a bomb
SPOOL_BYTES = 64 << 20  # of a doubly compressed file, kept in memory; what is beyond lies on disk


class NotACrawlFile(ValueError):
    """Nothing in a file is a WARC or ARC record."""


class EmptyCrawlFile(NotACrawlFile):
    """A file of no bytes."""


@dataclass(frozen=True, slots=True)
class CrawlRecord:
    """One record. Offsets and lengths are in bytes, as the head of this module says; `block` is as stored.

    `id` is as written; where it is missing, `<urn:gristmill:...>` made of URL, date and block. `truncated` is
    WARC-Truncated's value, or "size" where the block was cut at the reader's limit, or "disconnect" where the file or
    the record's own gzip member ends before the declared length.
    """

    type: str
    offset: int
    length: int
    id: str
    url: str
    date: str
    headers: Mapping[str, str]
    block: bytes
    truncated: str | None


@dataclass(frozen=True, slots=True)
class UnreadableBytes:
    """Bytes that are no record: `reason` is corrupt-gzip, corrupt-zstd, corrupt-lz4, truncated, garbage, timeout or
    bad-record-header."""

    offset: int
    length: int
    reason: str


class WalkItem(NamedTuple):
    """What the walk over a file yields; `start` is a place where a reader can begin anew."""

    start: int
    value: CrawlRecord | UnreadableBytes


class ReadLimits(NamedTuple):
    """How a file is read: a longer block is cut; nothing is read at the offsets of `passed_over`.

    `note_place` is told each offset at which reading begins anew.
    """

    max_record_bytes: int = 32 << 20
    passed_over: Container[int] = ()
    note_place: Callable[[int], None] = lambda offset: None


DEFAULT_LIMITS = ReadLimits()


def read_crawl_records(
    source: IO[bytes], start: int = 0, end: int | None = None, *, limits: ReadLimits = DEFAULT_LIMITS
) -> Iterator[CrawlRecord | UnreadableBytes]:
    """Yield the records, and the unreadable ranges, whose member or record starts in [start, end).

    `source` is seekable; reading goes beyond `end` to finish the last record. `start` is 0, a record's offset or one of
    `find_split_points`. Memory stays within a few times `limits.max_record_bytes`, whatever the file holds. Raises
    EmptyCrawlFile and NotACrawlFile (where the whole file holds no record, before anything is yielded) and OSError.
    """
    layout = FileLayout.of(FileWindow(source))
    window = layout.window
    if not window.size:
        raise EmptyCrawlFile(f"{source_name(source)}: the file is empty: fetch it again")
    stop = window.size if end is None else min(end, window.size)
    found = start > 0
    held: list[UnreadableBytes] = []  # what comes before the first record, until it is known that there is one
    for item in walk_records(layout, start, stop, limits):
        if isinstance(item.value, CrawlRecord) and not found:
            found = True
            yield from held
        if isinstance(item.value, UnreadableBytes) and not found:
            held.append(item.value)
        else:
            yield item.value
    if not found:
        if stop < window.size:
            yield from held
        else:
            begins = window.peek(0, 24)
            raise NotACrawlFile(
                f"{source_name(source)}: no WARC or ARC record in it (it begins with {begins!r}): "
                "is it an error page, or another kind of file, saved under this name?"
            )


def find_split_points(source: IO[bytes], target_bytes: int) -> list[int]:
    """Return the offsets, 0 first, that cut a file into ranges of at least `target_bytes` for `read_crawl_records`.

    They are found by reading the file through, so they are exact: the ranges together yield what the whole file does.
    A file that cannot be cut (one member or frame, or no crawl file) gives [0].
    """
    layout = FileLayout.of(FileWindow(source))
    points, first = [0], True
    for item in walk_records(layout, 0, layout.window.size, ReadLimits(0)):
        if not isinstance(item.value, CrawlRecord) or item.value.offset != item.start:
            continue
        if not first and item.start >= points[-1] + target_bytes:
            points.append(item.start)
        first = False
    return points


def find_page_record_type(source: IO[bytes]) -> str:
    """Return which records are the pages: "conversion" in a WET file, "response" in any other.

    Raises what `read_crawl_records` raises.
    """
    for item in read_crawl_records(source, limits=ReadLimits(0)):
        if isinstance(item, CrawlRecord) and item.type != "warcinfo":
            return "conversion" if item.type == "conversion" else "response"
    return "response"


def source_name(source: IO[bytes]) -> str:
    """Return how to name `source` to a user."""
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "crawl file"


def place_record(parsed: ParsedRecord, offset: int, length: int) -> CrawlRecord:
    """Return the record with its place in the file; a missing id is made here."""
    end, kind, identity, url, date, headers, block, truncated = parsed
    if not identity:
        digest = hashlib.blake2b(digest_size=16)
        for part in (url.encode("utf-8", "replace"), date.encode("utf-8", "replace"), block):
            digest.update(b"%d:" % len(part) + part)
        identity = f"<urn:gristmill:{digest.hexdigest()}>"
    # What a terminal would obey is in no document and no report.
    kind, identity, date = remove_controls(kind), remove_controls(identity), remove_controls(date)
    truncated = truncated and remove_controls(truncated)
    return CrawlRecord(kind, offset, length, identity, escape_controls(url), date, headers, block, truncated)


@dataclass(frozen=True)
class FileLayout:
    """What a file is: `kind` is what a search behind damage looks for in it."""

    window: FileWindow
    kind: str
    dictionary: bytes
    nested: bool = False

    @classmethod
    def of(cls, window: FileWindow, nested: bool = False) -> "FileLayout":
        """Look at the file's first bytes, and if they are damaged at what comes first behind them."""
        head = window.peek(0, 8)
        if SKIPPABLE.match(head):
            dictionary = read_dictionary(window)
            return cls(window, ZSTD if dictionary else COMPRESSED, dictionary, nested)
        if parse_head_at(window, 0):
            return cls(window, PLAIN, b"", nested)
        if kind := member_kind(head):
            member = ArchiveMember(window, 0, kind)
            if is_header_at(member, 0) or member_kind(member.peek(0, 4)):
                return cls(window, kind, b"", nested)
        first = cls(window, COMPRESSED, b"", nested).next_start(0)
        # Poorly compressed members show their records' headers, so a header alone does not tell that a file is plain.
        plain = find_next_header(window, 0, first)
        record = None if plain is None else parse_record_at(window, plain, 0)
        if record and not record.truncated and (record.end == window.size or is_header_at(window, record.end)):
            return cls(window, PLAIN, b"", nested)
        return cls(window, member_kind(window.peek(first, 4)) or PLAIN, b"", nested)

    def believes(self, parsed: ParsedRecord) -> bool:
        """Tell whether a record in plain text may be one: between compressed members only where it is whole."""
        return self.kind == PLAIN or (not parsed.truncated and "content-length" in parsed.headers)

    def member(self, at: int, kind: str) -> ArchiveMember:
        """Open the member of `kind` at `at`."""
        return ArchiveMember(self.window, at, kind, self.dictionary)

    def next_start(self, at: int) -> int:
        """Return the first place from `at` on where a record, or a member that holds one, begins; else the end."""
        for found in find_matches(self.window, STARTS[self.kind], at, None, LONGEST_HEADER):
            kind = member_kind(self.window.peek(found, 4))
            if not kind or is_header_at(self.member(found, kind), 0):
                return found
        return self.window.size


def walk_records(layout: FileLayout, start: int, stop: int, limits: ReadLimits) -> Iterator[WalkItem]:
    """Yield what begins in [start, stop): record by record in plain text, member by member where it is compressed.

    What a place holds is decided by its bytes alone, so that a walk may begin at any record.
    """
    window, at, limit = layout.window, start, limits.max_record_bytes
    while at < stop:
        limits.note_place(at)
        if at in limits.passed_over:
            beyond = layout.next_start(at + 1)
            yield WalkItem(at, UnreadableBytes(at, beyond - at, "timeout"))
            at = beyond
            continue
        here = window.peek(at, 8)
        size, kind = skippable_size(here), member_kind(here)
        if size and at + size <= window.size:
            at += size
        elif kind:
            at = yield from walk_member(layout, layout.member(at, kind), limit)
        elif (parsed := parse_record_at(window, at, limit)) and layout.believes(parsed):
            yield WalkItem(at, place_record(parsed, at, parsed.end - at))
            at = parsed.end
        elif here.startswith(b"\0") and holds_only_zeros(window, at):
            return
        else:
            beyond = layout.next_start(at + 1)
            reason = "garbage"
            if is_header_at(window, at):
                reason = TRUNCATED if beyond == window.size else "bad-record-header"
            yield WalkItem(at, UnreadableBytes(at, beyond - at, reason))
            at = beyond


def walk_member(layout: FileLayout, member: ArchiveMember, limit: int) -> Generator[WalkItem, None, int]:
    """Yield what one gzip member or frame holds. Returns where reading goes on."""
    at = member.start
    if not layout.nested and member_kind(member.peek(0, 8)):
        return (yield from walk_nested_file(layout, member, limit))
    parts = read_member_parts(member, limit)
    ahead = list(islice(parts, 2))
    # One record in a member goes by the member's place. Of several, as of one with damage behind it, some are sound.
    several = len(ahead) > 1 or (bool(ahead) and member.status == CORRUPT)
    reached = at
    if several:
        for start, length, parsed in share_file_bytes(member, chain(ahead, parts)):
            yield WalkItem(at, record_or_garbage(parsed, at + start, length))
            reached += length
    if member.status == "end" and member.end is not None:
        if ahead and not several:
            yield WalkItem(at, record_or_garbage(ahead[0][2], at, member.end - at))
        return member.end
    return (yield from walk_damage(layout, member, ahead[0][2] if ahead else None, reached if several else None))


def share_file_bytes(
    member: ArchiveMember, parts: Iterable[tuple[int, int, ParsedRecord | None]]
) -> Iterator[tuple[int, int, ParsedRecord | None]]:
    """Yield start, length and record of a member's parts; the lengths share the member's bytes in the file.

    A part's share is that of its content, as far as the member is decompressed when it is found.
    """
    left, at, reached = iter(parts), member.start, member.start
    part = next(left, None)
    while part is not None:
        start, done, parsed = part
        read, content = member.tell() - at, max(member.size, 1)
        part = next(left, None)
        if part is None and member.status == "end" and member.end is not None:
            end = member.end
        else:
            most = read if member.status != CORRUPT else read - OVERRUN
            end = max(reached, at + min(read * done // content, most))
        yield start, end - reached, parsed
        reached = end


def walk_damage(
    layout: FileLayout, member: ArchiveMember, first: ParsedRecord | None, reached: int | None
) -> Generator[WalkItem, None, int]:
    """Yield what a damaged or cut member leaves: its `first` record where only the file's end cuts it, else damage.

    The file up to `reached` held records that were yielded; None where none were. Returns where reading goes on.
    """
    at = member.start
    # Damage can carry the decompressor past the member's end, so the search begins well before where it stopped.
    beyond = layout.next_start(at + 1 if reached is None else max(at + 1, member.tell() - OVERRUN))
    cut = member.status == TRUNCATED and beyond == layout.window.size
    reason = TRUNCATED if cut else f"{CORRUPT}-{member.kind}"
    if reached is not None:
        if reached < beyond:
            yield WalkItem(at, UnreadableBytes(reached, beyond - reached, reason))
    elif cut and first:
        yield WalkItem(at, place_record(first, at, beyond - at))
    else:
        yield WalkItem(at, UnreadableBytes(at, beyond - at, reason))
    return beyond


def record_or_garbage(parsed: ParsedRecord | None, offset: int, length: int) -> CrawlRecord | UnreadableBytes:
    """Return what is at a place: the record, or that it is garbage."""
    return place_record(parsed, offset, length) if parsed else UnreadableBytes(offset, length, "garbage")


def read_member_parts(member: ArchiveMember, limit: int) -> Iterator[tuple[int, int, ParsedRecord | None]]:
    """Yield start, end and record of what a member's content holds; the record is None for garbage.

    Nothing is yielded of what touches damage; a record that the file's end cuts is.
    """
    at = skip_newlines(member, 0)
    while member.peek(at, 1):
        parsed = parse_record_at(member, at, limit)
        if parsed:
            end = parsed.end
        elif holds_only_zeros(member, at):
            return
        else:
            found = find_next_header(member, at + 1)
            if found is None and member.status != "end":
                return
            end = member.size if found is None else found
        if member.status == CORRUPT and not is_header_at(member, end):
            return  # the checksum speaks of all of it; only what another record follows was surely whole
        yield at, end, parsed
        at = end


def walk_nested_file(layout: FileLayout, member: ArchiveMember, limit: int) -> Generator[WalkItem, None, int]:
    """Yield the records of a crawl file that was compressed once more as a whole. Returns where reading goes on."""
    at, copied, found = member.start, 0, False
    most = NESTED_GROWTH * (layout.window.size - at) + CHUNK
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
        while (data := member.peek(copied, CHUNK)) and copied < most:
            file.write(data)
            copied += len(data)
        if copied < most and member.status != CORRUPT:
            inner = FileLayout.of(FileWindow(file), nested=True)
            for item in walk_records(inner, 0, inner.window.size, ReadLimits(limit)):
                found = found or isinstance(item.value, CrawlRecord)
                yield WalkItem(at, replace(item.value, offset=at + item.value.offset))
    while member.peek(copied, CHUNK):
        copied += CHUNK
    if found and member.status == TRUNCATED:
        return layout.window.size
    if member.status == "end" and member.end is not None:
        if not found:
            yield WalkItem(at, UnreadableBytes(at, member.end - at, "garbage"))
        return member.end
    beyond = layout.next_start(at + 1)
    yield WalkItem(at, UnreadableBytes(at, beyond - at, f"{CORRUPT}-{member.kind}"))
    return beyond
