"""The quality score that ships: what it prefers, that it knows no length, and that a page's scores are its own."""

import numpy as np
import pytest

from classifiers.ensemble.model import (
    MEMBERS,
    PageScores,
    load_ensemble_model,
    parse_ensemble_model,
    write_ensemble_model,
)
from classifiers.ensemble.structure import STRUCTURE_NAMES, measure_structure
from classifiers.errors import ClassifierError
from pipeline.io.schemas import SCORES

# A paragraph has a blank line before it.
ARTICLES = {
    "en": """The mill stands where two small rivers meet, and for three centuries it ground the grain of eleven
villages. In 1874 the miller's son replaced the wooden wheel by an iron one, which turned even when the water was low.

The building was damaged in the flood of 1921, but its stones survived. They can still be seen in the museum of the
town, beside the letters in which the family argued about the price of flour.

Historians disagree about why it was closed. Some say that the railway brought cheaper flour; others, that the last
owner, who had no children, simply stopped.""",
    "de": """Die Mühle steht dort, wo zwei kleine Flüsse sich treffen, und mahlte drei Jahrhunderte lang das Korn von
elf Dörfern. Im Jahr 1874 ersetzte der Sohn des Müllers das hölzerne Rad durch ein eisernes, das sich auch bei wenig
Wasser drehte.

Das Gebäude wurde 1921 bei der Überschwemmung beschädigt, doch die Steine blieben erhalten. Man sieht sie heute noch im
Museum der Stadt, neben den Briefen, in denen die Familie über den Preis des Mehls stritt.

Warum sie geschlossen wurde, ist umstritten. Manche meinen, die Eisenbahn habe billigeres Mehl gebracht.""",
    "ru": """Мельница стоит там, где встречаются две небольшие реки, и три столетия она молола зерно одиннадцати
деревень. В 1874 году сын мельника заменил деревянное колесо железным, которое вращалось даже при низкой воде.

Здание пострадало во время наводнения 1921 года, но жернова сохранились. Их до сих пор можно увидеть в музее города,
рядом с письмами, в которых семья спорила о цене муки.

Историки спорят, почему её закрыли. Одни говорят, что железная дорога привезла более дешёвую муку, другие думают, что
последний хозяин просто перестал работать.""",
    "zh": """这座磨坊位于两条小河的交汇处，三个世纪以来一直为十一个村庄磨粮食。
一八七四年，磨坊主的儿子用铁轮代替了木轮，即使水位很低，它也能转动。

一九二一年的洪水毁坏了建筑，但石磨保存了下来。人们今天仍然可以在城里的博物馆看到它们，
旁边还有这个家庭争论面粉价格的信件。

历史学家对磨坊关闭的原因看法不一。有人说铁路带来了更便宜的面粉，
也有人认为最后一位主人没有孩子，只是不再工作了。""",
}
ARTICLES = {
    language: "\n".join(("" if language == "zh" else " ").join(part.split("\n")) for part in text.split("\n\n"))
    for language, text in ARTICLES.items()
}
CATALOGUES = {
    "en": "Flour|Add to cart|$4.99|Rye Bread Mix 500g|Add to cart|$3.49|Sale!|Cookware|New Arrivals|Sort by price|"
    "Wishlist (0)|Compare|Oak Rolling Pin 45 cm|$12.00|Add to cart|Baking Tray, Large|$9.99|Out of stock|Shop All",
    "de": "Mehl|In den Warenkorb|4,99 €|Brotbackmischung 500 g|In den Warenkorb|3,49 €|Angebot!|Küche|Neuheiten|"
    "Sortieren nach Preis|Merkzettel (0)|Vergleichen|Nudelholz 45 cm|12,00 €|Backblech, groß|9,99 €|Ausverkauft",
    "ru": "Мука|В корзину|499 ₽|Смесь для хлеба 500 г|В корзину|349 ₽|Распродажа!|Кухня|Новинки|Сортировать|"
    "Избранное (0)|Сравнить|Скалка 45 см|1200 ₽|Противень большой|999 ₽|Нет в наличии|Все товары",
    "zh": "面粉|加入购物车|¥49|面包粉500克|加入购物车|¥34|特价|厨具|新品|价格排序|收藏夹(0)|比较|擀面杖45厘米|¥120|"
    "烤盘 大号|¥99|缺货|全部商品",
}
CATALOGUES = {language: text.replace("|", "\n") for language, text in CATALOGUES.items()}


