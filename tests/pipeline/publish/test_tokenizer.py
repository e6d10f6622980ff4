"""The tokenizer: exact on any text, the same bytes again, what it says of itself is so, and others can load it."""

import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.config import Config, build_config
from pipeline.io.output import Output
from pipeline.io.schemas import CORPUS
from pipeline.publish.formats.finish_shards import finish_corpus
from pipeline.publish.settings import TokenizerConfig
from pipeline.publish.tokenizer import (
    MAX_PIECE,
    SPECIAL,
    new_tokenizer,
    read_split_texts,
    split_pattern,
    train_tokenizer,
)
from tests.pipeline.crawls import article
from tests.shared import ROOT

CODE = "def mill(grain):\n    for sack in grain:\n        if sack > 1234567:\n\t\treturn  sack\n\n\n"


def whole_config(**over) -> Config:
    return build_config({"inputs": ["x"], "output": "x", "tokenizer": {"vocab_size": 500} | over})


def settings(**over) -> TokenizerConfig:
    return whole_config(**over).tokenizer


def corpus(root: Path, shards: list[list[tuple[str, str]]]) -> Output:
    """Write corpus/train of the given (language, text) rows."""
    output = Output(str(root))
    for number, rows in enumerate(shards):
        with output.table_writer(CORPUS, "corpus", "train", f"train-{number:05d}.parquet") as writer:
            for language, text in rows:
                writer.row({"language": language, "text": text})
    return output


def rows(first: int) -> list[tuple[str, str]]:
    return [("en", "\n\n".join(article(n)) + CODE) for n in range(first, first + 20)] + [
        ("ru", "Старая мельница. " * 9)
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Output, dict]:
    output = corpus(tmp_path_factory.mktemp("tokenizer"), [rows(0), rows(100)])
    return output, {**train_tokenizer(output, settings()), **finish_corpus(output, whole_config())}


@pytest.fixture(scope="module")
def tokenizer(trained) -> Tokenizer:
    return Tokenizer.from_file(trained[0].path("tokenizer", "tokenizer.json"))


