"""Blocks that are no main content for what they repeat: a page's own table of contents, and the labels of buttons."""

from collections import Counter

import numpy as np

from pipeline.html.main_content.block_features import BlockLayout
from pipeline.html.main_content.blocks import BUTTON

LINKED_ENTRY = 0.7  # share of links above which a block may be an entry of a table of contents
FEWEST_ENTRIES = 2  # of a table of contents
NUMBERING = "0123456789. "
LONGEST_LABEL = 40  # characters of a button


def find_furniture(kept: np.ndarray, layout: BlockLayout) -> np.ndarray:
    """Return which of the kept blocks are entries of the page's own table of contents, or labels that more than one
    button of the page has: "Copy", "Show more", "Add to cart".
    """
    found = find_contents_entries(kept, layout)
    buttons = np.flatnonzero(layout.kind == BUTTON).tolist()
    times = Counter(layout.texts[number] for number in buttons)
    for number in buttons:
        label = layout.texts[number]
        found[number] = times[label] > 1 and len(label) <= LONGEST_LABEL
    return found


def find_contents_entries(among: np.ndarray, layout: BlockLayout) -> np.ndarray:
    """Return which blocks `among` some are entries of the page's own table of contents: links that say what a heading
    says.
    """
    found: np.ndarray = np.zeros(len(among), bool)
    linked = np.flatnonzero(among & ~layout.heading & (layout.link > LINKED_ENTRY)).tolist()
    if len(linked) < FEWEST_ENTRIES:
        return found
    titles = {layout.texts[number].strip().casefold() for number in np.flatnonzero(layout.heading).tolist()}
    for number in linked:
        found[number] = layout.texts[number].lstrip(NUMBERING).rstrip().casefold() in titles
    if found.sum() < FEWEST_ENTRIES:
        found[:] = False
    return found
