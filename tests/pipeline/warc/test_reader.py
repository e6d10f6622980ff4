import bz2
import gzip
import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from functools import partial

import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.warc.reader import (
    DEFAULT_LIMITS,
    CrawlRecord,
    EmptyCrawlFile,
    NotACrawlFile,
    ReadLimits,
    UnreadableBytes,
    find_page_record_type,
    find_split_points,
    read_crawl_records,
)
from tests.shared import shared_data

DATE = "2024-05-18T01:58:10Z"


def warc(url: str, body: bytes, kind: str = "response", length: int | None = None, **extra: str) -> bytes:
    """A WARC record; `length` is a lie about the block's."""
    fields = {"WARC-Type": kind, "WARC-Record-ID": f"<urn:test:{url}>", "WARC-Date": DATE, "WARC-Target-URI": url}
    fields |= {"Content-Length": str(len(body) if length is None else length), **extra}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return b"WARC/1.0\r\n" + lines.encode() + b"\r\n" + body + b"\r\n\r\n"


def page(number: int, size: int = 300) -> bytes:
    """A record with an HTTP message of compressible and incompressible bytes."""
    noise = bytes((number * 7919 + i * i * 31) % 251 for i in range(size))
    return warc(f"http://a.test/{number}", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>" + noise)


def read(data: bytes, *bounds: int | None, limits: ReadLimits = DEFAULT_LIMITS) -> list[CrawlRecord | UnreadableBytes]:
    return list(read_crawl_records(io.BytesIO(data), *bounds, limits=limits))


def urls(items: Iterable[CrawlRecord | UnreadableBytes]) -> list[str]:
    """The URLs of whole records."""
    return [i.url for i in items if isinstance(i, CrawlRecord) and i.truncated is None]


def unread(items: Iterable[CrawlRecord | UnreadableBytes]) -> list[tuple[int, int, str]]:
    return [(i.offset, i.length, i.reason) for i in items if isinstance(i, UnreadableBytes)]


PAGES = [page(i) for i in range(4)]
WANTED = [f"http://a.test/{i}" for i in range(4)]
BAD_GZIP = gzip.compress(PAGES[0], mtime=0)[:-6] + b"\1\2\3\4\5\6"  # its checksum is wrong
COMPRESS = {
    "gzip": gzip.compress,
    "gzip, extra field": lambda d: b"\x1f\x8b\x08\x04" + bytes(6) + b"\x06\0ab\2\0xy" + gzip.compress(d)[10:],
    "zstd": zstandard.compress,
    "lz4": lz4.frame.compress,
    "plain": bytes,
}
CHECKED = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": partial(lz4.frame.compress, content_checksum=True),
}


@pytest.mark.parametrize("how", COMPRESS)
def test_one_record_a_member(how):
    members = [COMPRESS[how](p) for p in PAGES]
    items = read(b"".join(members))
    assert urls(items) == WANTED
    assert [i.length for i in items] == [len(m) for m in members]
    assert [i.offset for i in items] == [sum(map(len, members[:n])) for n in range(4)]
    assert items[2].block == PAGES[2].split(b"\r\n\r\n", 1)[1][:-4]
    assert items[2].headers["warc-date"] == items[2].date == DATE


@pytest.mark.parametrize("how", COMPRESS)
def test_the_whole_file_in_one_member(how):
    data = COMPRESS[how](b"".join(PAGES))
    items = read(data)
    assert urls(items) == WANTED
    assert [i.offset for i in items] == [sum(map(len, PAGES[:n])) for n in range(4)]  # in the decompressed stream
    assert find_split_points(io.BytesIO(data), 1) == ([i.offset for i in items] if how == "plain" else [0])


def test_records_that_run_over_several_members():
    text = b"".join(PAGES)
    data = b"".join(gzip.compress(text[i : i + 200]) for i in range(0, len(text), 200))
    assert urls(read(data)) == WANTED


def test_a_crawl_file_that_was_compressed_twice():
    inner = b"".join(map(gzip.compress, PAGES))
    assert urls(read(gzip.compress(inner))) == WANTED
    assert urls(read(gzip.compress(inner)[:-400])) == WANTED[:2]
    assert urls(read(gzip.compress(inner, 0)[:-400])) == WANTED[:3]  # stored, the inner members show through
    assert urls(read(zstandard.compress(inner))) == WANTED


