"""The bytes under a crawl file's records: gzip members, zstd and lz4 frames or plain text, read by position.

`FileWindow` reads a seekable file by absolute position. `ArchiveMember` reads the decompressed content of one gzip
member or frame by position in it. Both use bounded memory and have one method, `peek`. Neither raises on damaged data:
a member then ends early, and its `status` says so.
"""

import re
import zlib
from collections.abc import Iterator
from typing import IO, Protocol

import lz4.frame
import zstandard
from isal import isal_zlib

CHUNK = 1 << 20
GZIP, ZSTD, LZ4 = "gzip", "zstd", "lz4"
MAGICS = {GZIP: rb"\x1f\x8b\x08[\x00-\x1f]", ZSTD: rb"\x28\xb5\x2f\xfd", LZ4: rb"\x04\x22\x4d\x18"}  # RFC 1952, 8878
SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.S)  # RFC 8878, 3.1.2; lz4 frames share it
DICTIONARY = b"\x5d\x2a\x4d\x18"  # IIPC, WARC files with Zstandard: a dictionary in the first frame
MAX_ZSTD_WINDOW = 1 << 27  # bytes; what the zstd program itself takes without --memory
CORRUPT, TRUNCATED = "corrupt", "truncated"


class ByteReader(Protocol):
    """Bytes by position. `size` is how many there are; of a member, once it was read to its end."""

    @property
    def size(self) -> int: ...

    def peek(self, at: int, size: int) -> bytes:
        """Return the bytes at [at, at + size), fewer where the data ends."""
        ...


class FileWindow:
    """A seekable file read by absolute position, a chunk at a time: cheap forwards, possible backwards."""

    def __init__(self, source: IO[bytes]):
        """Measure `source`. Raises OSError where it cannot be read."""
        self.source = source
        self.size = source.seek(0, 2)
        self.base = 0
        self.data = b""

    def peek(self, at: int, size: int) -> bytes:
        """Return the bytes at [at, at + size), fewer at the end of the file."""
        i = at - self.base
        if i >= 0 and i + size <= len(self.data):
            return self.data[i : i + size]
        size = min(size, self.size - at)
        if size <= 0:
            return b""
        kept = self.data[i:] if 0 <= i < len(self.data) else b""
        self.source.seek(at + len(kept))
        parts, missing = [kept], max(size, CHUNK) - len(kept)
        while missing > 0 and (part := self.source.read(missing)):
            parts.append(part)
            missing -= len(part)
        self.base, self.data = at, b"".join(parts)
        return self.data[:size]


class InflateFrame:
    """One gzip member. `end` is where it ends in the file, None before that is known."""

    def __init__(self, window: FileWindow, at: int, exact: bool = False):
        """Start at `at`; `exact` inflates with zlib, which gives every byte before an error, where isal does not."""
        self.window, self.at = window, at
        self.end: int | None = None
        self.inflater = (zlib if exact else isal_zlib).decompressobj(31)
        self.waiting, self.step = b"", 8192

    def read(self, most: int) -> bytes:
        """Return up to `most` further bytes; b"" at the end of the member (`end` is set) or of the file.

        Raises zlib.error or isal_zlib.error where the data is damaged.
        """
        while self.end is None:
            if not self.waiting:
                self.waiting = self.window.peek(self.at, self.step)
                self.at += len(self.waiting)
                self.step = min(self.step * 2, CHUNK >> 3)
            ended = not self.waiting
            out: bytes = self.inflater.decompress(self.waiting, most)
            self.waiting = self.inflater.unconsumed_tail
            if self.inflater.eof:
                self.end = self.at - len(self.inflater.unused_data)
            if out or ended:
                return out
        return b""


class Lz4Frame:
    """One lz4 frame; like `InflateFrame`. Raises RuntimeError where the data is damaged."""

    def __init__(self, window: FileWindow, at: int, exact: bool = False):
        """Start at `at`."""
        self.window, self.at = window, at
        self.end: int | None = None
        self.decompressor = lz4.frame.LZ4FrameDecompressor()

    def read(self, most: int) -> bytes:
        """Return up to `most` further bytes; b"" at the end of the frame (`end` is set) or of the file."""
        while self.end is None:
            data = self.window.peek(self.at, CHUNK >> 4) if self.decompressor.needs_input else b""
            if not data and self.decompressor.needs_input:
                return b""
            self.at += len(data)
            out: bytes = self.decompressor.decompress(data, most)
            if self.decompressor.eof:
                self.end = self.at - len(self.decompressor.unused_data or b"")
            if out:
                return out
        return b""


