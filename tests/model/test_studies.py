"""Studies of several runs: which corpus is better, and how far one carries."""

import json
import random
from statistics import fmean, stdev

import pytest

from model.__main__ import main
from model.run_folder import read_training_log
from model.studies.ablate import compare_arms, find_faults, format_ablation
from model.studies.ablation_study import ArmResult
from model.studies.cheap_ablation import read_pool, take_pool_half
from model.studies.loss_law import TooFewPoints, find_optimum, fit_loss_law, fit_optimum_exponent
from model.studies.paired_comparison import compare_pairs, find_compute_multiplier
from model.studies.scaling_report import ScalingCurve, ScalingPoint, draw_law, draw_parabola
from model.studies.study_arms import TextOverlap
from model.training_log import make_figure
from tests.model.conftest import sentences, write_out, write_shard

TRAIN = "batch_size: 4, evaluate_every: 1000, model: {depth: 1, width: 32, heads: 2, context: 16}"


def test_an_ablation_tells_the_good_corpus_from_the_bad(tmp_path, out, capsys, fails):
    bad = write_out(tmp_path / "bad")
    for number in range(2):
        write_shard(bad / f"corpus/train/{number:05}.parquet", ["zqx " * 30 for _ in sentences(60, number)])
    scored = sentences(20, 99)
    (tmp_path / "text.txt").write_text("\n".join(scored))
    leaked = [*sentences(60, 1), *(text for text in scored if len(text.split()) > 20)]
    write_shard(out / "corpus/train/00001.parquet", leaked)
    path = tmp_path / "study.yaml"
    path.write_text(
        f"output: {tmp_path}/study\narms: {{good: {out}, same: {out}, bad: {bad}}}\ntexts: [{tmp_path}/text.txt]\n"
        f"seeds: [0, 1]\ntrain: {{steps: 40, {TRAIN}}}\nbad_arm: false\n"
    )
    assert main(["ablate", str(path)]) == 0
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "study/results.json").read_text())
    arms = results["arms"]
    assert arms["good"] == arms["same"]  # the same data and seeds are the same model
    assert arms["bad"]["bits_per_byte"] > arms["good"]["bits_per_byte"] + 0.5
    assert {arm["tokens"] for name, arm in arms.items() if name != "half"} == {40 * 4 * 16}
    assert arms["half"]["tokens"] == 20 * 4 * 16
    assert list(arms) == ["good", "same", "bad", "null-a", "null-b", "half"]
    assert arms["good"]["overlapping"] == len(leaked) - 60 > 0 and arms["bad"]["overlapping"] == 0
    assert "same: no difference to good is shown." in printed and "bad: worse than good by" in printed
    assert "Few seeds (2)" in printed and (tmp_path / "study/results.png").read_bytes()[:4] == b"\x89PNG"
    done = read_training_log(tmp_path / "study/good-0")
    assert main(["ablate", str(path)]) == 0 and read_training_log(tmp_path / "study/good-0") == done
    assert "did you mean 'texts'" in fails("ablate", path, "--set", "text=x")
    assert "train.seed: the study sets it" in fails("ablate", path, "--set", "train.seed=5")
    path.write_text(f"output: x\narms: {{good: {out}}}\ntexts: [x]\n")
    assert "at least two arms" in fails("ablate", path)


