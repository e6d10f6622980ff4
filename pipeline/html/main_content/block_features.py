"""What is known of each block of a page, as numbers: a matrix of features by blocks, computed on arrays.

Lengths count a character of a script without spaces as three, so that a sentence is about as long in any language.
Only sums, ratios and comparisons are used, which every machine rounds alike; trees need no logarithms.
"""

from functools import cached_property
from itertools import chain

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.html.main_content.blocks import BUTTON, CAPTION, ITEM, PARAGRAPH, PRE, ROW, PageBlocks, remove_marks
from pipeline.html.main_content.characters import (
    COMMA,
    DENSE,
    DIGIT,
    END,
    LETTER,
    LOWER,
    MONEY,
    SIGN,
    SPACE,
    UPPER,
    count_characters,
)
from pipeline.html.main_content.class_hints import CLASS_BIT, HINTS, PLAIN_BITS, TAG_BIT, TAG_HINTS
from pipeline.html.main_content.page_facts import FACTS
from pipeline.html.main_content.records import (
    RECORD_CONTEXT_NAMES,
    RECORD_NAMES,
    find_records,
    group_equal,
    record_context,
    record_features,
    sum_up,
)
from pipeline.html.main_content.vocabulary import HashedWords, Vocabulary, hash_block_words, hash_tags

Array = np.ndarray

ANCESTORS = 8  # containers looked at around a block, innermost first
DOUBLINGS = 5  # of the way up: 32 levels
POOLS = (-1, 2, 3, 5)  # blocks that are alike, in the whole page or in one of the containers around
PLACE_FACTOR = 0x1E3779B97F4A7C15
NOWHERE = -1000.0  # the place of a title that is no block
DESCRIBED = 30  # characters that a block and the description have in common at the beginning of one
WORDS_ENOUGH = 200  # characters of a block above which its words weigh no more
SHORTEST_STATED = 20  # characters of a block that is looked for in JSON-LD
SEPARATOR = "\0"  # which the parser leaves in no text
NO_HEADING = 99  # blocks without a heading
LONG_SENTENCE = 80  # characters: a block that long, hardly linked, or one that ends a sentence, is prose


def int_column(values: list[int]) -> Array:
    """Return a list of whole numbers as an array."""
    return np.fromiter(values, np.int64, len(values))


def safe_ratio(part: Array, whole: Array | float) -> Array:
    """Return part / whole, 0 where there is nothing."""
    return part / np.maximum(whole, 1e-9)


def sum_up_ancestors(parent: Array, hints: Array) -> tuple[Array, Array]:
    """Return for each container how many are around it, and the bits of all of these with its own.

    Every round doubles the part of the way up that is known.
    """
    depth, bits, above = (np.arange(len(parent)) > 0).astype(np.int64), hints.copy(), parent
    while above.any():
        depth += depth[above]
        bits |= bits[above]
        above = above[above]
    return depth, bits


