"""What a character is, for the rules: tables by code point, so that a text is looked up in one step, as an array.

The patterns of `words.py` and Python's own `str` methods fill them; nothing here is a second definition.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import regex

from pipeline.text.tokenize.words import CLOSERS, PATTERNS, WIDE_MARKS, punctuation_characters, sorted_terminal_marks

LIMIT = 0x20000  # the tables cover the code points below; those above (rare ideographs, private use) are BEYOND

# What tokens are made of (words.PATTERNS).
WORD, LETTER, DIGIT, SYMBOL, MARK, JOINER, HAN, HIRAGANA, KATAKANA, FOUR = (1 << bit for bit in range(10))
DOT, COMMA, HYPHEN, APOSTROPHE, BEYOND = (1 << bit for bit in range(10, 15))
UNSPACED_SCRIPTS = HAN | HIRAGANA | KATAKANA | FOUR
# What tokens and sentences are asked for. SPOKEN: no punctuation. ENDING: may end a sentence.
ALPHA, ALNUM, DECIMAL, SPOKEN, ENDING, CLOSER, WIDE, LOWER, SPACE, NEWLINE, FULL_STOP = (1 << bit for bit in range(11))


def to_code_points(text: str) -> np.ndarray:
    """Return the text's code points, uint32; lone surrogates are code points too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def token_flags(codes: np.ndarray) -> np.ndarray:
    """Return for each code point what it is in a token, uint16."""
    return token_table().take(codes, mode="clip")


def text_flags(codes: np.ndarray) -> np.ndarray:
    """Return for each code point what it is in a text, uint16."""
    flags = text_table().take(codes, mode="clip")
    if codes.max(initial=0) >= LIMIT:
        places = (codes >= LIMIT).nonzero()[0]
        for flag, method in ((ALPHA, str.isalpha), (ALNUM, str.isalnum)):
            found = np.fromiter(map(method, map(chr, codes[places].tolist())), bool, len(places))
            flags[places[found]] |= np.uint16(flag)
    return flags


def table_characters() -> str:
    """Return the characters of the tables, in order."""
    return np.arange(LIMIT, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")


def set_flag(table: np.ndarray, flag: int, marks: Iterable[str]) -> None:
    """Set a flag of some characters."""
    table[[ord(mark) for mark in marks]] |= np.uint16(flag)


@lru_cache(maxsize=1)
def token_table() -> np.ndarray:
    """Return the flags of tokens by code point, uint16[LIMIT + 1]: made once a process, in .05 s."""
    scripts = {HAN: r"\p{Han}", HIRAGANA: r"\p{Hiragana}", KATAKANA: PATTERNS.runs, FOUR: PATTERNS.fours}
    by_pattern = {
        WORD: PATTERNS.word,
        LETTER: PATTERNS.letter,
        DIGIT: PATTERNS.digit,
        SYMBOL: f"[{PATTERNS.symbol}--[{''.join(scripts.values())}]]",  # a token's pattern looks for scripts first
        MARK: r"\p{M}",
        JOINER: PATTERNS.joiners,
        **scripts,
    }
    table, every = np.zeros(LIMIT + 1, np.uint16), table_characters()
    for flag, pattern in by_pattern.items():
        for run in regex.finditer(f"{pattern}+", every, regex.V1):
            table[run.start() : run.end()] |= np.uint16(flag)
    for flag, marks in ((DOT, "."), (COMMA, ","), (HYPHEN, "-"), (APOSTROPHE, "'’")):
        set_flag(table, flag, marks)
    table[LIMIT] = BEYOND
    return table


@lru_cache(maxsize=1)
def text_table() -> np.ndarray:
    """Return the flags of texts by code point, uint16[LIMIT + 1]: made once a process, in .05 s."""
    methods = {
        ALPHA: str.isalpha,
        ALNUM: str.isalnum,
        DECIMAL: str.isdecimal,
        LOWER: str.islower,
        SPACE: str.isspace,
    }
    table, every = np.full(LIMIT + 1, SPOKEN, np.uint16), table_characters()
    for flag, method in methods.items():
        table[:LIMIT][np.fromiter(map(method, every), bool, LIMIT)] |= np.uint16(flag)
    table[[ord(mark) for mark in punctuation_characters()]] &= np.uint16(0xFFFF - SPOKEN)
    for flag, marks in ((CLOSER, CLOSERS), (WIDE, WIDE_MARKS), (NEWLINE, "\n"), (FULL_STOP, "."), (ENDING, "…")):
        set_flag(table, flag, marks)
    set_flag(table, ENDING, sorted_terminal_marks())
    return table