def test_zstd_with_a_dictionary():
    words = zstandard.ZstdCompressionDict(b"".join(page(i) for i in range(50, 60)))
    for content in (words.as_bytes(), zstandard.compress(words.as_bytes())):
        head = b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content
        compress = zstandard.ZstdCompressor(dict_data=words).compress
        data = head + b"".join(compress(p) for p in PAGES)
        assert urls(read(data)) == WANTED
        ranges = ranges_of(data, 1)
        assert len(ranges) == 4 and read(data, ranges[2][0]) == read(data)[2:]


@pytest.mark.parametrize("how", COMPRESS)
@pytest.mark.parametrize(
    "bad", [b"\0\1garbage\xff" * 50, b"\x1f\x8b\x08\x00garbage" * 9, b"WARC/1.0\r\nWARC-Type: resp", b"\0" * 999]
)
def test_garbage_between_records_costs_nothing_else(how, bad):
    first, second = COMPRESS[how](PAGES[0]), COMPRESS[how](PAGES[1])
    items = read(first + bad + second)
    assert urls(items) == WANTED[:2]
    assert sum(length for _, length, _ in unread(items)) == len(bad)
    assert [offset for offset, _, _ in unread(items)] == [len(first)]


@pytest.mark.parametrize("how", ["gzip", "zstd", "lz4"])
def test_a_member_without_a_record_is_garbage_and_no_more(how):
    members = [COMPRESS[how](d) for d in (PAGES[0], b"not a record " * 30, PAGES[1], b"")]
    items = read(b"".join(members))
    assert urls(items) == WANTED[:2]
    assert unread(items) == [(len(members[0]), len(members[1]), "garbage")]


@pytest.mark.parametrize("how", ["gzip", "plain"])
@pytest.mark.parametrize("lie", [999_999, 10**17, 700, 480])
def test_a_length_that_lies_costs_only_its_own_record(how, lie):
    liar = warc("http://a.test/liar", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300, length=lie)
    records = [PAGES[0], liar, *PAGES[1:]]
    for data in (b"".join(map(COMPRESS[how], records)), COMPRESS[how](b"".join(records))):
        items = read(data)
        assert [url for url in urls(items) if url != "http://a.test/liar"] == WANTED
        own_member = how == "gzip" and data.count(b"\x1f\x8b\x08") > 1
        cut = [i.url for i in items if isinstance(i, CrawlRecord) and i.truncated]
        assert cut == ([] if own_member else ["http://a.test/liar"])
        assert not unread(items)


def test_a_record_whole_in_its_own_member_is_whole_whatever_its_length_says():
    body = b"HTTP/1.1 200 OK\r\n\r\n<p>whole"
    for length in (len(body) + 40, 10**9):
        data = b"".join(
            gzip.compress(item) for item in (PAGES[0], warc("http://a.test/b", body, length=length), PAGES[1])
        )
        first, second, third = read(data)
        assert (second.block, second.truncated) == (body, None)
        assert (first.url, third.url) == (WANTED[0], WANTED[1])
    cut = gzip.compress(warc("http://a.test/b", body, length=10**6)[:-4])  # without the end of a record
    assert [i.truncated for i in read(cut + gzip.compress(PAGES[0]))] == ["disconnect", None]


def test_a_folded_address_has_no_space_before_it():
    record = warc("http://a.test/f", b"x").replace(b"Target-URI: ", b"Target-URI:\r\n  ")
    assert read(record)[0].url == "http://a.test/f"


def test_what_steers_a_terminal_is_in_no_field_of_a_record():
    version = b"filedesc://x.arc 0.0.0.0 20080430204825 text/plain 17\n1 0 Archive\nURL\n\n"
    arc = b"http://a.test/\x1b[2J\xc2\x9b 10.0.0.1 20080430204826 text/html 23\nHTTP/1.0 200 OK\r\n\r\n<p>\n\n"
    other = warc("http://a.test/\x9b31m", b"x", kind="respo\x85nse")
    for data in (version + arc, other):
        record = read(data)[-1]
        fields = (record.type, record.id, record.url, record.date, record.truncated or "")
        assert all(field.isprintable() for field in fields)
    assert read(version + arc)[-1].url == "http://a.test/%1B[2J%C2%9B"


