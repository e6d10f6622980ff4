"""What a training costs, on the figures that a published run gives."""

import json

import pytest

from model.__main__ import main
from model.studies.cost import (
    CostOptions,
    count_training_flops,
    estimate_cost,
    predict_loss,
    size_for_inference,
    size_for_training,
)


def test_llama_3_405b_is_the_lectures_example():
    """15.6 T tokens, 3.8e25 FLOPs, 16,000 H100 for 70 days, 26 M GPU hours, 52 M dollars, some 4,000 t of CO2."""
    options = CostOptions(
        "H100", 16_000, mfu=0.404, dollars_per_hour=2, power_usage_effectiveness=1, co2_kg_per_kwh=0.22
    )
    cost = estimate_cost(options, parameters=405e9, tokens=15.6e12)
    assert cost.flops == pytest.approx(3.8e25, rel=0.01)
    assert cost.gpu_hours == pytest.approx(26e6, rel=0.02)
    assert cost.days == pytest.approx(70, rel=0.03)
    assert cost.dollars == pytest.approx(52e6, rel=0.02)
    assert cost.co2_tons == pytest.approx(4000, rel=0.03)


def test_what_is_left_out_follows_from_the_rest():
    options = CostOptions()
    for known in ({"parameters": 1e9}, {"tokens": 20e9}, {"flops": 1.2e20}):
        cost = estimate_cost(options, **known)
        assert (cost.parameters, cost.tokens, cost.flops) == pytest.approx((1e9, 20e9, 1.2e20))
    assert estimate_cost(options, parameters=1e9, flops=6e18).tokens == pytest.approx(1e9)
    assert size_for_training(6 * 70e9 * 1.4e12) == pytest.approx((70e9, 1.4e12))  # Chinchilla
    assert count_training_flops(1e6, 10) == 6e7


def test_a_model_that_is_served_much_is_smaller_and_sees_more_tokens():
    flops = 5.88e23
    best = size_for_training(flops)
    assert size_for_inference(flops, 0) == pytest.approx(min_training_size(flops), rel=0.05)
    small, more = size_for_inference(flops, 1e13)
    assert small < 0.7 * best[0] and more > 1.5 * best[1]
    assert predict_loss(small, more) == pytest.approx(predict_loss(*best), abs=1e-6)
    assert 6 * small * more + 2 * small * 1e13 < 6 * best[0] * best[1] + 2 * best[0] * 1e13


def min_training_size(flops: float) -> tuple[float, float]:
    """Return the size that reaches the loss of 20 tokens a parameter with the least training alone."""
    goal, start = predict_loss(*size_for_training(flops)), size_for_training(flops)[0]
    sizes = []
    for step in range(100):
        parameters = start * 0.99**step
        sizes.append((parameters, (410.7 / (goal - 1.69 - 406.4 / parameters**0.34)) ** (1 / 0.28)))
    return min(sizes, key=lambda size: size[0] * size[1])


def test_a_config_gives_its_size_and_the_commands_errors_are_one_line(tmp_path, capsys, fails):
    path = tmp_path / "gpt2.yaml"
    path.write_text("data: x\noutput: y\npreset: gpt2\nsteps: 19073\nbatch_size: 64\ngradient_accumulation: 8\n")
    assert main(["cost", "--config", str(path), "--vocabulary", "50257", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)
    assert cost["tokens"] == 19073 * 512 * 1024
    assert cost["flops"] == pytest.approx((6 * 123_653_376 + 12 * 12 * 768 * 1024) * cost["tokens"], rel=1e-3)
    assert main(["cost", "--parameters", "70e9", "--served-tokens", "1e13"]) == 0
    printed = capsys.readouterr().out
    assert "1.4e+12 (20.0 a parameter)" in printed and "best for serving" in printed
    assert "give --parameters, --tokens, --flops" in fails("cost")
    assert "'H1000' is unknown" in fails("cost", "--parameters", "1e9", "--card", "H1000")
    assert "above 0" in fails("cost", "--parameters=-1")
