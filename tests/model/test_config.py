import pytest

from model.config import TrainerError, find_network_shape
from model.config_reader import (
    build_trainer_config,
    config_to_json,
    dump_trainer_config,
    list_config_changes,
    load_trainer_config,
)

ENOUGH = {"data": "out", "output": "run", "steps": 10}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"model": {"dept": 3}}, ["model.dept", "did you mean 'depth'"]),
        ({"step": 3}, ["step:", "did you mean 'steps'"]),
        ({"accumulation": 2}, ["accumulation", "its name is now 'gradient_accumulation'"]),
        ({"optimizer": {"clip": 2}}, ["optimizer.clip", "its name is now 'gradient_clip'"]),
        ({"batch_size": "many"}, ["batch_size", "'many'"]),
        ({"model": {"dropout": 1.5}}, ["model.dropout", "1.5", "less than 1"]),
        ({"optimizer": {"name": "sgd"}}, ["optimizer.name", "sgd", "'muon' or 'adamw'"]),
        ({"minutes": 1}, ["exactly one"]),
        ({"preset": "gtp2"}, ["preset", "did you mean 'gpt2'"]),
        ({"model": {"width": 100, "heads": 3}}, ["model.width", "100", "3 heads"]),
        ({"schedule": {"warmup": 0.6, "decay": 0.6}}, ["schedule.warmup"]),
        ({"preset": ["gpt2"]}, ["preset", "unknown"]),
        ({"model": "tiny"}, ["model", "'tiny'"]),
        ({"optimizer": {"betas": [0.9, 1.0]}}, ["optimizer.betas", "less than 1"]),
        ({"optimizer": {"momentum": 1}}, ["optimizer.momentum", "less than 1"]),
        ({"data": 5}, ["data: 5 ", "paths with weights"]),
        ({"data": {"a": 0}}, ["data: {'a': 0} ", "weights above 0"]),
    ],
)
def test_a_wrong_key_or_value_is_one_line_that_names_it(keys, words):
    with pytest.raises(TrainerError) as error:
        build_trainer_config(ENOUGH | keys)
    text = str(error.value)
    assert "\n" not in text and all(word in text for word in words), text


def test_presets_overrides_and_the_effective_config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("data: out\noutput: run\nsteps: 10\npreset: gpt2\nmodel: {depth: 2}\n")
    config = load_trainer_config(path, ["model.context=64", "optimizer.learning_rate=1e-3"])
    assert (config.model.depth, config.model.context, config.model.norm) == (2, 64, "layer")
    assert config.optimizer.learning_rate == 1e-3
    path.write_text(dump_trainer_config(config))
    assert load_trainer_config(path) == config


def test_gpt2_follows_the_dial_too():
    assert [
        find_network_shape(build_trainer_config(ENOUGH | {"preset": "gpt2", "model": model}).model)[:2]
        for model in ({}, {"depth": 24}, {"width": 96})
    ] == [(768, 12), (1536, 24), (96, 1)]


def test_another_data_takes_the_place_of_the_files_and_a_key_that_stands_twice_is_an_error(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("data: {a: 3, b: 1}\noutput: run\nsteps: 10\n")
    assert load_trainer_config(path, ["data={c: 2}", "model.depth=2"]).data == {"c": 2}
    path.write_text("data: a\noutput: run\nsteps: 10\nmodel: {depth: 2, depth: 4}\n")
    with pytest.raises(TrainerError, match="'depth' appears twice"):
        load_trainer_config(path)


def test_only_keys_that_change_the_result_count_as_a_difference():
    old = config_to_json(build_trainer_config(ENOUGH))
    new = config_to_json(
        build_trainer_config(ENOUGH | {"output": "x", "checkpoint": {"every": 9}, "optimizer": {"gradient_clip": 2}})
    )
    assert list_config_changes(old, new) == ["optimizer.gradient_clip: 1.0 -> 2.0"]