@pytest.mark.parametrize("length", ["", "none", "-5"])
def test_without_a_length_the_block_is_the_rest(length):
    unknown = warc("http://a.test/u", b"HTTP/1.1 200 OK\r\n\r\nhello", **{"Content-Length": length})
    for data in (
        gzip.compress(unknown) + gzip.compress(PAGES[0]),
        unknown + PAGES[0],
        gzip.compress(unknown + PAGES[0]),
    ):
        first, second = read(data)
        assert (first.url, first.block, first.truncated) == ("http://a.test/u", b"HTTP/1.1 200 OK\r\n\r\nhello", None)
        assert second.url == WANTED[0]


def test_headers_as_they_are_found():
    head = (
        b"WARC/1.1\nWARC-Type: Response\r\nWARC-Target-URI: <http://a.test/a b>\n"
        b"WARC-Date: 2024\r\nX-Folded: one\r\n two\nX-Twice: 1\nX-Twice: 2\nContent-Length: 2\r\n\n"
    )
    (record,) = read(head + b"hi\n\n")
    assert (record.type, record.url, record.date, record.block) == ("response", "http://a.test/a b", "2024", b"hi")
    assert record.headers["x-folded"] == "one two" and record.headers["x-twice"] == "2"
    assert record.id.startswith("<urn:gristmill:") and len(record.id) == len("<urn:gristmill:>") + 32
    (again,) = read(gzip.compress(head + b"hi\n\n"))
    assert again.id == record.id  # made of URL, date and payload alone
    assert read(head + b"ho\n\n")[0].id != record.id


def test_arc_versions_1_and_2():
    version = b"filedesc://x.arc 0.0.0.0 20080430204825 text/plain 17\n1 0 Archive\nURL\n\n"
    one = b"http://a.test/a b.html 10.0.0.1 20080430204826 text/html 30\nHTTP/1.0 200 OK\r\n\r\n<p>one</p>\n\n"
    two = b"http://a.test/2 10.0.0.1 20080430204827 text/html 200 - - 0 x.arc 30\nHTTP/1.0 200 OK\r\n\r\n<p>two</p>\n\n"
    for data in (version + one + two, b"".join(map(gzip.compress, (version, one, two)))):
        info, first, second = read(data)
        assert (info.type, first.type, second.type) == ("warcinfo", "response", "response")
        assert (first.url, first.date) == ("http://a.test/a b.html", "2008-04-30T20:48:26Z")
        assert (second.url, second.date) == ("http://a.test/2", "2008-04-30T20:48:27Z")
        assert first.headers == {"content-type": "text/html", "ip": "10.0.0.1"}
        assert first.block == b"HTTP/1.0 200 OK\r\n\r\n<p>one</p>\n" and not unread((info, first, second))
        assert len({info.id, first.id, second.id}) == 3


def test_a_cut_file_keeps_what_is_there():
    data = b"".join(map(gzip.compress, PAGES))
    last = read(data[:-60])[-1]
    assert urls(read(data[:-60])) == WANTED[:3]
    assert (last.url, last.truncated) == (WANTED[3], "disconnect") and PAGES[3].count(last.block) == 1
    start = sum(len(gzip.compress(p)) for p in PAGES[:3])
    assert unread(read(data[: start + 40])) == [(start, 40, "truncated")]
    assert unread(read(b"".join(PAGES)[: len(PAGES[0]) + 30])) == [(len(PAGES[0]), 30, "truncated")]


