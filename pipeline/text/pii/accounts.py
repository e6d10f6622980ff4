"""Finds numbers of payment cards and bank accounts (IBAN), by their checksums."""

import re

from pipeline.text.pii.borders import AFTER_MASK, NOT_AFTER, NOT_BEFORE, WORD, Span, read_formats

CARD = re.compile(
    r"[0-9]"
    + NOT_BEFORE
    + r"(?:[0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?|[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}|[0-9]{13,18})"
    + NOT_AFTER
)
IBAN_START = re.compile(r"[A-Z]" + AFTER_MASK + r"(?<![A-Za-z0-9].)[A-Z][0-9]{2}(?=[ -]?[A-Z0-9]{4})")
IBAN_CHARACTERS = re.compile("[A-Z0-9]+")
WORD_CHARACTER = re.compile(f"[{WORD}]")
IN_ADDRESS = re.compile(r"[/?&#]\S{0,60}$")  # the number is an id in a web address
SEPARATORS = re.compile("[ -]")
# What names the number behind it as something else.
BOOK_OR_VERSION = re.compile(
    rf"(?i)(?<![{WORD}])(?:isbn(?:-?1[03])?|issn|ean|gtin|upc|sku|doi|version|ver|v|release|build|section|firmware)"
    r"[.:]?[ #\"'\u201c]{0,3}$"
)


def find_cards(line: str) -> list[Span]:
    """Return where payment card numbers are: in a card's own grouping or unbroken, with a valid Luhn sum."""
    return [
        match.span()
        for match in CARD.finditer(line)
        if is_card(SEPARATORS.sub("", match[0]))
        and not is_after_book_or_version(line, match.start())
        and not IN_ADDRESS.search(line, max(0, match.start() - 100), match.start())
    ]


def is_card(digits: str) -> bool:
    """Tell whether a string of digits has an issuer's prefix and length (ISO/IEC 7812) and a valid Luhn sum."""
    issued = any(
        len(digits) in issuer["lengths"] and low <= int(digits[: len(str(low))]) <= high
        for issuer in read_formats()["cards"]
        for low, high in issuer["prefixes"]
    )
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return issued and (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def find_ibans(line: str) -> list[Span]:
    """Return where IBANs are: a known country, that country's length, and a valid mod-97 sum (ISO 13616)."""
    spans: list[Span] = []
    for match in IBAN_START.finditer(line):
        start = match.start()
        found = read_iban(line[start : start + 64]) if not spans or start >= spans[-1][1] else ""
        if found:
            spans.append((start, start + len(found)))
    return spans


def read_iban(text: str) -> str:
    """Return the IBAN that `text` begins with, as written, or "". It ends where its country's length does."""
    length = read_formats()["ibans"].get(text[:2], 0)
    compact, end = "", 0
    while end < len(text) and len(compact) < length:
        compact += text[end] if text[end] not in " -" else ""
        end += 1
    well_formed = IBAN_CHARACTERS.fullmatch(compact)
    if not length or len(compact) < length or not well_formed or WORD_CHARACTER.match(text, end):
        return ""
    rearranged = compact[4:] + compact[:4]
    return text[:end] if int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1 else ""


def is_after_book_or_version(line: str, start: int) -> bool:
    """Tell whether the words just before a number name it as something else."""
    return BOOK_OR_VERSION.search(line[max(0, start - 16) : start]) is not None
