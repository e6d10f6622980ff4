"""The training of the block model: labels, deterministic bytes, and a model that tells text from navigation."""

from pathlib import Path

import numpy as np
import pytest

from classifiers.main_content import draw, train
from classifiers.main_content.block_labels import BlockExample, label_blocks, prepare_example, split_gold_words
from classifiers.main_content.gold_pages import GoldPage
from classifiers.main_content.validate import (
    count_word_grams,
    group_gold_pages,
    measure_agreement,
    predict_blocks,
    score_page,
)
from pipeline.html.dom.page_reader import read_page_blocks
from pipeline.html.main_content.classifier import parse_main_content_model

pytest.importorskip("catboost", reason="the extra `extraction` is not installed")
pytest.importorskip("rapidfuzz", reason="the extra `extraction` is not installed")

NOUNS = "river mill stone sack wheel village miller grain flour valley bridge horse".split()


def gold_page(number: int) -> GoldPage:
    """Return a page of a site of its own: navigation, three paragraphs that are its gold, a footer."""
    draw = np.random.default_rng(number)
    texts = ["The " + " ".join(draw.choice(NOUNS, 24)) + ", and no more." for _ in range(3)]
    menu = "".join(f'<li><a href="/{n}">{draw.choice(NOUNS)} {n}</a></li>' for n in range(8))
    body = "".join(f"<p>{text}</p>" for text in texts)
    html = f"<nav><ul>{menu}</ul></nav><article>{body}</article><footer>All rights"
    site = f"site{number}.example"
    return GoldPage(str(number), html, f"https://{site}/", site, "set", "en", "article", "\n".join(texts))


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> list[BlockExample]:
    monkeypatch.setattr(train, "TREES", (6, 6))
    return [prepare_example(gold_page(number)) for number in range(24)]


def test_blocks_are_labelled_by_the_gold_in_its_order() -> None:
    page = read_page_blocks(
        "<p>one two three four<p>noise that is not there<p>five six<p>one two<p>half of these words"
    )
    share, sizes = label_blocks(page, "one two three four\nfive six\nof these")
    assert share.tolist() == [1, 0, 1, 0, 0.5]
    assert sizes.tolist() == [4, 5, 2, 2, 4]


def test_agreement_of_bags() -> None:
    assert split_gold_words("Zwei Wörter, 漢字") == ["Zwei", "Wörter", "漢", "字"]
    assert measure_agreement(count_word_grams("a b c d e"), count_word_grams("a b c d x")) == (0.5, 0.5, 0.5)
    assert measure_agreement(count_word_grams(""), count_word_grams("a b")) == (0.0, 0.0, 0.0)
    assert measure_agreement(count_word_grams("a b"), count_word_grams("a b")) == (1.0, 1.0, 1.0)


def test_the_same_data_give_the_same_bytes_and_the_file_gives_the_same_scores(
    examples: list[BlockExample], tmp_path: Path
) -> None:
    model = train.train_block_model(examples[:20])
    for name, trained in (("a", model), ("b", train.train_block_model(examples[:20]))):
        train.write_block_model(trained, tmp_path / name, train.describe_training(examples[:20]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    again = parse_main_content_model((tmp_path / "a").read_text().splitlines())
    for example in examples[20:]:
        assert predict_blocks(again, example).tolist() == predict_blocks(model, example).tolist()


def test_a_model_of_other_sites_finds_the_text(examples: list[BlockExample]) -> None:
    model = train.train_block_model(examples[:20])
    assert all(score_page(example, predict_blocks(model, example))[2] > 0.95 for example in examples[20:])


def test_light_blocks_of_long_pages_are_drawn_without_bias(
    examples: list[BlockExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "BLOCKS_PER_PAGE", 4)
    drawn = [draw.draw_blocks(example) for example in examples]
    assert sum(len(blocks) for blocks, _ in drawn) < sum(len(example.label) for example in examples)
    assert np.mean([weight.sum() for _, weight in drawn]) == pytest.approx(1, abs=0.25)


def test_small_groups_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [gold_page(number) for number in range(31)]
    assert set(group_gold_pages(pages)) == {"all", "set set", "kind article", "language en"}
    assert set(group_gold_pages(pages[:20])) == {"all"}
