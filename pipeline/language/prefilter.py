"""The language gate: is a page worth extracting at all, by the language of its first visible text?

Extraction is most of a run's cost, and half of a crawl is in no language that is asked for. The gate reads the first
`READ` characters between the tags (half a millisecond a page) and drops a page only where hardly any probability is
left for a wanted language. What it drops wrongly is measured in every run: one gated page in CHECK_EVERY, by a hash of
its id, goes the full way too, and the ledger counts how many of those would have been kept.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.language.identify import LanguageModel, count_letters_and_digits, lower_capitals
from pipeline.text.entities import unescape_entities

READ = 2048  # characters of visible text
SCAN = 1_000_000  # characters of HTML looked at for them; a page that hides its text behind more is not judged
MIN_CHARACTERS = 50  # less text than this says nothing: such pages are drawn by scripts
CHECK_EVERY = 50
LABELS = 5  # languages asked for of the model; what is not among the first five has no probability to speak of

# What is no running text: raw text elements, and lists of countries and languages in their own scripts.
RAW_ELEMENTS = "(?a:script|style|template|textarea|select|svg|noscript)"
SKIPPED = re.compile(rf"<(?:(!--)|({RAW_ELEMENTS})(?=[\s/>]))", re.I)
# White space and tags other than those, then text. Most tags show by their first letter that they are others.
TAGS_AND_TEXT = re.compile(rf"\s*+(?:<(?:[^!sStTnN>]|(?!!--|{RAW_ELEMENTS}[\s/>]))[^>]*+>\s*+)*+([^<]*+)", re.I)
# lid.176 confuses these on short texts, and the final decision tells them apart by script (language.py).
CONFUSED = frozenset(("zh", "yue", "wuu", "ja", "ko"))


class PrefilterVerdict(NamedTuple):
    """A page that is not worth extracting: the language its text is in, and what the wanted ones have of it."""

    language: str
    share: float


def prefilter_pages(
    pages: Sequence[str], languages: Sequence[str], margin: float, model: LanguageModel
) -> list[PrefilterVerdict | None]:
    """Return why each page (its HTML) need not be extracted: less than `margin` probability for all `languages`.

    None where it may be in one of them, or where there is too little text, or mostly digits, to say. Never raises.
    """
    texts = [lower_capitals(read_visible_start(html)) for html in pages]
    answers: list[PrefilterVerdict | None] = [None] * len(texts)
    judged = [index for index, text in enumerate(texts) if len(text) >= MIN_CHARACTERS]
    if judged:
        wanted = set(languages) | (CONFUSED if CONFUSED.intersection(languages) else frozenset())
        labels, scores = model.model.predict([texts[index] for index in judged], k=LABELS)
        for index, names, shares in zip(judged, labels, scores, strict=True):
            answers[index] = _judge_text(texts[index], names, shares, wanted, margin)
    return answers


def _judge_text(
    text: str, labels: Sequence[str], scores: Sequence[float], wanted: set[str], margin: float
) -> PrefilterVerdict | None:
    """Judge one text by its likeliest labels."""
    found = {label.removeprefix("__label__"): float(score) for label, score in zip(labels, scores, strict=True)}
    share = round(sum((score for label, score in found.items() if label in wanted), 0.0), 4)
    if not found or share >= margin or mostly_digits(text):
        return None
    return PrefilterVerdict(max(found, key=found.__getitem__), share)


def mostly_digits(text: str) -> bool:
    """Tell whether a text has more digits than letters."""
    letters, digits = count_letters_and_digits(text)
    return letters < digits


def read_visible_start(html: str, size: int = READ) -> str:
    """Return about the first `size` characters of a page's visible text, in one line. Linear time; never raises."""
    parts, length, position, end = [], 0, 0, min(len(html), SCAN)
    while length < size and position < end and (match := TAGS_AND_TEXT.match(html, position, end)):
        position = match.end()
        if part := match[1].rstrip():
            parts.append(part)
            length += len(part) + 1
        elif skipped := SKIPPED.match(html, position, end):
            position = _find_element_end(html, skipped[2], skipped.end(), end)
        else:
            break  # a tag that is never closed
    return " ".join(unescape_entities(" ".join(parts)).split())[:size]


def _find_element_end(html: str, name: str | None, start: int, end: int) -> int:
    """Return where the text of a skipped element, or of a comment (no name), ends."""
    if name is None:
        closing = html.find("-->", start - 2, end)  # "<!-->" is a whole comment
        return closing + 3 if closing >= 0 else end
    match = CLOSINGS[name.lower()].search(html, start, end)
    return match.end() if match else end


CLOSINGS = {
    name: re.compile(rf"</{name}[^>]{{0,100}}>?", re.I)
    for name in ("script", "style", "template", "textarea", "select", "svg", "noscript")
}


def is_audited(page_id: str) -> bool:
    """Tell whether a gated page goes the full way too, to count the gate's misses: one in CHECK_EVERY, by its id."""
    digest = hashlib.blake2b(page_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"gate").digest()
    return int.from_bytes(digest, "little") % CHECK_EVERY == 0
