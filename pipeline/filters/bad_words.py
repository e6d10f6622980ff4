"""C4's bad-words rule: a page that holds a listed word goes. No list is shipped."""

import json
import re
from functools import cache, partial

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.filters.base import Count, Filter, Threshold
from pipeline.filters.statistics import TextStatistics
from pipeline.settings import STRICT
from pipeline.text.tokenize.words import UNSPACED

# Listed words that are parts of common words where no space stands between words (C4: c4_utils.py,
# _BADWORDS_ALLOWLIST).
ALLOWED = {"ja": {"sm", "グロ", "女の子"}, "zh": {"性"}}


@cache
def read_word_list(path: str) -> tuple[str, ...]:
    """Return the words of a list: a JSON array of strings, or a text file with a word a line. Lower case, sorted.

    Raises OSError where it cannot be read and ValueError where it holds no words.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read()
    except OSError as error:
        raise type(error)(f"rules.bad_words.lists: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"rules.bad_words.lists: {path} is not UTF-8 text") from error
    try:
        listed = json.loads(content) if content.lstrip().startswith("[") else content.splitlines()
    except json.JSONDecodeError as error:
        raise ValueError(f"rules.bad_words.lists: {path} begins like a JSON array but is none: {error}") from error
    if not all(isinstance(word, str) for word in listed):
        raise ValueError(f"rules.bad_words.lists: {path} must hold words only, as a JSON array or one a line")
    found = sorted({word.strip().lower() for word in listed} - {""})
    if not found:
        raise ValueError(f"rules.bad_words.lists: {path} holds no words")
    return tuple(found)


@cache
def word_list_pattern(path: str, language: str) -> "re.Pattern[str]":
    """Return the pattern of a list's words: alone between characters that are no letters, digits or underscores.

    In languages without spaces anywhere, save the allowed ones, as C4 does.
    """
    if language in UNSPACED:
        allowed = ALLOWED.get(language, set())
        return re.compile("|".join(re.escape(word) for word in read_word_list(path) if word not in allowed))
    return re.compile(rf"(?:\W|^)(?:{'|'.join(map(re.escape, read_word_list(path)))})(?:\W|$)")


def has_bad_word(text: TextStatistics, lists: dict[str, str]) -> float | None:
    """Return 1 where the text holds a word of its language's list, else 0; None for a language without a list."""
    if text.language not in lists:
        return None
    return float(word_list_pattern(lists[text.language], text.language).search(text.text.lower()) is not None)


@dataclass(frozen=True, config=STRICT)
class BadWordsFilter(Filter):
    r"""C4's bad-words rule, (\W|^)(word)(\W|$) in any case (tensorflow_datasets/text/c4_utils.py).

    `lists` names a file per language (lid.176's codes), such as LDNOOBW's; a page in another language has no such rule.
    """

    lists: dict[str, str] = Field(default_factory=dict)  # files with a word or phrase a line, by language
    max_bad_words: Count | None = 0

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the one threshold."""
        return (Threshold("max_bad_words", "listed-word", "bad_words", partial(has_bad_word, lists=self.lists)),)

    def load_data(self) -> None:
        """Read the lists, so that a missing one stops a run at its start. Raises OSError or ValueError."""
        for language, path in sorted(self.lists.items()):
            word_list_pattern(path, language)