class BlockLayout:
    """A page's blocks and containers as arrays; what both stages of the model look at."""

    def __init__(self, page: PageBlocks):
        """Count the characters and find the containers around each block."""
        self.texts = texts = remove_marks(SEPARATOR.join(page.text)).split(SEPARATOR)
        self.counts, self.last = counts, _ = count_characters(texts)
        self.characters = np.fromiter(map(len, texts), np.int64, len(texts))
        self.length = (self.characters - counts[:, SPACE] + 2 * counts[:, DENSE]).astype(np.float64)
        self.link = np.minimum(1.0, int_column(page.link_characters) / np.maximum(self.characters, 1))
        self.links = int_column(page.links)
        self.kind, self.container = int_column(page.kind), int_column(page.container)
        self.first, self.end, self.parent = int_column(page.first), int_column(page.end), int_column(page.parent)
        self.hints = int_column(page.hints) & PLAIN_BITS
        self.depth, self.path_hints = sum_up_ancestors(self.parent, self.hints)
        # a container that holds one block says nothing of its surroundings: go up to the first that holds more
        numbers = np.arange(len(self.parent))
        wider = np.where((self.end - self.first <= 1) & (numbers > 0), self.parent, numbers)
        for _ in range(DOUBLINGS):
            wider = wider[wider]
        self.around = np.empty((ANCESTORS + 1, len(self.container)), np.int64)
        self.around[0] = wider[self.container]
        for level in range(ANCESTORS):
            self.around[level + 1] = self.parent[self.around[level]]
        self.prose = self.length * (
            (self.link < 0.3) & (((self.last == END) & (self.length > 25)) | (self.length > LONG_SENTENCE))
        )
        # text, linked text, prose and signs of money before each block, and of each container
        self.sums = sum_up(self.length, self.length * self.link, self.prose, counts[:, MONEY])
        self.inside = self.sums.take(self.end, axis=1) - self.sums.take(self.first, axis=1)
        self.tag = hash_tags(page.tag)
        sizes = np.fromiter(map(len, page.name_values), np.int64, len(page.name_values))
        values = np.fromiter(chain.from_iterable(page.name_values), np.int64, sizes.sum())
        self.names = HashedWords(np.repeat(np.arange(len(sizes)), sizes), values)
        self.records = find_records(self.tag, self.hints, self.parent, self.end > self.first, self.container)
        self.alike = self.find_alike()
        self.heading = (self.kind >= 1) & (self.kind <= 6)
        position = np.arange(len(self.kind))
        latest = np.maximum.accumulate(np.where(self.heading, position, -1))
        self.above = np.where(
            self.heading, np.concatenate(([-1], latest[:-1])), latest
        )  # the heading before; -1 for none

    def find_alike(self) -> list[tuple[Array, Array]]:
        """Return for each of POOLS the group of each block, of blocks of one kind in containers of one shape, and the
        sizes of the groups.
        """
        place = (self.records.shape[self.container] << 4) ^ self.kind
        found = []
        for pool in POOLS:
            key = place if pool < 0 else place ^ (self.around[pool] * PLACE_FACTOR)
            found.append(group_equal(key))
        return found

    @cached_property
    def words(self) -> HashedWords:
        """The hashed words of the blocks."""
        return hash_block_words(self.texts)


OWN = (
    "length words link links commas ends sentence colon digits upper letters signs depth kind heading position "
    "position_share from_end text_before text_after prose_before prose_after list_depth quotes times again title_share "
    "after_h1 after_title described after_described group group_text group_length group_link group_prose "
    "page_length page_blocks page_link page_prose h1_count articles as_article as_website as_product "
    "money page_money page_buttons page_rows page_headings heading_level heading_far heading_length heading_link "
    "section_length alike alike_text alike_length alike_link alike_prose alike_distinct "
    "stated after_stated stated_found"
).split()
AROUND = "text link prose prose_share text_share blocks mean".split()
LEVELS = (0, 1, 2, 3, 5)
WORDS = ("words_say", "names_say", "names_say_1", "names_say_2", "names_say_3", "names_say_4", "heading_says",
         "words_near", "words_alike", "names_alike", "words_page", "words_record", "names_heading")  # fmt: skip
FAR = range(-3, 4)
NEARER = (-2, -1, 1, 2)
WINDOWS = (4, 10)
NAMES = (
    *OWN,
    *(f"{name}_{level}" for name in AROUND for level in LEVELS),
    *("hops", "main_width", "place", "offset"),
    *(f"{name}{by:+d}" for name in ("length", "link") for by in FAR if by),
    *(f"{name}{by:+d}" for name in ("kind", "sentence", "together") for by in NEARER),
    *(f"window_{name}{reach}" for reach in WINDOWS for name in ("", "link_", "prose_")),
    *(f"in_{name}" for name in HINTS),
    *(f"at_{name}" for name in HINTS),
    *(f"page_is_{name}" for name in CLASS_BIT),
    *FACTS,
    *RECORD_NAMES,
    *WORDS,
)
BEFORE_AFTER = (2, 5, 12)
SCORED_KINDS = (PARAGRAPH, ITEM, PRE, ROW, CAPTION)
CONTEXT_NAMES = (
    *(f"score{by:+d}" if by else "score" for by in range(-4, 5)),
    *(f"score_{side}_{reach}" for reach in BEFORE_AFTER for side in ("before", "after")),
    *(f"score_{level}" for level in LEVELS),
    *(f"score_share_{level}" for level in LEVELS),
    *("score_sum_before", "score_sum_after", "score_max", "score_page", "score_total"),
    *(f"score_kind_{kind}" for kind in SCORED_KINDS),
    *RECORD_CONTEXT_NAMES,
    *(f"score_alike_{name}_{pool}" for pool in POOLS for name in ("mean", "max", "share", "count")),
    *("score_heading", "score_section"),
)
HINT_NUMBERS = np.arange(len(HINTS))[:, None]


