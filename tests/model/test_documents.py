"""Documents that share a row, and corpora that share a run."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.baselines import build_model
from model.config import ModelConfig
from model.config_reader import build_trainer_config, load_trainer_config
from model.corpus.token_shards import TokenArray, wrap_tokens
from model.corpus.validation_filter import collect_validation_documents, drop_validation_documents
from model.data import MIXTURE_BLOCK, MixtureDataset, TokenDataset, open_corpus, open_training_data
from model.gpt import GPT, KeyValueCache, compute_attention, make_document_mask
from model.inference.sample import SamplingOptions, choose_token, generate_tokens
from model.run_folder import read_training_log
from model.train import train_gpt
from tests.model.conftest import sentences, write_out, write_shard
from tests.model.test_gpt import TINY

LEARNED = {"position": "learned", "norm": "layer", "activation": "gelu"}


def masked_model(**options) -> GPT:
    torch.manual_seed(1)
    model = GPT(ModelConfig(**TINY, document_mask=True, **options), 50, separator=0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


@pytest.mark.parametrize("options", [{}, LEARNED])
def test_a_document_has_the_same_logits_packed_or_alone(options):
    model = masked_model(**options)
    documents = [[7, 8], [0, 3, 4, 5, 6], [0, 9, 9], [0, 1]]  # the first is the rest of one
    packed = model(torch.tensor([sum(documents, [])]))[0]
    alone = torch.cat([model(torch.tensor([document]))[0] for document in documents])
    torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(packed, GPT.forward(unmasked(model), torch.tensor([sum(documents, [])]))[0], atol=1e-2)


def unmasked(model: GPT) -> GPT:
    other = GPT(ModelConfig(**{**model.config.__dict__, "document_mask": False}), 50).eval()
    other.load_state_dict(model.state_dict())
    return other


def test_the_kernel_for_cards_and_the_table_give_the_same():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 200, 16) for _ in range(3))
    begins = torch.rand(2, 200) < 0.03
    outputs = [compute_attention(q, k, v, make_document_mask(begins, flex), 0.0) for flex in (False, True)]
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)


def test_sampling_begins_anew_with_a_new_document():
    """Each token is drawn from what the model says of its own document, computed without a cache."""
    model = masked_model()
    with torch.no_grad():
        model.head.weight.mul_(0.1)  # so that separators are drawn now and then
    stream = generate_tokens(model, [0, 3], SamplingOptions(1.0, seed=7))
    drawn = [0, 3] + [next(stream) for _ in range(8)]
    begin = drawn.index(0, 1)  # within the context, so that nothing else begins anew
    replay = torch.Generator().manual_seed(7)
    for t in range(2, 10):
        logits = model(torch.tensor([drawn[begin if t > begin else 0 : t]]))[0, -1]
        assert choose_token(logits[:50], SamplingOptions(1.0), replay) == drawn[t]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=4), st.integers(0, 3))
def test_every_block_holds_the_shares_and_each_corpus_in_its_own_order(weights, seed):
    sets = [wrap_tokens(TokenArray(np.arange(1000 * i, 1000 * i + 300), 0)) for i in range(len(weights))]
    parts = [TokenDataset(part, 10, seed) for part in sets]
    mixed = MixtureDataset(parts, [float(weight) for weight in weights], seed)
    first = mixed.get_rows(0, MIXTURE_BLOCK)
    assert len(mixed.get_rows(MIXTURE_BLOCK - 2, 4)) == 4 and np.array_equal(mixed.get_rows(5, 20), first[5:25])
    for i, weight in enumerate(weights):
        mine = first[first[:, 0] // 1000 == i]
        assert len(mine) == pytest.approx(MIXTURE_BLOCK * weight / sum(weights), abs=1)
        assert np.array_equal(mine, TokenDataset(sets[i], 10, seed).get_rows(0, len(mine)))


@given(st.lists(st.lists(st.integers(1, 2), max_size=3), max_size=9), st.lists(st.lists(st.integers(1, 2), max_size=3)))
def test_what_is_held_out_is_left_out_and_nothing_else(documents, others):
    ids, validation = (np.array(sum(([0, *one] for one in some), []), np.uint16) for some in (documents, others))
    rest = drop_validation_documents(ids, collect_validation_documents([validation[:0], validation], 0))
    assert rest.tolist() == sum(([0, *one] for one in documents if one not in others), [])
    assert (rest is ids) == (not any(one in others for one in documents))
    assert (
        drop_validation_documents(ids + 1, collect_validation_documents([validation], 0)).tolist() == (ids + 1).tolist()
    )  # a text file has no documents


def test_no_validation_document_of_one_corpus_is_trained_on_in_another(tmp_path, out):
    other = write_out(tmp_path / "other")
    write_shard(other / "corpus/validation/00000.parquet", [*sentences(60, 1)[:30], "水車"])  # of both training sets
    write_shard(out / "corpus/anneal/00000.parquet", sentences(15, 8) + ["水車", *sentences(20, 7)])
    settings = {"output": "x", "steps": 1, "model": {"context": 16}}

    def texts(corpus, ids):
        documents = np.split(ids, np.flatnonzero(ids == 0))[1:]
        return [corpus.tokenizer.decode(document[1:].tolist()) for document in documents]

    alone = open_corpus(build_trainer_config({"data": str(out), **settings}))
    assert texts(alone, alone.train.concatenate().ids) == sentences(60, 0) + sentences(60, 1)
    assert texts(alone, alone.anneal.concatenate().ids) == [*sentences(15, 8), "水車"]
    mixed = open_training_data(build_trainer_config({"data": [str(out), str(other)], **settings}))
    for corpus in mixed.corpora:
        assert texts(corpus, corpus.train.concatenate().ids) == sentences(60, 0) + sentences(60, 1)[30:]
        assert texts(corpus, corpus.anneal.concatenate().ids) == sentences(15, 8)
    assert texts(mixed, mixed.validation.ids)[-1] == "水車"


def test_corpora_are_mixed_trained_on_and_resumed(config_file, out, tmp_path, fails):
    other = write_out(tmp_path / "other")
    (tmp_path / "mixed.yaml").write_text(
        config_file.read_text().replace(f"data: {out}", f"data: {{{out}: 3, {other}: 1}}\nseed: 1")
    )
    config = load_trainer_config(tmp_path / "mixed.yaml", ["model.document_mask=true"])
    train_gpt(config)
    assert len(read_training_log(tmp_path / "run")) == 6
    data = open_training_data(config)
    one = open_corpus(build_trainer_config({"data": str(out), "output": "x", "steps": 1, "model": {"context": 16}}))
    assert len(data.validation.ids) == 2 * len(one.validation.ids)
    assert data.validation.text_bytes == 2 * one.validation.text_bytes
    train_gpt(config)  # complete
    assert "data: {" in fails("train", tmp_path / "mixed.yaml", "--set", f"data={out}", "model.document_mask=true")
    path = other / "tokenizer/tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["merges"].pop()
    path.write_text(json.dumps(content))
    line = fails("train", tmp_path / "mixed.yaml", "--set", f"output={tmp_path}/third")
    assert "has another tokenizer than" in line


@pytest.mark.parametrize("options", [{"block": "lstm", "position": "none"}, {"depth": 0, "position": "none"}])
def test_an_lstm_and_a_bigram_have_the_same_interface(options):
    torch.manual_seed(0)
    model = build_model(ModelConfig(**(TINY | options)), 50).eval()
    with torch.no_grad():
        model.head.weight.normal_()
    tokens = torch.randint(50, (2, 12))
    whole, cache = model(tokens), KeyValueCache()
    parts = [model(tokens[:, :4], cache=cache)] + [model(tokens[:, t : t + 1], cache=cache) for t in range(4, 12)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 50
    same = torch.isclose(model(changed), whole, atol=1e-6).all(-1).all(0)
    assert same.tolist() == [True] * 3 + ([False] * 9 if model.config.depth else [False] + [True] * 8)


def test_an_lstm_trains_is_sampled_and_not_exported(config_file, tmp_path, fails):
    from model.__main__ import main

    keys = ["model.block=lstm", "model.position=none"]
    assert main(["train", str(config_file), "--set", *keys, "steps=60", "evaluate_every=60"]) == 0
    lines = read_training_log(tmp_path / "run")
    assert lines[-1]["loss"] < lines[0]["loss"] - 1
    assert main(["sample", str(tmp_path / "run"), "--tokens", "30"]) == 0
    line = fails("export", tmp_path / "run", tmp_path / "hf")
    assert "Llama, has no model.block='lstm', model.position='none'" in line
    assert "model.position=none" in fails("train", config_file, "--set", "model.block=lstm", "output=x")
