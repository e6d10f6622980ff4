"""Masks personal data: e-mail addresses, public IP addresses, phone numbers, payment cards, IBANs.

Each kind becomes one fixed placeholder (<EMAIL>, <IP_ADDRESS>, <PHONE>, <CARD>, <IBAN>), in StarCoder's style: it can
be counted and found again, and a model never learns a stand-in address as if it were one. Conservative: a number counts
only by its checksum (cards, IBANs), its range (IPs), or a phone's own writing; dates, versions, prices and ISBNs stay.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from ipaddress import IPv4Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

FORMATS = Path(__file__).parent / "data" / "pii_formats.yaml"

# Every pattern begins with the characters that it can begin with, for which a text is searched at several times the
# speed; what must not stand before it is looked for from behind that first character.

# A line without one of these holds nothing to mask: an @, six digits close together, or a colon pair as in IPv6.
OF_INTEREST = re.compile(
    r"[@:0-9](?:(?<=@)|(?<=:)[0-9A-Fa-f]{0,4}:|(?<=[0-9])(?:(?:[^0-9\n]{0,3}[0-9]){5}|\.[0-9]{1,3}\.[0-9]))"
)
AT, COLONS, DOTS = re.compile(b"@"), re.compile(b":[0-9A-Fa-f]{0,4}:"), re.compile(rb"\.[0-9]{1,3}\.[0-9]")
# A placeholder gives its neighbour no border that what it stands for did not give: masking twice changes nothing.
AFTER_MASK = "".join(f"(?<!<{mask}>.)" for mask in ("EMAIL", "IP_ADDRESS", "PHONE", "CARD", "IBAN"))
NOT_BEFORE = AFTER_MASK + r"(?<![\w.,+-].)"
NOT_AFTER = r"(?!\w|[.,-][0-9])"

EMAIL = re.compile(
    r"[A-Za-z0-9\u00c0-\u024f._%+-]" + AFTER_MASK + r"(?<![A-Za-z0-9\u00c0-\u024f._%+-].)"
    r"[A-Za-z0-9\u00c0-\u024f._%+-]{0,63}@(?:[A-Za-z0-9\u00c0-\u024f-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9@])"
)
IPV4 = re.compile(r"[0-9]" + AFTER_MASK + r"(?<![\w.-].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![\w-]|\.[0-9])")
IPV6 = re.compile(
    r"[0-9A-Fa-f]" + AFTER_MASK + r"(?<![\w:.].)[0-9A-Fa-f]{0,3}:[0-9A-Fa-f:]{2,36}[0-9A-Fa-f](?![\w:]|\.[0-9])"
)
CARD = re.compile(
    r"[0-9]"
    + NOT_BEFORE
    + r"(?:[0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?|[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}|[0-9]{13,18})"
    + NOT_AFTER
)
IBAN_START = re.compile(r"[A-Z]" + AFTER_MASK + r"(?<![A-Za-z0-9].)[A-Z][0-9]{2}(?=[ -]?[A-Z0-9]{4})")

DIGITS = re.compile(r"[0-9]")
INTERNATIONAL = re.compile(
    r"[+0]"
    + AFTER_MASK
    + r"(?<![\w+].)(?:(?<=\+)|(?<=0)0(?=[1-9][0-9]{0,2}[ .\u00a0/(-]))[ ]?[1-9]"
    + r"(?:[ .\u00a0\u2011/-]{0,2}(?:\(0?\)|\([0-9]{1,5}\)|[0-9])){6,15}"
    + NOT_AFTER
)
NATIONAL_START = re.compile(r"[(0-9]" + NOT_BEFORE)
NATIONAL = re.compile(
    r"(?:"
    + r"(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ ]?|[2-9][0-9]{2}([.-]))[2-9][0-9]{2}(?:\1|[ .-])[0-9]{4}"  # North America
    + r"|0[1-9](?:([ .-])[0-9]{2})(?:\2[0-9]{2}){3}"  # France: five pairs
    + r"|(?<![0-9>] )\(?0[0-9]{2,5}\)?[ -][0-9]{3,4}[ -][0-9]{3,4}(?! [0-9])"  # Britain, Japan, Australia, ...
    + r"|0[0-9]-[0-9]{4}-[0-9]{4}"  # Japan's big cities
    + r"|8[ -]?\(?[3-9][0-9]{2}\)?[ -][0-9]{3}-[0-9]{2}-[0-9]{2}"  # Russia
    + r"|\([1-9][0-9]\)[ ]?9?[0-9]{4}-[0-9]{4}"  # Brazil
    + r"|1[3-9][0-9]([ -])[0-9]{4}\3[0-9]{4}"  # China, mobile
    + r")"
    + NOT_AFTER
)
# A number of any writing is a phone's where the text says so.
LABELLED = re.compile(
    r"(?i:(?<!\w)(?:tel|telephone|telefon|telefono|teléfono|téléphone|tél|telefone|phone|fax|mobile|mobil|cell|whatsapp|"
    r"hotline|тел|телефон|факс)(?:\.|(?!\w))|电话|電話|手机|传真)"
    r"[ ]{0,2}(?:(?i:no|nr|number)\b\.?)?[ ]{0,2}[.:：)]?[ ]{0,3}"
    r"([(]?[0-9](?:[ .\u00a0()/-]{0,3}[0-9]){5,14})" + NOT_AFTER
)
DIGIT_RUN = re.compile(r"[0-9](?:[ .\u00a0()/-]{0,3}[0-9]){5}")  # is in all that the pattern above takes
# One of these is in all labels in lower case; without letters of which a pattern takes odd relatives, too (ſ, ı).
LABELS = (
    "tel",
    "tél",
    "fon",
    "phone",
    "fax",
    "mob",
    "cell",
    "what",
    "hotl",
    "ел",
    "фа",
    "电话",
    "電話",
    "手机",
    "传真",
)
NOT_A_PHONE = re.compile(
    r"(?:(?:19|20)[0-9]{2}[-/. ]{1,3}(?:19|20)[0-9]{2}"  # years
    r"|(?:19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{1,2}"  # dates
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:19|20)?[0-9]{2})(?![0-9])"
)
BOOK_OR_VERSION = re.compile(
    r"(?i)(?:isbn(?:-?1[03])?|issn|ean|doi|version|ver|v|release|build|section|firmware)[.:]?[ #\"'\u201c]{0,3}$"
)
COUNTRY_CODES = re.compile(
    "1|7|20|27|3[0123469]|4[013456789]|5[12345678]|6[0123456]|8[1246]|9[0123458]|2[1-9][0-9]|3[578][0-9]|42[013]|"
    "50[0-9]|59[0-9]|6[789][0-9]|80[08]|85[02356]|88[0-8]|9[679][0-9]"
)  # ITU-T E.164's assigned country codes
GLOBAL_V6 = IPv6Network("2000::/3")  # all of today's global unicast (IANA); "dead::beef" in code is none of it
FILE_ENDINGS = frozenset("png jpg jpeg gif webp svg bmp ico css js html htm php".split())  # "logo@2x.png"
EXAMPLES = re.compile(
    r"(?:^|\.)(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost)$", re.IGNORECASE
)  # RFC 2606


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PiiConfig:
    """Which kinds are masked."""

    emails: bool = True  # mask e-mail addresses
    ips: bool = True  # mask public IP addresses
    phones: bool = True  # mask phone numbers
    cards: bool = True  # mask payment cards with a valid checksum
    ibans: bool = True  # mask IBANs with a valid checksum


def mask_pii(text: str, config: PiiConfig) -> tuple[str, dict[str, int]]:
    """Return the text with personal data masked, and how many of each kind (those found only).

    Idempotent; time is linear in the text's length. Lines are masked one by one: nothing here crosses a line's end.
    """
    steps = [step for name, step in STEPS.items() if getattr(config, name)]
    if not steps:
        return text, {}
    raw = text.encode("utf-8", "surrogatepass")
    counts: dict[str, int] = {}
    parts, done = [], 0
    for start, end in _candidate_lines(raw, 4 if len(raw) == len(text) else 13):
        line = raw[start:end].decode("utf-8", "surrogatepass")
        if OF_INTEREST.search(line):
            masked = line
            for step in steps:
                masked = step(masked, counts)
            if masked != line:
                parts += [raw[done:start], masked.encode("utf-8", "surrogatepass")]
                done = end
    return (b"".join([*parts, raw[done:]]).decode("utf-8", "surrogatepass"), counts) if parts else (text, {})


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


def _replace(
    pattern: re.Pattern[str],
    accept: Callable[[re.Match[str]], str],
    text: str,
    kind: str,
    mask: str,
    counts: dict[str, int],
) -> str:
    """Put `mask` for what `accept` returns of each match (a part of it, or "" for none)."""

    def one(match: re.Match[str]) -> str:
        found = accept(match)
        if not found:
            return match[0]
        counts[kind] = counts.get(kind, 0) + 1
        return match[0].replace(found, mask, 1)

    return pattern.sub(one, text)


def mask_emails(text: str, counts: dict[str, int]) -> str:
    """Mask e-mail addresses, but not those of RFC 2606's example domains, nor file names with an @."""
    return _replace(EMAIL, _email, text, "emails", "<EMAIL>", counts) if "@" in text else text


