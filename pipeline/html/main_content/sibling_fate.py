"""Parallel parts of a page share one fate: all rows of a table, all terms of a list, all cards of a row, or none.

Siblings are parallel if they have the same tag and class names in the same element. The blocks that have the same
place in each of them (the question of each item, its answer) are decided together, by the part of their text that the
model keeps. The titles of items that are kept are kept too, so that no answer follows another question.
"""

import numpy as np

from pipeline.html.main_content.block_features import BlockLayout
from pipeline.html.main_content.blocks import BUTTON, CAPTION, DEFINITION, ITEM, TERM, PageBlocks
from pipeline.html.main_content.class_hints import TAG_BIT
from pipeline.html.main_content.records import group_equal

LEVELS = 4  # containers around a term that are looked at for its list
FEWEST = 2  # items of a group
SHARED = 0.5  # part of a group's items that has a block at the same place
MAJORITY = 0.5  # part of the text of alike blocks that must be kept, for all to be kept
IS_TITLE = np.isin(np.arange(BUTTON + 1), (1, 2, 3, 4, 5, 6, ITEM, TERM, CAPTION, BUTTON))
WAY_FACTOR, GROUP_FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


def share_fate(kept: np.ndarray, page: PageBlocks, layout: BlockLayout) -> np.ndarray:
    """Return which blocks to keep, so that parallel ones are kept or left out together."""
    if kept.all() or not kept.any():
        return kept
    chosen, kept = kept, kept.copy()
    for start, end in page.tables:
        length = layout.length[start:end]
        kept[start:end] = (kept[start:end] * length).sum() >= MAJORITY * length.sum()
    role, item = find_parallel_blocks(page, layout)
    grouped = np.flatnonzero(role >= 0)
    if len(grouped):
        roles, length = role[grouped], layout.length[grouped]
        share = np.bincount(roles, length * kept[grouped]) / np.maximum(np.bincount(roles, length), 1e-9)
        kept[grouped] = (share >= MAJORITY)[roles]
        titles = grouped[IS_TITLE[layout.kind[grouped]]]
        follow_bodies(kept, chosen, titles, item, layout)
    return kept


def follow_bodies(
    kept: np.ndarray, chosen: np.ndarray, titles: np.ndarray, item: np.ndarray, layout: BlockLayout
) -> None:
    """Keep the titles, in place, of items whose body is kept; leave out those that the model did not choose and whose
    body is left out. The body is the rest of an item, or the block after a title that is an item by itself.
    """
    end = layout.end[item[titles]]
    nested = (item[titles] >= 0) & (end > titles + 1)
    end = np.minimum(np.where(nested, end, titles + 2), len(kept))
    text = np.concatenate(([0.0], np.cumsum(layout.length)))
    left = np.concatenate(([0.0], np.cumsum(layout.length * kept)))
    followed = left[end] - left[titles + 1] >= MAJORITY * (text[end] - text[titles + 1])
    decided = (end > titles + 1) & (nested | (layout.kind[titles] != ITEM))
    titles, followed = titles[decided], followed[decided]
    kept[titles] = followed | (kept[titles] & chosen[titles])


def find_parallel_blocks(page: PageBlocks, layout: BlockLayout) -> tuple[np.ndarray, np.ndarray]:
    """Return for each block the number of its role, which alike blocks of parallel items share, and the container that
    is its item; -1 where there is none.
    """
    sign, parent = np.array(page.sign, np.int64), layout.parent
    place, _ = group_equal((parent << 32 ^ sign).view(np.uint64))
    items = np.bincount(place, layout.end > layout.first)
    parallel = (sign > 0) & (items[place] >= FEWEST)
    parallel[0] = False
    item_of, way_of = find_items(parent, sign, parallel)
    item, way = item_of[layout.container], way_of[layout.container]
    role = np.full(len(item), -1)
    terms = (layout.kind == TERM) | (layout.kind == DEFINITION)
    held = np.flatnonzero((item >= 0) & ~terms)
    if len(held):
        group = place[item[held]]
        key = (group.astype(np.uint64) * GROUP_FACTOR ^ way[held]) * WAY_FACTOR + layout.kind[held].astype(np.uint64)
        number, _ = group_equal(key)
        pairs = np.unique(number * len(parent) + item[held]) // len(parent)
        common = np.bincount(pairs) * np.bincount(number) >= SHARED * np.bincount(number, items[group])
        role[held] = np.where(common[number], number, -1)
    for block in np.flatnonzero(terms).tolist():
        role[block] = len(item) + find_term_list(page, page.container[block])
    found = np.flatnonzero(role >= 0)
    role[found], _ = group_equal(role[found].view(np.uint64))
    return role, item


def find_items(parent: np.ndarray, sign: np.ndarray, parallel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each container the parallel one that it is in, or is, -1 for none, and a hash of the way there: of the
    signs of the containers between. Every round doubles the part of the way that is known.
    """
    numbers = np.arange(len(parent))
    stops = parallel | (numbers == 0)
    up = np.where(stops, numbers, parent)
    way = np.where(stops, 0, sign + 1).astype(np.uint64)
    factor = np.where(stops, np.uint64(0), WAY_FACTOR)
    while not stops[up].all():
        way += factor * way[up]
        factor *= factor[up]
        up = up[up]
    return np.where(parallel[up], up, -1), way


def find_term_list(page: PageBlocks, container: int) -> int:
    """Return the list of terms and definitions around a container; the one around that if there is none."""
    at = container
    for _ in range(LEVELS):
        if page.hints[at] & TAG_BIT["dl"]:
            return at
        at = page.parent[at]
    return page.parent[container]
