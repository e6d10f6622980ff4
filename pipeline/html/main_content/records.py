"""Repeated items of a page: cards, posts, rows, steps, list items. Their blocks deserve one fate.

A record is an element with text that has at least two siblings of its own shape: the same tag and hints (Liu, Grossman
and Zhai 2003, "Mining data records in web pages", look for the same). Records lie in records: a post in a thread has
paragraphs. A block is looked at in three records: the innermost, the one around that, and the outermost.
"""

from typing import NamedTuple

import numpy as np

Array = np.ndarray

MIN_SIBLINGS = 3  # of one shape, the element among them
DOUBLINGS = 5  # of the way up: 32 levels
LEVELS = ("inner", "second", "outer")
RECORD_FEATURES = "count text mean link prose money spread share place blocks".split()
RECORD_NAMES = tuple(f"record_{name}_{level}" for level in LEVELS for name in RECORD_FEATURES)
RECORD_CONTEXT = "group item share best".split()
RECORD_CONTEXT_NAMES = tuple(f"score_{name}_{level}" for level in LEVELS for name in RECORD_CONTEXT)
TAG_FACTOR, PATH_FACTOR, PARENT_FACTOR = (
    np.uint64(factor) for factor in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xBF58476D1CE4E5B9)
)


class RecordGroups(NamedTuple):
    """The records of a page, and which of them each block is in."""

    shape: Array  # of each container: a hash of its tag and hints and those around it
    group: Array  # of each container: the number of the siblings of its shape
    size: Array  # of each group: the siblings with text
    records: Array  # LEVELS x blocks: containers; 0 (the root) where there is none


def group_equal(keys: Array) -> tuple[Array, Array]:
    """Return for each key the number of its value among all values, which are sorted, and how often each occurs.

    So does np.unique, which takes twice as long for as few keys as a page has.
    """
    order = keys.argsort()
    ordered = keys.take(order)
    begins = np.ones(len(keys), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    number = begins.cumsum() - 1
    group = np.empty(len(keys), np.int64)
    group[order] = number
    return group, np.bincount(number)


def sum_up(*rows: Array) -> Array:
    """Return the sums of what is before each place, of as many rows: rows x (places + 1), in double precision."""
    found = np.zeros((len(rows), len(rows[0]) + 1))
    for sums, values in zip(found, rows, strict=True):
        values.cumsum(dtype=np.float64, out=sums[1:])
    return found


def find_records(tag: Array, hints: Array, parent: Array, filled: Array, container: Array) -> RecordGroups:
    """Find the records among the containers, of which `filled` tells whether they hold text."""
    shape, above = (tag.astype(np.uint64) * TAG_FACTOR) ^ hints.astype(np.uint64), parent
    for _ in range(DOUBLINGS):  # in the last, hardly any container has anything above
        shape = (shape * PATH_FACTOR) ^ (shape[above] >> np.uint64(7))
        above = above[above]
    group, _ = group_equal(shape ^ (parent.astype(np.uint64) * PARENT_FACTOR))
    size = np.bincount(group, filled)
    count = np.arange(len(parent))
    record = filled & (size[group] >= MIN_SIBLINGS) & (count > 0)
    within = np.where(record, count, parent)
    for _ in range(DOUBLINGS):
        within = within[within]
    outside = within[parent]
    outside = np.where(record[outside], outside, count)  # of a record
    inner = within[container]
    second = outside[inner]
    for _ in range(DOUBLINGS):
        outside = outside[outside]
    return RecordGroups(shape.astype(np.int64), group, size, np.stack((inner, second, outside[inner])))


def record_features(found: RecordGroups, first: Array, end: Array, inside: Array, total_text: float) -> Array:
    """Return RECORD_NAMES x blocks. `inside`: text, linked text, prose and money of each container, four rows."""
    filled = end > first
    group, groups = found.group, len(found.size)
    text = inside[0]
    of_group = [np.bincount(group, row, groups) for row in (*inside[:3], inside[3] > 0, text * text)]
    total, size = np.maximum(of_group[0], 1e-9), np.maximum(found.size, 1)
    order = np.argsort(group, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(group, minlength=groups))[:-1]))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - starts[group[order]]
    known = (
        size[group],
        (of_group[0] / max(total_text, 1e-9))[group],
        (of_group[0] / size)[group],
        (of_group[1] / total)[group],
        (of_group[2] / total)[group],
        (of_group[3] / size)[group],
        (of_group[4] * size / (total * total))[group],
        text * size[group] / total[group],
        rank,
        (end - first) * filled,
    )
    table = np.array(known).astype(np.float32)
    table[:, 0] = -1  # in no record
    found_rows = table.take(found.records, axis=1)  # [feature, level, block]
    return found_rows.transpose(1, 0, 2).reshape(len(RECORD_NAMES), -1)


def record_context(found: RecordGroups, first: Array, end: Array, sums: Array) -> Array:
    """Return RECORD_CONTEXT_NAMES x blocks. `sums`: of weighted scores and of lengths, up to each block."""
    inside = sums.take(end, axis=1) - sums.take(first, axis=1)
    group, groups = found.group, len(found.size)
    mass, length = (np.bincount(group, row, groups) for row in inside)
    item = inside[0] / np.maximum(inside[1], 1e-9)
    best = np.zeros(groups)
    np.maximum.at(best, group, item)
    table = np.array((
        (mass / np.maximum(length, 1e-9))[group], item, (mass / max(sums[0, -1], 1e-9))[group], best[group],
    ))  # fmt: skip
    table[:, 0] = -1
    return table.take(found.records, axis=1).transpose(1, 0, 2).reshape(len(RECORD_CONTEXT_NAMES), -1)
