"""What is known of the blocks of a page, a row of `found` (features x blocks) for each of some names, in their order.

Each function writes its rows from the beginning of the `found` that it is given. Scores, of the first stage of the
model, are weighted by the lengths of the blocks, at least 1.
"""

from pipeline.html.main_content.characters import (
    CLASSES,
    COMMA,
    DENSE,
    DIGIT,
    END,
    LETTER,
    LOWER,
    SIGN,
    SPACE,
    UPPER,
)
from pipeline.html.main_content.kernels.arrays import Floats, Integers

NOTHING = 1e-9  # what nothing is divided by
NO_HEADING = 99  # blocks without a heading
MOST_PROSE = 0.5  # share of a page's prose that a container holds, for the way up to it to end
WORDS_ENOUGH = 200.0  # characters of a block above which its words weigh no more
TEXT_NAMES = "length words link links commas ends sentence colon digits upper letters signs".split()
PLACE_NAMES = (
    "depth kind heading position position_share from_end text_before text_after prose_before prose_after".split()
)
HEADING_NAMES = "heading_level heading_far heading_length heading_link section_length".split()
GROUP_NAMES = "group group_text group_length group_link group_prose".split()
ALIKE_NAMES = "alike alike_text alike_length alike_link alike_prose".split()
NOWHERE = -1000.0  # the place of a title that is no block
SHOWN = 0.25  # share of a text from which on a block is worth the name of its best
LAYOUT_NAMES = "list_depth quotes".split()
REPEAT_NAMES = "times again".split()
WORDS = (
    "words_say names_say names_say_1 names_say_2 names_say_3 names_say_4 heading_says words_near words_alike "
    "names_alike words_page words_record names_heading"
).split()
WAY_NAMES = "hops main_width place offset".split()
RECORD_FEATURES = "count text mean link prose money spread share place blocks".split()


def divide_or_zero(part: float, whole: float) -> float:
    """Return part / whole, 0 where there is nothing."""
    return part / (whole if whole > NOTHING else NOTHING)


def write_text_rows(
    found: Floats, counts: Integers, characters: Integers, length: Floats, link: Floats, links: Integers, last: Integers
) -> None:
    """Write TEXT_NAMES. `counts`: blocks x CLASSES, of characters; `last`: the class of a block's last character."""
    blocks = len(length)
    for block in range(blocks):
        start = block * CLASSES
        size = length[block]
        whole = size if size > NOTHING else NOTHING
        upper = counts[start + UPPER]
        letters = counts[start + LOWER] + upper + counts[start + LETTER] + counts[start + DENSE]
        at = block
        found[at] = size
        at += blocks
        found[at] = counts[start + SPACE] + 1
        at += blocks
        found[at] = link[block]
        at += blocks
        found[at] = links[block]
        at += blocks
        found[at] = counts[start + COMMA] / whole
        at += blocks
        found[at] = counts[start + END] / whole
        at += blocks
        found[at] = 1.0 if last[block] == END else 0.0
        at += blocks
        found[at] = 1.0 if last[block] == COMMA else 0.0
        at += blocks
        found[at] = counts[start + DIGIT] / whole
        at += blocks
        found[at] = divide_or_zero(upper, letters)
        at += blocks
        found[at] = divide_or_zero(letters, characters[block])
        at += blocks
        found[at] = counts[start + SIGN] / whole


def write_place_rows(
    found: Floats, kind: Integers, heading: Integers, container: Integers, depth: Integers, sums: Floats
) -> None:
    """Write PLACE_NAMES. `sums`, 4 x (blocks + 1): text, linked text and prose before each block."""
    blocks = len(kind)
    written = 2 * (blocks + 1)
    total = sums[blocks] if sums[blocks] > NOTHING else NOTHING
    prose = sums[written + blocks] if sums[written + blocks] > NOTHING else NOTHING
    for block in range(blocks):
        at = block
        found[at] = depth[container[block]]
        at += blocks
        found[at] = kind[block]
        at += blocks
        found[at] = heading[block]
        at += blocks
        found[at] = block
        at += blocks
        found[at] = block / blocks
        at += blocks
        found[at] = blocks - block
        at += blocks
        found[at] = sums[block] / total
        at += blocks
        found[at] = 1.0 - sums[block + 1] / total
        at += blocks
        found[at] = sums[written + block] / prose
        at += blocks
        found[at] = 1.0 - sums[written + block + 1] / prose


