"""Shards are tokenised once, in the background, in the order in which they are needed."""

import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers

from model import tokenizer as tokenizers_file
from model.config import load
from model.data import Rows
from model.tokens import Parts, Tokens, open_parts
from model.train import train


def counted(sizes: list[int], made: list[int] | None = None) -> Parts:
    """Parts whose tokens are numbers: part i has i * 1000 and so on."""

    def make(index: int, stopped) -> Tokens:
        if made is not None:
            made.append(index)
        return Tokens(np.arange(1000 * index, 1000 * index + sizes[index]), 0)

    return Parts("key", len(sizes), make)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=5), st.integers(2, 9), st.integers(0, 3), st.integers(0, 2))
def test_an_epoch_shows_every_part_whole_and_a_row_depends_on_its_number_alone(sizes, context, seed, epoch):
    whole = [size // context for size in sizes]
    rows = Rows(counted(sizes), context, seed)
    assert rows.any() == (sum(whole) > 0)
    if not rows.any():
        return
    first = epoch * sum(whole)
    table = rows.rows(first, sum(whole))
    assert len(np.unique(table[:, :-1])) == sum(whole) * context
    for index, count in enumerate(whole):
        assert (table[:, 0] // 1000 == index).sum() == count
    assert np.array_equal(table[-1], Rows(counted(sizes), context, seed).row(first + sum(whole) - 1))


def test_rows_of_the_first_parts_come_while_later_ones_are_still_being_made():
    gate, made = threading.Event(), []

    def make(index: int, stopped) -> Tokens:
        if len(made) == 2:
            assert gate.wait(30)
        made.append(index)
        return Tokens(np.arange(50), 0)

    rows = Rows(Parts("key", 4, make), 10, seed=1)
    assert rows.rows(0, 10).shape == (10, 11) and made == rows.sequence[:2]
    gate.set()
    assert rows.row(10_000).shape == (11,) and made == rows.sequence
    assert len({tuple(Rows(counted([9] * 4), 10, seed).sequence) for seed in range(9)}) > 4  # by the seed


def test_what_is_closed_stops_in_the_middle_of_a_shard_and_leaves_nothing(out, config_file, monkeypatch):
    monkeypatch.setattr("model.tokens.DOCUMENTS_AT_ONCE", 10)  # a shard has 60
    tokenizer_path = out / "tokenizer/tokenizer.json"
    shards = sorted((out / "corpus/train").glob("*.parquet"))
    parts = open_parts(shards, tokenizers_file.load(tokenizer_path), out / ".cache")
    batches, encode = [], tokenizers_file.encode_batch

    def close_at_the_third(tokenizer, texts, name):
        batches.append(name)
        if len(batches) == 3:
            parts.close()
        return encode(tokenizer, texts, name)

    monkeypatch.setattr(tokenizers_file, "encode_batch", close_at_the_third)
    parts.begin([1, 0])
    with pytest.raises(CancelledError):
        parts.part(1)
    with pytest.raises(CancelledError):
        parts.part(0)
    assert batches == [str(shards[1])] * 3 and not list((out / ".cache").iterdir())


def test_a_tokenizer_that_loses_text_is_refused_and_one_that_changed_too(out, config_file, tmp_path, fails):
    path = out / "tokenizer/tokenizer.json"
    lower = Tokenizer.from_file(str(path))
    lower.normalizer = normalizers.Replace("mill", "MILL")
    lower.save(str(tmp_path / "other.json"))
    line = fails("train", config_file, "--set", f"tokenizer={tmp_path}/other.json")
    assert "it is not made for" in line and "comes back as" in line
    assert not (tmp_path / "run").exists() and not list(out.glob(".cache/.*"))
    train(load(config_file))
    changed = Tokenizer.from_file(str(path))
    changed.add_special_tokens(["<|more|>"])
    changed.save(str(path))
    assert "was begun with another one" in fails("train", config_file)
