"""lm-eval runs on an export, without a network, and finds what `evaluate` finds, by its own tasks of published sets."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model import run_folder
from model.config_reader import build_trainer_config, load_trainer_config
from model.evaluation.multiple_choice import evaluate_sets, score_texts
from model.evaluation.question_forms import read_questions
from model.inference.export import export_run
from model.train import train_gpt
from tests.model.test_gpt import GPT2, TINY, randomised

# Tasks of lm-eval that read local files. Prompts and choices stay lm-eval's own; a metric of its own is added.
SCRIPT = """
import json, sys
from pathlib import Path
import lm_eval
from lm_eval.tasks import TaskManager
folder, tasks, *models = sys.argv[1:]
tasks = json.loads(tasks)
for name, source in tasks.items():
    data = {"data_files": {"test": f"{folder}/{name}.jsonl"}}
    task = {"include": str(Path(lm_eval.__file__).parent / "tasks" / source), "task": f"local_{name}"}
    task |= {"dataset_path": "json", "dataset_name": None, "dataset_kwargs": data, "test_split": "test"}
    if name != "lambada":
        task["metric_list"] = [{"metric": metric} for metric in ("acc", "acc_norm", "acc_bytes")]
    task |= {"training_split": None, "validation_split": None, "fewshot_split": None, "tag": None}
    Path(folder, f"{name}.yaml").write_text(json.dumps(task))
manager = TaskManager(include_path=folder, include_defaults=False)
names = [f"local_{name}" for name in tasks]
for model in models:
    done = lm_eval.simple_evaluate("hf", f"pretrained={model}", tasks=names, device="cpu", task_manager=manager)
    for name in tasks:
        samples = sorted(done["samples"][f"local_{name}"], key=lambda one: one["doc_id"])
        scores = [float(response[0][0]) for one in samples for response in one["resps"]]
        print(json.dumps({"set": name, "scores": scores, **done["results"][f"local_{name}"]}))
"""
TASKS = {
    "arc": "arc/arc_easy.yaml",
    "piqa": "piqa/piqa.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "mmlu": "mmlu/default/mmlu_college_physics.yaml",
    "mmlu_cloze": "mmlu/continuation/mmlu_college_physics.yaml",
    "lambada": "lambada/lambada_openai.yaml",
}
THINGS = ["flour", "a heavy stone", "the river below", "bread of rye", "Käse", "two sacks", "a wheel"]


def write_sets(folder: Path, count: int) -> None:
    """Write `count` items in the published form of each set, with the spaces and marks that occur in them."""
    for name in TASKS:
        with (folder / f"{name}.jsonl").open("w") as file:
            file.writelines(json.dumps(make_item(name, number)) + "\n" for number in range(count))


def make_item(name: str, number: int) -> dict[str, object]:
    """Return an item of a set, by its number."""
    things = [THINGS[(number + k) % len(THINGS)] for k in range(4)]
    listed = {"text": things, "label": ["A", "B", "C", "D"] if number % 2 else ["1", "2", "3", "4"]}
    key = listed["label"][number % 4]
    asked = f"What does mill {number} grind" + ("?" if number % 3 else " ")
    items: dict[str, dict[str, object]] = {
        "arc": {"id": f"Mercury_{number}", "question": asked, "choices": listed, "answerKey": key},
        "piqa": {"goal": asked, "sol1": things[0] + " ", "sol2": f" {things[1]}", "label": number % 2},
        "openbookqa": {"question_stem": asked, "choices": listed, "answerKey": key},
        "hellaswag": {
            "activity_label": "Baking",
            "ctx_a": f"Take {things[0]}. [header] How to bake [title] Warm it",
            "ctx_b": "the baker" if number % 2 else "",
            "ctx": "He reads",
            "endings": [f"{thing}.  [step] Then wait." for thing in things],
            "label": str(number % 4),
        },
        "lambada": {"text": f"The miller said that {things[0]} is {things[1]}"},
    }
    mmlu = {"question": f" {asked}", "subject": "college_physics", "choices": things, "answer": number % 4}
    return items.get(name, mmlu)


def python_with_lm_eval() -> str:
    """Return a Python that has lm_eval: the one that $LM_EVAL_PYTHON names, or this one. Skips where there is none."""
    if "LM_EVAL_PYTHON" in os.environ:
        return os.environ["LM_EVAL_PYTHON"]
    if importlib.util.find_spec("lm_eval") is None:
        pytest.skip("lm_eval is not installed; `pip install lm_eval[hf]`, here or where $LM_EVAL_PYTHON points")
    return sys.executable


def test_lm_eval_finds_what_evaluate_finds(config_file, tmp_path):
    python = python_with_lm_eval()
    train_gpt(load_trainer_config(config_file))
    tokenizer = run_folder.load_trained_run(tmp_path / "run", "cpu").tokenizer
    sets, runs = tmp_path / "sets", {}
    sets.mkdir()
    write_sets(sets, 12)
    for name, options in {"gpt2": GPT2, "llama": {"qk_norm": False}, "qwen3": {}}.items():
        config = build_trainer_config(
            {"data": "x", "output": "y", "steps": 1, "model": {**TINY, **options, "context": 64}}
        )  # some prompts are longer and lose their beginning
        model = randomised(config.model, tokenizer.get_vocab_size())
        runs[name] = run_folder.TrainedRun(config, tokenizer, model, 1, torch.device("cpu"))
        export_run(runs[name], tmp_path / name)
    done = subprocess.run(
        [python, "-c", SCRIPT, str(sets), json.dumps(TASKS), *(str(tmp_path / name) for name in runs)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")},
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"set"')]
    assert len(found) == len(runs) * len(TASKS)
    for number, run in enumerate(runs.values()):
        for theirs in found[number * len(TASKS) : (number + 1) * len(TASKS)]:
            compare_with_lm_eval(run, sets / f"{theirs['set']}.jsonl", theirs)


def compare_with_lm_eval(run: run_folder.TrainedRun, path: Path, theirs: dict) -> None:
    """Compare log-likelihoods, accuracies and standard errors of one set."""
    (ours,) = evaluate_sets(run, [path]).values()
    if path.stem != "mmlu":  # by letters there
        questions = read_questions(path)
        scores = score_texts(run, [(q.cloze, f" {choice}") for q in questions for choice in q.choices], path.name)
        assert [one.log_likelihood for one in scores] == pytest.approx(theirs["scores"], rel=1e-4), path.name
    accuracy = ours.letter if path.stem == "mmlu" else ours.cloze
    assert accuracy is not None and accuracy.value == pytest.approx(theirs["acc,none"], abs=5e-4), path.name
    assert accuracy.standard_error == pytest.approx(theirs["acc_stderr,none"], abs=5e-4), path.name
    if path.stem == "lambada":
        assert ours.perplexity == pytest.approx(theirs["perplexity,none"], rel=1e-3)
    elif path.stem != "mmlu":
        assert ours.cloze_by_byte is not None
        assert ours.cloze_by_byte.value == pytest.approx(theirs["acc_bytes,none"], abs=5e-4), path.name
