"""Studies of several runs: which corpus is better, and how far one carries."""

import json

import pytest

from model.__main__ import main
from model.run_folder import read_training_log
from model.studies.ablate import ArmResult, format_ablation_table
from model.studies.scaling import fit_power_law
from tests.model.conftest import sentences, write_out, write_shard

TRAIN = "batch_size: 4, evaluate_every: 1000, model: {depth: 1, width: 32, heads: 2, context: 16}"


def test_an_ablation_tells_the_good_corpus_from_the_bad(tmp_path, out, capsys, fails):
    bad = write_out(tmp_path / "bad")
    for number in range(2):
        write_shard(bad / f"corpus/train/{number:05}.parquet", ["zqx " * 30 for _ in sentences(60, number)])
    (tmp_path / "text.txt").write_text("\n".join(sentences(20, 99)))
    path = tmp_path / "study.yaml"
    path.write_text(
        f"output: {tmp_path}/study\narms: {{good: {out}, same: {out}, bad: {bad}}}\ntexts: [{tmp_path}/text.txt]\n"
        f"seeds: [0, 1]\ntrain: {{steps: 40, {TRAIN}}}\n"
    )
    assert main(["ablate", str(path)]) == 0
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "study/results.json").read_text())["arms"]
    assert results["good"] == results["same"]  # the same data and seeds are the same model
    assert results["bad"]["bits_per_byte"] > results["good"]["bits_per_byte"] + 0.5
    assert {arm["tokens"] for arm in results.values()} == {40 * 4 * 16}
    assert [line.split("|")[1].strip() for line in printed.splitlines()[2:]] == ["good", "same", "bad"]
    done = read_training_log(tmp_path / "study/good-0")
    assert main(["ablate", str(path)]) == 0 and read_training_log(tmp_path / "study/good-0") == done
    assert "did you mean 'texts'" in fails("ablate", path, "--set", "text=x")
    assert "train.seed: the study sets it" in fails("ablate", path, "--set", "train.seed=5")
    path.write_text(f"output: x\narms: {{good: {out}}}\ntexts: [x]\n")
    assert "at least two arms" in fails("ablate", path)


def test_the_table_says_how_many_deviations_and_warns_of_repetition():
    arms = {
        "a": ArmResult(1.5, 0.03, {}, {}, 100, epochs=1.0),
        "b": ArmResult(1.4, 0.04, {}, {}, 100, epochs=5.0),
    }
    line = format_ablation_table(arms).splitlines()[-1]
    assert "1.4000 ± 0.0400 | -0.1000 | -2.8 | 5.00 (too many to compare)" in line  # sqrt((9 + 16) / 2) = 3.54


def test_the_fit_finds_a_power_law():
    law = fit_power_law([(10.0**k, 7.0 * (10.0**k) ** -0.05) for k in range(12, 16)])
    assert (law.factor, law.exponent) == pytest.approx((7.0, -0.05), abs=1e-9)
    assert law.largest_relative_error == pytest.approx(0.0, abs=1e-9)
    bent = fit_power_law([(1.0, 1.0), (10.0, 1.2), (100.0, 1.0)])
    assert bent.largest_relative_error == pytest.approx(1 - 1.2 ** (-2 / 3))


def test_scaling_trains_every_depth_on_its_share_of_tokens(tmp_path, out, capsys, fails):
    path = tmp_path / "scaling.yaml"
    path.write_text(
        f"output: {tmp_path}/scaling\ndata: {out}\ndepths: [2, 1]\ntokens_per_parameter: 0.1\ntrain: {{{TRAIN}}}\n"
    )
    assert main(["scaling", str(path)]) == 0
    points = json.loads((tmp_path / "scaling/results.json").read_text())["points"]
    assert [point["depth"] for point in points] == [1, 2]
    for point in points:
        assert point["tokens"] == pytest.approx(0.1 * point["parameters"], abs=64)
    assert "bits per byte = " in capsys.readouterr().out
    assert "at least two" in fails("scaling", path, "--set", "depths=[2]")
    assert "train.steps: the study sets it" in fails("scaling", path, "--set", "train.steps=5")
