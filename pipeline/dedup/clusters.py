"""Clusters of near duplicates: which pages may be alike, which of them are, which stay.

Pure functions over numbers. In a group pages are numbered by preference: the one that should stay comes first.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

WIDE_BUCKET = 64  # pages that share a band: up to here every pair is a candidate
ANCHORS = 8  # beyond it each page is compared with so many of the most preferred, and with the next in order
WHOLE_COMPONENT = 64  # components up to this many pages have every pair verified, candidate or not
LINKS_AT_ONCE = 1 << 22  # links that are joined in one call of scipy's: some 200 MB

Similarity = Callable[[int, int], float]  # of two pages of a group; anything below the threshold for "not alike"


class Drop(NamedTuple):
    """A page that goes, the page of its cluster that stands for it, and how similar they are."""

    page: int
    kept: int
    similarity: float


class Cluster(NamedTuple):
    """A connected component of pages that were found alike: its pages, and those that go."""

    pages: list[int]
    drops: list[Drop]


def runs(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each run of equal values starts in a sorted array, and its length; runs of one are left out."""
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(keys), 1), bool), keys[1:] != keys[:-1]]))
    lengths = np.diff(np.append(starts, len(keys)))
    return starts[lengths > 1], lengths[lengths > 1]


def distinct(values: np.ndarray) -> np.ndarray:
    """Return the different values, sorted. numpy 2.4's `unique` hashes, which takes ten times as long for millions."""
    values = np.sort(values, axis=None)
    different = np.ones(len(values), bool)
    different[1:] = values[1:] != values[:-1]
    return values[different]


def candidates(bands: np.ndarray) -> np.ndarray:
    """Return int64[pairs, 2], sorted, the preferred page of each first: the pairs of a group to verify.

    `bands` is uint64[pages, bands], in order of preference; pages that share a key are candidates. A wide bucket would
    cost its square. There each page meets the `ANCHORS` most preferred and the next in order; what is lost are pairs of
    two less preferred pages that are close to each other and to none of those.
    """
    found = [np.zeros(0, np.int64)]
    for keys in bands.T:
        order = np.argsort(keys, kind="stable")
        starts, lengths = runs(keys[order])
        for length in np.unique(lengths):
            buckets = order[starts[lengths == length][:, None] + np.arange(length)]
            first, second = bucket_pairs(int(length))
            packed = buckets[:, first].ravel() * len(bands) + buckets[:, second].ravel()
            found.append(distinct(packed))
    pairs = distinct(np.concatenate(found))
    return np.stack([pairs // max(len(bands), 1), pairs % max(len(bands), 1)], axis=1)


def bucket_pairs(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of a bucket of so many pages, as places in it."""
    if size <= WIDE_BUCKET:
        return np.triu_indices(size, 1)
    every = np.arange(size)
    firsts = [np.full(size - n - 1, n) for n in range(ANCHORS)] + [every[ANCHORS:-1]]
    seconds = [every[n + 1 :] for n in range(ANCHORS)] + [every[ANCHORS + 1 :]]
    return np.concatenate(firsts), np.concatenate(seconds)


def clusters(
    pages: int, bands: np.ndarray, similarity: Similarity, threshold: float, fixed: Sequence[bool] = ()
) -> list[Cluster]:
    """Return the clusters among a group's pages, in the order of their first pages, those of one page left out.

    `bands` is what `candidates` takes, for a group too large to compare every pair of it. Pages that are
    `fixed` stay whatever they are like, and are not compared with each other; they come first.
    """
    fixed = fixed or (False,) * pages
    if pages <= WHOLE_COMPONENT:
        pairs = [(a, b) for a in range(pages) for b in range(a + 1, pages)]
    else:
        pairs = [(a, b) for a, b in candidates(bands).tolist()]
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
    for members in components(pages, pairs, lambda a, b: close(a, b) >= threshold):
        whole = len(members) <= WHOLE_COMPONENT
        found.append(Cluster(members, settle(members, None if whole else near, close, threshold, fixed)))
    return found


def components(pages: int, pairs: Iterable[tuple[int, int]], alike: Callable[[int, int], bool]) -> list[list[int]]:
    """Return the connected components of the pairs that are alike, those of one page left out, each sorted.

    A pair is asked about only where its pages are not yet in one component, so that a clique costs its pages, not
    their square.
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


def settle(
    members: Sequence[int],
    near: dict[int, list[int]] | None,
    similarity: Similarity,
    threshold: float,
    fixed: Sequence[bool],
) -> list[Drop]:
    """Decide who stays: in order of preference, a page goes only where one that stays is itself similar enough to it.

    So a chain A ~ B ~ C drops B for A and leaves C, which is not similar to A. `near` names the more preferred pages
    that each is compared with; None stands for all.
    """
    stays: dict[int, None] = {}
    drops = []
    for page in members:
        best: tuple[float, int] | None = None
        if not fixed[page]:
            for other in stays if near is None else (other for other in near.get(page, ()) if other in stays):
                found = similarity(other, page)
                if found >= threshold and (best is None or (-found, other) < best):
                    best = (-found, other)
        if best is None:
            stays[page] = None
        else:
            drops.append(Drop(page, best[1], -best[0]))
    return drops


def joined(links: Callable[[], Iterator[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return (ends, labels): every end of the links, sorted, and the number of its connected component.

    `links` yields arrays uint64[n, 2], and is called twice; they may be more than memory holds. What is held is some 30
    bytes an end, and `LINKS_AT_ONCE` links. Components are numbered by their first end.
    """
    ends, fresh, size = np.zeros(0, np.uint64), [], 0
    for some in links():
        fresh.append(distinct(some))
        size += len(fresh[-1])
        if size >= LINKS_AT_ONCE:
            ends, fresh, size = distinct(np.concatenate([ends, *fresh])), [], 0
    ends = distinct(np.concatenate([ends, *fresh]))
    labels = np.arange(len(ends), dtype=np.int64)
    held: list[np.ndarray] = []
    size = 0
    for some in links():
        held.append(places_in(ends, some))
        size += len(some)
        if size >= max(LINKS_AT_ONCE, len(ends)):
            labels, held, size = merged(labels, held), [], 0
    labels = merged(labels, held)
    first = np.full(len(ends), len(ends), np.int64)
    np.minimum.at(first, labels, np.arange(len(ends)))
    return ends, np.unique(first[labels], return_inverse=True)[1]


def places_in(ends: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Return where each value is in the sorted `ends`; looked up in order, since at random each misses the cache."""
    order = np.argsort(some, axis=None)
    found = np.empty(some.size, np.int64)
    found[order] = np.searchsorted(ends, some.ravel()[order])
    return found.reshape(some.shape)


def merged(labels: np.ndarray, links: Sequence[np.ndarray]) -> np.ndarray:
    """Return the labels with those joined that some links, of places in `labels`, connect."""
    if not links:
        return labels
    pairs = labels[np.concatenate(links)]
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(labels), len(labels)))
    return connected_components(graph, directed=False)[1].astype(np.int64)[labels]