def test_a_cheap_ablation_gives_the_verdict_in_seconds(tmp_path, capsys, fails):
    """The words of the good corpus follow each other in a fixed order; every other word of the bad one is noise."""
    words = ["mill", "grain", "stone", "water", "wheel", "flour", "sack", "river"]
    draw = random.Random(0)

    def sentence(noise: float) -> str:
        start = draw.randrange(8)
        row = [words[(start + place) % 8] for place in range(draw.randrange(10, 40))]
        return " ".join("".join(draw.choices("abcdefgh", k=5)) if draw.random() < noise else word for word in row)

    for name, noise in {"good": 0.1, "bad": 0.5}.items():
        for number in range(2):
            write_shard(tmp_path / name / f"corpus/train/{number:05}.parquet", [sentence(noise) for _ in range(150)])
        write_shard(tmp_path / name / "corpus/validation/00000.parquet", ["x"])
    (tmp_path / "text.txt").write_text("\n".join(sentence(0.1) for _ in range(30)))
    path = tmp_path / "study.yaml"
    good, bad = tmp_path / "good", tmp_path / "bad"
    path.write_text(
        f"output: {tmp_path}/study\narms: {{good: {good}, same: {good}, bad: {bad}}}\n"
        f"texts: [{tmp_path}/text.txt]\nremove_overlaps: false\n"
    )
    assert main(["ablate", str(path), "--cheap"]) == 0
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "study/cheap.json").read_text())
    arms, compared = results["arms"], results["comparisons"]
    assert list(arms) == ["good", "same", "bad", "shuffled", "half", "null-a", "null-b"]
    assert arms["good"] == arms["same"] and len(arms["good"]["seeds"]) == 8
    assert len({arm["tokens"] for name, arm in arms.items() if name != "half"}) == 1
    assert compared["bad"]["sigma"] > 3 and compared["shuffled"]["sigma"] > 3 and abs(compared["null-b"]["sigma"]) < 2
    assert arms["half"]["bits_per_byte"] > arms["good"]["bits_per_byte"]
    assert "bad: worse than good by" in printed and "same: no difference to good is shown." in printed
    assert (tmp_path / "study/cheap.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["ablate", str(path), "--cheap", "--set", f"arms={{shuffled: {good}, bad: {bad}}}"]) == 2
    assert "train.steps: an ablation needs" in fails("ablate", path)
    (tmp_path / "text.txt").write_text("")
    assert "is empty" in fails("ablate", path, "--cheap")


def test_a_cheap_ablation_leaves_out_what_overlaps_and_divides_anew(out):
    pool = read_pool(str(out), 10**6, TextOverlap(["nothing"]))
    assert (len(pool.documents), pool.overlapping) == (135, 0)
    leaked = max(pool.documents, key=lambda one: len(one.data)).data.decode()
    assert read_pool(str(out), 10**6, TextOverlap([leaked])).overlapping >= 1
    halves = [
        [{one.data for one in take_pool_half(pool, seed, parity).documents} for parity in (0, 1)] for seed in (0, 1)
    ]
    assert halves[0] != halves[1]
    for first, second in halves:
        assert not first & second and first | second == {one.data for one in pool.documents}
    part = read_pool(str(out), 2000, None)
    assert 2000 <= part.count_bytes() < 2500 and part.documents == sorted(pool.documents)[: len(part.documents)]


def make_arm(scores: list[float], epochs: float = 1.0) -> ArmResult:
    """Return the result of an arm with these scores."""
    seeds = {str(seed): score for seed, score in enumerate(scores)}
    return ArmResult(fmean(scores), stdev(scores), seeds, {"a.txt": fmean(scores)}, 100, epochs)


def test_pairs_are_compared_by_students_t():
    """The differences .1, .2, .3, .4 have mean .25, standard error .0645: t = 3.873 with 3 degrees of freedom."""
    found = compare_pairs([1.0, 1.1, 1.2, 1.3], [1.1, 1.3, 1.5, 1.7])
    assert (found.difference, found.sigma, found.p_value) == pytest.approx((0.25, 3.8730, 0.03046), abs=1e-4)
    assert (found.low, found.high) == pytest.approx((0.25 - 3.18245 * 0.0645497, 0.25 + 3.18245 * 0.0645497), abs=1e-5)
    assert compare_pairs([1.0], [2.0]).p_value is None


def test_a_better_loss_is_worth_compute():
    """With a loss that falls by 10 % a doubling, 19 % less is two doublings."""
    assert find_compute_multiplier(1.0, 0.9, 0.9 * 0.81) == pytest.approx(4.0)
    assert find_compute_multiplier(1.0, 0.9, 1.0) == pytest.approx(0.5)
    assert find_compute_multiplier(1.0, 1.0, 0.9) is None


def test_a_study_whose_halves_differ_or_that_cannot_see_a_bad_corpus_is_not_trusted():
    good = {"a": make_arm([1.5, 1.51, 1.52]), "b": make_arm([1.4, 1.41, 1.43], epochs=5.0)}
    halves = {"null-a": make_arm([1.6, 1.61, 1.62]), "null-b": make_arm([1.61, 1.60, 1.62])}
    assert find_faults(compare_arms({**good, **halves, "shuffled": make_arm([2.0, 2.01, 2.02])})) == []
    (fault,) = find_faults(compare_arms({**good, **halves, "null-b": make_arm([1.7, 1.71, 1.722])}))
    assert "two halves of one corpus differ by +0.1007" in fault
    (fault,) = find_faults(compare_arms({**good, "shuffled": make_arm([1.5, 1.52, 1.51])}))
    assert "not shown to be worse" in fault
    arms = {**good, "half": make_arm([1.6, 1.61, 1.62])}
    text = format_ablation(arms, compare_arms(arms))
    assert "5.00 (too many to compare)" in text
    assert "b: better than a by 6.4 %. a would need 2.04 times the compute" in text


def test_overlaps_are_found_whatever_the_case_and_punctuation():
    words = [f"word{n}" for n in range(40)]
    overlap = TextOverlap([" ".join(words)])
    assert overlap.is_in("Before it: " + ", ".join(words[5:18]).upper() + " and after it.")
    assert not overlap.is_in(" ".join(words[5:17]))
    assert not overlap.is_in(" ".join([*words[5:17], "other", *words[18:30]]))
    assert not overlap.is_in(" ".join(reversed(words)))


def test_the_fit_finds_a_law_with_an_irreducible_term():
    def points(noise: float) -> list[tuple[float, float]]:
        wave = [1, -1, 0.5, -0.5, 1, -1]
        exact = [0.7 + 3.0 * 10 ** (-0.15 * k) for k in range(6)]
        return [(10.0 ** (12 + k), exact[k] * (1 + noise * wave[k])) for k in range(6)]

    fit = fit_loss_law(points(0.0))
    assert (fit.law.irreducible, fit.law.exponent) == pytest.approx((0.7, 0.15), abs=1e-3)
    assert fit.law.predict(1e20) == pytest.approx(0.7 + 3.0 * 10 ** (-0.15 * 8), abs=1e-3)
    noisy = fit_loss_law(points(0.002))
    low, high = noisy.predict_interval(1e19)
    assert low < 0.7 + 3.0 * 10 ** (-0.15 * 7) < high and high - low < 0.3
    assert noisy.exponent_interval()[0] < 0.15 < noisy.exponent_interval()[1]
    assert fit_loss_law(points(0.0)[:3]).predict_interval(1e19) is None
    with pytest.raises(TooFewPoints, match="2 points for 3 unknowns"):
        fit_loss_law(points(0.0)[:2])


def test_the_optimum_of_a_budget_is_a_parabolas_minimum():
    """Losses by L = 1 + 400 / N^.34 + 400 / D^.34 with D = C / 6N have their optimum near N = sqrt(C / 6)."""
    optima = []
    for budget in (1e15, 1e17):
        sizes = [(budget / 6) ** 0.5 * factor for factor in (0.5, 0.75, 1.0, 1.5, 2.0)]
        runs = [(n, budget / 6 / n, 1 + 400 / n**0.34 + 400 / (budget / 6 / n) ** 0.34) for n in sizes]
        optimum = find_optimum(budget, runs)
        assert optimum.parameters == pytest.approx((budget / 6) ** 0.5, rel=0.01)
        assert optimum.tokens == pytest.approx((budget / 6) ** 0.5, rel=0.01)
        optima.append(optimum)
    assert fit_optimum_exponent(optima) == pytest.approx(0.5, abs=0.01)
    assert find_optimum(1.0, [(1, 1, 3.0), (2, 1, 2.0), (3, 1, 1.5)]) is None


def test_the_picture_has_the_law_its_interval_and_the_prediction():
    """Six runs near .7 + 3 (C / 1e12)^-.15; the law is drawn on, past the largest."""
    losses = {10.0 ** (12 + k): 0.7 + 3.0 * 10 ** (-0.15 * k) for k in range(6)}
    points = [
        ScalingPoint(k, 1, compute, 1, 1.0, loss * (1 + 0.002 * (-1) ** k))
        for k, (compute, loss) in enumerate(losses.items())
    ]
    runs = [(point.flops, point.bits_per_byte) for point in points]
    curve = ScalingCurve(points, fit_loss_law(runs), fit_loss_law(runs[:-1]), [], None)
    _, axes = make_figure()
    draw_law(axes, curve, "", "C0")
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert drawn["trained models"] == [list(run) for run in runs]
    assert drawn["law"][0][0] == 1e12 and drawn["law"][-1][0] == pytest.approx(1e18)
    assert [loss for _, loss in drawn["law"]] == pytest.approx(
        [0.7 + 3 * (c / 1e12) ** -0.15 for c, _ in drawn["law"]], rel=0.02
    )
    (band,) = (part for part in axes.collections if part.get_label() == "95 % interval")
    outline = band.get_paths()[0]
    assert all(outline.contains_point(point) for point in drawn["law"][1:-1])
    assert not outline.contains_point((1e15, 2.0))
    prediction = axes.containers[0]
    assert prediction.get_label() == "largest, predicted from the others"
    assert prediction.lines[0].get_xydata().tolist() == [[1e17, pytest.approx(0.7 + 3 * 10**-0.75, rel=0.02)]]


def test_the_picture_of_a_budget_has_its_parabola():
    points = [ScalingPoint(k, n, 6e9, 1, 1.0, 2 + (k - 1.5) ** 2, 6e9) for k, n in enumerate((10, 100, 1000, 10_000))]
    _, axes = make_figure()
    draw_parabola(axes, points, find_optimum(6e9, [(p.parameters, 1, p.bits_per_byte) for p in points]), "x", "C0")
    runs, parabola, best = (line.get_xydata() for line in axes.lines)
    assert (
        len(runs) == 4 and parabola[:, 1].min() == pytest.approx(2, abs=0.001) and parabola[0][1] == pytest.approx(4.25)
    )
    assert best.tolist() == [[pytest.approx(10**2.5), pytest.approx(2)]]


def test_scaling_trains_every_depth_on_its_share_of_tokens(tmp_path, out, capsys, fails):
    path = tmp_path / "scaling.yaml"
    path.write_text(
        f"output: {tmp_path}/scaling\ndata: {out}\ndepths: [2, 1, 3]\ntokens_per_parameter: 0.1\ntrain: {{{TRAIN}}}\n"
    )
    assert main(["scaling", str(path)]) == 0
    points = json.loads((tmp_path / "scaling/results.json").read_text())[""]["points"]
    assert [point["depth"] for point in points] == [1, 2, 3]
    for point in points:
        assert point["tokens"] == pytest.approx(0.1 * point["parameters"], abs=64)
    assert "bits per byte = " in capsys.readouterr().out
    assert (tmp_path / "scaling/results.png").read_bytes()[:4] == b"\x89PNG"
    assert "at least 3 depths" in fails("scaling", path, "--set", "depths=[2, 1]")
    assert "train.steps: the study sets it" in fails("scaling", path, "--set", "train.steps=5")


def test_budgets_are_spent_on_every_depth_of_a_variant(tmp_path, out, capsys):
    path = tmp_path / "budgets.yaml"
    path.write_text(
        f"output: {tmp_path}/scaling\ndata: {out}\ndepths: [1, 2, 3]\nbudgets: [5.e+7]\n"
        f"variants: {{lstm: {{model: {{block: lstm, position: none}}}}}}\ntrain: {{{TRAIN}}}\n"
    )
    assert main(["scaling", str(path)]) == 0
    curves = json.loads((tmp_path / "scaling/results.json").read_text())
    assert list(curves) == ["lstm"]
    for curve in curves.values():
        assert all(point["flops"] == pytest.approx(5e7, rel=0.5) for point in curve["points"])
    assert "5.00e+07 FLOPs: " in capsys.readouterr().out
    assert (tmp_path / "scaling/results.png").read_bytes()[:4] == b"\x89PNG"
