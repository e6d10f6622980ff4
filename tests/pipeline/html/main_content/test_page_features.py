"""What is known of a page as a whole, of its repeated items and of its words."""

import numpy as np
import pytest

from pipeline.html.dom.page_reader import read_page_blocks
from pipeline.html.main_content.block_features import (
    CONTEXT_NAMES,
    NAMES,
    BlockLayout,
    compute_block_features,
    context_features,
    word_features,
)
from pipeline.html.main_content.kernels.block_columns import WORDS
from pipeline.html.main_content.page_facts import FACTS, find_page_facts, read_own_text
from pipeline.html.main_content.records import group_equal
from pipeline.html.main_content.vocabulary import (
    NAME_WEIGHTS,
    WORD_WEIGHTS,
    Vocabulary,
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


MILL = "<div><h1>Mill 17</h1><p>Grinds rye, oats.</p><p><a href=/a>Menu</a></p></div><p>End.</p>"  # 6, 15, 4, 4 letters


def test_the_text_of_a_block_and_what_stands_beside_it() -> None:
    rows = feature_rows(MILL)
    expected: dict[str, list[float]] = {
        "length": [6, 15, 4, 4], "words": [2, 3, 1, 1], "link": [0, 0, 1, 0], "links": [0, 0, 1, 0],
        "commas": [0, 1 / 15, 0, 0], "ends": [0, 1 / 15, 0, 1 / 4], "sentence": [0, 1, 0, 1],
        "digits": [2 / 6, 0, 0, 0], "upper": [1 / 4, 1 / 13, 1 / 4, 1 / 3], "letters": [4 / 7, 13 / 17, 1, 3 / 4],
        "kind": [1, 0, 0, 0], "heading": [1, 0, 0, 0], "position": [0, 1, 2, 3], "position_share": [0, 0.25, 0.5, 0.75],
        "from_end": [4, 3, 2, 1], "text_before": [0, 6 / 29, 21 / 29, 25 / 29],
        "text_after": [23 / 29, 8 / 29, 4 / 29, 0], "after_h1": [0, 1, 2, 3], "heading_link": [0, 0, 0, 0],
        "length-1": [0, 6, 15, 4], "length+2": [4, 4, 0, 0], "link+1": [0, 1, 0, 0], "link-3": [0, 0, 0, 0],
        "kind-1": [0, 1, 0, 0], "kind-2": [0, 0, 1, 0], "sentence+1": [1, 0, 1, 0], "together+1": [0, 0, 0, 0],
        "window_4": [29] * 4, "window_link_4": [4 / 29] * 4, "page_length": [29] * 4, "page_link": [4 / 29] * 4,
        "h1_count": [1] * 4, "page_headings": [1] * 4, "times": [1] * 4, "again": [0] * 4, "colon": [0] * 4,
        "after_described": [-1000] * 4, "alike_link": [0, 4 / 19, 4 / 19, 0], "group_length": [6, 9.5, 9.5, 4],
    }  # fmt: skip
    for name, values in expected.items():
        assert rows[name] == pytest.approx(values, rel=1e-6), name


def test_windows_end_where_the_page_does() -> None:
    rows = feature_rows("".join(f"<p>{'x' * n}</p>" for n in range(1, 13)))
    assert rows["window_4"] == [sum(range(max(1, n - 4), min(12, n + 4) + 1)) for n in range(1, 13)]
    assert rows["window_10"] == [sum(range(max(1, n - 10), min(12, n + 10) + 1)) for n in range(1, 13)]


def test_blocks_with_one_text_are_counted() -> None:
    rows = feature_rows("<p>Share</p><p>Mill</p><p>Share</p><p>Share</p>")
    assert rows["times"] == [3, 1, 3, 3] and rows["again"] == [0, 0, 1, 1] and rows["alike_distinct"] == [0.5] * 4


def test_the_containers_around_a_block() -> None:
    prose = "The mill by the river grinds rye and oats for the village all day."  # 53 letters
    rows = feature_rows(f"<main><div><p>{prose}</p><p>{prose}</p></div><p>Menu</p></main><p>{prose}</p>")
    assert rows["text_0"] == [106, 106, 110, 163] and rows["blocks_0"] == [2, 2, 3, 4] and rows["mean_0"][0] == 53
    assert rows["text_share_0"] == pytest.approx([106 / 163, 106 / 163, 110 / 163, 1], rel=1e-6)
    assert rows["prose_share_0"] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1], rel=1e-6)
    assert rows["hops"] == [0, 0, 0, 0] and rows["offset"] == [0, 1, 2, 3]
    assert rows["place"] == pytest.approx([0, 0.5, 2 / 3, 0.75], rel=1e-6)
    assert rows["main_width"] == rows["text_share_0"]
    assert rows["prose_before"] == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3], rel=1e-6)
    assert rows["prose_after"] == pytest.approx([2 / 3, 1 / 3, 1 / 3, 0], rel=1e-6, abs=1e-7)
    menus = "<p>Menu</p>" * 2
    assert feature_rows(f"<div><nav>{menus}</nav></div><p>{prose}</p>")["hops"] == [2, 2, 0]


def test_what_a_page_says_of_itself_is_found_among_its_blocks() -> None:
    description = "The mill by the river grinds rye and oats for the village"
    rows = feature_rows(
        f"<title>The Mill of Kent</title><meta name=description content='{description}'><p>Menu</p>"
        f"<h2>the mill</h2><p>Read: {description.upper()} all day.</p><p>{description[20:]}, and more.</p>"
    )
    assert rows["title_share"] == [0, 0.5, 0, 0] and rows["after_title"] == [-1, 0, 1, 2]
    assert rows["described"] == [0, 0, 1, 0.5] and rows["after_described"] == [-2, -1, 0, 1]


