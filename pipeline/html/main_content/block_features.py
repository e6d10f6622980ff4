"""What is known of each block of a page, as numbers: a matrix of features by blocks, computed on arrays.

Lengths count a character of a script without spaces as three, so that a sentence is about as long in any language.
Only sums, ratios and comparisons are used, which every machine rounds alike; trees need no logarithms.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

import numpy as np

from pipeline.html.main_content.blocks import BUTTON, CAPTION, ITEM, PARAGRAPH, PRE, ROW, PageBlocks, remove_marks
from pipeline.html.main_content.characters import MONEY, count_units_by_class, read_units
from pipeline.html.main_content.class_hints import CLASS_BIT, HINTS, PLAIN_BITS, TAG_BIT, TAG_HINTS
from pipeline.html.main_content.kernels import block_columns as columns
from pipeline.html.main_content.kernels.block_columns import WORDS
from pipeline.html.main_content.kernels.block_places import (
    copy_numbers,
    copy_pairs,
    count_numbers,
    fill_block_keys,
    find_headings,
    measure_blocks,
    nest_containers,
)
from pipeline.html.main_content.kernels.block_quotes import find_description, find_statements, share_title
from pipeline.html.main_content.page_facts import FACTS
from pipeline.html.main_content.records import (
    RECORD_CONTEXT_NAMES,
    RECORD_NAMES,
    describe_records,
    find_records,
    group_equal,
    score_records,
)
from pipeline.html.main_content.vocabulary import HashedWords, Vocabulary, hash_block_words, hash_tags

Array = np.ndarray

ANCESTORS = 8  # containers looked at around a block, innermost first
POOLS = (-1, 2, 3, 5)  # blocks that are alike, in the whole page or in one of the containers around
POOL_LEVELS = np.array(POOLS)
PLACE_FACTOR = 0x1E3779B97F4A7C15
DESCRIBED = 30  # characters that a block and the description have in common at the beginning of one
SHORTEST_STATED = 20  # characters of a block that is looked for in JSON-LD
NOTHING = 1e-9  # what nothing is divided by
SEPARATOR = "\0"  # which the parser leaves in no text


def safe_ratio(part: Array, whole: Array) -> Array:
    """Return part / whole, 0 where there is nothing."""
    found: Array = part / np.maximum(whole, NOTHING)
    return found


def copy_columns(lists: list[list[int]]) -> Array:
    """Return lists of whole numbers, of one length, as the rows of an array."""
    copied = np.empty((len(lists), len(lists[0])), np.int64)
    copy_numbers(lists, copied.ravel().data)
    return copied


class BlockLayout:
    """A page's blocks and containers as arrays; what both stages of the model look at."""

    def __init__(self, page: PageBlocks):
        """Count the characters and find the containers around each block."""
        joined = remove_marks(SEPARATOR.join(page.text))
        self.texts = texts = joined.split(SEPARATOR)
        self.units = read_units(joined, texts)
        blocks, containers = len(texts), len(page.parent)
        self.counts, self.last = count_units_by_class(self.units)
        self.characters = np.array([len(text) for text in texts], np.int64) if self.units.wide else self.units.lengths
        self.kind, self.container, self.links, linked = copy_columns(
            [page.kind, page.container, page.links, page.link_characters]
        )
        self.parent, self.first, self.end, self.sign, hints = copy_columns(
            [page.parent, page.first, page.end, page.sign, page.hints]
        )
        self.hints = hints & PLAIN_BITS
        self.length, self.link, self.prose = np.empty((3, blocks))
        # text, linked text, prose and signs of money before each block, and of each container
        self.sums = np.empty((4, blocks + 1))
        measure_blocks(
            self.counts.ravel().data, self.last.data, self.characters.data, linked.data, self.length.data,
            self.link.data, self.prose.data, self.sums.ravel().data,
        )  # fmt: skip
        self.inside = self.sum_containers(self.sums)
        self.depth, self.path_hints, wider = np.empty((3, containers), np.int64)
        # a container that holds one block says nothing of its surroundings: go up to the first that holds more
        self.around = np.empty((ANCESTORS + 1, blocks), np.int64)
        nest_containers(
            self.parent.data, self.hints.data, self.first.data, self.end.data, self.container.data, ANCESTORS + 1,
            self.depth.data, self.path_hints.data, wider.data, self.around.ravel().data,
        )  # fmt: skip
        self.tag = hash_tags(page.tag)
        names = np.empty((2, count_numbers(page.name_values)), np.int64)
        copy_pairs(page.name_values, names[0].data, names[1].data)
        self.names = HashedWords(*names)
        self.records = find_records(self.tag, self.hints, self.parent, self.first, self.end, self.container)
        self.heading, self.above = np.empty(blocks, bool), np.empty(blocks, np.int64)  # the heading before; -1 for none
        find_headings(self.kind.data, self.heading.view(np.uint8).data, self.above.data)
        # of POOLS, the group of each block, of blocks of one kind in containers of one shape, and the sizes of the
        # groups; last, of blocks of one kind, at one depth, with the same hints around in any order
        keys = np.empty((len(POOLS) + 1, blocks), np.uint64)
        fill_block_keys(
            self.records.shape.data, self.kind.data, self.container.data, self.around.ravel().data, POOL_LEVELS.data,
            PLACE_FACTOR, self.path_hints.data, self.depth.data, keys.ravel().data,
        )  # fmt: skip
        self.groups, self.sizes = group_equal(keys)

    def sum_containers(self, sums: Array) -> Array:
        """Return what each container holds of rows of running sums: rows x containers."""
        inside: Array = sums.take(self.end, axis=1) - sums.take(self.first, axis=1)
        return inside

    @cached_property
    def words(self) -> HashedWords:
        """The hashed words of the blocks."""
        return hash_block_words(self.texts, read=self.units)


