"""A museum of crawl files that were once read wrongly, here or elsewhere: each with the rows that it must give.

A case is the bytes of a file, and for each page of it the end of its address and how it ends: "kept", or the reason.
Every page that is kept has the same sentence in its text, umlauts and all.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.config import build_config
from pipeline.extract.job import extract_pages, load_stages
from tests.pipeline.crawls import article, html

SENTENCE = "Die Mühle an der Straße von Köln mahlt größere Körner."
PAGE = html([SENTENCE, *article(7)], "Mühle")
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
Rows = list[tuple[str, str]]
Extract = Callable[[Path], list[tuple[str, str, str]]]


def http(body: bytes | None = None, head: str = HEAD) -> bytes:
    """Return a response; `head` lacks the blank line."""
    return head.encode() + b"\r\n" + (PAGE.encode() if body is None else body)


def warc(name: str, block: bytes | None = None, off: int = 0, end: bytes = b"\r\n\r\n", lines: str = "") -> bytes:
    """Return a WARC record; `off` is added to its Content-Length, `lines` are further header lines."""
    block = http() if block is None else block
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{name}>\r\nWARC-Date: 2026-05-01T12:00:00Z\r\n"
        f"WARC-Target-URI: http://a.test/{name}\r\nContent-Type: application/http; msgtype=response\r\n{lines}"
        f"Content-Length: {len(block) + off}\r\n\r\n"
    )
    return head.encode() + block + end


def arc(name: str, block: bytes | None = None) -> bytes:
    """Return an ARC record."""
    block = http() if block is None else block
    return f"http://a.test/{name} 192.0.2.1 20260501120000 text/html {len(block)}\n".encode() + block + b"\n"


def members(*records: bytes) -> bytes:
    """Return a gzip file with one record a member."""
    return b"".join(gzip.compress(record, mtime=0) for record in records)


def coded(coding: str, body: bytes) -> bytes:
    """Return a record of a response with a Content-Encoding between two good ones, each in its member."""
    return members(warc("1"), warc("2", http(body, f"{HEAD}Content-Encoding: {coding}\r\n")), warc("3"))


def labelled(label: str, encoding: str, meta: str = "") -> bytes:
    """Return a page that declares its encoding by a Content-Type, or by `meta` where that is given."""
    page = PAGE.replace("<meta charset='utf-8'>", meta).encode(encoding)
    declared = f"text/html; {label}" if label else "text/html"
    return members(warc("1", http(page, f"HTTP/1.1 200 OK\r\nContent-Type: {declared}\r\n")))


def deflate(data: bytes) -> bytes:
    """Return raw deflate."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


