"""When a page was published, by htmldate: deterministic, never after the crawl, quick on hostile pages."""

import time

import pytest

from pipeline.html.dates import MAX_CHARACTERS, find_date

CRAWLED = "2020-05-01T12:00:00Z"


def page(body: str) -> str:
    return f"<html><head><title>A page</title></head><body>{body}</body></html>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<time datetime='2019-11-18T08:00'>yesterday</time><p>text</p>", "2019-11-18"),
        ("<p class='post-date'>18 November 2019</p><p>text</p>", "2019-11-18"),
        ("<p>Published on 2019-11-18</p>", "2019-11-18"),
        ("<time datetime='2020-06-02'>next month</time>", ""),  # after the crawl
        ("<time datetime='2020-06-02'>next month</time><p class='date'>2020-04-30</p>", "2020-04-30"),
        ("<time datetime='2020-05-01'>today</time>", "2020-05-01"),
        ("<p>no date</p>", ""),
    ],
)
def test_what_the_markup_says(body: str, expected: str) -> None:
    assert find_date(page(body), "https://a.example/x", CRAWLED) == expected


def test_the_day_of_the_crawl_is_the_only_today() -> None:
    html = page("<time datetime='2012-03-04'>x</time>")
    assert find_date(html, "", "20120305101112") == "2012-03-04"  # as ARC files write it
    assert find_date(html, "", "2012-02-28T00:00:00Z") == ""
    assert find_date(html, "", "") == ""


def test_broken_pages_have_no_date() -> None:
    for html in ("", "<", "\x00", "\ud800", "<html>", "<?xml?>", "<!DOCTYPE"):
        assert find_date(html, "http://[bad", CRAWLED) == ""


@pytest.mark.parametrize("unit", ["<div>", "<time datetime='", "<p class='date'>2", "2020-", "20", "1 ", "Jan 1 ", "<"])
def test_hostile_pages_take_little_time(unit: str) -> None:
    start = time.process_time()
    find_date(page(unit * MAX_CHARACTERS), "", CRAWLED)
    assert time.process_time() - start < 2
