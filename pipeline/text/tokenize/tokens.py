"""A text's tokens as arrays: where they begin, how long they are, what they hold, a hash of each. No string is made.

The tokens are exactly those of `words.split_words`, whose patterns are the definition. Texts with characters beyond
the table go through them. Equal tokens have equal hashes, and two different ones meet by chance once in 2^64 pairs.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

import numpy as np

from pipeline.text.hashing import BASE, compute_powers, mix_bits
from pipeline.text.tokenize import characters as ch
from pipeline.text.tokenize.words import split_words

BINDERS = ch.APOSTROPHE | ch.DOT | ch.COMMA | ch.JOINER
BLOCK_BITS = 17
BLOCK = 1 << BLOCK_BITS  # characters worked on at a time, which bounds the memory that a long text takes
CUT_WINDOW = 1 << 10  # characters that are searched for a place to cut at a time
MASK = (1 << 64) - 1


class Tokens:
    """The tokens of one text. Characters between tokens are left out: token i is characters starts[i]:starts[i + 1]."""

    def __init__(self, codes: np.ndarray, starts: np.ndarray):
        """Take the code points of all tokens in order, and where each token begins."""
        self.codes, self.starts = codes, starts

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.starts)

    @property
    def ends(self) -> np.ndarray:
        """Per token: where it ends."""
        ends = np.empty_like(self.starts)
        ends[:-1] = self.starts[1:]
        ends[-1:] = len(self.codes)
        return ends

    @cached_property
    def lengths(self) -> np.ndarray:
        """Per token: its characters."""
        lengths: np.ndarray = self.ends - self.starts
        return lengths

    @cached_property
    def holds(self) -> np.ndarray:
        """Per token: the flags of all its characters together, uint16."""
        found = np.zeros(len(self), np.uint16)
        first = 0
        while first < len(self):
            start = int(self.starts[first])
            last = max(first + 1, int(self.starts.searchsorted(start + BLOCK)))
            stop = int(self.starts[last]) if last < len(self) else len(self.codes)
            flags = ch.text_flags(self.codes[start:stop])
            np.bitwise_or.reduceat(flags, self.starts[first:last] - start, out=found[first:last])
            first = last
        return found

    @cached_property
    def spoken(self) -> np.ndarray:
        """Per token: is it a word, holding a character that is no punctuation."""
        spoken: np.ndarray = (self.holds & ch.SPOKEN) != 0
        return spoken

    @cached_property
    def alphabetic(self) -> np.ndarray:
        """Per token: does it hold a letter."""
        alphabetic: np.ndarray = (self.holds & ch.ALPHA) != 0
        return alphabetic

    def sums_before(self, places: np.ndarray) -> np.ndarray:
        """Return the sum of code point times power of its place over all characters before each of ascending places."""
        if len(self.codes) < BLOCK:
            return self.sums_in_block.take(places)
        found = np.empty(len(places), np.uint64)
        up, _ = block_powers()
        total, scale = 0, 1
        edges = places.searchsorted(np.arange(0, len(self.codes) + 2 * BLOCK, BLOCK)).tolist()
        for number, start in enumerate(range(0, len(self.codes) + 1, BLOCK)):
            block = self.codes[start : start + BLOCK]
            sums = np.zeros(len(block) + 1, np.uint64)
            np.cumsum((block + np.uint64(1)) * up[: len(block)], out=sums[1:])
            some = slice(edges[number], edges[number + 1])
            found[some] = sums[places[some] - start] * np.uint64(scale) + np.uint64(total)
            total, scale = (total + scale * int(sums[-1])) & MASK, scale * pow(BASE, BLOCK, 1 << 64) & MASK
        return found

    @cached_property
    def sums_in_block(self) -> np.ndarray:
        """The sums before each character, and of all at the end, of a text of less than a block."""
        up, _ = block_powers()
        sums = np.zeros(len(self.codes) + 1, np.uint64)
        np.cumsum((self.codes + np.uint64(1)) * up[: len(self.codes)], out=sums[1:])
        return sums

    @cached_property
    def sums(self) -> np.ndarray:
        """The sums before each token, and the sum of all characters at the end."""
        return self.sums_before(np.append(self.starts, self.starts.dtype.type(len(self.codes))))

    def inverses(self, places: np.ndarray) -> np.ndarray:
        """Return the inverse of the power of each of some places."""
        _, down = block_powers()
        if len(self.codes) <= BLOCK:
            return down.take(places)
        step = pow(BASE, -BLOCK, 1 << 64)
        blocks = np.array([pow(step, n, 1 << 64) for n in range(len(self.codes) // BLOCK + 1)], np.uint64)
        return down.take(places & (BLOCK - 1)) * blocks.take(places >> BLOCK_BITS)

    def span_hashes(self, firsts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return a 64-bit hash of the characters of each span of tokens: from `firsts` to before `ends`.

        It is equal for equal characters wherever they stand, and wherever tokens begin in them.
        """
        found: np.ndarray = (self.sums.take(ends) - self.sums.take(firsts)) * self.inverses(self.starts.take(firsts))
        return found

    def prefix_hashes(self, count: int, length: int) -> np.ndarray:
        """Return the hash of the `length` characters from the start of each of the first `count` tokens on."""
        starts = self.starts[:count]
        found = self.sums_before(starts + length)
        found -= self.sums[:count]
        for first in range(0, count, BLOCK):
            found[first : first + BLOCK] *= self.inverses(starts[first : first + BLOCK])
        return found

    @cached_property
    def hashes(self) -> np.ndarray:
        """Per token: a 64-bit hash."""
        return mix_bits((self.sums[1:] - self.sums[:-1]) * self.inverses(self.starts))

    @cached_property
    def alphanumeric(self) -> np.ndarray:
        """The tokens that begin with a letter or digit (DCLM's words for n-grams), by number."""
        return (ch.text_flags(self.codes.take(self.starts)) & ch.ALNUM).nonzero()[0]


