"""What class names hint at: the fast way through runs of letters finds what the patterns find."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.html.dom.name_hints import find_name_hints
from pipeline.html.dom.page_reader import read_page_blocks
from pipeline.html.main_content.block_features import (
    CONTEXT_NAMES,
    NAMES,
    BlockLayout,
    compute_block_features,
    context_features,
)
from pipeline.html.main_content.class_hints import (
    CLASS_BIT,
    CLASS_HINTS,
    HINTS,
    KNOWN_NAMES,
    KNOWN_RUNS,
)

PARTS = [re.sub(r"\(\?.*?\)|\?", "", word) for words in CLASS_HINTS.values() for word in words.split()]
ANY = re.compile("|".join(f"(?P<{name}>" + "|".join(words.split()) + ")" for name, words in CLASS_HINTS.items()))


@given(st.lists(st.sampled_from([*PARTS, "-", "_", "x", "12", "col", "Y"]), min_size=1, max_size=6).map("".join))
def test_a_names_hints_are_those_of_the_patterns(name: str) -> None:
    expected = 0
    for match in ANY.finditer(name[:80].lower()):
        expected |= CLASS_BIT[match.lastgroup or ""]
    KNOWN_NAMES.clear()
    KNOWN_RUNS.clear()
    assert find_name_hints(name) == expected == find_name_hints(name)
    assert find_name_hints(f"zzz {name}") == expected


@pytest.mark.parametrize(
    ("names", "hints"),
    [("navy", ""), ("main-nav", "menu main"), ("page-content", "article"), ("post-12 posted", "article meta"),
     ("ads", "advert"), ("heads", ""), ("mobileupsell", "related"), ("Article__Body", "article content")],
)  # fmt: skip
def test_what_names_hint_at(names: str, hints: str) -> None:
    assert find_name_hints(names) == sum(CLASS_BIT[name] for name in hints.split())


def test_every_feature_has_a_name_of_its_own() -> None:
    page = read_page_blocks("<main><h1>One</h1><p class=intro>Two, and more.</p></main><p>Three")
    layout = BlockLayout(page)
    found = compute_block_features(page, layout, None)
    assert len({*NAMES, *CONTEXT_NAMES}) == len(NAMES) + len(CONTEXT_NAMES) and len(set(HINTS)) == len(HINTS)
    assert found.shape == (len(NAMES), 3) and np.isfinite(found).all()
    row = dict(zip(NAMES, found.tolist(), strict=True))
    assert row["length"] == [3, 12, 5] and row["heading"] == [1, 0, 0] and row["length+1"] == [12, 5, 0]
    assert row["in_tag_main"] == [1, 1, 0] and row["in_main"] == [0, 0, 0] and row["together-1"] == [0, 0, 0]
    scores = context_features(layout, np.array([0.25, 0.5, 0.0]))
    row = dict(zip(CONTEXT_NAMES, scores.tolist(), strict=True))
    assert row["score"] == [0.25, 0.5, 0] and row["score-1"] == [0, 0.25, 0.5] and row["score_max"] == [0.5] * 3


def test_the_page_s_own_description_and_what_a_template_repeats() -> None:
    described = "A wheel turned by the river moves the stone that grinds the grain"
    rows = "".join(f"<li><a href=/{n}>Another page {n}</a>" for n in range(6))
    page = read_page_blocks(
        f'<head><meta name="description" content="{described} ..."><meta property="og:description" content="short">'
        f"<title>Mills</title></head><ul>{rows}</ul><p>Mills</p><p>{described}, day and night.</p><p>And more."
    )
    row = dict(zip(NAMES, compute_block_features(page, BlockLayout(page), None).tolist(), strict=True))
    assert page.description == described + " ..."
    assert row["described"] == [0] * 7 + [1, 0] and row["after_described"][-2:] == [0, 1]
    assert row["alike"] == [6] * 6 + [3] * 3 and row["alike_link"] == [1] * 6 + [0] * 3
    bare = read_page_blocks("<p>No title and no description")
    assert dict(zip(NAMES, compute_block_features(bare, BlockLayout(bare), None).tolist(), strict=True))[
        "after_described"
    ] == [-1000]
