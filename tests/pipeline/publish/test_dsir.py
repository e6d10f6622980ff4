"""DSIR: what it draws from real corpora is like the target, and a page's importance is its own."""

import json
import lzma

import numpy as np
import pytest

from pipeline.publish.candidates import CandidatePage
from pipeline.publish.distribution import hash_uniform, in_top_share
from pipeline.publish.dsir import add_gumbel_noise, compute_log_ratio, count_features, log_importance
from pipeline.publish.sampling import CountScores, importance_of
from tests.shared import shared_data


@pytest.fixture(scope="module")
def corpora() -> dict[str, list[str]]:
    """Pieces of 2,000 characters of speeches of US presidents, of news and of chat."""
    pieces: dict[str, list[str]] = {"nltk_state_union": [], "nltk_inaugural": [], "nltk_abc": [], "nltk_webtext": []}
    with lzma.open(shared_data("text/corpora.jsonl.xz"), "rt") as lines:
        for row in map(json.loads, lines):
            if row["source"] in pieces:
                mine = pieces[row["source"]]
                mine += [row["text"][at : at + 2000] for at in range(0, min(len(row["text"]), 60_000), 2000)]
    return pieces


def test_pages_like_the_target_are_drawn_from_a_crawl_that_has_few(corpora):
    target = count_features(corpora["nltk_inaugural"], 10_000)
    speeches = corpora["nltk_state_union"][:60]
    crawl = speeches + corpora["nltk_abc"] + corpora["nltk_webtext"]
    assert len(crawl) > 3 * len(speeches)
    values = log_importance(crawl, compute_log_ratio(target, count_features(crawl, 10_000)))
    drawn = sorted(range(len(crawl)), key=lambda n: add_gumbel_noise(values[n], hash_uniform(0, "dsir", n)))[
        -len(speeches) :
    ]
    assert sum(n < len(speeches) for n in drawn) > 0.9 * len(speeches)


def test_a_text_has_the_same_importance_alone_and_among_others():
    ratio = compute_log_ratio(np.arange(64), np.arange(64)[::-1].copy())
    texts = ["", "mill", "the mill", "Мельница стоит у реки", "a " * 70_000, "水车", "."]
    alone = [log_importance([text], ratio)[0] for text in texts]
    assert log_importance(texts, ratio) == alone
    assert alone[0] == alone[-1] == 0 and alone[1] != 0
    assert log_importance(["The  MILL!"], ratio) == [alone[2]]


def test_the_draw_is_without_replacement_by_importance():
    """Gumbel noise: of two pages the first is drawn as often as its share of the weights (Kool et al. 2019)."""
    wins = sum(
        add_gumbel_noise(1.0, hash_uniform(n, "a")) > add_gumbel_noise(0.0, hash_uniform(n, "b")) for n in range(4000)
    )
    assert wins / 4000 == pytest.approx(np.e / (1 + np.e), abs=0.02)


def test_a_long_text_is_as_important_as_its_parts():
    """Length alone moves no page away from the target."""
    ratio = compute_log_ratio(np.arange(64), np.arange(64)[::-1].copy())
    part = " ".join(f"mill{n % 90}" for n in range(900)) + " "
    (one, ten) = log_importance([part, part * 10], ratio)
    assert one == pytest.approx(ten, rel=0.01)


def test_keep_is_a_share_of_the_text_not_of_the_pages():
    """Long pages are the least like the target here: half of the text is nearly all of the pages."""
    pages = [
        CandidatePage(**{**dict.fromkeys(CandidatePage._fields), "id": str(n), "size": 10 + n, "importance": -float(n)})
        for n in range(1000)
    ]
    combine = CountScores(importance_of, by_size=True)
    counts = combine.create_accumulator()
    for page in pages:
        counts = combine.add_input(counts, page)
    found = combine.extract_output(counts)
    kept = [page for page in pages if in_top_share(page.importance, found, 0.5, hash_uniform("tie", page.id))]
    assert sum(page.size for page in kept) / sum(page.size for page in pages) == pytest.approx(0.5, abs=0.01)
    assert len(kept) > 650
