"""The cross-validation of the engine gristmill that the benchmarks `extraction` and `wcxb` share."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from classifiers.main_content.block_labels import BlockExample, prepare_example
from classifiers.main_content.gold_pages import GoldPage, load_benchmark_pages, load_gold_pages, load_taught_pages
from classifiers.main_content.validate import THRESHOLD, cross_validate_by_site, extract_kept_text

BENCHMARK_FOLDER = "extraction"  # beside the folder of the crawl


class Validation(NamedTuple):
    """Pages with human gold, of the crawl and of the benchmark, and what a model of other sites says of them."""

    crawl: list[GoldPage]
    pages: list[GoldPage]  # those of the crawl, and the benchmark's
    examples: list[BlockExample]  # with the taught pages
    marked: dict[str, BlockExample]  # those of `pages`, by id
    scores: dict[str, np.ndarray]  # of the blocks, by the page's id


@cache
def validate_main_text(crawl: str) -> Validation:
    """Cross-validate by site on all pages with gold. The gold is in the folder of the WARCs, and in one beside it."""
    folder = Path(crawl).parent
    of_crawl = load_gold_pages(folder)
    pages = of_crawl + load_benchmark_pages(folder.parent / BENCHMARK_FOLDER)
    examples = [prepare_example(page) for page in pages + load_taught_pages(folder)]
    marked = {example.page.id: example for example in examples if not example.page.taught}
    return Validation(of_crawl, pages, examples, marked, cross_validate_by_site(examples))


def render_kept(found: Validation, number: str, threshold: float = THRESHOLD) -> str:
    """Return the text of a page that the cross-validated engine extracts."""
    return extract_kept_text(found.marked[number], found.scores[number], threshold)
