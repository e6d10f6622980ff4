"""Label pages with topics without human annotation. The topic classifier learns from these labels.

A label comes from one of these sources:

    given       a column `topic` of the user's own pages
    category    the categories of a Wikipedia article, if their words point to one topic
    list        UT1's categories, if they list the site of the page
    address     the words of the URL (pipeline/url/topic_by_address.py)
    words       seed words in the text, from the same table

The first source that applies decides. One exception: a URL that names a forum is used before a list of its site.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from classifiers.wikipedia.articles import CATEGORY, extract_prose
from classifiers.wikipedia.dumps import read_dump_articles
from pipeline.url.blocklists import NameTable, open_list
from pipeline.url.canonical import url_host
from pipeline.url.topic_by_address import DOMAINS, TABLE, find_topic

# UT1's folders, by the topic of most of their sites. The other folders (liste_bu, blog, phishing ...) name no topic.
UT1_TOPICS = {
    "adult": "adult", "mixed_adult": "adult", "shopping": "commerce", "lingerie": "commerce", "bank": "commerce",
    "financial": "commerce", "press": "news", "forums": "forum", "sports": "sport", "games": "entertainment",
    "educational_games": "entertainment", "audio-video": "entertainment", "radio": "entertainment",
    "celebrity": "entertainment", "manga": "entertainment", "associations_religieuses": "religion",
    "sexual_education": "health", "translation": "reference", "hacking": "technology", "ai": "technology",
    "mobile-phone": "technology", "cooking": "other",
}  # fmt: skip
# The weight that a topic gets from the URL, in the units of the seed words: log(1 + count) x log(1 / share of pages).
ADDRESS_WEIGHT = 20.0
MARGIN = 5.0  # by which a topic must lead the next one; otherwise the topic is "other"
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


def measure_rarities(lines: Iterable[str]) -> dict[str, float]:
    """Return the rarity of each seed word that occurs in the lines of tokens: log(pages / pages with the word)."""
    known, counts, pages = load_seed_words(), Counter[str](), 0
    for line in lines:
        pages += 1
        counts.update({token for token in line.split() if token in known})
    return {word: round(math.log(pages / counts[word]), 3) for word in sorted(counts)}


def weigh_topics(line: str, rarity: Mapping[str, float]) -> dict[str, float]:
    """Return the weight that the seed words of a line give to each topic: the sum of log(1 + count) x rarity."""
    known, weights = load_seed_words(), dict[str, float]()
    for word, count in Counter([token for token in line.split() if token in rarity]).items():
        weights[known[word]] = weights.get(known[word], 0.0) + math.log1p(count) * rarity[word]
    return weights


def pick_leading_topic(weights: Mapping[str, float]) -> str:
    """Return the topic that leads by at least MARGIN; "other" if there is none."""
    first, second = sorted([*weights.values(), 0.0, 0.0], reverse=True)[:2]
    if first - second < MARGIN:
        return "other"
    return min(topic for topic, weight in weights.items() if weight == first)


def label_page(url: str, line: str, rarity: Mapping[str, float], lists: "TopicLists | None" = None) -> TopicLabel:
    """Return the label of a page by the lists of sites, its URL and the seed words in its line of tokens."""
    named = find_topic(url) if url else "other"
    if lists and named != "forum" and (listed := lists.find_topic(url)):
        return TopicLabel(listed, "list")
    weights = weigh_topics(line, rarity)
    if named != "other":
        weights[named] = weights.get(named, 0.0) + ADDRESS_WEIGHT
    topic = pick_leading_topic(weights)
    return TopicLabel(topic, "address" if topic == named != "other" else "words")


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
