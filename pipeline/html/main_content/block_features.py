"""What is known of each block of a page, as numbers: a matrix of features by blocks, computed on arrays.

Lengths count a character of a script without spaces as three, so that a sentence is about as long in any language.
Only sums, ratios and comparisons are used, which every machine rounds alike; trees need no logarithms.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.html.main_content.blocks import CAPTION, ITEM, PARAGRAPH, PRE, ROW, PageBlocks, remove_marks
from pipeline.html.main_content.class_hints import CLASS_BIT, HINTS, TAG_BIT, TAG_HINTS

Array = np.ndarray

# Classes of characters; the rest is 0.
LOWER, UPPER, DIGIT, SPACE, COMMA, END, DENSE, LETTER, SIGN = range(1, 10)
CLASSES = 10
ANCESTORS = 8  # containers looked at around a block, innermost first
DOUBLINGS = 5  # of the way up: 32 levels
NOWHERE = -1000.0  # the place of a title that is no block
DESCRIBED = 30  # characters that a block and the description have in common at the beginning of one
SEPARATOR = "\0"  # which the parser leaves in no text
LONG_SENTENCE = 80  # characters: a block that long, hardly linked, or one that ends a sentence, is prose


def _character_classes() -> Array:
    """Return the class of every character of the basic plane."""
    table = np.zeros(0x10000, np.uint8)
    for code in range(0x10000):
        char = chr(code)
        if char.isalpha():
            table[code] = UPPER if char.isupper() else LOWER if char.islower() else LETTER
        elif char.isdigit():
            table[code] = DIGIT
    for chars, name in (
        (" \u00a0\n\x01", SPACE),
        (",;:،、，；：", COMMA),
        (".!?…。！？।؟։", END),
        ("|»›→/•·©–—>", SIGN),
    ):
        table[[ord(char) for char in chars]] = name
    for start, end in ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0x0E00, 0x0E7F), (0xF900, 0xFAFF)):
        table[start : end + 1] = DENSE
    return table


CHARACTER_CLASSES: Array | None = None  # filled when first used


def count_character_classes(texts: list[str]) -> tuple[Array, Array]:
    """Return the counts (texts x CLASSES) of the classes of characters, and the class of each text's last character."""
    global CHARACTER_CLASSES
    if CHARACTER_CLASSES is None:
        CHARACTER_CLASSES = _character_classes()
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), np.uint32)
    classes = CHARACTER_CLASSES[np.minimum(codes, 0xFFFF)]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    owner = np.repeat(np.arange(len(texts)) * CLASSES, lengths)
    counts = np.bincount(owner + classes, minlength=len(texts) * CLASSES).reshape(len(texts), CLASSES)
    return counts, classes[np.cumsum(lengths) - 1]


def int_column(values: list[int]) -> Array:
    """Return a list of whole numbers as an array."""
    return np.fromiter(values, np.int64, len(values))


def safe_ratio(part: Array, whole: Array | float) -> Array:
    """Return part / whole, 0 where there is nothing."""
    return part / np.maximum(whole, 1e-9)


class BlockLayout:
    """A page's blocks and containers as arrays; what both stages of the model look at."""

    def __init__(self, page: PageBlocks):
        """Count the characters and find the containers around each block."""
        self.texts = texts = remove_marks(SEPARATOR.join(page.text)).split(SEPARATOR)
        self.counts, self.last = count_character_classes(texts)
        counts = self.counts
        self.characters = counts.sum(1)
        self.length = (self.characters - counts[:, SPACE] + 2 * counts[:, DENSE]).astype(np.float64)
        self.link = np.minimum(1.0, int_column(page.link_characters) / np.maximum(self.characters, 1))
        self.links = int_column(page.links)
        self.kind, self.container = int_column(page.kind), int_column(page.container)
        self.first, self.end, self.parent = int_column(page.first), int_column(page.end), int_column(page.parent)
        self.hints = int_column(page.hints)
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


OWN = (
    "length words link links commas ends sentence colon digits upper letters signs depth kind heading position "
    "position_share from_end text_before text_after prose_before prose_after list_depth quotes times again title_share "
    "after_h1 after_title described after_described group group_text group_length group_link group_prose "
    "page_length page_blocks page_link page_prose h1_count articles as_article as_website as_product"
).split()
AROUND = "text link prose prose_share text_share blocks mean".split()
LEVELS = (0, 1, 2, 3, 5)
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
)
HINT_NUMBERS = np.arange(len(HINTS))[:, None]


def compute_block_features(page: PageBlocks, layout: BlockLayout) -> Array:
    """Return what the first stage may ask for: NAMES x blocks, in single precision."""
    found = np.empty((len(NAMES), len(layout.length)), np.float32)
    at = 0
    for part in (
        block_own_features(page, layout), container_features(layout), *neighbour_features(layout),
        hint_bits(int_column(page.path_hints)[layout.container]),
        hint_bits(layout.hints[layout.container] | layout.hints[layout.around[0]]),
        hint_bits(np.array([page.names]))[len(TAG_HINTS) :],  # one column, for all blocks
    ):  # fmt: skip
        found[at : at + len(part)] = part
        at += len(part)
    return found


