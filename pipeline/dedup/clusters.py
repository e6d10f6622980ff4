"""Clusters of near duplicates: which pages may be similar, which of them are, and which are kept.

Pure functions over numbers. The pages of a group are numbered by preference: the page that is best kept comes first.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

WIDE_BUCKET = 64  # pages that share a band: up to here every pair is a candidate
ANCHORS = 8  # in a wider bucket each page is compared with this many of the most preferred, and with the next in order
WHOLE_COMPONENT = 64  # components up to this many pages have every pair verified, candidate or not

Similarity = Callable[[int, int], float]  # of two pages of a group; any value below the threshold means "not similar"


class RemovedPage(NamedTuple):
    """A page that is removed, the page of its cluster that is kept in its place, and how similar the two are."""

    page: int
    kept: int
    similarity: float


class Cluster(NamedTuple):
    """A connected component of similar pages: all of its pages, and those that are removed."""

    pages: list[int]
    removed: list[RemovedPage]


def find_equal_runs(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each run of equal values starts in a sorted array, and its length; runs of one are left out."""
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(keys), 1), bool), keys[1:] != keys[:-1]]))
    lengths = np.diff(np.append(starts, len(keys)))
    return starts[lengths > 1], lengths[lengths > 1]


def sort_distinct(values: np.ndarray) -> np.ndarray:
    """Return the different values, sorted. numpy 2.4's `unique` hashes, which takes ten times as long for millions."""
    values = np.sort(values, axis=None)
    different = np.ones(len(values), bool)
    different[1:] = values[1:] != values[:-1]
    return values[different]


def find_candidate_pairs(bands: np.ndarray) -> np.ndarray:
    """Return int64[pairs, 2], sorted, the preferred page of each first: the pairs of a group to verify.

    `bands` is uint64[pages, bands], in order of preference; pages that share a key are candidates. A wide bucket would
    cost its square. There each page meets the `ANCHORS` most preferred and the next in order; what is lost are pairs of
    two less preferred pages that are close to each other and to none of those.
    """
    found = [np.zeros(0, np.int64)]
    for keys in bands.T:
        order = np.argsort(keys, kind="stable")
        starts, lengths = find_equal_runs(keys[order])
        for length in np.unique(lengths):
            buckets = order[starts[lengths == length][:, None] + np.arange(length)]
            first, second = pair_bucket(int(length))
            packed = buckets[:, first].ravel() * len(bands) + buckets[:, second].ravel()
            found.append(sort_distinct(packed))
    pairs = sort_distinct(np.concatenate(found))
    return np.stack([pairs // max(len(bands), 1), pairs % max(len(bands), 1)], axis=1)


def pair_bucket(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs to compare in a bucket of `size` pages, as places in it."""
    if size <= WIDE_BUCKET:
        return np.triu_indices(size, 1)
    every = np.arange(size)
    firsts = [np.full(size - n - 1, n) for n in range(ANCHORS)] + [every[ANCHORS:-1]]
    seconds = [every[n + 1 :] for n in range(ANCHORS)] + [every[ANCHORS + 1 :]]
    return np.concatenate(firsts), np.concatenate(seconds)


def find_clusters(
    pages: int, bands: np.ndarray, similarity: Similarity, threshold: float, fixed: Sequence[bool] = ()
) -> list[Cluster]:
    """Return the clusters among a group's pages, in the order of their first pages, without those of one page.

    `bands` is what `find_candidate_pairs` takes. It is used where a group is too large to compare every pair of it.
    Pages that are `fixed` are always kept and are not compared with each other. They come first.
    """
    fixed = fixed or (False,) * pages
    if pages <= WHOLE_COMPONENT:
        pairs = [(a, b) for a in range(pages) for b in range(a + 1, pages)]
    else:
        pairs = [(a, b) for a, b in find_candidate_pairs(bands).tolist()]
    pairs = [(a, b) for a, b in pairs if not (fixed[a] and fixed[b])]
    known: dict[tuple[int, int], float] = {}

    def close(a: int, b: int) -> float:
        """Return the similarity of two pages, computed once."""
        pair = (a, b) if a < b else (b, a)
        if pair not in known:
            known[pair] = similarity(*pair)
        return known[pair]

    near: dict[int, list[int]] = {}
    if pages > WHOLE_COMPONENT:
        for a, b in pairs:
            near.setdefault(b, []).append(a)
    found = []
    for members in find_components(pages, pairs, lambda a, b: close(a, b) >= threshold):
        whole = len(members) <= WHOLE_COMPONENT
        found.append(Cluster(members, choose_removed(members, None if whole else near, close, threshold, fixed)))
    return found


def find_components(pages: int, pairs: Iterable[tuple[int, int]], alike: Callable[[int, int], bool]) -> list[list[int]]:
    """Return the connected components of the pairs that are alike, each sorted, without those of one page.

    A pair is compared only if its pages are not yet in one component. So the comparisons of a clique grow with its
    pages, not with their square.
    """
    root = list(range(pages))

    def find(page: int) -> int:
        """Return the first page of a page's component."""
        while root[page] != page:
            root[page] = root[root[page]]
            page = root[page]
        return page

    for a, b in pairs:
        a_root, b_root = find(a), find(b)
        if a_root != b_root and alike(a, b):
            root[max(a_root, b_root)] = min(a_root, b_root)
    found: dict[int, list[int]] = {}
    for page in range(pages):
        found.setdefault(find(page), []).append(page)
    return [members for members in found.values() if len(members) > 1]


def choose_removed(
    members: Sequence[int],
    near: dict[int, list[int]] | None,
    similarity: Similarity,
    threshold: float,
    fixed: Sequence[bool],
) -> list[RemovedPage]:
    """Return the pages to remove. In order of preference, a page is removed only if it is similar to a kept page.

    In a chain A ~ B ~ C, B is removed for A, and C is kept, since it is not similar to A. `near` names the more
    preferred pages that each page is compared with; None means all of them.
    """
    kept: dict[int, None] = {}
    removed = []
    for page in members:
        best: tuple[float, int] | None = None
        if not fixed[page]:
            for other in kept if near is None else (other for other in near.get(page, ()) if other in kept):
                found = similarity(other, page)
                if found >= threshold and (best is None or (-found, other) < best):
                    best = (-found, other)
        if best is None:
            kept[page] = None
        else:
            removed.append(RemovedPage(page, best[1], -best[0]))
    return removed
