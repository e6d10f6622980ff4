"""Masks personal data: e-mail addresses, public IP addresses, phone numbers, payment cards, IBANs.

Each kind becomes one fixed placeholder (<EMAIL>, <IP_ADDRESS>, <PHONE>, <CARD>, <IBAN>), in StarCoder's style: it can
be counted and found again, and a model never learns a stand-in address as if it were one. Conservative: a number
counts only by its checksum (cards, IBANs), by its range and by what stands beside it (IPs), or by its writing (phones).
Dates, versions, section numbers, prices and ISBNs stay.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from pipeline.text.parts import cut_at_newlines
from pipeline.text.pii.accounts import find_cards, find_ibans
from pipeline.text.pii.borders import Span
from pipeline.text.pii.emails import find_emails
from pipeline.text.pii.ip_addresses import find_ips
from pipeline.text.pii.phones import find_phones

# A line without one of these holds nothing to mask: an @, six digits close together, or a colon pair as in IPv6.
OF_INTEREST = re.compile(
    r"[@:0-9](?:(?<=@)|(?<=:)[0-9A-Fa-f]{0,4}:|(?<=[0-9])(?:(?:[^0-9\n]{0,3}[0-9]){5}|\.[0-9]{1,3}\.[0-9]))"
)
AT, COLONS, DOTS = re.compile(b"@"), re.compile(b":[0-9A-Fa-f]{0,4}:"), re.compile(rb"\.[0-9]{1,3}\.[0-9]")
# Characters beyond ASCII that the kinds are written with, too: digits of other scripts, fullwidth signs, other dashes.
OTHER_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\uff0d", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "),
        **{chr(ord(sign) + 0xFEE0): sign for sign in "@+().:/"},
    }
)
# One of these sends a whole text the slow way: the fast search looks for ASCII's digits.
OTHER_DIGITS = re.compile(
    r"[\uff20\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef\u0a66-\u0a6f"
    r"\u0ae6-\u0aef\u0b66-\u0b6f\u0be6-\u0bef\u0c66-\u0c6f\u0ce6-\u0cef\u0d66-\u0d6f"
    r"\u0e50-\u0e59\u0ed0-\u0ed9\u0f20-\u0f29\u1040-\u1049\u17e0-\u17e9\uff10-\uff19]"
)
HAS_OTHERS = re.compile(r"[\u00a0\u2007-\u2013\u202f\u2212\u3000\uff08-\uff20]|" + OTHER_DIGITS.pattern)
# Bytes of UTF-8 other than the first ones of these signs.
NO_OTHER_DIGITS = bytes(sorted(set(range(256)) - {0xD9, 0xDB, 0xDF, 0xE0, 0xE1, 0xEF}))


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PiiConfig:
    """Which kinds are masked."""

    emails: bool = True  # mask e-mail addresses
    ips: bool = True  # mask public IP addresses
    phones: bool = True  # mask phone numbers
    cards: bool = True  # mask payment cards with a valid checksum
    ibans: bool = True  # mask IBANs with a valid checksum


class PiiKind(NamedTuple):
    """A kind of personal data: the setting that switches it on, what takes its place, and where a line has it."""

    name: str
    mask: str
    find: Callable[[str], list[Span]]


# In this order: an IBAN's digits could pass for a card's, a card's for a phone's.
KINDS = (
    PiiKind("emails", "<EMAIL>", find_emails),
    PiiKind("ibans", "<IBAN>", find_ibans),
    PiiKind("cards", "<CARD>", find_cards),
    PiiKind("ips", "<IP_ADDRESS>", find_ips),
    PiiKind("phones", "<PHONE>", find_phones),
)


def mask_pii(text: str, config: PiiConfig) -> tuple[str, dict[str, int]]:
    """Return the text with personal data masked, and how many of each kind (those found only).

    Idempotent; time is linear in the text's length. Lines are masked one by one: nothing here crosses a line's end.
    Digits of any script count as digits.
    """
    kinds = [kind for kind in KINDS if getattr(config, kind.name)]
    counts: dict[str, int] = {}
    if not kinds:
        return text, counts
    parts = [mask_part(part, kinds, counts) for part in cut_at_newlines(text)]
    return ("".join(parts) if counts else text), counts


def mask_part(text: str, kinds: Sequence[PiiKind], counts: dict[str, int]) -> str:
    """Return whole lines with personal data masked, and add to the counts."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > len(text) and raw.translate(None, NO_OTHER_DIGITS) and OTHER_DIGITS.search(text):
        lines = text.split("\n")
        return "\n".join([mask_line(line, kinds, counts) for line in lines])
    parts, done = [], 0
    for start, end in _candidate_lines(raw, 4 if len(raw) == len(text) else 13):
        line = raw[start:end].decode("utf-8", "surrogatepass")
        masked = mask_line(line, kinds, counts)
        if masked != line:
            parts += [raw[done:start], masked.encode("utf-8", "surrogatepass")]
            done = end
    return b"".join([*parts, raw[done:]]).decode("utf-8", "surrogatepass") if parts else text


def mask_line(line: str, kinds: Sequence[PiiKind], counts: dict[str, int]) -> str:
    """Return a line with personal data masked, and add to the counts."""
    is_ascii = line.isascii()
    if not OF_INTEREST.search(line) and (is_ascii or not OTHER_DIGITS.search(line)):
        return line
    plain = line if is_ascii or not HAS_OTHERS.search(line) else line.translate(plain_characters())
    for kind in kinds:
        spans = kind.find(plain)
        if spans:
            counts[kind.name] = counts.get(kind.name, 0) + len(spans)
            line, plain = replace_spans(line, spans, kind.mask), replace_spans(plain, spans, kind.mask)
    return line


def replace_spans(line: str, spans: Sequence[Span], mask: str) -> str:
    """Return a line with `mask` in place of spans, which rise and do not overlap."""
    parts, done = [], 0
    for start, end in spans:
        parts += [line[done:start], mask]
        done = end
    return "".join([*parts, line[done:]])


@cache
def plain_characters() -> dict[int, str]:
    """Return what characters stand for, one for one: digits of all scripts, fullwidth signs, dashes, spaces."""
    digits = {code: str(unicodedata.decimal(chr(code))) for code in range(0x80, 0x10000) if chr(code).isdecimal()}
    return {**digits, **OTHER_SIGNS}


def _candidate_lines(raw: bytes, gap: int) -> Iterator[tuple[int, int]]:
    """Yield where the lines begin and end that may be of interest, in order: all that are, and few others.

    `gap` is how many bytes a digit can stand after the one before it, three characters between them. The digits of a
    text are found on its bytes as an array, at ten times the speed of a pattern.
    """
    digits = np.flatnonzero(np.frombuffer(raw, np.uint8) - np.uint8(48) < 10)
    near = np.diff(digits) <= gap
    close = digits[:-5][near[:-4] & near[1:-3] & near[2:-2] & near[3:-1] & near[4:]] if len(digits) > 5 else digits[:0]
    signs = [found.start() for pattern in (AT, COLONS, DOTS) for found in pattern.finditer(raw)]
    positions = np.concatenate([close, np.array(signs, dtype=close.dtype)]) if signs else close
    positions.sort()
    index = 0
    while index < len(positions):
        position = int(positions[index])
        start, end = raw.rfind(b"\n", 0, position) + 1, raw.find(b"\n", position)
        end = end if end >= 0 else len(raw)
        yield start, end
        index = int(np.searchsorted(positions, end))
