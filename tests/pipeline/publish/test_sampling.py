"""Sampling: what weights, temperature, buckets and draws mean for a page, whatever the order of the corpus."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config, build_config
from pipeline.publish.candidates import CandidatePage
from pipeline.publish.distribution import ScoreDistribution, build_distribution, find_bucket, round_score
from pipeline.publish.mixture import CorpusTotals, temperature_factor, weigh_cell
from pipeline.publish.sampling import decide_sampling, draw_site, find_anneal_quotas, find_cell, in_anneal
from pipeline.settings import ConfigError

NONE = CorpusTotals({"news": 1}, ScoreDistribution(), (0.0, 0.0))


def page(number: int = 0, **over) -> CandidatePage:
    facts = {"site": f"s{number}.example", "domain": "news", "language": "en", "quality": None, "size": 100}
    return CandidatePage(0, number, f"<urn:uuid:{number}>", **facts | over)


def mix(publish: dict | None = None, **weights) -> Config:
    settings = {"inputs": ["x"], "output": "x", "weights": weights, "publish": {"validation": 0} | (publish or {})}
    return build_config(settings)


@pytest.mark.parametrize("weight, least, most", [(0, 0, 0), (0.5, 450, 550), (1, 1000, 1000), (2, 2000, 2000)])
def test_a_weight_is_how_often_a_page_is_published_on_average(weight, least, most):
    config = mix(domains={"news": weight})
    copies = [decide_sampling(page(n), "", NONE, config) for n in range(1000)]
    assert least <= sum(c.copies for c in copies) <= most
    assert all(c.exclusion == ("" if c.copies else "mix") for c in copies)


def test_a_part_of_a_copy_is_drawn_and_repeats_are_capped():
    config = mix(languages={"en": 2.25})
    times = Counter(decide_sampling(page(n), "", NONE, config).copies for n in range(2000))
    assert set(times) == {2, 3} and 0.2 < times[3] / 2000 < 0.3
    capped = decide_sampling(page(), "", NONE, mix(domains={"news": 9}, max_repeats=3))
    assert (capped.copies, capped.weight, capped.wanted) == (3, 3.0, 9.0)


def test_the_floor_is_below_every_weight_but_0():
    config = mix(domains={"news": 0.1, "adult": 0}, min_weight=0.5)
    weights = [decide_sampling(page(domain=domain), "", NONE, config).weight for domain in ("news", "code", "adult")]
    assert weights == [0.5, 1.0, 0.0]


def test_factors_multiply_and_an_unscored_page_has_none_for_its_quality():
    scores = build_distribution({n / 10: 1 for n in range(10)}, 20)
    config = mix(domains={"news": 2}, languages={"de": 3}, quality=[0.5, 1, 2])
    totals = CorpusTotals({"news": 1}, scores)

    def wanted(candidate):
        return weigh_cell(find_cell(candidate, scores, config), totals, config.weights).wanted

    assert wanted(page(language="de", quality=0.9)) == 2 * 3 * 2
    assert wanted(page(language="de", quality=0.0)) == 2 * 3 * 0.5
    assert wanted(page(language="de")) == 2 * 3
    assert wanted(page(domain="code")) == 1


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200), st.integers(1, 7))
def test_buckets_are_quantiles(values, buckets):
    scores = build_distribution(Counter(map(round_score, values)), len(values))
    numbers = [find_bucket(value, scores, buckets) for value in values]
    assert all(number is not None and 0 <= number < buckets for number in numbers)
    by_score = sorted(zip(map(round_score, values), numbers, strict=True))
    assert [number for _, number in by_score] == sorted(numbers)  # a better page is never in a worse bucket
    if len(set(map(round_score, values))) == len(values) and len(values) % buckets == 0:
        assert set(Counter(numbers).values()) == {len(values) // buckets}


def test_pages_of_one_score_share_the_bucket_of_their_middle():
    scores = build_distribution({0.1: 40, 0.5: 50, 0.9: 10}, 100)
    assert [find_bucket(value, scores, 4) for value in (0.1, 0.5, 0.9)] == [0, 2, 3]
    assert find_bucket(0.5, build_distribution({0.5: 9}, 9), 3) == 1


def test_pages_without_scores_or_buckets_have_none():
    assert find_bucket(None, build_distribution({0.5: 1}, 1), 4) is None
    assert find_bucket(0.5, build_distribution({0.5: 1}, 1), 0) is None


@given(st.dictionaries(st.sampled_from(["news", "code", "forum", "other"]), st.integers(1, 10**12), min_size=1))
def test_temperature_flattens_the_domains_shares(sizes):
    whole = sum(sizes.values())

    def shares(temperature):
        return {name: temperature_factor(name, sizes, temperature) * size / whole for name, size in sizes.items()}

    for temperature in (1.0, 2.0, 1e9):
        assert sum(shares(temperature).values()) == pytest.approx(1)
    assert shares(1.0) == pytest.approx({name: size / whole for name, size in sizes.items()})
    assert shares(1e9) == pytest.approx(dict.fromkeys(sizes, 1 / len(sizes)), rel=1e-6)
    for name, other in zip(sizes, list(sizes)[1:], strict=False):
        ratio = shares(2.0)[name] / shares(2.0)[other]
        assert ratio == pytest.approx((sizes[name] / sizes[other]) ** 0.5)


def count_scores(pages):
    """Return the distribution of the pages' scores."""
    return build_distribution(Counter(round_score(p.quality) for p in pages if p.quality is not None), len(pages))


