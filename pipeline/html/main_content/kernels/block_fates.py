"""Which blocks of a page are kept for what is decided of those like them, or of those around them."""

from pipeline.html.main_content.kernels.arrays import Bytes, Floats, Integers

MASK = 0xFFFFFFFFFFFFFFFF  # 64-bit numbers wrap around


def find_items(
    parent: Integers, sign: Integers, first: Integers, end: Integers, place: Integers, fewest: int, factor: int,
    items: Integers, item_of: Integers, way_of: Integers,
) -> None:  # fmt: skip
    """Write for each container the parallel one that it is in, or is, -1 for none, and a hash of the way there: of the
    signs of the containers between.

    A container is parallel if it has a sign and at least the `fewest` at its `place` have blocks. `items`, 0 at first,
    becomes how many these are.
    """
    for number in range(len(parent)):
        if end[number] > first[number]:
            items[place[number]] += 1
    item_of[0] = -1
    way_of[0] = 0
    for number in range(1, len(parent)):
        above = parent[number]
        if sign[number] > 0 and items[place[number]] >= fewest:
            item_of[number] = number
            way_of[number] = 0
        else:
            item_of[number] = item_of[above]
            way_of[number] = (way_of[above] * factor + sign[number] + 1) & MASK


def fill_role_keys(
    kind: Integers, container: Integers, item_of: Integers, way_of: Integers, place: Integers, apart: tuple[int, int],
    factors: tuple[int, int], item: Integers, held: Integers, keys: Integers,
) -> None:  # fmt: skip
    """Write the item of each block, -1 for none; which blocks are `held` by one, but for those of the two kinds
    `apart`; and a key that the blocks share which have the same kind and way to items of the same place.
    """
    of_group, of_way = factors
    term, definition = apart
    for block in range(len(kind)):
        number = item_of[container[block]]
        item[block] = number
        held[block] = number >= 0 and kind[block] != term and kind[block] != definition
        keys[block] = 0
        if held[block]:
            mixed = ((place[number] * of_group) & MASK) ^ way_of[container[block]]
            keys[block] = (mixed * of_way + kind[block]) & MASK


def number_roles(
    held: Integers, group: Integers, item: Integers, place: Integers, items: Integers, shared: float,
    latest: Integers, distinct: Integers, role: Integers,
) -> None:  # fmt: skip
    """Write the role of each block that is held by an item: the `group` of blocks of its key, if a `shared` part of the
    items has a block of it; -1 otherwise. `latest` is -1 at first, `distinct` 0, one for each block.
    """
    blocks = len(held)
    for block in range(blocks):
        # the items of one place follow each other: each is counted at its first block
        if held[block] and latest[group[block]] != item[block]:
            latest[group[block]] = item[block]
            distinct[group[block]] += 1
    for block in range(blocks):
        role[block] = -1
        if held[block] and distinct[group[block]] >= shared * items[place[item[block]]]:
            role[block] = group[block]


def number_term_lists(
    kind: Integers, container: Integers, parent: Integers, hints: Integers, levels: int, bit: int,
    apart: tuple[int, int], role: Integers,
) -> None:  # fmt: skip
    """Write as the role of each term and definition, which are the kinds `apart`, the list that it is in, after the
    roles of other blocks: the first of so many containers around it whose hints have a `bit`, or the one around its own
    where none has.
    """
    term, definition = apart
    blocks = len(kind)
    for block in range(blocks):
        if kind[block] == term or kind[block] == definition:
            found = parent[container[block]]
            at = container[block]
            for _ in range(levels):
                if hints[at] & bit:
                    found = at
                    break
                at = parent[at]
            role[block] = blocks + found


def share_among(
    kept: Integers, role: Integers, length: Floats, majority: float, of_kept: Floats, of_all: Floats
) -> None:
    """Keep all blocks of a role, or none, by the part of their text that is kept. `of_kept` and `of_all` are 0 at
    first, one for each role.
    """
    for block in range(len(role)):
        if role[block] >= 0:
            of_all[role[block]] += length[block]
            if kept[block]:
                of_kept[role[block]] += length[block]
    for block in range(len(role)):
        if role[block] >= 0:
            whole = of_all[role[block]]
            kept[block] = whole > 0 and of_kept[role[block]] >= majority * whole


def share_spans(kept: Integers, spans: list[tuple[int, int]], length: Floats, majority: float) -> None:
    """Keep all blocks of a span, or none, by the part of their text that is kept."""
    for start, end in spans:
        whole = part = 0.0
        for block in range(start, end):
            whole += length[block]
            if kept[block]:
                part += length[block]
        for block in range(start, end):
            kept[block] = part >= majority * whole


def follow_bodies(
    kept: Integers, chosen: Integers, role: Integers, item: Integers, kind: Integers, titles: Bytes, alone: int,
    end: Integers, text: Floats, majority: float, left: Floats,
) -> None:  # fmt: skip
    """Keep the titles, which have a role and a kind among `titles`, of items whose body is kept; leave out those that
    the model did not choose and whose body is left out.

    The body is the rest of an item, or the block after a title that is an item by itself, but for titles of the kind
    `alone`. `text`: the length of what is before each block; `left`, as long, is written.
    """
    blocks = len(kept)
    left[0] = 0.0
    for block in range(blocks):
        left[block + 1] = left[block] + (text[block + 1] - text[block] if kept[block] else 0.0)
    for block in range(blocks):
        if role[block] < 0 or not titles[kind[block]]:
            continue
        last = end[item[block]] if item[block] >= 0 else 0
        nested = last > block + 1
        if not nested:
            last = block + 2
        if last > blocks:
            last = blocks
        if last > block + 1 and (nested or kind[block] != alone):
            body = left[last] - left[block + 1]
            if body >= majority * (text[last] - text[block + 1]):
                kept[block] = True
            elif not chosen[block]:
                kept[block] = False


def bridge_runs(
    kept: Integers, bridged: Integers, link: Floats, length: Floats, scores: Floats, linked: float, low: float
) -> None:
    """Keep the runs of `bridged` blocks between two kept ones whose share of links is at most `linked`, and whose mean
    score is at least `low`.
    """
    before = -1
    for block in range(len(kept)):
        if not kept[block]:
            continue
        if before >= 0 and before + 1 < block:
            crossed = True
            text = links = mass = 0.0
            for place in range(before + 1, block):
                crossed = crossed and bridged[place] != 0
                text += length[place]
                links += link[place] * length[place]
                mass += scores[place] * length[place]
            if crossed and links <= linked * text and mass >= low * text:
                for place in range(before + 1, block):
                    kept[place] = True
        before = block


def find_best_f1(order: Integers, score: Floats, length: Floats) -> float:
    """Return the highest F1 that is expected of the first blocks of an order, of which a part, the score, is right."""
    expected = 0.0
    for place in range(len(order)):
        expected += score[order[place]] * length[order[place]]
    best = right = kept = 0.0
    for place in range(len(order)):
        block = order[place]
        kept += length[block]
        right += score[block] * length[block]
        if kept + expected > 0.0 and 2.0 * right / (kept + expected) > best:
            best = 2.0 * right / (kept + expected)
    return best