AROUND = "text link prose prose_share text_share blocks mean".split()
LEVELS = (0, 1, 2, 3, 5)
FAR = (-3, -2, -1, 1, 2, 3)
NEARER = (-2, -1, 1, 2)
WINDOWS = (4, 10)
PARTS: dict[str, Sequence[str]] = {
    "text": columns.TEXT_NAMES,
    "place": columns.PLACE_NAMES,
    "layout": columns.LAYOUT_NAMES,
    "repeats": columns.REPEAT_NAMES,
    "title": ["title_share"],
    "after_h1": ["after_h1"],
    "after_title": ["after_title"],
    "described": ["described"],
    "after_described": ["after_described"],
    "group": columns.GROUP_NAMES,
    "page": "page_length page_blocks page_link page_prose h1_count articles as_article as_website as_product".split(),
    "money": ["money"],
    "counts": "page_money page_buttons page_rows page_headings".split(),
    "heading": columns.HEADING_NAMES,
    "alike": columns.ALIKE_NAMES,
    "distinct": ["alike_distinct"],
    "stated": ["stated"],
    "after_stated": ["after_stated"],
    "stated_found": ["stated_found"],
    "around": [f"{name}_{level}" for name in AROUND for level in LEVELS],
    "way": columns.WAY_NAMES,
    "far_length": [f"length{by:+d}" for by in FAR],
    "far_link": [f"link{by:+d}" for by in FAR],
    "near": [f"{name}{by:+d}" for name in ("kind", "sentence", "together") for by in NEARER],
    "window": [f"window_{name}{reach}" for reach in WINDOWS for name in ("", "link_", "prose_")],
    "in": [f"in_{name}" for name in HINTS],
    "at": [f"at_{name}" for name in HINTS],
    "page_is": [f"page_is_{name}" for name in CLASS_BIT],
    "facts": FACTS,
    "record": RECORD_NAMES,
    "words": WORDS,
}  # names of features, as they are written
NAMES = tuple(name for part in PARTS.values() for name in part)
BEFORE_AFTER = (2, 5, 12)
SCORED_KINDS = (PARAGRAPH, ITEM, PRE, ROW, CAPTION)
BESIDE = tuple(range(-4, 5))
CONTEXT_PARTS: dict[str, Sequence[str]] = {
    "beside": [f"score{by:+d}" if by else "score" for by in BESIDE],
    "sides": [f"score_{side}_{reach}" for reach in BEFORE_AFTER for side in ("before", "after")],
    "around": [f"score_{name}{level}" for name in ("", "share_") for level in LEVELS],
    "page": ["score_sum_before", "score_sum_after", "score_max", "score_page", "score_total"],
    "kinds": [f"score_kind_{kind}" for kind in SCORED_KINDS],
    "record": RECORD_CONTEXT_NAMES,
    **{f"alike_{pool}": [f"score_alike_{name}_{pool}" for name in ("mean", "max", "share", "count")] for pool in POOLS},
    "section": ["score_heading", "score_section"],
}
CONTEXT_NAMES = tuple(name for part in CONTEXT_PARTS.values() for name in part)
HINT_NUMBERS = np.arange(len(HINTS))[:, None]


