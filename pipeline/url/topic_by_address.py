"""What a page is about, by the words of its address: cheap, and the same in every language that the table knows.

The labels are the domains of the mixture (`weights.domains`). Words come from `data/domains.yaml`; whoever knows
a word adds it there.
"""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from pipeline.settings import read_table
from pipeline.url.canonical import split_url, url_host
from pipeline.url.filter import find_adult_word

TABLE = Path(__file__).parent / "data" / "domains.yaml"
DOMAINS: tuple[str, ...] = (
    "science", "technology", "code", "news", "books", "reference", "entertainment", "sport", "health", "commerce",
    "forum", "legal", "religion", "adult", "other",
)  # fmt: skip
WORD = re.compile(r"[^\W\d_]+")
# What a word weighs by where it stands: a host is chosen to say what a site is, a title says all sorts of things.
IN_HOST, IN_LABEL, IN_PATH, WEAK_IN_PATH, IN_TITLE = 6, 4, 3, 2, 1
LONG = 5  # letters from which a word also counts within a longer label of the host ("guitarforum")
MAX_LABELS = 16  # of a host, its last ones: more than any site of the table has


@cache
def _load_topic_table() -> tuple[dict[str, str], dict[str, str], dict[str, str], frozenset[str], int]:
    """Read the table into word -> label, site -> label, ending -> label, weak words, the length of the longest word.

    The first label to list a word has it.
    """
    table = read_table(TABLE)
    words: dict[str, str] = {}
    sites: dict[str, str] = {}
    for label in DOMAINS[:-1]:
        for word in table[label].get("words", "").split():
            words.setdefault(word.lower(), label)
        for name in table[label].get("sites", "").split():
            sites.setdefault(name.lower(), label)
    return words, sites, table["endings"], frozenset(table["weak"].split()), max(map(len, words))


def find_topic(url: str, title: str = "") -> str:
    """Return the label, one of DOMAINS, that the words of the address (and faintly the title's) speak for.

    It is "other" where they say nothing.

    A known site decides; otherwise words of host, path and title add up, and an equal score goes to the label that
    comes first in DOMAINS. Never raises.
    """
    words, sites, endings, weak, longest = _load_topic_table()
    name = url_host(url)
    labels = name.split(".")[-MAX_LABELS:]
    for start in range(len(labels)):
        if site := sites.get(".".join(labels[start:])):
            return site
    path = _url_path(url)
    if find_adult_word(name, path):
        return "adult"
    scores = dict.fromkeys(DOMAINS, 0)
    for label in labels:
        for token in WORD.findall(label):
            if token in words:
                scores[words[token]] += IN_HOST
            else:
                for size in range(LONG, min(len(token), longest + 1)):  # a "guitarforum" is a forum
                    scores[words.get(token[:size], "other")] += IN_LABEL
                    scores[words.get(token[-size:], "other")] += IN_LABEL + 1
    for token in dict.fromkeys(WORD.findall(path.lower())[:40]):
        scores[words.get(token, "other")] += WEAK_IN_PATH if token in weak else IN_PATH
    for token in dict.fromkeys(WORD.findall(title.lower())[:30]):
        scores[words.get(token, "other")] += IN_TITLE
    for ending, label in endings.items():
        if name.endswith("." + ending) or f".{ending}." in name[-len(ending) - 4 :]:
            scores[label] += IN_LABEL
    scores["other"] = IN_TITLE  # one word of a title is not enough
    return max(DOMAINS, key=lambda label: (scores[label], -DOMAINS.index(label) if label != "other" else 1))


def _url_path(url: str) -> str:
    parts = split_url(url)
    return unquote(parts.path) if parts else ""