@cache
def untrained() -> Tokenizer:
    """Return a tokenizer of bytes alone, made without a corpus, for the property test."""
    from tokenizers import pre_tokenizers, trainers

    made = new_tokenizer(2)
    made.train_from_iterator([CODE], trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return made


@given(st.text())
@example("  leading,\ttabs\r\nand \u00a0no-break\u2028 \u0301marks 12345 ١٢٣٤ 👩🏽‍🚀 <|endoftext|> <|pad")
@example("\x00\x1c\x85\ufeff\ufffd\U0010ffff don't I'LL ſ K\u0301")
@example(" " * 40 + "\n" * 40)
def test_any_text_comes_back(text):
    assert untrained().decode(untrained().encode(text).ids) == text


@given(st.text(), st.integers(1, 3))
def test_the_pattern_takes_every_character_and_groups_digits(text, digits):
    pieces = regex.findall(split_pattern(digits), text)
    assert "".join(pieces) == text
    assert all(len(piece) <= digits for piece in pieces if regex.search(r"\p{N}", piece))


@pytest.mark.parametrize("run", ["a", " a", "字", "=", " ", "\n", "\t", "\u0301", "a\u0301", "\u200b"])
def test_a_run_without_end_is_cut_so_that_one_page_cannot_hold_the_training(tmp_path, run):
    pieces = regex.findall(split_pattern(2), run * 1000)
    assert "".join(pieces) == run * 1000 and max(map(len, pieces)) <= MAX_PIECE + 1  # and a leading space


def test_a_page_of_a_million_letters_is_trained_on(tmp_path):
    output = corpus(tmp_path, [[*rows(0), ("en", "ab" * 500_000)]])
    assert train_tokenizer(output, settings())["vocabulary"] == 512


def test_indentation_is_one_piece_and_digits_go_in_groups():
    assert regex.findall(split_pattern(2), "\n\n        if x == 12345:") == [
        "\n\n",
        "        ",
        "if",
        " x",
        " ==",
        " ",
        *"12 34 5".split(),
        ":",
    ]
    assert regex.findall(split_pattern(3), "1234567") == ["123", "456", "7"]
    assert regex.findall(split_pattern(2), "\t\treturn it's") == ["\t\t", "return", " it", "'s"]


def test_trained_it_is_exact_has_its_special_tokens_first_and_a_round_size(trained, tokenizer):
    _, facts = trained
    assert [tokenizer.token_to_id(name) for name in SPECIAL] == list(range(len(SPECIAL)))
    assert facts["vocabulary"] == tokenizer.get_vocab_size() == 512  # 500, padded to a multiple of 64
    for text in (CODE, "Старая мельница, 9876543210 \U0001f33e\n", "  \n \t x"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    for token in tokenizer.get_vocab():
        if token not in SPECIAL:
            assert sum(c.isdigit() for c in token) <= 2, token
    assert tokenizer.encode("\n    for").tokens[:2] == ["Ċ", "ĠĠĠĠ"]


def test_bytes_per_token_are_what_encoding_the_corpus_takes(trained, tokenizer):
    output, facts = trained
    for language in ("all", "en", "ru"):
        some = [text for name, text in read_split_texts(output, "corpus/train") if language in ("all", name)]
        tokens = sum(len(tokenizer.encode(text).ids) for text in some)
        assert facts["bytes_per_token"][language] == pytest.approx(
            sum(len(t.encode()) for t in some) / tokens, abs=1e-3
        )
    assert list(facts["bytes_per_token"]) == ["all", "en", "ru"]


def test_transformers_loads_the_folder(trained, tokenizer):
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(trained[0].path("tokenizer"))
    assert loaded.encode(CODE) == tokenizer.encode(CODE).ids
    assert loaded.decode(loaded.encode(CODE)) == CODE
    assert (loaded.eos_token, loaded.pad_token, len(loaded)) == ("<|endoftext|>", "<|pad|>", 512)
    assert loaded.encode("<|user|>") == [SPECIAL.index("<|user|>")]


def test_the_same_corpus_gives_the_same_bytes_with_any_number_of_threads(trained):
    output, _ = trained
    digest = hashlib.sha256(output.open("tokenizer", "tokenizer.json").read()).hexdigest()
    program = (
        "import sys; from pipeline.config import build_config; from pipeline.io.output import Output;"
        "from pipeline.publish.tokenizer import train_tokenizer;"
        "c = build_config({'inputs': ['x'], 'output': 'x', 'tokenizer': {'vocab_size': 500}}).tokenizer;"
        "train_tokenizer(Output(sys.argv[1]), c)"
    )
    for threads, hash_seed in (("1", "1"), ("3", "2")):
        env = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", program, output.root], cwd=ROOT, env=env, check=True)
        assert hashlib.sha256(output.open("tokenizer", "tokenizer.json").read()).hexdigest() == digest


def test_the_sample_is_spread_over_the_shards_and_nothing_beyond_it_is_read(tmp_path, monkeypatch):
    output = corpus(tmp_path, [[("en", f"{shard}{n:03}" + "x" * 996) for n in range(600)] for shard in "abcd"])
    batches = []
    read = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile, "iter_batches", lambda *a, **k: (batches.append(1) or batch for batch in read(*a, **k))
    )
    found = [text[:4] for _, text in read_split_texts(output, "corpus/train", 400_000)]
    assert found == [f"{shard}{n:03}" for shard in "abcd" for n in range(100)]
    assert len(batches) == 4
    assert len(list(read_split_texts(output, "corpus/train"))) == 2400


def test_a_corpus_with_too_few_pairs_ends_with_a_smaller_vocabulary_and_says_so(tmp_path):
    output = corpus(tmp_path, [[("en", "mill")]])
    facts = train_tokenizer(output, settings(vocab_size=32_768))
    assert facts["wanted"] == 32_768
    assert facts["vocabulary"] == 256 + len(SPECIAL) + 3
    assert json.loads(output.open("tokenizer", "tokenizer.json").read())["model"]["type"] == "BPE"


def test_a_train_split_without_rows_gives_a_tokenizer_of_bytes(tmp_path):
    output = corpus(tmp_path, [[]])
    assert train_tokenizer(output, settings())["vocabulary"] == 256 + len(SPECIAL)
    assert finish_corpus(output, whole_config())["bytes_per_token"] == {}