def block_own_features(page: PageBlocks, layout: BlockLayout) -> Array:
    """What is known of a block itself and of its place in the page."""
    counts, length, link, last, prose = layout.counts.T, layout.length, layout.link, layout.last, layout.prose
    blocks = len(length)
    letters = counts[LOWER] + counts[UPPER] + counts[LETTER] + counts[DENSE]
    text, written = np.cumsum((length, prose), axis=1)
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
        "depth": int_column(page.depth)[layout.container],
        "kind": layout.kind,
        "heading": (layout.kind >= 1) & (layout.kind <= 6),
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
        "page_length": text[-1],
        "page_blocks": blocks,
        "page_link": (link * length).sum() / total,
        "page_prose": written[-1] / total,
        "h1_count": len(ones),
        "articles": ((layout.hints & TAG_BIT["article"]) != 0).sum(),
        "as_article": page.sort in ("article", "blog", "news"),
        "as_website": page.sort in ("website", "blog"),
        "as_product": page.sort.startswith("product") or page.sort.endswith(":item"),
    }
    known |= template_features(page, layout)
    found = np.empty((len(OWN), blocks), np.float32)
    for row, name in zip(found, OWN, strict=True):
        row[:] = known[name]
    return found


def template_features(page: PageBlocks, layout: BlockLayout) -> dict[str, Array]:
    """The blocks of one kind, at one depth, in containers of one sort: what a template writes again and again is alike
    in these, menus and comments as well as a page's own paragraphs.
    """
    place = (int_column(page.path_hints) << 4 ^ int_column(page.depth) << 50)[layout.container] ^ layout.kind
    _, group, size = np.unique(place, return_inverse=True, return_counts=True)
    text = np.bincount(group, layout.length)
    return {
        "group": size[group] / len(group),
        "group_text": (text / max(layout.length.sum(), 1e-9))[group],
        "group_length": (text / size)[group],
        "group_link": safe_ratio(np.bincount(group, layout.length * layout.link), text)[group],
        "group_prose": safe_ratio(np.bincount(group, layout.prose), text)[group],
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


def container_features(layout: BlockLayout) -> Array:
    """The containers around a block: their text, links and prose, and the way up to the one with most of the prose."""
    length, first, end = layout.length, layout.first, layout.end
    sums = np.zeros((3, len(length) + 1))
    np.cumsum((length, length * layout.link, layout.prose), axis=1, out=sums[:, 1:])
    spanned = sums[:, end] - sums[:, first]
    text, size = np.maximum(spanned[0], 1e-9), np.maximum(end - first, 1e-9)
    share = spanned[2] / max(sums[2, -1], 1e-9)
    text_share = spanned[0] / max(sums[0, -1], 1e-9)
    table = np.stack(
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
    sums = np.zeros((3, blocks + 1))
    np.cumsum((layout.length, layout.length * layout.link, layout.prose), axis=1, out=sums[:, 1:])
    position = np.arange(blocks)
    found = np.empty((len(WINDOWS), 3, blocks))
    for part, reach in zip(found, WINDOWS, strict=True):
        part[:] = sums[:, np.minimum(position + reach + 1, blocks)] - sums[:, np.maximum(position - reach, 0)]
        part[1:] /= np.maximum(part[0], 1e-9)
    return found.reshape(-1, blocks)


def hint_bits(masks: Array) -> Array:
    """Return HINTS x len(masks) zeros and ones."""
    return (masks >> HINT_NUMBERS) & 1


def context_features(layout: BlockLayout, score: Array) -> Array:
    """Return what the second stage may ask for besides, the first's scores of a block and around it: CONTEXT_NAMES x
    blocks.
    """
    length, blocks = np.maximum(layout.length, 1), len(score)
    weighted = score * length
    sums = np.zeros((2, blocks + 1))
    np.cumsum((weighted, length), axis=1, out=sums[:, 1:])
    position = np.arange(blocks)
    padded = np.zeros(blocks + 8)
    padded[4:-4] = score
    found = np.empty((len(CONTEXT_NAMES), blocks), np.float32)
    found[:9] = sliding_window_view(padded, blocks)
    at = 9
    for reach in BEFORE_AFTER:
        before = sums[:, position] - sums[:, np.maximum(position - reach, 0)]
        after = sums[:, np.minimum(position + 1 + reach, blocks)] - sums[:, position + 1]
        found[at], found[at + 1] = safe_ratio(before[0], before[1]), safe_ratio(after[0], after[1])
        at += 2
    spanned = sums[:, layout.end] - sums[:, layout.first]
    total = sums[0, -1]
    table = np.stack((safe_ratio(spanned[0], spanned[1]), spanned[0] / max(total, 1e-9)))
    found[at : at + 10] = np.take(table, layout.around[LEVELS, :], axis=1).reshape(-1, blocks)
    at += 10
    found[at] = sums[0, :-1] / max(total, 1e-9)
    found[at + 1] = 1 - sums[0, 1:] / max(total, 1e-9)
    found[at + 2 : at + 5] = np.array([[score.max()], [total / sums[1, -1]], [total]])
    at += 5
    for number, kind in enumerate(SCORED_KINDS):
        same = layout.kind == kind
        mass = weighted[same].sum()
        found[at + number] = np.where(same, mass / max(length[same].sum(), 1e-9), -1)
    return found
