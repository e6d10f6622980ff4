"""A text's tokens as arrays: where they begin, how long they are, what they hold, a hash of each. No string is made.

The tokens are exactly those of `words.split_words`, whose patterns are the definition. Texts with characters beyond
the table go through them. Equal tokens have equal hashes, and two different ones meet by chance once in 2^64 pairs.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from pipeline.text.hashing import compute_powers, mix_bits
from pipeline.text.tokenize import characters as ch
from pipeline.text.tokenize.words import split_words

BINDERS = ch.APOSTROPHE | ch.DOT | ch.COMMA | ch.JOINER
CACHED_BITS = 17  # powers are kept for texts of up to 2**17 characters (1 MB each way)
BLOCK_BITS, BLOCK_SPANS = 19, 1 << 16  # of a longer text, what is hashed at a time: characters, and spans


class Tokens:
    """The tokens of one text. Characters between tokens are left out: token i is characters starts[i]:starts[i + 1]."""

    def __init__(self, codes: np.ndarray, starts: np.ndarray):
        """Take the code points of all tokens in order, and where each token begins."""
        self.codes, self.starts = codes, starts

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.starts)

    @cached_property
    def flags(self) -> np.ndarray:
        """Per character: its flags."""
        return ch.text_flags(self.codes)

    @cached_property
    def ends(self) -> np.ndarray:
        """Per token: where it ends."""
        ends = np.empty_like(self.starts)
        ends[:-1] = self.starts[1:]
        ends[-1:] = len(self.codes)
        return ends

    @cached_property
    def lengths(self) -> np.ndarray:
        """Per token: its characters."""
        return self.ends - self.starts

    @cached_property
    def holds(self) -> np.ndarray:
        """Per token: the flags of all its characters together."""
        return np.bitwise_or.reduceat(self.flags, self.starts) if len(self) else self.flags[:0]

    @cached_property
    def spoken(self) -> np.ndarray:
        """Per token: is it a word, holding a character that is no punctuation."""
        return (self.holds & ch.SPOKEN) != 0

    @cached_property
    def alphabetic(self) -> np.ndarray:
        """Per token: does it hold a letter."""
        return (self.holds & ch.ALPHA) != 0

    @cached_property
    def sums(self) -> np.ndarray:
        """Prefix sums of code point times power of its place, one more than there are characters."""
        return sum_codes(self.codes, cached_token_powers(CACHED_BITS)[0])

    def spans(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return a 64-bit hash of the characters of each span, equal for equal characters wherever they stand."""
        if len(self.codes) > 1 << CACHED_BITS:
            return hash_long_spans(self.codes, starts, ends)
        _, down = cached_token_powers(CACHED_BITS)
        found: np.ndarray = (self.sums[ends] - self.sums[starts]) * down[starts]
        return found

    @cached_property
    def hashes(self) -> np.ndarray:
        """Per token: a 64-bit hash."""
        return mix_bits(self.spans(self.starts, self.ends))

    @cached_property
    def alphanumeric(self) -> np.ndarray:
        """The tokens that begin with a letter or digit (DCLM's words for n-grams), by number."""
        return (self.flags[self.starts] & ch.ALNUM).nonzero()[0]


