"""How good a classifier is, over all pages, by language and by length, beside two baselines that show leaks."""

from collections import defaultdict
from typing import Any

import numpy as np

from classifiers.data import Page, bucket_name, length_bucket
from classifiers.metrics import average_precision, measure, roc_auc
from classifiers.score import QualityModel

NEVER_SEEN = "sites never seen"
FEW = 20  # pages; smaller groups are not shown alone


def evaluate_pages(model: QualityModel, pages: list[Page], known: list[Page] | None = None) -> dict[str, Any]:
    """Return the evaluation of a model's scores of pages, as `evaluate_scores`.

    Where it was trained on some of the pages' sites, "sites never seen" has the others alone.
    """
    scores = model.probabilities([page.line for page in pages])
    new = [n for n, page in enumerate(pages) if not model.knows(page.site)]
    result = evaluate_scores(pages, scores, known)
    if 0 < len(new) < len(pages):
        labels = np.array([pages[n].label for n in new])
        result = {"all": result["all"], NEVER_SEEN: measure(scores[new], labels)} | result
    return result


def evaluate_scores(pages: list[Page], scores: np.ndarray, known: list[Page] | None = None) -> dict[str, Any]:
    """Return {"all", "language X", "length X", "length only", "site only"}: each the measures of `metrics.measure`.

    The length baseline scores a page by its number of characters, whichever way is better; the site baseline by the
    share of references among the other pages of its site, in `known` where that is given.
    """
    labels = np.array([page.label for page in pages])
    groups: dict[str, list[int]] = defaultdict(list)
    for n, page in enumerate(pages):
        groups[f"language {page.language}"].append(n)
        groups[f"length {length_bucket(page.length)} {bucket_name(length_bucket(page.length))}"].append(n)
    result = {"all": measure(scores, labels)}
    for name in sorted(groups):
        if len(groups[name]) >= FEW:
            result[name] = measure(scores[groups[name]], labels[groups[name]])
    result["length only"] = ranking(np.array([float(page.length) for page in pages]), labels, either_way=True)
    result["site only"] = ranking(np.array(site_shares(pages, known)), labels)
    return result


def ranking(scores: np.ndarray, labels: np.ndarray, either_way: bool = False) -> dict[str, Any]:
    """Return the measures of a baseline; calibration means nothing for it."""
    best = max([scores, -scores] if either_way else [scores], key=lambda s: roc_auc(s, labels) or 0.0)
    areas = {"roc_auc": roc_auc(best, labels), "pr_auc": average_precision(best, labels), "ece": None, "brier": None}
    return {"pages": len(labels), "references": int(labels.sum()), **areas}


def site_shares(pages: list[Page], known: list[Page] | None) -> list[float]:
    """Return for each page the share of references among the other pages known of its site; .5 where there are none."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for page in pages if known is None else known:
        if page.site:
            sums[page.site][0] += page.label
            sums[page.site][1] += 1
    shares = []
    for page in pages:
        positives, n = sums.get(page.site, [0, 0])
        own = 1 if known is None and page.site else 0
        shares.append((positives - own * page.label) / (n - own) if n - own > 0 else 0.5)
    return shares


def table_lines(result: dict[str, Any]) -> list[str]:
    """Return the evaluation as lines of plain text."""
    lines = [f"{'':26} {'pages':>6} {'refs':>6} {'ROC-AUC':>8} {'PR-AUC':>7} {'ECE':>6}"]
    for name, m in result.items():
        values = ["-" if m[key] is None else f"{m[key]:.3f}" for key in ("roc_auc", "pr_auc", "ece")]
        lines.append(f"{name:26} {m['pages']:6,} {m['references']:6,} {values[0]:>8} {values[1]:>7} {values[2]:>6}")
    return lines