def test_damage_within_a_member():
    first, third = gzip.compress(PAGES[0]), gzip.compress(PAGES[1])
    items = read(first + BAD_GZIP + third)
    assert urls(items) == WANTED[:2]
    assert unread(items) == [(len(first), len(BAD_GZIP), "corrupt-gzip")]
    whole = bytearray(gzip.compress(b"".join(page(i, 3000) for i in range(40))))
    whole[len(whole) * 3 // 4] ^= 0xFF
    items = read(bytes(whole) + first)
    found = urls(items)
    assert found[-1] == WANTED[0] and found[:-1] == [f"http://a.test/{i}" for i in range(len(found) - 1)]
    small = bytearray(gzip.compress(b"".join(page(i, 9) for i in range(40))))
    small[len(small) * 3 // 4] ^= 0xFF
    assert len(urls(read(bytes(small)))) > 25
    assert len(found) > 25 and {reason for *_, reason in unread(items)} == {"corrupt-gzip"}


def test_zeros_at_the_end_are_padding():
    for how in COMPRESS:
        items = read(COMPRESS[how](PAGES[0]) + bytes(3 << 20))
        assert urls(items) == WANTED[:1] and not unread(items)


def test_what_is_no_crawl_file():
    with pytest.raises(EmptyCrawlFile):
        read(b"")
    for data in (
        b"<html><h1>404</h1></html>",
        gzip.compress(b"hello"),
        gzip.compress(b""),
        bytes(99),
        bz2.compress(b"x"),
    ):
        with pytest.raises(NotACrawlFile) as error:
            read(data)
        assert "\n" not in str(error.value) and not isinstance(error.value, EmptyCrawlFile)
        with pytest.raises(NotACrawlFile):
            find_page_record_type(io.BytesIO(data))
        assert find_split_points(io.BytesIO(data), 1) == [0]
    bad = gzip.compress(b"<html>")
    assert urls(read(bad * 3 + gzip.compress(PAGES[0]))) == WANTED[:1]  # one record makes it a crawl file
    assert len(unread(read(bad * 3 + gzip.compress(PAGES[0])))) == 3


def test_a_record_that_ends_too_early_does_not_take_damage_behind_it_along():
    short = warc("http://a.test/short", b"x" * 100, length=150)
    damaged = bytearray(gzip.compress(PAGES[1]))
    damaged[30:60] = bytes(30)
    items = read(gzip.compress(short) + bytes(damaged) + gzip.compress(PAGES[2]))
    assert [getattr(i, "url", i) for i in items if isinstance(i, CrawlRecord)] == ["http://a.test/short", WANTED[2]]
    assert [reason for _, _, reason in unread(items)] == ["corrupt-gzip"]


@pytest.mark.parametrize("how", [gzip.compress, bytes])
def test_what_took_too_long_is_passed_over_and_counted(how):
    records = [how(item) for item in PAGES[:3]]
    starts = [0, len(records[0]), len(records[0]) + len(records[1])]
    places: list[int] = []
    items = read(b"".join(records), limits=ReadLimits(passed_over={starts[1]}, note_place=places.append))
    assert [(i.offset, i.length) for i in items] == [(at, len(item)) for at, item in zip(starts, records, strict=True)]
    assert items[1] == UnreadableBytes(starts[1], len(records[1]), "timeout")
    assert places == starts


def test_page_record_type():
    info = gzip.compress(warc("", b"software: x", "warcinfo"))
    wet = info + gzip.compress(warc("http://a.test", b"text", "conversion"))
    assert find_page_record_type(io.BytesIO(wet)) == "conversion"
    assert find_page_record_type(io.BytesIO(info + gzip.compress(PAGES[0]))) == "response"
    assert find_page_record_type(io.BytesIO(info)) == "response"


def test_a_bomb_is_cut_in_bounded_memory():
    size = 300 << 20
    head = warc("http://a.test/bomb", b"", length=size)[:-4]
    after = gzip.compress(PAGES[0])
    gzipped, zstd = io.BytesIO(), zstandard.ZstdCompressor().compressobj()
    with gzip.GzipFile(fileobj=gzipped, mode="wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    framed = zstd.compress(head) + b"".join(zstd.compress(bytes(1 << 20)) for _ in range(size >> 20)) + zstd.flush()
    for data in (gzipped.getvalue(), framed):
        tracemalloc.start()
        bomb, good = read(data + after, limits=ReadLimits(4 << 20))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (bomb.truncated, len(bomb.block), bomb.length) == ("size", 4 << 20, len(data))
        assert good.url == WANTED[0]
        assert peak < 40 << 20


def ranges_of(data: bytes, target: int) -> list[tuple[int, int | None]]:
    points = find_split_points(io.BytesIO(data), target)
    return list(zip(points, [*points[1:], None], strict=True))


good_part = st.integers(0, 9).map(page)
raw_part = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"WARC/1.0\r\n", b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd\x04", bytes(40), PAGES[0][:90]]),
)
packed_part = st.one_of(
    st.binary(max_size=200),
    st.integers(0, 9).map(lambda n: warc("http://a.test/liar", b"<p>" * n, length=5000)),
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([gzip.compress, zstandard.compress, lz4.frame.compress, bytes]),
    st.lists(st.tuples(st.sampled_from(["good", "raw", "packed", "cut"]), good_part, raw_part, packed_part)),
    st.integers(1, 3000),
    st.integers(0, 100),
)
def test_ranges_together_are_the_whole_and_no_good_record_is_lost(compress, parts, target, cut):
    data, wanted = b"", []
    for which, good, raw, packed in parts:
        if which == "good":
            data, wanted = data + compress(good), [*wanted, good]
        else:
            data += {"raw": raw, "packed": compress(packed), "cut": compress(good)[:-20]}[which]
    data = data[: len(data) - cut]
    try:
        whole = read(data)
    except NotACrawlFile:
        assert len(wanted) < 2
        return
    assert [item for a, b in ranges_of(data, target) for item in read(data, a, b)] == whole
    found = Counter(i.block for i in whole if isinstance(i, CrawlRecord))
    for record in wanted[:-1]:  # the last may have been cut
        found[record.split(b"\r\n\r\n", 1)[1][:-4]] -= 1
    assert min(found.values(), default=0) >= 0


def test_a_file_of_two_kinds():
    packed = b"".join(map(gzip.compress, PAGES[:2]))
    assert urls(read(packed + PAGES[2] + PAGES[3])) == WANTED
    assert urls(read(PAGES[0] + PAGES[1] + gzip.compress(PAGES[2]) + zstandard.compress(PAGES[3]))) == WANTED


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**6), st.integers(0, 255), st.sampled_from(["gzip", "zstd", "lz4"]))
def test_one_wrong_byte_costs_one_record(where, value, how):
    members = [CHECKED[how](p) for p in PAGES]
    data = bytearray(b"".join(members))
    data[where % len(data)] = value
    items = read(bytes(data))
    hit = next(n for n in range(4) if where % len(data) < sum(map(len, members[: n + 1])))
    assert set(urls(items)) >= {url for n, url in enumerate(WANTED) if n != hit}
    missing = len(data) - sum(i.length for i in items)
    # a frame header that was hit may read as a frame of nothing, which is padding like any empty member
    assert missing == 0 or (how == "zstd" and 0 < missing <= 32)


