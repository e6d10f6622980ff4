"""Which encoding a body is in that declares none and is not UTF-8.

Browsers read such a body as windows-1252. A detector knows more, but takes a single accented letter for proof of an
encoding that nobody uses. So its answer counts only where it fits: many letters of another script in a row, or a
language that is written in the encoding.
"""

import re
from collections import Counter

from resiliparse.parse.encoding import detect_encoding

from pipeline.filters.stop_words import STOP_WORDS

FALLBACK = "cp1252"
DETECT_BYTES = 1 << 16
MOST_WORDS = 5000  # that are looked at to find the language
LEAST_FOUND = 3  # common words of a language, for it to be the page's
ABOUT_BEST = 0.8  # of the common words of the likeliest language, for another to be as likely
RUN_SHARE = 0.5  # of the bytes beyond ASCII that stand in runs, in a script other than Latin
# Encodings of Latin letters, by resiliparse's names: the languages that are commonly written in them.
CENTRAL, BALTIC = frozenset(("pl", "cs", "sk", "hu", "sl", "hr", "ro", "sq", "bs")), frozenset(("lt", "lv", "et"))
LATIN_ENCODINGS = {
    "cp1250": CENTRAL, "iso8859-2": CENTRAL, "iso8859-16": frozenset(("ro",)), "cp1254": frozenset(("tr", "az")),
    "iso8859-9": frozenset(("tr", "az")), "cp1257": BALTIC, "iso8859-13": BALTIC, "iso8859-4": BALTIC,
    "cp1258": frozenset(("vi",)), "iso8859-15": frozenset(("fr", "fi", "et")), "iso8859-3": frozenset(("mt", "eo")),
    "iso8859-14": frozenset(("cy", "ga", "gd")), "iso8859-10": frozenset[str](), "iso8859-1": frozenset[str](),
    "mac-roman": frozenset[str](), "mac_roman": frozenset[str](), "macroman": frozenset[str](),
}  # fmt: skip
HTML_LANGUAGE = re.compile(rb"<html\b[^>]{0,500}?\blang\s{0,9}=\s{0,9}[\"']?([a-z]{2,3})", re.I)
ASCII_WORD = re.compile(rb"(?<![A-Za-z\x80-\xff])[A-Za-z]{1,12}(?![A-Za-z\x80-\xff])")
LONG_RUN = re.compile(rb"[\x80-\xff]{3,}")
PAIR_RUN = re.compile(rb"[\x80-\xff]{2,}")
WIDE = re.compile("gb|big5|euc|shift|cp9[34]|iso2022|johab|uhc")  # names of encodings of two bytes a character
HIGH = bytes(range(128, 256))


def guess_encoding(text: bytes, body: bytes) -> str:
    """Return resiliparse's name of the encoding that a page's visible text is most likely in.

    `body` is the page with its markup, which may name the language.
    """
    found = (
        detect_encoding(text, max_len=0, html5_compatible=False) or FALLBACK
    )  # compatible, it takes Korean for UTF-8
    if found in LATIN_ENCODINGS:
        return found if LATIN_ENCODINGS[found] & find_languages(text, body) else FALLBACK
    high = len(text) - len(text.translate(None, HIGH))
    pattern = PAIR_RUN if WIDE.match(found) else LONG_RUN
    in_runs = sum(map(len, pattern.findall(text)))
    return found if in_runs >= RUN_SHARE * high else FALLBACK


def find_languages(text: bytes, body: bytes) -> set[str]:
    """Return the languages that a page may be in: what it says, and those of its most frequent words."""
    found = {match[1].decode("ascii").lower()} if (match := HTML_LANGUAGE.search(body[:DETECT_BYTES])) else set()
    words = Counter(word.lower().decode("ascii") for word in ASCII_WORD.findall(text)[:MOST_WORDS])
    scores = {
        language: sum(words[word] for word in common.split() if len(word) > 1)
        for language, common in STOP_WORDS.items()
        if common[0].isascii()
    }
    best = max(scores.values())
    return found | {code for code, score in scores.items() if score >= max(ABOUT_BEST * best, LEAST_FOUND)}
