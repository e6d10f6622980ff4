"""What is known of a page as a whole, of its repeated items and of its words."""

from base64 import b85decode, b85encode

import numpy as np
import pytest

from pipeline.html.dom.page_reader import read_page_blocks
from pipeline.html.main_content.block_features import NAMES, BlockLayout, compute_block_features
from pipeline.html.main_content.page_facts import FACTS, find_page_facts, read_own_text
from pipeline.html.main_content.records import group_equal
from pipeline.html.main_content.vocabulary import (
    NAME_WEIGHTS,
    WORD_WEIGHTS,
    Vocabulary,
    decode_base85,
    hash_block_words,
    hash_tags,
    read_weights,
    write_weights,
)

CARDS = "".join(f"<div class=card><h3>Mill {n}</h3><p>Grinds {n} sacks a day.</p></div>" for n in range(4))
PAGE = f"<main><h1>All mills</h1><section>{CARDS}</section></main><footer><p>Imprint</p></footer>"


@pytest.mark.parametrize("keys", [[7], [5, 2, 5, 9, 2, 5], [3, 3, 3], list(range(40, 0, -1))])
def test_groups_are_numbered_by_their_keys_and_counted(keys: list[int]) -> None:
    group, size = group_equal(np.array((keys, keys[::-1]), np.uint64))
    for row, of in enumerate((keys, keys[::-1])):
        values = sorted(set(of))
        assert group[row].tolist() == [values.index(key) for key in of]
        assert size[row, : len(values)].tolist() == [of.count(key) for key in values]


def read_layout(html: str) -> BlockLayout:
    return BlockLayout(read_page_blocks(html))


def feature_rows(html: str) -> dict[str, list[float]]:
    page = read_page_blocks(html)
    return dict(zip(NAMES, compute_block_features(page, BlockLayout(page), None).tolist(), strict=True))


def test_what_an_address_and_json_ld_say() -> None:
    described = r"A mill that &amp; <b>turns</b> in the river, \"day\" and\nnight"
    html = f"""<script type="application/ld+json">{{"@type": ["Product"], "description": "{described}",
        "b": {{"@type":"https://schema.org/FAQPage"}}}}</script><script>{{"@type": "Event"}}</script>"""
    values, stated = find_page_facts(html, "https://shop.example/product/12345?size=2")
    facts = dict(zip(FACTS, values, strict=True))
    assert stated == 'A mill that & turns in the river, "day" and night' and facts["ld_stated"] == len(stated)
    assert (facts["url_depth"], facts["url_query"], facts["url_number"], facts["url_root"]) == (2, 1, 1, 0)
    assert (facts["url_product"], facts["url_forum"], facts["ld_product"], facts["ld_faq"]) == (3, 0, 1, 1)
    assert facts["ld_types"] == 2 and facts["source_length"] == len(html)


@pytest.mark.parametrize("url", ["", "http://[", "no address", "https://a.example"])
def test_a_page_without_a_path_has_facts_all_the_same(url: str) -> None:
    assert len(find_page_facts("<p>One", url)[0]) == len(FACTS)


def test_a_block_that_json_ld_states_is_known() -> None:
    stated = "The mill by the river grinds rye and oats."
    rows = feature_rows(
        f'<script type="application/ld+json">{{"description": "{stated}"}}</script><p>Menu</p>'
        "<p>The mill by the\n river grinds rye and oats.</p><p>The mill by the sea grinds nothing at all.</p>"
    )
    assert rows["stated"] == [0, 1, 0] and rows["after_stated"] == [-1, 0, 1] and rows["stated_found"][0] > 0.9


def test_cards_are_records_and_what_stands_alone_is_none() -> None:
    rows = feature_rows(PAGE)
    assert rows["record_count_inner"] == [-1, *[4] * 8, -1]
    assert rows["record_place_inner"] == [-1, 0, 0, 1, 1, 2, 2, 3, 3, -1]
    assert rows["record_blocks_inner"] == [-1, *[2] * 8, -1]
    assert rows["alike"] == [1, *[4] * 8, 1]


def test_two_of_a_shape_are_no_records_and_others_between_them_do_not_matter() -> None:
    two = "<div class=card><p>One</p></div><div class=card><p>Two</p></div>"
    assert set(feature_rows(two)["record_count_inner"]) == {-1}
    mixed = "<div class=card><p>One</p></div><hr><ul><li>Menu</ul>" + two
    assert feature_rows(mixed)["record_count_inner"] == [3, -1, 3, 3]


