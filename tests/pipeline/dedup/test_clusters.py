"""Clusters: whatever the graph, who goes has a neighbour that stays, and what is asked is no more than it takes."""

import copy
import pickle
import random
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dedup import spanning_forest as module
from pipeline.dedup.blocks import BlockPacker
from pipeline.dedup.clusters import (
    ANCHORS,
    WHOLE_COMPONENT,
    WIDE_BUCKET,
    find_candidate_pairs,
    find_clusters,
    find_equal_runs,
)
from pipeline.dedup.link_buckets import LINK
from pipeline.dedup.spanning_forest import SpanningForest, span_forest

THRESHOLD = 0.8
Edges = dict[tuple[int, int], float]


@st.composite
def graphs(draw) -> tuple[int, Edges]:
    """Chains, stars, cliques and random graphs, of pages whose preference has nothing to do with their place."""
    size = draw(st.integers(2, 24))
    pages = draw(st.permutations(range(size)))
    pairs = [(a, b) for n, a in enumerate(pages) for b in pages[n + 1 :]]
    shape = draw(st.sampled_from(["chain", "star", "clique", "random"]))
    if shape == "chain":
        pairs = list(zip(pages, pages[1:], strict=False))
    elif shape == "star":
        pairs = [(pages[0], other) for other in pages[1:]]
    elif shape == "random":
        pairs = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=40, unique=True))
    similarities = st.floats(THRESHOLD, 1).map(lambda value: round(value, 2))
    return size, {(min(pair), max(pair)): draw(similarities) for pair in pairs}


def clusters_of(size: int, edges: Edges, fixed: int = 0):
    bands = np.arange(size, dtype=np.uint64)[:, None]  # no candidates: every pair of a small group is compared
    similarity = lambda a, b: edges.get((a, b), 0.5)  # noqa: E731
    return find_clusters(size, bands, similarity, THRESHOLD, [n < fixed for n in range(size)])


def check(edges: Edges, found, fixed: int = 0) -> None:
    """Check what must hold for any verdicts on a graph."""
    drops = [drop for cluster in found for drop in cluster.removed]
    gone = {drop.page for drop in drops}
    assert len(gone) == len(drops) and not any(page < fixed for page in gone)
    for page, kept, similarity in drops:
        assert kept not in gone and kept < page  # the preferred of the two
        assert similarity == edges[kept, page] >= THRESHOLD
        assert similarity == max(edges.get((other, page), 0) for other in range(page) if other not in gone)
    for a, b in edges:
        assert b < fixed or a in gone or b in gone


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_who_goes_has_a_neighbour_that_stays_and_no_two_that_stay_are_neighbours(graph):
    found = clusters_of(*graph)
    check(graph[1], found)
    for cluster in found:  # the most preferred of a cluster stays
        assert min(cluster.pages) not in {drop.page for drop in cluster.removed}


@settings(max_examples=100, deadline=None)
@given(graphs(), st.integers(1, 8))
def test_pages_of_an_earlier_output_all_stay(graph, fixed):
    size, edges = graph
    own = {pair: similarity for pair, similarity in edges.items() if pair[1] >= fixed}
    check(own, clusters_of(size, edges, fixed), fixed)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_clusters_are_the_connected_components(graph):
    size, edges = graph
    found = {frozenset(cluster.pages) for cluster in clusters_of(size, edges)}
    expected = set()
    for page in {page for pair in edges for page in pair}:
        reached = {page}
        while grown := {p for pair in edges if reached & {*pair} for p in pair} - reached:
            reached |= grown
        expected.add(frozenset(reached))
    assert found == expected
    places, roots = span_forest(np.array(list(edges), np.uint64)).T
    assert {frozenset(places[roots == root].tolist()) for root in set(roots.tolist())} == expected


def test_a_chain_drops_every_second_page_a_star_its_rays_a_clique_all_but_one():
    def gone(edges):
        every = clusters_of(5, dict.fromkeys(edges, 0.9))
        return {drop.page: drop.kept for cluster in every for drop in cluster.removed}

    assert gone(pairwise(range(5))) == {1: 0, 3: 2}
    assert gone((0, ray) for ray in range(1, 5)) == dict.fromkeys(range(1, 5), 0)
    # the hub is the least preferred: only it goes, for its rays are not similar to each other
    assert gone((ray, 4) for ray in range(4)) == {4: 0}
    assert gone((a, b) for a in range(5) for b in range(a + 1, 5)) == dict.fromkeys(range(1, 5), 0)
    assert gone([]) == {}


def test_a_page_names_the_closest_of_those_that_stay():
    assert [cluster.removed for cluster in clusters_of(3, {(0, 2): 0.81, (1, 2): 0.95})] == [[(2, 1, 0.95)]]


