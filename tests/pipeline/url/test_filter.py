"""What is dropped by its address: lists, words, endings; and what must not be."""

import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.url.blocklists import ListError
from pipeline.url.filter import UrlFilter, UrlRules, find_adult_word
from tests.shared import shared_data

PLAIN = UrlFilter(UrlRules())


@pytest.fixture
def ut1(tmp_path: Path) -> Path:
    """A blocklist in UT1's shape, with a category that is none to block."""
    for category, domains, urls in (
        ("adult", "bad.example\n1.2.3.4\n", "mixed.example/~joe\nwww.host.example/gallery/\n"),
        ("gambling", "casino.example\n", ""),
        ("shopping", "shop.example\n", ""),
    ):
        (tmp_path / category).mkdir()
        (tmp_path / category / "domains").write_text(domains)
        (tmp_path / category / "urls").write_text(urls)
    return tmp_path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://bad.example/x", ("blocked-domain", "adult: bad.example")),
        ("https://deep.www.BAD.example:8080/", ("blocked-domain", "adult: bad.example")),
        ("http://1.2.3.4/", ("blocked-domain", "adult: 1.2.3.4")),
        ("https://casino.example/", ("blocked-domain", "gambling: casino.example")),
        ("https://mixed.example/~joe/pictures?p=2", ("blocked-url", "adult: mixed.example/~joe")),
        ("https://host.example/gallery", ("blocked-url", "adult: host.example/gallery")),
        ("https://mixed.example/~joey", None),
        ("https://notbad.example/", None),
        ("https://example/", None),
        ("https://shop.example/", None),
    ],
)
def test_lists_block_a_domain_its_subdomains_and_what_lies_below(ut1: Path, url: str, expected: tuple | None) -> None:
    assert UrlFilter(UrlRules(blocklists=(str(ut1),))).reject(url) == expected


def test_a_list_named_by_itself_always_counts_and_allow_wins(ut1: Path, tmp_path: Path) -> None:
    hosts = tmp_path / "mine.txt"
    hosts.write_text("# my own\n0.0.0.0 tracker.example\nwww.spam.example # since May\n\n")
    rules = UrlRules(blocklists=(str(ut1 / "shopping"), str(hosts)), allow=("fine.shop.example",))
    urls = UrlFilter(rules)
    assert urls.reject("https://a.shop.example/") == ("blocked-domain", "shopping: shop.example")
    assert urls.reject("https://fine.shop.example/") is None
    assert urls.reject("https://spam.example/") == ("blocked-domain", "mine: spam.example")
    assert urls.reject("https://tracker.example/") == ("blocked-domain", "mine: tracker.example")


def test_a_missing_list_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="neither a file nor a folder"):
        UrlFilter(UrlRules(blocklists=(str(tmp_path / "none"),)))
    with pytest.raises(ListError, match="url.blocklists: .* none of the categories"):
        UrlFilter(UrlRules(blocklists=(str(tmp_path),)))


def test_a_category_that_no_list_has_is_one_clear_line(ut1: Path) -> None:
    with pytest.raises(ListError, match=r"url.categories: no list has 'gamling' \(they have adult\)"):
        UrlFilter(UrlRules(blocklists=(str(ut1),), categories=("adult", "gamling")))


@pytest.mark.parametrize(
    ("host", "blocked"),
    [
        ("bad.blogspot.com", True),
        ("www.bad.blogspot.com", True),
        ("a.bad.blogspot.com", True),
        ("good.blogspot.com", False),  # a sibling of a listed site
        ("blogspot.com", False),
        ("github.io", True),  # listed, but a public suffix: what people host there is not covered
        ("someone.github.io", False),
        ("co.uk", True),
        ("bbc.co.uk", False),
        ("sub.site.example.co.uk", True),
        ("other.example.co.uk", False),
        ("xn--bcher-kva.example", True),
        ("bücher.example", True),
        ("5.6.7.8", True),
        ("4.5.6.7.8.example", False),
    ],
)
def test_the_suffix_list_says_what_a_listed_name_covers(tmp_path: Path, host: str, blocked: bool) -> None:
    listed = tmp_path / "mine.txt"
    listed.write_text("bad.blogspot.com\ngithub.io\nco.uk\nsite.example.co.uk\nBücher.example\n5.6.7.8\n")
    urls = UrlFilter(UrlRules(blocklists=(str(listed),)))
    assert (urls.reject(f"https://{host}/a/b") is not None) == blocked


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://foo.bad-gam.bler.example/any/bar", "badgambler"),  # strict: within the address, without - and .
        ("http://example.com/x-bad-gambler-y", "badgambler"),
        ("http://www.poker-night.example/", "poker"),  # hard: a whole word
        ("http://example.com/Poker/1", "poker"),
        ("http://pokerface.example/", None),
        ("http://lucky-casino.example/", "casino+lucky"),  # soft: two different ones
        ("http://example.com/lucky/lucky-luke", None),
    ],
)
def test_words_count_as_refinedweb_counts_them(tmp_path: Path, url: str, found: str | None) -> None:
    for key, words in (("strict", "BadGambler # no one"), ("hard", "poker\n\n# comment"), ("soft", "lucky\ncasino")):
        (tmp_path / key).write_text(words)
    urls = UrlFilter(UrlRules(word_lists={key: str(tmp_path / key) for key in ("strict", "hard", "soft")}))
    assert urls.reject(url) == (("listed-words", found) if found else None)


