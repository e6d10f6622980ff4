"""The structure of texts: what their lines, characters and words look like, without any word of a language.

All pages of a batch are measured at once, on arrays. Every measure is a share or a mean of whole numbers, so that it is
the same on every machine, and for a page alone as among others. None is a count of the whole text: the length of a page
says nothing about how good it is.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from pipeline.html.main_content.characters import PLANE, classify_letters

Array = np.ndarray

MAX_STRUCTURE_CHARACTERS = 5000  # of a text that are read
# Classes of characters; the rest is 0.
(LOWER, UPPER, LETTER, DIGIT, SPACE, HAN, KANA, HANGUL, UNENDED, STOP, QUESTION, EXCLAMATION, COMMA, SEMICOLON, COLON,
 OPENING, CLOSING, QUOTE, DASH, MONEY, CODE, SIGN, SLASH, BULLET) = range(1, 25)  # fmt: skip
CLASSES = 25
MARKS = {
    SPACE: " \t\u00a0\u3000\n\r\x0b\x0c",
    STOP: ".。．।۔…",
    QUESTION: "?？؟",
    EXCLAMATION: "!！",
    COMMA: ",，、،",
    SEMICOLON: ";；؛",
    COLON: ":：",
    OPENING: "(（【「『",
    CLOSING: ")）】」』",
    QUOTE: "\"'“”‘’„«»《》",
    DASH: "-–—",
    MONEY: "$€£¥₹₽₩￥",
    CODE: "{}[]<>=_`~^\\",
    SIGN: "|#@*+%&©®™→►",
    SLASH: "/",
    BULLET: "•·▪●■◦‣",
}
SCRIPTS = (
    (HAN, 0x3400, 0x9FFF), (HAN, 0xF900, 0xFAFF), (KANA, 0x3040, 0x30FF), (HANGUL, 0xAC00, 0xD7A3),
    (UNENDED, 0x0E00, 0x0EFF), (UNENDED, 0x1000, 0x109F), (UNENDED, 0x1780, 0x17FF),
)  # fmt: skip
# Latin letters that say what a character says (those of pipeline/filters/text_shape.py).
WIDTHS = np.ones(CLASSES, np.int64)
WIDTHS[[HAN, KANA, HANGUL]] = 3, 2, 2
IS_WORD = np.isin(np.arange(CLASSES), (LOWER, UPPER, LETTER, DIGIT))
IS_ENDING = np.isin(np.arange(CLASSES), (STOP, QUESTION, EXCLAMATION))
IS_CLOSER = np.isin(np.arange(CLASSES), (CLOSING, QUOTE))
LINE_BOUNDS = (20, 40, 80, 160, 320)  # widths between the classes of lines
LONG_LINE = 80  # width from which on a line is taken for prose
BEGINNING = 6  # characters of a line by which parallel lines are known

NAMES_OF_LINES = ("under_20", "under_40", "under_80", "under_160", "under_320", "over_320")
STRUCTURE_NAMES = (
    *(f"lines_{name}" for name in NAMES_OF_LINES), *(f"characters_{name}" for name in NAMES_OF_LINES),
    "line_width", "heavy_line_width", "line_spread",
    "ended", "ended_characters", "long_ended", "colon_ended", "comma_ended", "question_ended", "word_ended",
    "lower_start", "digit_start", "bullet_start", "dash_start", "indented", "prose_pairs", "short_pairs",
    "short_at_end", "prose_run", "list_after_colon",
    "titles", "capital_words", "sentence_words", "word_length", "short_words", "long_words", "numbers",
    "money_lines", "digit_lines", "code_lines", "slash_lines", "sign_lines",
    "upper", "digits", "stops", "questions", "exclamations", "commas", "semicolons", "colons", "parentheses", "quotes",
    "dashes", "money", "code", "signs", "slashes", "bullets", "other", "commas_per_stop",
    "repeated_lines", "parallel_lines",
)  # fmt: skip


@cache
def structure_classes() -> Array:
    """Return the class of every character of the basic plane."""
    table = classify_letters(LOWER, UPPER, LETTER, DIGIT)
    for name, start, end in SCRIPTS:
        table[start : end + 1] = name
    for name, marks in MARKS.items():
        table[[ord(char) for char in marks]] = name
    return table


class TextLines(NamedTuple):
    """The filled lines of all texts, one after the other; all arrays but the first two have one row a line."""

    classes: Array  # uint8, of all characters, with a newline behind each text
    bounds: Array  # where each text begins, and where the last one ends
    page: Array  # which text the line is of
    begin: Array  # the place of the line's first character
    start: Array  # that of its first one that is no space
    last: Array  # that of its last one that is no space
    end: Array  # that of the newline behind it
    counts: Array  # lines x CLASSES: the characters


def read_text_lines(texts: Sequence[str]) -> TextLines:
    """Return the filled lines of texts."""
    joined = "".join([text + "\n" for text in texts])
    wide = np.frombuffer(joined.encode("utf-32-le", "replace"), np.uint32)
    codes = np.minimum(wide, PLANE - 1).astype(np.uint16)
    classes = structure_classes()[codes]
    bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)))
    end = np.flatnonzero(codes == ord("\n"))
    begin = np.concatenate((np.zeros(1, np.int64), end[:-1] + 1))
    line = np.repeat(np.arange(len(end)) * CLASSES, end - begin + 1)
    counts = np.bincount(line + classes, minlength=len(end) * CLASSES).reshape(-1, CLASSES)
    filled = np.flatnonzero(counts[:, SPACE] <= end - begin)
    begin, end, counts = begin[filled], end[filled], counts[filled]
    counts[:, SPACE] -= 1  # the newline
    visible = np.flatnonzero(classes != SPACE)
    start = visible[np.searchsorted(visible, begin)]
    last = visible[np.searchsorted(visible, end) - 1]
    return TextLines(classes, bounds, np.searchsorted(bounds, begin, side="right") - 1, begin, start, last, end, counts)


class PageSums:
    """Sums over the lines of each page, of whole numbers."""

    def __init__(self, page: Array, pages: int):
        """Count the lines."""
        self.page, self.pages = page, pages
        self.lines = np.bincount(page, minlength=pages)

    def add(self, values: Array) -> Array:
        """Return for each page the sum of a number of each line."""
        found: Array = np.bincount(self.page, values, minlength=self.pages)
        return found

    def share(self, values: Array) -> Array:
        """Return for each page the mean of a number of each line; 0 without a line."""
        return divide(self.add(values), self.lines)


def count_before(marks: Array) -> Array:
    """Return how many marks come before each place, and before the end."""
    found = np.zeros(len(marks) + 1, np.int32)
    np.cumsum(marks, dtype=np.int32, out=found[1:])
    return found


def divide(part: Array, whole: Array) -> Array:
    """Return part / whole, 0 where the whole is 0."""
    found: Array = part / np.maximum(whole, 1)
    return found


def measure_widths(width: Array, sums: PageSums) -> list[Array]:
    """Return the shares of lines and of characters by the width of the line, and the means of the widths."""
    kind = np.searchsorted(LINE_BOUNDS, width, side="right")
    whole = sums.add(width)
    squares = sums.add(width * width)
    by_kind = [kind == number for number in range(len(NAMES_OF_LINES))]
    return [
        *(sums.share(found) for found in by_kind),
        *(divide(sums.add(width * found), whole) for found in by_kind),
        divide(whole, sums.lines),
        divide(squares, whole),
        divide(squares * sums.lines, whole * whole),
    ]


def measure_line_ends(lines: TextLines, width: Array, sums: PageSums) -> list[Array]:
    """Return how lines begin and end, and what lines stand beside each other."""
    classes = lines.classes
    first, last, before = classes[lines.start], classes[lines.last], classes[np.maximum(lines.last - 1, lines.start)]
    unended = (last == UNENDED) & (width >= LONG_LINE)  # Thai, Lao and Khmer end no sentence with a mark
    ended = IS_ENDING[last] | (IS_CLOSER[last] & IS_ENDING[before]) | unended
    long, short = width >= LONG_LINE, width < LINE_BOUNDS[1]
    prose, listed = ended & long, (first == BULLET) | (first == DASH) | (first == DIGIT)
    same = np.zeros(len(width), bool)  # is the line before of the same page?
    same[1:] = lines.page[1:] == lines.page[:-1]
    pairs, short_pairs, after = same.copy(), same.copy(), same.copy()
    pairs[1:] &= prose[1:] & prose[:-1]
    short_pairs[1:] &= short[1:] & short[:-1]
    after[1:] &= listed[1:] & (last == COLON)[:-1]
    beside = pairs.copy()
    beside[:-1] |= pairs[1:]
    place = np.arange(len(width)) - (np.cumsum(sums.lines) - sums.lines)[lines.page]
    late = place * 4 >= sums.lines[lines.page] * 3
    shares = (
        last == COLON, last == COMMA, last == QUESTION, IS_WORD[last], first == LOWER, first == DIGIT,
        first == BULLET, (first == DASH), lines.start > lines.begin,
    )  # fmt: skip
    return [
        sums.share(ended),
        divide(sums.add(ended * width), sums.add(width)),
        divide(sums.add(prose), sums.add(long)),
        *map(sums.share, shares),
        sums.share(pairs),
        sums.share(short_pairs),
        divide(sums.add(short & late), sums.add(late)),
        divide(sums.add(beside * width), sums.add(width)),
        sums.share(after),
    ]


def measure_words(lines: TextLines, sums: PageSums) -> list[Array]:
    """Return what words look like, and what lines are made of."""
    classes = lines.classes
    words = IS_WORD[classes]
    starts = words.copy()
    starts[1:] &= ~words[:-1]
    ends = words.copy()
    ends[:-1] &= ~words[1:]
    begins = np.flatnonzero(starts)
    lengths = np.flatnonzero(ends) - begins + 1
    of_page = np.searchsorted(lines.bounds, begins, side="right") - 1
    count = np.bincount(of_page, minlength=sums.pages)
    short, long = (np.bincount(of_page[found], minlength=sums.pages) for found in (lengths <= 3, lengths >= 9))
    digits = classes == DIGIT
    numbers = digits.copy()
    numbers[1:] &= ~digits[:-1]
    totals = {}
    for name, marks in (
        ("words", starts),
        ("capital", starts & (classes == UPPER)),
        ("lower", starts & (classes == LOWER)),
    ):
        before = count_before(marks)
        totals[name] = before[lines.end] - before[lines.begin]
    number_count = np.diff(count_before(numbers)[lines.bounds])
    title = (totals["capital"] >= 2) & (totals["lower"] <= totals["capital"] // 4)
    in_words = lines.counts[:, [LOWER, UPPER, LETTER, DIGIT]].sum(1)
    stops = lines.counts[:, [STOP, QUESTION, EXCLAMATION]].sum(1)
    return [
        sums.share(title),
        divide(sums.add(totals["capital"]), count),
        divide(sums.add(totals["words"]), sums.add(stops)),
        divide(sums.add(in_words), count),
        divide(short, count),
        divide(long, count),
        divide(number_count, count),
    ]


def measure_marks(lines: TextLines, width: Array, sums: PageSums) -> list[Array]:
    """Return the shares of lines with certain characters, and the shares of characters."""
    counts = lines.counts
    shares = (
        counts[:, MONEY] > 0, counts[:, DIGIT] * 5 > width, counts[:, CODE] * 12 > width, counts[:, SLASH] > 0,
        counts[:, SIGN] > 0,
    )  # fmt: skip
    whole = sums.add(width)
    by_class = np.stack([sums.add(counts[:, number]) for number in range(CLASSES)])
    kinds = (
        UPPER, DIGIT, STOP, QUESTION, EXCLAMATION, COMMA, SEMICOLON, COLON, OPENING, QUOTE, DASH, MONEY, CODE, SIGN,
        SLASH, BULLET, 0,
    )  # fmt: skip
    return [
        *map(sums.share, shares),
        *(divide(by_class[kind], whole) for kind in kinds),
        divide(by_class[COMMA], by_class[STOP] + by_class[QUESTION] + by_class[EXCLAMATION]),
    ]


def measure_repeats(texts: Sequence[str]) -> list[Array]:
    """Return the share of lines that came before, and of lines whose beginning came before."""
    found = []
    for text in texts:
        lines = [line.strip() for line in text.split("\n")]
        lines = [line for line in lines if line]
        begun = {line[:BEGINNING] for line in lines}
        found.append((len(lines), len(lines) - len(set(lines)), len(lines) - len(begun)))
    filled, repeated, parallel = np.array(found, np.int64).reshape(-1, 3).T
    return [divide(repeated, filled), divide(parallel, filled)]


def measure_structure(texts: Sequence[str]) -> Array:
    """Return the measures of each text's structure: float32, STRUCTURE_NAMES x texts; its time is linear."""
    cut = [text[:MAX_STRUCTURE_CHARACTERS] for text in texts]
    if not any(map(str.strip, cut)):
        return np.zeros((len(STRUCTURE_NAMES), len(cut)), np.float32)
    lines = read_text_lines(cut)
    width = lines.counts @ WIDTHS
    sums = PageSums(lines.page, len(cut))
    rows = [
        *measure_widths(width, sums),
        *measure_line_ends(lines, width, sums),
        *measure_words(lines, sums),
        *measure_marks(lines, width, sums),
        *measure_repeats(cut),
    ]
    return np.stack(rows).astype(np.float32)
