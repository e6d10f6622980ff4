"""What the shipped topic model sees of pages: the stems of words, and the fields of words that these are of.

A stem is the first letters of a word, or one character in scripts without spaces. The fields are in `data/fields.yaml`,
in about twenty languages. All pages of a batch are read at once, on arrays.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np

from pipeline.html.main_content.characters import DENSE, classify_characters, is_word_class, lower_characters
from pipeline.html.main_content.vocabulary import LETTER_FACTORS, MIX, PAIR_FACTOR, SEPARATOR, SINGLE_FACTOR
from pipeline.settings import read_table
from pipeline.url.canonical import split_url, url_host
from pipeline.url.topic_by_address import DOMAINS, find_topic

Array = np.ndarray

FIELDS = Path(__file__).parent / "data" / "fields.yaml"
STEM = 6  # letters of a word that make a difference: enough to see through most endings
STEM_BITS = 16
STEM_WEIGHTS = 1 << STEM_BITS
FILTER_BITS = 18  # of a table that says whether any field may have a stem
MAX_STEM_CHARACTERS = 4000  # of a text; .01 of macro-F1 better than 2,000
MAX_QUERY = 60  # characters of a URL's query that are read
# How much each part weighs beside the others, and what keeps a text with few words of fields from being made long.
STEM_SHARE, ADDRESS_SHARE = 0.6, 0.5
TEXT_SMOOTHING, URL_SMOOTHING = 1.0, 0.5


class StemValues(NamedTuple):
    """The 64-bit hash values of the stems of texts, or of pairs of stems, each with the number of its text."""

    text: Array
    value: Array


class FieldTable(NamedTuple):
    """The stems and pairs of stems of the fields. A value may be of several fields, each of which has a share of it."""

    names: tuple[str, ...]  # of the fields
    values: Array  # sorted hash values
    first: Array  # of each value: the place of its first field in `field`
    fields: Array  # how many it has
    field: Array  # the numbers of the fields, value after value
    present: Array  # by the first FILTER_BITS of a value: may it be among `values`?


class StemRows(NamedTuple):
    """The columns of pages that are not 0, as three arrays; and how many pages and columns there are."""

    row: Array
    column: Array
    value: Array
    pages: int
    columns: int

    def add_weights(self, weights: Array) -> Array:
        """Return pages x classes: the sums of the weights, columns x classes, times the values."""
        shown = weights[self.column] * self.value[:, None]
        sums = [np.bincount(self.row, shown[:, number], minlength=self.pages) for number in range(weights.shape[1])]
        return np.stack(sums, axis=1)


def hash_stems(texts: Sequence[str]) -> tuple[StemValues, StemValues]:
    """Return the stems of texts, and the pairs of stems that follow each other. Digits are alike, as are cases."""
    codes, classes = classify_characters(SEPARATOR.join([text.replace(SEPARATOR, " ") for text in texts]))
    word = np.flatnonzero(is_word_class(classes))
    if not len(word):
        nothing = StemValues(np.zeros(0, np.int64), np.zeros(0, np.uint64))
        return nothing, nothing
    dense = classes[word] == DENSE
    begins = np.ones(len(word), bool)
    begins[1:] = (word[1:] - word[:-1] != 1) | dense[1:] | dense[:-1]
    starts = np.flatnonzero(begins)
    within = np.arange(len(word)) - starts[np.cumsum(begins) - 1]
    read = within < STEM
    letters = lower_characters(codes[word[read]]) * LETTER_FACTORS[within[read]]
    single = np.add.reduceat(letters, np.flatnonzero(begins[read]))
    text = np.cumsum(codes == 0)[word[starts]]
    same = np.flatnonzero(text[1:] == text[:-1])
    pair = (single[same] * PAIR_FACTOR) ^ single[same + 1]
    return StemValues(text, mix_values(single)), StemValues(text[same], mix_values(pair))


def mix_values(values: Array) -> Array:
    """Return values whose first bits are well mixed."""
    mixed: Array = values * SINGLE_FACTOR
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(MIX)
    return mixed


@cache
def load_fields() -> FieldTable:
    """Read the fields of words. A word with "_" is a pair. Raises ValueError for a word of more than two stems."""
    table: dict[str, str] = read_table(FIELDS)
    words = [(number, word) for number, text in enumerate(table.values()) for word in text.split()]
    single, pair = hash_stems([word.replace("_", " ") for _, word in words])
    count = np.bincount(single.text, minlength=len(words))
    if (wrong := np.flatnonzero((count < 1) | (count > 2))).size:
        raise ValueError(f"{FIELDS.name}: {words[wrong[0]][1]!r} has not one or two stems")
    alone = count[single.text] == 1
    text = np.concatenate((single.text[alone], pair.text))
    values, row = np.unique(np.concatenate((single.value[alone], pair.value)), return_inverse=True)
    row, field = np.unique(np.stack((row, np.array([words[number][0] for number in text]))), axis=1)
    present = np.zeros(1 << FILTER_BITS, bool)
    present[values >> np.uint64(64 - FILTER_BITS)] = True
    numbers = np.bincount(row)
    return FieldTable(tuple(table), values, np.cumsum(numbers) - numbers, numbers, field, present)


def count_stems(stems: StemValues, texts: int) -> StemRows:
    """Return texts x STEM_WEIGHTS: log(1 + count) of each stem, over the root of the sum of squares of a text."""
    value = (stems.value >> np.uint64(64 - STEM_BITS)).astype(np.int64)
    key, counts = np.unique(stems.text * STEM_WEIGHTS + value, return_counts=True)
    text, amount = key // STEM_WEIGHTS, np.log1p(counts)
    size = np.sqrt(np.bincount(text, amount * amount, minlength=texts))
    return StemRows(text, key % STEM_WEIGHTS, amount / size[text], texts, STEM_WEIGHTS)


def count_fields(single: StemValues, pair: StemValues, texts: int, smoothing: float) -> StemRows:
    """Return texts x fields: log(1 + count) of the words of each field, made about as long for every text."""
    table = load_fields()
    text, value = np.concatenate((single.text, pair.text)), np.concatenate((single.value, pair.value))
    maybe = table.present[value >> np.uint64(64 - FILTER_BITS)]
    text, value = text[maybe], value[maybe]
    place = np.minimum(np.searchsorted(table.values, value), len(table.values) - 1)
    known = table.values[place] == value
    key, counts = np.unique(text[known] * len(table.values) + place[known], return_counts=True)
    text, place = key // len(table.values), key % len(table.values)
    fields = table.fields[place]
    ends = np.cumsum(fields)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - fields, fields)
    field = table.field[np.repeat(table.first[place], fields) + within]
    names = len(table.names)
    amount = np.repeat(np.log1p(counts) / fields, fields)
    sums: Array = np.bincount(np.repeat(text, fields) * names + field, amount, minlength=texts * names)
    found: Array = sums.astype(np.float64).reshape(texts, names)
    found = found / np.sqrt((found * found).sum(1, keepdims=True) + smoothing)
    row, column = np.nonzero(found)
    return StemRows(row, column, found[row, column], texts, names)


def join_columns(parts: Sequence[StemRows]) -> StemRows:
    """Return rows of the same pages side by side."""
    offsets = np.cumsum([0, *(part.columns for part in parts)])
    return StemRows(
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.column + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        np.concatenate([part.value for part in parts]),
        parts[0].pages,
        int(offsets[-1]),
    )


def scale_rows(rows: StemRows, factor: float) -> StemRows:
    """Return rows with all values times a factor."""
    return rows._replace(value=rows.value * factor)


def join_url_words(url: str) -> str:
    """Return the words of a URL: its host, its path and the beginning of its query; "" without a URL."""
    parts = split_url(url)
    path = unquote(f"{parts.path} {parts.query[:MAX_QUERY]}") if parts else ""
    return f"{url_host(url)} {path}" if url else ""


def count_stem_columns() -> int:
    """Return the number of columns of `build_stem_rows`."""
    return STEM_WEIGHTS + 2 * len(load_fields().names) + len(DOMAINS)


def build_stem_rows(texts: Sequence[str], urls: Sequence[str]) -> StemRows:
    """Return a row for each page: its stems, the fields of its text, those of its URL, and the topic by its URL."""
    count = len(texts)
    single, pair = hash_stems([text[:MAX_STEM_CHARACTERS] for text in texts])
    of_url, pair_of_url = hash_stems([join_url_words(url) for url in urls])
    topic = np.array([DOMAINS.index(find_topic(url)) if url else len(DOMAINS) - 1 for url in urls], np.int64)
    return join_columns(
        (
            scale_rows(count_stems(single, count), STEM_SHARE),
            count_fields(single, pair, count, TEXT_SMOOTHING),
            count_fields(of_url, pair_of_url, count, URL_SMOOTHING),
            StemRows(np.arange(count), topic, np.full(count, ADDRESS_SHARE), count, len(DOMAINS)),
        )
    )
