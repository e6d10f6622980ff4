"""C4's rules: keep lines that are sentences, drop pages that are placeholders or code."""

import re
from typing import Any, Literal

from pydantic import model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from pipeline.filters.base import STRICT, Count, Family, Limit
from pipeline.filters.statistics import Measured

CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
END_MARKS = {"code": (".", "?", "!", '"'), "paper": (".", "?", "!", '"', "'")}
PAPER = {"max_characters": None, "min_words_per_line": 3, "min_sentences": 5}  # where the variant differs

COUNTS = (
    "c4_lines",
    "c4_long_word_lines",
    "c4_unended_lines",
    "c4_few_word_lines",
    "c4_lorem_ipsum_lines",
    "c4_javascript_lines",
    "c4_curly_bracket_lines",
    "c4_policy_lines",
    "c4_kept_lines",
    "c4_sentences",
)
LIMITS = (
    Limit("max_characters", "too-long", "c4_characters"),
    Limit("max_lorem_ipsum_lines", "lorem-ipsum", "c4_lorem_ipsum_lines"),
    Limit("max_curly_bracket_lines", "curly-bracket", "c4_curly_bracket_lines"),
    Limit("min_sentences", "too-few-sentences", "c4_sentences", at_least=True),
    Limit("min_lines", "empty", "c4_kept_lines", at_least=True),
)


@dataclass(frozen=True, config=STRICT)
class C4(Family):
    """C4's line and page rules (Raffel et al. 2020) in their two readings.

    `code` is what built C4 (tensorflow_datasets/text/c4_utils.py, clean_page): 5 words a line after citations are
    taken out, 3 sentences a page, pages up to 190,000 characters. `paper` is what the paper says and datatrove runs
    (datatrove/pipeline/filters/c4_filters.py): 3 words a line before citations are taken out, 5 sentences, ' ends a
    line too. The phrases (javascript, policies) are English, as published. Words of a line are what white space
    parts, so where a language has none between words the rules on words do not apply, nor that on sentences where
    they end without a mark.
    """

    variant: Literal["code", "paper"] = "code"
    max_characters: Count | None = 190_000
    strip_lines: bool = True  # as published; false keeps indentation, which code needs
    max_word_length: Count | None = 1000  # a line with a longer one goes
    remove_citations: bool = True  # [1], [edit], [citation needed]
    terminal_punctuation: bool = True  # a line without an end mark (ASCII), or with "...", goes
    min_words_per_line: Count | None = 5
    javascript: bool = True  # a line that mentions it goes
    policy: bool = True  # a line that mentions cookies, terms of use or a privacy policy goes
    max_lorem_ipsum_lines: Count | None = 0
    max_curly_bracket_lines: Count | None = 0
    min_sentences: Count | None = 3
    min_lines: Count | None = 1

    @model_validator(mode="before")
    @classmethod
    def variant_defaults(cls, given: Any) -> Any:
        """Lay what is given over the variant's own values."""
        values = dict(given.kwargs or {}) if isinstance(given, ArgsKwargs) and not given.args else given
        return {**PAPER, **values} if isinstance(values, dict) and values.get("variant") == "paper" else given

    def limits(self) -> tuple[Limit, ...]:
        """Return the page's limits in the order of the code."""
        return LIMITS

    def clean(self, text: Measured) -> tuple[str, dict[str, float]]:
        """Return the lines that stay and how many went for what, each for the first rule that it fails.

        A page goes for whichever of lorem ipsum and curly bracket comes first, so only that one is counted.
        """
        counts = dict.fromkeys(COUNTS, 0)
        lower = text.text.lower()
        lorem = self.max_lorem_ipsum_lines is not None and "lorem ipsum" in lower
        script = self.javascript and "javascript" in lower
        policy = self.policy and mentions_policy(lower)
        longest = None if text.unspaced else self.max_word_length
        fewest = 0 if text.unspaced else self.min_words_per_line or 0
        bracket = self.max_curly_bracket_lines is not None and "{" in lower
        citation = self.remove_citations and "[" in lower
        lines, kept = text.text.splitlines(), []
        counts["c4_lines"] = len(lines)
        for line in lines:
            line = line.strip() if self.strip_lines else line.rstrip()
            if longest is not None and len(line) > longest and any(len(word) > longest for word in line.split()):
                counts["c4_long_word_lines"] += 1
                continue
            uncited = CITATION.sub("", line) if citation and "[" in line else line
            counted = uncited if self.variant == "code" else line
            if self.terminal_punctuation and (not uncited.endswith(END_MARKS[self.variant]) or uncited.endswith("...")):
                counts["c4_unended_lines"] += 1
            elif fewest and len(counted.split(None, fewest - 1)) < fewest:
                counts["c4_few_word_lines"] += 1
            elif lorem and not counts["c4_curly_bracket_lines"] and "lorem ipsum" in uncited.lower():
                counts["c4_lorem_ipsum_lines"] += 1
            elif script and "javascript" in uncited.lower():
                counts["c4_javascript_lines"] += 1
            elif bracket and "{" in uncited and not counts["c4_lorem_ipsum_lines"]:
                counts["c4_curly_bracket_lines"] += 1
            elif policy and mentions_policy(uncited.lower()):
                counts["c4_policy_lines"] += 1
            else:
                kept.append(uncited)
        counts["c4_kept_lines"] = sum(1 for line in kept if line)
        if text.unpunctuated:
            del counts["c4_sentences"]
        else:
            counts["c4_sentences"] = text.count_sentences(kept)
        cleaned = "\n".join(kept)
        cleaned = cleaned.strip() if self.strip_lines else cleaned.strip("\n").rstrip()
        return cleaned, {"c4_characters": float(len(text.text)), **{name: float(n) for name, n in counts.items()}}


def mentions_policy(lower: str) -> bool:
    """Whether a text in lower case has one of the phrases."""
    return any(phrase in lower for phrase in POLICY)
