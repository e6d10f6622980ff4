"""The comparison with datatrove: every reason has a name on both sides, and a difference is seen."""

import json

import pytest

from bench import agreement
from pipeline.filters import c4, fineweb, gopher_quality, gopher_repetition
from pipeline.filters.chain import RulesConfig
from pipeline.text.tokenize.words import count_line_sentences, split_words

TEXT = "This is one sentence of the text. It has that and this. So it goes on. And on. And it ends with this one here."


def test_every_reason_of_ours_is_one_of_datatrove_s() -> None:
    thresholds = {
        "gopher_repetition": gopher_repetition.REPETITION_THRESHOLDS["datatrove"],
        "gopher_quality": gopher_quality.QUALITY_THRESHOLDS["datatrove"],
        "c4": c4.C4_THRESHOLDS,
        "fineweb": fineweb.FINEWEB_THRESHOLDS,
    }
    beyond = {"c4": {"too-long", "empty"}}  # datatrove has no such limits
    for family, names in agreement.REASONS.items():
        reasons = {threshold.reason for threshold in thresholds[family]} - beyond.get(family, set())
        assert reasons == set(names.values())
    assert agreement.translate_reason("c4_line_ends", "curly_bracket") == "c4/curly-bracket"
    assert agreement.translate_reason("chain", "fineweb/list_ratio") == "fineweb/newlines"
    assert agreement.translate_reason("fineweb", "") == ""


def answer(**reasons: str) -> dict:
    kept = {name: "" for name in agreement.OURS}
    lines = {line: count_line_sentences(line) for line in TEXT.split("\n")}
    cleaned = {name: TEXT for name in agreement.OURS}
    return {"reasons": kept | reasons, "cleaned": cleaned, "words": {TEXT: split_words(TEXT)}, "sentences": lines}


def test_what_differs_is_counted_by_rule(capsys: pytest.CaptureFixture[str]) -> None:
    given = answer(gopher_repetition="top_4_gram", chain="gopher_repetition/top_4_gram")
    agreement.compare_rules([TEXT], [True], [json.loads(json.dumps(given))])
    shown = capsys.readouterr().out
    assert shown.count("gopher_quality: kept -> gopher_quality/too-few-words  1") == 2  # with their words and ours
    assert "chain:" not in shown and "gopher_repetition:" not in shown
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.startswith("  c4")}
    assert rows["c4"] == ["1", "1", "0", "0", "0"]


def test_another_cleaned_text_is_a_difference(capsys: pytest.CaptureFixture[str]) -> None:
    other = answer()
    other["cleaned"]["c4"] = TEXT[:-1]
    agreement.compare_rules([TEXT], [False], [other])
    assert "c4                        1      0       1          0                  1" in capsys.readouterr().out
    assert isinstance(RulesConfig(**agreement.OURS["chain"]), RulesConfig)
