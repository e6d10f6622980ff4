"""A run that begins from another: a longer context, prompt and answer, preference pairs."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from model import run_folder
from model.__main__ import main
from model.config import TrainerError
from model.config_reader import load_trainer_config
from model.finetuning.examples import encode_conversation, open_examples, parse_messages
from model.finetuning.losses import bradley_terry_loss, preference_margins
from model.gpt import IGNORE
from model.inference.chat import chat_with_user
from model.inference.sample import SamplingOptions
from model.run_folder import load_trained_run, read_training_log
from model.train import Trainer, train_gpt


@pytest.fixture
def base(config_file, tmp_path) -> Path:
    train_gpt(load_trainer_config(config_file, ["steps=30", f"output={tmp_path}/base", "evaluate_every=30"]))
    return tmp_path / "base"


def tuned(tmp_path: Path, base: Path, task: str, records: list[dict[str, str]], **keys: object) -> Path:
    """Write the data and a config of the task; its run is tmp_path/task."""
    (tmp_path / f"{task}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    config = {
        "data": f"{tmp_path}/{task}.jsonl", "output": f"{tmp_path}/{task}", "task": task, "init_from": str(base),
        "steps": 40, "batch_size": 8, "evaluate_every": 20, "checkpoint": {"every": 10}, "schedule": {"warmup": 0},
        "optimizer": {"learning_rate": 0.01}, "validation": 0.2, "model": {"context": 32}, **keys,
    }  # fmt: skip
    path = tmp_path / f"{task}.yaml"
    path.write_text(json.dumps(config))
    return path


def test_a_longer_context_begins_with_the_same_weights_and_slower_rotations(base, config_file, tmp_path, out, fails):
    keys = [f"init_from={base}", f"output={tmp_path}/long", "model.context=32", "steps=4"]
    config = load_trainer_config(config_file, keys)
    assert config.model.rope_base == pytest.approx(10_000 * 2 ** (16 / 14))  # heads of 16 features
    slowest = [b ** (-14 / 16) for b in (10_000, config.model.rope_base)]
    assert slowest[0] / slowest[1] == pytest.approx(2)
    cached = set((out / ".cache").iterdir())
    train_gpt(config)
    assert set((out / ".cache").iterdir()) == cached  # the run's tokenizer is the corpus's: nothing is done again
    run = tmp_path / "long"
    final = load_file(base / "checkpoints/30/model.safetensors")
    initial = load_file(run / run_folder.INITIAL)
    assert all(torch.equal(initial[name], final[name]) for name in final)
    before = read_training_log(base)
    assert read_training_log(run)[0]["loss"] < before[0]["loss"] - 0.5  # it knows what the first run learned
    assert run_folder.load_trained_run(run, "cpu").config.model.context == 32
    lines = read_training_log(run)
    train_gpt(config)  # complete
    assert read_training_log(run) == lines
    assert load_trainer_config(config_file, [*keys, "model.rope_base=5"]).model.rope_base == 5
    assert (
        load_trainer_config(config_file, [*keys, "model.context='32'"]) == config
    )  # a number in quotes is scaled for, too
    assert "model: 'x'" in fails("train", config_file, "--set", *keys, "model=x", "output=x")
    assert "model.width" in fails("train", config_file, "--set", *keys, "model.width=64", "output=x")
    assert "is not a run" in fails("train", config_file, "--set", f"init_from={tmp_path}", "output=x")


def test_only_answers_count_and_no_prompt_is_in_both_sets(base, tmp_path):
    records = [{"prompt": f"mill {i % 20}", "answer": f"grain {i}"} for i in range(40)]
    config = load_trainer_config(tuned(tmp_path, base, "sft", records))
    examples = open_examples(config)
    tokenizer = examples.tokenizer
    tokens, targets = encode_conversation(tokenizer, [("mill 3", "grain 水")], "x")
    prompt, answer = (tokenizer.encode(text, add_special_tokens=False).ids for text in ("mill 3", "grain 水"))
    assert tokens == [0, *prompt, *answer]
    assert targets == [IGNORE] * len(prompt) + [*answer, 0]
    assert len(examples.validation) == 8 and len(examples.train) == 32
    prompts = [
        {tuple(row[0][: row[1].count(IGNORE) + 1]) for (row,) in part} for part in (examples.train, examples.validation)
    ]
    assert not prompts[0] & prompts[1]
    rows = [examples.make_batch(first, 4, False)[0] for first in range(0, 32, 4)]
    seen = {tuple(row[row != 0].tolist()) for part in rows for row in part}
    assert len(seen) == 32  # an epoch shows every example
    assert examples.text_bytes == sum(
        len(tokenizer.decode([t for t in row[1] if t > 0]).encode()) for (row,) in examples.validation
    )


def test_sft_learns_the_answers_and_resumes_to_the_last_bit(base, tmp_path, capsys):
    records = [{"prompt": f"water {i}", "answer": "the wheel"} for i in range(30)]
    path = tuned(tmp_path, base, "sft", records)
    with (tmp_path / "sft.jsonl").open("a") as file:
        file.write("\n")  # an empty line is none
    train_gpt(load_trainer_config(path, [f"output={tmp_path}/whole"]))
    train_gpt(load_trainer_config(path))
    run = tmp_path / "sft"
    for file in [*(run / "checkpoints/40").iterdir()]:
        file.unlink()  # as after a crash
    train_gpt(load_trainer_config(path))
    losses = [
        [(line["loss"], line["tokens"]) for line in read_training_log(folder)] for folder in (run, tmp_path / "whole")
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 40
    assert read_training_log(run)[-1]["validation_loss"] < 0.2
    capsys.readouterr()
    assert main(["sample", str(run), "--prompt", "water 7", "--tokens", "12", "--temperature", "0"]) == 0
    assert capsys.readouterr().out.rstrip() == "water 7the wheel\n-----"  # and no more, though it could


def test_dpo_is_its_formula_and_moves_to_what_was_chosen(base, tmp_path):
    policy, reference = torch.tensor([3.0, 5.0, 2.0, 2.0]), torch.tensor([4.0, 4.5, 1.0, 2.0])  # nats
    assert preference_margins(policy, reference).tolist() == [1.5, -1.0]
    expected = [math.log(1 + math.exp(-0.2 * margin)) for margin in (1.5, -1.0)]
    assert bradley_terry_loss(0.2 * preference_margins(policy, reference)).tolist() == pytest.approx(expected)

    records = [{"prompt": f"water {i}", "chosen": "wheel", "rejected": "stone"} for i in range(30)]
    path = tuned(
        tmp_path, base, "dpo", records, gradient_accumulation=2, batch_size=4, optimizer={"learning_rate": 0.001}
    )
    train_gpt(load_trainer_config(path))
    lines = read_training_log(tmp_path / "dpo")
    assert lines[0]["loss"] == pytest.approx(math.log(2), rel=1e-5)  # policy and reference are one at first
    assert lines[-1]["validation_loss"] < 0.5 and lines[-1]["validation_accuracy"] == 1.0
    config = load_trainer_config(path)
    trainer = Trainer(config, open_examples(config), torch.device("cpu"), tmp_path / "dpo")
    tokens, targets = trainer.make_batch(0, None)
    with torch.no_grad():
        after, before = (m(tokens, targets, reduction="rows") for m in (trainer.model.eval(), trainer.reference))
    assert (preference_margins(after, before) > 0).all()
    assert trainer.step == 40 and not np.allclose(after, before)


def test_data_that_is_no_such_jsonl_is_one_line_and_no_run(base, tmp_path, fails):
    path = tuned(tmp_path, base, "sft", [{"prompt": "a", "answer": "b"}, {"prompt": "a", "chosen": "b"}])
    assert "line 2: not an object with the texts prompt, answer" in fails("train", path)
    assert "too few examples" in fails("train", tuned(tmp_path, base, "sft", [{"prompt": "a", "answer": "b"}]))
    assert "line 2: an empty answer" in fails(
        "train", tuned(tmp_path, base, "sft", [{"prompt": "", "answer": "b"}, {"prompt": "a", "answer": ""}])
    )
    pairs = [{"prompt": "a", "chosen": "b", "rejected": "c"}] * 2 + [{"prompt": "a", "chosen": "", "rejected": "c"}]
    assert "line 3: an empty answer" in fails("train", tuned(tmp_path, base, "dpo", pairs))
    assert "is not a file" in fails("train", path, "--set", f"data={base}")
    assert "needs init_from" in fails("train", path, "--set", "init_from=null")
    assert not (tmp_path / "sft").exists()


def test_a_conversation_of_several_turns_learns_every_answer(base, tmp_path, fails):
    tokenizer = load_trained_run(base, "cpu").tokenizer
    tokens, targets = encode_conversation(tokenizer, [("mill", "grain"), ("water", "wheel 水")], "x")
    parts = [tokenizer.encode(text, add_special_tokens=False).ids for text in ("mill", "grain", "water", "wheel 水")]
    assert tokens == [0, *parts[0], *parts[1], 0, *parts[2], *parts[3]]
    learned = [token for token in targets if token != IGNORE]
    assert learned == [*parts[1], 0, *parts[3], 0]
    system = [{"role": "system", "content": "be kind"}]
    turns = [{"role": role, "content": text} for role, text in [("user", "a"), ("assistant", "b")]]
    assert parse_messages([*system, *turns, *turns], "x") == [("be kind\n\na", "b"), ("a", "b")]
    for bad in (turns[:1], [*turns, turns[0]], turns[::-1], [], "x", [{"role": "user"}]):
        with pytest.raises(TrainerError, match="user and assistant in turns"):
            parse_messages(bad, "x")
    records = [{"messages": turns}, {"messages": [*turns, {"role": "user", "content": "c"}]}]
    assert "line 2: messages are objects of role and content" in fails("train", tuned(tmp_path, base, "sft", records))
    records = [{"messages": [*turns, *turns]}] * 3
    line = fails("train", tuned(tmp_path, base, "sft", records, model={"context": 32, "document_mask": True}))
    assert "it would hide the earlier" in line


def test_chat_answers_with_the_whole_conversation_in_view(base, tmp_path, capsys, fails):
    """The second answer can only be known from the first turn."""
    records = []
    for n in range(40):
        name = ["stone", "river", "flour", "sack"][n % 4]
        texts = [f"I am {name} {n}", "grain", "who am I", name]
        roles = ["user", "assistant"] * 2
        records.append({"messages": [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]})
    train_gpt(load_trainer_config(tuned(tmp_path, base, "sft", records, steps=150, evaluate_every=150)))
    run = load_trained_run(tmp_path / "sft", "cpu")
    capsys.readouterr()
    lines = iter(["I am river 5", "who am I", ""])
    chat_with_user(run, SamplingOptions(temperature=0), 20, lambda prompt: next(lines))
    assert capsys.readouterr().out == "grain\nriver\n"
    assert "is not fine-tuned" in fails("chat", base)
