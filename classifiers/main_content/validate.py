"""Test models on sites that they have not seen: cross-validation by site, and training without one of the corpora."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from classifiers.main_content.block_labels import BlockExample, split_gold_words
from classifiers.main_content.gold_pages import GoldPage
from classifiers.main_content.train import (
    FOLDS,
    SECOND_NAMES,
    assign_fold,
    compute_word_rows,
    fit_second_stage,
    select_feature_rows,
    split_fold,
    stack_first_stage,
    train_block_model,
)
from pipeline.html.engines import EngineOptions
from pipeline.html.main_content.classifier import MainContentModel, score_blocks, select_main_content, smooth_scores
from pipeline.html.main_content.render import render_text

THRESHOLD = EngineOptions().threshold  # the default of the engine
MIN_GROUP = 30  # pages
GRAM = 4  # words
BENCHMARK_WORD = re.compile(r"\w+")

AgreementScore = tuple[float, float, float]  # precision, recall, F1 of the bags of 4-grams


class ScoreRow(NamedTuple):
    """The mean scores of each engine over the pages of a group."""

    group: str
    pages: int
    scores: dict[str, AgreementScore]


def predict_blocks(model: MainContentModel, example: BlockExample) -> np.ndarray:
    """Return the score of each block, from the second stage of a model."""
    if example.layout is None:
        return np.zeros(0)
    words = compute_word_rows(example, model.vocabulary)
    return score_blocks(np.concatenate((example.rows[: -len(words)], words)), example.layout, model)


def cross_validate_by_site(
    examples: Sequence[BlockExample], report: Callable[[str], None] = print
) -> dict[str, np.ndarray]:
    """Return the block scores of every page with human gold, by models that were trained on other sites.

    The stages are stacked: the first stage's score of a page is that of a model without its site, both where the second
    stage learns from it and where it is tested. (The models that score what the second stage learns from may have seen
    the sites that are tested.)
    """
    scores = {example.page.id: np.zeros(0) for example in examples if not example.page.taught}
    stacked = stack_first_stage(examples)
    fold_of = [assign_fold(example.page.site, FOLDS) for example in stacked.examples]
    for fold in sorted(set(fold_of)):
        held, others = split_fold(fold_of, fold)
        model = fit_second_stage(stacked, others)
        tested = [number for number in held if not stacked.examples[number].page.taught]
        for number in tested:
            rows = select_feature_rows(model, SECOND_NAMES, np.concatenate(stacked.rows[number]))
            scores[stacked.examples[number].page.id] = smooth_scores(model.score(rows))
        report(f"fold {fold + 1} of {FOLDS}: {len(tested)} pages")
    return scores


def validate_by_corpus(examples: Sequence[BlockExample], corpus: str) -> dict[str, np.ndarray]:
    """Return the block scores of the pages of one corpus, by a model of the other corpora without its sites."""
    tested = [example for example in examples if example.page.set == corpus and not example.page.taught]
    sites = {example.page.site for example in tested}
    model = train_block_model(
        [example for example in examples if example.page.set != corpus and example.page.site not in sites]
    )
    return {example.page.id: predict_blocks(model, example) for example in tested}


def score_page(example: BlockExample, scores: np.ndarray, threshold: float = THRESHOLD) -> AgreementScore:
    """Return how well the chosen blocks of a page agree with its gold."""
    return score_extraction(extract_kept_text(example, scores, threshold), example.page.gold)


def extract_kept_text(example: BlockExample, scores: np.ndarray, threshold: float = THRESHOLD) -> str:
    """Return the text of the blocks that are chosen by their scores."""
    if example.layout is None:
        return ""
    _, kept = select_main_content(scores, example.blocks, example.layout, threshold)
    return render_text(example.blocks, kept)


def measure_word_f1(text: str, gold: str) -> float:
    """Return the F1 of the bags of words in lower case, the measure of WCXB (Foley 2026, arXiv 2605.21097)."""
    found, truth = (Counter(BENCHMARK_WORD.findall(part.lower())) for part in (text, gold))
    if not found or not truth:
        return float(bool(found) == bool(truth))
    common = (found & truth).total()
    precision, recall = common / found.total(), common / truth.total()
    return 2 * precision * recall / (precision + recall) if common else 0.0


def score_extraction(text: str, gold: str) -> AgreementScore:
    """Return how well an extracted text agrees with the gold."""
    return measure_agreement(count_word_grams(text), count_word_grams(gold))


def count_word_grams(text: str) -> Counter[tuple[str, ...]]:
    """Return the counts of word 4-grams. A text with fewer words counts as one gram."""
    found = split_gold_words(text)
    grams = Counter(zip(*(found[start:] for start in range(GRAM)), strict=False))
    return grams or Counter([tuple(found)] if found else [])


def measure_agreement(found: Counter[tuple[str, ...]], truth: Counter[tuple[str, ...]]) -> AgreementScore:
    """Return precision, recall and F1 of two bags; all 1 if both are empty."""
    common = (found & truth).total()
    if not found and not truth:
        return 1.0, 1.0, 1.0
    precision = common / found.total() if found else 0.0
    recall = common / truth.total() if truth else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if common else 0.0


def group_gold_pages(pages: Sequence[GoldPage]) -> dict[str, list[GoldPage]]:
    """Return all pages, and the groups by data set, type and language that hold at least MIN_GROUP pages."""
    found: dict[str, list[GoldPage]] = {"all": list(pages)}
    for name in ("set", "kind", "language"):
        for value in sorted({getattr(page, name) for page in pages} - {""}):
            members = [page for page in pages if getattr(page, name) == value]
            if len(members) >= MIN_GROUP:
                found[f"{name} {value}"] = members
    return found


def average_scores(scores: Sequence[AgreementScore]) -> AgreementScore:
    """Return the mean of precision, of recall and of F1."""
    precision, recall, f1 = np.mean(scores, axis=0).tolist()
    return precision, recall, f1


def tabulate_scores(pages: Sequence[GoldPage], engines: Mapping[str, Mapping[str, AgreementScore]]) -> list[ScoreRow]:
    """Return the mean scores of each engine in each group of pages."""
    rows = []
    for group, members in group_gold_pages(pages).items():
        means = {name: average_scores([scores[page.id] for page in members]) for name, scores in engines.items()}
        rows.append(ScoreRow(group, len(members), means))
    return rows
