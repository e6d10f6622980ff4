"""What a page is about, by the words of its address."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.url.topic_by_address import DOMAINS, TABLE, find_topic


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.nature.com/articles/s41586", "science"),
        ("https://physics.example.edu/research/quantum", "science"),
        ("https://docs.python.org/3/library/re.html", "code"),
        ("https://example.com/api/docs", "code"),
        ("https://techradar.example/laptops", "technology"),
        ("https://news.bbc.co.uk/2/hi", "news"),
        ("https://example.de/nachrichten/politik", "news"),
        ("https://example.jp/ニュース/1", "news"),
        ("https://bookshop.example/novels", "books"),
        ("https://fr.wikipedia.org/wiki/Moulin", "reference"),
        ("https://example.com/movies/reviews", "entertainment"),
        ("https://example.es/deportes/futbol", "sport"),
        ("https://example.com/health/diabetes", "health"),
        ("https://example.pl/sklep/produkty", "commerce"),
        ("https://guitarforum.example/", "forum"),
        ("https://example.com/forum/viewtopic.php?t=1", "forum"),
        ("https://justice.gov.uk/", "legal"),
        ("https://health.gov.example/diabetes", "health"),
        ("https://example.com/store/films/matrix", "entertainment"),
        ("https://example.com/news/football/1", "sport"),
        ("https://example.com/news/1", "news"),
        ("https://example.com/index.php", "other"),
        ("https://example.com/recipes/soup", "other"),
        ("https://example.ru/православие", "religion"),
        ("https://example.com/porn/1", "adult"),
        ("https://example.com/", "other"),
        ("", "other"),
        ("http://[bad", "other"),
    ],
)
def test_known_addresses(url: str, expected: str) -> None:
    assert find_topic(url) == expected


def test_a_title_breaks_a_tie_of_nothing_but_one_word_is_not_enough() -> None:
    assert find_topic("https://example.com/1", "Physics and chemistry of water") == "science"
    assert find_topic("https://example.com/1", "The chemistry between us") == "other"
    assert find_topic("https://example.com/movies/1", "Physics and chemistry") == "entertainment"


def test_the_table_fits_the_labels() -> None:
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    assert set(table) == set(DOMAINS) - {"other"} | {"endings", "weak"}
    assert set(table["endings"].values()) <= set(DOMAINS)
    assert set(table["weak"].split()) <= {word for topic in DOMAINS[:-1] for word in table[topic]["words"].split()}


@given(st.text(max_size=60), st.text(max_size=30))
def test_always_one_of_the_labels(url: str, title: str) -> None:
    assert find_topic(url, title) in DOMAINS