def write_heading_rows(
    found: Floats, kind: Integers, heading: Integers, above: Integers, length: Floats, link: Floats, sums: Floats
) -> None:
    """Write HEADING_NAMES: of the heading before a block, and the length of the text from the one at or before it to
    the next.
    """
    blocks = len(kind)
    begin = 0
    for block in range(blocks):
        title = above[block]
        found[block] = kind[title] if title >= 0 else 0
        found[blocks + block] = block - title if title >= 0 else NO_HEADING
        found[2 * blocks + block] = length[title] if title >= 0 else 0.0
        found[3 * blocks + block] = link[title] if title >= 0 else 0.0
        if block + 1 == blocks or heading[block + 1]:
            for place in range(begin, block + 1):
                found[4 * blocks + place] = sums[block + 1] - sums[begin]
            begin = block + 1


def write_group_rows(
    found: Floats, whole: float, group: Integers, size: Integers, length: Floats, link: Floats, prose: Floats,
    total: float, of_groups: Floats,
) -> None:  # fmt: skip
    """Write GROUP_NAMES, of the group of each block: its size, as a part of the `whole`; its share of the `total` text;
    its mean text, and the shares of links and prose in it. `of_groups`, 3 x blocks, is 0 at first.
    """
    blocks = len(group)
    for block in range(blocks):
        at = group[block]
        of_groups[at] += length[block]
        of_groups[blocks + at] += length[block] * link[block]
        of_groups[2 * blocks + at] += prose[block]
    for block in range(blocks):
        at = group[block]
        text = of_groups[at]
        base = text if text > NOTHING else NOTHING
        found[block] = size[at] / whole
        found[blocks + block] = divide_or_zero(text, total)
        found[2 * blocks + block] = text / size[at]
        found[3 * blocks + block] = of_groups[blocks + at] / base
        found[4 * blocks + block] = of_groups[2 * blocks + at] / base


def write_way_rows(
    found: Floats, levels: int, around: Integers, first: Integers, end: Integers, shares: Floats, text_shares: Floats
) -> None:
    """Write WAY_NAMES: how far up, of so many levels, the container is that holds most of the page's prose; its share
    of the page's text; and the place of a block in the innermost container. `shares` are of prose.
    """
    blocks = len(found) // len(WAY_NAMES)
    for block in range(blocks):
        hops = 0
        while hops < levels and shares[around[hops * blocks + block]] < MOST_PROSE:
            hops += 1
        inner = around[block]
        offset = block - first[inner]
        spanned = end[inner] - first[inner]
        found[block] = hops
        found[blocks + block] = text_shares[around[hops * blocks + block]] if hops < levels else 1.0
        found[2 * blocks + block] = offset / (spanned if spanned > 1 else 1)
        found[3 * blocks + block] = offset


def write_beside_rows(found: Floats, values: Floats, places: tuple[int, ...]) -> None:
    """Write a row for each of some places: the value of the block so many places away, 0 beyond the page."""
    blocks = len(values)
    start = 0
    for by in places:
        low = min(max(-by, 0), blocks)
        high = max(min(blocks - by, blocks), low)
        for block in range(low):
            found[start + block] = 0.0
        if low < high:
            found[start + low : start + high] = values[low + by : high + by]
        for block in range(high, blocks):
            found[start + block] = 0.0
        start += blocks


