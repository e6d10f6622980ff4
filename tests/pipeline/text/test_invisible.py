"""Characters that are never text."""

import pytest

from pipeline.text.invisible import clean_plain_text, escape_controls, remove_controls


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\x1b]0;PWNED\x07\x1b[31mRED\x1b[0m", "]0;PWNED[31mRED[0m"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a\tb \x9b31m", "a\tb 31m"),
        ("soft\xadhyphen \ufeffmark \ud800", "softhyphen mark "),
        ("ภาษา\u200bไทย a\u200bb", "ภาษา\u200bไทย ab"),
    ],
)
def test_plain_text_is_as_clean_as_extracted_text(text: str, cleaned: str) -> None:
    assert clean_plain_text(text) == cleaned
    assert clean_plain_text(cleaned) == cleaned


def test_addresses_and_lines_hold_no_controls() -> None:
    assert escape_controls("http://a/\x1b[2J\x9b\n") == "http://a/%1B[2J%C2%9B%0A"
    assert escape_controls("http://a/ü%20") == "http://a/ü%20"
    assert remove_controls("a\x1b[0m\x85b") == "a[0mb"