def test_a_clique_costs_its_pages_and_not_their_square():
    asked = []

    def similarity(a, b):
        asked.append((a, b))
        return 0.9

    (cluster,) = find_clusters(WHOLE_COMPONENT, np.zeros((0, 1)), similarity, THRESHOLD)
    assert len(cluster.removed) == len(asked) == WHOLE_COMPONENT - 1


def test_a_large_group_compares_candidates_and_then_all_pairs_of_small_clusters():
    """200 pages of 40 clusters: LSH links all of them, and in each cluster only a page with the next."""
    size, bands = 200, np.arange(200 * 3, dtype=np.uint64).reshape(-1, 3) + np.uint64(1000)
    bands[:, 0] = 7  # a wide bucket: anchors and neighbours
    asked = set()

    def similarity(a, b):
        asked.add((a, b))
        return 0.9 if a // 5 == b // 5 else 0.5

    found = find_clusters(size, bands, similarity, THRESHOLD)
    assert [cluster.pages for cluster in found] == [list(range(n, n + 5)) for n in range(0, size, 5)]
    assert {(d.page, d.kept) for c in found for d in c.removed} == {(p, p // 5 * 5) for p in range(size) if p % 5}
    assert len(asked) <= (ANCHORS + 1) * size + 40 * 10


def buckets(size: int, count: int, rng: random.Random) -> np.ndarray:
    """Return one band of `count` buckets of a size, shuffled."""
    keys = [n for n in range(count) for _ in range(size)]
    return np.array(rng.sample(keys, len(keys)), np.uint64)[:, None]


def test_a_narrow_bucket_gives_every_pair_and_the_preferred_first():
    for size in (2, 3, WIDE_BUCKET):
        bands = buckets(size, 3, random.Random(0))
        pairs = find_candidate_pairs(np.concatenate([bands, bands], axis=1)).tolist()
        every = [(a, b) for a in range(len(bands)) for b in range(a + 1, len(bands)) if bands[a] == bands[b]]
        assert sorted(map(tuple, pairs)) == every
    assert not any(len(find_candidate_pairs(np.zeros((size, 4), np.uint64))) for size in (0, 1))


def test_a_wide_bucket_costs_a_multiple_of_its_pages_and_reaches_them_all_from_the_anchors():
    counts = {}
    for size in (500, 5000):
        pairs = {tuple(pair) for pair in find_candidate_pairs(np.zeros((size, 1), np.uint64)).tolist()}
        assert all(a < b for a, b in pairs)
        for anchor in range(ANCHORS):
            assert {b for a, b in pairs if a == anchor} | {a for a, b in pairs if b == anchor} == {*range(size)} - {
                anchor
            }
        assert set(pairwise(range(size))) <= pairs
        counts[size] = len(pairs)
    assert counts[5000] <= (ANCHORS + 1) * 5000 and counts[5000] < 11 * counts[500]


def test_runs_are_those_of_two_and_more():
    starts, lengths = find_equal_runs(np.array([1, 2, 2, 5, 7, 7, 7]))
    assert (starts.tolist(), lengths.tolist()) == ([1, 4], [2, 3])
    assert [len(part) for part in find_equal_runs(np.zeros(0))] == [0, 0]


@pytest.mark.parametrize("at_once", [1, 10, 1 << 20])
def test_links_in_any_number_of_parts_and_any_order_give_the_same_forest(at_once, monkeypatch):
    monkeypatch.setattr(module, "MERGED_LINKS", at_once)
    rng = np.random.default_rng(3)
    links = rng.integers(0, 400, (300, 2)).astype(np.uint64) + np.uint64(1 << 40)
    whole = span_forest(links)
    for parts in (1, 7, 60):
        packer = BlockPacker(0)
        some = [packer.pack_one(pa.table(list(part.T), schema=LINK)) for part in np.array_split(links[::-1], parts)]
        combine, accumulators = SpanningForest(), []
        for group in (some[::2], [], some[1::2]):
            accumulator = combine.create_accumulator()
            for block in group:
                accumulator = combine.add_input(accumulator, block)
            accumulators.append(pickle.loads(pickle.dumps(combine.compact(accumulator))))
        for order in (accumulators, accumulators[::-1]):
            forest = combine.extract_output(combine.merge_accumulators(copy.deepcopy(order)))
            assert np.array_equal(np.stack([column.to_numpy() for column in forest.columns], axis=1), whole)
    places, roots = whole.T
    assert set(places.tolist()) == set(links.ravel().tolist())
    assert all(places[roots == root].min() == root for root in roots.tolist())
    none = SpanningForest()
    assert none.extract_output(none.create_accumulator()).num_rows == 0
