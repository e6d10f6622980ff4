"""The rules as a whole: order, agreement of `apply_filters` and `check_filters`, languages, recipes, config."""

import pickle
import random
import re
import tracemalloc
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from classifiers.ensemble.model import load_ensemble_model
from pipeline.filters.bad_words import BadWordsFilter
from pipeline.filters.c4 import C4Filter
from pipeline.filters.chain import (
    MEASURES,
    RulesConfig,
    apply_filters,
    built_in_filters,
    check_filters,
    filter_names,
    load_filters,
)
from pipeline.filters.fineweb import FineWebFilter
from pipeline.filters.gopher_quality import GopherQualityFilter
from pipeline.filters.gopher_repetition import GopherRepetitionFilter
from pipeline.text.tokenize.words import split_words
from tests.shared import shared_data

RECIPES = sorted((Path(__file__).parents[3] / "pipeline" / "recipes").glob("*.yaml"))
BUILT_IN = built_in_filters()
ALL = RulesConfig(**{name: cls() for name, cls in BUILT_IN.items()})  # a new filter is tested like the others
DATATROVE = RulesConfig(
    gopher_repetition=GopherRepetitionFilter(variant="datatrove"),
    gopher_quality=GopherQualityFilter(variant="datatrove"),
    c4=C4Filter(variant="paper", terminal_punctuation=False),
    fineweb=FineWebFilter(),
)
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            ["the house", "and that.", "#", "…", "\n", "\n\n", "{", "lorem ipsum", "3 likes", "我是", "- x", "7"]
        ),
        max_size=120,
    ).map(" ".join),
)


def recipe(name: str) -> RulesConfig:
    content = yaml.safe_load(next(path for path in RECIPES if path.stem == name).read_text(encoding="utf-8"))
    return RulesConfig(**content["rules"])


@given(TEXTS, st.sampled_from([ALL, DATATROVE]), st.sampled_from(["en", "de", "zh", "th", "xx"]))
@settings(max_examples=150, deadline=None)
def test_apply_and_check_agree_for_any_text(text: str, config: RulesConfig, language: str) -> None:
    cleaned, measures, failure = apply_filters(load_filters(config), text, language)
    checks = check_filters(load_filters(config), text, language)
    failed = [check for check in checks if not check.passed]
    assert (failure is None) == (not failed)
    if failure:
        first = failed[0]
        assert (first.reason, first.measure, first.value) == failure[:3]
        assert failure.threshold == (first.maximum if first.minimum is None else first.minimum)
        assert (failure.value < failure.threshold) == (first.minimum is not None)
    assert set(measures) <= set(MEASURES)
    assert all(type(value) is float for value in measures.values())
    for check in checks:
        assert check.measure in MEASURES and check.reason.startswith(check.filter + "/")
        assert (check.minimum is None) != (check.maximum is None)
    assert apply_filters(load_filters(config), text, language) == (cleaned, measures, failure)


def test_no_filter_drops_nothing() -> None:
    assert apply_filters(load_filters(RulesConfig()), "x", "en") == ("x", {}, None)
    assert check_filters(load_filters(RulesConfig()), "x", "en") == []


