"""lm-eval runs on an export, without a network, and finds the log-likelihoods that the trainer's own model gives."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
import torch

from model import run_folder
from model.config_reader import build_trainer_config, load_trainer_config
from model.inference.export import export_run
from model.train import train_gpt
from tests.model.test_gpt import GPT2, TINY, randomised

TASK = """task: mill
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{query}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: gold
"""
SCRIPT = """
import json, sys
import lm_eval
from lm_eval.tasks import TaskManager
folder, *models = sys.argv[1:]
manager = TaskManager(include_path=folder, include_defaults=False)
for model in models:
    done = lm_eval.simple_evaluate("hf", f"pretrained={model}", tasks=["mill"], device="cpu", task_manager=manager)
    scored = [[float(response[0][0]) for response in one["resps"]] for one in done["samples"]["mill"]]
    print(json.dumps({"scores": scored, "acc": done["results"]["mill"]["acc,none"]}))
"""
ITEMS = [
    {"query": "The mill 水", "choices": ["grinds", "river stone"], "gold": 0},
    {"query": "Bread of", "choices": ["flour", "a sack"], "gold": 1},
]


def python_with_lm_eval() -> str:
    """Return a Python that has lm_eval: the one that $LM_EVAL_PYTHON names, or this one. Skips where there is none."""
    if "LM_EVAL_PYTHON" in os.environ:
        return os.environ["LM_EVAL_PYTHON"]
    if importlib.util.find_spec("lm_eval") is None:
        pytest.skip("lm_eval is not installed; `pip install lm_eval[hf]`, here or where $LM_EVAL_PYTHON points")
    return sys.executable


def test_lm_eval_scores_an_export_as_the_trainer_does(config_file, tmp_path):
    python = python_with_lm_eval()
    train_gpt(load_trainer_config(config_file))
    tokenizer = run_folder.load_trained_run(tmp_path / "run", "cpu").tokenizer
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in ITEMS))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/mill.yaml").write_text(TASK.format(data=tmp_path / "items.jsonl"))
    models = {}
    for name, options in {"gpt2": GPT2, "llama": {"qk_norm": False}, "qwen3": {}}.items():
        config = build_trainer_config(
            {"data": "x", "output": "y", "steps": 1, "model": {**TINY, **options, "context": 64}}
        )
        models[name] = randomised(config.model, tokenizer.get_vocab_size())
        export_run(run_folder.TrainedRun(config, tokenizer, models[name], 1, torch.device("cpu")), tmp_path / name)
    done = subprocess.run(
        [python, "-c", SCRIPT, str(tmp_path / "tasks"), *(str(tmp_path / name) for name in models)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")},
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"scores"')]
    for model, result in zip(models.values(), results, strict=True):
        right = 0
        for item, scores in zip(ITEMS, result["scores"], strict=True):
            expected = [log_likelihood(model, tokenizer, item["query"], f" {choice}") for choice in item["choices"]]
            assert scores == pytest.approx(expected, rel=1e-3)
            right += expected.index(max(expected)) == item["gold"]
        assert result["acc"] == right / len(ITEMS)


def log_likelihood(model, tokenizer, query: str, choice: str) -> float:
    """Return log p(choice | query) in nats."""
    before, whole = (tokenizer.encode(text, add_special_tokens=False).ids for text in (query, query + choice))
    with torch.no_grad():
        logs = model(torch.tensor([whole[:-1]]))[0].log_softmax(-1)
    return sum(logs[t - 1, whole[t]].item() for t in range(len(before), len(whole)))
