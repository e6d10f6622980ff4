"""How many sentences a text has, line by line: `words.count_line_sentences` on arrays, for all lines at once."""

import numpy as np

from pipeline.text.tokenize import characters as ch
from pipeline.text.tokenize.tokens import find_runs
from pipeline.text.tokenize.words import ABBREVIATION

LONGEST = 4  # characters of an abbreviation ("Prof")
BLOCK = 1 << 17  # characters worked on at a time, which bounds the memory that a long text takes
CUT_WINDOW = 1 << 12  # characters that are searched for a place to cut at a time
LOOK_BACK = 9  # characters that tell, before a full stop, whether it ends an abbreviation


def count_sentences(text: str) -> int:
    """Return the number of sentences of a text's lines; see `words.count_line_sentences` for one line."""
    count, start = 0, 0
    while len(text) - start > BLOCK:
        cut = text.rfind("\n", start, start + BLOCK) + 1
        if cut <= start:
            cut = find_cut_in_line(text, start, start + BLOCK)
            count -= 1  # the line is counted on both sides of the cut
        if cut <= start:
            count += 1
            break
        count += count_block_sentences(text[start:cut])
        start = cut
    return count + count_block_sentences(text[start:])


def find_cut_in_line(text: str, start: int, stop: int) -> int:
    """Return the last place where a line can be cut so that both parts together have as many sentences; 0 for none.

    It is inside a word, with no mark that may end a sentence for some characters behind it: what ends before the cut
    is told by what is before it, and what ends after the cut by what is after it.
    """
    for last in range(stop, start, -CUT_WINDOW):
        first = max(start, last - CUT_WINDOW)
        flags = ch.text_flags(ch.to_code_points(text[first : last + LOOK_BACK]))
        plain = (flags & (ch.ENDING | ch.CLOSER | ch.SPACE | ch.NEWLINE)) == 0
        marks = np.cumsum(np.append(0, (flags & ch.ENDING) != 0))
        fits = len(flags) - LOOK_BACK
        if fits < 2:
            continue
        unmarked = marks[LOOK_BACK + 1 :][:fits] == marks[:fits]
        cuts = (plain[: fits - 1] & plain[1:fits] & unmarked[1:fits]).nonzero()[0] + 1
        if len(cuts):
            return first + int(cuts[-1])
    return 0


def count_block_sentences(text: str) -> int:
    """Return the number of sentences of a text's lines, all at once."""
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