def place_parts(parts: dict[str, Sequence[str]]) -> dict[str, slice]:
    """Return the rows of each part, which follow each other."""
    ends = list(accumulate(map(len, parts.values())))
    return {name: slice(end - len(part), end) for (name, part), end in zip(parts.items(), ends, strict=True)}


PLACES, CONTEXT_PLACES = place_parts(PARTS), place_parts(CONTEXT_PARTS)


class FeatureRows:
    """Features x blocks, in single precision, and the rows of each part of the features."""

    def __init__(self, places: dict[str, slice], count: int, blocks: int):
        """Make room for so many features."""
        self.places, self.array = places, np.empty((count, blocks), np.float32)

    def __getitem__(self, part: str) -> memoryview:
        """Return the rows of a part, one after the other."""
        return self.array[self.places[part]].ravel().data

    def __setitem__(self, part: str, values: Array | float) -> None:
        """Write the rows of a part: features x blocks, features x 1, or one value for all."""
        self.array[self.places[part]] = values


def compute_block_features(page: PageBlocks, layout: BlockLayout, vocabulary: Vocabulary | None) -> Array:
    """Return what the first stage may ask for: NAMES x blocks, in single precision.

    Without a vocabulary, the rows of words are 0.
    """
    rows = FeatureRows(PLACES, len(NAMES), len(layout.length))
    write_own_features(page, layout, rows)
    write_quoted_features(page, layout, rows)
    write_page_features(page, layout, rows)
    write_container_features(layout, rows)
    columns.write_beside_rows(rows["far_length"], layout.length.astype(np.float32).data, FAR)
    columns.write_beside_rows(rows["far_link"], layout.link.astype(np.float32).data, FAR)
    columns.write_near_rows(rows["near"], layout.kind.data, layout.last.data, layout.container.data, NEARER)
    columns.write_window_rows(rows["window"], layout.sums.ravel().data, WINDOWS)
    rows["in"] = hint_bits(layout.path_hints[layout.container])
    rows["at"] = hint_bits(layout.hints[layout.container] | layout.hints[layout.around[0]])
    total = layout.sums[0, -1]
    rows["record"] = describe_records(layout.records, layout.first, layout.end, layout.inside, total)
    rows["words"] = 0 if vocabulary is None else word_features(layout, vocabulary)
    return rows.array


