"""FineWeb-2's thresholds and stop words by language (lid.176's codes), out of `data/fineweb2.yaml`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.settings import read_table

FINEWEB2 = Path(__file__).parent / "data" / "fineweb2.yaml"


@cache
def read_fineweb2_table() -> dict[str, Mapping[str, Any]]:
    """Return the figures of each language, as the file has them."""
    found: dict[str, Mapping[str, Any]] = read_table(FINEWEB2)
    return found


@cache
def fineweb2_thresholds(language: str) -> dict[str, float]:
    """Return what takes the place of the filters' own thresholds, by field; nothing for a language without figures."""
    found = read_fineweb2_table().get(language)
    if found is None:
        return {}
    shortest, longest = found["word_length"]
    return {
        "max_duplicate_lines": found["duplicate_lines"],
        **{f"max_top_{n}gram": value for n, value in enumerate(found["top_ngrams"], 2)},
        **{f"max_duplicate_{n}gram": value for n, value in enumerate(found["duplicate_ngrams"], 5)},
        "min_ended_lines": found["ended_lines"],
        "max_newlines_per_word": found["newlines"],
        "min_mean_word_length": shortest,
        "max_mean_word_length": longest,
        "min_alphabetic_words": found["alphabetic"],
    }


@cache
def fineweb2_stop_words(language: str) -> frozenset[str]:
    """Return FineWeb-2's stop words of a language, empty where there are none."""
    return frozenset(read_fineweb2_table().get(language, {}).get("stop_words", "").split())
