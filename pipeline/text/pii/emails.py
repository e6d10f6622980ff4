"""Finds e-mail addresses, in any script."""

import re
from functools import cache

from pipeline.text.pii.borders import Span

LONGEST_LOCAL = 64  # characters before the @ (RFC 5321, 4.5.3.1.1)
AT_SIGN = re.compile(r"(?<=[\w.%+-])@(?=\w)")
LATIN_LOCAL = re.compile(r"[A-Za-z0-9\u00c0-\u024f._%+-]")
OTHER_LOCAL = re.compile(r"[^\W_A-Za-z\u00c0-\u024f]|[._+-]")  # letters of another script, and digits
DOMAIN = re.compile(r"(?:(?:[^\W_]|-){1,63}\.){1,8}(?:xn--[A-Za-z0-9-]{2,59}|[^\W\d_]{2,24})")
STARTS_LATIN = re.compile(r"[A-Za-z]+")
NO_END = re.compile("[A-Za-z0-9@]")
MASKED_BEFORE = re.compile(r"<(?:EMAIL|IP_ADDRESS|PHONE|CARD|IBAN)>$")
EXAMPLES = re.compile(
    r"(?:^|\.)(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost)$", re.IGNORECASE
)  # RFC 2606
LOGINS = frozenset(("git", "hg", "svn"))  # git@github.com is how a program logs in, not where a person gets mail


def find_emails(line: str) -> list[Span]:
    """Return where e-mail addresses are; without those of RFC 2606's example domains and logins of version control.

    A domain must end in a top-level domain of the Public Suffix List, so that `logo@2x.png` and `user@host.dom` stay.
    """
    spans: list[Span] = []
    for match in AT_SIGN.finditer(line) if "@" in line else ():
        at = match.end() - 1
        start = find_local_start(line, at, spans[-1][1] if spans else 0)
        end = find_domain_end(line, at + 1) if start < at else 0
        if end and line[start:at].lower() not in LOGINS:
            spans.append((start, end))
    return spans


def find_local_start(line: str, at: int, low: int) -> int:
    """Return where the part before the @ begins; `at` where there is none, or where it is too long to be one."""
    if at <= low:
        return at
    allowed = LATIN_LOCAL if LATIN_LOCAL.match(line, at - 1) else OTHER_LOCAL
    least = max(low, at - LONGEST_LOCAL)
    start = at
    while start > least and allowed.match(line, start - 1):
        start -= 1
    if start > low and allowed.match(line, start - 1):
        return at
    return at if MASKED_BEFORE.search(line, max(0, start - 12), start) else start


def find_domain_end(line: str, start: int) -> int:
    """Return where the domain at `start` ends, 0 where there is none with a known ending.

    What follows it without a space is left out: `a@b.com.Then`, `a@b.com` before Chinese text.
    """
    found = DOMAIN.match(line, start)
    while found:
        last = line.rfind(".", start, found.end()) + 1
        end = find_ending_end(line, last, found.end())
        if end:
            return 0 if EXAMPLES.search(line[start:end]) else end
        found = DOMAIN.fullmatch(line, start, last - 1)
    return 0


def find_ending_end(line: str, start: int, stop: int) -> int:
    """Return where the top-level domain between `start` and `stop` ends, 0 where it is none."""
    ending = line[start:stop].lower()
    latin = STARTS_LATIN.match(ending)
    if ending.startswith("xn--"):
        sizes = [len(ending)] if decode_punycode(ending) in top_level_domains() else []
    elif latin:
        sizes = [latin.end()] if latin[0] in top_level_domains() else []
    else:  # in a script without spaces a word may follow
        sizes = [size for size in range(len(ending), 1, -1) if ending[:size] in top_level_domains()][:1]
    return start + sizes[0] if sizes and not (latin and NO_END.match(line, start + sizes[0])) else 0


def decode_punycode(label: str) -> str:
    """Return a label `xn--...` in its own script, "" where it cannot be decoded."""
    try:
        return label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return ""


@cache
def top_level_domains() -> frozenset[str]:
    """Return the top-level domains of the Public Suffix List that tldextract ships, each in its own script."""
    from tldextract import TLDExtract

    suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None).tlds
    return frozenset(suffix.rpartition(".")[2] for suffix in suffixes)