def test_the_crawl_is_read_in_full():
    index = map(json.loads, gzip.decompress(shared_data("crawl/index.jsonl.gz").read_bytes()).splitlines())
    path = shared_data("crawl/public-00001.warc.gz")
    wanted = {(r["offset"], r["length"], r["record_id"]) for r in index if r["file"].endswith(path.name)}
    with path.open("rb") as source:
        items = list(read_crawl_records(source))
        size = source.seek(0, 2)
        points = find_split_points(source, size // 8)
    assert all(isinstance(i, CrawlRecord) for i in items) and sum(i.length for i in items) == size
    assert {(i.offset, i.length, i.id) for i in items if i.type == "response"} == wanted
    assert len(points) > 5 and set(points) <= {i.offset for i in items}


EDGE = {  # file: whole records of the pages' type, records cut, reasons of what is unreadable
    "truncated_gzip.warc.gz": (3, 1, []),
    "chunked_te.warc.gz": (3, 0, []),
    "content_encoding.warc.gz": (8, 0, []),
    "charsets.warc.gz": (59, 0, []),
    "mixed_types.warc.gz": (17, 0, []),
    "pathological_html.warc.gz": (13, 0, []),
    "malformed_middle_badlength.warc.gz": (5, 0, []),
    "malformed_middle_garbage.warc.gz": (4, 0, ["garbage"]),
    "malformed_middle_rawbytes.warc.gz": (4, 0, ["garbage"]),
    "corrupt_member_bitflip.warc.gz": (2, 0, ["corrupt-gzip"]),
    "bad_headers.warc.gz": (12, 1, []),
    "non_per_record_gzip.warc.gz": (5, 0, []),
    "plain_uncompressed.warc": (5, 0, []),
    "lf_warc_headers.warc": (2, 0, []),
    "per_record.warc.zst": (5, 0, []),
    "dictionary.warc.zst": (5, 0, []),
    "trailing_zeros.warc.gz": (3, 0, []),
    "double_gzipped.warc.gz": (3, 0, []),
    "sample.warc.wet.gz": (5, 0, []),
}


@pytest.mark.parametrize("name", EDGE)
def test_what_can_be_recovered_from_faulty_files_is(name):
    expected = json.loads(shared_data("edge/EXPECTED.json").read_text())[name]
    with shared_data(f"edge/{name}").open("rb") as source:
        kind = find_page_record_type(source)
        items = list(read_crawl_records(source))
    pages = [i for i in items if isinstance(i, CrawlRecord) and i.type == kind]
    whole, cut, reasons = EDGE[name]
    assert (len([p for p in pages if not p.truncated]), len([p for p in pages if p.truncated])) == (whole, cut)
    assert [reason for *_, reason in unread(items)] == reasons
    listed = [u for key in ("urls", "good_urls", "good_urls_before", "good_urls_after") for u in expected.get(key, [])]
    assert [u for u in urls(pages) if u in listed] == listed
    if "rawbytes" in name:
        assert unread(items)[0][1] == 777


def test_files_with_no_record_are_one_clear_error():
    for name in ("empty.warc.gz", "html_error_page.warc.gz"):
        with shared_data(f"edge/{name}").open("rb") as source, pytest.raises(NotACrawlFile, match=name):
            list(read_crawl_records(source))


REAL = {  # counted once by hand or by warcio, kept as known answers
    "aut/example.arc.gz": {"warcinfo": 1, "response": 299},
    "aut/example.warc.gz": {"warcinfo": 1, "response": 299, "request": 261, "metadata": 261},
    "aut/example.pdf.warc.gz": {"warcinfo": 2, "response": 35, "request": 37, "revisit": 2},
    "chatnoir-resiliparse/warcfile.warc": {"warcinfo": 1, "request": 17, "response": 16, "metadata": 16},
    "chatnoir-resiliparse/warcfile.warc.gz": {"warcinfo": 1, "request": 17, "response": 16, "metadata": 16},
    "chatnoir-resiliparse/warcfile.warc.lz4": {"warcinfo": 1, "request": 17, "response": 16, "metadata": 16},
    "chatnoir-resiliparse/clipped.warc.gz": {"response": 1},
    "jwarc/gzip_extra_sl.warc.gz": {"warcinfo": 1},
    "pywb/iana.warc.gz": {"warcinfo": 1, "response": 48, "request": 171, "revisit": 123},
    "pywb/missing-status-text.warc": {"response": 1},
    "pywb/bad.arc": {"warcinfo": 1, "response": 3},
    "warcio/example-wrong-chunks.warc.gz": {"response": 1, "request": 1},
    "warcio/example-trunc.warc": {"warcinfo": 2, "response": 1, "request": 1},
    "webarchive-discovery/IAH-20080430204825-00000-blackbook-truncated.arc.gz": {"warcinfo": 1, "response": 8},
    "whirlwind-python/whirlwind.warc.wet.gz": {"warcinfo": 1, "conversion": 1},
    "whirlwind-python/whirlwind.warc.wat.gz": {"warcinfo": 1, "metadata": 1},
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_hold_what_is_known(name):
    with shared_data(f"real/{name}").open("rb") as source:
        assert Counter(i.type for i in read_crawl_records(source) if isinstance(i, CrawlRecord)) == REAL[name]


def test_every_real_file_is_read_as_warcio_reads_it_or_better():
    from warcio.archiveiterator import ArchiveIterator

    compared = 0
    for path in sorted(p for p in shared_data("real").rglob("*") if p.is_file()):
        with path.open("rb") as source:
            try:
                items = list(read_crawl_records(source))
            except NotACrawlFile:
                assert not any(part in path.suffixes for part in (".warc", ".arc")), path
                continue
            size = source.seek(0, 2)
            pieces = [*find_split_points(source, max(size // 4, 1)), None]
            ranges = zip(pieces, pieces[1:], strict=False)
            assert [i for a, b in ranges for i in read_crawl_records(source, a, b)] == items, path
        theirs = []
        try:
            with path.open("rb") as source:
                for record in ArchiveIterator(source, no_record_parse=True):
                    theirs.append((record.rec_headers.get_header("WARC-Record-ID"), record.raw_stream.read()))
        except Exception:
            theirs = theirs[:-1]
        whole = [i for i in items if isinstance(i, CrawlRecord) and not i.truncated]
        ours = {(i.id, i.block) for i in whole}
        for identity, block in theirs:
            if any(i.id == identity for i in whole):
                assert (identity, block) in ours, (path, identity)
                compared += 1
    assert compared > 1000
