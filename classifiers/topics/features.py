"""Turn a page into the line that the topic classifier sees.

The line holds the topics that the URL and the seed words point to, the words of the URL, the tokens of the text, and
marks of the text's shape.
"""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from classifiers.topics.labels import LETTERS, load_seed_words, weigh_topics
from pipeline.url.canonical import url_host
from pipeline.url.topic_by_address import find_topic

TOPIC_LINE_VERSION = 1  # increase when the line changes; a model that was trained on other lines is refused
# Of a text. The topic shows early: 2,000 and 3,000 characters gave no better results, at twice the cost.
MAX_TOPIC_CHARACTERS = 1000
MAX_ADDRESS_WORDS = 30
ADDRESS_MARKS = 16  # repeats of the topic by URL, so that it has weight beside hundreds of words
SEED_MARKS = 10  # marks that are shared among the topics of the seed words
SEED_TOPICS = 4
CODE, PRICES = "{};=<>", "$€£¥₽"


def describe_shape(text: str) -> str:
    """Return marks of a text's shape: short lines, lines, length, code, digits, questions, prices."""
    size = len(text)
    if not size:
        return ""
    lines = [line for line in text.split("\n") if line.strip()]
    short = sum(len(line) < 40 for line in lines) * 5 // max(1, len(lines))
    digits = sum(map(text.count, "0123456789"))
    marks = {
        "short": short,
        "lines": len(lines).bit_length(),
        "size": size.bit_length(),
        "code": min(9, 200 * sum(map(text.count, CODE)) // size),
        "digits": min(9, 50 * digits // size),
        "questions": min(5, 2000 * text.count("?") // size),
        "prices": min(5, sum(map(text.count, PRICES))),
    }
    return " ".join(f"s|{name}{value}" for name, value in marks.items())


def mark_address(url: str) -> str:
    """Return marks of a URL: the topic that it points to, and its words; "" without a URL."""
    if not url:
        return ""
    try:
        path = unquote(urlsplit(url.strip()).path)
    except ValueError:
        path = ""
    words = LETTERS.findall(f"{url_host(url)} {path}".lower())[:MAX_ADDRESS_WORDS]
    known, topic = load_seed_words(), find_topic(url)
    # A URL that points to no topic is no evidence for "other", so it gets no mark.
    marks = [f"d|{topic}"] * ADDRESS_MARKS if topic != "other" else []
    marks += [f"a|{known[word]}" for word in words if word in known]
    return " ".join([*marks, *(f"u|{word}" for word in words)])


def mark_seed_words(line: str, rarity: Mapping[str, float]) -> str:
    """Return marks of the topics that the seed words of a line of tokens point to, the four strongest topics."""
    weights = weigh_topics(line, rarity)
    total = sum(weights.values())
    if not total:
        return ""
    strongest = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:SEED_TOPICS]
    return " ".join(f"t|{topic}" for topic, n in strongest for _ in range(max(1, int(SEED_MARKS * n / total))))


def build_topic_line(tokens: str, shape: str, url: str, rarity: Mapping[str, float]) -> str:
    """Return what fastText sees of a page, given the tokens of its text, the marks of its shape and its URL."""
    return " ".join(filter(None, (mark_address(url), mark_seed_words(tokens, rarity), tokens, shape)))
