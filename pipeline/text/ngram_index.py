"""Contamination: which spans of a text are those of evaluation items, by n-grams of normalised words.

An n-gram of `ngram` words that an item has too is a hit (13: Brown et al. 2020, GPT-3, appendix C). Words are those of
shingle_words.py, so case, punctuation, white space and compatibility forms hide nothing. A question of fewer words,
alone or with its answer, is a hit where a text has all of it, if it has at least `short` words (8: the least that GPT-3
used). Shorter questions are everyday phrases and are never hits; nor are short ones that more than GENERIC items ask.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np

from pipeline.text.minhash import hash_word_runs
from pipeline.text.tokenize.shingle_words import find_word_bounds, hash_shingle_words, unicode_tables

BATCH = 512  # items indexed at a time
GENERIC = 3  # items: "which of the following statements is not true" tells nothing of any of them
MASK = "[...]"  # what a masked span becomes: the usual mark of an omission
BITS = 16  # of the filter, for an n-gram: one in 16 of the others passes it and is searched for


class ContaminatedSpan(NamedTuple):
    """A run of characters of a text that an item has: `end` is behind it; how many n-grams of it are the item's."""

    start: int
    end: int
    item: int
    ngrams: int


class FilteredHashes:
    """Sorted 64-bit hashes behind a filter of one bit at each one's leading bits, which most look-ups never pass."""

    def __init__(self, values: np.ndarray):
        """Hold sorted uint64 hashes."""
        self.values = values
        width = max(16, int(len(values) * BITS).bit_length())
        self.shift = np.uint64(64 - width)
        self.bits = np.zeros(1 << (width - 3), np.uint8)
        places = values >> self.shift
        np.bitwise_or.at(self.bits, places >> np.uint64(3), np.uint8(1) << (places & np.uint64(7)).astype(np.uint8))

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (places in `hashes`, rising; the first place of each in `values`) of those that are here."""
        if not len(self.values) or not len(hashes):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        places = hashes >> self.shift
        bit = self.bits[places >> np.uint64(3)] >> (places & np.uint64(7)).astype(np.uint8)
        maybe = np.flatnonzero(bit & np.uint8(1))
        found = np.minimum(np.searchsorted(self.values, hashes[maybe]), len(self.values) - 1)
        here = self.values[found] == hashes[maybe]
        return maybe[here], found[here]


def add_owner(owners: list[int], item: int) -> None:
    """Note an item that has a passage, once, and at most one item more than GENERIC."""
    if len(owners) <= GENERIC and item not in owners:
        owners.append(item)


@dataclass(frozen=True)
class NgramIndex:
    """The n-grams of evaluation items: 12 bytes an n-gram, and 2 to 4 of its filter. Items are numbers, from 0."""

    ngram: int
    short: int
    hashes: np.ndarray  # uint64, sorted, unique
    items: np.ndarray  # int32: the first item that has each
    heads: np.ndarray  # uint64, sorted: of the first `short` words of each short passage
    owners: np.ndarray  # int32: the first item that has each
    ends: np.ndarray  # int64: where its words end in `words`
    words: np.ndarray  # uint64: the short passages' words, one after the other

    @classmethod
    def build(cls, items: Iterable[Sequence[str]], ngram: int, short: int) -> "NgramIndex":
        """Index the passages of items, in their order. `short` is at most `ngram`."""
        grams = [np.zeros(0, np.uint64)]
        owners = [np.zeros(0, np.int32)]
        briefs: dict[bytes, list[int]] = {}  # the items, GENERIC and one more at most
        numbered, first = iter(items), 0
        while batch := list(islice(numbered, BATCH)):
            whose = np.repeat(np.arange(first, first + len(batch), dtype=np.int32), [len(some) for some in batch])
            first += len(batch)
            for units, lengths in hash_shingle_words([passage for some in batch for passage in some]):
                mine, whose = whose[: len(lengths)], whose[len(lengths) :]
                hashes, counts = hash_word_runs(units, lengths, ngram)
                long = lengths >= ngram
                grams.append(hashes[np.repeat(long, counts)])
                owners.append(np.repeat(mine[long], counts[long]))
                stops = np.cumsum(lengths)
                for passage in np.flatnonzero((lengths >= short) & ~long).tolist():
                    stop = int(stops[passage])
                    words_of_passage = units[stop - int(lengths[passage]) : stop].tobytes()
                    add_owner(briefs.setdefault(words_of_passage, []), int(mine[passage]))
        briefs = {words: having for words, having in briefs.items() if len(having) <= GENERIC}
        values, places = np.unique(np.concatenate(grams), return_index=True)  # the first place: the first item
        brief = [np.frombuffer(key, np.uint64) for key in briefs]
        heads = [hash_word_runs(one[:short], np.array([short]), short)[0] for one in brief]
        every = np.concatenate([np.zeros(0, np.uint64), *heads])
        order = np.argsort(every, kind="stable")
        brief = [brief[n] for n in order]
        ends = np.cumsum([len(one) for one in brief], dtype=np.int64)
        owned = np.array([having[0] for having in briefs.values()], np.int32)[order]
        words = np.concatenate([np.zeros(0, np.uint64), *brief])
        return cls(ngram, short, values, np.concatenate(owners)[places], every[order], owned, ends, words)

    @cached_property
    def known(self) -> FilteredHashes:
        """The n-grams, to look up."""
        return FilteredHashes(self.hashes)

    @cached_property
    def known_heads(self) -> FilteredHashes:
        """The first words of the short passages, to look up."""
        return FilteredHashes(self.heads)

    def spans(self, texts: Sequence[str]) -> list[list[ContaminatedSpan]]:
        """Return the spans of each text that items have, in their order, none over another.

        Where n-grams of several items overlap, the span is that of the item with most of them.
        """
        found: list[list[ContaminatedSpan]] = []
        for units, lengths in hash_shingle_words(texts):
            runs: dict[int, list[tuple[int, int, int]]] = {}
            for text, run in (*self.long_runs(units, lengths), *self.short_runs(units, lengths)):
                runs.setdefault(text, []).append(run)
            first = len(found)
            found += [merge_runs(texts[first + n], runs[n]) if n in runs else [] for n in range(len(lengths))]
        return found

    def long_runs(self, units: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """Yield (text, (first unit, the one behind the last, item)) of each n-gram that an item has."""
        for text, start, known in find_known_runs(self.known, units, lengths, self.ngram):
            yield text, (start, start + self.ngram, int(self.items[known]))

    def short_runs(self, units: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """Yield the same of each short passage that a text has whole."""
        stops = np.cumsum(lengths)
        for text, start, known in find_known_runs(self.known_heads, units, lengths, self.short):
            own = units[stops[text] - lengths[text] + start : stops[text]]
            for passage in range(known, int(np.searchsorted(self.heads, self.heads[known], side="right"))):
                end = int(self.ends[passage])
                words = self.words[int(self.ends[passage - 1]) if passage else 0 : end]
                if np.array_equal(own[: len(words)], words):
                    yield text, (start, start + len(words), int(self.owners[passage]))


def find_known_runs(
    known: FilteredHashes, units: np.ndarray, lengths: np.ndarray, width: int
) -> list[tuple[int, int, int]]:
    """Return (text, first unit, place in `known`) of each run of `width` units that is known."""
    grams, counts = hash_word_runs(units, lengths, width)
    places, found = known.find(grams)
    stops = np.cumsum(counts)
    text = np.searchsorted(stops, places, side="right")
    whole = lengths[text] >= width  # of a shorter text there is one hash, of all of it
    starts = places - (stops - counts)[text]
    return list(zip(text[whole].tolist(), starts[whole].tolist(), found[whole].tolist(), strict=True))


def merge_runs(text: str, runs: list[tuple[int, int, int]]) -> list[ContaminatedSpan]:
    """Return the spans of runs (first unit, the one behind the last, item) of a text: runs that overlap are one."""
    starts, ends = find_original_word_bounds(text)
    spans: list[ContaminatedSpan] = []
    group: list[tuple[int, int, int]] = []
    reach = 0
    for run in [*sorted(runs), (len(starts), 0, 0)]:
        if group and run[0] >= reach:
            items = Counter(item for _, _, item in group)
            item, count = min(items.items(), key=lambda pair: (-pair[1], pair[0]))
            spans.append(ContaminatedSpan(int(starts[group[0][0]]), int(ends[reach - 1]), item, count))
            group = []
        group.append(run)
        reach = max(reach, run[1])
    return spans


def find_original_word_bounds(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return where the units of a text start and end, in its own characters: marks are not composed with letters."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.intp)
    return find_word_bounds(unicode_tables().kind[codes] & np.uint8(3))


def mask_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text with MASK in place of the spans (start, end), which rise and do not overlap; "" if nothing is left.

    Spans with nothing but white space and punctuation between them become one.
    """
    parts: list[str] = []
    at = 0
    for start, end in spans:
        between = text[at:start]
        if not parts or any(character.isalnum() for character in between):
            parts += [between, MASK]
        at = end
    parts.append(text[at:])
    return "".join(parts) if any(character.isalnum() for part in parts for character in part) else ""