def compute_block_features(page: PageBlocks, layout: BlockLayout, vocabulary: Vocabulary | None) -> Array:
    """Return what the first stage may ask for: NAMES x blocks, in single precision.

    Without a vocabulary, the rows of WORDS, which are the last, are 0.
    """
    found = np.empty((len(NAMES), len(layout.length)), np.float32)
    at = 0
    for part in (
        block_own_features(page, layout), container_features(layout), *neighbour_features(layout),
        hint_bits(layout.path_hints[layout.container]),
        hint_bits(layout.hints[layout.container] | layout.hints[layout.around[0]]),
        hint_bits(np.array([page.names]))[len(TAG_HINTS) :],  # one column, for all blocks
        np.array(page.facts)[:, None],
        record_features(layout.records, layout.first, layout.end, layout.inside, layout.sums[0, -1]),
    ):  # fmt: skip
        found[at : at + len(part)] = part
        at += len(part)
    found[at:] = 0 if vocabulary is None else word_features(layout, vocabulary)
    return found


def word_features(layout: BlockLayout, vocabulary: Vocabulary) -> Array:
    """What the words of a block, of its heading, of its neighbours and of the names around it say: WORDS x blocks."""
    blocks = len(layout.length)
    says = vocabulary.weigh_words(layout.words, blocks)
    names = vocabulary.weigh_names(layout.tag, layout.names)
    found = np.empty((len(WORDS), blocks))
    found[0] = says
    around = layout.container
    found[1] = names[around]
    for level in range(4):
        around = layout.parent[around]
        found[2 + level] = names[around]
    found[6] = np.where(layout.above >= 0, says[layout.above], 0)
    weight = np.minimum(layout.length, WORDS_ENOUGH)
    sums = sum_up(says * weight, weight)
    position = np.arange(blocks)
    near = sums.take(np.minimum(position + 3, blocks), axis=1) - sums.take(np.maximum(position - 2, 0), axis=1)
    found[7] = safe_ratio(near[0], near[1])
    group, size = layout.alike[0]
    found[8] = (np.bincount(group, says * weight) / np.maximum(np.bincount(group, weight), 1e-9))[group]
    found[9] = found[1:5].sum(0)
    found[10] = safe_ratio(sums[0, -1], sums[1, -1])
    inside = sums.take(layout.end, axis=1) - sums.take(layout.first, axis=1)
    found[11] = safe_ratio(inside[0], inside[1])[layout.records.records[1]]
    found[12] = np.where(layout.above >= 0, found[9][layout.above], 0)
    return found


