"""Character references of HTML as characters, for any input."""

import re
from html import unescape

LONG_NUMBER = re.compile(r"&#([0-9]{8,}+)")
MOST_DIGITS = 7  # of a character's number: 1114111 is the last


def unescape_entities(text: str) -> str:
    """Return `text` with its character references replaced as HTML5 says. Linear time; never raises.

    `html.unescape` raises ValueError for a number of more than 4,300 digits (`sys.set_int_max_str_digits`). Such a
    number is shortened first; the result for all other text is that of `html.unescape`.
    """
    return unescape(LONG_NUMBER.sub(_shorten_number, text) if "&#" in text else text)


def _shorten_number(match: re.Match[str]) -> str:
    """Return a numeric reference without leading zeros, with at most one digit more than a character's number."""
    return "&#" + (match[1].lstrip("0")[: MOST_DIGITS + 1] or "0")
