"""How many sentences a text has, line by line: `words.count_line_sentences` on arrays, for all lines at once."""

import numpy as np

from pipeline.text.tokenize import characters as ch
from pipeline.text.tokenize.tokens import find_runs
from pipeline.text.tokenize.words import ABBREVIATION

LONGEST = 4  # characters of an abbreviation ("Prof")


def count_sentences(text: str) -> int:
    """Return the number of sentences of a text's lines; see `words.count_line_sentences` for one line."""
    flags = ch.text_flags(ch.to_code_points(text + "\n"))
    newlines = (flags & ch.NEWLINE) != 0
    places = (((flags & ch.SPACE) == 0) | newlines).nonzero()[0]  # of what is no space, and of newlines
    marked = newlines[places]
    lines = np.count_nonzero(marked[1:] & ~marked[:-1])  # a line ends that has something in it
    starts, ends = find_runs((flags & ch.ENDING) != 0)
    if not len(starts):
        return int(lines)
    if (flags[ends] & ch.CLOSER).any():
        others = ((flags & ch.CLOSER) == 0).nonzero()[0]
        ends = others[others.searchsorted(ends)]
    after = places[places.searchsorted(ends)]
    next_flags = flags[after]
    gap = after > ends
    wide = ~gap & ((flags[starts] & ch.WIDE) != 0) & ((next_flags & ch.NEWLINE) == 0)
    spaced = starts[gap & ((next_flags & (ch.LOWER | ch.NEWLINE)) == 0)]
    return int(lines + np.count_nonzero(wide)) + len(spaced) - count_abbreviations(text, flags, spaced)


def count_abbreviations(text: str, flags: np.ndarray, ends: np.ndarray) -> int:
    """Return at how many of `ends` a full stop ends an initial or a title, not a sentence."""
    stops = ends[(flags[ends] & ch.FULL_STOP) != 0]
    before = flags[stops - 1]  # of the first characters this is the newline at the end: no letter either
    for back in range(2, LONGEST + 2):
        before &= flags[stops - back]
    short = stops[(before & ch.ALNUM) == 0]
    return sum(ABBREVIATION.search(text, max(0, stop - 8), stop) is not None for stop in short.tolist())
