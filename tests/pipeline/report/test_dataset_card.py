"""The dataset card: `datasets` loads the folder by it, what it shows runs, and its config makes the same corpus."""

import re
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.config import Config, build_config, compare_configs, config_values, load_config
from pipeline.io.ledger import Ledger
from pipeline.io.output import Output
from pipeline.report.dataset_card import build_front_matter, fence_code, write_card
from pipeline.report.facts import RunResults, list_settings


def read_run(done: Path) -> tuple[Config, Ledger, RunResults]:
    """Return config, ledger and results of an output of a whole run."""
    output = Output(str(done))
    published = output.read_json(".work", "publish.json")["result"]
    results = RunResults(output.read_json(".work", "dedup.json")["result"], **published)
    return load_config(done / "config.yaml"), Ledger.from_json(output.read_json("ledger.json")), results


def blocks(card: str, language: str) -> list[str]:
    """Return the code blocks of a card in one language."""
    return [match[2] for match in re.finditer(rf"^(`{{3,}}){language}\n(.*?)\n\1$", card, re.M | re.S)]


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """Keep `datasets` from the network and from the user's cache."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def test_datasets_loads_the_folder_by_its_card(done):
    import datasets

    _, book, _ = read_run(done)
    corpus = datasets.load_dataset(str(done))
    totals = book.totals
    rows = {split: totals.published[split] + totals.repeated[split] for split in ("train", "validation", "anneal")}
    assert {split: corpus[split].num_rows for split in corpus} == rows
    assert len(set(corpus["train"]["id"])) == totals.published["train"]
    for folder, count in (("rejected", totals.rejected), ("duplicates", totals.duplicates)):
        assert datasets.load_dataset(str(done), folder, split="train").num_rows == count.total()


def test_what_the_card_tells_one_to_run_runs(done, monkeypatch):
    card = (done / "README.md").read_text()
    monkeypatch.chdir(done)
    scope: dict = {}
    for block in blocks(card, "python"):
        exec(block.replace("path/to/this/folder", str(done)), scope)
    assert scope["corpus"]["train"].num_rows == pq.read_table(done / "corpus/train").num_rows
    assert scope["duplicates"].num_rows == pq.read_table(done / "duplicates").num_rows
    assert scope["tokenizer"].encode("the old mill").ids
    assert duckdb.sql(blocks(card, "sql")[0]).fetchall()[0][0] == "en"


def test_the_cards_config_is_the_runs_config(done, tmp_path):
    config, _, _ = read_run(done)
    (tmp_path / "crawl.yaml").write_text(blocks((done / "README.md").read_text(), "yaml")[0])
    again = load_config(tmp_path / "crawl.yaml", ["output=elsewhere"])
    assert compare_configs(config_values(config), config_values(again)) == []


def test_every_reason_split_and_column_is_in_the_card(done):
    card = (done / "README.md").read_text()
    _, book, _ = read_run(done)
    for key, n in book.totals.rejected.items():
        assert f"| {key} | −{n:,} |" in card
    for kind, n in book.totals.duplicates.items():
        assert f"| {kind} | {n:,} |" in card
    for column in pq.read_schema(next((done / "corpus/train").iterdir())).names:
        assert f"| `{column}` |" in card
    assert "min_words 50" in card  # a threshold
    assert "threshold 0.8" in card
    last = re.findall(r"\| duplicate/.* \| ([\d,]+) \|$", card, re.M)[-1]
    assert int(last.replace(",", "")) == book.totals.published.total()  # what is left is what is published


def test_bytes_depend_neither_on_the_place_nor_on_the_workers(done, tmp_path):
    config, book, results = read_run(done)
    other = build_config(config_values(config) | {"workers": 7, "output": "elsewhere"})
    write_card(Output(str(tmp_path)), other, book, results)
    assert (tmp_path / "README.md").read_bytes() == (done / "README.md").read_bytes()


def test_the_front_matter_quotes_norwegian_and_leaves_out_empty_splits():
    text = build_front_matter(
        "default", "parquet", ["no", "en"], {"train": 10**6, "validation": 0, "anneal": 3}, ["documents"]
    )
    header = yaml.safe_load(text)
    assert header["language"] == ["en", "no"]  # not false, as YAML 1.1 has it
    assert header["size_categories"] == ["1M<n<10M"]
    assert [split["split"] for split in header["configs"][0]["data_files"]] == ["train", "anneal"]
    assert [config["config_name"] for config in header["configs"]] == ["default", "documents"]


def test_a_config_cannot_break_out_of_its_block_or_cell(done, tmp_path):
    config, book, results = read_run(done)
    sly = "a|b\n```\n# Owned <script>alert(1)</script>"
    hostile = build_config(config_values(config) | {"inputs": [sly], "weights": {"languages": {sly: 2.0}}})
    write_card(Output(str(tmp_path)), hostile, book, results)
    card = (tmp_path / "README.md").read_text()
    assert yaml.safe_load(blocks(card, "yaml")[0])["inputs"] == [sly]
    line = next(line for line in card.splitlines() if line.startswith("| weights |"))
    assert "<script>" not in line
    assert len(re.findall(r"(?<!\\)\|", line)) == 3
    assert fence_code("````", "text").startswith("`````text")


def test_a_corpus_of_validation_pages_alone_has_a_card(done, tmp_path):
    config, book, results = read_run(done)
    results = replace(
        results, tokenizer={"vocabulary": 300, "wanted": 300, "bytes_per_token": {}, "tokens": {"train": 0}}
    )
    write_card(Output(str(tmp_path)), config, book, results)
    assert "UTF-8,\n0 tokens" in (tmp_path / "README.md").read_text()


def test_the_line_of_a_stage_says_what_is_set_and_nothing_of_what_is_off():
    over = {
        "weights": {"shares": {"domains": {"news": 0.3}}},
        "publish": {"extra_anneal_sources": {"a": 0.3, "b": None}},
    }
    plain, set_ = (dict(list_settings(build_config({"inputs": ["x"], "output": "y", **some}))) for some in ({}, over))
    assert not any("None" in line or ": ," in line for line in [*plain.values(), *set_.values()])
    assert plain["weights"] == "temperature 1.0; min_weight 0.0; max_repeats 4.0"
    assert "shares domains: news: 0.3;" in set_["weights"]
    assert "extra_anneal_sources a: 0.3, b: once each;" in set_["publish"]


@pytest.mark.parametrize("found", [0, 3])
def test_the_card_names_evaluation_sets_of_which_no_page_has_an_item_too(found, done, tmp_path):
    config, book, results = read_run(done)
    counts = {"items": 12, "found": found, "edited": 0, "pages": found, "spans": found, "unsearched": []}
    contaminated = {"dropped": found, "masked": 0, "sets": {"arc.jsonl": counts}}
    publish = {**results.publish, "contaminated": contaminated}
    write_card(Output(str(tmp_path / "card")), config, book, RunResults(results.dedup, publish, results.tokenizer))
    card = (tmp_path / "card" / "README.md").read_text()
    assert "| arc.jsonl | 12 |" in card
    assert ("No page has an item of these evaluation sets." in card) is not bool(found)
    assert ("`contaminated/` lists" in card) is bool(found)
