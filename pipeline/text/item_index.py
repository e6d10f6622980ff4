"""Contamination: which spans of a text are those of evaluation items, by n-grams and by questions.

An n-gram of `ngram` words that an item has too is a hit (13: Brown et al. 2020, GPT-3, appendix C). A question is a hit
as a whole, also with some words changed (question_index.py), if it has at least `short` words (8: the least that GPT-3
used). Words are those of shingle_words.py, so case, punctuation, white space and compatibility forms hide nothing.
Shorter questions are everyday phrases and are never hits alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np

from pipeline.text.ngram_hashes import FilteredHashes, hash_ngrams, place_ngrams
from pipeline.text.question_index import SEED, QuestionIndex, QuestionIndexBuilder
from pipeline.text.tokenize.shingle_words import find_word_bounds, hash_shingle_words, unicode_tables

BATCH = 512  # items indexed at a time
MASK = "[...]"  # what a masked span becomes: the usual mark of an omission


class ContaminatedSpan(NamedTuple):
    """A run of characters of a text that an item has: `end` is behind it.

    `ngrams` says how many of its n-grams are the item's, `overlap` which share of the item's question it has: 1 also
    where n-grams agree.
    """

    start: int
    end: int
    item: int
    ngrams: int
    overlap: float


class ItemRun(NamedTuple):
    """A run of words that an item has, from `start` to before `end`: an n-gram, or a question."""

    start: int
    end: int
    item: int
    ngrams: int
    overlap: float


@dataclass(frozen=True)
class ItemIndex:
    """The n-grams and the questions of evaluation items. Items are numbers, from 0.

    An n-gram takes 12 bytes, and 2 to 4 of its filter.
    """

    ngram: int
    hashes: np.ndarray  # uint64, sorted, unique: of the n-grams
    items: np.ndarray  # int32: the first item that has each
    questions: QuestionIndex
    unsearched: np.ndarray  # int32: items whose question is too short, or too general, to be a hit alone

    @classmethod
    def build(cls, items: Iterable[Sequence[str]], ngram: int, short: int, min_overlap: float) -> "ItemIndex":
        """Index the passages of items, in their order: of each the question first. `short` is at most `ngram`."""
        grams = [np.zeros(0, np.uint64)]
        owners = [np.zeros(0, np.int32)]
        builder = QuestionIndexBuilder(short, ngram, min_overlap)
        numbered, first = iter(items), 0
        while batch := list(islice(numbered, BATCH)):
            whose = np.repeat(np.arange(first, first + len(batch), dtype=np.int32), [len(some) for some in batch])
            first += len(batch)
            for words, lengths in hash_shingle_words([passage for some in batch for passage in some]):
                mine, whose = whose[: len(lengths)], whose[len(lengths) :]
                stops = np.cumsum(lengths)
                (hashes,) = hash_ngrams(words, ngram)
                passage, whole = place_ngrams(np.arange(len(hashes)), stops, ngram)
                grams.append(hashes[whole])
                owners.append(mine[passage[whole]])
                builder.count_words(np.repeat(mine, lengths), words)
                for item, stop, length in zip(mine.tolist(), stops.tolist(), lengths.tolist(), strict=True):
                    builder.add(item, words[stop - length : stop])
        values, places = np.unique(np.concatenate(grams), return_index=True)  # the first place: the first item
        questions, unsearched = builder.build()
        unfound = np.array(unsearched, np.int32)
        return cls(ngram, values, np.concatenate(owners)[places], questions, unfound)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by their names, to be stored."""
        questions = {field.name: getattr(self.questions, field.name) for field in fields(QuestionIndex)}
        return {"hashes": self.hashes, "items": self.items, "unsearched": self.unsearched, **questions}

    @classmethod
    def from_arrays(cls, ngram: int, arrays: Mapping[str, np.ndarray]) -> "ItemIndex":
        """Return the index of stored arrays."""
        questions = QuestionIndex(**{field.name: arrays[field.name] for field in fields(QuestionIndex)})
        return cls(ngram, arrays["hashes"], arrays["items"], questions, arrays["unsearched"])

    @cached_property
    def known(self) -> FilteredHashes:
        """The n-grams, to look up."""
        return FilteredHashes(self.hashes)

    def spans(self, texts: Sequence[str]) -> list[list[ContaminatedSpan]]:
        """Return the spans of each text that items have, in their order, none over another.

        Where runs of several items overlap, the span is that of the item that has most of it.
        """
        found: list[list[ContaminatedSpan]] = []
        for words, lengths in hash_shingle_words(texts):
            runs: dict[int, list[ItemRun]] = defaultdict(list)
            stops = np.cumsum(lengths)
            for text, run in self.find_runs(words, stops):
                before = int(stops[text] - lengths[text])
                runs[text].append(run._replace(start=run.start - before, end=run.end - before))
            first = len(found)
            found += [merge_runs(texts[first + n], runs[n]) if n in runs else [] for n in range(len(lengths))]
        return found

    def find_runs(self, words: np.ndarray, stops: np.ndarray) -> Iterator[tuple[int, ItemRun]]:
        """Yield (text, run) of each n-gram and each question of an item."""
        seeds, grams = hash_ngrams(words, *sorted((SEED, self.ngram)))
        if self.ngram < SEED:
            seeds, grams = grams, seeds
        at, known = self.known.find(grams)
        texts, whole = place_ngrams(at, stops, self.ngram)
        for text, start, gram in zip(texts[whole].tolist(), at[whole].tolist(), known[whole].tolist(), strict=True):
            yield text, ItemRun(start, start + self.ngram, int(self.items[gram]), 1, 1.0)
        for question in self.questions.find(seeds, words, stops):
            yield question.text, ItemRun(question.start, question.end, question.item, 0, question.overlap)


def merge_runs(text: str, runs: list[ItemRun]) -> list[ContaminatedSpan]:
    """Return the spans of runs of a text: runs that overlap are one."""
    starts, ends = find_original_word_bounds(text)
    spans: list[ContaminatedSpan] = []
    group: list[ItemRun] = []
    reach = 0
    for run in [*sorted(runs), ItemRun(len(starts), 0, 0, 0, 0.0)]:
        if group and run.start >= reach:
            spans.append(ContaminatedSpan(int(starts[group[0].start]), int(ends[reach - 1]), *choose_item(group)))
            group = []
        group.append(run)
        reach = max(reach, run.end)
    return spans


def choose_item(runs: Iterable[ItemRun]) -> tuple[int, int, float]:
    """Return the item that has most of overlapping runs, how many n-grams are its own, and its greatest overlap."""
    ngrams: dict[int, int] = defaultdict(int)
    overlaps: dict[int, float] = defaultdict(float)
    for run in runs:
        ngrams[run.item] += run.ngrams
        overlaps[run.item] = max(overlaps[run.item], run.overlap)
    item = min(ngrams, key=lambda item: (-ngrams[item], -overlaps[item], item))
    return item, ngrams[item], overlaps[item]


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
