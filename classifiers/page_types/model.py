"""The model of page types, which ships with the package: weights of stems and fields, as of topics, and of the URL."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from classifiers.topics.stem_model import StemModel, load_stem_weights
from classifiers.topics.stems import (
    STEM_WEIGHTS,
    StemRows,
    build_stem_rows,
    count_stem_columns,
    count_stems,
    hash_stems,
    join_columns,
    join_url_words,
    scale_rows,
)

PAGE_TYPES = ("article", "documentation", "forum", "product", "service", "listing")
PAGE_TYPE_MODEL = Path(__file__).parent / "data" / "page_types.txt"
URL_SHARE = 0.6  # how much the stems of a URL weigh beside the rest


def count_type_columns() -> int:
    """Return the number of columns of `build_type_rows`."""
    return count_stem_columns() + STEM_WEIGHTS


def build_type_rows(texts: Sequence[str], urls: Sequence[str]) -> StemRows:
    """Return a row for each page: what the topic model sees, and the stems of its URL."""
    of_url, _ = hash_stems([join_url_words(url) for url in urls])
    return join_columns((build_stem_rows(texts, urls), scale_rows(count_stems(of_url, len(urls)), URL_SHARE)))


def predict_page_types(model: StemModel, texts: Sequence[str], urls: Sequence[str]) -> list[str]:
    """Return the most probable of PAGE_TYPES for each page; "" without text."""
    if not texts:
        return []
    best = model.add_weights(build_type_rows(texts, urls)).argmax(1).tolist()
    return [PAGE_TYPES[number] if any(map(str.isalnum, text)) else "" for text, number in zip(texts, best, strict=True)]


@cache
def load_page_type_model() -> StemModel:
    """Return the model of the package, read once a process. Raises ClassifierError, one line."""
    return load_stem_weights(PAGE_TYPE_MODEL, PAGE_TYPES, count_type_columns())
