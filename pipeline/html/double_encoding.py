"""Repair of text that was encoded as UTF-8 twice: "caf\u00c3\u00a9" is "caf\u00e9".

A system took UTF-8 for windows-1252 and wrote it as UTF-8 again. Such runs are told by their form, which no language
has: the letter of a first byte and the signs of further ones. A page is repaired only where they are beyond doubt:
some of them stand inside words or are signs that are hardly anything else, and there are more of them than other
accented letters. A page that speaks of the fault itself stays as it is.
"""

import re
from collections.abc import Iterator
from functools import partial

# What windows-1252 makes of the bytes from 0x80 on; the five that it does not know stay controls.
CHARACTERS = "".join(bytes([byte]).decode("cp1252", "replace").replace("\ufffd", chr(byte)) for byte in range(128, 256))
TO_BYTES = str.maketrans({char: chr(128 + place) for place, char in enumerate(CHARACTERS)})
REST = "[" + re.escape(CHARACTERS[:64]) + "]"
RUN = re.compile(f"[\u00c2-\u00df]{REST}|[\u00e0-\u00ef]{REST}{{2}}|[\u00f0-\u00f4]{REST}{{3}}")
RUNS = re.compile(f"(?:{RUN.pattern})+")
# Runs that are hardly anything else: quotes, dashes and the euro; emoji; accented Latin letters after or before others.
PUNCTUATION_RUN = "\u00e2[\u20ac\u201a\u201e]"
CERTAIN = re.compile(
    f"{PUNCTUATION_RUN}{REST}|\u00f0\u0178{REST}{{2}}|(?<=[a-z])[\u00c3-\u00c5]{REST}|\u00c3{REST}(?=[a-z])"
    f"|\u00c3[\u0192\u201a]\u00c2|\u00c3\u00a2\u00e2\u201a\u00ac|(?:{RUN.pattern}){{4}}"
)
ALONE = re.compile(f"{PUNCTUATION_RUN}|[\u00c2-\u00df]|\u00f0")  # beginnings of runs that need no other beside them
# The bytes of a run in a page: a letter from \u00c2 to \u00f4 before what windows-1252 makes of 0x80 to 0xBF.
GATE = re.compile(rb"\xc3[\x82-\xb4](?:\xc2[\x81-\xbf]|\xe2[\x80\x82\x84]|[\xc5\xc6\xcb])")
FAULT = re.compile("mojibake|double.encod", re.I)
MOST_TIMES = 3
LONGEST = 64  # bytes; a match of CERTAIN has at most 48 in UTF-8, and looks at one more on either side


def holds_runs(body: bytes) -> bool:
    """Tell whether the UTF-8 of a page has the bytes of text that was encoded twice, or bytes like them."""
    return b"\xc3" in body and GATE.search(body) is not None


def repair_double_encoding(text: str) -> str:
    """Return a page's text without its second encoding, or its third; unchanged where that is not certain."""
    for _ in range(MOST_TIMES):
        body = text.encode()
        parts = list(cut_parts_with_runs(body))
        if not any(map(CERTAIN.search, parts)):
            break
        runs = [run for part in parts for run in RUN.findall(part)]
        others = count_accented(body) - count_accented("".join(runs).encode())
        if others > 2 * len(runs) or FAULT.search(text):
            break
        repaired = RUNS.sub(partial(decode_runs, whole=not others), text)
        if repaired == text:
            break
        text = repaired
    return text


def cut_parts_with_runs(body: bytes) -> Iterator[str]:
    """Yield the parts of a page's UTF-8 in which runs begin, each with LONGEST bytes behind the last beginning.

    RUN and CERTAIN find in them what they find in the page, for which they take fifty times as long as GATE.
    """
    start = end = 0
    for match in GATE.finditer(body):
        if match.start() > end:
            yield body[start:end].decode("utf-8", "ignore")
            start = match.start() - 1
        end = match.start() + LONGEST
    yield body[start:end].decode("utf-8", "ignore")


def count_accented(body: bytes) -> int:
    """Return the number of accented Latin letters (U+00C0 to U+00FF, without the two signs among them) in UTF-8."""
    return body.count(b"\xc3") - body.count(b"\xc3\x97") - body.count(b"\xc3\xb7")


def decode_runs(match: re.Match[str], whole: bool) -> str:
    """Return what the runs of a match were before the second encoding. `whole`: the page has no other accented letters;
    else a doubtful run that stands alone stays as it is.
    """
    run = match[0]
    if not whole and not ALONE.match(run) and RUN.fullmatch(run):
        return run
    try:
        return run.translate(TO_BYTES).encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return run
