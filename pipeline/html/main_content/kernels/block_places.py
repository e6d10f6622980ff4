"""Where the blocks of a page stand: in which containers, among which like them."""

from pipeline.html.main_content.characters import CLASSES, DENSE, END, MONEY, SPACE
from pipeline.html.main_content.kernels.arrays import Floats, Integers

LINKED_PROSE = 0.3  # share of links from which a block is no prose
LONG_SENTENCE = 80  # characters: a block that is longer is prose
SHORT_SENTENCE = 25  # likewise, if it ends a sentence
MASK = 0xFFFFFFFFFFFFFFFF  # 64-bit numbers wrap around


def copy_numbers(lists: list[list[int]], copied: Integers) -> None:
    """Write the numbers of some lists, one list after the other."""
    at = 0
    for numbers in lists:
        for number in numbers:
            copied[at] = number
            at += 1


def copy_values(names: list[str], values: dict[str, int], copied: Integers) -> None:
    """Write the values of some names."""
    for at, name in enumerate(names):
        copied[at] = values[name]


def count_numbers(tuples: list[tuple[int, ...]]) -> int:
    """Return how many numbers some tuples have."""
    found = 0
    for numbers in tuples:
        found += len(numbers)
    return found


def copy_pairs(tuples: list[tuple[int, ...]], owner: Integers, copied: Integers) -> None:
    """Write the numbers of some tuples, one tuple after the other, each with the number of its tuple."""
    at = 0
    for place, numbers in enumerate(tuples):
        for number in numbers:
            owner[at] = place
            copied[at] = number
            at += 1


def measure_blocks(
    counts: Integers, last: Integers, characters: Integers, linked: Integers,
    length: Floats, link: Floats, prose: Floats, sums: Floats,
) -> None:  # fmt: skip
    """Write the length of each block, the share of it that is link, and its length if it is prose: hardly linked, and
    long, or not too short and ending as a sentence does.

    `counts`: blocks x CLASSES, of characters. `sums`, 4 x (blocks + 1): text, linked text, prose and signs of money
    before each block.
    """
    blocks = len(length)
    row = blocks + 1
    text = text_linked = text_prose = paid = 0.0
    sums[0] = sums[row] = sums[2 * row] = sums[3 * row] = 0.0
    for block in range(blocks):
        at = block * CLASSES
        written = characters[block]
        size = written - counts[at + SPACE] + 2.0 * counts[at + DENSE]
        share = linked[block] / (1.0 if written < 1 else written)
        if share > 1.0:
            share = 1.0
        told = 0.0
        if share < LINKED_PROSE and (size > LONG_SENTENCE or (size > SHORT_SENTENCE and last[block] == END)):
            told = size
        length[block] = size
        link[block] = share
        prose[block] = told
        text += size
        text_linked += size * share
        text_prose += told
        paid += counts[at + MONEY]
        sums[block + 1] = text
        sums[row + block + 1] = text_linked
        sums[2 * row + block + 1] = text_prose
        sums[3 * row + block + 1] = paid


def nest_containers(
    parent: Integers, hints: Integers, first: Integers, end: Integers, container: Integers, levels: int,
    depth: Integers, path_hints: Integers, wider: Integers, around: Integers,
) -> None:  # fmt: skip
    """Write of each container how many are around it, the hints of all of these with its own, and the first one that
    holds more than one block, of itself and those around it. A parent has a lower number than what it holds.

    `around`, levels x blocks: the containers around a block from the first such one on, each the parent of the last.
    """
    depth[0] = 0
    path_hints[0] = hints[0]
    wider[0] = 0
    for number in range(1, len(parent)):
        above = parent[number]
        depth[number] = depth[above] + 1
        path_hints[number] = path_hints[above] | hints[number]
        wider[number] = number if end[number] - first[number] > 1 else wider[above]
    blocks = len(container)
    for block in range(blocks):
        at = wider[container[block]]
        for level in range(levels):
            around[level * blocks + block] = at
            at = parent[at]


