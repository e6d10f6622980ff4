"""Repeated items of a page: cards, posts, rows, steps, list items. Their blocks deserve one fate.

A record is an element with text that has at least two siblings of its own shape: the same tag and hints (Liu, Grossman
and Zhai 2003, "Mining data records in web pages", look for the same). Records lie in records: a post in a thread has
paragraphs. A block is looked at in three records: the innermost, the one around that, and the outermost.
"""

from typing import NamedTuple

import numpy as np

from pipeline.html.main_content.kernels.block_columns import (
    RECORD_FEATURES,
    write_record_scores,
    write_record_values,
)
from pipeline.html.main_content.kernels.block_places import find_inner_records, hash_shapes, number_groups

Array = np.ndarray

MIN_SIBLINGS = 3  # of one shape, the element among them
DOUBLINGS = 5  # of the way up that the shape of a container tells: 32 levels
LEVELS = ("inner", "second", "outer")
RECORD_NAMES = tuple(f"record_{name}_{level}" for level in LEVELS for name in RECORD_FEATURES)
RECORD_CONTEXT = "group item share best".split()
RECORD_CONTEXT_NAMES = tuple(f"score_{name}_{level}" for level in LEVELS for name in RECORD_CONTEXT)
# of tags, of the way down, and of parents
SHAPE_FACTORS = np.array((0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xBF58476D1CE4E5B9), np.uint64)


class RecordGroups(NamedTuple):
    """The records of a page, and which of them each block is in."""

    shape: Array  # of each container: a hash of its tag and hints and those around it, uint64
    group: Array  # of each container: the number of the siblings of its shape
    size: Array  # of each group: the siblings with text
    rank: Array  # of each container: how many of its group are before it
    records: Array  # LEVELS x blocks: containers; 0 (the root) where there is none


def group_equal(keys: Array) -> tuple[Array, Array]:
    """Return for each key the number of its value among all values of its row, which are sorted, and how often each
    of these occurs, 0s after the last: keys (rows x places, or places alone) are uint64.

    So does np.unique, which takes twice as long for as few keys as a page has.
    """
    group, size = np.empty(keys.shape, np.int64), np.zeros(keys.shape, np.int64)
    order = keys.argsort(-1)
    rows = 1 if keys.ndim == 1 else len(keys)
    number_groups(keys.ravel().data, order.ravel().data, rows, group.ravel().data, size.ravel().data)
    return group, size


def find_records(tag: Array, hints: Array, parent: Array, first: Array, end: Array, container: Array) -> RecordGroups:
    """Find the records among the containers, which hold the blocks from `first` to before `end`."""
    containers = len(parent)
    shape, keys = np.empty((2, containers), np.uint64)
    size, seen, rank, within, outer, above = np.zeros((6, containers), np.int64)
    hash_shapes(
        tag.view(np.uint64).data, hints.data, parent.data, DOUBLINGS, SHAPE_FACTORS.data, above.data, shape.data,
        keys.data,
    )  # fmt: skip
    group, _ = group_equal(keys)
    records = np.empty((len(LEVELS), len(container)), np.int64)
    find_inner_records(
        parent.data, first.data, end.data, group.data, MIN_SIBLINGS, container.data, size.data, rank.data, seen.data,
        within.data, outer.data, records.ravel().data,
    )  # fmt: skip
    return RecordGroups(shape, group, size, rank, records)


def describe_records(found: RecordGroups, first: Array, end: Array, inside: Array, total_text: float) -> Array:
    """Return RECORD_NAMES x blocks. `inside`: text, linked text, prose and money of each container, four rows."""
    containers = len(first)
    table = np.empty((len(RECORD_FEATURES), containers))
    write_record_values(
        table.ravel().data, found.group.data, found.size.data, found.rank.data, first.data, end.data,
        inside.ravel().data, total_text, MIN_SIBLINGS, np.zeros(5 * containers).data,
    )  # fmt: skip
    return take_records(table, found)


def score_records(found: RecordGroups, inside: Array, total: float) -> Array:
    """Return RECORD_CONTEXT_NAMES x blocks. `inside`: the sums of weighted scores and of lengths of each container;
    `total`: the page's sum of weighted scores.
    """
    containers = len(found.group)
    table = np.empty((len(RECORD_CONTEXT), containers))
    write_record_scores(
        table.ravel().data, found.group.data, found.size.data, inside.ravel().data, total, MIN_SIBLINGS,
        np.zeros(3 * containers).data,
    )  # fmt: skip
    return take_records(table, found)


def take_records(table: Array, found: RecordGroups) -> Array:
    """Return the values of the records of each block, -1 where it is in none: (LEVELS, values) x blocks."""
    table[:, 0] = -1
    levels: Array = table.take(found.records, axis=1).swapaxes(0, 1)
    return levels.reshape(len(LEVELS) * len(table), -1)
