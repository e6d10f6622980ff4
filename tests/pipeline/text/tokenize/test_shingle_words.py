"""Units by known answers, and that a unit's hash depends on the unit alone."""

import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.tokenize.shingle_words import (
    CHUNK,
    FOLDED_RANGES,
    find_changing_characters,
    find_word_bounds,
    fold_code_points,
    hash_shingle_words,
    list_characters,
)


def units(text: str) -> list[str]:
    folded, kind = fold_code_points(text)
    return ["".join(map(chr, folded[start:end])) for start, end in zip(*find_word_bounds(kind), strict=True)]


def hashes(text: str) -> list[int]:
    (found,) = each([text])
    return found


def each(texts: list[str]) -> list[list[int]]:
    parts = [np.split(found, np.cumsum(lengths)[:-1]) for found, lengths in hash_shingle_words(texts)]
    return [one.tolist() for part in parts for one in part]


def test_units_are_words_or_characters_where_words_have_no_spaces():
    assert units("The Mill's 3rd_stone — ＯＬＤ") == ["the", "mill", "s", "3rd", "stone", "old"]
    assert units("老磨坊2024年 Beam") == ["老", "磨", "坊", "2024", "年", "beam"]
    assert units("ガラスのコップ") == list("ガラスのコップ")
    assert units("น้ำ") == list("น้ำ")
    assert units("старая Мельница") == ["старая", "мельница"]
    assert units(" \n—!? ") == units("") == []


def test_a_word_keeps_the_marks_on_its_letters():
    assert units("नमस्ते, दुनिया!") == ["नमस्ते", "दुनिया"]  # vowel signs and virama are marks, not letters
    assert units("दिन") != units("दीन")  # day, poor: they differ in the vowel sign alone
    assert units("பழைய ஆலை") == ["பழைய", "ஆலை"]
    assert units("за\u0301мок") == ["за\u0301мок"]  # a stress mark
    assert units("a\ufe0f \u0301 b") == ["a\ufe0f", "b"]  # a mark without a letter is no word
    assert units("\u0301\u0301a") == ["a"]
    assert units("mill, old_stone 5½ " + "老磨नि") == ["mill", "old", "stone", "5½", "老", "磨", "नि"]


def test_forms_of_one_word_are_one_unit():
    assert units("CAFE\u0301 Café ｃafé") == ["café"] * 3
    assert units("İstanbul ISTANBUL") == ["istanbul"] * 2
    assert units("Σίσυφος ΣΊΣΥΦΟΣ") == ["σίσυφοσ"] * 2
    assert units("한국어 Việt Nam") == ["한국어", "việt", "nam"]
    assert units(unicodedata.normalize("NFD", "Việt Nam, Źdźbło, ệ ǖ 한국어")) == units("Việt Nam, Źdźbło, ệ ǖ 한국어")
    assert units("ｶﾅ １２ Ⅷ") == ["カ", "ナ", "12", "ⅷ"]


@given(st.lists(st.text(), max_size=6))
def test_each_text_s_hashes_are_its_own_whatever_it_comes_with(texts):
    assert each(texts) == [hashes(text) for text in texts]


@given(st.text(), st.text())
def test_equal_units_have_equal_hashes_and_others_others(a, b):
    both = units(f"{a} {b}")
    found = hashes(f"{a} {b}")
    assert len(set(zip(both, found, strict=True))) == len(set(both)) == len(set(found))


def test_a_word_is_the_same_at_the_end_of_a_long_text():
    long = " ".join(["grain", "мельница", "磨"] * (CHUNK // 5))
    found = hashes(long)
    assert len(found) == 3 * (CHUNK // 5) and len(set(found)) == 3
    assert found[:3] == [hashes(word)[0] for word in ("grain", "мельница", "磨")]
    endless = hashes("x" * (3 * CHUNK) + " grain")
    assert endless[-1] == found[0] and len(endless) == 2


def test_words_of_the_same_letters_differ():
    words = ["abc", "acb", "bca", "ab", "ba", "aab", "aba", "a" * 30, "a" * 31]
    assert len(set(hashes(" ".join(words)))) == len(words)
    values = np.array(hashes(" ".join(str(n) for n in range(20_000))), np.uint64)
    assert len(np.unique(values & np.uint64(0xFFFFFFFF))) > 19_990  # 32 bits: .05 pairs collide by chance


def test_every_character_with_a_lower_case_or_a_decomposition_is_found():
    found = set(find_changing_characters())
    for start, stop in FOLDED_RANGES:
        for character in list_characters(start, stop):
            changes = character.lower() != character or bool(unicodedata.decomposition(character))
            assert changes == (character in found)
