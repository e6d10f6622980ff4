import gzip
import hashlib
import json
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.html.http import HttpResponse, detect_mime_type, parse_response
from pipeline.warc.reader import CrawlRecord, read_crawl_records
from tests.shared import shared_data

HTML = b"<!DOCTYPE html><html><body>" + b"".join(b"<p>paragraph %d</p>\n" % i for i in range(500)) + b"</body></html>"


def message(body: bytes, *headers: str, line: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join((line, "Content-Type: text/html", *headers, "", "")).encode() + body


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def chunked(data: bytes, size: int = 1000) -> bytes:
    chunks = (data[i : i + size] for i in range(0, len(data), size))
    return b"".join(b"%x;name=value\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\nTrailer: x\r\n\r\n"


CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
}


@pytest.mark.parametrize("coding", CODINGS)
def test_every_coding_alone_and_under_others(coding):
    packed = CODINGS[coding](HTML)
    response = parse_response(message(packed, f"Content-Encoding: {coding}"))
    assert (response.status, response.body, response.problems) == (200, HTML, ())
    twice = message(chunked(gzip.compress(packed)), f"content-encoding: {coding}, gzip", "Transfer-Encoding: chunked")
    assert parse_response(twice).body == HTML
    apart = message(gzip.compress(packed), f"Content-Encoding: {coding}", "Content-Encoding: gzip")
    assert parse_response(apart).body == HTML


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "br, gzip"])
def test_a_coding_that_is_not_there_leaves_the_body(coding):
    response = parse_response(message(HTML, f"Content-Encoding: {coding}"))
    assert response.body == HTML
    assert response.problems == tuple(f"not-{c}" for c in coding.split(", ")[::-1])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_cut_body_gives_what_decodes(coding):
    noise = b"".join(hashlib.sha1(b"%d" % i).hexdigest().encode() for i in range(20_000))
    packed = CODINGS[coding](noise)
    cut = parse_response(message(packed[: len(packed) // 2], f"Content-Encoding: {coding}"))
    assert cut.problems == (f"truncated-{coding}",)
    assert len(cut.body) > len(noise) // 4 and noise.startswith(cut.body)
    damaged = packed[: len(packed) // 2] + b"\xff" * 50 + packed[len(packed) // 2 + 50 :]
    body = parse_response(message(damaged, f"Content-Encoding: {coding}")).body
    assert body[: len(noise) // 4] == noise[: len(noise) // 4]


def test_gzip_that_no_header_names_and_gzip_that_is_the_page():
    response = parse_response(message(gzip.compress(HTML)))
    assert (response.body, response.problems) == (HTML, ("undeclared-gzip",))
    archive = b"HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\n\r\n" + gzip.compress(HTML)
    assert parse_response(archive).body == gzip.compress(HTML)


def test_gzip_members_that_follow_one_another():
    packed = gzip.compress(HTML[:5000]) + gzip.compress(HTML[5000:])
    for extra in (b"", b"\0\0trailing"):
        assert parse_response(message(packed + extra, "Content-Encoding: gzip")).body == HTML


def test_chunks_real_lying_and_cut():
    def read(body: bytes, *headers: str) -> HttpResponse:
        return parse_response(message(body, "Transfer-Encoding: chunked", *headers))

    assert read(chunked(HTML)) == HttpResponse(200, read(b"").headers, HTML, ())
    assert read(chunked(HTML).replace(b"\r\n", b"\n")).body == HTML
    assert (read(HTML).body, read(HTML).problems) == (HTML, ("not-chunked",))
    hexadecimal = b"add\r\nthat is no size"
    assert read(hexadecimal, f"Content-Length: {len(hexadecimal)}").body == hexadecimal
    cut = read(chunked(HTML)[:5000])
    assert HTML.startswith(cut.body) and len(cut.body) > 4800 and cut.problems == ("truncated-chunk",)
    broken = read(chunked(HTML)[:3000].replace(b"3e8;", b"3e0;", 3)[:2500])
    assert broken.problems in (("bad-chunk",), ("not-chunked",))


def test_headers_as_they_are_found():
    block = b"\r\nHTTP/2 301\nA: 1\nLocation: /a\r\n  folded\r\nno colon\r\nA: 2\r\nX: \xff\r\n\n<p>body\r\n\r\n"
    response = parse_response(block)
    assert (response.status, response.body) == (301, b"<p>body\r\n\r\n")
    assert response.headers == (("a", "1"), ("location", "/a folded"), ("a", "2"), ("x", "ÿ"))
    assert response.header("A") == "1" and response.header("missing") == ""
    assert parse_response(b"HTTP/1.1 204 No Content\r\nA: b").headers == (("a", "b"),)
    assert parse_response(b"HTTP/1.1 200 OK\r\n\r\nx").body == b"x"
    for block in (b"", b"Content-Type: text/html\r\n\r\n<p>", b"<html>HTTP/1.1 200 OK", b"HTTP/1.1 OK"):
        assert parse_response(block) == HttpResponse(None, (), block, ())


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bombs_are_cut_in_bounded_memory(coding):
    pack = {"br": lambda data: brotli.compress(data, quality=1), **{c: f for c, f in CODINGS.items() if c != "br"}}
    bomb = pack[coding](bytes(200 << 20))
    for body, header in ((bomb, coding), (gzip.compress(bomb), f"{coding}, gzip")):
        tracemalloc.start()
        response = parse_response(message(body, f"Content-Encoding: {header}"), max_body_bytes=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(response.body) == 1 << 20 and response.problems == ("too-large",)
        assert peak < 12 << 20
    assert parse_response(message(bytes(99)), max_body_bytes=50).problems == ("too-large",)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*CODINGS, "chunked"]), max_size=3),
    st.lists(st.sampled_from([*CODINGS, "nonsense"]), max_size=3),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=4),
    st.integers(0, 3000),
)
def test_nothing_raises_whatever_the_headers_say(true, said, damage, cut):
    body = HTML
    for coding in true:
        body = chunked(body) if coding == "chunked" else CODINGS[coding](body)
    wrong = bytearray(body)
    for where, value in damage:
        wrong[where % len(wrong)] = value
    response = parse_response(
        message(bytes(wrong)[cut:], "Content-Encoding: " + ", ".join(said), "Transfer-Encoding: chunked")
    )
    assert response.status == 200 and len(response.body) <= 10 << 20
    assert detect_mime_type(response)


@pytest.mark.parametrize(
    ("declared", "body", "found"),
    [
        ("text/html", b"%PDF-1.6 ...", "application/pdf"),
        ("text/html; charset=utf-8", b"\n\x89PNG\r\n\x1a\n\0\0", "image/png"),
        ("text/html", b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        ("text/html", bytes(range(256)) * 9, "application/octet-stream"),
        ("text/html", b"<!DOCTYPE \0html>\n<\0html>", "text/html"),
        ("TEXT/HTML; charset=x", b"plain words", "text/html"),
        ("text/plain", b"<!doctype html><p>", "text/plain"),
        ("application/json", b'{"html": "<p>"}', "application/json"),
        ("application/octet-stream", b" <!-- c --> <HTML lang=en>", "text/html"),
        ("application/octet-stream", b"\0\1\2\3", "application/octet-stream"),
        ("", b"\xef\xbb\xbf<!DOCTYPE HTML>", "text/html"),
        ("", "\ufeff<html><p>".encode("utf-16-le"), "text/html"),
        ("nonsense", b"<p>hello", "text/html"),
        ("", b"<?xml version='1.0'?><rss>", "text/xml"),
        ("", b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", "application/xhtml+xml"),
        ("", b"just words", "text/plain"),
        ("", b"", "application/octet-stream"),
    ],
)
def test_mime_by_the_header_unless_the_body_shows_otherwise(declared, body, found):
    assert detect_mime_type(HttpResponse(200, (("content-type", declared),), body, ())) == found


@pytest.mark.parametrize("name", ["chunked_te.warc.gz", "content_encoding.warc.gz"])
def test_bodies_of_the_edge_files(name):
    expected = json.loads(shared_data("edge/EXPECTED.json").read_text())[name]
    with shared_data(f"edge/{name}").open("rb") as source:
        blocks = [i.block for i in read_crawl_records(source) if isinstance(i, CrawlRecord) and i.type == "response"]
    responses = [parse_response(block) for block in blocks]
    got = [hashlib.sha1(r.body).hexdigest() for r in responses]
    cut = [n for n, r in enumerate(responses) if any(p.startswith("truncated") for p in r.problems)]
    assert cut == ([6] if name == "content_encoding.warc.gz" else [])  # "truncated gzip body": its sha1 is of the whole
    assert [h for n, h in enumerate(got) if n not in cut] == [
        h for n, h in enumerate(expected["body_sha1"]) if n not in cut
    ]
    for n in cut:
        with shared_data("crawl/public-00000.warc.gz").open("rb") as source:
            whole = next(
                parse_response(i.block).body
                for i in read_crawl_records(source)
                if isinstance(i, CrawlRecord) and i.type == "response" and i.url == expected["urls"][n]
            )
        assert hashlib.sha1(whole).hexdigest() == expected["body_sha1"][n]
        assert whole.startswith(responses[n].body) and len(responses[n].body) == 17_615


def test_types_of_the_mixed_file():
    with shared_data("edge/mixed_types.warc.gz").open("rb") as source:
        found = {
            i.url.rpartition("/")[2]: (response.status, detect_mime_type(response))
            for i in read_crawl_records(source)
            if isinstance(i, CrawlRecord) and i.type == "response" and (response := parse_response(i.block))
        }
    assert found["pdf-labelled-html"] == (200, "application/pdf")
    assert found["html-labelled-octet"] == found["no-content-type"] == (200, "text/html")
    assert found["xhtml"] == (200, "application/xhtml+xml")
    assert found["no-http-headers"][0] is None and found["redirect"][0] == 301 and found["503"][0] == 503


def test_comments_before_the_first_tag_take_linear_time() -> None:
    comments = b"<!---->" * 500  # with backtracking, 2 ** 500 ways to read them
    assert detect_mime_type(parse_response(message(comments + b"<html><p>x"))) == "text/html"
    undeclared = b"HTTP/1.1 200 OK\r\n\r\n"
    assert detect_mime_type(parse_response(undeclared + comments + b"<html><p>x")) == "text/html"
    assert detect_mime_type(parse_response(undeclared + comments + b"Hello world")) == "text/plain"


def test_an_interim_response_before_the_final_one_is_skipped() -> None:
    response = parse_response(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + message(HTML))
    assert (response.status, response.body, response.header("x")) == (200, HTML, "")
    alone = parse_response(b"HTTP/1.1 100 Continue\r\n\r\n" + HTML)
    assert (alone.status, alone.body) == (100, HTML)


def test_a_folded_header_is_one_value_and_a_huge_header_is_cut() -> None:
    folded = parse_response(message(HTML, "X-Long:\r\n one\r\n\ttwo"))
    assert folded.header("x-long") == "one two"
    huge = parse_response(message(HTML, "X-First: 1", *["X-Filler: " + "a" * 1000] * 1000, "X-Last: 1"))
    assert huge.body == HTML and huge.problems == ("long-header",)
    assert huge.header("x-first") == "1" and huge.header("x-last") == ""
