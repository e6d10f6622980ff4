"""The quality score on sites that it has not seen: page types, readers' labels, beside its members and baselines.

Types are those of WCXB and of the crawl's human gold. Labels are those of `quality.tsv` and `quality_languages.tsv`.
All members learn from other sites, in five folds. Behind each ROC-AUC is that of pairs of nearly equal length.
"""

from collections.abc import Mapping

import numpy as np

from bench.held_out_quality import read_quality_texts

LANGUAGES = ("en", "de", "zh", "ru")
WANTED, OTHERS = ("article", "documentation"), ("product", "listing", "collection", "service")


def run(crawl: str) -> None:
    """Print the table."""
    from classifiers.ensemble.train import validate_ensemble
    from pipeline.filters.statistics import TextStatistics
    from pipeline.filters.text_shape import shape_score

    texts = read_quality_texts(crawl)
    pages = texts.labelled
    scores = dict(validate_ensemble(texts))
    scores["shape"] = np.array([shape_score(TextStatistics(page.text, page.language)) for page in pages])
    scores["line"] = np.array([len(page.text) / max(1, page.text.count("\n") + 1) for page in pages])
    scores["length"] = np.array([float(len(page.text)) for page in pages])
    types = [1 if page.type in WANTED else 0 if page.type in OTHERS else None for page in pages]
    labels = [{"keep": 1, "drop": 0}.get(page.label) for page in pages]
    print(f"{'ROC-AUC (equal lengths)':24} {'good':>5} {'other':>5} " + " ".join(f"{name:>12}" for name in scores))
    show_task("types", types, scores)
    show_task("readers", labels, scores)
    for language in LANGUAGES:
        known = [label if page.language == language else None for label, page in zip(labels, pages, strict=True)]
        show_task(f"readers, {language}", known, scores)


def show_task(name: str, labels: list[int | None], scores: Mapping[str, np.ndarray]) -> None:
    """Print how well each score orders the pages that have a label."""
    from classifiers.quality.metrics import compute_matched_auc, compute_roc_auc

    use = [number for number, label in enumerate(labels) if label is not None]
    known = np.array([labels[number] for number in use])
    sizes = scores["length"][use]
    cells = []
    for values in scores.values():
        held = np.nan_to_num(values[use])
        area, matched = compute_roc_auc(held, known), compute_matched_auc(held, known, sizes)
        cells.append(" ".join("  - " if value is None else f"{value:.3f}" for value in (area, matched)))
    print(f"{name:24} {known.sum():5} {len(known) - known.sum():5} " + " ".join(f"{cell:>12}" for cell in cells))