@lru_cache(maxsize=2)
def cached_token_powers(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the powers of BASE and of its inverse modulo 2^64, from 0 to 2**bits."""
    return compute_powers((1 << bits) + 1)


def sum_codes(codes: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """Return the prefix sums of code point times power of its place, one more than there are code points."""
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum((codes + np.uint64(1)) * powers[: len(codes)], out=sums[1:])
    return sums


def hash_long_spans(codes: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return what `Tokens.spans` returns, for a long text: block by block, so that memory is bounded.

    A block is a run of spans whose starts ascend, within 2**BLOCK_BITS characters, or one longer span.
    """
    found = np.empty(len(starts), np.uint64)
    begin = 0
    while begin < len(starts):
        base = int(starts[begin])
        firsts, lasts = starts[begin : begin + BLOCK_SPANS], ends[begin : begin + BLOCK_SPANS]
        outside = (firsts < base) | (lasts > base + (1 << BLOCK_BITS))
        count = max(1, int(outside.argmax()) if outside.any() else len(firsts))
        firsts, lasts = firsts[:count] - base, lasts[:count] - base
        size = int(lasts.max())
        up, down = cached_token_powers(BLOCK_BITS) if size <= 1 << BLOCK_BITS else compute_powers(size + 1)
        sums = sum_codes(codes[base : base + size], up)
        found[begin : begin + count] = (sums[lasts] - sums[firsts]) * down[firsts]
        begin += count
    return found


def tokens_from_words(tokens: Sequence[str]) -> Tokens:
    """Return given tokens, none of them empty, as arrays."""
    lengths = np.fromiter(map(len, tokens), np.intp, len(tokens))
    return Tokens(ch.to_code_points("".join(tokens)), np.cumsum(lengths) - lengths)


def tokenize_text(text: str) -> Tokens:
    """Return the tokens of a text; see `words` for what a token is."""
    codes = ch.to_code_points(text)
    found = find_token_boundaries(ch.token_flags(codes))
    if found is None:
        return tokens_from_words(split_words(text))
    inside, begins = found
    kept = inside.nonzero()[0]
    return Tokens(codes.take(kept), begins.take(kept).nonzero()[0])


def count_tokens(text: str) -> int:
    """Return how many tokens a text has, without finding out more about them."""
    found = find_token_boundaries(ch.token_flags(ch.to_code_points(text)))
    return len(split_words(text)) if found is None else int(np.count_nonzero(found[1]))


def find_token_boundaries(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return for each character whether it is part of a token, and whether one begins with it (bool arrays).

    None where the text has characters beyond the table.
    """
    present = int(np.bitwise_or.reduce(flags, initial=0))
    if present & ch.BEYOND:
        return None
    inside = (flags & (ch.WORD | ch.SYMBOL | ch.DOT | ch.HYPHEN | ch.APOSTROPHE)) != 0
    if present & ch.UNSPACED_SCRIPTS:
        inside |= (flags & ch.UNSPACED_SCRIPTS) != 0
    word = (flags & ch.WORD) != 0
    begins = inside & ~word
    if present & ch.MARK:
        attached = find_attached_marks(flags)
        if attached.any():
            flags = np.where(attached, flags & np.uint16(0xFFFF - (ch.WORD | ch.UNSPACED_SCRIPTS)), flags)
            word &= ~attached
            begins &= ~attached
    for mark in (ch.DOT, ch.HYPHEN):  # a run of either is one token
        if present & mark:
            marks = (flags & mark) != 0
            begins[1:] &= ~(marks[1:] & marks[:-1])
    for script, size in ((ch.HAN, 2), (ch.HIRAGANA, 2), (ch.KATAKANA, 0), (ch.FOUR, 4)):
        if present & script:
            cut_run((flags & script) != 0, size, begins)
    if present & ch.WORD:
        cut_words(flags, present, word, inside, begins)
    return inside, begins


def find_attached_marks(flags: np.ndarray) -> np.ndarray:
    """Return which characters are combining marks on a symbol: they are the symbol's, not a word's."""
    marks = (flags & ch.MARK) != 0
    bearer = np.maximum.accumulate(np.where(marks, 0, np.arange(len(flags))))
    return marks & ((flags[bearer] & ch.SYMBOL) != 0)


def cut_run(inside: np.ndarray, size: int, begins: np.ndarray) -> None:
    """Let a token begin with every `size`-th character of each run of True, with the first alone where `size` is 0."""
    starts, ends = find_runs(inside)
    lengths = ends - starts
    places = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    begins[inside] = places % size == 0 if size else places == 0


def cut_words(flags: np.ndarray, present: int, word: np.ndarray, inside: np.ndarray, begins: np.ndarray) -> None:
    """Let tokens begin with the runs of `word`, but where an apostrophe, a decimal point or a joiner binds them."""
    starts, ends = find_runs(word)
    begins[starts] = True
    if not len(starts) or not present & BINDERS:
        return
    before = flags[starts - 1]
    if not starts[0]:
        before[0] = 0
    bound = (before & BINDERS).nonzero()[0]  # runs that may be: few
    before, at = before[bound], starts[bound]
    behind = ends[bound - 1]  # where the run before ends; of a first run, what follows is False
    # an apostrophe after a letter leads a token, which ends with the run
    led = np.zeros(len(starts) + 1, bool)
    led[bound] = ((before & ch.APOSTROPHE) != 0) & ((flags[at - 2] & ch.LETTER) != 0) & (at >= 2)
    decimal = ((before & (ch.DOT | ch.COMMA)) != 0) & ((flags[at] & ch.DIGIT) != 0) & (behind == at - 1)
    decimal &= ~led[bound - 1]
    begins[at[led[bound] | decimal]] = False
    whole = np.zeros(len(starts) + 1, bool)
    if decimal.any():
        points = at[decimal]
        begins[points - 1] = False
        inside[points - 1] = True
        others = np.append(((flags & ch.DIGIT) == 0).nonzero()[0], len(flags))
        digits_end = others[others.searchsorted(points)]
        part = digits_end < ends[bound[decimal]]  # "1.5kg" is 1.5 and kg
        begins[digits_end[part]] = True
        whole[bound[decimal][~part]] = True
    if present & ch.JOINER:
        joiners = np.append(0, np.cumsum((flags & ch.JOINER) != 0))
        linked = joiners[starts[1:]] - joiners[ends[:-1]] == starts[1:] - ends[:-1]
        linked &= ~(led | whole)[: len(linked)]
        begins[starts[1:][linked]] = False
        change = np.zeros(len(flags) + 1, np.int8)
        change[ends[:-1][linked]] += 1
        change[starts[1:][linked]] -= 1
        inside |= np.cumsum(change[:-1], dtype=np.int8) > 0


def find_runs(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the runs of True start and end."""
    edges = np.zeros(len(inside) + 2, bool)
    edges[1:-1] = inside
    found = (edges[1:] != edges[:-1]).nonzero()[0]
    return found[::2], found[1::2]