def score(*texts: str, language: str = "en") -> list[PageScores]:
    """Return the scores of texts in one language."""
    return load_ensemble_model().score_pages(texts, [language] * len(texts))


@pytest.mark.parametrize("language", ARTICLES)
def test_an_article_is_better_than_a_catalogue(language):
    article, catalogue = score(ARTICLES[language], CATALOGUES[language], language=language)
    assert article.quality > 0.6 > 0.5 > catalogue.quality
    assert article.structure > catalogue.structure


def test_a_text_has_the_same_scores_alone_and_among_others():
    texts = [text for pair in zip(ARTICLES.values(), CATALOGUES.values(), strict=True) for text in pair]
    texts += ["", "\n", "a", "\0 a\0b", "word " * 3000, "\ud800 half", "ไทย" * 50]
    languages = ["en", "de", None, "zh", "ru"] * 3
    together = load_ensemble_model().score_pages(texts, languages)
    assert together == [
        load_ensemble_model().score_pages([text], [language])[0]
        for text, language in zip(texts, languages, strict=True)
    ]


def test_the_length_of_a_text_says_nothing():
    """A text and half of it have the same structure, if both halves look alike; only more lines begin alike."""
    half = "".join(f"{line}{number}\n" for number in range(10, 14) for line in ARTICLES["en"].splitlines())
    once, twice = measure_structure([half, half.replace("\n", "x\n") + half]).T
    alike = np.isclose(once, twice, rtol=0.05, atol=0.01)
    assert [name for name, same in zip(STRUCTURE_NAMES, alike, strict=True) if not same] == ["parallel_lines"]


def test_a_text_that_says_nothing_has_no_quality_and_a_member_without_a_language_is_silent():
    nothing, unknown = load_ensemble_model().score_pages(["\n - \n", ARTICLES["en"]], ["en", "xx"])
    assert nothing.quality == nothing.structure == nothing.wording == 0
    assert unknown.fluency is None and unknown.reference is None and unknown.quality > 0.5
    assert load_ensemble_model().score_pages([], []) == []


def test_a_member_of_the_users_own_moves_the_score():
    class Reference:
        def __init__(self, share: float):
            self.share = share

        def score_texts(self, texts):
            return [self.share] * len(texts)

    text, model = ARTICLES["en"], load_ensemble_model()
    low, even, high = (model.score_pages([text], ["en"], Reference(share))[0] for share in (0.1, 0.5, 0.9))
    assert low.quality < even.quality < high.quality
    assert even.quality == model.score_pages([text], ["en"])[0].quality
    assert high.reference == pytest.approx(0.9) and high.structure == low.structure


def test_the_columns_of_documents_are_the_scores():
    assert PageScores._fields == ("quality", *MEMBERS)
    assert ("quality", "worth", *MEMBERS) == SCORES


def test_the_file_of_a_model_is_read_back_as_it_was_and_a_broken_one_is_one_line(tmp_path):
    model = load_ensemble_model()
    write_ensemble_model(model, tmp_path / "copy.txt", "a copy")
    copy = load_ensemble_model(tmp_path / "copy.txt")
    texts = [*ARTICLES.values(), *CATALOGUES.values()]
    assert copy.score_pages(texts, ["en"] * len(texts)) == model.score_pages(texts, ["en"] * len(texts))
    lines = (tmp_path / "copy.txt").read_text().splitlines()
    with pytest.raises(ValueError, match="no scale of structure"):
        parse_ensemble_model(line for line in lines if not line.startswith("member structure"))
    (tmp_path / "cut.txt").write_text("\n".join(lines)[:3000])
    with pytest.raises(ClassifierError, match="cut.txt: "):
        load_ensemble_model(tmp_path / "cut.txt")
