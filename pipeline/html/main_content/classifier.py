"""Which blocks of a page are its main content: two stages of boosted trees over the blocks' features."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.html.dom.page_reader import read_page_blocks
from pipeline.html.main_content.block_features import (
    CONTEXT_NAMES,
    NAMES,
    BlockLayout,
    compute_block_features,
    context_features,
)
from pipeline.html.main_content.blocks import BUTTON, DEFINITION, ITEM, PRE, ROW, TERM, PageBlocks
from pipeline.html.main_content.boosted_trees import BoostedForest, parse_forests
from pipeline.html.main_content.class_hints import COMMENT_BIT
from pipeline.html.main_content.enclosed_blocks import find_enclosed_blocks
from pipeline.html.main_content.kernels.block_fates import bridge_runs, find_best_f1
from pipeline.html.main_content.page_facts import read_own_text
from pipeline.html.main_content.page_furniture import find_furniture
from pipeline.html.main_content.render import render_markdown, render_text
from pipeline.html.main_content.sibling_fate import share_fate
from pipeline.html.main_content.vocabulary import NAME_WEIGHTS, WORD_WEIGHTS, Vocabulary, read_weights

IS_BRIDGED = np.isin(np.arange(BUTTON + 1), (1, 2, 3, 4, 5, 6, ITEM, PRE, ROW, TERM, DEFINITION)).view(np.uint8)
NEIGHBOUR = 0.1  # of a block's score that is that of the block before it, and of the one after it
DOUBTFUL = 0.35  # expected F1 below which the text that JSON-LD gives of the page is taken, if it gives one
LEAST_OWN_TEXT = 100  # characters of it
LINKED = 0.3  # share of links above which a run of blocks is navigation
REFUSED = 0.3  # of the score that a block needs: below it a run of blocks is no part of the text around it
VOCABULARY_SIZES = {"words": WORD_WEIGHTS, "names": NAME_WEIGHTS}
MODEL = Path(__file__).parent / "data" / "main_content.txt"


class MainContentModel(NamedTuple):
    """The vocabulary, and both stages, which ask for rows of features: NAMES, then CONTEXT_NAMES."""

    vocabulary: Vocabulary
    first: BoostedForest
    second: BoostedForest


@cache
def load_main_content_model(path: Path = MODEL) -> MainContentModel:
    """Return the model of a file."""
    with open(path, encoding="utf-8") as lines:
        return parse_main_content_model(lines)


def parse_main_content_model(lines: Iterable[str]) -> MainContentModel:
    """Read a model: the weights of words and names, then two forests. Raises ValueError, one line, for another file."""
    weights: dict[str, np.ndarray] = {}
    others = []
    for line in lines:
        key, _, rest = line.strip().partition(" ")
        if key in VOCABULARY_SIZES:
            weights[key] = read_weights(rest, VOCABULARY_SIZES[key])
        else:
            others.append(line)
    if missing := [name for name in VOCABULARY_SIZES if name not in weights]:
        raise ValueError(f"main-content model: it has no {' and no '.join(missing)}")
    return build_main_content_model(Vocabulary(**weights), parse_forests(others))


def build_main_content_model(vocabulary: Vocabulary, forests: Mapping[str, BoostedForest]) -> MainContentModel:
    """Return a vocabulary and the two forests, "first" and "second", as a model."""
    names = (*NAMES, *CONTEXT_NAMES)
    return MainContentModel(vocabulary, forests["first"].ask_rows(names), forests["second"].ask_rows(names))


def score_blocks(found: np.ndarray, layout: BlockLayout, model: MainContentModel) -> np.ndarray:
    """Return for each block the probability that its words are main content, given its features."""
    scores = model.first.score(found)
    return smooth_scores(model.second.score(np.concatenate((found, context_features(layout, scores)))))


def smooth_scores(score: np.ndarray) -> np.ndarray:
    """Return the scores with a part of their neighbours': content comes in runs, more surely than any model knows of
    sites unlike those that it has seen.
    """
    around = np.concatenate((score[:1], score, score[-1:]))
    result: np.ndarray = (1 - 2 * NEIGHBOUR) * score + NEIGHBOUR * (around[:-2] + around[2:])
    return result


def find_cut(score: np.ndarray, length: np.ndarray, threshold: float) -> float:
    """Return the score above which a block is kept. At a `threshold` of .5, what is kept raises the expected F1.

    The best set for F1 holds what scores above half of the F1 it reaches (Lipton et al. 2014, "Optimal thresholding of
    classifiers to maximize F1 measure"), so that a page of which little is certain is read more generously.
    """
    return threshold * expect_f1(score, length)


def expect_f1(score: np.ndarray, length: np.ndarray) -> float:
    """Return the highest F1 that is expected of any choice of blocks."""
    if not len(score):
        return 0.0
    order = np.argsort(-score, kind="stable")
    return find_best_f1(order.data, score.data, length.data)


def bridge_gaps(kept: np.ndarray, page: PageBlocks, layout: BlockLayout, scores: np.ndarray, cut: float) -> np.ndarray:
    """Return which blocks to keep with the tables, lists, code, definitions and headings between two of them: hardly
    linked runs of nothing else, which on average score at least REFUSED of the `cut`. What an author puts between two
    paragraphs is the author's. So is a first heading right above.
    """
    kept = kept.copy()
    bridged = IS_BRIDGED[layout.kind]
    for start, end in page.tables:
        bridged[start:end] = 1
    above = int(np.argmax(kept)) - 1  # -1 where the first block is kept, or none
    if above >= 0 and layout.kind[above] == 1 and layout.link[above] < LINKED:
        kept[above] = True
    flags = kept.view(np.uint8).data
    bridge_runs(flags, bridged.data, layout.link.data, layout.length.data, scores.data, LINKED, REFUSED * cut)
    return kept


def effective_threshold(threshold: float, objective: str) -> float:
    """Return the threshold moved two fifths of the way to 1 for "precision" and to 0 for "recall"."""
    return {"balanced": threshold, "precision": threshold + 0.4 * (1 - threshold), "recall": 0.6 * threshold}[objective]


def extract_main_content(
    html: str, url: str, threshold: float, comments: bool, markdown: bool, model: MainContentModel
) -> str:
    """Return the main content of a page as text or Markdown; "" for a page without any text."""
    judged = judge_blocks(html, url, threshold, model)
    if judged is None:
        return read_own_text(html)
    if judged.page.stated and expect_f1(judged.scores, judged.layout.length) < DOUBTFUL:
        own = read_own_text(html)
        if len(own) >= LEAST_OWN_TEXT:
            return own
    kept = judged.kept
    if comments:
        kept = kept | find_comment_blocks(judged.page, judged.layout)
    return (render_markdown if markdown else render_text)(judged.page, kept)


class JudgedBlocks(NamedTuple):
    """The blocks of a page, their scores, the score that a block needs by itself, and which blocks are kept."""

    page: PageBlocks
    layout: BlockLayout
    scores: np.ndarray
    cut: float
    kept: np.ndarray


def judge_blocks(html: str, url: str, threshold: float, model: MainContentModel) -> JudgedBlocks | None:
    """Return the blocks of a page with their scores, and which of them are its main content; None without any text."""
    page = read_page_blocks(html, url)
    if not page.text:
        return None
    layout = BlockLayout(page)
    scores = score_blocks(compute_block_features(page, layout, model.vocabulary), layout, model)
    return JudgedBlocks(page, layout, scores, *select_main_content(scores, page, layout, threshold))


def select_main_content(
    scores: np.ndarray, page: PageBlocks, layout: BlockLayout, threshold: float
) -> tuple[float, np.ndarray]:
    """Return the score that a block needs by itself, and which blocks to keep.

    What belongs to the kept blocks for its place is certain; the choice is made again with that, since the blocks that
    were kept for want of better ones may now be left out.
    """
    cut = find_cut(scores, layout.length, threshold)
    kept = select_blocks(scores, page, layout, cut)
    enclosed = find_enclosed_blocks(kept, page, layout, scores, cut)
    if enclosed.any():
        scores = np.where(enclosed, 1.0, scores)
        cut = find_cut(scores, layout.length, threshold)
        kept = select_blocks(scores, page, layout, cut)
    return cut, kept & ~find_furniture(kept, layout)


def select_blocks(scores: np.ndarray, page: PageBlocks, layout: BlockLayout, cut: float) -> np.ndarray:
    """Return which blocks to keep: by their scores, by the fate of parallel ones, and by what they stand between."""
    return bridge_gaps(share_fate(scores > cut, page, layout), page, layout, scores, cut)


def find_comment_blocks(page: PageBlocks, layout: BlockLayout) -> np.ndarray:
    """Return which blocks are text in a part of the page that its class names or ids call comments."""
    inside = (layout.path_hints[layout.container] & COMMENT_BIT) != 0
    found: np.ndarray = inside & (layout.link < 0.3) & (layout.kind != BUTTON) & (layout.length >= 20)
    return found
