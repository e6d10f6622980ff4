"""Label the blocks of pages by the gold, and prepare them for training."""

import re
from dataclasses import dataclass

import numpy as np

from classifiers.main_content.gold_pages import GoldPage
from pipeline.html.dom.page_reader import read_page_blocks
from pipeline.html.main_content.block_features import BlockLayout, compute_block_features
from pipeline.html.main_content.blocks import PageBlocks, remove_marks

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|\w+")
MAX_ALIGNED_WORDS = 40_000  # of a page, and of its gold
TAUGHT_WEIGHT = 1.0  # of a page that a tool marked; a page that a person marked weighs 1
EXTRA_WORDS = 2  # are added to the word count of every block, so that short blocks count too
MIN_SHARE = 0.3  # a block with a smaller share in the gold shares its words by chance


def split_gold_words(text: str) -> list[str]:
    """Return the words of a text. In scripts without spaces, every character is a word."""
    return WORD.findall(text)


def label_blocks(page: PageBlocks, gold: str) -> tuple[np.ndarray, np.ndarray]:
    """Return for each block the share of its words that occur in the gold, in the same order, and its word count.

    The words of the page and of the gold are aligned by their longest common subsequence.
    """
    from rapidfuzz.distance import LCSseq

    blocks = [split_gold_words(remove_marks(text)) for text in page.text]
    sizes = np.array([len(block) for block in blocks])
    flat = [word for block in blocks for word in block][:MAX_ALIGNED_WORDS]
    owner = np.repeat(np.arange(len(blocks)), sizes)
    numbers: dict[str, int] = {}
    left = [numbers.setdefault(word, len(numbers)) for word in flat]
    right = [numbers.setdefault(word, len(numbers)) for word in split_gold_words(gold)[:MAX_ALIGNED_WORDS]]
    matched = np.zeros(len(blocks))
    for run in LCSseq.editops(left, right).as_matching_blocks():
        np.add.at(matched, owner[run.a : run.a + run.size], 1)
    share = matched / np.maximum(sizes, 1)
    return np.where(share < MIN_SHARE, 0.0, share), sizes


@dataclass
class BlockExample:
    """A page ready for training. For a page without text, `layout` is None and the arrays are empty."""

    page: GoldPage
    blocks: PageBlocks
    layout: BlockLayout | None
    rows: np.ndarray  # float32, features (in the order of their NAMES) x blocks; those of WORDS are 0
    label: np.ndarray
    weight: np.ndarray


def prepare_example(page: GoldPage) -> BlockExample:
    """Read and label the blocks of a page. Pages of one kind have equal weight, shared by the blocks' word counts."""
    blocks = read_page_blocks(page.html, page.url)
    if not blocks.text:
        return BlockExample(page, blocks, None, np.zeros((0, 0), np.float32), np.zeros(0), np.zeros(0))
    layout = BlockLayout(blocks)
    share, sizes = label_blocks(blocks, page.gold)
    if page.taught:
        share = (share + label_blocks(blocks, page.generous)[0]) / 2
    weight = sizes + EXTRA_WORDS
    weight = weight / weight.sum() * (TAUGHT_WEIGHT if page.taught else 1)
    return BlockExample(page, blocks, layout, compute_block_features(blocks, layout, None), share, weight)
