"""Damages crawl files in many ways and reads them: nothing crashes or hangs, and no sound record is lost.

`python -m bench mutants --count 2000`: each mutant is a crawl file of which one member or record is damaged: bits
flipped, bytes cut, inserted, doubled or zeroed, its length changed, its beginning destroyed. The sources are the demo's
crawl (gzip, plain and zstd), an ARC file and a WET file, and real files of the shared data where they are.
"""

import gzip
import hashlib
import io
import itertools
import random
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import zstandard

from pipeline.extract.read_crawl import read_page_records
from pipeline.extract.splits import Split
from pipeline.io.ledger import FileLedger
from pipeline.io.settings import InputConfig
from pipeline.warc.reader import CrawlRecord, NotACrawlFile, UnreadableBytes, read_crawl_records

ROOT = Path(__file__).parents[1]
PIECES = 40  # of a source: members, or records of a plain file
NO_LENGTHS = ("bad.arc",)  # its records declare no length: whatever is damaged beside one changes it
OURS = 5  # sources made of the demo's crawl
LARGEST = 3_000_000  # bytes of a real file
HANG_SECONDS = 3.0  # of CPU time; the files are small


class CrawlSource(NamedTuple):
    """A crawl file in pieces that can be damaged one by one, and how a piece is packed."""

    name: str
    pieces: Sequence[bytes]
    pack: Callable[[bytes], bytes] | None  # None: plain
    unpack: Callable[[bytes], bytes] | None


class Verdict(NamedTuple):
    """What became of a mutant: "" where all is well, else what is wrong, with what would show it again."""

    fault: str
    seconds: float


def read_items(data: bytes) -> list[CrawlRecord | UnreadableBytes]:
    """Return what the reader finds in a file; nothing where it holds no record."""
    try:
        return list(read_crawl_records(io.BytesIO(data)))
    except NotACrawlFile:
        return []


def cut_pieces(data: bytes) -> list[bytes]:
    """Return a file's first members or records; one piece where it cannot be cut."""
    items = read_items(data)
    ends = [0, *itertools.accumulate(item.length for item in items)]
    if [item.offset for item in items] != ends[:-1] or ends[-1] != len(data) or not all(i.length for i in items):
        return [data]
    return [data[start:end] for start, end in itertools.pairwise(ends[: PIECES + 1])]


def list_sources(crawl: str) -> list[CrawlSource]:
    """Return the sources: made of the demo's crawl, and real files where they are."""
    with open(ROOT / "demo" / "sample.warc.gz", "rb") as source:
        data = source.read(4_000_000)
    members = cut_pieces(data)
    plain = [gzip.decompress(member) for member in members]
    texts = [record for record in plain if b"WARC-Type: response" in record[:400]]
    wet = [re.sub(rb"WARC-Type: response", b"WARC-Type: conversion", record, count=1) for record in texts]
    arc = [make_arc_record(n, record.partition(b"\r\n\r\n")[2]) for n, record in enumerate(texts)]
    zstd = zstandard.ZstdCompressor(level=3, write_checksum=True)
    unzstd = zstandard.ZstdDecompressor()
    about = b"1 0 Test\nURL IP-address Archive-date Content-type Archive-length\n"
    head = b"filedesc://a.arc 1.1.1.1 20260501120000 text/plain %d\n" % len(about) + about + b"\n"
    found = [
        CrawlSource("sample", members, gzip.compress, gzip.decompress),
        CrawlSource("plain", plain, None, None),
        CrawlSource("zstd", [zstd.compress(piece) for piece in plain], zstd.compress, unzstd.decompress),
        CrawlSource("wet", [gzip.compress(piece) for piece in wet], gzip.compress, gzip.decompress),
        CrawlSource("arc", [gzip.compress(piece) for piece in [head, *arc]],
                    gzip.compress, gzip.decompress),
    ]  # fmt: skip
    real = Path(crawl).parent.parent / "real"
    for path in sorted(real.rglob("*")) if real.exists() else []:
        crawl_file = re.search(r"\.w?arc(\.wet|\.wat)?(\.gz)?$", path.name) and path.name not in NO_LENGTHS
        if crawl_file and path.is_file() and path.stat().st_size <= LARGEST:
            pieces = cut_pieces(path.read_bytes())
            if len(pieces) > 2:
                packed = path.suffix == ".gz"
                functions = (gzip.compress, gzip.decompress) if packed else (None, None)
                found.append(CrawlSource(f"real/{path.name}", pieces, *functions))
    return found


def make_arc_record(number: int, block: bytes) -> bytes:
    """Return an ARC record with the block of a response."""
    head = f"http://site.test/{number} 1.1.1.1 20260501120000 text/html {len(block.rstrip())}\n"
    return head.encode() + block.rstrip() + b"\n"


def flip_bits(piece: bytes, draw: random.Random, number: int = 1) -> bytes:
    """Return a piece with bits flipped."""
    out = bytearray(piece)
    for _ in range(number):
        out[draw.randrange(len(out))] ^= 1 << draw.randrange(8)
    return bytes(out)