def write_near_rows(
    found: Floats, kind: Integers, last: Integers, container: Integers, places: tuple[int, ...]
) -> None:
    """Write, of the blocks so many places away, the kinds, then which end a sentence, then which are in the block's own
    container. Beyond the page are plain blocks in the root.
    """
    blocks = len(kind)
    rows = len(places) * blocks
    at = 0
    for by in places:
        for block in range(blocks):
            other = block + by
            inside = 0 <= other < blocks
            found[at] = kind[other] if inside else 0
            found[rows + at] = 1.0 if inside and last[other] == END else 0.0
            found[2 * rows + at] = 1.0 if (container[other] if inside else 0) == container[block] else 0.0
            at += 1


def write_window_rows(found: Floats, sums: Floats, reaches: tuple[int, ...]) -> None:
    """Write the text of the blocks up to so many places away, and the shares of links and prose in it. `sums`, 4 x
    (blocks + 1): text, linked text and prose before each block.
    """
    row = len(sums) // 4
    blocks = row - 1
    at = 0
    for reach in reaches:
        for block in range(blocks):
            high = block + reach + 1 if block + reach < blocks else blocks
            low = block - reach if block > reach else 0
            text = sums[high] - sums[low]
            whole = text if text > NOTHING else NOTHING
            found[at + block] = text
            found[at + blocks + block] = (sums[row + high] - sums[row + low]) / whole
            found[at + 2 * blocks + block] = (sums[2 * row + high] - sums[2 * row + low]) / whole
        at += 3 * blocks


def write_record_values(
    table: Floats, group: Integers, size: Integers, rank: Integers, first: Integers, end: Integers,
    inside: Floats, total: float, fewest: int, of_groups: Floats,
) -> None:  # fmt: skip
    """Write RECORD_FEATURES of each container of a group of at least the `fewest`, as a record. `inside`: text, linked
    text, prose and money of each; `of_groups`, 5 x containers, is 0 at first.
    """
    containers = len(group)
    for number in range(containers):
        at = group[number]
        if size[at] < fewest:
            continue
        text = inside[number]
        of_groups[at] += text
        of_groups[containers + at] += inside[containers + number]
        of_groups[2 * containers + at] += inside[2 * containers + number]
        of_groups[3 * containers + at] += 1.0 if inside[3 * containers + number] > 0 else 0.0
        of_groups[4 * containers + at] += text * text
    for number in range(containers):
        at = group[number]
        if size[at] < fewest:
            continue
        text = of_groups[at] if of_groups[at] > NOTHING else NOTHING
        members = float(size[at])
        table[number] = members
        table[containers + number] = divide_or_zero(of_groups[at], total)
        table[2 * containers + number] = of_groups[at] / members
        table[3 * containers + number] = of_groups[containers + at] / text
        table[4 * containers + number] = of_groups[2 * containers + at] / text
        table[5 * containers + number] = of_groups[3 * containers + at] / members
        table[6 * containers + number] = of_groups[4 * containers + at] * members / (text * text)
        table[7 * containers + number] = inside[number] * members / text
        table[8 * containers + number] = rank[number]
        table[9 * containers + number] = end[number] - first[number]


def weigh_scores(score: Floats, length: Floats, weighted: Floats, weight: Floats, sums: Floats) -> None:
    """Write the weighted scores and their weights, and the sums of both before each block, 2 x (blocks + 1)."""
    blocks = len(score)
    row = blocks + 1
    text = mass = 0.0
    sums[0] = sums[row] = 0.0
    for block in range(blocks):
        size = length[block] if length[block] > 1.0 else 1.0
        weight[block] = size
        weighted[block] = score[block] * size
        mass += score[block] * size
        text += size
        sums[block + 1] = mass
        sums[row + block + 1] = text


def write_side_rows(found: Floats, sums: Floats, reaches: tuple[int, ...]) -> None:
    """Write the mean scores of so many blocks before a block, and of so many after it."""
    row = len(sums) // 2
    blocks = row - 1
    at = 0
    for reach in reaches:
        for block in range(blocks):
            low = block - reach if block > reach else 0
            high = block + 1 + reach if block + 1 + reach < blocks else blocks
            found[at + block] = divide_or_zero(sums[block] - sums[low], sums[row + block] - sums[row + low])
            found[at + blocks + block] = divide_or_zero(
                sums[high] - sums[block + 1], sums[row + high] - sums[row + block + 1]
            )
        at += 2 * blocks