ONE: Rows = [("1", "kept")]
BOTH: Rows = [("1", "kept"), ("2", "kept")]
ALL: Rows = [*BOTH, ("3", "kept")]
ARC_HEAD = b"filedesc://a.arc 0.0.0.0 20260501120000 text/plain 69\n1 0 Test\nURL IP-address Archive-date Content-type Archive-length\n\n"  # fmt: skip # noqa: E501
BODY, SMALL = PAGE.encode(), gzip.compress(PAGE.encode())
GOOD = warc("1")
CASES: dict[str, tuple[bytes, Rows]] = {
    # The file ends too early (webrecorder/warcio#127: passed over without a word)
    "cut in a member's payload": (members(GOOD) + gzip.compress(warc("2"))[:-600], [*ONE, ("2", "record/incomplete")]),
    "cut in a plain payload": (GOOD + warc("2")[:-900], [*ONE, ("2", "record/incomplete")]),
    "cut in a header": (GOOD + warc("2")[:60], ONE),
    # Content-Length is off (warcio#121, warcio.js#18, webarchiveplayer#14)
    **{f"length {off:+d}, gzip": (members(GOOD, warc("2", off=off), warc("3")), ALL) for off in (1, -1, 3, 40, 4000)},
    **{f"length {off:+d}, plain": (GOOD + warc("2", off=off) + warc("3"), ALL) for off in (1, 3)},
    # Between records there is one line end, or none (warcio#131)
    "one line end": (warc("1", end=b"\r\n") + warc("2", end=b"\r\n"), BOTH),
    "no line end": (members(warc("1", end=b""), warc("2", end=b"")), BOTH),
    # ARC, plain and compressed as a whole (warcio#140)
    "plain ARC": (ARC_HEAD + arc("1") + arc("2"), BOTH),
    "ARC in one member": (gzip.compress(ARC_HEAD + arc("1") + arc("2")), BOTH),
    "ARC address with a space": (ARC_HEAD + arc("a b?1") + arc("2"), [("a b?1", "kept"), ("2", "kept")]),
    # A record over several members, several in one, padding between members (iipc/warc-specifications#47)
    "a record over two members": (gzip.compress(GOOD[:900]) + gzip.compress(GOOD[900:]) + members(warc("2")), BOTH),
    "two records in a member": (gzip.compress(GOOD + warc("2")), BOTH),
    "zeros between members": (members(GOOD) + bytes(512) + members(warc("2")), BOTH),
    "compressed twice": (gzip.compress(members(GOOD, warc("2"))), BOTH),
    # What a Content-Encoding says and what the body is (internetarchive/warctools#14)
    "gzip said, plain body": (coded("gzip", BODY), ALL),
    "x-gzip": (coded("x-gzip", SMALL), ALL),
    "GZIP": (coded("GZIP", SMALL), ALL),
    "gzip twice": (coded("gzip, gzip", gzip.compress(SMALL)), ALL),
    "raw deflate": (coded("deflate", deflate(BODY)), ALL),
    "zlib deflate": (coded("deflate", zlib.compress(BODY)), ALL),
    "gzip cut": (coded("gzip", SMALL[:-20]), ALL),
    "gzip with bytes behind it": (coded("gzip", SMALL + b"\r\n\r\n"), ALL),
    "UTF-8 as a coding": (coded("UTF-8", BODY), ALL),
    "identity": (coded("identity", BODY), ALL),
    "gzip without a header": (members(warc("1", http(SMALL))), ONE),
    "an empty body": (members(GOOD, warc("2", http(b""))), [*ONE, ("2", "http/empty")]),
    # WARC headers (iipc/jwarc#30, warcio#42, warcio#127)
    "address in brackets": (GOOD.replace(b"http://a.test/1", b"<http://a.test/1>"), ONE),
    "folded address": (GOOD.replace(b"URI: http", b"URI:\r\n  http"), ONE),
    "line feeds alone": (GOOD.replace(b"\r\n", b"\n", 7).replace(b"\r\n\r\n", b"\n\n", 1), ONE),
    "lower-case names": (GOOD.replace(b"WARC-T", b"warc-t").replace(b"Content-L", b"content-l"), ONE),
    "WARC/0.18": (GOOD.replace(b"WARC/1.0", b"WARC/0.18"), ONE),
    "WARC/1.1, microseconds": (GOOD.replace(b"WARC/1.0", b"WARC/1.1").replace(b"00Z", b"00.123456Z"), ONE),
    "a byte-order mark first": (b"\xef\xbb\xbf" + GOOD + warc("2"), BOTH),
    # Responses (warcio#104 and others)
    "HTTP/2": (members(warc("1", http(head=HEAD.replace("HTTP/1.1 200 OK", "HTTP/2 200")))), ONE),
    "100 Continue first": (members(warc("1", b"HTTP/1.1 100 Continue\r\n\r\n" + http())), ONE),
    "line feeds in the response": (members(warc("1", http().replace(b"\r\n", b"\n"))), ONE),
    "no Content-Type": (members(warc("1", http(head="HTTP/1.1 200 OK\r\n"))), ONE),
    "octet-stream": (members(warc("1", http(head=HEAD.replace("text/html", "application/octet-stream")))), ONE),
    "a line without a colon": (members(warc("1", http(head=HEAD + "no colon here\r\n"))), ONE),
    "ICY": (members(warc("1", http(head=HEAD.replace("HTTP/1.1", "ICY")))), [("1", "http/no-status")]),
    "no header at all": (members(warc("1", BODY)), [("1", "http/no-status")]),
    # Encodings and their labels (openzim/warc2zim#417)
    "iso_8859-1": (labelled("charset=iso_8859-1", "windows-1252"), ONE),
    "UTF-8;": (labelled("charset=UTF-8;", "utf-8"), ONE),
    "quotes and spaces": (labelled('charset = "utf-8"', "utf-8"), ONE),
    "a wrong dash": (labelled("charset=utf\u20138", "utf-8"), ONE),
    "in meta alone": (labelled("", "windows-1252", "<meta charset=windows-1252>"), ONE),
    "nowhere": (labelled("", "windows-1252"), ONE),
    # Addresses
    "an address without end": (members(GOOD.replace(b"a.test/1", b"a.test/" + b"index.html/" * 900), warc("2")),
                               [("index.html/", "url/too-long"), ("2", "kept")]),
    "an escape in an address": (ARC_HEAD + arc("\x1b[2J1") + arc("2"), [("%1B[2J1", "kept"), ("2", "kept")]),
}  # fmt: skip


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """Return settings by which only damage decides what becomes of a page."""
    return {"recipe": "none", "language": {"min_score": 0.0}, "dedup": {"near": False}}


@pytest.fixture(scope="module")
def extract(settings: dict[str, object]) -> Iterator[Extract]:
    """Return a function that gives address, outcome and text of a file's pages; stages are loaded once."""
    stages = load_stages(build_config({**settings, "inputs": ["x"], "output": "none"}))
    patch = pytest.MonkeyPatch()
    patch.setattr("pipeline.extract.job.load_stages", lambda config: stages)

    def run(path: Path) -> list[tuple[str, str, str]]:
        return [(page.url, page.key, page.text or "") for page in extract_pages(str(path), settings)]

    yield run
    patch.undo()


@pytest.mark.parametrize("name", CASES)
def test_the_rows_of_the_museum(
    extract: Callable[[Path], list[tuple[str, str, str]]], name: str, tmp_path: Path
) -> None:
    data, expected = CASES[name]
    path = tmp_path / ("a.arc" if "ARC" in name else "a.warc")
    path.write_bytes(data)
    rows = extract(path)
    assert [(url.removeprefix("http://a.test/")[-len(end) :], key) for (url, key, _), (end, _) in
            zip(rows, expected, strict=True)] == expected  # fmt: skip
    for _, key, text in rows:
        assert key != "kept" or SENTENCE in text