def write_own_features(page: PageBlocks, layout: BlockLayout, rows: FeatureRows) -> None:
    """Write what is known of a block itself and of its place in the page.

    Two groups of blocks are looked at: those of one kind in containers of one shape, where tag and hints of all
    elements around are equal, and those at one depth with the same hints around them in any order. What a template
    writes again and again is alike in these, menus and comments as well as a page's own paragraphs.
    """
    kind, heading, container = layout.kind.data, layout.heading.view(np.uint8).data, layout.container.data
    length, link, prose, sums = layout.length.data, layout.link.data, layout.prose.data, layout.sums.ravel().data
    blocks = len(kind)
    columns.write_text_rows(
        rows["text"], layout.counts.ravel().data, layout.characters.data, length, link, layout.links.data,
        layout.last.data,
    )  # fmt: skip
    columns.write_place_rows(rows["place"], kind, heading, container, layout.depth.data, sums)
    columns.write_heading_rows(rows["heading"], kind, heading, layout.above.data, length, link, sums)
    total = layout.sums[0, -1]
    for name, whole, number in (("alike", 1, 0), ("group", blocks, -1)):
        group, size, of_groups = layout.groups[number].data, layout.sizes[number].data, np.zeros(3 * blocks).data
        columns.write_group_rows(rows[name], whole, group, size, length, link, prose, total, of_groups)
    columns.write_layout_rows(rows["layout"], page.layout)
    group, size = layout.groups[0].data, layout.sizes[0].data
    first, times, distinct = np.zeros((3, blocks), np.int64)
    columns.write_repeat_rows(
        rows["repeats"], rows["distinct"], layout.texts, group, size, first.data, times.data, distinct.data
    )
    rows["money"] = layout.counts[None, :, MONEY]


def write_quoted_features(page: PageBlocks, layout: BlockLayout, rows: FeatureRows) -> None:
    """Write which blocks are in the page's title, description and JSON-LD, how far behind the best of them each block
    is, and the share of the texts in JSON-LD that blocks have.
    """
    folded = page.stated.casefold()
    stated = find_stated(folded, layout)
    for name, after, share in (
        ("title", "after_title", title_share(page.title, layout)),
        ("described", "after_described", description_share(page.description, layout)),
        ("stated", "after_stated", stated),
    ):
        rows[name] = share[None]
        columns.write_distances(rows[after], share.data)
    columns.write_distances(rows["after_h1"], (layout.kind == 1).astype(np.float64).data)
    found = (stated * layout.characters).sum() / len(folded) if folded else -1
    rows["stated_found"] = min(found, 2.0)


def write_page_features(page: PageBlocks, layout: BlockLayout, rows: FeatureRows) -> None:
    """Write what is known of the page as a whole."""
    length, linked, prose, money = layout.sums[:, -1].tolist()
    kinds, total, sort = page.kind, max(length, 1), page.sort
    known = {
        "page": [
            length, len(kinds), linked / total, prose / total, kinds.count(1),
            np.count_nonzero(layout.hints & TAG_BIT["article"]), sort in ("article", "blog", "news"),
            sort in ("website", "blog"), sort.startswith("product") or sort.endswith(":item"),
        ],
        "counts": [money, kinds.count(BUTTON), kinds.count(ROW), np.count_nonzero(layout.heading)],
        "page_is": [(page.names >> bit) & 1 for bit in range(len(TAG_HINTS), len(HINTS))],
        "facts": page.facts,
    }  # fmt: skip
    for name, values in known.items():
        rows[name] = np.array(values, np.float64)[:, None]


def write_container_features(layout: BlockLayout, rows: FeatureRows) -> None:
    """Write what is known of the containers around a block, and of the way up to the one with most of the prose."""
    text = layout.inside[0]
    blocks = layout.end - layout.first
    table = np.empty((len(AROUND), len(text)))
    table[0], table[3], table[4], table[5] = text, layout.inside[2], text, blocks
    np.divide(layout.inside[1:3], np.maximum(text, NOTHING), out=table[1:3])
    table[3] /= max(layout.sums[2, -1], NOTHING)
    table[4] /= max(layout.sums[0, -1], NOTHING)
    np.divide(text, np.maximum(blocks, 1), out=table[6])
    around = layout.around
    rows["around"] = table.take(around[LEVELS, :], axis=1).reshape(len(AROUND) * len(LEVELS), -1)
    columns.write_way_rows(
        rows["way"], len(around), around.ravel().data, layout.first.data, layout.end.data,
        table[AROUND.index("prose_share")].data, table[AROUND.index("text_share")].data,
    )  # fmt: skip


