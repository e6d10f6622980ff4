"""C4's rules: keep lines that are sentences, drop pages that are placeholders or code."""

import re
from functools import cache
from typing import ClassVar, Literal, NamedTuple

from pydantic import model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from pipeline.filters.base import Count, Filter, Threshold
from pipeline.filters.statistics import TextStatistics
from pipeline.settings import STRICT
from pipeline.text.parts import cut_at_newlines

CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
END_MARKS = {"code": (".", "?", "!", '"'), "paper": (".", "?", "!", '"', "'")}
PAPER = {"max_characters": None, "min_words_per_line": 3, "min_sentences": 5}  # where the variant differs

C4_COUNTS = (
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
C4_THRESHOLDS = (
    Threshold("max_characters", "too-long", "c4_characters"),
    Threshold("max_lorem_ipsum_lines", "lorem-ipsum", "c4_lorem_ipsum_lines"),
    Threshold("max_curly_bracket_lines", "curly-bracket", "c4_curly_bracket_lines"),
    Threshold("min_sentences", "too-few-sentences", "c4_sentences", is_minimum=True),
    Threshold("min_lines", "empty", "c4_kept_lines", is_minimum=True),
)


class LineRules(NamedTuple):
    """The rules on lines that can apply to one text: those that are on, and whose phrase the text has anywhere."""

    longest_word: int | None
    fewest_words: int
    end_marks: tuple[str, ...]  # empty: a line needs none
    words_without_citations: bool
    citation: bool
    lorem_ipsum: bool
    javascript: bool
    curly_bracket: bool
    policy: bool

    def find_fault(self, line: str, counts: dict[str, int]) -> tuple[str, str]:
        """Return a line without its citations, and the count of the first rule that it fails ("" where it is kept).

        A page is dropped for whichever of lorem ipsum and curly bracket comes first, so only that one is counted.
        """
        longest = self.longest_word
        if longest is not None and len(line) > longest and word_beyond(longest).search(line):
            return line, "c4_long_word_lines"
        uncited = CITATION.sub("", line) if self.citation and "[" in line else line
        if self.end_marks and (not uncited.endswith(self.end_marks) or uncited.endswith("...")):
            return uncited, "c4_unended_lines"
        counted = uncited if self.words_without_citations else line
        if self.fewest_words and len(counted.split(None, self.fewest_words - 1)) < self.fewest_words:
            return uncited, "c4_few_word_lines"
        return uncited, self.find_phrase(uncited, counts)

    def find_phrase(self, line: str, counts: dict[str, int]) -> str:
        """Return the count of the first phrase that a line has and must not have, or ""."""
        if not (self.lorem_ipsum or self.javascript or self.curly_bracket or self.policy):
            return ""
        lower = line.lower()
        if self.lorem_ipsum and not counts["c4_curly_bracket_lines"] and "lorem ipsum" in lower:
            return "c4_lorem_ipsum_lines"
        if self.javascript and "javascript" in lower:
            return "c4_javascript_lines"
        if self.curly_bracket and not counts["c4_lorem_ipsum_lines"] and "{" in line:
            return "c4_curly_bracket_lines"
        return "c4_policy_lines" if self.policy and mentions_policy(lower) else ""


@dataclass(frozen=True, config=STRICT)
class C4Filter(Filter):
    """C4's line and page rules (Raffel et al. 2020) in their two readings.

    `code` is what built C4 (tensorflow_datasets/text/c4_utils.py, clean_page): 5 words a line after citations are
    taken out, 3 sentences a page, pages up to 190,000 characters. `paper` is what the paper says and datatrove runs
    (datatrove/pipeline/filters/c4_filters.py): 3 words a line before citations are taken out, 5 sentences, ' ends a
    line too. The phrases (javascript, policies) are English, as published. Words of a line are what white space
    parts, so where a language has none between words the rules on words do not apply, nor that on sentences where
    they end without a mark.
    """

    counts: ClassVar[tuple[str, ...]] = C4_COUNTS

    variant: Literal["code", "paper"] = "code"  # whose code is followed
    max_characters: Count | None = 190_000
    strip_lines: bool = True  # as published; false keeps indentation, which code needs
    max_word_length: Count | None = 1000  # a line with a longer one goes
    remove_citations: bool = True  # [1], [edit], [citation needed]
    terminal_punctuation: bool = True  # a line without an end mark (ASCII), or with "...", goes
    min_words_per_line: Count | None = 5  # a line with fewer words is removed
    javascript: bool = True  # a line that mentions it goes
    policy: bool = True  # a line that mentions cookies, terms of use or a privacy policy goes
    max_lorem_ipsum_lines: Count | None = 0
    max_curly_bracket_lines: Count | None = 0
    min_sentences: Count | None = 3
    min_lines: Count | None = 1

    @model_validator(mode="before")
    @classmethod
    def variant_defaults(cls, given: object) -> object:
        """Lay what is given over the variant's own values."""
        values = dict(given.kwargs or {}) if isinstance(given, ArgsKwargs) and not given.args else given
        return {**PAPER, **values} if isinstance(values, dict) and values.get("variant") == "paper" else given

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the page's thresholds in the order of the code."""
        return C4_THRESHOLDS

    def edit_text(self, text: TextStatistics) -> tuple[str, dict[str, float]]:
        """Return the lines that are kept, and how many were dropped for what, each for the first rule that it fails."""
        counts = dict.fromkeys(C4_COUNTS, 0)
        rules = self.line_rules(text)
        parts = []
        for part in cut_at_newlines(text.text):
            lines, kept = part.splitlines(), []
            counts["c4_lines"] += len(lines)
            for line in lines:
                line, fault = rules.find_fault(line.strip() if self.strip_lines else line.rstrip(), counts)
                if fault:
                    counts[fault] += 1
                else:
                    kept.append(line)
            counts["c4_kept_lines"] += sum(1 for line in kept if line)
            counts["c4_sentences"] += 0 if text.unpunctuated else text.count_sentences(kept)
            if kept:
                parts.append("\n".join(kept))
        if text.unpunctuated:
            del counts["c4_sentences"]
        cleaned = "\n".join(parts)
        cleaned = cleaned.strip() if self.strip_lines else cleaned.strip("\n").rstrip()
        return cleaned, {"c4_characters": float(len(text.text)), **{name: float(n) for name, n in counts.items()}}

    def line_rules(self, text: TextStatistics) -> LineRules:
        """Return the rules on lines that can apply to a text."""
        lower = text.text.lower()
        return LineRules(
            longest_word=None if text.unspaced else self.max_word_length,
            fewest_words=0 if text.unspaced else self.min_words_per_line or 0,
            end_marks=END_MARKS[self.variant] if self.terminal_punctuation else (),
            words_without_citations=self.variant == "code",
            citation=self.remove_citations and "[" in lower,
            lorem_ipsum=self.max_lorem_ipsum_lines is not None and "lorem ipsum" in lower,
            javascript=self.javascript and "javascript" in lower,
            curly_bracket=self.max_curly_bracket_lines is not None and "{" in lower,
            policy=self.policy and mentions_policy(lower),
        )


@cache
def word_beyond(length: int) -> "re.Pattern[str]":
    """Return the pattern of a word, as white space parts them, of more characters than `length`."""
    return re.compile(rf"(?<!\S)\S{{{length + 1}}}")


def mentions_policy(lower: str) -> bool:
    """Whether a text in lower case has one of the phrases."""
    return any(phrase in lower for phrase in POLICY)
