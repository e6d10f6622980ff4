"""Signatures against datasketch's own and against theory; normalisation and shingles by known answers."""

import math
import random
import statistics

import numpy as np
import pytest
from datasketch import MinHash

from pipeline.dedup.settings import DedupConfig
from pipeline.text.minhash import (
    MinHashParams,
    compute_band_keys,
    hash_text,
    jaccard_similarity,
    shingle_hashes,
    sign_text,
    sign_texts,
)

PARAMS = MinHashParams()
WORDS = {
    "en": "the old mill by river turned slowly while farmers brought their grain in heavy sacks every autumn".split(),
    "ru": "старая мельница у реки медленно вращалась пока крестьяне везли зерно в тяжёлых мешках каждую осень".split(),
    "zh": list("河边的老磨坊慢慢转动农民们每年秋天都用沉重麻袋运来谷物人说话看书写字开门上山下雨"),
    "ja": list("川沿いの古水車はゆっくり回り農民たち毎年秋に重袋で穀物を運んだカタナコトモ"),
}


def numbers(sketch: bytes) -> np.ndarray:
    return np.frombuffer(sketch, "<u4")


def text_of(language: str, rng: random.Random, length: int) -> list[str]:
    return [rng.choice(WORDS[language]) for _ in range(length)]


def join(language: str, words: list[str]) -> str:
    return ("" if language in ("zh", "ja") else " ").join(words)


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("length", [3, 300, 6000])  # 6000: more shingles than are permuted at a time
def test_a_signature_is_what_datasketch_holds_after_the_same_hashes(language, length):
    text = join(language, text_of(language, random.Random(1), length))
    theirs = MinHash(num_perm=PARAMS.hashes, seed=PARAMS.seed, hashfunc=int, scheme="affine32")
    for value in shingle_hashes(text, PARAMS).tolist():
        theirs.update(value & 0xFFFFFFFF)
    assert numbers(sign_text(text, PARAMS)).tolist() == theirs.hashvalues.tolist()


@pytest.mark.parametrize("language", WORDS)
def test_the_estimate_errs_no_more_than_theory_allows(language):
    """An estimate is a mean of k draws: its error has mean 0 and variance J (1 - J) / k (Broder 1997)."""
    rng, scores = random.Random(language), []
    for n in range(80):
        words = text_of(language, rng, 250)
        other = list(words)
        for place in rng.sample(range(len(words)), 1 + n // 3):
            other[place] = rng.choice(WORDS[language])
        a, b = join(language, words), join(language, other)
        exact = jaccard_similarity(shingle_hashes(a, PARAMS), shingle_hashes(b, PARAMS))
        estimate = float(np.mean(numbers(sign_text(a, PARAMS)) == numbers(sign_text(b, PARAMS))))
        if 0.02 < exact < 0.98:
            scores.append((estimate - exact) / math.sqrt(exact * (1 - exact) / PARAMS.hashes))
    assert len(scores) > 60
    assert abs(statistics.mean(scores)) < 4 / math.sqrt(len(scores))
    assert 0.7 < statistics.pstdev(scores) < 1.3
    assert statistics.mean(map(abs, scores)) < 1.0  # sqrt(2 / pi) = .80 in theory


def test_text_hash_is_blind_to_case_space_and_compatibility_forms_only():
    base = hash_text("Der alte Müller, Seite 5: ﬁn")
    assert len(base) == 16
    for variant in (
        "  der ALTE\u00a0müller,\n\n seite\t5: fin ",
        "Der alte Mu\u0308ller, Seite 5: fin",
        "Ｄｅｒ alte Müller, Seite ５: fin",
    ):
        assert hash_text(variant) == base
    for other in ("Der alte Muller, Seite 5: fin", "Der alte Müller Seite 5: fin", "Deralte Müller, Seite 5: fin"):
        assert hash_text(other) != base


def test_signatures_of_many_texts_are_those_of_each():
    rng = random.Random(5)
    texts = ["", "one", "?!", *(join(n, text_of(n, rng, rng.randrange(1, 4000))) for n in list(WORDS) * 12)]
    texts += ["word " * 60_000, "x" * 200_000, "老" * 90_000]  # longer than is worked on at a time
    assert sign_texts(texts, PARAMS) == [sign_text(text, PARAMS) for text in texts]
    assert [len(sketch) for sketch in sign_texts(texts, PARAMS)[:3]] == [0, 448, 0]


def test_shingles_of_short_and_empty_texts():
    assert len(shingle_hashes("", PARAMS)) == len(shingle_hashes("?!", PARAMS)) == 0
    assert sign_text("", PARAMS) == b"" and compute_band_keys(np.zeros((0, 112), np.uint32), PARAMS).shape == (0, 14)
    assert len(shingle_hashes("one", PARAMS)) == len(shingle_hashes("one two three four five", PARAMS)) == 1
    assert len(shingle_hashes("one two three four five six", PARAMS)) == 2
    assert len(shingle_hashes("a b c d e " * 50, PARAMS)) == 5  # unique: the phrase from each of its words
    assert shingle_hashes("one two", PARAMS).tolist() != shingle_hashes("two one", PARAMS).tolist()
    assert shingle_hashes("ONE, two!", PARAMS).tolist() == shingle_hashes("one two", PARAMS).tolist()


def test_jaccard_by_known_answers():
    def sets(*values):
        return np.array(values, np.uint64)

    assert jaccard_similarity(sets(1, 2, 3, 4), sets(3, 4, 5, 6)) == pytest.approx(1 / 3)
    assert jaccard_similarity(sets(1, 2), sets(1, 2)) == 1
    assert (
        jaccard_similarity(sets(1, 2), sets(3))
        == jaccard_similarity(sets(), sets(3))
        == jaccard_similarity(sets(), sets())
        == 0
    )
    words = [f"w{n}" for n in range(104)]  # 100 shingles of five words, one replaced word changes five of them
    other = [*words[:50], "x", *words[51:]]
    assert jaccard_similarity(
        shingle_hashes(" ".join(words), PARAMS), shingle_hashes(" ".join(other), PARAMS)
    ) == pytest.approx(95 / 105)


def test_band_keys_name_the_band_and_equal_rows_alone():
    params = MinHashParams(bands=3, rows=2)
    sketches = np.array([[0, 1, 2, 3, 4, 5], [0, 1, 2, 9, 4, 5], [0] * 6, [1, 0, 3, 2, 5, 4]], np.uint32)
    keys = compute_band_keys(sketches, params)
    assert keys.dtype == np.uint64 and keys.shape == (4, 3)
    assert (keys[0] == keys[1]).tolist() == [True, False, True]
    assert len(set(keys[2].tolist())) == 3  # the same values in another band
    assert not set(keys[0].tolist()) & set(keys[3].tolist())  # in another order
    assert compute_band_keys(sketches[1:2], params).tolist() == keys[1:2].tolist()


def test_the_config_lays_its_own_numbers_over_the_preset():
    assert DedupConfig().minhash_params().hashes == 112
    assert DedupConfig(preset="dolma3").minhash_params() == MinHashParams(5, 26, 11)
    assert DedupConfig(preset="dolma3", bands=4, shingle=3).minhash_params() == MinHashParams(3, 4, 11)
    assert DedupConfig(preset="datasketch").minhash_params() == MinHashParams(5, 9, 13)  # MinHashLSH(.8, 128)
    assert DedupConfig(preset="datasketch", threshold=0.5, bands=30).minhash_params() == MinHashParams(5, 30, 5)