def word_features(layout: BlockLayout, vocabulary: Vocabulary) -> Array:
    """What the words of a block, of its heading, of its neighbours and of the names around it say: WORDS x blocks."""
    blocks = len(layout.length)
    says = vocabulary.weigh_words(layout.words, blocks)
    names = vocabulary.weigh_names(layout.tag, layout.names)
    found = np.empty((len(WORDS), blocks), np.float32)
    columns.write_word_rows(
        found.ravel().data, says.data, names.data, layout.container.data, layout.parent.data, layout.above.data,
        layout.length.data, layout.groups[0].data, layout.first.data, layout.end.data, layout.records.records[1].data,
        np.empty(2 * blocks + 2).data, np.zeros(2 * blocks).data, np.empty(blocks).data,
    )  # fmt: skip
    return found


def title_share(title: str, layout: BlockLayout) -> Array:
    """Return the share of the page's title that a block is, 0 where it is no part of it."""
    found = np.zeros(len(layout.texts))
    if title:
        share_title(title.casefold(), layout.texts, found.data)
    return found


def description_share(description: str, layout: BlockLayout) -> Array:
    """Return 1 for a block that holds the beginning of the page's own description, .5 for one whose beginning is in it.

    What a page tells search engines of itself is often the first of its own text.
    """
    found = np.zeros(len(layout.texts))
    folded = description.casefold()
    if len(folded) >= DESCRIBED:
        find_description(folded, layout.texts, DESCRIBED, found.data)
    return found


def find_stated(stated: str, layout: BlockLayout) -> Array:
    """Return 1 for each block whose beginning is in the texts that JSON-LD states, with cases folded."""
    found = np.zeros(len(layout.texts))
    if stated:
        find_statements(stated, layout.texts, SHORTEST_STATED, DESCRIBED, found.data)
    return found


def hint_bits(masks: Array) -> Array:
    """Return HINTS x len(masks) zeros and ones."""
    return (masks >> HINT_NUMBERS) & 1


def context_features(layout: BlockLayout, score: Array) -> Array:
    """Return what the second stage may ask for besides, the first's scores of a block and around it: CONTEXT_NAMES x
    blocks.
    """
    blocks = len(score)
    rows = FeatureRows(CONTEXT_PLACES, len(CONTEXT_NAMES), blocks)
    weighted, weight = np.empty((2, blocks))
    sums = np.empty((2, blocks + 1))
    scores, flat = score.data, sums.ravel().data
    columns.weigh_scores(scores, layout.length.data, weighted.data, weight.data, flat)
    inside, total = layout.sum_containers(sums), sums[0, -1]
    columns.write_beside_rows(rows["beside"], score.astype(np.float32).data, BESIDE)
    columns.write_side_rows(rows["sides"], flat, BEFORE_AFTER)
    table = np.stack((safe_ratio(inside[0], inside[1]), inside[0] / max(total, NOTHING)))
    rows["around"] = table.take(layout.around[LEVELS, :], axis=1).reshape(2 * len(LEVELS), -1)
    columns.write_page_score_rows(rows["page"], scores, flat)
    columns.write_kind_score_rows(rows["kinds"], layout.kind.data, SCORED_KINDS, weighted.data, weight.data)
    rows["record"] = score_records(layout.records, inside, total)
    for number, pool in enumerate(POOLS):
        columns.write_group_score_rows(
            rows[f"alike_{pool}"], layout.groups[number].data, layout.sizes[number].data, scores, weighted.data,
            weight.data, total, np.zeros(3 * blocks).data,
        )  # fmt: skip
    heading, above = layout.heading.view(np.uint8).data, layout.above.data
    columns.write_section_score_rows(rows["section"], heading, above, scores, weighted.data, weight.data)
    return rows.array