def write_page_score_rows(found: Floats, score: Floats, sums: Floats) -> None:
    """Write the share of the page's sum that is before a block, and after it; then the highest score, the mean and the
    sum of the page.
    """
    blocks = len(score)
    total = sums[blocks]
    whole = total if total > NOTHING else NOTHING
    mean = total / sums[2 * blocks + 1]
    best = score[0]
    for block in range(blocks):
        if score[block] > best:
            best = score[block]
    for block in range(blocks):
        found[block] = sums[block] / whole
        found[blocks + block] = 1.0 - sums[block + 1] / whole
        found[2 * blocks + block] = best
        found[3 * blocks + block] = mean
        found[4 * blocks + block] = total


def write_kind_score_rows(
    found: Floats, kind: Integers, kinds: tuple[int, ...], weighted: Floats, weight: Floats
) -> None:
    """Write for each of some kinds the mean score of its blocks, -1 for a block of another kind."""
    blocks = len(kind)
    at = 0
    for scored in kinds:
        mass = text = 0.0
        for block in range(blocks):
            if kind[block] == scored:
                mass += weighted[block]
                text += weight[block]
        mean = divide_or_zero(mass, text)
        for block in range(blocks):
            found[at + block] = mean if kind[block] == scored else -1.0
        at += blocks


def write_record_scores(
    table: Floats, group: Integers, size: Integers, inside: Floats, total: float, fewest: int, of_groups: Floats
) -> None:
    """Write of each container of a group of at least the `fewest`, as a record: the mean score of the record's group,
    its own, the group's share of the page's sum, and the group's best mean. `inside`: sums of weighted scores and of
    weights of each container; `of_groups`, 3 x containers, is 0 at first.
    """
    containers = len(group)
    for number in range(containers):
        at = group[number]
        if size[at] < fewest:
            continue
        item = divide_or_zero(inside[number], inside[containers + number])
        of_groups[at] += inside[number]
        of_groups[containers + at] += inside[containers + number]
        if item > of_groups[2 * containers + at]:
            of_groups[2 * containers + at] = item
        table[containers + number] = item
    for number in range(containers):
        at = group[number]
        if size[at] < fewest:
            continue
        table[number] = divide_or_zero(of_groups[at], of_groups[containers + at])
        table[2 * containers + number] = divide_or_zero(of_groups[at], total)
        table[3 * containers + number] = of_groups[2 * containers + at]


def write_group_score_rows(
    found: Floats, group: Integers, size: Integers, score: Floats, weighted: Floats, weight: Floats, total: float,
    of_groups: Floats,
) -> None:  # fmt: skip
    """Write of each block's group the mean score, the highest one, the share of the page's sum, and the size.
    `of_groups`, 3 x blocks, is 0 at first.
    """
    blocks = len(group)
    for block in range(blocks):
        at = group[block]
        of_groups[at] += weighted[block]
        of_groups[blocks + at] += weight[block]
        if score[block] > of_groups[2 * blocks + at]:
            of_groups[2 * blocks + at] = score[block]
    for block in range(blocks):
        at = group[block]
        found[block] = of_groups[at] / of_groups[blocks + at]
        found[blocks + block] = of_groups[2 * blocks + at]
        found[2 * blocks + block] = divide_or_zero(of_groups[at], total)
        found[3 * blocks + block] = size[at]


def write_section_score_rows(
    found: Floats, heading: Integers, above: Integers, score: Floats, weighted: Floats, weight: Floats
) -> None:
    """Write the score of the heading before a block, -1 for none, and the mean score from the heading at or before it
    to the next.
    """
    blocks = len(heading)
    begin = 0
    mass = text = 0.0
    for block in range(blocks):
        found[block] = score[above[block]] if above[block] >= 0 else -1.0
        mass += weighted[block]
        text += weight[block]
        if block + 1 == blocks or heading[block + 1]:
            mean = divide_or_zero(mass, text)
            for place in range(begin, block + 1):
                found[blocks + place] = mean
            begin = block + 1
            mass = text = 0.0


