import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import tokenizer as tokenizer_files
from model.config_reader import build_trainer_config
from model.corpus.token_shards import TokenArray, wrap_tokens
from model.data import TokenDataset, open_corpus
from tests.model.conftest import sentences, write_shard


def tiny(data: Path, **keys):
    return build_trainer_config({"data": str(data), "output": "unused", "steps": 1, "model": {"context": 16}} | keys)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), min_size=1))
def test_characters_round_trip(text):
    tokenizer = tokenizer_files.make_character_tokenizer(text)
    ids = tokenizer_files.encode_text(tokenizer, text, "text")
    assert len(ids) == len(text) and tokenizer.get_vocab_size() == len(set(text))
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_every_document_comes_out_of_the_stream_as_it_went_in(out):
    """Even one that spells the separator; and the bytes counted are the text's own."""
    texts = [*sentences(3, 1), "a <|endoftext|> b", "水\r\n\x00"]
    write_shard(out / "corpus/validation/00000.parquet", texts)
    corpus = open_corpus(tiny(out))
    separator = tokenizer_files.find_separator_id(corpus.tokenizer)
    ids = corpus.validation.ids
    starts = [*np.flatnonzero(ids == separator), len(ids)]
    documents = [ids[a + 1 : b].tolist() for a, b in zip(starts, starts[1:], strict=False)]
    assert [corpus.tokenizer.decode(d, skip_special_tokens=False) for d in documents] == texts
    assert corpus.validation.text_bytes == sum(len(text.encode()) for text in texts)


def test_the_cache_is_read_again_and_another_corpus_or_tokenizer_never_meets_it(out):
    first = open_corpus(tiny(out))
    first.finish()
    files = {path: path.stat().st_mtime_ns for path in (out / ".cache").iterdir()}
    assert len(files) == 8  # data and header of two shards of train, one of validation, one of anneal
    assert open_corpus(tiny(out)).fingerprint() == first.fingerprint()
    assert {path: path.stat().st_mtime_ns for path in (out / ".cache").iterdir()} == files
    write_shard(out / "corpus/train/00001.parquet", sentences(60, 99))
    second = open_corpus(tiny(out))
    assert second.fingerprint()["train"] != first.fingerprint()["train"]
    assert second.fingerprint()["anneal"] == first.fingerprint()["anneal"]
    assert not np.array_equal(second.train.concatenate().ids, first.train.concatenate().ids)
    assert np.array_equal(second.train.get_shard(0).ids, first.train.get_shard(0).ids)
    assert len(list((out / ".cache").iterdir())) == 10  # the other shard is not done again
    path = out / "tokenizer/tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["merges"].pop()
    path.write_text(json.dumps(content))
    assert open_corpus(tiny(out)).fingerprint()["anneal"] != first.fingerprint()["anneal"]


def test_an_empty_anneal_set_is_none(out):
    write_shard(out / "corpus/anneal/00000.parquet", [])
    assert open_corpus(tiny(out)).anneal is None


@given(st.integers(17, 200), st.integers(2, 16), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_shows_every_token_once_but_for_less_than_a_row(size, context, seed, epoch):
    ids = wrap_tokens(TokenArray(np.arange(size, dtype=np.uint16), 0))
    rows = TokenDataset(ids, context, seed)
    count = size // context
    table = rows.get_rows(epoch * count, count)
    assert table.dtype == np.int64 and table.shape == (count, context + 1)
    assert len(np.unique(table[:, :-1])) == count * context
    assert np.array_equal((table[:, :-1] + 1) % size, table[:, 1:])
    assert np.array_equal(table[-1], TokenDataset(ids, context, seed).get_row(epoch * count + count - 1))


def test_seed_and_epoch_change_the_cut_and_the_order():
    ids = wrap_tokens(TokenArray(np.arange(1000), 0))
    starts = [TokenDataset(ids, 10, seed).get_rows(first, 100)[:, 0] for seed, first in ((0, 0), (0, 100), (1, 0))]
    assert len({tuple(order) for order in starts}) == 3
    assert len({order[0] % 10 for order in starts}) == 3  # cut at another place, too


def test_a_text_file_is_cut_into_train_and_validation(tmp_path):
    (tmp_path / "a.txt").write_text("żółw " * 100)
    corpus = open_corpus(tiny(tmp_path / "a.txt", validation=0.2))
    assert (corpus.train.count_tokens(), len(corpus.validation.ids)) == (400, 100)
    assert corpus.validation.text_bytes == 20 * 8 - 2  # the first letter, of two bytes, is predicted by no one


def damage(shard: Path) -> None:
    """Turn over bytes inside of the shard's pages, as a bad disk does; its footer stays."""
    data = bytearray(shard.read_bytes())
    data[4 : len(data) // 2] = bytes(byte ^ 0xFF for byte in data[4 : len(data) // 2])
    shard.write_bytes(data)


def write_texts(shard: Path, texts: list) -> None:
    """Write a shard of texts alone, of any type."""
    pq.write_table(pa.table({"text": texts}), shard)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda out: (out / "tokenizer/tokenizer.json").unlink(), ["tokenizer.json", "no tokenizer here"]),
        (lambda out: (out / "tokenizer/tokenizer.json").write_text("{}"), ["tokenizer.json", "not a tokenizer"]),
        (lambda out: write_shard(out / "corpus/validation/00000.parquet", []), ["corpus/validation", "no documents"]),
        (lambda out: [p.unlink() for p in (out / "corpus/train").iterdir()], ["corpus/train", "no documents"]),
        (lambda out: (out / "corpus/train/00000.parquet").write_text("<html>"), ["00000.parquet", "not a shard"]),
        (lambda out: damage(out / "corpus/train/00000.parquet"), ["train/00000.parquet", "not a shard"]),
        (lambda out: write_texts(out / "corpus/train/00000.parquet", ["a", None]), ["00000.parquet", "null"]),
        (lambda out: write_texts(out / "corpus/validation/00000.parquet", [1, 2]), ["00000.parquet", "type"]),
        (lambda out: write_texts(out / "corpus/anneal/00000.parquet", ["mill"]), ["schedule.anneal=0", "16 tokens"]),
    ],
)
def test_data_that_cannot_be_trained_on_is_one_line_and_no_run(out, config_file, fails, break_it, words):
    break_it(out)
    line = fails("train", config_file)
    assert all(word in line for word in words), line
    assert not (config_file.parent / "run").exists()
    assert not list(out.glob(".cache/.*"))


def test_a_context_longer_than_the_data_or_no_data_is_one_line_and_no_run(tmp_path, config_file, fails):
    assert "100000 is too long for" in fails("train", config_file, "--set", "model.context=100000")
    assert "does not exist" in fails("train", config_file, "--set", f"data={tmp_path}/none")
    (tmp_path / "empty.txt").touch()
    assert "is empty" in fails("train", config_file, "--set", f"data={tmp_path}/empty.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    assert "UTF-8" in fails("train", config_file, "--set", f"data={tmp_path}/bytes.txt")
    for damaged in (b"no gzip", gzip.compress(b"mill " * 99)[:-9], gzip.compress(b"\xff"), b"\x1f\x8b" + bytes(99)):
        (tmp_path / "bytes.txt.gz").write_bytes(damaged)
        assert "bytes.txt.gz" in fails("train", config_file, "--set", f"data={tmp_path}/bytes.txt.gz")
    assert not (tmp_path / "run").exists()