@pytest.mark.parametrize(
    ("content", "message"),
    [("two words\n", "'two words' is not one word"), ("# none\n", "holds no words"), (None, "cannot read")],
)
def test_a_bad_word_list_is_one_clear_line(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "words").write_text(content)
    with pytest.raises(ListError, match=f"url.word_lists.hard: .*{message}"):
        UrlFilter(UrlRules(word_lists={"hard": str(tmp_path / "words")}))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/", "not-http"),
        ("example.com", "not-http"),
        ("mailto:a@b.org", "not-http"),
        ("http:///x", "not-http"),
        ("", "not-http"),
        ("https://free-porn-videos.example/", "adult-words"),
        ("https://www.bestxvideosclips.example/", "adult-words"),
        ("https://example.com/tag/hot-nude-girls", "adult-words"),
        ("https://example.com/%70orn/1", "adult-words"),
        ("https://example.com/report.PDF?download=1", "extension"),
        ("https://example.com/a/photo.jpeg#x", "extension"),
        ("https://example.com/", None),
        ("https://middlesex.example/", None),
        ("https://xxxlutz.de/sofas", None),
        ("https://ville-pornic.fr/plages", None),
        ("https://example.com/sex-education", None),
        ("https://analytics.example/cockpit/classic", None),
        ("https://en.wikipedia.org/wiki/File:Map.png", None),
        ("https://example.com/docs/node.js", None),
        ("https://example.com/v1.2/page?file=a.pdf", None),
        ("https://example.zip/", None),
    ],
)
def test_words_and_endings(url: str, reason: str | None) -> None:
    found = PLAIN.reject(url)
    assert (found[0] if found else None) == reason


def test_rules_can_be_switched_off() -> None:
    off = UrlFilter(UrlRules(adult_words=False, extensions=False))
    assert off.reject("https://porn.example/a.pdf") is None


@given(st.text(max_size=60))
def test_never_raises(url: str) -> None:
    PLAIN.reject(url)
    PLAIN.reject("http://" + url)


def test_ut1_blocks_what_it_lists_and_almost_nothing_of_the_public_pages(tmp_path: Path) -> None:
    import gzip
    import json

    urls = UrlFilter(UrlRules(blocklists=(str(shared_data("lists/ut1.tar.xz")),)))
    with tarfile.open(shared_data("lists/ut1.tar.xz")) as archive:
        source = archive.extractfile("ut1/gambling/domains")
        assert source
        listed = source.read().decode().split()[::500]
    assert all((urls.reject(f"https://sub.{name}/x") or ("",))[0] == "blocked-domain" for name in listed)
    with gzip.open(shared_data("crawl/index.jsonl.gz"), "rt") as lines:
        reasons = [(urls.reject(json.loads(line)["url"]) or ("",))[0] for line in lines]
    dropped = [reason for reason in reasons if reason]
    assert len(dropped) < 0.02 * len(reasons), dropped


def test_an_address_longer_than_any_real_one_is_dropped() -> None:
    rules = UrlFilter(UrlRules())
    assert rules.reject("https://example.org/" + "a" * 10_000) == ("too-long", "10020 characters")
    assert rules.reject("https://example.org/" + "a" * 2_000) is None


@pytest.mark.parametrize(
    ("host", "path", "marked"),
    [
        ("hentaigana.example", "/", False),
        ("arxiv.example", "/list/hep-ex/new", False),
        ("school.example", "/sex-education/teens", False),
        ("school.example", "/adult-education/girls-education", False),
        ("site.example", "/teen-sex", True),
        ("hentai.example", "/", True),
    ],
)
def test_innocent_words_and_pairs_mark_no_address(host: str, path: str, marked: bool) -> None:
    assert bool(find_adult_word(host, path)) == marked
