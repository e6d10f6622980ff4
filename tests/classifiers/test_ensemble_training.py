"""The training of the quality ensemble: what it may learn from, and what its parts learn."""

import gzip
import json
import random

import numpy as np
import pytest

from classifiers.ensemble import labelled_texts
from classifiers.ensemble.fit_members import fit_fluency, fit_wording, spread_words
from classifiers.ensemble.fluency import FluencyTable, score_fluency
from classifiers.ensemble.labelled_texts import LabelledText, cut_book, read_folder_texts
from classifiers.ensemble.train import SIZES, TYPE_WEIGHTS, stress_types, weigh_members, weigh_texts
from classifiers.ensemble.wording import hash_page_words, score_wording
from classifiers.quality.metrics import compute_matched_auc, compute_roc_auc

TEXT = "The mill stands by the river, and the river turns the wheel of the mill. Nobody remembers another time."


def write_lines(path, rows):
    """Write JSON lines, compressed."""
    with gzip.open(path, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def test_nothing_is_learned_from_the_test_split_of_a_benchmark(tmp_path, monkeypatch):
    """Pages of the benchmark's set without human gold are its test split, whoever labelled them."""
    pages = [LabelledText(name, f"https://{name}.example/", name, "", TEXT, "", "") for name in "abcd"]
    sets = {"a": "wcxb", "b": "wcxb", "c": "other", "d": "wcxb"}
    gold = [
        {"record_id": "a", "gold_kind": "human", "meta": {"page_type": "article"}},
        {"record_id": "b", "gold_kind": "snippets", "meta": {"page_type": "product"}},
        {"record_id": "c", "gold_kind": "snippets", "meta": {"page_type": "product"}},
    ]
    write_lines(tmp_path / "index.jsonl.gz", [{"record_id": name, "set": kind} for name, kind in sets.items()])
    write_lines(tmp_path / "gold.jsonl.gz", gold)
    monkeypatch.setattr(labelled_texts, "read_main_texts", lambda paths: iter(pages))
    found = read_folder_texts(tmp_path, dict.fromkeys("abcd", "keep"))
    assert [(page.id, page.type, page.label, page.language) for page in found] == [
        ("a", "article", "keep", "en"),
        ("c", "", "keep", "en"),
    ]


def test_a_readers_label_counts_before_the_type():
    page = LabelledText("a", "", "", "en", TEXT, "article", "")
    assert (page.good, page._replace(label="drop").good, page._replace(label="borderline").good) == (1, 0, 0.5)
    assert page._replace(type="product").good == 0


def test_both_classes_weigh_the_same_among_texts_of_one_length():
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.uniform(5, 10, 4000))
    good = (rng.random(4000) < np.minimum(0.9, lengths / 9000)).astype(float)  # long texts are mostly good
    weight, kind = weigh_texts(good, lengths), np.searchsorted(SIZES, lengths, side="right")
    assert weight.mean() == pytest.approx(1)
    for number in range(1, len(SIZES) + 1):
        mine = kind == number
        assert weight[mine] @ good[mine] == pytest.approx(weight[mine] @ (1 - good[mine]), rel=0.1)


def test_a_score_that_knows_the_length_alone_is_worth_nothing_among_equal_lengths():
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(5, 10, 3000))
    labels = (rng.random(3000) < np.minimum(0.9, sizes / 9000)).astype(int)
    assert compute_roc_auc(sizes, labels) > 0.8
    assert compute_matched_auc(sizes, labels, sizes, 0.02) == pytest.approx(0.5, abs=0.05)
    assert compute_matched_auc(labels, labels, sizes) == 1
    assert compute_matched_auc(sizes, np.ones(3000), sizes) is None


def test_the_wording_learns_words_whatever_the_number_of_them():
    rng = random.Random(0)
    good = [" ".join(rng.choices("mill river wheel stone flour".split(), k=rng.randint(20, 200))) for _ in range(40)]
    other = [" ".join(rng.choices("cart price sale login stone".split(), k=rng.randint(20, 200))) for _ in range(40)]
    texts, labels = good[:30] + other[:30], np.repeat([1.0, 0.0], 30)
    weights = fit_wording(spread_words(hash_page_words(texts), 60), labels, np.ones(60))
    assert (weights == np.round(weights)).all() and abs(weights).max() <= 127
    assert score_wording(good[30:], weights).min() > score_wording(other[30:], weights).max()


def test_fluent_text_is_more_probable_than_its_letters_in_another_order():
    rng = random.Random(0)
    words = "the mill stands by a river that turns wheels while nobody remembers flour stone sack village".split()
    texts = [" ".join(rng.choices(words, k=300)) for _ in range(4)]
    tables = {"en": FluencyTable(fit_fluency(texts[:3]), 0.0, 1.0)}
    shuffled = "".join(rng.sample(texts[3], len(texts[3])))
    fluent, broken, silent, short = score_fluency([texts[3], shuffled, TEXT, "ab"], ["en", "en", "de", "en"], tables)
    assert 0 > fluent > broken + 3
    assert np.isnan([silent, short]).all()


def test_members_that_know_the_same_share_its_weight_and_noise_has_none():
    rng = np.random.default_rng(0)
    good = rng.integers(0, 2, 3000).astype(float)
    known = (good * 2 - 1) + rng.normal(0, 1, 3000)
    first, copy, noise = weigh_members(np.stack((known, known, -known), axis=1), good, np.ones(3000))
    assert first == pytest.approx(copy, rel=0.01) and first > 0 and noise == 0
    assert (first + copy) == pytest.approx(2, rel=0.15)  # the log odds of two normal distributions that far apart


@pytest.mark.parametrize("text", ["", "a\nb", "word " * 3000, "line of a book\n" * 900])
def test_a_book_is_cut_into_pieces_that_make_it_up(text):
    pieces = list(cut_book(text))
    assert "".join(pieces) == text and all(0 < len(piece) <= 4000 for piece in pieces)


def test_a_type_counts_where_members_learn_and_all_texts_together_count_as_before():
    stress = stress_types(np.array([1.0, 1.0, 0.5, 1.0]), ["article", "product", "product", "listing"])
    assert stress.mean() == pytest.approx(1)
    assert stress / stress[0] == pytest.approx([1, TYPE_WEIGHTS["product"], TYPE_WEIGHTS["product"] / 2, 0.3])
