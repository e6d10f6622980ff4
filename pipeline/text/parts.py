"""Long texts in parts, so that what is made of a text need not be held for all of it at once.

A part ends behind white space. No word, no character with its combining marks and, of `cut_at_newlines`, no line begins
in one part and ends in the next. So what is made of words or lines is the same in parts.
"""

from collections.abc import Iterator

PART = 1 << 17  # characters; a longer text is worked on in parts of about so many
LOOK_AHEAD = 1 << 10  # characters that are searched for the end of a run of newlines at a time


def cut_at_newlines(text: str, newlines: str = "\n") -> Iterator[str]:
    """Yield a text in parts of at least PART characters, each cut behind a run of newlines, at least those given."""
    start = 0
    while len(text) - start > PART:
        found = text.find(newlines, start + PART)
        if found < 0:
            break
        stop = found + len(newlines)
        while more := count_leading_newlines(text[stop : stop + LOOK_AHEAD]):
            stop += more
        yield text[start:stop]
        start = stop
    yield text[start:]


def count_leading_newlines(text: str) -> int:
    """Return the number of newlines that a text begins with."""
    return len(text) - len(text.lstrip("\n"))


def cut_at_spaces(text: str) -> Iterator[str]:
    """Yield a text in parts of at least PART characters, each cut behind a space or a newline."""
    start = 0
    while len(text) - start > PART:
        stop = find_space(text, start + PART) + 1
        if not stop:
            break
        yield text[start:stop]
        start = stop
    yield text[start:]


def find_space(text: str, start: int) -> int:
    """Return the place of the first space or newline from `start` on; -1 where there is none."""
    for first in range(start, len(text), LOOK_AHEAD):
        places = [text.find(mark, first, first + LOOK_AHEAD) for mark in " \n"]
        if max(places) >= 0:
            return min(place for place in places if place >= 0)
    return -1
