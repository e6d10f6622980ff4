"""Draw the blocks of long pages on which the models are trained."""

import hashlib

import numpy as np

from classifiers.main_content.block_labels import BlockExample

BLOCKS_PER_PAGE = 250  # of a long page, about: its light blocks are sampled, and weigh more in return


def draw_blocks(example: BlockExample) -> tuple[np.ndarray, np.ndarray]:
    """Sample the blocks of a page, and return them with weights whose expectation equals that of all blocks."""
    chance = np.minimum(1.0, example.weight * BLOCKS_PER_PAGE)
    seed = int.from_bytes(hashlib.sha256(example.page.id.encode()).digest()[:8], "big")
    drawn = np.flatnonzero(np.random.default_rng(seed).random(len(chance)) < chance)
    return drawn, (example.weight / chance)[drawn]