def _email(match: re.Match[str]) -> str:
    domain = match[0].rpartition("@")[2]
    ending = domain.rpartition(".")[2].lower()
    return "" if ending in FILE_ENDINGS or EXAMPLES.search(domain) else match[0]


def mask_ips(text: str, counts: dict[str, int]) -> str:
    """Mask globally routed IPv4 and IPv6 addresses; private, reserved and documentation ranges stay, as do versions."""
    text = _replace(IPV4, _ip, text, "ips", "<IP_ADDRESS>", counts)
    return _replace(IPV6, _ip, text, "ips", "<IP_ADDRESS>", counts) if text.count(":") > 1 else text


def _ip(match: re.Match[str]) -> str:
    try:
        address = ip_address(match[0])
    except ValueError:
        return ""
    if isinstance(address, IPv4Address):
        return match[0] if address.is_global and not _after_book_or_version(match) else ""
    return match[0] if address.is_global and address in GLOBAL_V6 else ""


def mask_cards(text: str, counts: dict[str, int]) -> str:
    """Mask payment card numbers: in a card's own grouping or unbroken, with an issuer's prefix and a valid Luhn sum."""
    return _replace(CARD, _card, text, "cards", "<CARD>", counts)


def _card(match: re.Match[str]) -> str:
    digits = re.sub("[ -]", "", match[0])
    return match[0] if is_card(digits) and not _after_book_or_version(match) else ""


