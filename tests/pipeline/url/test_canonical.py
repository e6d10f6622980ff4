"""URLs as keys: known cases, and what must hold for any string."""

import gzip
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.url.canonical import canonical_url, url_domain, url_host
from tests.shared import shared_data

SAME = [
    (
        "https://example.com",
        [
            "http://example.com/",
            "HTTPS://WWW.Example.COM:443/",
            "http://example.com:80/#top",
            "example.com",
            "//example.com/index.html",
            "https://user:pw@example.com/?utm_source=x&fbclid=1",
            "https://example.com.",
            "http://www..example..com",
        ],
    ),
    (
        "https://example.com/a/b",
        [
            "http://www.example.com/a/b/",
            "https://example.com/a/./c/../b",
            "https://example.com/a/b//",
            "https://example.com/a/b?ref=feed",
            "https://example.com/a/b;jsessionid=AB12",
            " https://example.com/a/\nb ",
        ],
    ),
    (
        "https://example.com?a=1&b=2",
        ["https://example.com/?b=2&a=1", "https://example.com/index.php?b=2&&a=1&PHPSESSID=9&srsltid=Q"],
    ),
    ("https://example.com/caf%C3%A9~x", ["https://example.com/café%7Ex", "https://example.com/caf%c3%a9~x"]),
    ("https://example.com/100%25", ["https://example.com/100%"]),
    ("https://example.com?q=a+b", ["https://example.com/?q=a%20b", "https://example.com/?q=a b"]),
    ("https://xn--mller-kva.de", ["http://MÜLLER.de/", "https://www.müller.de", "https://xn--mller-kva.de/"]),
    ("https://example.com:8080/x", ["http://example.com:8080/x/"]),
    ("https://example.com#!/app/1", ["http://example.com/#!/app/1"]),
]


@pytest.mark.parametrize(("key", "addresses"), SAME)
def test_addresses_of_one_page_have_one_key(key: str, addresses: list[str]) -> None:
    for address in addresses:
        assert canonical_url(address) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.com/a", "https://example.com/A"),
        ("https://example.com/?id=1", "https://example.com/?id=2"),
        ("https://example.com/?a=1&a=2", "https://example.com/?a=2"),
        ("https://m.example.com/", "https://example.com/"),
        ("https://blog.example.com/", "https://example.com/"),
        ("https://example.com/a%2Fb", "https://example.com/a/b"),
        ("https://example.com/?q=a%26b", "https://example.com/?q=a&b"),
        ("https://example.com:8080/", "https://example.com/"),
    ],
)
def test_different_pages_keep_different_keys(one: str, other: str) -> None:
    assert canonical_url(one) != canonical_url(other)


def test_what_is_no_url_comes_back() -> None:
    assert canonical_url("  ") == ""
    assert canonical_url("http://[bad/x") == "http://[bad/x"


ADDRESS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "//", "", "ftp://", "HTTP://u:p@"]),
    st.sampled_from(["www.", "www.www.", ""]),
    st.sampled_from(
        ["example.com", "müller.de:80", "[::1]:8080", "1.2.3.4", "a..b", "ß.example", "www.com", "x.", "%41.com", ""]
    ),
    st.lists(
        st.sampled_from(
            [
                "/",
                "/a",
                "/..",
                "/.",
                "//",
                "/index.html",
                "/index.php",
                ";sid=1",
                "%",
                "%4",
                "%2e",
                "%2F",
                "é",
                " ",
                ":",
                "@",
            ]
        ),
        max_size=6,
    ).map("".join),
    st.lists(
        st.sampled_from(["?", "&", "a=1", "utm_x=1", "%20", "+", "#", "!", "#!", "=", "%41", "ref=", "\ud800"]),
        max_size=6,
    ).map("".join),
)


@given(st.text(max_size=40) | ADDRESS)
@example("http://a/%%341")
@example("http://a//index.html/")
@example("#!")
@example("http:////")
@example("http://www..a\N{ARABIC LETTER BEH}-1")
def test_canonical_is_idempotent_and_never_raises(url: str) -> None:
    once = canonical_url(url)
    assert canonical_url(once) == once
    url_host(url), url_domain(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://news.bbc.co.uk/1", "bbc.co.uk"),
        ("http://a.b.example.com:81/", "example.com"),
        ("http://a.x.blogspot.com/", "x.blogspot.com"),
        ("http://192.168.1.7/x", "192.168.1.7"),
        ("http://[2001:db8::1]:80/", "[2001:db8::1]"),
        ("http://localhost:8000/", "localhost"),
        ("http://page.unknown.invalid/", "page.unknown.invalid"),
        ("http://www.müller.de/", "xn--mller-kva.de"),
        ("", ""),
    ],
)
def test_site(url: str, expected: str) -> None:
    assert url_domain(url) == expected


def test_sites_of_the_public_pages() -> None:
    """The index names each page's site by another reading of the suffix list."""
    with gzip.open(shared_data("crawl/index.jsonl.gz"), "rt") as lines:
        pages = [json.loads(line) for line in lines]
    differing = {(page["site"], url_domain(page["url"])) for page in pages if page["site"] != url_domain(page["url"])}
    assert not differing
    keys = {page["url"]: canonical_url(page["url"]) for page in pages}
    assert all(canonical_url(key) == key for key in keys.values())
    assert len(set(keys.values())) > 0.98 * len(keys)  # what is joined is the exception


def test_long_chains_have_the_key_of_their_page() -> None:
    assert canonical_url("https://a.com" + "/index.html" * 100_000) == canonical_url("https://a.com")
    assert canonical_url("https://" + "www." * 100_000 + "com") == "https://www.com"
    long = "ü" * 300 + ".com"
    assert canonical_url(f"https://{long}/") == f"https://{long}"
