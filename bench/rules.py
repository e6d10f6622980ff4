"""Language, rules and PII: MB of UTF-8 text per CPU-second, each alone and all together, over the crawl's main texts.

Every page goes through all three, whatever its language, and no page is spared PII for having failed a rule: a run does
less. The texts are resiliparse's, as `extract` makes them, and identified 64 at a time, as it does. The bar for all
together: 5, aim 8.
"""

from collections.abc import Callable
from typing import Any

from bench.jobs import crawl_files, median, own_cpu

RUNS = 3
RECIPES = ("default", "fineweb", "fineweb2")
BAR = 5
BATCH = 64
STEP = 4  # every fourth text, 8 MB: enough for a figure


def page_texts(crawl: str) -> list[str]:
    """Return the main text of every page that has one, in the order of the crawl."""
    from pipeline.html.charset import decode_body
    from pipeline.html.engines import load_engine
    from pipeline.html.http import parse_response
    from pipeline.warc.reader import CrawlRecord, read_crawl_records

    engine, texts = load_engine("resiliparse"), []
    for path in crawl_files(crawl):
        with open(path, "rb") as source:
            for record in read_crawl_records(source):
                if isinstance(record, CrawlRecord) and record.type == "response":
                    response = parse_response(record.block)
                    html = decode_body(response.body, response.header("content-type"))[0]
                    texts.append(engine(html, record.url).text)
    return [text for text in texts if text.strip()]


def speed(function: Callable[..., Any], *columns: list) -> float:
    """Return the median CPU seconds of calling a function on every row of the columns, after one round to warm up."""
    rows = list(zip(*columns, strict=True))
    seconds = []
    for _ in range(RUNS + 1):
        start = own_cpu()
        for row in rows:
            function(*row)
        seconds.append(own_cpu() - start)
    return median(seconds[1:])


def run(crawl: str) -> None:
    """Print the speeds of language identification and PII masking, then of each recipe's rules and of all together."""
    from pipeline.config import build_config
    from pipeline.filters.chain import apply_filters, load_filters
    from pipeline.language.identify import LanguageModel
    from pipeline.text.pii import PiiConfig, mask_pii

    texts, model, pii = page_texts(crawl)[::STEP], LanguageModel.load(), PiiConfig()
    size = sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6
    languages = [model.identify([text])[0][0] for text in texts]
    print(f"{len(texts)} texts, {size:.1f} MB; MB of text per CPU-second, median of {RUNS}")
    print(f"{'language':24} {size / speed(lambda text: model.identify([text]), texts):7.1f}")
    print(f"{'PII':24} {size / speed(lambda text: mask_pii(text, pii), texts):7.1f}", flush=True)
    print(f"{'recipe':24} {'rules':>7} {'all three':>9} {'kept':>6}")
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    for recipe in RECIPES:
        rules = build_config({"inputs": ["none"], "output": "none", "recipe": recipe}).rules
        filters = load_filters(rules)
        kept = sum(apply_filters(filters, *row).failure is None for row in zip(texts, languages, strict=True))

        def all_three(batch: list[str], filters=filters) -> None:
            for text, (language, _) in zip(batch, model.identify(batch), strict=True):
                mask_pii(apply_filters(filters, text, language).text, pii)

        alone = size / speed(lambda *row, filters=filters: apply_filters(filters, *row), texts, languages)
        together = size / speed(all_three, batches)
        missed = f"  missed: {BAR}" if together < BAR else ""
        print(f"{recipe:24} {alone:7.1f} {together:9.1f} {kept:6}{missed}", flush=True)
