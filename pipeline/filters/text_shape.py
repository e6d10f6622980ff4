"""The shape of a text: does it look like an article, a manual or a discussion, or like a catalogue?

A score of eight measures, none of which needs words of a language. It stands in for rules on single shares, where
pages have no quality score: a documentation page has short lines, lines without an end and repeated lines, and is a
good page.
"""

import math
from typing import NamedTuple

import numpy as np
from pydantic.dataclasses import dataclass

from pipeline.filters.base import Filter, Threshold
from pipeline.filters.statistics import TextStatistics, share_of
from pipeline.settings import STRICT
from pipeline.text.parts import PART
from pipeline.text.tokenize import characters
from pipeline.text.tokenize.words import terminal_marks

# Latin letters that say what a character says: a Chinese word of two characters is an English one of five letters.
CHARACTER_WEIGHTS = {"zh": 3, "yue": 3, "wuu": 3, "ja": 2, "ko": 2}
LETTERS_OF_WORD = 6  # characters of a word with its space, of which shares by word are made without cutting words
MOST_DIGITS = 0.02  # a recipe and a town's history have as many as a price list
MOST_LENGTH = 3.1  # log10 of characters; a longer text is no better for it
LONG_LINE = 60  # characters of a line that counts as ended, where a language has no marks for the end
PARENTHESES, COMMAS, COLONS = "(（", ",，、،;；", (":", "：")


class TextShape(NamedTuple):
    """What is measured of a text's shape. Characters count by CHARACTER_WEIGHTS."""

    length: float  # log10 of the characters, at most MOST_LENGTH
    line_length: float  # log10 of the mean characters of a line
    digits: float  # share of digits, at most MOST_DIGITS
    ended: float  # share of lines that end in terminal punctuation
    titles: float  # share of lines in which every word begins with a capital
    parentheses: float  # per word, at most .2
    commas: float  # commas and semicolons per word, at most .3
    colons: float  # share of lines that end in a colon


# Logistic regression of article, documentation and discussion against product, listing, collection and service pages:
# half of the sites of WCXB's pages with types, main texts of the engine gristmill. The other half measured it.
WEIGHTS = TextShape(
    length=4.0,
    line_length=3.3,
    digits=-14.2,
    ended=0.8,
    titles=-2.0,
    parentheses=20.0,
    commas=4.0,
    colons=8.1,
)
INTERCEPT = -17.3  # a text with less than 0 is dropped


def measure_shape(text: TextStatistics) -> TextShape:
    """Return the shape of a text; its time is linear."""
    weight = CHARACTER_WEIGHTS.get(text.language, 1)
    marks = terminal_marks()
    lines = size = ended = titles = colons = 0
    for line in text.iter_filled_lines():
        end = line.rstrip()[-1]
        lines += 1
        size += len(line)
        ended += len(line) >= LONG_LINE if text.unpunctuated else end in marks
        titles += line.istitle()
        colons += end in COLONS
    size = max(1, size)
    words = size * weight / LETTERS_OF_WORD
    digits = sum(count_decimals(text.text[start : start + PART]) for start in range(0, len(text.text), PART))
    return TextShape(
        length=min(MOST_LENGTH, math.log10(size * weight)),
        line_length=math.log10(size * weight / max(1, lines)),
        digits=min(MOST_DIGITS, digits / (size * weight)),
        ended=share_of(ended, lines),
        titles=share_of(titles, lines),
        parentheses=min(0.2, sum(map(text.text.count, PARENTHESES)) / words),
        commas=min(0.3, sum(map(text.text.count, COMMAS)) / words),
        colons=share_of(colons, lines),
    )


def count_decimals(text: str) -> int:
    """Return how many decimal digits of any script a text has."""
    flags = characters.text_flags(characters.to_code_points(text))
    return int(np.count_nonzero(flags & characters.DECIMAL))


def shape_score(text: TextStatistics) -> float:
    """Return the log odds that a text has the shape of an article, a documentation or a discussion."""
    return INTERCEPT + sum(weight * value for weight, value in zip(WEIGHTS, measure_shape(text), strict=True))


THRESHOLDS = (Threshold("min_score", "shape", "text_shape", shape_score, is_minimum=True),)


@dataclass(frozen=True, config=STRICT)
class TextShapeFilter(Filter):
    """The shape of the text, of eight measures, for runs without quality scores; no recipe uses it.

    The score is the log odds of article, documentation and discussion against product, listing, collection and
    service pages. docs/keeping.md shows what each threshold keeps.
    """

    min_score: float | None = 0.0  # log odds

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the one threshold."""
        return THRESHOLDS
