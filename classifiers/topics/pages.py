"""Read the pages that the topic classifier learns from, and label them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from classifiers.errors import ClassifierError
from classifiers.hashing import hash_strings
from classifiers.page_files import PageRow, find_page_files, read_page_rows
from classifiers.tokens import build_token_line
from classifiers.topics.features import MAX_TOPIC_CHARACTERS, describe_shape
from classifiers.topics.labels import (
    TopicLabel,
    TopicLists,
    label_page,
    measure_rarities,
    read_categorised_articles,
)
from pipeline.url.canonical import url_domain
from pipeline.url.topic_by_address import DOMAINS


class ShortPage(NamedTuple):
    """What is kept of a row. The text is cut first, so that a whole crawl fits into memory."""

    id: str
    url: str
    tokens: str
    shape: str  # marks, as `describe_shape` returns them


class TopicPage(NamedTuple):
    """A page with its label. `site` is a key of its own for a page without a URL."""

    id: str
    url: str
    site: str
    tokens: str
    shape: str
    label: TopicLabel


class TopicPages(NamedTuple):
    """The pages, each text once, in an order that depends on content alone, and the rarity of each seed word."""

    pages: list[TopicPage]
    rarity: dict[str, float]


def read_topic_pages(
    documents: str | None = None,
    labelled: str | None = None,
    dumps: Iterable[Path] = (),
    lists: Path | None = None,
) -> TopicPages:
    """Read and label pages. `documents` are labelled automatically; `labelled` pages have a column `topic`.

    Raises ClassifierError, OSError.
    """
    topic_lists = TopicLists(lists) if lists else None
    rows = list(read_short_pages(documents, labelled, dumps))
    rarity = measure_rarities(page.tokens for page, _ in rows)
    found: dict[str, TopicPage] = {}
    for page, given in rows:
        if page.tokens and page.tokens not in found:
            label = given or label_page(page.url, page.tokens, rarity, topic_lists)
            where = url_domain(page.url) if page.url else f"page {page.id}"
            found[page.tokens] = TopicPage(page.id, page.url, where, page.tokens, page.shape, label)
    return TopicPages(sorted(found.values(), key=lambda page: (hash_strings(page.id, page.tokens), page.id)), rarity)


def read_short_pages(
    documents: str | None, labelled: str | None, dumps: Iterable[Path]
) -> Iterator[tuple[ShortPage, TopicLabel | None]]:
    """Yield labelled pages, documents and the articles of dumps, each with its label if it is known already."""
    for path in find_page_files(labelled) if labelled else ():
        for row in read_page_rows(path):
            yield shorten_row(row), check_given_topic(row, path)
    for path in find_page_files(documents) if documents else ():
        for row in read_page_rows(path):
            yield shorten_row(row), None
    for title, text, topic in read_categorised_articles(dumps):
        yield shorten_row({"text": text, "id": title}), TopicLabel(topic, "category")


def shorten_row(row: PageRow) -> ShortPage:
    """Return what is kept of a row."""
    text, url = (row.get("text") or "")[:MAX_TOPIC_CHARACTERS], row.get("url") or ""
    identity = str(row.get("id") or hash_strings(url, text))
    return ShortPage(identity, url, build_token_line(text, MAX_TOPIC_CHARACTERS), describe_shape(text))


def check_given_topic(row: PageRow, path: Path) -> TopicLabel:
    """Return the topic that a row gives. Raises ClassifierError if it is missing or unknown."""
    topic = row.get("topic")
    if topic not in DOMAINS:
        raise ClassifierError(f"{path}: {topic!r} is no topic; a row has a `topic`, one of {', '.join(DOMAINS)}")
    return TopicLabel(topic, "given")
