"""Language, rules and PII: MB of UTF-8 text per CPU-second on the main texts of the crawl, each alone and all together.

Every text goes through all three steps. A real run does less, because rejected pages skip the later steps. Languages
are identified in batches of 64, as in the extract job. The bar for all three together is 5, the aim 8.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

from bench.crawl_pages import read_crawl_pages
from bench.jobs import find_crawl_files, read_own_cpu

RUNS = 3
RECIPES = ("default", "fineweb", "fineweb2")
BAR = 5
BATCH = 64
STEP = 4  # use every fourth text: 8 MB are enough


def read_page_texts(crawl: str) -> list[str]:
    """Return the main text of every page that has one, in the order of the crawl."""
    return [page.text for page in read_crawl_pages(find_crawl_files(crawl)) if page.text.strip()]


def time_calls(function: Callable[..., Any], *columns: list) -> float:
    """Return the median CPU seconds of calling a function on every row of the columns, after one round to warm up."""
    rows = list(zip(*columns, strict=True))
    seconds = []
    for _ in range(RUNS + 1):
        start = read_own_cpu()
        for row in rows:
            function(*row)
        seconds.append(read_own_cpu() - start)
    return median(seconds[1:])


def run(crawl: str) -> None:
    """Print the speeds of language identification and PII masking, then of each recipe's rules and of all together."""
    from pipeline.config import build_config
    from pipeline.filters.chain import apply_filters, load_filters
    from pipeline.language.identify import LanguageModel
    from pipeline.text.pii.mask import PiiConfig, mask_pii

    texts, model, pii = read_page_texts(crawl)[::STEP], LanguageModel.load(), PiiConfig()
    size = sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6
    languages = [model.identify([text])[0][0] for text in texts]
    print(f"{len(texts)} texts, {size:.1f} MB; MB of text per CPU-second, median of {RUNS}")
    print(f"{'language':24} {size / time_calls(lambda text: model.identify([text]), texts):7.1f}")
    print(f"{'PII':24} {size / time_calls(lambda text: mask_pii(text, pii), texts):7.1f}", flush=True)
    print(f"{'recipe':24} {'rules':>7} {'all three':>9} {'kept':>6}")
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    for recipe in RECIPES:
        rules = build_config({"inputs": ["none"], "output": "none", "recipe": recipe}).rules
        filters = load_filters(rules)
        kept = sum(apply_filters(filters, *row).failure is None for row in zip(texts, languages, strict=True))

        def all_three(batch: list[str], filters=filters) -> None:
            for text, (language, _) in zip(batch, model.identify(batch), strict=True):
                mask_pii(apply_filters(filters, text, language).text, pii)

        alone = size / time_calls(lambda *row, filters=filters: apply_filters(filters, *row), texts, languages)
        together = size / time_calls(all_three, batches)
        missed = f"  missed: {BAR}" if together < BAR else ""
        print(f"{recipe:24} {alone:7.1f} {together:9.1f} {kept:6}{missed}", flush=True)
