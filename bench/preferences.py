"""Learning from preferences on the demo: a reward model, then DPO beside PPO, and what a policy does to a reward model.

    python -m bench.preferences FOLDER [--run RUN]

The pairs are those of `demo/pairs.py`, so that the rule behind them is known. A sixth of them trains the reward model
that PPO follows, the rest a gold model that only watches. The table has the mean over the held-out prompts of both
rewards, of the rule's score, and of the KL divergence from the initial model. `FOLDER/ppo-free/reward.png` shows the
over-optimisation. It needs `demo/out/corpus` (`python -m demo`), and trains the demo's model if no RUN is given.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch

from demo.pairs import ANSWER_TOKENS, decode_answers, list_words, make_pairs, read_english_texts, score_answer
from model.checkpoint import MODEL, list_checkpoint_steps, load_weights
from model.config import PPOConfig
from model.config_reader import load_trainer_config
from model.finetuning.examples import open_examples, pad_examples
from model.reinforcement.answers import generate_answers, list_prompts, score_policy_run
from model.reinforcement.ppo import PPOTrainer
from model.run_folder import TrainedRun, load_trained_run, read_training_log
from model.train import train_gpt

CORPUS = Path("demo/out/corpus")
PAIRS, REWARD_PAIRS = 320, 80
FREE_KEYS = ["ppo.kl_coefficient=0", "optimizer.learning_rate=1e-3", "steps=80", "evaluate_every=5"]


def run(crawl: str) -> None:
    """Measure in a temporary folder. `crawl` is for the other benchmarks."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        measure_preferences(Path(folder), CORPUS, None)


def measure_preferences(folder: Path, corpus: Path, base: Path | None) -> None:
    """Train all runs in `folder` and print the tables; what is there already is not trained again."""
    folder.mkdir(parents=True, exist_ok=True)
    if base is None:
        keys = [f"data={corpus}", f"output={folder}/base", "minutes=null", "steps=1000"]
        base = train_gpt(load_trainer_config("demo", keys))
    texts = read_english_texts(corpus)
    if not (folder / "gold.jsonl").is_file():
        pairs = [
            pair for _, pair in zip(range(PAIRS), make_pairs(load_trained_run(base, "cpu"), texts, 0), strict=False)
        ]
        for name, part in {"pairs": pairs[:REWARD_PAIRS], "gold": pairs[REWARD_PAIRS:]}.items():
            lines = "".join(json.dumps(pair) + "\n" for pair in part)
            (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    common = [f"init_from={base}", "device=cpu"]
    for name, data in {"reward": "pairs", "gold": "gold"}.items():
        train_gpt(
            load_trainer_config("demo-reward", [*common, f"data={folder}/{data}.jsonl", f"output={folder}/{name}"])
        )
        last = read_training_log(folder / name)[-1]
        print(f"{name}: {100 * last['validation_accuracy']:.1f} % of held-out pairs ranked right", flush=True)
    data = f"data={folder}/gold.jsonl"
    train_gpt(load_trainer_config("demo-dpo", [*common, data, f"output={folder}/dpo"]))
    rewards = [f"ppo.reward_model={folder}/reward", f"ppo.gold_model={folder}/gold"]
    for name, keys in {"ppo": [], "ppo-free": FREE_KEYS}.items():
        train_gpt(
            load_trainer_config("demo-ppo", [*common, data, *rewards, *keys, f"output={folder}/{name}"]), PPOTrainer
        )
    known = frozenset(word for text in texts for word in list_words(text))
    print("| run | step | reward | gold reward | score of the rule | KL, nats an answer |\n|---|---|---|---|---|---|")
    for name in ("dpo", "ppo", "ppo-free"):
        print_policy(folder, name, base, known)
    print_curve(folder / "ppo-free", known)


def print_policy(folder: Path, name: str, base: Path, known: frozenset[str]) -> None:
    """Print the row of a run's end; before that of DPO also the row of the initial model."""
    trained = load_policy(folder / name)
    scores = score_policy_run(trained, folder / name, [str(folder / "reward"), str(folder / "gold")])
    rows = [(name, trained, scores[0])]
    if name == "dpo":
        rows.insert(0, ("initial model", replace(trained, model=load_trained_run(base, "cpu").model), scores[1]))
    for label, writer, score in rows:
        rule = score_by_rule(writer, folder / name, known)
        reward, gold = score.rewards
        print(f"| {label} | {trained.step} | {reward:.2f} | {gold:.2f} | {rule:.3f} | {score.kl:.2f} |", flush=True)


def load_policy(folder: Path) -> TrainedRun:
    """Return a run as all are compared: with answers of the same length to the same prompts at a time."""
    trained = load_trained_run(folder, "cpu")
    config = replace(trained.config, batch_size=32, ppo=PPOConfig(answer_tokens=ANSWER_TOKENS))
    return replace(trained, config=config)


def score_by_rule(trained: TrainedRun, folder: Path, known: frozenset[str]) -> float:
    """Return the rule's mean score of a run's answers to its validation prompts."""
    config = replace(trained.config, task="ppo", tokenizer=str(folder / "tokenizer.json"))
    prompts = list_prompts(*pad_examples(open_examples(config).validation, 0))
    draw = torch.Generator().manual_seed(1)
    answers = generate_answers(trained.model, prompts, config.ppo.answer_tokens, draw)
    return fmean(score_answer(text, known) for text in decode_answers(trained, answers))


def print_curve(folder: Path, known: frozenset[str]) -> None:
    """Print the evaluations of PPO without a KL term: the reward still rises where what it stands for falls.

    The rule scores the answers of the checkpoints that are left.
    """
    trained, steps = load_policy(folder), list_checkpoint_steps(folder / "checkpoints")
    print("\n| step | KL | reward | gold reward | score of the rule |\n|---|---|---|---|---|")
    for line in read_training_log(folder):
        step = int(line["step"])
        if "validation_reward" in line and step in steps:
            load_weights(folder / "checkpoints" / str(step) / MODEL, trained.model)
            numbers = [line[f"validation_{key}"] for key in ("kl", "reward", "gold_reward")]
            texts = [f"{number:.2f}" for number in numbers] + [f"{score_by_rule(trained, folder, known):.3f}"]
            print(f"| {step} | {' | '.join(texts)} |", flush=True)


def main() -> None:
    """Measure in a folder that is kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.preferences", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--run", type=Path, help="a trained model of the demo")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measure_preferences(arguments.folder, arguments.corpus, arguments.run)


if __name__ == "__main__":
    main()