def block_own_features(page: PageBlocks, layout: BlockLayout) -> Array:
    """What is known of a block itself and of its place in the page."""
    counts, length, link, last, prose = layout.counts.T, layout.length, layout.link, layout.last, layout.prose
    blocks = len(length)
    letters = counts[LOWER] + counts[UPPER] + counts[LETTER] + counts[DENSE]
    text, written = layout.sums[0, 1:], layout.sums[2, 1:]
    total, all_prose = max(text[-1], 1e-9), max(written[-1], 1e-9)
    position = np.arange(blocks)
    titled, described = title_share(page.title, layout), description_share(page.description, layout)
    ones = np.flatnonzero(layout.kind == 1)
    numbers: dict[str, int] = {}
    earlier = int_column([numbers.setdefault(text, number) for number, text in enumerate(layout.texts)])
    known: dict[str, Array | float] = {
        "length": length,
        "words": counts[SPACE] + 1,
        "link": link,
        "links": layout.links,
        "commas": safe_ratio(counts[COMMA], length),
        "ends": safe_ratio(counts[END], length),
        "sentence": last == END,
        "colon": last == COMMA,
        "digits": safe_ratio(counts[DIGIT], length),
        "upper": safe_ratio(counts[UPPER], letters),
        "letters": safe_ratio(letters, layout.characters),
        "signs": safe_ratio(counts[SIGN], length),
        "depth": layout.depth[layout.container],
        "kind": layout.kind,
        "heading": layout.heading,
        "position": position,
        "position_share": position / blocks,
        "from_end": blocks - position,
        "text_before": (text - length) / total,
        "text_after": 1 - text / total,
        "prose_before": (written - prose) / all_prose,
        "prose_after": 1 - written / all_prose,
        "list_depth": int_column([place[0] for place in page.layout]),
        "quotes": int_column([place[2] for place in page.layout]),
        "times": np.bincount(earlier)[earlier],
        "again": earlier != position,
        "title_share": titled,
        "after_h1": position - ones[0] if len(ones) else NOWHERE,
        "after_title": distance_from_best(titled),
        "described": described,
        "after_described": distance_from_best(described),
        "money": counts[MONEY],
    }
    known |= whole_page_features(page, layout, text[-1], written[-1])
    known |= (
        stated_features(page.stated, layout)
        | template_features(layout)
        | alike_features(layout, earlier == position)
        | heading_features(layout)
    )
    found = np.empty((len(OWN), blocks), np.float32)
    for row, name in zip(found, OWN, strict=True):
        row[:] = known[name]
    return found


def whole_page_features(page: PageBlocks, layout: BlockLayout, length: float, prose: float) -> dict[str, Array | float]:
    """Return what is known of the page as a whole; `length` and `prose` are the sums over its blocks."""
    total = max(length, 1e-9)
    return {
        "page_length": length,
        "page_blocks": len(layout.length),
        "page_link": (layout.link * layout.length).sum() / total,
        "page_prose": prose / total,
        "h1_count": (layout.kind == 1).sum(),
        "articles": ((layout.hints & TAG_BIT["article"]) != 0).sum(),
        "as_article": page.sort in ("article", "blog", "news"),
        "as_website": page.sort in ("website", "blog"),
        "page_money": layout.counts.T[MONEY].sum(),
        "page_buttons": (layout.kind == BUTTON).sum(),
        "page_rows": (layout.kind == ROW).sum(),
        "page_headings": layout.heading.sum(),
        "as_product": page.sort.startswith("product") or page.sort.endswith(":item"),
    }


def template_features(layout: BlockLayout) -> dict[str, Array]:
    """The blocks of one kind, at one depth, whose containers have the same hints around them in any order: a template
    writes these again and again, menus and comments as well as a page's own paragraphs.
    """
    place = (layout.path_hints << 4 ^ layout.depth << 50)[layout.container] ^ layout.kind
    group, size = group_equal(place)
    text = np.bincount(group, layout.length)
    return {
        "group": size[group] / len(group),
        "group_text": (text / max(layout.length.sum(), 1e-9))[group],
        "group_length": (text / size)[group],
        "group_link": safe_ratio(np.bincount(group, layout.length * layout.link), text)[group],
        "group_prose": safe_ratio(np.bincount(group, layout.prose), text)[group],
    }


def alike_features(layout: BlockLayout, new: Array) -> dict[str, Array]:
    """The blocks of one kind in containers of one shape: tag and hints of all elements around are equal.

    What a template writes again and again is alike in these, menus and comments as well as a page's own paragraphs.

    `new` tells which blocks have a text that none before has.
    """
    group, size = layout.alike[0]
    text = np.bincount(group, layout.length)
    return {
        "alike": size[group],
        "alike_text": (text / max(layout.length.sum(), 1e-9))[group],
        "alike_length": (text / size)[group],
        "alike_link": safe_ratio(np.bincount(group, layout.length * layout.link), text)[group],
        "alike_prose": safe_ratio(np.bincount(group, layout.prose), text)[group],
        "alike_distinct": (np.bincount(group, new) / size)[group],
    }


