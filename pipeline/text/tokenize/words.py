"""Words and sentences of any script, fast and without a model. What every rule counts.

A word is what spaCy's tokenizers come near to: a run of letters, digits and marks; punctuation is a token too, one a
character, but a run of full stops or hyphens is one; a contraction is cut before its apostrophe (it + 's); a number
keeps its inner points and commas. Gopher's rules depend on this choice: its share of alphabetic words counts
punctuation tokens.

Scripts that put no space between words are cut without a dictionary: Han and Hiragana in pairs, Katakana in whole
runs, Thai, Lao, Khmer and Burmese in fours, each starting anew wherever the script changes or punctuation stands. The
pieces have about the length of those languages' words, so counts and n-grams mean about what they mean elsewhere, and a
repeated line or sentence is always cut alike. What such pieces cannot tell is the mean length of a word.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import regex

# Languages (lid.176's codes) written without spaces between words, and of those the ones without full stops.
UNSPACED = frozenset(("zh", "yue", "wuu", "ja", "th", "lo", "km", "my"))
UNPUNCTUATED = frozenset(("th", "lo"))
EAST_ASIAN = frozenset(("zh", "yue", "wuu", "ja", "ko"))  # a character of these says about what two Latin letters say

# Characters that are no word by themselves in datatrove's count of words (datatrove/utils/text.py: PUNCTUATION; the
# fullwidth one is in it since cc_net's table, where it stands for a quote). Terminal punctuation and controls join
# them.
SYMBOLS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«´»–—’“”„…∶━►、。〈〉《》「」【】！％（），．１：；？～"
CONTROLS = ((0x00, 0x08), (0x0B, 0x0C), (0x0D, 0x1F), (0x7F, 0x9F))

# Unicode's Sentence_Terminal, as listed by FineWeb (datatrove/utils/text.py: TERMINAL_PUNCTUATION): code point ranges.
TERMINAL_RANGES = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6 17D9-17DA
1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54
3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F
FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239
1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C
11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88
"""

# Text without these characters has no combining mark, joiner or unspaced script, and takes the pattern of module re,
# which is two to three times as fast. The class may be too wide (both patterns agree there), never too narrow.
INTRICATE = re.compile(
    "[\x1c-\x1f\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u1cff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20d0-\u20ff\u2cef-\u2cf1\u2de0-\u2dff\u2e80-\uabff\ud800-\uffff\U00010000-\U0001efff\U0001fb00-\U0010ffff]"
)
PLAIN_WORD = re.compile(r"\w+(?:[.,]\d+)*|[^\w\s.\-'’]|(?<=\w)['’]\w+|\.+|-+|['’]")

CLOSERS = "\"'”’»)]」』）】"
WIDE_MARKS = "。！？｡"  # end a sentence without a space
ABBREVIATION = re.compile(r"\b(?:[A-ZÀ-ÞΑ-ΩА-Я]|Mrs?|Ms|Dr|Prof|St|[JS]r|vs|N[or]|Fig|Vol|Hr|Fr|Sra?)$")


class TextSplitter(NamedTuple):
    """How a text is cut: `words` gives its tokens, `count_sentences` the number of sentences in one line."""

    words: Callable[[str], list[str]]
    count_sentences: Callable[[str], int]


def characters_in_ranges(ranges: str) -> frozenset[str]:
    """Return the characters of a list of hexadecimal code point ranges ("21 2E 61D-61F")."""
    pairs = [(part.split("-") * 2)[:2] for part in ranges.split()]
    return frozenset(chr(code) for first, last in pairs for code in range(int(first, 16), int(last, 16) + 1))


@lru_cache(maxsize=1)
def sorted_terminal_marks() -> tuple[str, ...]:
    """Return the marks that end a sentence in any script, sorted, as `str.endswith` takes them."""
    return tuple(sorted(characters_in_ranges(TERMINAL_RANGES)))


@lru_cache(maxsize=1)
def terminal_marks() -> frozenset[str]:
    """Return the same marks as a set."""
    return frozenset(sorted_terminal_marks())


@lru_cache(maxsize=1)
def punctuation_characters() -> frozenset[str]:
    """Return the characters of which a token may consist and not be a word (Gopher's count of words)."""
    controls = {chr(code) for first, last in CONTROLS for code in range(first, last + 1)}
    return frozenset(SYMBOLS).union(controls, sorted_terminal_marks())


class WordPatterns(NamedTuple):
    """Character classes of module regex that tokens are made of."""

    letter: str  # letters, digits, marks
    word: str  # those of scripts that put spaces between words
    digit: str  # of those scripts too
    runs: str
    fours: str
    joiners: str
    symbol: str  # all that is visible beside letters, full stops, hyphens and apostrophes


RUNS, FOURS = r"\p{Katakana}ー", r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
PATTERNS = WordPatterns(
    letter=r"[\p{L}\p{N}\p{M}_]",
    word=rf"[\p{{L}}\p{{N}}\p{{M}}_--[\p{{Han}}\p{{Hiragana}}{RUNS}{FOURS}]]",
    digit=rf"[\d--[{FOURS}]]",
    runs=f"[{RUNS}]",
    fours=rf"[{FOURS}--\p{{P}}]",
    joiners=r"[\u00ad\u200c\u200d]",
    symbol=r"[^\p{L}\p{N}\p{M}_\s\p{Cf}.\-'’]",
)


@lru_cache(maxsize=1)
def any_word_pattern() -> "regex.Pattern[str]":
    """Return the pattern of a token in any script."""
    letter, word, digit, runs, fours, joiners, symbol = PATTERNS
    return regex.compile(
        rf"{word}+(?:{joiners}+{word}+)*(?:[.,]{digit}+)*"
        rf"|\p{{Han}}{{1,2}}|\p{{Hiragana}}{{1,2}}|{runs}+|{fours}{{1,4}}"
        rf"|{symbol}\p{{M}}*|(?<={letter})['’]{word}+|\.+|-+|['’]",
        regex.V1,
    )


def split_words(text: str) -> list[str]:
    """Return the tokens of a text, in order; see the module's docstring for what a token is."""
    if INTRICATE.search(text):
        found: list[str] = any_word_pattern().findall(text)
        return found
    return PLAIN_WORD.findall(text)


@lru_cache(maxsize=1)
def sentence_end_pattern() -> "re.Pattern[str]":
    """Return the pattern of what may end a sentence inside a line: marks, closers, space (1) and what follows (2)."""
    marks = "".join(map(re.escape, sorted_terminal_marks()))
    closers = re.escape(CLOSERS)
    # Only the first mark of a run begins a match: from each later one a search would go through the run once more.
    return re.compile(rf"(?<![{marks}…])[{marks}…]++[{closers}]*+(\s*+)(?=(\S))")


def count_line_sentences(line: str) -> int:
    """Return the number of sentences in one line: one, and one more after each end inside it.

    An end is a run of terminal marks (closing quotes and brackets may follow) before a space and anything but a
    lower-case letter, or before anything where the mark is Chinese or Japanese. An initial ("J. Bach") or a title
    ("Dr.") ends nothing.
    """
    line = line.strip()
    if not line:
        return 0
    count = 1
    for end in sentence_end_pattern().finditer(line):
        start = end.start()
        if not end[1]:
            count += line[start] in WIDE_MARKS
        elif not end[2].islower():
            count += not (line[start] == "." and ABBREVIATION.search(line[max(0, start - 8) : start]))
    return count


SPLITTER = TextSplitter(split_words, count_line_sentences)