class ZstdFrame:
    """One zstd frame, decompressed a block (at most 128 KiB, RFC 8878 3.1.1.2) at a time; like `InflateFrame`."""

    def __init__(self, window: FileWindow, at: int, dictionary: bytes = b""):
        """Start at `at`."""
        self.window, self.at = window, at
        self.end: int | None = None
        data = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self.decompressor = zstandard.ZstdDecompressor(dict_data=data, max_window_size=MAX_ZSTD_WINDOW).decompressobj()
        self.checksum: int | None = None  # bytes after the last block; None before the frame's header is read
        self.waiting = b""

    def read(self, most: int) -> bytes:
        """Return up to `most` further bytes; b"" at the end of the frame (`end` is set) or of the file.

        Raises zstandard.ZstdError where the data is damaged.
        """
        while not self.waiting and self.end is None:
            if self.checksum is None:
                header = self.window.peek(self.at, 18)
                if len(header) < 18 and len(header) < max(5, zstandard.frame_header_size(header.ljust(18, b"\0"))):
                    return b""
                size = zstandard.frame_header_size(header)
                self.checksum = 4 if zstandard.get_frame_parameters(header).has_checksum else 0
            else:
                start = self.window.peek(self.at, 3)
                if len(start) < 3:
                    return b""
                block = int.from_bytes(start, "little")
                size = 3 + (1 if block >> 1 & 3 == 1 else block >> 3)  # type 1 repeats one byte
                if block & 1:
                    size += self.checksum
            data = self.window.peek(self.at, size)
            self.at += len(data)
            self.waiting = self.decompressor.decompress(data)
            if self.decompressor.eof:
                self.end = self.at
            elif len(data) < size:
                break
        out, self.waiting = self.waiting[:most], self.waiting[most:]
        return out


Frame = InflateFrame | Lz4Frame | ZstdFrame
# isal's stub calls its error class an instance; lz4 raises RuntimeError.
DAMAGE: tuple[type[Exception], ...] = (zlib.error, isal_zlib.error, zstandard.ZstdError, RuntimeError)  # type: ignore