def test_filters_apply_in_the_order_of_the_config() -> None:
    order = list(
        dict.fromkeys(check.filter for check in check_filters(load_filters(ALL), "Some text. More of it.", "en"))
    )
    assert order == ["dclm", "gopher_repetition", "gopher_quality", "c4", "fineweb", "text_shape", "refinedweb_lines"]
    assert filter_names(ALL) == [*order, "bad_words"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_filter_has_a_setting_for_each_threshold_and_a_measure_of_its_own(name: str) -> None:
    made = BUILT_IN[name]()
    for threshold in made.thresholds():
        assert threshold.field in {field.name for field in fields(made)}
        assert threshold.field.startswith("min_" if threshold.is_minimum else "max_")
        assert re.fullmatch("[a-z0-9-]+", threshold.reason)
    others = [cls().measure_names() for other, cls in BUILT_IN.items() if other != name]
    assert not set(made.measure_names()) & set(sum(others, [])) and set(made.measure_names()) <= set(MEASURES)
    reasons = [threshold.reason for threshold in made.thresholds()]
    assert len(reasons) == len(set(reasons))


def test_rules_after_c4_see_the_cleaned_text() -> None:
    config = RulesConfig(
        c4=C4Filter(terminal_punctuation=True, min_words_per_line=None),
        fineweb=FineWebFilter(min_ended_lines=1.0, max_short_lines=None),
    )
    text = "One is here. Two is here. Three is here.\nMenu\nAbout us"
    cleaned, measures, failure = apply_filters(load_filters(config), text, "en")
    assert cleaned == "One is here. Two is here. Three is here." and failure is None
    assert measures["fineweb_ended_lines"] == 1.0 and measures["fineweb_lines"] == 1.0


def test_null_switches_a_limit_off_and_unknown_or_impossible_values_are_errors() -> None:
    config = RulesConfig(**{"gopher_quality": {"min_words": None, "min_stop_words": None}})
    assert apply_filters(load_filters(config), "Short text", "en")[2] is None
    for wrong in (
        {"gopher_quality": {"min_word": 3}},
        {"c4": {"variant": "papr"}},
        {"fineweb": {"max_short_lines": 2}},
        {"x": {}},
    ):
        with pytest.raises(ValidationError):
            RulesConfig(**wrong)


def test_configs_travel_to_workers() -> None:
    assert pickle.loads(pickle.dumps(ALL)) == ALL


PAGES = {
    "en": (
        "The old mill stands at the bend of the river. Its wheel has been still for years, but the roof is sound, "
        "and swallows come back to it each spring. The miller's daughter keeps the key. On Sundays she opens the "
        "door to those who want to see the stones and the wooden gears that her grandfather carved."
    ),
    "de": (
        "Die alte Mühle steht an der Biegung des Flusses. Ihr Rad dreht sich seit Jahren nicht mehr, aber das Dach "
        "ist dicht, und im Frühling kehren die Schwalben zurück. Die Tochter des Müllers hat den Schlüssel. Am "
        "Sonntag öffnet sie die Tür für alle, die das Mahlwerk und die hölzernen Zahnräder sehen wollen, die ihr "
        "Großvater geschnitzt hat."
    ),
    "ru": (
        "Старая мельница стоит у излучины реки. Её колесо не вращается уже много лет, но крыша цела, и весной сюда "
        "возвращаются ласточки. Ключ хранится у дочери мельника. По воскресеньям она открывает дверь для тех, кто "
        "хочет увидеть жернова и деревянные шестерни, которые вырезал её дед. Внутри пахнет мукой и старым "
        "деревом, а на стене висят фотографии людей, которые здесь работали."
    ),
    "zh": (
        "老磨坊坐落在河湾旁边。水轮已经多年没有转动，但屋顶仍然完好，每年春天燕子都会回来。磨坊主的女儿保管着钥匙。"
        "每到星期天，她会为想看石磨和木齿轮的人打开大门，那些齿轮是她的祖父亲手雕刻的。屋里弥漫着面粉和旧木头的气味"
        "，墙上挂着从前在这里工作的人们的照片。村里的孩子们喜欢在门前听她讲过去的故事，直到太阳落到山后面才回家。"
    ),
    "ja": (
        "古い水車小屋は川の曲がり角に立っている。水車は何年も回っていないが、屋根はしっかりしていて、春になるとツバ"
        "メが戻ってくる。鍵は粉屋の娘が持っている。日曜日には、石臼や祖父が彫った木の歯車を見たい人のために扉を開け"
        "る。中に入ると小麦粉と古い木の匂いがして、壁にはここで働いていた人たちの写真が掛けられている。子どもたちは"
        "日が沈むまで彼女の昔話を聞くのが好きだ。"
    ),
    "th": (
        "โรงสีเก่าตั้งอยู่ริมโค้งแม่น้ำ กังหันน้ำไม่ได้หมุนมาหลายปีแล้ว แต่หลังคายังแข็งแรงดี และนกนางแอ่นกลับมาทุก"
        "ฤดูใบไม้ผลิ ลูกสาวของเจ้าของโรงสีเป็นคนเก็บกุญแจ ทุกวันอาทิตย์เธอจะเปิดประตูให้กับคนที่อยากเห็นหินโม่และเฟ"
        "ืองไม้ที่คุณปู่ของเธอแกะสลักไว้ ข้างในมีกลิ่นแป้งและไม้เก่า บนผนังมีรูปถ่ายของคนที่เคยทำงานที่นี่ เด็ก ๆ ใ"
        "นหมู่บ้านชอบมาฟังเรื่องเล่า"
    ),
}


@pytest.mark.parametrize("language", PAGES)
def test_the_default_filters_keep_prose_of_many_languages_and_drop_it_said_over_and_over(language: str) -> None:
    page = PAGES[language]
    assert [check for check in check_filters(load_filters(recipe("default")), page, language) if not check.passed] == []
    failure = apply_filters(load_filters(recipe("default")), "\n".join([page] * 4), language)[2]
    assert failure is not None and failure.reason == "gopher_repetition/duplicate-line-characters"
    menu = "\n".join(sorted(set(split_words(page))))  # each word on a line of its own
    prose, words = load_ensemble_model().score_pages([page, menu], [language, language])
    assert prose.quality > words.quality + 0.15


def test_stop_words_are_of_the_page_s_language() -> None:
    config = RulesConfig(gopher_quality=GopherQualityFilter())
    assert apply_filters(load_filters(config), PAGES["de"], "de")[2] is None
    failure = apply_filters(load_filters(config), PAGES["de"], "en")[2]
    assert failure is not None and failure.reason == "gopher_quality/too-few-stop-words"
    cleaned, measures, failure = apply_filters(load_filters(config), PAGES["de"], "tlh")  # no list, so no rule
    assert failure is None and "stop_words" not in measures


def test_the_recipes_are_there_and_valid() -> None:
    names = ["c4", "dclm", "default", "fineweb", "fineweb2", "gopher", "none", "refinedweb"]
    assert [path.stem for path in RECIPES] == names
    for path in RECIPES:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert content["description"] and "\n" not in content["description"]
        rules = RulesConfig(**content["rules"])
        for family, variants in (("c4", ("code", "paper")), ("gopher_repetition", ("gopher", "datatrove"))):
            if getattr(rules, family):
                assert any(variant in content["description"] for variant in variants) or path.stem == "default"


def test_the_fineweb_recipe_is_what_fineweb_ran() -> None:
    rules = recipe("fineweb")
    assert rules.gopher_repetition is not None and rules.gopher_repetition.variant == "datatrove"
    assert rules.c4 == C4Filter(variant="paper", terminal_punctuation=False)
    assert rules.c4.min_words_per_line == 3 and rules.c4.min_sentences == 5
    assert rules.fineweb == FineWebFilter() and rules.fineweb.max_duplicate_line_characters == 0.01


def test_no_rules_keep_everything() -> None:
    assert recipe("none") == RulesConfig()


def test_the_published_list_of_bad_words_can_be_read() -> None:
    path = str(shared_data("lists/naughty-words-en.json"))
    config = RulesConfig(bad_words=BadWordsFilter(lists={"en": path}))
    assert apply_filters(load_filters(config), PAGES["en"], "en")[2] is None
    assert apply_filters(load_filters(config), PAGES["en"] + " Such an asshole!", "en")[2] is not None


def test_a_page_of_one_long_line_takes_little_memory() -> None:
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(2, 9))) for _ in range(20_000)]
    text = " ".join(draw.choices(words, k=300_000)) + "."
    for variant, most in (("gopher", 9), ("datatrove", 14)):  # 31 before it was worked on in blocks
        rules = RulesConfig(gopher_repetition={"variant": variant}, gopher_quality={}, c4={}, fineweb={}, dclm={})
        tracemalloc.start()
        try:
            check_filters(load_filters(rules), text, "en")
            assert tracemalloc.get_traced_memory()[1] < most * len(text), variant
        finally:
            tracemalloc.stop()
