"""Read the pages that a topic classifier learns from, and label them."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from classifiers.errors import ClassifierError
from classifiers.hashing import hash_strings
from classifiers.page_files import PageRow, find_page_files, read_page_rows
from classifiers.topics.labels import TopicLabel, TopicLists, label_pages, read_categorised_articles
from classifiers.topics.stems import MAX_STEM_CHARACTERS
from pipeline.url.canonical import url_domain
from pipeline.url.topic_by_address import DOMAINS

LABEL_BATCH = 256
MAX_PAGES = 10_000  # that are learned from; a hash draws them


class TopicPage(NamedTuple):
    """A page with its label. `site` is a key of its own for a page without a URL."""

    id: str
    url: str
    site: str
    text: str  # its first MAX_STEM_CHARACTERS
    label: TopicLabel


def read_topic_pages(
    documents: str | None = None,
    labelled: str | None = None,
    dumps: Iterable[Path] = (),
    lists: Path | None = None,
) -> list[TopicPage]:
    """Read and label pages. `documents` are labelled automatically; `labelled` pages have a column `topic`.

    Return each text once, at most MAX_PAGES, in an order that depends on content alone.

    Raises ClassifierError, OSError.
    """
    found: dict[str, TopicPage] = {}
    rows = read_labelled_rows(documents, labelled, dumps, TopicLists(lists) if lists else None)
    for page in heapq.nsmallest(MAX_PAGES, (page for page in rows if page.text.strip()), key=draw_page):
        found.setdefault(page.text, page)
    return list(found.values())


def draw_page(page: TopicPage) -> tuple[bool, str, str]:
    """Return the order in which pages are drawn: those first whose label somebody gave."""
    return page.label.source in ("model", "guess"), hash_strings(page.id, page.text), page.label.topic


def read_labelled_rows(
    documents: str | None, labelled: str | None, dumps: Iterable[Path], lists: TopicLists | None
) -> Iterator[TopicPage]:
    """Yield labelled pages, documents and the articles of dumps, each with its label."""
    for path in find_page_files(labelled) if labelled else ():
        for row in read_page_rows(path):
            yield make_topic_page(row, check_given_topic(row, path))
    for path in find_page_files(documents) if documents else ():
        found = read_page_rows(path)
        while rows := list(islice(found, LABEL_BATCH)):
            labels = label_pages([row.get("text") or "" for row in rows], [row.get("url") or "" for row in rows], lists)
            yield from map(make_topic_page, rows, labels)
    for title, text, topic in read_categorised_articles(dumps):
        yield make_topic_page({"text": text, "id": title}, TopicLabel(topic, "category"))


def make_topic_page(row: PageRow, label: TopicLabel) -> TopicPage:
    """Return what is kept of a row."""
    text, url = (row.get("text") or "")[:MAX_STEM_CHARACTERS], row.get("url") or ""
    identity = str(row.get("id") or hash_strings(url, text))
    return TopicPage(identity, url, url_domain(url) if url else f"page {identity}", text, label)


def check_given_topic(row: PageRow, path: Path) -> TopicLabel:
    """Return the topic that a row gives. Raises ClassifierError if it is missing or unknown."""
    topic = row.get("topic")
    if topic not in DOMAINS:
        raise ClassifierError(f"{path}: {topic!r} is no topic; a row has a `topic`, one of {', '.join(DOMAINS)}")
    return TopicLabel(topic, "given")
