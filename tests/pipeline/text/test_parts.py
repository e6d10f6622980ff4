"""A long text is worked on in parts, and nothing that is made of it shows where it was cut."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.filters import statistics, text_shape
from pipeline.filters.c4 import C4Filter
from pipeline.filters.chain import RulesConfig, check_filters, load_filters
from pipeline.filters.dclm import DclmFilter
from pipeline.filters.fineweb import FineWebFilter
from pipeline.filters.gopher_quality import GopherQualityFilter
from pipeline.filters.gopher_repetition import GopherRepetitionFilter
from pipeline.filters.text_shape import TextShapeFilter
from pipeline.text import minhash, parts
from pipeline.text.minhash import MinHashParams, hash_text, sign_texts
from pipeline.text.parts import cut_at_newlines, cut_at_spaces
from pipeline.text.pii.mask import PiiConfig, mask_pii
from pipeline.text.tokenize import ngrams, tokens

PIECES = [
    *("\n", "\n\n", "\n\n\n", " ", "  ", "\t", "\u3000", "\r", "\u2028", "the", "and", "Red", "fox", "fox", "a b"),
    *(".", "。", "…", "...", "- ", "• ", "#", "{", "lorem ipsum", "use cookies", "[1]", "東京", "ΣΟΦΟΣ", "ﬁ", "٣"),
    *("e\u0301", "\u0301", "2026", "192.0.2.1", "jo@example.org", "+49 30 1234567", "4111 1111 1111 1111", "\ud800"),
    "\u0661\u0662\u0663\u0664\u0665\u0666",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
RULES = RulesConfig(
    dclm=DclmFilter(),
    gopher_repetition=GopherRepetitionFilter(),
    gopher_quality=GopherQualityFilter(),
    c4=C4Filter(),
    fineweb=FineWebFilter(),
    text_shape=TextShapeFilter(),
)
DATATROVE = RulesConfig(gopher_repetition=GopherRepetitionFilter(variant="datatrove"))


@contextmanager
def short_parts(size: int) -> Iterator[None]:
    """Have every text of more than `size` characters be a long one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "LONG", size)
        for module in (parts, text_shape):
            patch.setattr(module, "PART", size)
        patch.setattr(parts, "LOOK_AHEAD", 2)
        patch.setattr(minhash, "BLOCK", 8)
        patch.setattr(ngrams, "MANY", 3)
        patch.setattr(tokens, "BLOCK", 16)
        patch.setattr(tokens, "BLOCK_BITS", 4)
        tokens.block_powers.cache_clear()
        yield
    tokens.block_powers.cache_clear()


def describe_text(text: str) -> list[object]:
    """Return all that is made of a text in parts."""
    checks = [check_filters(load_filters(rules), text, "en") for rules in (RULES, DATATROVE)]
    edited = [C4Filter(variant=variant).edit_text(statistics.TextStatistics(text)) for variant in ("code", "paper")]
    made = (hash_text(text), sign_texts(["one two three four five six seven", text, "x"], MinHashParams()))
    return [checks, edited, made, mask_pii(text, PiiConfig())]


@given(TEXTS, st.integers(1, 40))
@settings(deadline=None, max_examples=150)
def test_nothing_shows_where_a_long_text_was_cut(text: str, size: int) -> None:
    whole = describe_text(text)
    with short_parts(size):
        assert describe_text(text) == whole


@given(TEXTS, st.integers(1, 40))
@settings(deadline=None)
def test_parts_end_behind_white_space_and_are_the_text(text: str, size: int) -> None:
    with short_parts(size):
        for cut, ends in ((cut_at_newlines, "\n"), (cut_at_spaces, " \n")):
            found = list(cut(text))
            assert "".join(found) == text
            assert all(part[-1] in ends and len(part) > size for part in found[:-1])
        assert not any(part.startswith("\n") for part in list(cut_at_newlines(text))[1:])
