"""Characters that are never text: controls, which also steer terminals, and what nobody sees."""

import re

# C0 and C1 controls but tab and newline, lone surrogates, the byte-order mark, soft hyphen and word joiner: never text.
NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u2060\ud800-\udfff\ufeff\ufffe\uffff]")
# Nor is the zero-width space, but between the words of Thai, Lao, Burmese and Khmer.
ZERO_WIDTH_SPACE = "\u200b"
STRAY_ZERO_WIDTH_SPACE = re.compile("(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b")
LINE_BREAKS = re.compile("\r\n?|[\x85\u2028\u2029\x0b\x0c]")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def remove_invisible(text: str) -> str:
    """Return text without the characters that nobody sees and that say nothing."""
    text = NOT_TEXT.sub("", text)
    return STRAY_ZERO_WIDTH_SPACE.sub("", text) if ZERO_WIDTH_SPACE in text else text


def unify_line_breaks(text: str) -> str:
    """Return text in which every kind of line break is a newline."""
    return LINE_BREAKS.sub("\n", text)


def clean_plain_text(text: str) -> str:
    """Return text that was given as text (WET, files of one's own) as extraction would give it."""
    return remove_invisible(unify_line_breaks(text))


def escape_controls(address: str) -> str:
    """Return an address with its control characters percent-encoded: as a browser would ask for it."""
    return CONTROL.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace")), address)


def remove_controls(line: str) -> str:
    """Return one line, such as a header's value, without control characters."""
    return CONTROL.sub("", line)
