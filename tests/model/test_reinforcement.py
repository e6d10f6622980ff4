"""A reward model that learns from pairs, and PPO, which writes what it likes."""

import json
import math
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file

from demo.pairs import list_words, make_pairs, score_answer
from model import run_folder
from model.__main__ import main
from model.config import ModelConfig, PPOConfig
from model.config_reader import load_trainer_config
from model.gpt import GPT, IGNORE
from model.inference.sample import SamplingOptions, generate_tokens
from model.reinforcement.answers import generate_answers, measure_answers, pack_answers
from model.reinforcement.ppo import compute_ppo_loss, estimate_advantages
from model.reinforcement.reward_model import RewardModel
from model.run_folder import read_training_log
from model.train import train_gpt
from tests.model.conftest import sentences, write_out
from tests.model.test_gpt import TINY, randomised

KEYS = {"steps": 40, "batch_size": 8, "evaluate_every": 20, "checkpoint": {"every": 10}, "schedule": {"warmup": 0}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with a corpus, a base run, pairs, and a reward model that prefers the word wheel."""
    folder = tmp_path_factory.mktemp("runs")
    write_out(folder / "out")
    base = {"data": f"{folder}/out", "steps": 60, "batch_size": 4, "evaluate_every": 60}
    base["model"] = {"depth": 2, "width": 32, "heads": 2, "context": 24}
    write_run(folder, "base", base)
    pairs = [{"prompt": f"water {i}", "chosen": "wheel wheel", "rejected": "stone wheel"} for i in range(40)]
    pairs += [{"prompt": f"mill {i}", "chosen": "the wheel", "rejected": "the river"} for i in range(40)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    write_run(folder, "reward", tune(folder, "reward", optimizer={"learning_rate": 0.003}))
    return folder


def tune(folder: Path, task: str, **keys: object) -> dict[str, object]:
    """Return the config of a run on the pairs that starts from the base run."""
    return KEYS | {"data": f"{folder}/pairs.jsonl", "init_from": f"{folder}/base", "task": task, **keys}


def write_run(folder: Path, name: str, keys: dict[str, object]) -> Path:
    """Train the run folder/name by the command line."""
    (folder / f"{name}.yaml").write_text(json.dumps(keys | {"output": f"{folder}/{name}"}))
    assert main(["train", str(folder / f"{name}.yaml")]) == 0
    return folder / name


def test_a_reward_model_ranks_pairs_that_it_has_not_seen(runs, fails):
    lines = read_training_log(runs / "reward")
    assert lines[0]["loss"] == pytest.approx(math.log(2))  # at first all answers are equally good
    assert lines[-1]["validation_accuracy"] == 1.0 and lines[-1]["validation_loss"] < 0.3
    assert "is a reward model, which writes no text" in fails("sample", runs / "reward")
    assert "has lost the head" in fails(
        "train", runs / "reward.yaml", "--set", f"init_from={runs}/reward", "task=dpo", f"output={runs}/x"
    )


def test_a_reward_is_read_at_the_last_token_of_the_answer():
    torch.manual_seed(1)
    model = RewardModel(ModelConfig(**TINY), 50).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    tokens = torch.randint(50, (2, 12))
    targets = torch.full((2, 12), IGNORE)
    targets[0, 3:6], targets[1, 8] = 7, 7
    rewards = model(tokens, targets)
    torch.testing.assert_close(rewards, torch.stack([model(tokens[:1, :6])[0], model(tokens[1:, :9])[0]]))
    assert not torch.isclose(rewards[0], model(tokens[:1, :5])[0])


def test_answers_to_prompts_of_several_lengths_are_those_of_each_prompt_alone():
    model = randomised(ModelConfig(**TINY))
    with torch.no_grad():
        model.head.weight.mul_(10_000)  # so that nothing is left to chance
    model.separator = 9
    prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 3, 2]]
    answers = generate_answers(model, prompts, 5, torch.Generator())
    for row, prompt in enumerate(prompts):
        stream = generate_tokens(model, prompt, SamplingOptions(0))
        expected = [next(stream) for _ in range(5)]
        expected = expected[: expected.index(9) + 1] if 9 in expected else expected
        targets = answers.targets[row]
        assert targets[targets != IGNORE].tolist() == expected
        assert answers.tokens[row, : len(prompt) + len(expected) - 1].tolist() == [*prompt, *expected[:-1]]
        end = int((answers.marks[row] != IGNORE).nonzero())
        assert answers.texts[row, : end + 1].tolist() == [*prompt, *(t for t in expected if t != 9)]


def test_the_separator_ends_an_answer_and_a_reward_is_read_before_it():
    table = torch.tensor([[1, 2, 9, -1], [1, 2, 3, 4]])
    answers = pack_answers(table, torch.tensor([1, 3]), 9)
    assert answers.targets.tolist() == [[2, 9, IGNORE], [IGNORE, IGNORE, 4]]
    assert answers.texts.tolist() == [[1, 2, 0, 0], [1, 2, 3, 4]]
    assert answers.marks.tolist() == [[IGNORE, 0, IGNORE, IGNORE], [IGNORE, IGNORE, IGNORE, 0]]
    model, other = randomised(ModelConfig(**TINY)), GPT(ModelConfig(**TINY), 50)
    logs, ratios = measure_answers(model, other, answers)
    expected = model(answers.tokens).log_softmax(-1)
    torch.testing.assert_close(logs, torch.tensor([[1, 1, 0], [0, 0, 1]]) * torch.stack(
        [expected[0, [0, 1, 2], [2, 9, 0]], expected[1, [0, 1, 2], [0, 0, 4]]]
    ))  # fmt: skip
    torch.testing.assert_close(ratios[0, :2], logs[0, :2] + math.log(64))  # a new model knows nothing


def test_advantages_and_loss_are_their_formulas():
    rewards, values = torch.tensor([[0.0, 1.0, 2.0, 0.0]]), torch.tensor([[0.0, 0.5, 1.5, 9.0]])
    mask = torch.tensor([[False, True, True, False]])
    advantages = estimate_advantages(rewards, values, mask, 0.9)
    last = 2.0 - 1.5
    assert advantages[0].tolist() == pytest.approx([0, 1.0 + 1.5 - 0.5 + 0.9 * last, last, 0])
    assert estimate_advantages(rewards, values, mask, 1.0)[0, 1] == pytest.approx(3.0 - 0.5)  # the rest, minus value

    def gain(ratio: float, advantage: float) -> float:
        logs = torch.tensor([math.log(ratio)], requires_grad=True)
        zero, config = torch.zeros(1), PPOConfig(clip=0.2)
        compute_ppo_loss(logs, zero, zero, torch.tensor([advantage]), zero, config).backward()
        assert logs.grad is not None
        return -logs.grad.item()

    assert gain(1.0, 2.0) == pytest.approx(2.0) and gain(1.3, 2.0) == 0  # beyond the clip nothing more is gained
    assert gain(0.7, -2.0) == 0 and gain(1.3, -2.0) == pytest.approx(-2.6)
    values, returns = torch.tensor([3.0]), torch.tensor([1.0])
    loss = compute_ppo_loss(*torch.zeros(1, 1), values, *torch.zeros(2, 1), returns, PPOConfig(value_coefficient=0.5))
    assert loss.item() == pytest.approx(0.5 * 4 / 2)


def test_ppo_writes_what_the_reward_model_likes_and_resumes_to_the_last_bit(runs, capsys, fails):
    ppo = {"reward_model": f"{runs}/reward", "gold_model": f"{runs}/reward", "answer_tokens": 4}
    keys = tune(runs, "ppo", ppo=ppo, gradient_accumulation=2, optimizer={"learning_rate": 0.001})
    run = write_run(runs, "ppo", keys)
    lines = read_training_log(run)
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-4)  # it starts as the initial model
    assert lines[-1]["validation_reward"] > lines[0]["reward"] + 0.5 and lines[-1]["validation_kl"] > 0.5
    assert lines[-1]["validation_gold_reward"] == pytest.approx(lines[-1]["validation_reward"])
    assert (run / "reward.png").is_file() and (run / "reward.svg").is_file()
    weights = (run / "checkpoints/40/model.safetensors").read_bytes()
    for file in (run / "checkpoints/40").iterdir():
        file.unlink()  # as after a crash: the run stands at step 30
    assert main(["train", str(runs / "ppo.yaml")]) == 0
    assert [line["reward"] for line in read_training_log(run)] == [line["reward"] for line in lines]
    assert (run / "checkpoints/40/model.safetensors").read_bytes() == weights
    capsys.readouterr()
    assert main(["sample", str(run), "--prompt", "mill 3", "--tokens", "6", "--temperature", "0"]) == 0
    assert capsys.readouterr().out.startswith("mill 3")

    assert main(["evaluate", str(run), "--reward", f"{runs}/reward", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["rewards"]
    assert scores[f"{runs}/reward"]["policy"] == pytest.approx(lines[-1]["validation_reward"], rel=1e-4)
    assert scores[f"{runs}/reward"]["initial"] < lines[-1]["validation_reward"]
    near = write_run(runs, "near", keys | {"ppo": ppo | {"kl_coefficient": 5.0}})
    assert read_training_log(near)[-1]["validation_kl"] < lines[-1]["validation_kl"] / 2
    train_gpt(load_trainer_config(runs / "reward.yaml", [f"output={runs}/again", f"init_from={run}", "task=dpo"]))
    assert "value.weight" in load_file(run / "checkpoints/40/model.safetensors")
    assert "value.weight" not in load_file(runs / "again/checkpoints/40/model.safetensors")
    assert run_folder.load_trained_run(runs / "again", "cpu").step == 40
    assert "task ppo needs it" in fails("train", runs / "ppo.yaml", "--set", "ppo.reward_model=null", "output=x")
    assert "compares a fine-tuned run" in fails("evaluate", runs / "base", "--reward", runs / "reward")
    assert "is no reward model" in fails(
        "train", runs / "ppo.yaml", "--set", f"ppo.reward_model={runs}/base", f"output={runs}/x"
    )


def test_the_demos_pairs_are_chosen_by_their_rule(runs):
    assert score_answer("The mill, the river. Xq!", frozenset({"the", "mill", "river"})) == 3 / 5
    assert score_answer(" ...", frozenset({"the"})) == 0
    trained, texts = run_folder.load_trained_run(runs / "base", "cpu"), sentences(40, 3)
    known = frozenset(word for text in texts for word in list_words(text))
    with patch("demo.pairs.PROMPT_WORDS", 3), patch("demo.pairs.ANSWER_TOKENS", 6):
        pairs = list(islice(make_pairs(trained, texts, 0), 5))
        assert pairs == list(islice(make_pairs(trained, texts, 0), 5))
    assert len(pairs) == 5
    for pair in pairs:
        margin = score_answer(pair["chosen"], known) - score_answer(pair["rejected"], known)
        assert margin >= 0.3 and pair["prompt"] in " ".join(texts)