class ArchiveMember:
    """The decompressed content of the gzip member or the zstd or lz4 frame at `at`, by position in it.

    `status` is "" while reading, then "end", "corrupt" or "truncated" (the file ends inside). `end` is where the member
    ends in the file, None where that is unknown; `tell()` is how far into the file reading has come. Some writers
    spread a record over several members: `join` appends the next one.
    """

    def __init__(self, window: FileWindow, at: int, kind: str, dictionary: bytes = b""):
        """Open the member of `kind` at `at`."""
        self.window, self.start, self.kind, self.dictionary = window, at, kind, dictionary
        self.joined: set[int] = set()  # where, in the file, one member was joined to the one before
        self._open()

    def _open(self) -> None:
        """Begin anew."""
        self.base, self.data, self.status = 0, b"", ""
        self._open_frame(self.start, 0)

    def _open_frame(self, at: int, have: int, exact: bool = False) -> None:
        """Go on with the member at `at` of the file, where `have` bytes are decompressed before it."""
        self.frame_start, self.frame_base = at, have
        self.frame: Frame = (
            ZstdFrame(self.window, at, self.dictionary)
            if self.kind == ZSTD
            else (InflateFrame if self.kind == GZIP else Lz4Frame)(self.window, at, exact)
        )

    def join(self) -> None:
        """Append the content of the member that follows this one, which was read to its end."""
        assert self.status == "end" and self.end is not None
        self.joined.add(self.end)
        self.status = ""
        self._open_frame(self.end, self.size)

    @property
    def end(self) -> int | None:
        """Where the member ends in the file."""
        return self.frame.end

    @property
    def size(self) -> int:
        """How many bytes it holds, known when `status` is."""
        return self.base + len(self.data)

    def tell(self) -> int:
        """Return how far into the file reading has come."""
        return min(self.frame.at, self.window.size)

    def peek(self, at: int, size: int) -> bytes:
        """Return the bytes at [at, at + size), fewer where the content ends, whether well or not."""
        i = at - self.base
        if i < 0:
            self._open()
            return self.peek(at, size)
        if i + size > len(self.data) and not self.status:
            self._fill(at, max(size, CHUNK))
            i = at - self.base
        return self.data[i : i + size]

    def _fill(self, at: int, size: int) -> None:
        """Read on until [at, at + size) is there; what lies before `at` is let go."""
        have = self.base + len(self.data)
        parts = [self.data[at - self.base :]] if at < have else []
        self.base = min(at, have)
        for part in self._parts(have):
            before, have = have, have + len(part)
            if have <= at:
                self.base = have
            else:
                self.base = max(self.base, min(at, have))
                parts.append(part[max(at - before, 0) :])
            if have >= at + size:
                break
        self.data = b"".join(parts)

    def _parts(self, have: int) -> Iterator[bytes]:
        """Yield decompressed pieces until the member's end, good or bad; sets `status` there."""
        most = CHUNK
        while True:
            try:
                part = self.frame.read(most)
            except DAMAGE:
                if self.kind == GZIP and most == CHUNK:  # isal drops what it had before the error: get that by zlib
                    most = 64
                    self._open_frame(self.frame_start, self.frame_base, exact=True)
                    if skip_bytes(self.frame, have - self.frame_base):
                        continue
                self.status = CORRUPT
                return
            if part:
                have += len(part)
                yield part
            elif self.end in self.joined and self.end is not None:
                self._open_frame(self.end, have)
            else:
                self.status = "end" if self.end is not None else TRUNCATED
                return


def skip_bytes(frame: Frame, size: int) -> bool:
    """Pass over `size` decompressed bytes; False where the data is damaged before that."""
    try:
        while size > 0:
            part = frame.read(min(size, CHUNK))
            if not part:
                return False
            size -= len(part)
    except DAMAGE:
        return False
    return True


MAGIC = re.compile(b"|".join(b"(?P<%s>%s)" % (kind.encode(), magic) for kind, magic in MAGICS.items()), re.S)


def member_kind(start: bytes) -> str:
    """Return which compressed container `start` begins, "" for none of them."""
    match = MAGIC.match(start)
    return match.lastgroup or "" if match else ""


def skippable_size(start: bytes) -> int:
    """Return the whole size in bytes of the skippable frame that `start` (8 bytes or more) begins; 0 if none does."""
    return 8 + int.from_bytes(start[4:8], "little") if len(start) >= 8 and SKIPPABLE.match(start) else 0


def read_dictionary(window: FileWindow) -> bytes:
    """Return the dictionary of a zstd crawl file (raw, or itself a zstd frame); b"" where it has none."""
    start = window.peek(0, 8)
    size = skippable_size(start)
    if not start.startswith(DICTIONARY) or size > MAX_ZSTD_WINDOW:
        return b""
    if member_kind(window.peek(8, 4)) != ZSTD:
        return window.peek(8, size - 8)
    packed = ArchiveMember(window, 8, ZSTD)
    return packed.peek(0, MAX_ZSTD_WINDOW)


def holds_only_zeros(reader: ByteReader, at: int) -> bool:
    """Tell whether there is nothing but zero bytes from `at` on (padding to a block's or a disk's size)."""
    while part := reader.peek(at, CHUNK):
        if part.count(0) != len(part):
            return False
        at += len(part)
    return True


def find_matches(
    reader: ByteReader, pattern: re.Pattern[bytes], at: int, until: int | None, overlap: int
) -> Iterator[int]:
    """Yield the positions in [at, until) where `pattern` matches; no match is longer than `overlap` bytes."""
    while (until is None or at < until) and (data := reader.peek(at, CHUNK + overlap)):
        last = len(data) < CHUNK + overlap
        for match in pattern.finditer(data):
            if until is not None and at + match.start() >= until:
                return
            if last or match.start() < CHUNK:
                yield at + match.start()
        if last:
            return
        at += CHUNK
