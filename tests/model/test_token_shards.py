"""Shards are tokenised once, in the background, in the order in which they are needed."""

import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers

from model import tokenizer as tokenizer_files
from model.config_reader import load_trainer_config
from model.corpus.token_shards import TokenArray, TokenShards, open_token_shards
from model.data import TokenDataset
from model.file_writing import open_locked_temporary
from model.train import train_gpt


def counted(sizes: list[int], made: list[int] | None = None) -> TokenShards:
    """Parts whose tokens are numbers: part i has i * 1000 and so on."""

    def make(index: int, stopped) -> TokenArray:
        if made is not None:
            made.append(index)
        return TokenArray(np.arange(1000 * index, 1000 * index + sizes[index]), 0)

    return TokenShards("key", len(sizes), make)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=5), st.integers(2, 9), st.integers(0, 3), st.integers(0, 2))
def test_an_epoch_shows_every_part_whole_and_a_row_depends_on_its_number_alone(sizes, context, seed, epoch):
    whole = [size // context for size in sizes]
    rows = TokenDataset(counted(sizes), context, seed)
    assert rows.has_rows() == (sum(whole) > 0)
    if not rows.has_rows():
        return
    first = epoch * sum(whole)
    table = rows.get_rows(first, sum(whole))
    assert len(np.unique(table[:, :-1])) == sum(whole) * context
    for index, count in enumerate(whole):
        assert (table[:, 0] // 1000 == index).sum() == count
    assert np.array_equal(table[-1], TokenDataset(counted(sizes), context, seed).get_row(first + sum(whole) - 1))


def test_rows_of_the_first_parts_come_while_later_ones_are_still_being_made():
    gate, made = threading.Event(), []

    def make(index: int, stopped) -> TokenArray:
        if len(made) == 2:
            assert gate.wait(30)
        made.append(index)
        return TokenArray(np.arange(50), 0)

    rows = TokenDataset(TokenShards("key", 4, make), 10, seed=1)
    assert rows.get_rows(0, 10).shape == (10, 11) and made == rows.sequence[:2]
    gate.set()
    assert rows.get_row(10_000).shape == (11,) and made == rows.sequence
    assert len({tuple(TokenDataset(counted([9] * 4), 10, seed).sequence) for seed in range(9)}) > 4  # by the seed


def test_what_is_closed_stops_in_the_middle_of_a_shard_and_leaves_nothing(out, config_file, monkeypatch):
    monkeypatch.setattr("model.corpus.token_shards.DOCUMENTS_AT_ONCE", 10)  # a shard has 60
    tokenizer_path = out / "tokenizer/tokenizer.json"
    shards = sorted((out / "corpus/train").glob("*.parquet"))
    parts = open_token_shards(shards, tokenizer_files.load_tokenizer_file(tokenizer_path), out / ".cache")
    batches, encode = [], tokenizer_files.encode_texts
    third, closing = threading.Event(), threading.Event()

    def wait_at_the_third(tokenizer, texts, name):
        batches.append(name)
        if len(batches) == 3:
            third.set()
            assert closing.wait(30)
        return encode(tokenizer, texts, name)

    monkeypatch.setattr(tokenizer_files, "encode_texts", wait_at_the_third)
    parts.start([1, 0])
    assert third.wait(30) and list((out / ".cache").iterdir())
    parts.closed.set()  # as `close` does first
    closing.set()
    parts.close()
    assert not list((out / ".cache").iterdir())  # at once: it has waited for the thread
    for shard in (0, 1):
        with pytest.raises(CancelledError):
            parts.get_shard(shard)
    assert batches == [str(shards[1])] * 3


def test_closing_after_the_last_document_leaves_nothing_either(out, monkeypatch):
    """The file is complete but not yet on disk."""
    shards = sorted((out / "corpus/train").glob("*.parquet"))
    tokenizer = tokenizer_files.load_tokenizer_file(out / "tokenizer/tokenizer.json")
    parts = open_token_shards(shards, tokenizer, out / ".cache")
    encode = tokenizer_files.encode_texts

    def close_meanwhile(tokenizer, texts, name):
        parts.closed.set()
        return encode(tokenizer, texts, name)

    monkeypatch.setattr(tokenizer_files, "encode_texts", close_meanwhile)
    parts.start([0])
    with pytest.raises(CancelledError):
        parts.get_shard(0)
    parts.close()
    assert not list((out / ".cache").iterdir())


def test_what_a_killed_run_left_in_the_cache_goes_and_what_another_one_writes_stays(out):
    cache = out / ".cache"
    cache.mkdir()
    (cache / ".tokens-0.bin.tmp-killed").touch()
    file, path = open_locked_temporary(cache / "tokens-1.bin")
    shards = sorted((out / "corpus/train").glob("*.parquet"))
    tokenizer = tokenizer_files.load_tokenizer_file(out / "tokenizer/tokenizer.json")
    with file:
        open_token_shards(shards, tokenizer, cache).close()
        assert list(cache.iterdir()) == [path]
    open_token_shards(shards, tokenizer, cache).close()
    assert not list(cache.iterdir())


def test_a_tokenizer_that_loses_text_is_refused_and_one_that_changed_too(out, config_file, tmp_path, fails):
    path = out / "tokenizer/tokenizer.json"
    lower = Tokenizer.from_file(str(path))
    lower.normalizer = normalizers.Replace("mill", "MILL")
    lower.save(str(tmp_path / "other.json"))
    line = fails("train", config_file, "--set", f"tokenizer={tmp_path}/other.json")
    assert "it does not fit" in line and "comes back as" in line
    assert not (tmp_path / "run").exists() and not list(out.glob(".cache/.*"))
    train_gpt(load_trainer_config(config_file))
    changed = Tokenizer.from_file(str(path))
    changed.add_special_tokens(["<|more|>"])
    changed.save(str(path))
    assert "was started with another one" in fails("train", config_file)