def test_records_in_records() -> None:
    posts = "".join(f"<article><p>a{n}</p><p>b{n}</p><p>c{n}</p></article>" for n in range(3))
    rows = feature_rows(posts)
    assert rows["record_count_inner"] == rows["record_count_outer"] == [3] * 9
    assert rows["record_place_inner"] == [0, 1, 2] * 3 and rows["record_place_outer"] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_heading_before_a_block_and_its_section() -> None:
    rows = feature_rows("<p>Before</p><h2>Mills</h2><p>One mill</p><p>Two</p><h3>Rivers</h3><p>None</p>")
    assert rows["heading_level"] == [0, 0, 2, 2, 2, 3] and rows["heading_far"] == [99, 99, 1, 2, 3, 1]
    assert rows["section_length"] == [6, 15, 15, 15, 10, 10]


def test_words_are_alike_in_any_case_and_digits_are_alike() -> None:
    words = hash_block_words(["Mill 17 turns", "MILL 25 Turns", "turns mill 17"])
    of = [sorted(words.value[words.block == block].tolist()) for block in range(3)]
    assert of[0] == of[1] != of[2]
    assert len(of[0]) == 6 and len(set(of[0]) & set(of[2])) == 4  # three words; two pairs, one is the same; the whole


def test_characters_of_a_script_without_spaces_are_words() -> None:
    words = hash_block_words(["水車小屋と川"])
    assert len(words.value) == 6 + 5 + 1
    assert len(hash_block_words(["…"]).value) == 0


def test_a_weight_counts_for_each_word_and_name_that_has_it() -> None:
    layout = read_layout("<div class=menu-item><p>Share</p></div><p>Mill</p>")
    words, names = np.zeros(WORD_WEIGHTS), np.zeros(NAME_WEIGHTS)
    share = layout.words.value[layout.words.block == 0]
    words[share] = -16
    names[hash_tags(["p"])] = 8
    vocabulary = Vocabulary(words, names)
    assert vocabulary.weigh_words(layout.words, 2) == pytest.approx([-32 / np.sqrt(2), 0])
    assert vocabulary.weigh_names(layout.tag, layout.names)[-1] == 8


def test_weights_are_written_and_read_as_one_word() -> None:
    weights = np.random.default_rng(0).integers(-127, 128, NAME_WEIGHTS)
    text = write_weights(weights)
    assert read_weights(text, NAME_WEIGHTS).tolist() == weights.tolist() and " " not in text and text.isascii()
    for broken, count in ((text, 5), (text[:-20], NAME_WEIGHTS), ("~", 1)):
        with pytest.raises(ValueError):
            read_weights(broken, count)


@pytest.mark.parametrize("length", [*range(12), 1001])
def test_base85_is_read_as_python_reads_it(length: int) -> None:
    text = b85encode(np.random.default_rng(length).bytes(length)).decode()
    assert decode_base85(text) == b85decode(text)
    for wrong in (text + '"', "~~~~~", "\u00e9"):
        with pytest.raises(ValueError):
            decode_base85(wrong)


@pytest.mark.parametrize(
    "attributes",
    [
        "role=tabpanel hidden",
        'class=tab-pane style="display:none"',
        'class=faq__answer style="display: none"',
        'hidden id="S:1"',
    ],
)
def test_what_opens_at_a_click_is_read_and_known_as_closed(attributes: str) -> None:
    page = read_page_blocks(f"<p>Shown</p><div {attributes}><p>Opens at a click</p></div>")
    assert page.text == ["Shown", "Opens at a click"]
    assert feature_rows(f"<p>Shown</p><div {attributes}><p>Opens</p></div>")["in_closed"] == [0, 1]


@pytest.mark.parametrize("names", ["menu-panel", "cookie-details", "login-tab", "share-more", "note"])
def test_hidden_menus_and_dialogs_stay_hidden(names: str) -> None:
    shown = "<p>" + "The mill turns. " * 50 + "</p>"
    assert len(read_page_blocks(f"{shown}<div class={names} hidden>No reader sees it</div>").text) == 1


def test_the_text_that_json_ld_gives_of_the_page() -> None:
    def script(data: str) -> str:
        return f'<script type="application/ld+json">{data}</script>'

    product = script('{"@type": "Product", "description": "<p>A mill &amp; a stone.</p><p>Grinds   rye.</p>"}')
    assert read_own_text(product) == "A mill & a stone.\nGrinds rye."
    body = "The mill by the river burns since Monday, and nobody in the village knows why."
    article = script(f'{{"@graph": [{{"@type": ["NewsArticle"], "articleBody": "{body}"}}]}}')
    assert read_own_text(product + article) == body
    others = '{"@type": "Organization", "description": "We sell mills."}', '{"@type": "Article"', '["Product"]', "{}"
    assert read_own_text("".join(map(script, others))) == ""


def test_a_part_whose_class_says_that_it_is_shown_later_is_read() -> None:
    assert read_page_blocks('<div class=show_x1 style="opacity:0"><p>Fades in</p></div>').text == ["Fades in"]
