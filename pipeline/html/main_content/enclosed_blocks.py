"""Blocks that belong to the main content for the place where they stand, whatever the model thinks of them.

Code between two kept blocks is the author's, however odd it looks. On pages that their address calls documentation so
is all that stands between two kept parts of the body: notes, lists of links to the chapters, small tables, parameters.
The table of contents of the page itself is not: its entries only repeat the headings.
"""

import numpy as np

from pipeline.html.main_content.block_features import BlockLayout, title_share
from pipeline.html.main_content.blocks import PRE, PageBlocks
from pipeline.html.main_content.page_facts import FACTS
from pipeline.html.main_content.page_furniture import find_contents_entries

SAYS_DOCUMENTATION = FACTS.index("url_docs")
BODY = 0.7  # of the kept text is in the element that is the body of the page
TITLED = 0.25  # of the page's title that a heading says, to be the heading of the body
BELIEVED = 0.1  # of the score that a block needs: below it a run of blocks is no part of the body
LINKED_CODE = 0.3  # share of links above which code is none
HALF = 0.5  # of a run of blocks that is a table of contents, for the run to be one


def find_enclosed_blocks(
    kept: np.ndarray, page: PageBlocks, layout: BlockLayout, scores: np.ndarray, cut: float
) -> np.ndarray:
    """Return which blocks belong to the main content for standing between the kept ones. `cut` is the score that a
    block needs by itself.
    """
    enclosed: np.ndarray = np.zeros(len(kept), bool)
    code, documents = layout.kind == PRE, page.facts[SAYS_DOCUMENTATION] > 0
    if not kept.any() or not (documents or code.any()):
        return enclosed
    first, last = int(np.argmax(kept)), len(kept) - 1 - int(np.argmax(kept[::-1]))
    inside = slice(first, last + 1)
    enclosed[inside] = code[inside] & (layout.link[inside] < LINKED_CODE)
    if documents:
        fill_body(enclosed, kept | enclosed, page, layout, scores, BELIEVED * cut)
    enclosed[kept] = False
    return enclosed


def fill_body(
    enclosed: np.ndarray, kept: np.ndarray, page: PageBlocks, layout: BlockLayout, scores: np.ndarray, low: float
) -> None:
    """Mark, in place, the runs of blocks in the body of the page, after its heading, that score at least `low` on
    average and are no table of contents.
    """
    start, end = find_body(kept, layout)
    heading = find_title(kept, start, page, layout)
    if heading >= 0:
        enclosed[heading] = kept[heading] = True
    weight = layout.length
    entries = find_contents_entries(np.ones(len(kept), bool), layout)
    edges = np.flatnonzero(np.diff(np.concatenate(([True], kept, [True])).astype(np.int8)))
    for left, right in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if left == 0 or right == len(kept) or left < start or right > end:
            continue
        run = slice(left, right)
        text = weight[run].sum()
        believed = (scores[run] * weight[run]).sum() >= low * text
        enclosed[run] = believed and weight[run][entries[run]].sum() <= HALF * text


def find_body(kept: np.ndarray, layout: BlockLayout) -> tuple[int, int]:
    """Return the first block of the smallest element that holds most of the kept text, and the one after its last."""
    text = np.concatenate(([0.0], np.cumsum(layout.length * kept)))
    held = np.flatnonzero(text[layout.end] - text[layout.first] >= BODY * text[-1])
    smallest = held[np.argmin(layout.end[held] - layout.first[held])]
    return int(layout.first[smallest]), int(layout.end[smallest])


def find_title(kept: np.ndarray, start: int, page: PageBlocks, layout: BlockLayout) -> int:
    """Return the last heading in the body, before all that is kept, which the page's title names; -1 for none."""
    heading = layout.heading & (title_share(page.title, layout) >= TITLED)
    found = np.flatnonzero(heading[start : int(np.argmax(kept))])
    return start + int(found[-1]) if len(found) else -1
