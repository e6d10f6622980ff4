import html
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.html.charset import decode_body, replace_markup
from pipeline.html.http import parse_response
from pipeline.warc.reader import CrawlRecord, read_crawl_records
from tests.shared import shared_data

RUSSIAN = "<html><body><p>" + "Роспотребнадзор сообщил о недостаточности данных. " * 20 + "</p></body></html>"
KOREAN = "<html><body><p>" + "한국어 문서의 문자 인코딩을 찾는 시험입니다. " * 20 + "</p></body></html>"


def meta(text: str, label: str) -> str:
    return text.replace(
        "<html>", f'<html><head><meta http-equiv="Content-Type" content="text/html; charset={label}"></head>'
    )


@pytest.mark.parametrize(
    ("body", "header", "name"),
    [
        (RUSSIAN.encode("cp1251"), "text/html; charset=windows-1251", "windows-1251"),
        (RUSSIAN.encode("cp1251"), 'text/html; charset="CP1251"', "windows-1251"),
        (meta(RUSSIAN, "koi8-r").encode("koi8-r"), "text/html", "koi8-r"),
        (meta(RUSSIAN, "koi8-r").encode("koi8-r"), "text/html; charset=x-unknown-foo", "koi8-r"),
        (("<!-- <meta charset=koi8-r> -->" + meta(RUSSIAN, "cp1251")).encode("cp1251"), "", "windows-1251"),
        (("<?xml version='1.0' encoding='iso-8859-5'?>" + RUSSIAN).encode("iso8859-5"), "", "iso-8859-5"),
        (RUSSIAN.encode("cp1251"), "text/html; charset=utf-8", "windows-1251"),  # the header lies
        (RUSSIAN.encode(), "text/html; charset=iso-8859-1", "utf-8"),  # the header lies
        (meta(RUSSIAN, "utf-16").encode(), "", "utf-8"),
        (b"\xef\xbb\xbf" + RUSSIAN.encode(), "text/html; charset=gbk", "utf-8"),
        (RUSSIAN.encode("utf-16"), "text/html; charset=utf-8", "utf-16le"),
        (RUSSIAN.encode("utf-16-be"), "", "utf-16be"),
        (RUSSIAN.encode()[:-40][:501], "", "utf-8"),  # cut in the middle of a character
        (KOREAN.encode("cp949"), "", "euc-kr"),
        (KOREAN.encode("cp949"), "text/html; charset=ks_c_5601-1987", "euc-kr"),
    ],
)
def test_the_encoding_and_the_text(body, header, name):
    text, encoding = decode_body(body, header)
    assert encoding == name
    assert ("сообщил о недостаточности данных" in text) or ("문자 인코딩을 찾는" in text)


def test_labels_mean_what_the_web_means_by_them():
    assert decode_body("<p>朱镕基 €</p>".encode("gb18030"), "text/html; charset=gb2312") == ("<p>朱镕基 €</p>", "gbk")
    assert decode_body(b"<p>\x93quoted\x94 \x96 \x80</p>", "text/html; charset=iso-8859-1")[0] == "<p>“quoted” – €</p>"
    assert decode_body("①髙".encode("cp932"), "text/html; charset=shift_jis")[0] == "①髙"
    assert decode_body("日本".encode("iso2022_jp"), "") == ("日本", "iso-2022-jp")


def test_few_bytes_that_could_be_utf8_go_by_the_header():
    assert decode_body("模式".encode("gbk"), "text/html; charset=gbk")[0] == "模式"  # is valid UTF-8 too
    assert decode_body("é".encode(), "")[0] == "é"


def test_wrong_bytes_and_nuls_cost_only_themselves():
    body = RUSSIAN.encode("cp1251").replace(b"<p>", b"<p>\0\0")
    assert decode_body(body, "text/html; charset=windows-1251") == (RUSSIAN, "windows-1251")
    assert decode_body(b"<p>\0a\0</p>") == ("<p>a</p>", "utf-8")
    text, encoding = decode_body(RUSSIAN.encode().replace(b"<p>", b"<p>\xff\xfe"), "text/html; charset=utf-8")
    assert encoding == "utf-8" and "Роспотребнадзор" in text and "\ufffd" in text
    assert decode_body(b"") == ("", "utf-8")


@settings(max_examples=500, deadline=None)
@given(
    st.binary(max_size=400),
    st.one_of(st.text(max_size=40), st.sampled_from(["utf-16", "utf-7", "hz", "base64", "hex", "idna"])),
)
def test_never_raises(body, label):
    text, encoding = decode_body(body, f"text/html; charset={label}")
    assert "\0" not in text and encoding
    text.encode()  # no lone surrogates


def test_the_edge_cases_all_survive():
    cases = json.loads(shared_data("edge/EXPECTED.json").read_text())["charsets.warc.gz"]["cases"]
    with shared_data("edge/charsets.warc.gz").open("rb") as source:
        records = [i for i in read_crawl_records(source) if isinstance(i, CrawlRecord) and i.type == "response"]
    assert len(records) == len(cases) == 59
    codecs = {"gbk": "gb18030", "big5": "big5hkscs", "shift_jis": "cp932", "iso-8859-1": "cp1252"}
    for case, record in zip(cases, records, strict=True):
        response = parse_response(record.block)
        text, _ = decode_body(response.body, response.header("content-type"))
        true = case["true_encoding"].split()[0]
        want = response.body.decode(codecs.get(true, true), "replace").replace("\0", "").removeprefix("\ufeff")
        assert text == want, case
        assert (case.get("probe") or "") in html.unescape(text), case


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a<b>c</b>  d", b"a c  d"),
        (b"<!-- <p> -->x<!-- y > z", b" x  z"),
        (b"<script>1 < 2</SCRIPT >x<style>y", b" x y"),
        (b"1 < 2 <p", b"1 < 2 <p"),
    ],
)
def test_markup_is_replaced_before_detection(data: bytes, expected: bytes) -> None:
    assert replace_markup(data) == expected


def test_unclosed_markup_takes_linear_time() -> None:
    for token in (b"<!--", b"<script ", b"<", b"<style>"):
        assert decode_body(b"caf\xe9 \xff\xe8 " * 10 + token * (250_000 // len(token)))[0].startswith("caf")
