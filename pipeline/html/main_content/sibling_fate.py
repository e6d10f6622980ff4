"""Parallel parts of a page share one fate: all rows of a table, all terms of a list, all cards of a row, or none.

Siblings are parallel if they have the same tag and class names in the same element. The blocks that have the same
place in each of them (the question of each item, its answer) are decided together, by the part of their text that the
model keeps. The titles of items that are kept are kept too, so that no answer follows another question.
"""

import numpy as np

from pipeline.html.main_content.block_features import BlockLayout
from pipeline.html.main_content.blocks import BUTTON, CAPTION, DEFINITION, ITEM, TERM, PageBlocks
from pipeline.html.main_content.class_hints import TAG_BIT
from pipeline.html.main_content.kernels.block_fates import (
    fill_role_keys,
    find_items,
    follow_bodies,
    number_roles,
    number_term_lists,
    share_among,
    share_spans,
)
from pipeline.html.main_content.records import group_equal

LEVELS = 4  # containers around a term that are looked at for its list
FEWEST = 2  # items of a group
SHARED = 0.5  # part of a group's items that has a block at the same place
MAJORITY = 0.5  # part of the text of alike blocks that must be kept, for all to be kept
APART = (TERM, DEFINITION)  # kinds whose fate their list decides
IS_TITLE = np.isin(np.arange(BUTTON + 1), (1, 2, 3, 4, 5, 6, ITEM, TERM, CAPTION, BUTTON)).view(np.uint8)
WAY_FACTOR, GROUP_FACTOR = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93


def share_fate(kept: np.ndarray, page: PageBlocks, layout: BlockLayout) -> np.ndarray:
    """Return which blocks to keep, so that parallel ones are kept or left out together."""
    if kept.all() or not kept.any():
        return kept
    shared = kept.copy()
    flags, length = shared.view(np.uint8).data, layout.length.data
    share_spans(flags, page.tables, length, MAJORITY)
    role, item = find_parallel_blocks(page, layout)
    of_kept, of_all = np.zeros((2, len(role) + len(layout.parent)))
    share_among(flags, role.data, length, MAJORITY, of_kept.data, of_all.data)
    left = np.empty(len(role) + 1)
    follow_bodies(
        flags, kept.view(np.uint8).data, role.data, item.data, layout.kind.data, IS_TITLE.data, ITEM, layout.end.data,
        layout.sums[0].data, MAJORITY, left.data,
    )  # fmt: skip
    return shared


def find_parallel_blocks(page: PageBlocks, layout: BlockLayout) -> tuple[np.ndarray, np.ndarray]:
    """Return for each block the number of its role, which alike blocks of parallel items share, and the container that
    is its item; -1 where there is none.
    """
    parent, kind, container = layout.parent.data, layout.kind.data, layout.container.data
    blocks, containers = len(kind), len(parent)
    place, _ = group_equal((layout.parent << 32 ^ layout.sign).view(np.uint64))
    items, item_of, way_of = (
        np.zeros(containers, np.int64),
        np.empty(containers, np.int64),
        np.empty(containers, np.uint64),
    )
    find_items(
        parent, layout.sign.data, layout.first.data, layout.end.data, place.data, FEWEST, WAY_FACTOR, items.data,
        item_of.data, way_of.data,
    )  # fmt: skip
    item, held, keys = np.empty(blocks, np.int64), np.empty(blocks, np.uint8), np.empty(blocks, np.uint64)
    factors = GROUP_FACTOR, WAY_FACTOR
    fill_role_keys(
        kind, container, item_of.data, way_of.data, place.data, APART, factors, item.data, held.data, keys.data
    )
    group, _ = group_equal(keys)
    latest, distinct, role = np.full(blocks, -1), np.zeros(blocks, np.int64), np.empty(blocks, np.int64)
    number_roles(
        held.data, group.data, item.data, place.data, items.data, SHARED, latest.data, distinct.data, role.data
    )
    number_term_lists(kind, container, parent, layout.hints.data, LEVELS, TAG_BIT["dl"], APART, role.data)
    return role, item
