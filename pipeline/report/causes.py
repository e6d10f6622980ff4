"""What of a page the report shows: the place for which it was dropped, marked, and how two near duplicates differ.

Every function looks at a bounded part of a text, and is linear in it, but for the comparison of a few hundred words.
"""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pipeline.filters.statistics import BULLETS, SHORT_LINE
from pipeline.text.tokenize.words import terminal_marks

MAX_SCANNED = 8_000  # characters of a text in which the cause is looked for
MAX_COMPARED = 250  # words of each of two texts behind what they begin with alike
CONTEXT_WORDS = 12  # shown before and behind a difference
CONTEXT_CHARACTERS = 60  # shown before the first mark
# Characters that change the direction of the text after them: a page could turn the report's own words around.
DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
ELLIPSES = ("...", "…")

Span = tuple[int, int]  # characters, the end excluded


class Fragment(NamedTuple):
    """A piece of shown text: `kind` is "" for plain text, "mark", "kept" or "dropped"."""

    text: str
    kind: str = ""


def find_cause(measure: str, detail: str, text: str) -> list[Span]:
    """Return the spans of a text for which a measure is what it is; [] where no place is to blame.

    `detail` is what a filter says it matched; its occurrences are marked if the measure has no places of its own.
    """
    text = text[:MAX_SCANNED]
    find = CAUSES.get(measure)
    if find:
        return find(text)
    return find_detail(text, detail)


def find_detail(text: str, detail: str) -> list[Span]:
    """Return where a text has a detail, in capitals or not."""
    wanted, lower = detail.strip().lower(), text.lower()
    if len(wanted) < 2 or len(lower) != len(text):
        return []
    return list(find_symbol(lower, wanted))


def iterate_filled_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that is not empty, with its place."""
    at = 0
    for line in text.split("\n"):
        if line.strip():
            yield at, line
        at += len(line) + 1


def iterate_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield each part between white space, with its place."""
    at = 0
    for word in text.split():
        at = text.index(word, at)
        yield at, word
        at += len(word)


def mark_lines(is_cause: Callable[[str], bool]) -> Callable[[str], list[Span]]:
    """Return a function that marks the lines of a text for which `is_cause` is true."""
    return lambda text: [(at, at + len(line)) for at, line in iterate_filled_lines(text) if is_cause(line.strip())]


def mark_repeated_lines(text: str) -> list[Span]:
    """Mark the lines that a text has more than once."""
    counts = Counter(line.strip() for _, line in iterate_filled_lines(text))
    return mark_lines(lambda line: counts[line] > 1)(text)


def mark_symbols(*symbols: str) -> Callable[[str], list[Span]]:
    """Return a function that marks every occurrence of some symbols."""
    return lambda text: sorted(span for symbol in symbols for span in find_symbol(text, symbol))


def find_symbol(text: str, symbol: str) -> Iterator[Span]:
    """Yield where a text has a symbol."""
    at = text.find(symbol)
    while at >= 0:
        yield at, at + len(symbol)
        at = text.find(symbol, at + len(symbol))


def mark_wordless(text: str) -> list[Span]:
    """Mark the words without a letter."""
    return [(at, at + len(word)) for at, word in iterate_words(text) if not any(map(str.isalpha, word))]


def mark_ngrams(n: int, only_most_frequent: bool) -> Callable[[str], list[Span]]:
    """Return a function that marks the n-grams of words that a text has more than once, or the most frequent one."""

    def mark(text: str) -> list[Span]:
        words = list(iterate_words(text))
        keys = [tuple(word.lower() for _, word in words[i : i + n]) for i in range(len(words) - n + 1)]
        counts = Counter(keys)
        most = max(counts.values(), default=0)
        wanted = {key for key, n in counts.items() if n > 1 and (n == most or not only_most_frequent)}
        if only_most_frequent:
            wanted = set(sorted(wanted)[:1])
        spans = [
            (words[i][0], words[i + n - 1][0] + len(words[i + n - 1][1])) for i, key in enumerate(keys) if key in wanted
        ]
        return join_spans(spans)

    return mark