def write_layout_rows(found: Floats, layout: list[tuple[int, int, int]]) -> None:
    """Write LAYOUT_NAMES: how many lists, and how many quotations, a block is in."""
    blocks = len(layout)
    for block in range(blocks):
        place = layout[block]
        found[block] = place[0]
        found[blocks + block] = place[2]


def write_repeat_rows(
    found: Floats, new: Floats, texts: list[str], group: Integers, size: Integers, first: Integers, times: Integers,
    distinct: Integers,
) -> None:  # fmt: skip
    """Write REPEAT_NAMES: how many blocks have the text of a block, and whether one before it has; and, in the row
    `new`, the share of texts in the `group` of a block that are new. `first`, `times` and `distinct` are 0 at first,
    one for each block.
    """
    blocks = len(texts)
    known: dict[str, int] = {}
    for block in range(blocks):
        earlier = known.setdefault(texts[block], block)
        first[block] = earlier
        times[earlier] += 1
        if earlier == block:
            distinct[group[block]] += 1
    for block in range(blocks):
        found[block] = times[first[block]]
        found[blocks + block] = 1.0 if first[block] != block else 0.0
        new[block] = distinct[group[block]] / size[group[block]]


def write_distances(found: Floats, share: Floats) -> None:
    """Write how far each block is behind the first with the highest share of a text, if that is worth the name."""
    blocks = len(share)
    best = 0
    for block in range(1, blocks):
        if share[block] > share[best]:
            best = block
    shown = share[best] > SHOWN
    for block in range(blocks):
        found[block] = block - best if shown else NOWHERE


def write_word_rows(
    found: Floats, says: Floats, names: Floats, container: Integers, parent: Integers, above: Integers, length: Floats,
    group: Integers, first: Integers, end: Integers, records: Integers, sums: Floats, of_groups: Floats, said: Floats,
) -> None:  # fmt: skip
    """Write WORDS: what the words of a block, of its heading, of the blocks beside it, of those of its `group`
    and of its record say, and the names of the containers around it.

    `says` of each block, `names` of each container. `of_groups`, 2 x blocks, is 0 at first; `sums`, 2 x (blocks + 1),
    and `said`, one for each block, are written.
    """
    blocks = len(says)
    row = blocks + 1
    mass = text = sums[0] = sums[row] = 0.0
    for block in range(blocks):
        weight = length[block] if length[block] < WORDS_ENOUGH else WORDS_ENOUGH
        at = group[block]
        of_groups[at] += says[block] * weight
        of_groups[blocks + at] += weight
        mass += says[block] * weight
        text += weight
        sums[block + 1] = mass
        sums[row + block + 1] = text
        number = container[block]
        found[block] = says[block]
        found[blocks + block] = names[number]
        total = names[number]
        for level in range(2, 6):
            number = parent[number]
            found[level * blocks + block] = names[number]
            if level < 5:
                total += names[number]
        said[block] = total
    for block in range(blocks):
        title = above[block]
        found[9 * blocks + block] = said[block]
        found[6 * blocks + block] = says[title] if title >= 0 else 0.0
        found[12 * blocks + block] = said[title] if title >= 0 else 0.0
        high = block + 3 if block + 3 < blocks else blocks
        low = block - 2 if block > 2 else 0
        found[7 * blocks + block] = divide_or_zero(sums[high] - sums[low], sums[row + high] - sums[row + low])
        at = group[block]
        found[8 * blocks + block] = divide_or_zero(of_groups[at], of_groups[blocks + at])
        found[10 * blocks + block] = divide_or_zero(mass, text)
        number = records[block]
        high = end[number]
        low = first[number]
        found[11 * blocks + block] = divide_or_zero(sums[high] - sums[low], sums[row + high] - sums[row + low])
