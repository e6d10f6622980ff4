"""What a page asks of robots, however it is written."""

import time

import pytest

from pipeline.html.robots import ROBOT_NAMES, robots_directives


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("X-Robots-Tag", "noindex")], {"noindex"}),
        ([("x-robots-tag", "NOAI, noimageai")], {"noai", "noimageai"}),
        ([("X-Robots-Tag", "googlebot: noindex, nofollow")], {"noindex", "nofollow"}),
        ([("X-Robots-Tag", "unavailable_after: 25 Jun 2010 15:00:00 PST, noarchive")], {"noarchive"}),
        ([("X-Robots-Tag", "none")], {"none", "noindex", "nofollow"}),
        ([("X-Robots-Tag", "max-snippet:-1"), ("X-Robots-Tag", "nosnippet")], {"nosnippet"}),
        ([("TDM-Reservation", "1"), ("tdm-policy", "https://x/p.json")], {"tdm-reservation"}),
        ([("TDM-Reservation", "0")], set()),
        ([("Content-Type", "noindex")], set()),
        ([], set()),
    ],
)
def test_headers(headers: list[tuple[str, str]], expected: set[str]) -> None:
    assert robots_directives(headers, "<html><head></head><body></body></html>") == expected


@pytest.mark.parametrize("name", sorted(ROBOT_NAMES))
def test_every_robot_counts(name: str) -> None:
    assert robots_directives([], f'<meta charset="utf-8"><meta name="{name}" content="noai">') == {"noai"}


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ('<meta name="robots" content="noindex, nofollow">', {"noindex", "nofollow"}),
        ("<META CONTENT='NoAI' data-x=1 NAME=Robots />", {"noai"}),
        ("<meta name=robots content=noindex>", {"noindex"}),
        ('<meta\n name="googlebot"\n content="noarchive"\n>', {"noarchive"}),
        ('<meta name="GPTBot" content="noai">', {"noai"}),
        ('<meta name="tdm-reservation" content="1">', {"tdm-reservation"}),
        ('<meta name="robots" content="index, follow, max-image-preview:large">', {"index", "follow"}),
        ('<meta name="robots" content="noindex" name="description">', {"noindex"}),
        ('<meta title="a > b" name="robots" content="noindex">', {"noindex"}),
        ("<title>x</title><meta name='robots' content='no&#105;ndex'>", {"noindex"}),
        # not the page's wish
        ('<!-- <meta name="robots" content="noindex"> -->', set()),
        ('<script>var a = \'<meta name="robots" content="noindex">\';</script>', set()),
        ('<style>/* <meta name="robots" content="noindex"> */</style>', set()),
        ('<title><meta name="robots" content="noindex"></title>', set()),
        ('<meta name="description" content="noindex">', set()),
        ('</head><body><meta name="robots" content="noindex">', set()),
        ('<metadata name="robots" content="noindex">', set()),
        ('<!-- unclosed <meta name="robots" content="noindex">', set()),
    ],
)
def test_meta_tags_of_the_head(head: str, expected: set[str]) -> None:
    assert robots_directives([], f"<!DOCTYPE html><html><head><meta charset=utf-8>{head}") == expected


@pytest.mark.parametrize(
    "unit",
    [
        "<!--",
        "<meta ",
        "<meta name='",
        '<meta a="',
        "<script>",
        "<title",
        "<meta a=b ",
        "a='b ",
        "<",
        "</script",
        "<style ",
    ],
)
def test_a_megabyte_of_broken_head_takes_linear_time(unit: str) -> None:
    html = "<html><head><meta x " + unit * (1_000_000 // len(unit))
    start = time.process_time()
    robots_directives([], html)
    assert time.process_time() - start < 3