def is_card(digits: str) -> bool:
    """Tell whether a string of digits has an issuer's prefix and length (ISO/IEC 7812) and a valid Luhn sum."""
    issued = any(
        len(digits) in issuer["lengths"] and low <= int(digits[: len(str(low))]) <= high
        for issuer in _formats()["cards"]
        for low, high in issuer["prefixes"]
    )
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return issued and (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def mask_ibans(text: str, counts: dict[str, int]) -> str:
    """Mask IBANs: a known country, that country's length, and a valid mod-97 sum (ISO 13616)."""
    parts, end = [], 0
    for match in IBAN_START.finditer(text):
        start = match.start()
        found = find_iban(text[start : start + 64]) if start >= end else ""
        if found:
            parts += [text[end:start], "<IBAN>"]
            end = start + len(found)
            counts["ibans"] = counts.get("ibans", 0) + 1
    return "".join([*parts, text[end:]])


def find_iban(text: str) -> str:
    """Return the IBAN that `text` begins with, as written, or "". It ends where its country's length does."""
    length = _formats()["ibans"].get(text[:2], 0)
    compact, end = "", 0
    while end < len(text) and len(compact) < length:
        compact += text[end] if text[end] not in " -" else ""
        end += 1
    well_formed = re.fullmatch("[A-Z0-9]+", compact)
    if not length or len(compact) < length or not well_formed or text[end : end + 1].isalnum():
        return ""
    rearranged = compact[4:] + compact[:4]
    return text[:end] if int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1 else ""


def mask_phones(text: str, counts: dict[str, int]) -> str:
    """Mask phone numbers: international ones, common national writings, and any number that is labelled as one."""
    text = _replace(INTERNATIONAL, _international, text, "phones", "<PHONE>", counts)
    text = _mask_national(text, counts)
    lowered = text.lower() if DIGIT_RUN.search(text) else ""
    if any(label in lowered for label in LABELS):
        text = _replace(LABELLED, _labelled, text, "phones", "<PHONE>", counts)
    return text


def _mask_national(text: str, counts: dict[str, int]) -> str:
    parts, end = [], 0
    for start in NATIONAL_START.finditer(text):
        if start.start() >= end and (match := NATIONAL.match(text, start.start())):
            if _after_book_or_version(match):
                parts.append(text[end : match.end()])
            else:
                parts += [text[end : match.start()], "<PHONE>"]
                counts["phones"] = counts.get("phones", 0) + 1
            end = match.end()
    return "".join([*parts, text[end:]])


def _international(match: re.Match[str]) -> str:
    """Accept 8 to 15 digits of an assigned country code; "+20 000 000" is a sum of money, not a number in Egypt."""
    digits = "".join(DIGITS.findall(match[0].replace("(0)", "")))
    digits = digits.removeprefix("00")
    code = COUNTRY_CODES.match(digits)
    if not code or not 8 <= len(digits) <= 15:
        return ""
    rest = digits[code.end() :]
    if code[0] == "1":
        return match[0] if len(rest) == 10 and rest[0] > "1" and rest[3] > "1" else ""
    return match[0] if rest[0] != "0" or code[0] == "39" else ""


def _labelled(match: re.Match[str]) -> str:
    return "" if NOT_A_PHONE.match(match[1]) else match[1]


def _after_book_or_version(match: re.Match[str]) -> bool:
    """Tell whether the words just before a number name it as something else."""
    return BOOK_OR_VERSION.search(match.string[max(0, match.start() - 16) : match.start()]) is not None


@cache
def _formats() -> Mapping[str, Any]:
    """Read the table of card prefixes and IBAN lengths."""
    found: Mapping[str, Any] = yaml.safe_load(FORMATS.read_text(encoding="utf-8"))
    return found


# In this order: an IBAN's digits could pass for a card's, a card's for a phone's.
STEPS: dict[str, Callable[[str, dict[str, int]], str]] = {
    "emails": mask_emails,
    "ibans": mask_ibans,
    "cards": mask_cards,
    "ips": mask_ips,
    "phones": mask_phones,
}