def damage_content(source: CrawlSource, piece: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return a piece whose decompressed content is changed."""
    if source.pack is None or source.unpack is None:
        return change(piece)
    try:
        return source.pack(change(source.unpack(piece)))
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):  # a real file's own fault
        return piece


def damage_piece(source: CrawlSource, piece: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Return a damaged piece, and what was done to it."""
    at = draw.randrange(len(piece))
    some = draw.randrange(1, 60)
    length = re.compile(rb"(?i)(content-length: )(\d+)")

    def change_length(content: bytes) -> bytes:
        by = draw.choice([-40, -3, -1, 1, 3, 40, 100_000])
        return length.sub(lambda m: m[1] + b"%d" % max(0, int(m[2]) + by), content, count=1)

    kinds: dict[str, Callable[[], bytes]] = {
        "flip": lambda: flip_bits(piece, draw),
        "two flips": lambda: flip_bits(piece, draw, 2),
        "cut": lambda: piece[:at],
        "remove": lambda: piece[:at] + piece[at + some :],
        "insert": lambda: piece[:at] + draw.randbytes(some) + piece[at:],
        "double": lambda: piece + piece,
        "drop": lambda: b"",
        "zeros": lambda: piece[:at] + bytes(len(piece[at : at + 512])) + piece[at + 512 :],
        "no magic": lambda: b"\0\0\0\0" + piece[4:],
        "length": lambda: damage_content(source, piece, change_length),
        "line ends": lambda: damage_content(source, piece, lambda content: content.replace(b"\r\n", b"\n", 9)),
        "flip inside": lambda: damage_content(source, piece, lambda content: flip_bits(content, draw)),
    }
    kind = draw.choice(sorted(kinds))
    return kind, kinds[kind]()


def identify(items: Sequence[CrawlRecord | UnreadableBytes]) -> Counter[tuple[str, str, bytes]]:
    """Return the whole records by type, id and block."""
    return Counter(
        (item.type, item.id, hashlib.blake2b(item.block, digest_size=12).digest())
        for item in items
        if isinstance(item, CrawlRecord) and not item.truncated
    )


def judge(source: CrawlSource, sound: Sequence[Counter[tuple[str, str, bytes]]], seed: int) -> Verdict:
    """Make one mutant, read it, and compare it with what its sound pieces hold."""
    draw = random.Random(seed)
    where = draw.randrange(len(source.pieces))
    kind, damaged = damage_piece(source, source.pieces[where], draw)
    pieces = [*source.pieces[:where], damaged, *source.pieces[where + 1 :]]
    data = b"".join(pieces)
    begun, place = time.process_time(), f"{source.name} {kind} in piece {where} (seed {seed})"
    try:
        counts = FileLedger()
        split = Split(source.name, source.name, 0, None, len(data), len(data))
        pages = sum(1 for _ in read_page_records(io.BytesIO(data), split, InputConfig(), counts))
        items = [] if counts.bad_file else read_items(data)
    except Exception as error:  # whatever it is, it is a fault
        return Verdict(f"{place}: crash: {type(error).__name__}: {error}", time.process_time() - begun)
    seconds = time.process_time() - begun
    # In plain text a header must begin a line: where the line end before it was cut off, it is damaged too.
    hurt = {where} if source.pack or not damaged or damaged.endswith(b"\n") else {where, where + 1}
    wanted = sum((found for n, found in enumerate(sound) if n not in hurt), Counter[tuple[str, str, bytes]]())
    lost = wanted - identify(items)
    if seconds > 2 * HANG_SECONDS:
        return Verdict(f"{place}: hang: {seconds:.1f} s", seconds)
    if lost:
        return Verdict(f"{place}: lost: {lost.total()} records", seconds)
    summed = sum(item.length for item in items) if items else counts.unreadable_bytes
    zeros = data.count(b"\0") if kind in ("zeros", "no magic") else 0
    if not len(data) - zeros - 64 * (kind == "cut") <= summed <= len(data) or pages != counts.responses:
        return Verdict(f"{place}: sums: {summed} of {len(data)} bytes", seconds)
    return Verdict("", seconds)


def run(crawl: str, count: int = 2000) -> None:
    """Read `count` mutants and print what was found."""
    sources = [(source, [identify(read_items(piece)) for piece in source.pieces]) for source in list_sources(crawl)]
    tried, faults, slowest = Counter[str](), Counter[str](), 0.0
    ours, real = itertools.cycle(sources[:OURS]), itertools.cycle(sources[OURS:] or sources)
    for seed in range(count):
        source, sound = next(ours if seed % 2 else real)
        verdict = judge(source, sound, seed)
        slowest = max(slowest, verdict.seconds)
        tried[source.name.partition("/")[0]] += 1
        if verdict.fault:
            faults[verdict.fault.split(": ")[1]] += 1
            print(verdict.fault, flush=True)
    print("| tried | " + ", ".join(f"{name} {n}" for name, n in tried.items()) + " |\n|---|---|")
    for kind in ("crash", "hang", "lost", "sums"):
        print(f"| {kind} | {faults[kind]} |")
    print(f"\nthe slowest was read twice in {slowest:.2f} s of CPU time")
