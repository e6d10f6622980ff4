"""RefinedWeb's line rules: shouting, numbers, counters and buttons go; a page that loses too much by it goes whole."""

import re
from typing import ClassVar

from pydantic.dataclasses import dataclass

from pipeline.filters.base import Count, Filter, Share, Threshold
from pipeline.filters.statistics import TextStatistics, share_of
from pipeline.settings import STRICT

COUNTER = re.compile(
    r"\W*\d[,.\d]*[kmb]?\s+"
    r"(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads|views|followers)\W*"
)
BUTTONS = (  # in DCLM's order: where a line has at most so many words, these are cut out of it
    re.compile(r"\s?items in cart", re.IGNORECASE),
    re.compile(r"\s?read more\.\.\.$", re.IGNORECASE),
    re.compile(r"^sign-in\s?", re.IGNORECASE),
)
ANY_BUTTON = re.compile(r"items in cart|read more\.\.\.|sign-in", re.IGNORECASE)
WORD_START = re.compile(r"(?<!\S)[^\W_]")  # parts between white space that begin with a letter or digit

REFINEDWEB_COUNTS = (
    "refinedweb_lines",
    "refinedweb_uppercase_lines",
    "refinedweb_digit_lines",
    "refinedweb_counter_lines",
    "refinedweb_few_word_lines",
    "refinedweb_button_lines",
    "refinedweb_kept_lines",
)
REFINEDWEB_THRESHOLDS = (
    Threshold("max_words_removed", "words-removed", "refinedweb_words_removed"),
    Threshold("min_lines", "empty", "refinedweb_kept_lines", is_minimum=True),
)


@dataclass(frozen=True, config=STRICT)
class RefinedWebLineFilter(Filter):
    """RefinedWeb's line-wise corrections (Penedo et al. 2023, appendix G), by DCLM's definitions.

    baselines/baselines_configs/dclm_baseline_refinedweb.yaml and mappers/modifiers.py of DCLM, except that the full
    stops of "Read more..." are full stops here (DCLM's pattern takes any character). Words are what white space
    parts; where a language has none between words, the rule on words a line does not apply. The phrases are English,
    as published.
    """

    counts: ClassVar[tuple[str, ...]] = REFINEDWEB_COUNTS

    max_uppercase: Share | None = 0.5  # of a line's characters; a line above it goes
    max_digits: Share | None = 0.999999  # a line with a larger share of digits is removed
    counters: bool = True  # a line like "3 likes" goes
    min_words_per_line: Count | None = 2  # a line with fewer words is removed when it looks like a call to action
    button_words: Count | None = 10  # "Sign-in" and the like go from lines of at most so many words
    max_words_removed: Share | None = 0.05
    min_lines: Count | None = 1

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the thresholds on the page."""
        return REFINEDWEB_THRESHOLDS

    def edit_text(self, text: TextStatistics) -> tuple[str, dict[str, float]]:
        """Return the lines that stay and how many went for what, each for the first rule that it fails."""
        counts = dict.fromkeys(REFINEDWEB_COUNTS, 0)
        buttons = self.button_words is not None and ANY_BUTTON.search(text.text) is not None
        kept: list[str] = []
        for line in text.text.split("\n"):
            if not line:
                kept.append(line)
                continue
            counts["refinedweb_lines"] += 1
            if fault := self.find_fault(line, text.unspaced):
                counts[fault] += 1
                continue
            if buttons and has_at_most(line, self.button_words or 0):
                shorter = remove_buttons(line)
                counts["refinedweb_button_lines"] += shorter != line
                line = shorter
                if not line.strip():
                    continue
            kept.append(line)
        cleaned = "\n".join(kept).strip()
        before, after = len(WORD_START.findall(text.text)), len(WORD_START.findall(cleaned))
        counts["refinedweb_kept_lines"] = sum(1 for line in cleaned.split("\n") if line.strip())
        return cleaned, {
            **{name: float(n) for name, n in counts.items()},
            "refinedweb_words_removed": share_of(before - after, before),
        }

    def find_fault(self, line: str, unspaced: bool) -> str:
        """Return the count to which a line goes that is dropped, or an empty string for one that stays."""
        if self.max_uppercase is not None and sum(map(str.isupper, line)) / len(line) > self.max_uppercase:
            return "refinedweb_uppercase_lines"
        if self.max_digits is not None and sum(map(str.isdigit, line)) / len(line) > self.max_digits:
            return "refinedweb_digit_lines"
        if self.counters and COUNTER.fullmatch(line.lower()):
            return "refinedweb_counter_lines"
        fewest = 0 if unspaced else self.min_words_per_line or 0
        if fewest and len(line.split(None, fewest - 1)) < fewest:
            return "refinedweb_few_word_lines"
        return ""


def has_at_most(line: str, words: int) -> bool:
    """Whether a line has at most so many words, as white space parts them."""
    return len(line.split(None, words)) <= words


def remove_buttons(line: str) -> str:
    """Return a line without the labels of buttons."""
    for button in BUTTONS:
        line = button.sub("", line)
    return line
