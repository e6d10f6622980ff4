"""A config is laid over its recipe and checked; what is wrong is one line: the key, the value, the nearest name."""

import dataclasses

import pytest
import yaml

from pipeline.config import (
    OLD_KEYS,
    RECIPES,
    build_config,
    compare_configs,
    config_values,
    dump_config,
    load_config,
    read_recipes,
)
from pipeline.settings import ConfigError, merge_settings, parse_yaml, read_override

MINIMAL = {"inputs": ["a.warc.gz"], "output": "out"}


def write(tmp_path, value) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(value if isinstance(value, str) else yaml.safe_dump(value))
    return str(path)


@pytest.mark.parametrize("name", ["default", "fineweb", "c4", "gopher", "refinedweb", "dclm", "none"])
def test_every_recipe_is_a_valid_config_with_a_description(name):
    assert read_recipes()[name]["description"]
    assert read_recipes()[name] == parse_yaml((RECIPES / f"{name}.yaml").read_text())  # no key stands twice
    assert build_config(MINIMAL | {"recipe": name}).recipe == name


def test_the_users_keys_win_over_the_recipe_one_by_one(tmp_path):
    path = write(tmp_path, MINIMAL | {"recipe": "fineweb", "language": {"min_score": 0.9}})
    config = load_config(path, ["dedup.threshold=0.9", "languages=[en, de]"])
    assert config.language.min_score == 0.9
    assert config.dedup.threshold == 0.9
    assert config.languages == ("en", "de")
    assert config.rules.fineweb is not None  # from the recipe


@pytest.mark.parametrize("old, new", OLD_KEYS.items())
def test_the_error_for_a_renamed_key_names_the_new_one(old, new):
    *sections, last = old.split(".")
    for key, text in ((old, f"{old}: this key is now {new}"), (".".join([*sections, f"{last}x"]), "no such key")):
        with pytest.raises(ConfigError, match=text):
            build_config(merge_settings(MINIMAL, read_override(f"{key}=1")))
    default = config_values(build_config(merge_settings(MINIMAL, {"dedup": {"repeated_lines": {}}})))
    for part in new.split("."):
        assert part in default, f"{new} is no key"
        default = default[part]


def test_one_input_may_be_a_plain_string():
    assert build_config(MINIMAL | {"inputs": "crawl/*.warc.gz"}).inputs == ("crawl/*.warc.gz",)


@pytest.mark.parametrize(
    "wrong, needles",
    [
        ({"langauges": ["en"]}, ["langauges", "'languages'"]),
        ({"dedup": {"treshold": 0.5}}, ["dedup.treshold", "'threshold'"]),
        ({"dedup": {"threshold": 1.5}}, ["dedup.threshold", "1.5", "less than or equal to 1"]),
        ({"dedup": {"threshold": "high"}}, ["dedup.threshold", "'high'"]),
        ({"extract": {"engine": "trafilatra"}}, ["extract.engine", "resiliparse", "mean 'trafilatura'?"]),
        ({"rules": 3}, ["rules", "3", "a mapping"]),
        ({"url": {"blocklists": "lists.bin"}}, ["url.blocklists", "'lists.bin'", "a list"]),
        ({"recipe": "finweb"}, ["recipe", "'finweb'", "'fineweb'"]),
        ({"recipe": ["fineweb"]}, ["recipe", "['fineweb']", "default"]),
        ({"inputs": []}, ["inputs", "at least 1"]),
        ({"output": ""}, ["output", "at least 1"]),
        ({"rules": {"fineweb": {"min_wrods": 1}}}, ["rules.fineweb.min_wrods"]),
        ({"inputs": None, "input": ["a.warc.gz"]}, ["input", "mean 'inputs'?"]),
        ({"workers": 0}, ["workers", "0", "greater than 0"]),
        ({"input": {"concurrency": 1000}}, ["input.concurrency", "1000"]),
        ({"languages": ["en", False]}, ["languages.1", "False", '"no" for Norwegian']),
        ({"weights": {"domains": {"news": float("inf")}}}, ["weights.domains.news", "inf", "finite"]),
        ({"weights": {"languages": {"en": float("inf")}}}, ["weights.languages.en", "finite"]),
        ({"weights": {"quality": [1, float("inf")]}}, ["weights.quality.1", "finite"]),
    ],
)
def test_what_is_wrong_is_one_line_that_says_where_and_what(wrong, needles):
    with pytest.raises(ConfigError) as caught:
        build_config(MINIMAL | wrong)
    text = str(caught.value)
    assert "\n" not in text
    for needle in needles:
        assert needle in text


def test_a_missing_key_a_missing_file_and_broken_yaml_are_one_line(tmp_path):
    for make, needle in (
        (lambda: build_config({"output": "out"}), "inputs"),
        (lambda: load_config(tmp_path / "absent.yaml"), "absent.yaml"),
        (lambda: load_config(write(tmp_path, "a: [")), "not YAML"),
        (lambda: load_config(write(tmp_path, "just text")), "mapping"),
        (lambda: read_override("novalue"), "key=value"),
    ):
        with pytest.raises(ConfigError, match=needle) as caught:
            make()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, line",
    [
        ("recipe: none\ninputs: [a]\nrecipe: c4\n", "recipe: this key stands twice, in line 1 and line 3"),
        ("dedup:\n  threshold: 0.5\n  near: true\n  threshold: 0.9\n", "threshold: this key .* line 2 and line 4"),
        ("dedup: {threshold: 0.5, threshold: 0.9}\n", "threshold: this key stands twice, in line 1 and line 1"),
        ("rules: {custom: [{use: a, use: b}]}", "use: this key stands twice"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_lines(tmp_path, text, line):
    with pytest.raises(ConfigError, match=f"config.yaml: {line}") as caught:
        load_config(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="--set .*near: this key stands twice"):
        read_override("dedup={near: true, near: false}")


def test_yaml_tags_never_run_code(tmp_path):
    with pytest.raises(ConfigError, match="not YAML"):
        load_config(write(tmp_path, "inputs: !!python/object/apply:os.getcwd []\noutput: out"))


def test_the_effective_config_reads_back_as_itself():
    config = build_config(
        MINIMAL | {"recipe": "fineweb", "weights": {"domains": {"news": 0.5}, "quality": [0.5, 1, 2]}}
    )
    assert build_config(yaml.safe_load(dump_config(config))) == config


def test_differences_name_what_decides_the_result_and_nothing_else():
    one = build_config(MINIMAL)
    two = dataclasses.replace(one, workers=7, output="elsewhere", dedup=dataclasses.replace(one.dedup, threshold=0.7))
    assert compare_configs(config_values(one), config_values(two)) == ["dedup.threshold: 0.8 -> 0.7"]