def heading_features(layout: BlockLayout) -> dict[str, Array]:
    """The heading before each block, and the length of the text between it and the next one."""
    above, position = layout.above, np.arange(len(layout.length))
    has = above >= 0
    section = np.cumsum(layout.heading)
    return {
        "heading_level": np.where(has, layout.kind[above], 0),
        "heading_far": np.where(has, position - above, NO_HEADING),
        "heading_length": np.where(has, layout.length[above], 0),
        "heading_link": np.where(has, layout.link[above], 0),
        "section_length": np.bincount(section, layout.length)[section],
    }


def distance_from_best(share: Array) -> Array | float:
    """Return how far each block is behind the one with the highest share, if that is worth the name."""
    best = int(np.argmax(share))
    return np.arange(len(share)) - best if share[best] > 0.25 else NOWHERE


def title_share(title: str, layout: BlockLayout) -> Array:
    """Return the share of the page's title that a block is, 0 where it is no part of it."""
    title = title.casefold()
    longest = len(title)
    parts = [len(text) if 3 < len(text) <= longest and text.casefold() in title else 0 for text in layout.texts]
    return int_column(parts) / max(longest, 1)


def description_share(description: str, layout: BlockLayout) -> Array:
    """Return 1 for a block that holds the beginning of the page's own description, .5 for one whose beginning is in it.

    What a page tells search engines of itself is often the first of its own text.
    """
    description = description.casefold()
    begins = description[:DESCRIBED]
    found = np.zeros(len(layout.texts))
    if len(begins) < DESCRIBED:
        return found
    for number in np.flatnonzero(layout.characters >= DESCRIBED).tolist():
        text = layout.texts[number].casefold()
        if begins in text:
            found[number] = 1.0
        elif text[:DESCRIBED] in description:
            found[number] = 0.5
    return found


def stated_features(stated: str, layout: BlockLayout) -> dict[str, Array | float]:
    """Whether the beginning of a block is in the texts that JSON-LD states, how far behind the first of them it is, and
    the share of these texts that is found.
    """
    found = np.zeros(len(layout.texts))
    if not stated:
        return {"stated": found, "after_stated": NOWHERE, "stated_found": -1}
    stated = stated.casefold()
    for number in np.flatnonzero(layout.characters >= SHORTEST_STATED).tolist():
        if " ".join(layout.texts[number][: 2 * DESCRIBED].casefold().split())[:DESCRIBED] in stated:
            found[number] = 1.0
    share = (found * layout.characters).sum() / len(stated)
    return {"stated": found, "after_stated": distance_from_best(found), "stated_found": min(share, 2.0)}


def container_features(layout: BlockLayout) -> Array:
    """The containers around a block: their text, links and prose, and the way up to the one with most of the prose."""
    length, first, end = layout.length, layout.first, layout.end
    sums, spanned = layout.sums, layout.inside
    text, size = np.maximum(spanned[0], 1e-9), np.maximum(end - first, 1e-9)
    share = spanned[2] / max(sums[2, -1], 1e-9)
    text_share = spanned[0] / max(sums[0, -1], 1e-9)
    table = np.array(
        (spanned[0], spanned[1] / text, spanned[2] / text, share, text_share, end - first, spanned[0] / size)
    )
    around = layout.around
    found = np.empty((len(AROUND) * len(LEVELS) + 4, len(length)))
    found[:-4] = np.take(table, around[LEVELS, :], axis=1).reshape(-1, len(length))
    enough = share[around] >= 0.5
    settled = enough.any(0)
    hops = np.where(settled, enough.argmax(0), len(around))
    position = np.arange(len(length))
    found[-4] = hops
    found[-3] = np.where(settled, text_share[around[np.minimum(hops, len(around) - 1), position]], 1.0)
    offset = position - first[around[0]]
    found[-2], found[-1] = offset / np.maximum(table[5][around[0]], 1), offset
    return found