def hash_shapes(
    tag: Integers, hints: Integers, parent: Integers, doublings: int, factors: Integers, above: Integers,
    shape: Integers, keys: Integers,
) -> None:  # fmt: skip
    """Write the shape of each container, a hash of the tags and hints of it and of those around it, and a key that the
    siblings of one shape share. `factors` are for tags, for the way up, and for parents.

    Each of the `doublings` doubles the part of the way up that is known. `above` is written.
    """
    of_tag = factors[0]
    of_way = factors[1]
    of_parent = factors[2]
    last = len(parent) - 1
    for number in range(last + 1):
        shape[number] = ((tag[number] * of_tag) & MASK) ^ hints[number]
        above[number] = parent[number]
    for _ in range(doublings):
        for number in range(last, -1, -1):  # what is above has a lower number: it is changed later
            shape[number] = ((shape[number] * of_way) & MASK) ^ (shape[above[number]] >> 7)
            above[number] = above[above[number]]
    for number in range(last + 1):
        keys[number] = shape[number] ^ ((parent[number] * of_parent) & MASK)


def number_groups(keys: Integers, order: Integers, rows: int, group: Integers, size: Integers) -> None:
    """Write for each key of a row the number of its value among all values of the row, and how often each occurs.

    `order`: the places in a row by their keys, row after row.
    """
    columns = len(keys) // rows
    for row in range(rows):
        start = row * columns
        number = start - 1
        before = 0
        for place in range(columns):
            at = start + order[start + place]
            key = keys[at]
            if place == 0 or key != before:
                number += 1
                size[number] = 0
                before = key
            size[number] += 1
            group[at] = number - start


def find_inner_records(
    parent: Integers, first: Integers, end: Integers, group: Integers, fewest: int, container: Integers,
    size: Integers, rank: Integers, seen: Integers, within: Integers, outer: Integers, records: Integers,
) -> None:  # fmt: skip
    """Write of each group of siblings how many have blocks, its `size`; of each container how many of its group are
    before it, its `rank`; and the `records` around each block: the innermost, the one around that, and the outermost.

    A record has blocks and is in a group of at least the `fewest` that have. 0, the root, stands for none. `size` and
    `seen` are 0 at first; the others are written.
    """
    containers = len(parent)
    for number in range(containers):
        rank[number] = seen[group[number]]
        seen[group[number]] += 1
        if end[number] > first[number]:
            size[group[number]] += 1
    within[0] = outer[0] = 0
    for number in range(1, containers):
        above = within[parent[number]]
        if end[number] > first[number] and size[group[number]] >= fewest:
            within[number] = number
            outer[number] = outer[above] if above else number
        else:
            within[number] = above
            outer[number] = outer[above]
    blocks = len(container)
    for block in range(blocks):
        inner = within[container[block]]
        second = within[parent[inner]]
        records[block] = inner
        records[blocks + block] = second if second else inner
        records[2 * blocks + block] = outer[inner]


def fill_block_keys(
    shape: Integers, kind: Integers, container: Integers, around: Integers, pools: Integers, factor: int,
    path_hints: Integers, depth: Integers, keys: Integers,
) -> None:  # fmt: skip
    """Write keys of blocks, (pools + 1) x blocks: what blocks of one kind in containers of one shape share, in the
    whole page (a pool below 0) or in a level of the containers `around`; last, what such blocks at one depth share
    whose containers have the same hints around them in any order.
    """
    blocks = len(kind)
    last = len(pools) * blocks
    for block in range(blocks):
        holder = container[block]
        place = ((shape[holder] << 4) & MASK) ^ kind[block]
        for number in range(len(pools)):
            level = pools[number]
            keys[number * blocks + block] = (
                place ^ ((around[level * blocks + block] * factor) & MASK) if level >= 0 else place
            )
        keys[last + block] = ((path_hints[holder] << 4) & MASK) ^ ((depth[holder] << 50) & MASK) ^ kind[block]


def find_headings(kind: Integers, heading: Integers, above: Integers) -> None:
    """Write which blocks are headings, and the heading before each block, -1 where there is none."""
    latest = -1
    for block in range(len(kind)):
        above[block] = latest
        heading[block] = 1 <= kind[block] <= 6
        if heading[block]:
            latest = block
