"""Finds public IP addresses, and tells them from section numbers and versions, which look the same.

`6.3.4.1` is a heading, `2.6.32.71` a version of Linux and `5.9.32.71` may be a server. What stands beside a number
decides, and then its size: most parts of an address are large, and most parts of a version or of a heading are small.
"""

import re
from functools import cache
from ipaddress import IPv6Network, ip_address
from typing import NamedTuple

from pipeline.text.pii.borders import AFTER_MASK, WORD, Span, add_free_spans, read_formats

QUAD = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
IPV4 = re.compile(
    r"[0-9]" + AFTER_MASK + f"(?<![{WORD}.-].)" + r"[0-9]{0,2}(?:\.[0-9]{1,3}){3}"
    rf"(?:-({QUAD}))?(?![{WORD}-]|\.[0-9])"
)
IPV6 = re.compile(
    r"[0-9A-Fa-f]"
    + AFTER_MASK
    + f"(?<![{WORD}:.].)"
    + rf"[0-9A-Fa-f]{{0,3}}:[0-9A-Fa-f:]{{2,36}}[0-9A-Fa-f](?![{WORD}:]|\.[0-9])"
)
GLOBAL_V6 = IPv6Network("2000::/3")  # all of today's global unicast (IANA); "dead::beef" in code is none of it

LETTERS = re.compile(r"[^\W\d_]+")
# What may stand between a word and the number that it names.
BETWEEN = re.compile(r"[.:=]?[ #\"'\u201c\u2018(\[]{0,3}$")
CLOCK = re.compile(r"(?<![0-9:])[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?![0-9:])")
NEAR, FAR = 18, 48  # characters between a network's word and the number; characters that are read before it
LARGE = 64  # parts of versions and of section numbers are rarely as large
LONGEST_LOG_LINE = 1000  # characters
# A port, a network's size, or what a web server's log has next.
SUFFIX = re.compile(r":[0-9]{2,5}(?![0-9:.])|/(?:[89]|[12][0-9]|3[0-2])(?![0-9/.])| - \S{1,32} \[|[ #:]{1,2}port\b")
LISTED = re.compile(r"<IP_ADDRESS>(?:[ \t]{0,3}(?:[,;|/]|and|or|und|et|y|to|-|->|=>)?[ \t]{0,3})$")
PRODUCT = re.compile(r"[^\W\d_]/")  # "nginx/1.9.7.1"
NAMED = re.compile(r"[^\W\d_]{0,2}[^\W\d_][.)]? $")  # a word stands directly before


class QuadContext(NamedTuple):
    """What stands before a dotted quad."""

    is_numbered: bool  # a word for a section or a version
    is_network: bool  # a word for an address, near
    is_weak: bool  # a word for an address or for something else


class QuadWords(NamedTuple):
    """The words of data/pii_formats.yaml about dotted quads."""

    numbered: frozenset[str]
    numbered_signs: tuple[str, ...]
    network: frozenset[str]
    network_signs: tuple[str, ...]
    weak: frozenset[str]
    upgrade: tuple[str, ...]


def find_ips(line: str) -> list[Span]:
    """Return where globally routed IPv4 and IPv6 addresses are; private, reserved and documentation ranges stay."""
    spans: list[Span] = []
    quads = list(IPV4.finditer(line)) if line.count(".") > 2 else []
    is_log = bool(quads) and len(line) <= LONGEST_LOG_LINE and CLOCK.search(line) is not None
    for match in quads:
        first_end = match.end() if not match[1] else match.start(1) - 1
        for start, end in ((match.start(), first_end), match.span(1)):
            if start >= 0 and is_meant_as_address(line, (start, end), spans, is_log) and is_public(line[start:end]):
                spans.append((start, end))
    if line.count(":") > 1:
        spans = add_free_spans(spans, [match.span() for match in IPV6.finditer(line) if is_public(match[0])])
    return spans


def is_public(written: str) -> bool:
    """Tell whether a text is an IP address that is routed globally."""
    try:
        address = ip_address(written)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast and (address.version == 4 or address in GLOBAL_V6)


def is_meant_as_address(line: str, span: Span, found: list[Span], is_log: bool) -> bool:
    """Tell an address from a section number or a version, by what stands beside the number, then by its parts.

    `found` are the addresses before it in the line; `is_log` says that the line has a time of day.
    """
    start, end = span
    begin = max(found[-1][1] if found else 0, start - FAR)
    before = line[begin:start]
    if is_listed_next(before, bool(found) and begin == found[-1][1]):
        return True
    context = read_context(before.rpartition("<IP_ADDRESS>")[2])
    if context.is_numbered or PRODUCT.match(before[-2:]):
        return False
    parts = [int(part) for part in line[start:end].split(".")]
    if context.is_network or before.endswith(("://", "@")) or SUFFIX.match(line, end):
        return True
    if context.is_weak and max(parts) >= LARGE:
        return True
    if is_log:
        return max(parts) >= LARGE or not before.strip()
    return is_meant_by_size(parts, NAMED.match(before[-3:].lstrip()) is not None)


def is_listed_next(before: str, is_next: bool) -> bool:
    """Tell whether the text before a number ends a masked address and what parts the addresses of a list.

    `is_next` says that `before` begins where the address before it ends.
    """
    if not is_next and "<IP_ADDRESS>" not in before:
        return False
    return LISTED.search(f"<IP_ADDRESS>{before}" if is_next else before) is not None


def is_meant_by_size(parts: list[int], named: bool) -> bool:
    """Tell whether the parts of a dotted quad are as large as an address's; `named`: a word stands directly before."""
    if parts[0] >= LARGE // 2:
        return any(part >= LARGE // 2 for part in parts[1:]) or not (named or parts[1] == 0)
    return sum(part >= LARGE for part in parts[1:]) >= 2 and not named


def read_context(before: str) -> QuadContext:
    """Return what the words before a number say."""
    vocabulary = quad_words()
    words = [(word.end(), word[0]) for word in LETTERS.finditer(before.lower())]
    least = len(before) - NEAR
    signs = not before.isascii()
    is_beside = bool(words) and BETWEEN.match(before, words[-1][0]) is not None
    last = words[-1][1] if is_beside else ""
    return QuadContext(
        is_numbered=last in vocabulary.numbered
        or signs
        and any(sign in before[-4 - len(sign) :] for sign in vocabulary.numbered_signs),
        is_network=any([word in vocabulary.network and end >= least for end, word in words])
        or signs
        and any(sign in before[-NEAR:] for sign in vocabulary.network_signs),
        is_weak=last in vocabulary.weak and not any(word.startswith(vocabulary.upgrade) for _, word in words),
    )


@cache
def quad_words() -> QuadWords:
    """Read the words."""
    found = read_formats()
    return QuadWords(
        frozenset(found["numbered"]["words"]),
        tuple(found["numbered"]["signs"]),
        frozenset(found["network"]["words"]),
        tuple(found["network"]["signs"]),
        frozenset(found["network"]["weak_words"]),
        tuple(found["upgrade"]),
    )
