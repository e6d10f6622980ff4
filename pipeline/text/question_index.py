"""Finds the questions of evaluation items in texts, also where words of them are changed, left out or added.

A run of SEED words that a question has is a seed. The question is laid beside the text where the seed is, and compared
word by word; a word may stand one place off, after a word more or less. A question is found where `min_overlap` of its
words agree, and `min_overlap` of its weight. A word weighs its inverse document frequency among the items, as in Ai2's
decon, so that no question is found by its "which of the following".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pipeline.text.ngram_hashes import FilteredHashes, hash_ngrams, place_ngrams

SEED = 4  # words: what one changed word leaves of eight, wherever it stands
COMMON = 16  # places in the questions: a seed that has more of them is followed to none
LONGEST = 48  # words: a longer question is searched for in parts of about equal length
SHIFTS = (0, -1, 1)  # words: how far off its place a word may stand
STEPS = 64  # of a weight, in a bit: whole numbers add up to the same in any order
BLOCK = 4096  # places compared at a time, which bounds the memory to some 20 MB
EDITABLE = 8  # words: of a shorter question all must agree
GENERIC = 3  # items: "which of the following statements is not true" tells nothing of any of them


class FoundQuestion(NamedTuple):
    """Where a text has a question: the words from `start` to before `end`, and the share of it that agrees."""

    text: int
    start: int
    end: int
    item: int
    overlap: float


class QuestionPlaces(NamedTuple):
    """Places at which parts of questions are compared with texts: the part, the text, where its first word would be."""

    parts: np.ndarray
    texts: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True)
class QuestionIndex:
    """The questions, in parts of at most LONGEST words; some 20 bytes a word."""

    seeds: np.ndarray  # uint64, sorted, unique: hashes of the seeds
    seed_starts: np.ndarray  # int64: where each one's places start in the next two, and where the last one's end
    seed_parts: np.ndarray  # int32: a part that has the seed
    seed_offsets: np.ndarray  # int32: where in it
    words: np.ndarray  # uint64: the parts' words, one after the other
    weights: np.ndarray  # int64: of each of them
    starts: np.ndarray  # int64: where each part's words start, and where the last one's end
    owners: np.ndarray  # int32: the first item that has each part
    least: np.ndarray  # float64: the share of each part that must agree

    @cached_property
    def known(self) -> FilteredHashes:
        """The seeds, to look up."""
        return FilteredHashes(self.seeds)

    def find(self, hashes: np.ndarray, words: np.ndarray, stops: np.ndarray) -> Iterator[FoundQuestion]:
        """Yield the questions in texts whose words are one after the other; `stops` says where each one's end.

        `hashes` has those of the n-grams of SEED words.
        """
        places = self.follow_seeds(hashes, stops)
        for first in range(0, len(places.parts), BLOCK):
            some = QuestionPlaces(*(column[first : first + BLOCK] for column in places))
            yield from self.compare_words(some, words, stops)

    def follow_seeds(self, hashes: np.ndarray, stops: np.ndarray) -> QuestionPlaces:
        """Return the places to which seeds lead, each once."""
        at, seeds = self.known.find(hashes)
        texts, whole = place_ngrams(at, stops, SEED)
        at, seeds, texts = at[whole], seeds[whole], texts[whole]
        first = self.seed_starts[seeds]
        counts = self.seed_starts[seeds + 1] - first
        follow = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        parts = self.seed_parts[follow].astype(np.int64)
        starts = np.repeat(at, counts) - self.seed_offsets[follow]
        room = int(stops[-1]) + LONGEST if len(stops) else 1
        _, once = np.unique(parts * room + starts + LONGEST, return_index=True)
        return QuestionPlaces(parts[once], np.repeat(texts, counts)[once], starts[once])

    def compare_words(self, places: QuestionPlaces, words: np.ndarray, stops: np.ndarray) -> Iterator[FoundQuestion]:
        """Yield the questions that texts have at some of these places."""
        straight = self.lay_words(places, words, stops)
        one_shift = self.least[places.parts] / len(SHIFTS)  # what one of the shifts must give
        enough = straight.sum_weights(straight.agree(0)) >= one_shift
        places = QuestionPlaces(*(column[enough] for column in places))
        if not len(places.parts):
            return
        laid = self.lay_words(places, words, stops)
        agreed = np.full(len(laid.at), -1)
        for shift in SHIFTS:
            agreed = np.where(laid.agree(shift) & (agreed < 0), laid.at + shift, agreed)
        here = agreed >= 0
        counted = np.add.reduceat(here, laid.rows, dtype=np.int64) / laid.lengths
        overlap = np.minimum(counted, laid.sum_weights(here))
        start = np.minimum.reduceat(np.where(here, agreed, len(words)), laid.rows)
        end = np.maximum.reduceat(agreed, laid.rows) + 1
        for n in np.flatnonzero(overlap >= self.least[places.parts]).tolist():
            owner = int(self.owners[places.parts[n]])
            yield FoundQuestion(int(places.texts[n]), int(start[n]), int(end[n]), owner, float(overlap[n]))

    def lay_words(self, places: QuestionPlaces, words: np.ndarray, stops: np.ndarray) -> "LaidWords":
        """Lay the words of the parts beside the texts."""
        first = self.starts[places.parts]
        lengths = self.starts[places.parts + 1] - first
        rows = np.cumsum(lengths) - lengths
        inner = np.arange(lengths.sum()) - np.repeat(rows, lengths)
        mine = np.repeat(first, lengths) + inner
        low = np.repeat(start_at_zero(stops)[places.texts], lengths)
        high = np.repeat(stops[places.texts], lengths)
        at = np.repeat(places.starts, lengths) + inner
        return LaidWords(words, self.words[mine], self.weights[mine], at, low, high, rows, lengths)


class LaidWords(NamedTuple):
    """The words of some parts, one after the other, beside the words of texts."""

    words: np.ndarray  # of the texts
    wanted: np.ndarray  # of the parts
    weights: np.ndarray  # of each of these
    at: np.ndarray  # the place of each among `words`
    low: np.ndarray  # where its text starts
    high: np.ndarray  # and ends
    rows: np.ndarray  # where each part starts
    lengths: np.ndarray  # and how long it is

    def agree(self, shift: int) -> np.ndarray:
        """Return which words of the parts are those that stand `shift` behind their place."""
        at = self.at + shift
        same = self.words[np.clip(at, 0, len(self.words) - 1)] == self.wanted
        found: np.ndarray = same & (at >= self.low) & (at < self.high)
        return found

    def sum_weights(self, here: np.ndarray) -> np.ndarray:
        """Return the share of its weight that each part has in the words `here`."""
        found: np.ndarray = np.add.reduceat(self.weights * here, self.rows) / np.add.reduceat(self.weights, self.rows)
        return found


@dataclass
class QuestionIndexBuilder:
    """Collects the passages of items. An item is found by its question; else by its question with its other texts.

    A question is too short under `short` words, and too general where more than GENERIC items ask it. With another text
    it must agree word for word, else it would be found alone. A general question of `ngram` words or more is found by
    the n-grams of item_index.py.
    """

    short: int
    ngram: int
    min_overlap: float
    questions: list[bytes] = field(default_factory=list)  # of each item, as bytes of its words' hashes
    asked: dict[bytes, list[int]] = field(default_factory=dict)  # the items, GENERIC and one more at most
    others: dict[bytes, list[int]] = field(default_factory=dict)
    frequencies: list[np.ndarray] = field(default_factory=list)  # the words of each item, each once an item

    def add(self, item: int, words: np.ndarray) -> None:
        """Add a passage of an item. Items come in their order from 0 on, and their questions first."""
        key = words.tobytes()
        if item == len(self.questions):
            self.questions.append(key)
            passages = self.asked
        elif len(self.questions[item]) < self.ngram * words.itemsize:
            passages = self.others
        else:
            return
        if len(words) >= self.short:
            add_owner(passages.setdefault(key, []), item)

    def count_words(self, items: np.ndarray, words: np.ndarray) -> None:
        """Count the words of passages, each with its item: a word counts once an item."""
        order = np.lexsort((words, items))
        items, words = items[order], words[order]
        first = np.ones(len(words), bool)
        first[1:] = (words[1:] != words[:-1]) | (items[1:] != items[:-1])
        self.frequencies.append(words[first])

    def choose_passages(self) -> tuple[dict[bytes, int], list[int]]:
        """Return the first item of each passage to search for, and the items whose question is none of them."""
        chosen = {key: items[0] for key, items in self.asked.items() if len(items) <= GENERIC}
        unsearched = [item for item, key in enumerate(self.questions) if key not in chosen]
        missing = set(unsearched)
        for key, items in self.others.items():
            if len(items) <= GENERIC and missing.intersection(items):
                chosen.setdefault(key, items[0])
        return chosen, unsearched

    def build(self) -> tuple[QuestionIndex, list[int]]:
        """Return the index, and the items whose questions are too short or too general to be in it."""
        passages, unsearched = self.choose_passages()
        owners: dict[bytes, int] = {}
        least: dict[bytes, float] = {}
        for key, item in passages.items():
            words = np.frombuffer(key, np.uint64)
            for part in np.array_split(words, -(-len(words) // LONGEST)):
                owners.setdefault(part.tobytes(), item)
                edited = key in self.asked and len(words) >= EDITABLE
                least.setdefault(part.tobytes(), self.min_overlap if edited else 1.0)
        parts = [np.frombuffer(key, np.uint64) for key in owners]
        words = np.concatenate([np.zeros(0, np.uint64), *parts])
        starts = start_at_zero(np.cumsum([len(part) for part in parts], dtype=np.int64))
        items = np.array(list(owners.values()), np.int32)
        weights, shares = self.weigh_words(words), np.array(list(least.values()))
        return QuestionIndex(*index_seeds(words, starts), words, weights, starts, items, shares), unsearched

    def weigh_words(self, words: np.ndarray) -> np.ndarray:
        """Return log2(1 + items / items with the word), in STEPS, of each word. All of them are in the items."""
        known, counts = np.unique(np.concatenate([np.zeros(0, np.uint64), *self.frequencies]), return_counts=True)
        rarity = np.rint(STEPS * np.log2(1 + len(self.questions) / counts)).astype(np.int64)
        found: np.ndarray = rarity[np.searchsorted(known, words)]
        return found


def index_seeds(words: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the first four arrays of a QuestionIndex: the seeds of its parts, and where they are."""
    (hashes,) = hash_ngrams(words, SEED)
    part, whole = place_ngrams(np.arange(len(hashes)), starts[1:], SEED)
    hashes, part, at = hashes[whole], part[whole], np.flatnonzero(whole)
    order = np.argsort(hashes, kind="stable")
    seeds, counts = np.unique(hashes, return_counts=True)
    rare = counts <= COMMON
    order = order[np.repeat(rare, counts)]
    offsets = at - starts[part]
    return (
        seeds[rare],
        start_at_zero(np.cumsum(counts[rare])),
        part[order].astype(np.int32),
        offsets[order].astype(np.int32),
    )


def start_at_zero(ends: np.ndarray) -> np.ndarray:
    """Return where runs that lie one after the other start, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), ends])


def add_owner(owners: list[int], item: int) -> None:
    """Note an item that has a passage, once, and at most one item more than GENERIC."""
    if len(owners) <= GENERIC and item not in owners:
        owners.append(item)