@lru_cache(maxsize=1)
def block_powers() -> tuple[np.ndarray, np.ndarray]:
    """Return the powers of BASE and of its inverse modulo 2^64, from 0 to BLOCK."""
    return compute_powers(BLOCK + 1)


def tokens_from_words(tokens: Sequence[str]) -> Tokens:
    """Return given tokens, none of them empty, as arrays."""
    lengths = np.fromiter(map(len, tokens), np.intp, len(tokens))
    return Tokens(narrow_codes(ch.to_code_points("".join(tokens))), np.cumsum(lengths) - lengths)


def narrow_codes(codes: np.ndarray) -> np.ndarray:
    """Return code points in the smallest type that holds all of them."""
    return codes.astype(np.min_scalar_type(int(codes.max(initial=0))))


def tokenize_text(text: str) -> Tokens:
    """Return the tokens of a text; see `words` for what a token is."""
    parts = list(tokenize_blocks(text))
    if len(parts) == 1:
        return parts[0]
    before = np.cumsum([0, *(len(part.codes) for part in parts)])
    places = ((part.starts + first).astype(np.int32) for part, first in zip(parts, before[:-1], strict=True))
    starts = np.concatenate(list(places))
    return Tokens(np.concatenate([part.codes for part in parts]), starts)


def tokenize_blocks(text: str) -> Iterator[Tokens]:
    """Yield the tokens of a text, of a block of it at a time."""
    return map(tokenize_block, split_blocks(text))


def tokenize_block(text: str) -> Tokens:
    """Return the tokens of a text, all at once."""
    codes = ch.to_code_points(text)
    found = find_token_boundaries(ch.token_flags(codes))
    if found is None:
        return tokens_from_words(split_words(text))
    inside, begins = found
    kept = inside.nonzero()[0]
    return Tokens(narrow_codes(codes.take(kept)), begins.take(kept).nonzero()[0])


def count_tokens(text: str) -> int:
    """Return how many tokens a text has, without finding out more about them."""
    return sum(map(count_block_tokens, split_blocks(text)))


def count_block_tokens(text: str) -> int:
    """Return how many tokens a text has, all at once."""
    found = find_token_boundaries(ch.token_flags(ch.to_code_points(text)))
    return len(split_words(text)) if found is None else int(np.count_nonzero(found[1]))


def split_blocks(text: str) -> Iterator[str]:
    """Yield a text in blocks of at most BLOCK characters where that is possible, so that no token is cut.

    A block begins with white space or a symbol: neither joins what is before it to what is after it.
    """
    start = 0
    while len(text) - start > BLOCK:
        stop = start + BLOCK
        cut = last_cut(text, start, stop)
        while not cut and stop < len(text):  # a token of a whole block
            start_of_next, stop = stop, min(stop + BLOCK, len(text))
            cut = first_cut(text, start_of_next, stop)
        if not cut:
            break
        yield text[start:cut]
        start = cut
    yield text[start:]


def possible_cuts(text: str) -> np.ndarray:
    """Return the places in a text before which it can be cut: of white space, and of symbols but commas."""
    flags = ch.token_flags(ch.to_code_points(text))
    found: np.ndarray = ((flags == 0) | (flags == ch.SYMBOL)).nonzero()[0]
    return found


def last_cut(text: str, start: int, stop: int) -> int:
    """Return the last place after `start` and before `stop` where a text can be cut, 0 for none."""
    for first in range(stop - CUT_WINDOW, start - CUT_WINDOW, -CUT_WINDOW):
        first = max(first, start + 1)
        places = possible_cuts(text[first : first + CUT_WINDOW])
        if len(places):
            return first + int(places[-1])
    return 0


def first_cut(text: str, start: int, stop: int) -> int:
    """Return the first place from `start` to before `stop` where a text can be cut, 0 for none."""
    places = possible_cuts(text[start:stop])
    return start + int(places[0]) if len(places) else 0


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
    found: np.ndarray = marks & ((flags[bearer] & ch.SYMBOL) != 0)
    return found


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
