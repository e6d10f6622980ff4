"""What pages are about, as far as it can be told without a person: the labels that the topic classifier learns from.

    given       a column `topic` of the user's own pages
    category    a Wikipedia article's categories, where their words speak for one topic
    list        UT1's categories, where they list the page's site
    address     the words of the address (pipeline/url/topic_by_address.py)
    words       seed words in the text, the same table's

The first that has something to say decides, but that a forum's address counts before a list of its site.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from classifiers.articles import CATEGORY, prose
from classifiers.dumps import articles
from pipeline.url.blocklists import NameTable, open_list
from pipeline.url.canonical import host
from pipeline.url.topic_by_address import DOMAINS, TABLE, domain

SOURCES = ("given", "category", "list", "address", "words")
# UT1's folders by what most of their sites are about; the others (liste_bu, blog, phishing ...) say nothing of it.
UT1 = {
    "adult": "adult", "mixed_adult": "adult", "shopping": "commerce", "lingerie": "commerce", "bank": "commerce",
    "financial": "commerce", "press": "news", "forums": "forum", "sports": "sport", "games": "entertainment",
    "educational_games": "entertainment", "audio-video": "entertainment", "radio": "entertainment",
    "celebrity": "entertainment", "manga": "entertainment", "associations_religieuses": "religion",
    "sexual_education": "health", "translation": "reference", "hacking": "technology", "ai": "technology",
    "mobile-phone": "technology", "cooking": "other",
}  # fmt: skip
ADDRESS = 20.0  # what a telling address adds to its topic, in the units of seed words: log(1 + count) x log(1 / share)
MARGIN = 5.0  # by which a topic must lead, else the page is of none: "other"
WORD = re.compile(r"[^\W\d_]+")


class Label(NamedTuple):
    """A topic, and which of SOURCES says so."""

    topic: str
    source: str


@cache
def seeds() -> dict[str, str]:
    """Return the topic of each seed word; the first topic to list a word has it."""
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for topic in DOMAINS[:-1]:
        for word in table[topic].get("words", "").split():
            found.setdefault(word.lower(), topic)
    return found


def rarities(lines: Iterable[str]) -> dict[str, float]:
    """Return log(pages / pages that have it) of each seed word, over lines of tokens."""
    known, counts, pages = seeds(), Counter[str](), 0
    for line in lines:
        pages += 1
        counts.update({token for token in line.split() if token in known})
    return {word: round(math.log(pages / counts[word]), 3) for word in sorted(counts)}


def spoken_for(line: str, rarity: Mapping[str, float]) -> dict[str, float]:
    """Return how much the seed words of a line of tokens speak for each topic: log(1 + count) x rarity, summed."""
    known, sums = seeds(), dict[str, float]()
    for word, n in Counter([token for token in line.split() if token in rarity]).items():
        sums[known[word]] = sums.get(known[word], 0.0) + math.log1p(n) * rarity[word]
    return sums


def leading(sums: Mapping[str, float]) -> str:
    """Return the topic that leads by MARGIN, else "other"."""
    first, second = sorted([*sums.values(), 0.0, 0.0], reverse=True)[:2]
    if first - second < MARGIN:
        return "other"
    return min(topic for topic, value in sums.items() if value == first)


def label(url: str, line: str, rarity: Mapping[str, float], lists: "Lists | None" = None) -> Label:
    """Return a page's topic by lists of sites, its address and the seed words of its line of tokens."""
    named = domain(url) if url else "other"
    if lists and named != "forum" and (listed := lists.topic(url)):
        return Label(listed, "list")
    sums = spoken_for(line, rarity)
    if named != "other":
        sums[named] = sums.get(named, 0.0) + ADDRESS
    topic = leading(sums)
    return Label(topic, "address" if topic == named != "other" else "words")


class Lists:
    """UT1's lists, by topic. Takes a folder or archive of UT1's categories, or what `pipeline lists` compiled."""

    def __init__(self, path: Path):
        """Read the lists. Raises FileNotFoundError, ListError."""
        self.table: NameTable = open_list(path, list(UT1))
        self.labels = self.table.labels(list(UT1))

    def topic(self, url: str) -> str:
        """Return the topic of a URL's host, or of the nearest domain above it that is listed; "" for none."""
        parts = host(url).split(".")
        found = self.table.find([".".join(parts[n:]) for n in range(len(parts) - 1)], self.labels)
        return UT1.get(found[0], "") if found else ""


def categorised(dumps: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield (title, text, topic) of the articles whose categories' words speak for one topic. Raises DumpError."""
    known = seeds()
    for path in dumps:
        for title, wikitext in articles(path):
            words = (word for name in CATEGORY.findall(wikitext) for word in WORD.findall(name.lower()))
            votes = Counter(known[word] for word in words if word in known).most_common(2)
            if votes and votes[0][1] > sum(n for _, n in votes[1:]):
                yield title, prose(wikitext), votes[0][0]
