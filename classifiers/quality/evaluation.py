"""Evaluate quality scores over all pages, by language and by length, beside two baselines that reveal leaks."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from classifiers.quality.metrics import (
    ScoreMeasures,
    compute_average_precision,
    compute_roc_auc,
    measure_scores,
)
from classifiers.quality.model import QualityModel
from classifiers.quality.pages import LabelledPage

NEVER_SEEN = "sites never seen"
MIN_GROUP = 20  # pages; smaller groups are not listed
LENGTH_BOUNDS = (500, 1000, 2000, 4000, 8000)  # characters; the bounds of the length buckets


def find_length_bucket(length: int) -> int:
    """Return the index of a length's bucket: 0 for under 500 characters, 5 for 8,000 and more."""
    return sum(length >= bound for bound in LENGTH_BOUNDS)


def name_length_bucket(bucket: int) -> str:
    """Return the bounds of a length bucket in words."""
    if bucket == 0:
        return f"< {LENGTH_BOUNDS[0]:,}"
    if bucket == len(LENGTH_BOUNDS):
        return f">= {LENGTH_BOUNDS[-1]:,}"
    return f"{LENGTH_BOUNDS[bucket - 1]:,} - {LENGTH_BOUNDS[bucket] - 1:,}"


def evaluate_pages(
    model: QualityModel, pages: Sequence[LabelledPage], known: Sequence[LabelledPage] | None = None
) -> dict[str, ScoreMeasures]:
    """Return the measures of a model's scores, as `evaluate_scores` does.

    If the model was trained on the sites of some of the pages, the group "sites never seen" holds the other pages.
    """
    scores = model.predict_probabilities([page.line for page in pages])
    new = [n for n, page in enumerate(pages) if not model.knows_site(page.site)]
    result = evaluate_scores(pages, scores, known)
    if 0 < len(new) < len(pages):
        labels = np.array([pages[n].label for n in new])
        result = {"all": result["all"], NEVER_SEEN: measure_scores(scores[new], labels)} | result
    return result


def evaluate_scores(
    pages: Sequence[LabelledPage], scores: np.ndarray, known: Sequence[LabelledPage] | None = None
) -> dict[str, ScoreMeasures]:
    """Return the measures of the groups "all", "language X", "length X", and of the two baselines.

    "length only" scores a page by its number of characters, in the better of the two directions. "site only" scores it
    by the share of references among the other pages of its site, in `known` if given.
    """
    labels = np.array([page.label for page in pages])
    groups: dict[str, list[int]] = defaultdict(list)
    for n, page in enumerate(pages):
        bucket = find_length_bucket(page.length)
        groups[f"language {page.language}"].append(n)
        groups[f"length {bucket} {name_length_bucket(bucket)}"].append(n)
    result = {"all": measure_scores(scores, labels)}
    for name in sorted(groups):
        if len(groups[name]) >= MIN_GROUP:
            result[name] = measure_scores(scores[groups[name]], labels[groups[name]])
    lengths = np.array([float(page.length) for page in pages])
    result["length only"] = measure_ranking([lengths, -lengths], labels)
    result["site only"] = measure_ranking([np.array(score_by_site(pages, known))], labels)
    return result


def measure_ranking(candidates: Sequence[np.ndarray], labels: np.ndarray) -> ScoreMeasures:
    """Return the ranking measures of the best of some baseline scores. Calibration is not defined for a baseline."""
    best = max(candidates, key=lambda scores: compute_roc_auc(scores, labels) or 0.0)
    return {
        "pages": len(labels),
        "references": int(labels.sum()),
        "roc_auc": compute_roc_auc(best, labels),
        "pr_auc": compute_average_precision(best, labels),
        "ece": None,
        "brier": None,
    }


def score_by_site(pages: Sequence[LabelledPage], known: Sequence[LabelledPage] | None) -> list[float]:
    """Return for each page the share of references among the other known pages of its site; .5 if there are none."""
    positives: dict[str, int] = defaultdict(int)
    totals: dict[str, int] = defaultdict(int)
    for page in pages if known is None else known:
        if page.site:
            positives[page.site] += page.label
            totals[page.site] += 1
    shares = []
    for page in pages:
        own = 1 if known is None and page.site else 0
        others = totals[page.site] - own
        shares.append((positives[page.site] - own * page.label) / others if others > 0 else 0.5)
    return shares


def format_quality_table(result: dict[str, ScoreMeasures]) -> list[str]:
    """Return the evaluation as lines of plain text."""
    lines = [f"{'':26} {'pages':>6} {'refs':>6} {'ROC-AUC':>8} {'PR-AUC':>7} {'ECE':>6}"]
    for name, measures in result.items():
        areas = (measures["roc_auc"], measures["pr_auc"], measures["ece"])
        roc_auc, pr_auc, ece = ("-" if value is None else f"{value:.3f}" for value in areas)
        counts = f"{measures['pages']:6,} {measures['references']:6,}"
        lines.append(f"{name:26} {counts} {roc_auc:>8} {pr_auc:>7} {ece:>6}")
    return lines
