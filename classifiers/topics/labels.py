"""Label pages with topics without human annotation. The topic classifier learns from these labels.

A label comes from one of these sources:

    given       a column `topic` of the user's own pages
    category    the categories of a Wikipedia article, if their words point to one topic
    model       the topic model that ships with the package, if it is sure enough
    list        UT1's categories, if they list the site of the page
    guess       the most probable topic, by the same model

The first source that applies decides.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from classifiers.topics.stem_model import load_shipped_model
from classifiers.wikipedia.articles import CATEGORY, extract_prose
from classifiers.wikipedia.dumps import read_dump_articles
from pipeline.url.blocklists import NameTable, open_list
from pipeline.url.canonical import url_host
from pipeline.url.topic_by_address import DOMAINS, TABLE

# UT1's folders, by the topic of most of their sites. The other folders (liste_bu, blog, phishing ...) name no topic.
UT1_TOPICS = {
    "adult": "adult", "mixed_adult": "adult", "shopping": "commerce", "lingerie": "commerce", "bank": "commerce",
    "financial": "commerce", "press": "news", "forums": "forum", "sports": "sport", "games": "entertainment",
    "educational_games": "entertainment", "audio-video": "entertainment", "radio": "entertainment",
    "celebrity": "entertainment", "manga": "entertainment", "associations_religieuses": "religion",
    "sexual_education": "health", "translation": "reference", "hacking": "technology", "ai": "technology",
    "mobile-phone": "technology", "cooking": "other",
}  # fmt: skip
SURE = 0.5  # the probability from which on the shipped model is believed rather than a list
LETTERS = re.compile(r"[^\W\d_]+")


class TopicLabel(NamedTuple):
    """A topic, and the source that it comes from."""

    topic: str
    source: str


@cache
def load_seed_words() -> dict[str, str]:
    """Return the topic of each seed word. A word that several topics list belongs to the first."""
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for topic in DOMAINS[:-1]:
        for word in table[topic].get("words", "").split():
            found.setdefault(word.lower(), topic)
    return found


def label_pages(texts: Sequence[str], urls: Sequence[str], lists: "TopicLists | None" = None) -> list[TopicLabel]:
    """Return the labels of pages by the shipped model and the lists of sites."""
    labels = []
    for (topic, chance), url in zip(load_shipped_model().predict_topics(texts, urls), urls, strict=True):
        listed = lists.find_topic(url) if lists and chance < SURE else ""
        labels.append(TopicLabel(listed or topic, "list" if listed else "model" if chance >= SURE else "guess"))
    return labels


class TopicLists:
    """UT1's lists by topic, from a folder or archive of UT1's categories, or from a file that `lists` compiled."""

    def __init__(self, path: Path):
        """Read the lists. Raises FileNotFoundError, ListError."""
        self.table: NameTable = open_list(path, list(UT1_TOPICS))
        self.labels = self.table.labels(list(UT1_TOPICS))

    def find_topic(self, url: str) -> str:
        """Return the topic of the URL's host, or of the nearest listed domain above it; "" if none is listed."""
        parts = url_host(url).split(".")
        found = self.table.find([".".join(parts[n:]) for n in range(len(parts) - 1)], self.labels)
        return UT1_TOPICS.get(found[0], "") if found else ""


def read_categorised_articles(dumps: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield (title, text, topic) of the articles whose categories point to one topic. Raises DumpError."""
    known = load_seed_words()
    for path in dumps:
        for title, wikitext in read_dump_articles(path):
            words = (word for name in CATEGORY.findall(wikitext) for word in LETTERS.findall(name.lower()))
            votes = Counter(known[word] for word in words if word in known).most_common(2)
            if votes and votes[0][1] > sum(n for _, n in votes[1:]):
                yield title, extract_prose(wikitext), votes[0][0]
