"""What the finders of all kinds share: what may stand beside personal data, and the table of formats."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.settings import read_table

FORMATS = Path(__file__).parents[1] / "data" / "pii_formats.yaml"

# A placeholder gives its neighbour no border that what it stands for did not give: masking twice changes nothing.
AFTER_MASK = "".join(f"(?<!<{mask}>.)" for mask in ("EMAIL", "IP_ADDRESS", "PHONE", "CARD", "IBAN"))
# Characters of words in scripts that write spaces between words: Latin, Greek, Cyrillic, Armenian, Georgian. Letters of
# other scripts are no border: Chinese has no spaces, and in Korean, Arabic or Hebrew a particle stands at a number.
WORD = "0-9A-Za-z_\u00aa\u00ba\u00c0-\u024f\u0370-\u052f\u0531-\u0587\u10a0-\u10ff\u1e00-\u1fff"
# Every pattern begins with the characters that it can begin with, for which a text is searched at several times the
# speed. What must not stand before it is looked for from behind that first character.
NOT_BEFORE = AFTER_MASK + f"(?<![{WORD}.,+-].)"
NOT_AFTER = f"(?![{WORD}]|[.,-][0-9])"

Span = tuple[int, int]  # where something to mask begins and ends in a line


def add_free_spans(spans: list[Span], others: list[Span]) -> list[Span]:
    """Return spans and those of `others` that overlap none of them, rising."""
    found, index = [], 0
    for start, end in others:
        while index < len(spans) and spans[index][1] <= start:
            index += 1
        if index == len(spans) or spans[index][0] >= end:
            found.append((start, end))
    return sorted(spans + found) if found else spans


@cache
def read_formats() -> Mapping[str, Any]:
    """Return the table of card prefixes, IBAN lengths and words."""
    found: Mapping[str, Any] = read_table(FORMATS)
    return found
