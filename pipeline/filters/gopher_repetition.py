"""Gopher's repetition rules: how much of a page says what the page has said?"""

from functools import partial
from typing import Literal

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from pipeline.filters import statistics
from pipeline.filters.base import Count, Filter, Share, Threshold
from pipeline.filters.language_thresholds import fineweb2_thresholds
from pipeline.settings import STRICT


def segment_threshold(variant: str, paragraphs: bool, by_characters: bool) -> Threshold:
    """Return the limit on duplicate lines or paragraphs, by number or by characters."""
    kind = "paragraph" if paragraphs else "line"
    name = f"duplicate_{kind}_characters" if by_characters else f"duplicate_{kind}s"
    measure = statistics.datatrove_duplicates if variant == "datatrove" else statistics.dclm_duplicates
    value = partial(measure, paragraphs=paragraphs, by_characters=by_characters)
    return Threshold(f"max_{name}", name.replace("_", "-"), name, value)


def ngram_threshold(variant: str, n: int) -> Threshold:
    """Return the limit on the top n-gram (n up to 4) or on duplicate n-grams (5 and more)."""
    kind = "top" if n < 5 else "duplicate"
    measure = getattr(statistics, f"{variant}_top_ngram" if n < 5 else f"{variant}_duplicate_ngrams")
    return Threshold(f"max_{kind}_{n}gram", f"{kind}-{n}gram", f"{kind}_{n}gram", partial(measure, n=n))


EMPTY = (Threshold("min_characters", "empty", "characters", statistics.count_characters, is_minimum=True),)
# by number and by characters, in the order in which each implementation looks (the first that fails is the reason)
REPETITION_THRESHOLDS = {
    "datatrove": (
        *EMPTY,
        *(
            segment_threshold("datatrove", p, c)
            for p, c in ((True, False), (True, True), (False, False), (False, True))
        ),
        *(ngram_threshold("datatrove", n) for n in range(2, 11)),
    ),
    "gopher": (
        *EMPTY,
        *(segment_threshold("gopher", p, c) for p, c in ((False, False), (True, False), (False, True), (True, True))),
        *(ngram_threshold("dclm", n) for n in range(2, 11)),
    ),
}


@dataclass(frozen=True, config=STRICT)
class GopherRepetitionFilter(Filter):
    """Gopher's repetition rules (Rae et al. 2021, table A1): the same thresholds, defined in two ways.

    `gopher` follows the paper's text as DCLM does (baselines/mappers/filters/content_filters.py,
    massive_web_repetition_filters): every occurrence of what is repeated counts, n-grams are of words without
    punctuation, a word is counted once, shares are of the words' characters, and what occurs once is no repetition.
    `datatrove` is what FineWeb ran (datatrove/pipeline/filters/gopher_repetition_filter.py): from the second
    occurrence on, punctuation is a word, shares are of all characters, and a top n-gram counts even if it occurs
    once. With `by_language: fineweb2` (variant datatrove only) the limits on lines and n-grams are FineWeb-2's, where
    it knows the language.
    """

    variant: Literal["gopher", "datatrove"] = "gopher"  # whose way of counting is used
    by_language: Literal["fineweb2"] | None = None  # use the published thresholds of each language
    min_characters: Count | None = 1
    max_duplicate_lines: Share | None = 0.3
    max_duplicate_paragraphs: Share | None = 0.3
    max_duplicate_line_characters: Share | None = 0.2
    max_duplicate_paragraph_characters: Share | None = 0.2
    max_top_2gram: Share | None = 0.2
    max_top_3gram: Share | None = 0.18
    max_top_4gram: Share | None = 0.16
    max_duplicate_5gram: Share | None = 0.15
    max_duplicate_6gram: Share | None = 0.14
    max_duplicate_7gram: Share | None = 0.13
    max_duplicate_8gram: Share | None = 0.12
    max_duplicate_9gram: Share | None = 0.11
    max_duplicate_10gram: Share | None = 0.1

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the thresholds in the order of the variant's implementation."""
        return REPETITION_THRESHOLDS[self.variant]

    @model_validator(mode="after")
    def same_definitions(self) -> "GopherRepetitionFilter":
        """FineWeb-2's figures are shares as datatrove defines them."""
        if self.by_language and self.variant != "datatrove":
            raise ValueError("by_language: fineweb2 needs variant: datatrove, whose shares its figures are")
        return self

    def threshold_for(self, field: str, language: str) -> float | None:
        """Return the threshold of a field, FineWeb-2's where that is asked for."""
        own = super().threshold_for(field, language)
        return own if own is None or not self.by_language else fineweb2_thresholds(language).get(field, own)