def test_the_scores_around_a_block() -> None:
    layout, score = read_layout(MILL), np.array([0.8, 0.6, 0.1, 0.5])
    rows = dict(zip(CONTEXT_NAMES, context_features(layout, score).tolist(), strict=True))
    mass = [6 * 0.8, 15 * 0.6, 4 * 0.1, 4 * 0.5]
    total = sum(mass)
    of_kind = sum(mass[1:]) / 23
    expected: dict[str, list[float]] = {
        "score": [0.8, 0.6, 0.1, 0.5], "score-1": [0, 0.8, 0.6, 0.1], "score+4": [0, 0, 0, 0],
        "score_before_2": [0, 0.8, (mass[0] + mass[1]) / 21, (mass[1] + mass[2]) / 19],
        "score_after_2": [(mass[1] + mass[2]) / 19, (mass[2] + mass[3]) / 8, 0.5, 0],
        "score_sum_before": [0, mass[0] / total, sum(mass[:2]) / total, sum(mass[:3]) / total],
        "score_sum_after": [sum(mass[1:]) / total, sum(mass[2:]) / total, mass[3] / total, 0],
        "score_max": [0.8] * 4, "score_page": [total / 29] * 4, "score_total": [total] * 4,
        "score_0": [sum(mass[:3]) / 25] * 3 + [total / 29], "score_share_0": [sum(mass[:3]) / total] * 3 + [1],
        "score_kind_0": [-1, of_kind, of_kind, of_kind], "score_kind_7": [-1] * 4,
        "score_heading": [-1, 0.8, 0.8, 0.8], "score_section": [total / 29] * 4, "score_item_inner": [-1] * 4,
        "score_alike_max_-1": [0.8, 0.6, 0.6, 0.5], "score_alike_count_-1": [1, 2, 2, 1],
        "score_alike_mean_-1": [0.8, (mass[1] + mass[2]) / 19, (mass[1] + mass[2]) / 19, 0.5],
    }  # fmt: skip
    for name, values in expected.items():
        assert rows[name] == pytest.approx(values, rel=1e-6, abs=1e-7), name


def test_the_scores_of_records() -> None:
    score = np.array([0.5, *[0.9, 0.7] * 4, 0.1])
    rows = dict(zip(CONTEXT_NAMES, context_features(read_layout(PAGE), score).tolist(), strict=True))
    item = (5 * 0.9 + 17 * 0.7) / 22  # "Mill 0", "Grinds 0 sacks a day."
    for name in ("group", "item", "best"):
        assert rows[f"score_{name}_inner"] == pytest.approx([-1, *[item] * 8, -1], rel=1e-6), name
    assert rows["score_share_inner"][1] == pytest.approx(4 * 22 * item / (0.5 * 8 + 4 * 22 * item + 0.1 * 7), rel=1e-6)


def test_the_text_links_and_prices_of_records() -> None:
    cards = "".join(f"<div class=card><h3>Mill</h3><p>$5 <a href=/{n}>Buy</a></p></div>" for n in range(3))
    rows = feature_rows(f"{cards}<p>Prices:</p>")  # 4 and 5 characters in a card, of which half of the 5 are link
    expected = {"text": 27 / 34, "mean": 9, "link": 2.5 / 9, "prose": 0, "money": 1, "spread": 1, "share": 1}
    for name, value in expected.items():
        assert rows[f"record_{name}_inner"] == pytest.approx([*[value] * 6, -1], rel=1e-6), name
    assert rows["colon"] == [*[0] * 6, 1] and rows["money"] == [0, 1, 0, 1, 0, 1, 0]


def test_what_the_words_around_a_block_say() -> None:
    layout, draw = read_layout(PAGE), np.random.default_rng(0)
    vocabulary = Vocabulary(draw.normal(size=WORD_WEIGHTS), draw.normal(size=NAME_WEIGHTS))
    rows = dict(zip(WORDS, word_features(layout, vocabulary).astype(float), strict=True))
    says, names = vocabulary.weigh_words(layout.words, 10), vocabulary.weigh_names(layout.tag, layout.names)

    def mean(*blocks: int) -> float:
        return float((says * layout.length)[[*blocks]].sum() / layout.length[[*blocks]].sum())

    around = [layout.container]
    for _ in range(4):
        around.append(layout.parent[around[-1]])
    of_names = names[np.array(around[:4])].sum(0)
    cards = [mean(n, n + 1) for n in (1, 3, 5, 7) for _ in range(2)]
    expected = {
        "words_say": says, "names_say": names[around[0]], "names_say_4": names[around[4]], "names_alike": of_names,
        "heading_says": [0, says[0], says[1], says[1], says[3], says[3], says[5], says[5], says[7], says[7]],
        "names_heading": [0, *of_names[[0, 1, 1, 3, 3, 5, 5, 7, 7]]],
        "words_near": [mean(*range(max(0, n - 2), min(10, n + 3))) for n in range(10)],
        "words_alike": [mean(0), *[mean(1, 3, 5, 7), mean(2, 4, 6, 8)] * 4, mean(9)],
        "words_page": [mean(*range(10))] * 10, "words_record": [mean(*range(10)), *cards, mean(*range(10))],
    }  # fmt: skip
    for name, values in expected.items():
        assert rows[name] == pytest.approx(np.array(values), rel=1e-5, abs=1e-6), name
