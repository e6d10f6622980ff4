"""What is masked and what is left: valid and invalid forms of each kind, and the time that hostile text takes."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.text.pii.accounts import is_card
from pipeline.text.pii.mask import OF_INTEREST, PiiConfig, _candidate_lines, mask_pii

ALL = PiiConfig()

MASKED = [
    # e-mail addresses
    ("write to jane.doe+lists@mail.example-shop.co.uk.", "write to <EMAIL>.", "emails"),
    ("Jane <jane@doe.org>, John <j@doe.org>", "Jane <<EMAIL>>, John <<EMAIL>>", "emails"),
    ("联系邮箱abc_1@qq.com。", "联系邮箱<EMAIL>。", "emails"),
    ("<b>jörg@müller.de</b>", "<b><EMAIL></b>", "emails"),
    # public addresses
    ("from 8.8.8.8:53 and 2a00:1450:4001:81c::200e/64", "from <IP_ADDRESS>:53 and <IP_ADDRESS>/64", "ips"),
    ("[2001:4860:4860::8888]", "[<IP_ADDRESS>]", "ips"),
    # phones: international, then as written at home, then labelled
    ("Ruf +49 (0)30 901820-0 an", "Ruf <PHONE> an", "phones"),
    ("+1-212-555-0142, +44 20 7946 0018", "<PHONE>, <PHONE>", "phones"),
    ("+8613800138000 / 0033 1 42 68 53 00", "<PHONE> / <PHONE>", "phones"),
    ("+39 06 6982 1234 (Vaticano), 0012 cose", "<PHONE> (Vaticano), 0012 cose", "phones"),
    ("(212) 555-0142 or 1-800-800-1504 or 212.555.0142", "<PHONE> or <PHONE> or <PHONE>", "phones"),
    ("Tél. 01 42 68 53 00", "Tél. <PHONE>", "phones"),
    ("020 7946 0018; 01632 960 001; 03-1234-5678; 090-1234-5678", "<PHONE>; <PHONE>; <PHONE>; <PHONE>", "phones"),
    ("call 212-555-0142 24 hours or (212) 555-0142 7 days", "call <PHONE> 24 hours or <PHONE> 7 days", "phones"),
    ("8 (495) 123-45-67", "<PHONE>", "phones"),
    ("(11) 91234-5678", "<PHONE>", "phones"),
    ("138-0013-8000", "<PHONE>", "phones"),
    ("Tel.: 40 12 34 56, Fax 555-0142", "Tel.: <PHONE>, Fax <PHONE>", "phones"),
    ("电话：0571-88776655", "电话：<PHONE>", "phones"),
    # cards (the issuers' public test numbers) and IBANs (the registry's examples)
    ("4111 1111 1111 1111 12/27", "<CARD> 12/27", "cards"),
    ("5555-5555-5555-4444, 378282246310005, 3782 822463 10005", "<CARD>, <CARD>, <CARD>", "cards"),
    ("30569309025904 6011111111111117 3530111333300000", "<CARD> <CARD> <CARD>", "cards"),
    ("IBAN: DE89 3704 0044 0532 0130 00 BIC COBADEFF", "IBAN: <IBAN> BIC COBADEFF", "ibans"),
    ("GB29NWBK60161331926819, NO93 8601 1117 947", "<IBAN>, <IBAN>", "ibans"),
    ("AB12 GB29NWBK60161331926819 GB29NWBK60161331926819", "AB12 <IBAN> <IBAN>", "ibans"),
    ("MT84 MALT 0110 0001 2345 MTLC AST0 01S", "<IBAN>", "ibans"),
]

LEFT = [
    # not addresses
    "user@localhost",
    "logo@2x.png",
    "pip install foo@1.2.3",
    "a @ b.com",
    "jane@example.com",
    "x@host.invalid",
    "@handle",
    # private, reserved, documentation; versions
    "10.0.0.1 192.168.1.1 127.0.0.1 203.0.113.7 255.255.255.0",
    "999.1.1.1",
    "1.2.3.4.5",
    "v8.8.8.8",
    "version 8.8.8.8",
    'openjdk version "17.0.4.1"',
    # section numbers, versions, object identifiers
    "6.3.4.1. Options of the server",
    "Section 6.3.4.6, “Configuring”; see Table 3.2.1.4 (and 6.2.1.1)",
    "Chapter 5.12.3.1 and 6.2.1.1",
    "§ 8.2.1.1 and 第6.3.4.1節 und Kapitel 5.12.3.1",
    "upgrade from 4.0.0.1 to 4.2.0.7",
    "Linux 2.6.32.71, jQuery UI 1.8.16.1, Server: openresty/1.9.7.1",
    "Chrome/17.0.963.79 Safari/535.11",
    "OID 1.3.6.1",
    "Soft4Boost Screen Recorder 3.1.3.145",
    "Flash Player 11.2.202.235 and earlier",
    "up to and including 3.6.23.1, a call",
    "| 3.2.1.4 | 3.2.1.5 |",
    'mDNS address "224.0.0.251"',
    # logins, placeholders, units
    "git clone git@github.com:a/b.git",
    "rsync . user@host.dom:/dest",
    "systemctl start mail@dbus.service",
    "https://www.facebook.com/x/posts/2395361813834269",
    "post?id=4111111111111111",
    # groups of digits
    "population 601 234 567",
    "12 34 56 78",
    "538 538 1075 112 free",
    "Cambridge, MA 02139-4307",
    "04465-33450",
    "vol. 12 1990-2000",
    "1 300 123 456 people",
    "06:30-12:15 2024",
    "lottery 04 12 23 31 44 49",
    "::1 fe80::1 2001:db8::1 dead::beef",
    "std::vector a::b 12:30:45 00:1A:2B:3C:4D:5E",
    # dates, times, sums, codes, books
    "2024-01-31 31.01.2024 01/31/2024 2024-01-31T12:30:45",
    "1999-2004",
    "1,234,567.89 and 12 345 678,90 EUR",
    "+20 000 000 people",
    "+100 000 000",
    "ISBN 978-3-16-148410-0",
    "ISBN 0-306-40615-2",
    "ISBN-10: 030 640 6152",
    "1712345678901",
    "call 911",
    "Tel Aviv 1909",
    "phone 2019-2020",
    "Tel: 2024-01-31",
    "order 2125550142",
    "pi 3.14159265358979",
    "10.1000/182",
    "100 200 300 400",
    "0.123 0.456 0.789",
    "1-2-3-4-5-6-7-8-9",
    "24/7/365",
    # failing checksums, unknown issuers and countries
    "4111 1111 1111 1112",
    "1234 5678 9012 3452",
    "9999999999999995",
    "DE88 3704 0044 0532 0130 00",
    "XX89370400440532013000",
    "DE89 3704 0044 0532 0130",
    "4006381333931",
]


@pytest.mark.parametrize(("text", "expected", "kind"), MASKED)
def test_personal_data_is_masked_and_counted(text: str, expected: str, kind: str) -> None:
    masked, counts = mask_pii(text, ALL)
    assert masked == expected
    assert counts == {kind: expected.count(MASK[kind])}


FORMS = Path(__file__).parent / "data" / "pii_forms.tsv"
LEAST_RECALL = 0.98


def test_forms_of_many_countries_and_scripts_are_masked_and_nothing_beside_them() -> None:
    """Each line of the file is a kind and a text, in which ⟦ and ⟧ stand around what is personal."""
    rows = [line.split("\t") for line in FORMS.read_text(encoding="utf-8").splitlines()]
    wrong = [
        text for kind, text in rows if mask_pii(re.sub("[⟦⟧]", "", text), ALL)[0] != re.sub("⟦.*?⟧", MASK[kind], text)
    ]
    assert len(rows) >= 400
    assert len(wrong) <= (1 - LEAST_RECALL) * len(rows), wrong


MASK = {"emails": "<EMAIL>", "ips": "<IP_ADDRESS>", "phones": "<PHONE>", "cards": "<CARD>", "ibans": "<IBAN>"}


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    assert mask_pii(text, ALL) == (text, {})


@pytest.mark.parametrize("kind", MASK)
def test_each_kind_can_be_switched_off_alone(kind: str) -> None:
    text = "a@b.org\nhost 8.8.8.8\n(212) 555-0142\n4111111111111111\nGB29NWBK60161331926819"
    masked, counts = mask_pii(text, PiiConfig(**{kind: False}))
    assert sorted(counts) == sorted(set(MASK) - {kind})
    assert all((mask in masked) == (name != kind) for name, mask in MASK.items())


def test_lines_keep_their_place() -> None:
    text = "first\n\ncall (212) 555-0142\nlast 12\n345 678\n"
    assert mask_pii(text, ALL)[0] == "first\n\ncall <PHONE>\nlast 12\n345 678\n"


def test_a_card_needs_the_right_check_digit() -> None:
    """Of the ten numbers that differ in the last digit, exactly one is valid."""
    assert [digit for digit in "0123456789" if is_card("411111111111111" + digit)] == ["1"]


PIECES = st.sampled_from(
    [
        "a@b.org",
        "8.8.8.8",
        "+49 30 901820",
        "(212) 555-0142",
        "4111111111111111",
        "GB29NWBK60161331926819",
        "tel",
        "tel: 5550142",
        "电话",
        " ",
        "-",
        ".",
        "@",
        "+",
        "(",
        ")",
        "1",
        "55",
        "x",
        "::",
        ":",
        "<",
        ">",
        "\n",
        "2a00::1",
        "00",
        "isbn ",
        "ip ",
        "93.184.216.34",
        ", ",
        "call ",
        "v",
        "6.3.4.1",
        "-",
        "пример@почта.рф",
        "１３",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join) | st.text(alphabet="0123456789+-. ()@abc:\n<>", max_size=60))
@example("+49 30 901820+49 30 901820")
def test_masking_twice_changes_nothing(text: str) -> None:
    once = mask_pii(text, ALL)[0]
    assert mask_pii(once, ALL) == (once, {})


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="1234567890 .:@aF\n中é😀\u00a0", max_size=120))
@example("1中中中2中中中3中中中4中中中5中中中6")
@example("1😀😀😀2😀😀😀3😀😀😀4😀😀😀5😀😀😀6")
def test_the_fast_search_of_a_texts_bytes_misses_no_line(text: str) -> None:
    """What it finds are whole lines, in order, and every line of interest is among them."""
    raw = text.encode()
    spans = list(_candidate_lines(raw, 4 if text.isascii() else 13))
    assert spans == sorted(set(spans))
    found = [raw[start:end].decode() for start, end in spans]
    lines = iter(text.split("\n"))
    assert all(line in lines for line in found)  # each is consumed in turn: a subsequence of the lines
    assert [line for line in found if OF_INTEREST.search(line)] == [
        s for s in text.split("\n") if OF_INTEREST.search(s)
    ]


HOSTILE = [
    "1",
    "1 ",
    "1-",
    "a@",
    "a.",
    "@",
    "+1 ",
    "(1)",
    "1.",
    "1:",
    "a:",
    "AB12",
    "AB12 ",
    "+(0)",
    "tel",
    "tel 1",
    "0 0",
    "a@a.",
    "::",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_megabyte_of_hostile_text_takes_linear_time(unit: str) -> None:
    """Twice the text may take about twice the time: a quadratic pattern would take minutes here, not seconds."""
    text = (unit * 1_000_000)[:1_000_000]
    start = time.process_time()
    mask_pii(text, ALL)
    assert time.process_time() - start < 8