def join_spans(spans: Sequence[Span]) -> list[Span]:
    """Return sorted spans as the same characters in spans that do not touch."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


# What is to blame for each measure. One that is not here has no place in the text: too few words, the language.
CAUSES: dict[str, Callable[[str], list[Span]]] = {
    **dict.fromkeys(
        (
            "duplicate_lines",
            "duplicate_line_characters",
            "duplicate_paragraphs",
            "duplicate_paragraph_characters",
            "fineweb_duplicate_line_characters",
        ),
        mark_repeated_lines,
    ),
    **{f"top_{n}gram": mark_ngrams(n, only_most_frequent=True) for n in (2, 3, 4)},
    **{f"duplicate_{n}gram": mark_ngrams(n, only_most_frequent=False) for n in range(5, 11)},
    **dict.fromkeys(("bullet_lines", "dclm_bullet_lines"), mark_lines(lambda line: line[:1] in BULLETS)),
    **dict.fromkeys(("ellipsis_lines", "dclm_ellipsis_lines"), mark_lines(lambda line: line.endswith(ELLIPSES))),
    "fineweb_ended_lines": mark_lines(lambda line: line[-1] not in terminal_marks()),
    "fineweb_short_lines": mark_lines(lambda line: len(line) <= SHORT_LINE),
    "hashes_per_word": mark_symbols("#"),
    "ellipses_per_word": mark_symbols(*ELLIPSES),
    "dclm_symbols_per_word": mark_symbols("#", *ELLIPSES),
    **dict.fromkeys(("alphabetic_words", "dclm_non_alphabetic_words"), mark_wordless),
}


def cut_excerpt(text: str, spans: Sequence[Span], limit: int) -> list[Fragment]:
    """Return at most `limit` characters of a text, from a little before the first marked span on."""
    start = max(0, spans[0][0] - CONTEXT_CHARACTERS) if spans else 0
    start = 0 if start < CONTEXT_CHARACTERS else start
    room = limit - (start > 0)
    end = len(text) if len(text) - start <= room else start + room - 1
    fragments, at = [Fragment("…" * (start > 0))], start
    for first, last in spans:
        first, last = max(first, start), min(last, end)
        if first < last:
            fragments += [Fragment(text[at:first]), Fragment(text[first:last], "mark")]
            at = last
    fragments += [Fragment(text[at:end]), Fragment("…" * (end < len(text)))]
    return [Fragment(clean_text(text), kind) for text, kind in fragments if text]


def compare_texts(kept: str, dropped: str) -> list[Fragment]:
    """Return how a dropped text differs from the one that is kept, in words; long parts that are equal are cut."""
    before, after = kept[:MAX_SCANNED].split(), dropped[:MAX_SCANNED].split()
    same = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    first = max(0, same - CONTEXT_WORDS)
    left, right = before[first : first + MAX_COMPARED], after[first : first + MAX_COMPARED]
    fragments = [Fragment("… ")] if first else []
    changes = difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    cut = first + MAX_COMPARED < max(len(before), len(after))
    while cut and changes and changes[-1][0] != "equal":  # only because the one part ends before the other
        changes.pop()
    for kind, a, b, c, d in changes:
        if kind == "equal":
            fragments.append(Fragment(shorten_words(left[a:b])))
            continue
        fragments += [Fragment(" ".join(left[a:b]) + " ", "kept")] if a < b else []
        fragments += [Fragment(" ".join(right[c:d]) + " ", "dropped")] if c < d else []
    fragments += [Fragment("…")] if cut else []
    return [Fragment(clean_text(text), kind) for text, kind in fragments if text.strip()]


def shorten_words(words: Sequence[str]) -> str:
    """Return words that two texts share; of many, those beside the differences."""
    if len(words) <= 2 * CONTEXT_WORDS:
        return " ".join(words) + " "
    return " ".join([*words[:CONTEXT_WORDS], "…", *words[-CONTEXT_WORDS:]]) + " "


def clean_text(text: str) -> str:
    """Return text without control characters, lone surrogates and direction marks; line breaks stay."""
    kept = (c for c in text if c not in DIRECTION_MARKS)
    return "".join(c if c == "\n" else " " if c.isspace() else clean_character(c) for c in kept)


def clean_character(character: str) -> str:
    """Return a character, or U+FFFD where it is a control character or a lone surrogate."""
    return "\ufffd" if unicodedata.category(character) in ("Cc", "Cs") else character
