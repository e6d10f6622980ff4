"""Cross-validation by site: every page is scored by a model that saw no page of its site.

One split of a few hundred pages says little: its ROC-AUC moves by .1 and more with the seed. Here all pages count.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from classifiers.calibration import Platt, fit_platt
from classifiers.data import DataError, Page, digest
from classifiers.score import QualityModel

UNCALIBRATED = {"calibration": {"slope": 1.0, "intercept": 0.0}}


def site_of(page: Page) -> str:
    """Return a page's site; a page without one is its own."""
    return page.site or f"page {page.id}"


def few_of_each_site(pages: Sequence[Page], most: int) -> list[Page]:
    """Return at most so many pages of each site, the first ones: else a model learns large sites by heart."""
    taken: Counter[str] = Counter()
    some = []
    for page in pages:
        taken[site_of(page)] += 1
        if taken[site_of(page)] <= most:
            some.append(page)
    return some


def folds_by_site(pages: Sequence[Page], count: int, seed: int = 0) -> list[list[Page]]:
    """Deal pages into folds so that no site is in two, with as many pages of each class in each as the sites allow.

    Sites are dealt from the largest to the smallest, equal ones by hash, each to the fold that has least of what it
    brings. Raises DataError where a fold would lack a class.
    """
    by_site: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        by_site[site_of(page)].append(page)
    order = sorted(by_site, key=lambda name: (-len(by_site[name]), digest(str(seed), "fold", name), name))
    folds: list[list[Page]] = [[] for _ in range(count)]
    held = [[0, 0] for _ in range(count)]
    for name in order:
        brings = [sum(1 - page.label for page in by_site[name]), sum(page.label for page in by_site[name])]
        load = [sum(h * b for h, b in zip(have, brings, strict=True)) for have in held]
        least = min(range(count), key=lambda n: (load[n], sum(held[n]), n))
        folds[least] += by_site[name]
        held[least] = [h + b for h, b in zip(held[least], brings, strict=True)]
    if not all(all(have) for have in held):
        sites = [len({site_of(page) for page in pages if page.label == label}) for label in (1, 0)]
        raise DataError(
            f"too few sites for {count} folds: {sites[0]} have reference pages, {sites[1]} others; give --folds 1"
        )
    return folds


def cross_validated(
    folds: Sequence[Sequence[Page]], fit: Callable[[list[Page]], Any]
) -> tuple[list[Page], np.ndarray, Platt]:
    """Return the pages, the calibrated score of each by a model that saw nothing of its fold, and the calibration for a
    model of all of them.

    `fit` trains on pages. A fold's scores are calibrated on the other folds' held-out log odds.
    """
    odds, labels = [], [np.array([page.label for page in fold]) for fold in folds]
    for n, fold in enumerate(folds):
        rest = [page for m, other in enumerate(folds) if m != n for page in other]
        odds.append(QualityModel(fit(rest), UNCALIBRATED, "").log_odds([page.line for page in fold]))
    scores = []
    for n, mine in enumerate(odds):
        others = [m for m in range(len(folds)) if m != n]
        platt = fit_platt(np.concatenate([odds[m] for m in others]), np.concatenate([labels[m] for m in others]))
        scores.append(np.array([platt(float(value)) for value in mine]))
    pages = [page for fold in folds for page in fold]
    return pages, np.concatenate(scores), fit_platt(np.concatenate(odds), np.concatenate(labels))
