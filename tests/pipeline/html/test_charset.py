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


STORY = "The waters off Peru grow warm every few years, and the fishermen, who gave it its name, stay in the harbour."
POLISH = "Nie jest to wszystko, ale na pewno się z tego cieszymy, bo od lat tak się mówi w naszym mieście. Żółć i łąka."
LITHUANIAN = "Miestas yra prie upės, ir tai yra žinoma iš seno, bet apie jį kalba tik tie, kad čia gyvena."


@pytest.mark.parametrize(
    "word",
    "Niño Muñoz Señor Peña jalapeño Nuñez João Conceição Müller Ångström café Brontë São “quoted” £5 it’s".split(),
)
@pytest.mark.parametrize("text", [f"<p>{STORY} They call it {{}}.</p>", "<p>{} is what they said of the river.</p>"])
def test_a_body_without_a_charset_is_windows_1252(word: str, text: str) -> None:
    html = text.format(word)
    assert decode_body(html.encode("cp1252")) == (html, "windows-1252")


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (POLISH, "iso8859-2"), (POLISH, "cp1250"), (LITHUANIAN, "cp1257"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"),
        (KOREAN, "cp949"), ("Η Ελλάδα είναι μια χώρα στην Ευρώπη και έχει πολλά νησιά. " * 3, "iso8859-7"),
        ("日本語の文章はこのように書かれています。文字コードを調べます。" * 3, "shift_jis"),
        ("日本語の文章はこのように書かれています。文字コードを調べます。" * 3, "euc_jp"),
        ("中文网页的字符编码有很多种，这里是一段简体中文。" * 3, "gb18030"),
        ("השפה העברית נכתבת מימין לשמאל, והיא שפה עתיקה מאוד. " * 3, "cp1255"),
    ],
)  # fmt: skip
def test_a_detected_encoding_counts_where_it_fits_the_page(text: str, codec: str) -> None:
    assert decode_body(f"<p>{text}</p>".encode(codec))[0] == f"<p>{text}</p>"


def test_a_charset_in_a_script_or_a_title_does_not_count() -> None:
    for decoy in ("<script>var a = '<meta charset=iso-8859-1>';</script>", "<style>/*<meta charset=koi8-r>*/</style>",
                  "<title><meta charset=gbk></title>", "<textarea><meta charset=big5></textarea>",
                  "<SCRIPT>" + "x = 1; " * 1500 + "'<meta charset=koi8-r>'</SCRIPT>"):  # fmt: skip
        body = meta(RUSSIAN, "windows-1251").replace("<head>", f"<head>{decoy}")
        assert decode_body(body.encode("cp1251"))[1] == "windows-1251"


def encode_twice(text: str, times: int = 1) -> str:
    for _ in range(times):
        text = "".join(bytes([byte]).decode("cp1252", "replace").replace("\ufffd", chr(byte)) for byte in text.encode())
    return text


@pytest.mark.parametrize(
    "text",
    ["It’s the café’s “menu” – 5 €.", "El niño está aquí", "Für den Müller", "Быть или не быть, и всё", "naïve",
     "日本語の文章です", "Žluťoučký kůň příliš", "smile 😀 now", "Ελληνικά είναι ωραία"],
)  # fmt: skip
@pytest.mark.parametrize("times", [1, 2])
def test_text_that_was_encoded_twice_is_repaired_and_told(text: str, times: int) -> None:
    page = f"<p>{text}</p><p>and plain words</p>"
    assert decode_body(encode_twice(page, times).encode()) == (page, "utf-8 twice")
    mixed = encode_twice(f"<p>{text}</p>") + "<footer>© Café</footer>"
    assert decode_body(mixed.encode())[0] == f"<p>{text}</p><footer>© Café</footer>"


@pytest.mark.parametrize(
    "text",
    ["«LE CAFÉ» is open, “CAFÉ” too, and the é stays", "He said “fiancé”… and “café”—twice", "NÃO, SÃO PAULO, Ã",
     "PÂ» and «Ñ»", "Mojibake: cafÃ© is what it’s called",
     "Voilà «à» côté, élève, été, où, ça: Ã© is a fault in one place", "Привет, мир",
     "10°C × 5 £", "Østergård — Åse"],
)  # fmt: skip
def test_text_that_may_be_right_is_left_alone(text: str) -> None:
    assert decode_body(f"<p>{text}</p>".encode()) == (f"<p>{text}</p>", "utf-8")


@pytest.mark.parametrize("between", ["", "naïve ", "x" * 60, "x" * 70, "漢" * 21, "漢字 " * 3000, "10 €\n" * 40])
def test_text_that_was_encoded_twice_is_found_wherever_it_stands(between: str) -> None:
    for text in (f"«À» {between}café{between}«Ü»{between}😀", f"{between}, a café"):
        assert decode_body(encode_twice(text).encode()) == (text, "utf-8 twice")


def test_unclosed_markup_takes_linear_time() -> None:
    for token in (b"<!--", b"<script ", b"<", b"<style>"):
        assert decode_body(b"caf\xe9 \xff\xe8 " * 10 + token * (250_000 // len(token)))[0].startswith("caf")