@pytest.mark.parametrize("share", [0, 0.03, 0.25, 1])
def test_anneal_is_the_best_share_of_the_train_pages(share):
    pages = [page(n, quality=(n * 7 % 1000) / 1000) for n in range(1000)] + [page(n) for n in range(1000, 1500)]
    config = mix({"anneal": share})
    quotas = find_anneal_quotas(None, {("news", ""): count_scores(pages)}, config)
    chosen = {p.quality for p in pages if in_anneal(p, quotas, config)}
    wanted = min(1000, round(1500 * share))
    assert chosen == {n / 1000 for n in range(1000 - wanted, 1000)}


def test_of_equally_good_pages_the_ones_to_anneal_are_drawn():
    pages = [page(n, quality=0.5) for n in range(4000)]
    config = mix({"anneal": 0.1})
    quotas = find_anneal_quotas(None, {("news", ""): count_scores(pages)}, config)
    chosen = [in_anneal(p, quotas, config) for p in pages]
    assert 330 < sum(chosen) < 470
    other = replace(config, seed=1)
    assert chosen != [in_anneal(p, quotas, other) for p in pages]


@pytest.mark.parametrize(
    ("limit", "code", "expected"),
    [
        (1, 100, {"news": 100, "code": 0}),  # the best pages are all news
        (0.6, 100, {"news": 60, "code": 40}),
        (0.6, 10, {"news": 90, "code": 10}),  # there is no more code
    ],
)
def test_no_domain_has_more_of_anneal_than_its_quota_while_others_have_pages(limit, code, expected):
    news = [page(n, quality=0.5 + n / 2000) for n in range(900)]
    others = [page(n, domain="code", quality=n / 10_000) for n in range(900, 900 + code)]
    unscored = [page(n, domain="code") for n in range(900 + code, 1000)]
    config = mix({"anneal": 0.1, "anneal_max_domain": limit})
    domains = {"news": news, "code": [*others, *unscored]}
    quotas = find_anneal_quotas(None, {(name, ""): count_scores(pages) for name, pages in domains.items()}, config)
    chosen = {name: [p for p in pages if in_anneal(p, quotas, config)] for name, pages in domains.items()}
    assert {name: len(pages) for name, pages in chosen.items()} == expected
    for name, pages in chosen.items():
        rest = [p.quality for p in domains[name] if p.quality is not None and p not in pages]
        assert not pages or not rest or min(p.quality for p in pages) > max(rest)


def test_anneal_of_a_corpus_of_articles_has_other_types_while_these_have_pages():
    """Four of five pages are articles, most of them news, and these have the best scores."""
    articles = [page(n, domain=("news", "science")[n % 10 == 0], page_type="article", quality=0.9) for n in range(800)]
    others = [
        page(n, domain=("code", "forum", "sport")[n % 3], page_type=("documentation", "forum")[n % 2], quality=n / 2000)
        for n in range(800, 1000)
    ]
    config = mix({"anneal": 0.1, "anneal_max_domain": 0.5, "anneal_max_type": 0.4})
    parts: dict[tuple[str, str], list[CandidatePage]] = {}
    for p in (*articles, *others):
        parts.setdefault((p.domain, p.page_type), []).append(p)
    quotas = find_anneal_quotas(None, {part: count_scores(pages) for part, pages in parts.items()}, config)
    chosen = [p for p in (*articles, *others) if in_anneal(p, quotas, config)]
    types, domains = Counter(p.page_type for p in chosen), Counter(p.domain for p in chosen)
    assert 90 < len(chosen) < 110 and 30 < types["article"] < 50 and max(types.values()) < 50
    assert max(domains.values()) < 55 and len(domains) == 5


def test_types_have_weights_like_domains():
    config = mix(types={"documentation": 3, "product": 0})
    copies = {
        name: decide_sampling(page(page_type=name), "", NONE, config).copies
        for name in ("documentation", "product", "article", "")
    }
    assert copies == {"documentation": 3, "product": 0, "article": 1, "": 1}
    with pytest.raises(ConfigError, match="docs"):
        mix(types={"docs": 2})


def test_validation_takes_whole_sites_once_each_page():
    config = mix({"validation": 0.2}, domains={"news": 3})
    copies = {
        (s, n): decide_sampling(page(n, site=f"s{s}.example"), "", NONE, config) for s in range(300) for n in range(3)
    }
    held = {s for (s, _), c in copies.items() if c.split == "validation"}
    assert 40 <= len(held) <= 80
    for (s, _), c in copies.items():
        assert (c.split, c.copies) == (("validation", 1) if s in held else ("train", 3))


def test_of_two_sites_or_more_one_is_held_for_validation_however_small_its_share():
    sites = [page(n) for n in range(5)]
    config = mix({"validation": 1e-9})
    draws = [draw_site(p, config.seed) for p in sites]
    totals = CorpusTotals({"news": 1}, ScoreDistribution(), (min(draws), max(draws)))
    assert sum(decide_sampling(p, "", totals, config).split == "validation" for p in sites) == 1
    alone = CorpusTotals({"news": 1}, ScoreDistribution(), (draws[0], draws[0]))
    assert decide_sampling(sites[0], "", alone, config).split == "train"
    assert all(decide_sampling(p, "", totals, mix()).split == "train" for p in sites)  # a share of 0 means none


def test_pages_over_the_cap_of_a_site_are_exclusion_for_that():
    copies = decide_sampling(page(), "site-cap", NONE, mix(domains={"news": 0}))
    assert (copies.exclusion, copies.copies) == ("site-cap", 0)


@pytest.mark.parametrize(
    "weights, message",
    [
        ({"domains": {"tecnology": 2}}, r"weights\.domains\.tecnology: .* did you mean 'technology'\?"),
        ({"domains": {"news": -1}}, r"weights\.domains\.news: -1 cannot be used"),
        ({"quality": [1, -1]}, r"weights\.quality\.1: -1 cannot be used"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weights, message):
    with pytest.raises(ConfigError, match=message):
        mix(**weights)
