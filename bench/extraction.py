"""Extraction: the engine gristmill beside trafilatura, on sites that the model has not seen, and pages per CPU-second.

The score of a page is the F1 of the bags of word 4-grams of the extracted text and of the human gold. (In scripts
without spaces, characters count as words.) The score of a group is the mean over its pages. The scores of gristmill are
cross-validated by site: the model of a page saw no page of its site. It is also trained without each corpus, and tested
on it. The reference is the better of trafilatura's default and precision settings.
"""

import time

import numpy as np

from bench.main_text import Validation, validate_main_text
from classifiers.main_content.gold_pages import GoldPage
from classifiers.main_content.validate import (
    THRESHOLD,
    AgreementScore,
    score_extraction,
    score_page,
    tabulate_scores,
    validate_by_corpus,
)
from pipeline.html.engines import ENGINES, Engine, EngineOptions

RIVALS = {"default": "balanced", "precision": "precision"}
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TIMED = 400  # pages


def time_engine(engine: Engine, pages: list[GoldPage]) -> tuple[float, dict[str, str]]:
    """Return the CPU seconds of an engine for the pages, and the texts."""
    start = time.process_time()
    texts = {page.id: engine(page.html, page.url).text for page in pages}
    return time.process_time() - start, texts


def print_table(pages: list[GoldPage], engines: dict[str, dict[str, AgreementScore]]) -> None:
    """Print precision, recall and F1 of gristmill, the F1 of trafilatura, and the difference to the better setting."""
    print(
        "| pages of | pages | P | R | **F1** | trafilatura default | precision | above the better |\n|---"
        + "|---" * 7
        + "|"
    )
    for group, count, scores in tabulate_scores(pages, engines):
        precision, recall, ours = scores["gristmill"]
        default, strict = scores["default"][2], scores["precision"][2]
        print(
            f"| {group} | {count} | {precision:.3f} | {recall:.3f} | **{ours:.3f}** | {default:.3f} | {strict:.3f} "
            f"| {ours - max(default, strict):+.3f} |",
            flush=True,
        )


def measure_speed(pages: list[GoldPage]) -> None:
    """Print pages per CPU-second. The engines take turns over the same pages in this process."""
    step = max(1, len(pages) // TIMED)
    sample = pages[::step]
    engines = {name: ENGINES[name](EngineOptions()) for name in ("trafilatura", "resiliparse", "gristmill")}
    for engine in engines.values():
        time_engine(engine, sample[:20])
    rounds = [{name: time_engine(engine, sample)[0] for name, engine in engines.items()} for _ in range(3)]
    print("\n| engine | pages per CPU-second | times trafilatura |\n|---|---|---|")
    for name in engines:
        seconds = float(np.median([each[name] for each in rounds]))
        times = float(np.median([each["trafilatura"] / each[name] for each in rounds]))
        print(f"| {name} | {len(sample) / seconds:.0f} | {times:.1f} |", flush=True)


def run(crawl: str) -> None:
    """Cross-validate, leave each corpus out in turn, and time the engines, on the pages of the crawl with gold."""
    found = validate_main_text(crawl)
    pages, scores = found.crawl, found.scores
    engines: dict[str, dict[str, AgreementScore]] = {}
    for name, objective in RIVALS.items():
        _, texts = time_engine(ENGINES["trafilatura"](EngineOptions(objective=objective)), pages)
        engines[name] = {page.id: score_extraction(texts[page.id], page.gold) for page in pages}
    ours = {page.id: score_page(found.marked[page.id], scores[page.id]) for page in pages}
    print(f"\nCross-validated by site, threshold {THRESHOLD}:\n")
    print_table(pages, engines | {"gristmill": ours})
    print("\n| threshold | P | R | F1 |\n|---|---|---|---|")
    for threshold in THRESHOLDS:
        means = np.mean([score_page(found.marked[page.id], scores[page.id], threshold) for page in pages], axis=0)
        print(f"| {threshold} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    print_left_out(found, engines)
    measure_speed(pages)


def print_left_out(validated: Validation, engines: dict[str, dict[str, AgreementScore]]) -> None:
    """Print for each corpus the F1 of trafilatura, and of models that were trained without the corpus, by threshold."""
    print("\nTrained without the corpus that is tested:\n")
    print("| corpus | trafilatura default | precision |" + "".join(f" {threshold} |" for threshold in THRESHOLDS))
    print("|---" * (3 + len(THRESHOLDS)) + "|")
    tested = {page.id for page in validated.crawl}
    for corpus in sorted({page.set for page in validated.crawl}):
        found = validate_by_corpus(validated.examples, corpus)
        found = {number: scores for number, scores in found.items() if number in tested}
        line = [float(np.mean([engines[name][number][2] for number in found])) for name in RIVALS]
        for threshold in THRESHOLDS:
            f1 = [score_page(validated.marked[number], scores, threshold)[2] for number, scores in found.items()]
            line.append(float(np.mean(f1)))
        print(f"| {corpus} | " + " | ".join(f"{mean:.3f}" for mean in line) + " |", flush=True)
