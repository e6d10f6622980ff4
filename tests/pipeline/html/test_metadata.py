"""What a page says of itself."""

import pytest

from pipeline.html.metadata import AUTHORS, DATES, TITLES, extract_metadata

URL = "https://example.com/2021/03/04/story"


def of(head: str, body: str = "", url: str = "https://example.com/a"):
    return extract_metadata(f"<html><head>{head}</head><body>{body}</body></html>", url)


@pytest.mark.parametrize(
    ("head", "field", "expected"),
    [
        ("<title>\n A &amp; B \t</title>", "title", "A & B"),
        ('<title>Site</title><meta property="og:title" content="The story">', "title", "The story"),
        ("<svg><title>", "title", ""),
        ('<meta name="author" content="Jane Doe">', "author", "Jane Doe"),
        ('<meta name="keywords" content="a > b"><META NAME="AUTHOR" content="Jane">', "author", "Jane"),
        ('<meta content="1 > 0, by Jane" name="author">', "author", "1 > 0, by Jane"),
        ("<meta id='>' name='author' content='Jane'>", "author", "Jane"),
        ('<meta id="1" content="Jane" name="auth&#111;r">', "author", "Jane"),
        (f'<meta id="{"x" * 3990}" name="author" content="Jane">', "author", "Jane"),
        ('<meta property="article:author" content="https://facebook.com/jane">', "author", ""),
        (
            '<script type="application/ld+json">{"@graph": [{"author": [{"name": "A"}, {"name": "B"}]}]}</script>',
            "author",
            "A, B",
        ),
        ('<meta property="article:published_time" content="2020-02-03T10:00:00Z">', "date", "2020-02-03"),
        ('<script type="application/ld+json">{"datePublished": "2019-1-5"}</script>', "date", "2019-01-05"),
        ('<meta name="date" content="yesterday">', "date", ""),
        ('<meta name="date" content="2019-11-18T12:00:00+02:00">', "date", "2019-11-18"),
        ('<meta name="date" content="2019/1/28">', "date", "2019-01-28"),
        ('<meta name="date" content="2019-02-30, 2019-03-01">', "date", "2019-03-01"),
        ('<meta name="date" content="2019-13-01">', "date", ""),
        ('<meta name="date" content="No. 201911181">', "date", ""),
        ('<meta name="date" content="20200203">', "date", "2020-02-03"),
        ('<link rel="canonical" href="/b?x=1&amp;y=2">', "canonical", "https://example.com/b?x=1&y=2"),
        ('<link href="javascript:void(0)" rel=canonical>', "canonical", ""),
        (
            '<link rel="license" href="http://creativecommons.org/licenses/by-sa/4.0">',
            "licence",
            "https://creativecommons.org/licenses/by-sa/4.0/",
        ),
        ('<script type="application/ld+json">{broken</script>', "author", ""),
        (
            '<script type="application/ld+json">{"license": "https://creativecommons.org/licenses/by/4.0/"}</script>',
            "licence",
            "https://creativecommons.org/licenses/by/4.0/",
        ),
        ('<script type="application/ld+json">{"license": "https://shop.example/terms"}</script>', "licence", ""),
    ],
)
def test_the_head(head: str, field: str, expected: str) -> None:
    assert getattr(of(head), field) == expected


@pytest.mark.parametrize(("field", "names", "value"), [
    ("title", TITLES, "Jane"), ("author", AUTHORS, "Jane"), ("date", DATES, "2020-02-03"),
])  # fmt: skip
def test_every_name_is_read(field: str, names: tuple[str, ...], value: str) -> None:
    for name in names:
        assert getattr(of(f'<link rel="icon" href="/i"><meta name="{name.upper()}" content="{value}">'), field) == value


def test_a_date_in_the_address_is_the_last_resort() -> None:
    assert of("", url=URL).date == "2021-03-04"
    assert of('<meta name="date" content="2020-01-01">', url=URL).date == "2020-01-01"


def test_a_licence_in_the_body_counts_if_it_is_marked_or_the_only_one() -> None:
    by = '<a href="https://creativecommons.org/licenses/by/4.0/deed.en">CC BY</a>'
    zero = '<a rel="license" href="https://creativecommons.org/publicdomain/zero/1.0/">CC0</a>'
    assert of("", by).licence == "https://creativecommons.org/licenses/by/4.0/"
    assert of("", by + zero).licence == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert of("", by + zero.replace('rel="license" ', "")).licence == ""


def test_json_ld_counts_wherever_it_stands() -> None:
    script = '<script type="application/ld+json">{"datePublished": "2020-05-06", "author": {"name": "Jo"}}</script>'
    found = of("<title>x</title>", "<p>text</p>" * 10_000 + script)
    assert (found.date, found.author) == ("2020-05-06", "Jo")
    assert of("", script[:-9]).date == ""  # never closed


def test_a_licence_in_the_footer_is_found() -> None:
    link = '<footer>Text: <a class=l href="//creativecommons.org/licenses/by-nc/3.0/de/">CC</a></footer>'
    assert of("", "<p>text</p>" * 10_000 + link).licence == "https://creativecommons.org/licenses/by-nc/3.0/de/"


def test_broken_pages_give_empty_fields() -> None:
    for html in ("", "<", "<title", "\x00", "<meta content=", "<script type='application/ld+json'>" + "[" * 100_000):
        assert set(extract_metadata(html, "http://[bad")) <= {"", "["}


def test_long_lists_of_graphs_and_long_numbers_are_read() -> None:
    graphs = ",".join(['{"@graph": [{"author": "Ada"}]}'] * 20_000)
    page = f'<title>&#{"9" * 5000};x</title><script type="application/ld+json">[{graphs}]</script>'
    found = extract_metadata(page, "")
    assert found.author == "Ada" and found.title.endswith("x")