def neighbour_features(layout: BlockLayout) -> tuple[Array, Array, Array]:
    """The blocks before and after."""
    blocks, pad = len(layout.length), max(FAR)
    values = np.zeros((5, blocks + 2 * pad))
    inner = values[:, pad:-pad]
    inner[0], inner[1], inner[2], inner[3], inner[4] = (
        layout.length, layout.link, layout.kind, layout.last == END, layout.container,
    )  # fmt: skip
    beside = sliding_window_view(values, blocks, axis=1)  # [value, by + pad, block]
    near = beside[2:, [by + pad for by in NEARER]]
    near[2] = near[2] == layout.container
    far = beside[:2, [by + pad for by in FAR if by]]
    return far.reshape(-1, blocks), near.reshape(-1, blocks), window_features(layout)


def window_features(layout: BlockLayout) -> Array:
    """The text around a block, and the shares of links and prose in it."""
    blocks = len(layout.length)
    sums = layout.sums[:3]
    position = np.arange(blocks)
    reach = np.array(WINDOWS)[:, None]
    found: Array = sums.take(np.minimum(position + reach + 1, blocks), axis=1)
    found -= sums.take(np.maximum(position - reach, 0), axis=1)
    found[1:] /= np.maximum(found[0], 1e-9)
    return found.transpose(1, 0, 2).reshape(-1, blocks)


def hint_bits(masks: Array) -> Array:
    """Return HINTS x len(masks) zeros and ones."""
    return (masks >> HINT_NUMBERS) & 1


def context_features(layout: BlockLayout, score: Array) -> Array:
    """Return what the second stage may ask for besides, the first's scores of a block and around it: CONTEXT_NAMES x
    blocks.
    """
    length, blocks = np.maximum(layout.length, 1), len(score)
    weighted = score * length
    sums = sum_up(weighted, length)
    position = np.arange(blocks)
    padded = np.zeros(blocks + 8)
    padded[4:-4] = score
    found = np.empty((len(CONTEXT_NAMES), blocks), np.float32)
    found[:9] = sliding_window_view(padded, blocks)
    at = 9
    reach, sides = np.array(BEFORE_AFTER)[:, None], 2 * len(BEFORE_AFTER)
    before = sums[:, None, :-1] - sums.take(np.maximum(position - reach, 0), axis=1)
    after = sums.take(np.minimum(position + 1 + reach, blocks), axis=1) - sums[:, None, 1:]
    found[at : at + sides : 2], found[at + 1 : at + sides : 2] = safe_ratio(*before), safe_ratio(*after)
    at += sides
    spanned = sums.take(layout.end, axis=1) - sums.take(layout.first, axis=1)
    total = sums[0, -1]
    table = np.array((safe_ratio(spanned[0], spanned[1]), spanned[0] / max(total, 1e-9)))
    found[at : at + 10] = np.take(table, layout.around[LEVELS, :], axis=1).reshape(-1, blocks)
    at += 10
    found[at] = sums[0, :-1] / max(total, 1e-9)
    found[at + 1] = 1 - sums[0, 1:] / max(total, 1e-9)
    found[at + 2 : at + 5] = np.array([[score.max()], [total / sums[1, -1]], [total]])
    at += 5
    mass, whole = np.bincount(layout.kind, weighted), np.bincount(layout.kind, length)
    of_kind = (mass / np.maximum(whole, 1e-9))[layout.kind]
    for kind in SCORED_KINDS:
        found[at] = np.where(layout.kind == kind, of_kind, -1)
        at += 1
    found[at : at + len(RECORD_CONTEXT_NAMES)] = record_context(layout.records, layout.first, layout.end, sums)
    at += len(RECORD_CONTEXT_NAMES)
    for group, size in layout.alike:
        mass, whole = np.bincount(group, weighted), np.bincount(group, length)
        best = np.zeros(len(size))
        np.maximum.at(best, group, score)
        for values in (mass / whole, best, mass / max(total, 1e-9), size):
            found[at] = values[group]
            at += 1
    section = np.cumsum(layout.heading)
    found[at] = np.where(layout.above >= 0, score[layout.above], -1)
    found[at + 1] = (np.bincount(section, weighted) / np.maximum(np.bincount(section, length), 1e-9))[section]
    return found
