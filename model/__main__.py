"""The trainer's command line: `gristmill train | sample | chat | evaluate ...`, or `python -m model ...`."""

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.run_folder import TrainedRun


def make_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    top = argparse.ArgumentParser(prog="gristmill", description="The bundled GPT trainer.")
    commands = top.add_subparsers(dest="command", required=True)

    train = commands.add_parser("train", help="train, or resume, the run that a config describes")
    train.add_argument("config", type=Path, help="a YAML file, or the name of one of model/configs/: quick, demo")

    sample = commands.add_parser("sample", help="write text with a trained model")
    sample.add_argument("run", type=Path, metavar="RUN")
    sample.add_argument("--prompt", default="", help="text to continue (default: the start of a document)")
    chat = commands.add_parser("chat", help="talk to a fine-tuned model; an empty line ends it")
    chat.add_argument("run", type=Path, metavar="RUN")
    for command in (sample, chat):
        command.add_argument("--tokens", type=int, default=200, help="tokens to add, at most (default: 200)")
        command.add_argument("--temperature", type=float, default=0.8, help="0: the most likely token (default: 0.8)")
        command.add_argument("--top-k", type=int, help="draw only from the K most likely tokens")
        command.add_argument("--top-p", type=float, help="draw only from the most likely tokens that together have P")
        command.add_argument("--seed", type=int, default=0, help="the same seed gives the same text (default: 0)")

    evaluate = commands.add_parser("evaluate", help="bits per byte of texts, accuracy on evaluation sets")
    add_evaluate_arguments(evaluate)

    contamination = commands.add_parser("contamination", help="test whether a model saw an evaluation set in its order")
    contamination.add_argument("run", type=Path, metavar="RUN")
    contamination.add_argument(
        "--sets", type=Path, nargs="+", required=True, metavar="FILE", help="JSONL, CSV or text; also compressed"
    )
    contamination.add_argument("--shards", type=int, default=50, help="shards of at least 5 items (default: 50)")
    contamination.add_argument("--permutations", type=int, default=25, help="random orders of each (default: 25)")
    contamination.add_argument("--seed", type=int, default=0, help="of the random orders (default: 0)")
    contamination.add_argument("--json", action="store_true", help="print JSON")

    export = commands.add_parser("export", help="write a folder that Hugging Face transformers loads")
    export.add_argument("run", type=Path, metavar="RUN")
    export.add_argument("directory", type=Path, metavar="DIR", help="a new folder")

    imported = commands.add_parser("import", help="make a run of a Hugging Face folder: GPT-2, Llama or Qwen3")
    imported.add_argument("folder", type=Path, metavar="FOLDER", help="config.json, tokenizer.json, safetensors")
    imported.add_argument("output", type=Path, metavar="OUT", help="a new folder")

    ablate = commands.add_parser("ablate", help="train the same model on several corpora and compare them")
    scaling = commands.add_parser("scaling", help="train several depths on a corpus and fit a power law")
    ablate.add_argument("--cheap", action="store_true", help="n-gram models in place of the GPT: minutes, not hours")
    for command in (ablate, scaling):
        command.add_argument("config", type=Path, help="a YAML file; see model/README.md")
    for command in (train, ablate, scaling):
        command.add_argument(
            "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="e.g. model.depth=4"
        )
    add_cost_arguments(commands.add_parser("cost", help="FLOPs, GPU hours, dollars, electricity and CO2 of a training"))
    for command in (sample, chat, evaluate, contamination):
        command.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    return top


def add_evaluate_arguments(evaluate: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    evaluate.add_argument("run", type=Path, metavar="RUN")
    evaluate.add_argument("--text", type=Path, nargs="+", default=[], metavar="FILE", help="UTF-8 text files")
    evaluate.add_argument(
        "--sets", type=Path, nargs="+", default=[], metavar="FILE",
        help="MMLU, ARC, PIQA, OpenBookQA, HellaSwag or LAMBADA: JSONL, CSV or text, compressed or in a tar",
    )  # fmt: skip
    evaluate.add_argument(
        "--reward", nargs="+", default=[], metavar="RUN", help="reward models: mean reward and KL of a fine-tuned run"
    )
    evaluate.add_argument("--limit", type=int, help="score a sample of this many items of each set")
    evaluate.add_argument("--json", action="store_true", help="print JSON, with all counts")


def add_cost_arguments(cost: argparse.ArgumentParser) -> None:
    """Add the arguments of `cost`."""
    cost.add_argument(
        "--config", type=Path, metavar="CONFIG.yaml", help="take parameters, tokens and shape from a config"
    )
    cost.add_argument("--vocabulary", type=int, default=32_768, help="tokenizer's size, with --config (default: 32768)")
    cost.add_argument("--parameters", type=float, help="for example 124e6")
    cost.add_argument("--tokens", type=float, help="tokens trained on (default: 20 a parameter)")
    cost.add_argument("--flops", type=float, help="the compute, in place of parameters or tokens")
    cost.add_argument("--card", default="H100", help="H100, H200, B200, A100, L4 or 'RTX 4090' (default: H100)")
    cost.add_argument("--cards", type=int, default=8, help="cards in parallel (default: 8)")
    cost.add_argument("--mfu", type=float, default=0.4, help="model FLOPs utilisation (default: 0.4)")
    cost.add_argument("--dollars-per-hour", type=float, help="of one card (default: a usual price of the card)")
    cost.add_argument("--pue", type=float, default=1.1, help="data centre's power over the computers' (default: 1.1)")
    cost.add_argument("--co2", type=float, default=0.4, help="kg of CO2 a kWh (default: 0.4)")
    cost.add_argument(
        "--served-tokens", type=float, help="tokens of inference to expect: also the best size for serving"
    )
    cost.add_argument("--json", action="store_true", help="print JSON")


# Each command imports what it needs itself, so that --help does not wait for torch.


def train_command(arguments: argparse.Namespace) -> None:
    """Train a run and print its folder."""
    from model.config_reader import load_trainer_config

    config = load_trainer_config(arguments.config, arguments.set)
    from model.train import train_gpt

    if config.task == "ppo":
        from model.reinforcement.ppo import PPOTrainer

        folder = train_gpt(config, PPOTrainer)
    else:
        folder = train_gpt(config)
    if os.environ.get("RANK", "0") == "0":  # only one of torchrun's processes prints
        print(folder)


def sample_command(arguments: argparse.Namespace) -> None:
    """Print text that a trained model writes."""
    from model.inference.sample import SamplingOptions, sample_text
    from model.run_folder import load_trained_run

    options = SamplingOptions(arguments.temperature, arguments.top_k, arguments.top_p, arguments.seed)
    run = load_trained_run(arguments.run, arguments.device)
    print(sample_text(run, arguments.prompt, arguments.tokens, options))


def chat_command(arguments: argparse.Namespace) -> None:
    """Talk to a fine-tuned model."""
    from model.inference.chat import chat_with_user
    from model.inference.sample import SamplingOptions
    from model.run_folder import load_trained_run

    options = SamplingOptions(arguments.temperature, arguments.top_k, arguments.top_p, arguments.seed)
    chat_with_user(load_trained_run(arguments.run, arguments.device), options, arguments.tokens)


def evaluate_command(arguments: argparse.Namespace) -> None:
    """Print the scores of text files, and the accuracy on evaluation sets."""
    from model.config import TrainerError
    from model.evaluation.multiple_choice import evaluate_sets, format_set_table
    from model.evaluation.text_loss import add_scores, score_files
    from model.run_folder import load_trained_run

    if not (arguments.text or arguments.sets or arguments.reward) or (arguments.limit or 1) < 1:
        raise TrainerError("evaluate: give --text FILE, --sets FILE or --reward RUN, and a --limit of at least 1")
    run = load_trained_run(arguments.run, arguments.device)
    if arguments.reward:
        print_rewards(run, arguments)
        return
    scores = score_files(run, arguments.text)
    results = evaluate_sets(run, arguments.sets, arguments.limit)
    if arguments.json:
        content: dict[str, object] = {"step": run.step}
        if scores:
            content |= {"files": {path: asdict(score) for path, score in scores.items()}, **asdict(add_scores(scores))}
        if results:
            content["sets"] = {name: asdict(result) for name, result in results.items()}
        print(json.dumps(content, indent=1))
        return
    if results:
        print(format_set_table(results))
    rows = [*scores.items(), ("all together", add_scores(scores))] if len(scores) > 1 else list(scores.items())
    for path, score in rows:
        perplexity = f"perplexity {score.perplexity:.2f} a token"
        print(f"{score.bits_per_byte:.4f} bits per byte  {perplexity}  {score.bytes:,} bytes  {path}")


def print_rewards(run: "TrainedRun", arguments: argparse.Namespace) -> None:
    """Print the mean rewards of a fine-tuned run's answers, and their distance from the initial model."""
    from model.reinforcement.answers import score_policy_run

    policy, initial = score_policy_run(run, arguments.run, arguments.reward)
    pairs = dict(zip(arguments.reward, zip(policy.rewards, initial.rewards, strict=True), strict=True))
    if arguments.json:
        rewards = {name: {"policy": mine, "initial": first} for name, (mine, first) in pairs.items()}
        print(json.dumps({"step": run.step, "rewards": rewards, "kl": policy.kl, "prompts": policy.prompts}, indent=1))
        return
    for name, (mine, first) in pairs.items():
        print(f"reward {mine:.3f} (initial model {first:.3f})  {name}")
    print(f"KL divergence from the initial model {policy.kl:.2f} nats an answer, {policy.prompts:,} prompts")


def contamination_command(arguments: argparse.Namespace) -> None:
    """Print the contamination test of evaluation sets."""
    from model.evaluation.contamination_test import (
        ContaminationOptions,
        format_contamination_table,
        run_contamination_tests,
    )
    from model.run_folder import load_trained_run

    options = ContaminationOptions(arguments.shards, arguments.permutations, arguments.seed)
    results = run_contamination_tests(load_trained_run(arguments.run, arguments.device), arguments.sets, options)
    if arguments.json:
        print(json.dumps({name: asdict(result) for name, result in results.items()}, indent=1))
    else:
        print("\n".join(format_contamination_table(results)))


def export_command(arguments: argparse.Namespace) -> None:
    """Export a run and print the new folder."""
    from model.inference.export import export_run
    from model.run_folder import load_trained_run

    export_run(load_trained_run(arguments.run, "cpu"), arguments.directory)
    print(arguments.directory)


def import_command(arguments: argparse.Namespace) -> None:
    """Import a Hugging Face folder and print the new run."""
    from model.inference.import_pretrained import import_pretrained_model

    import_pretrained_model(arguments.folder, arguments.output)
    print(arguments.output)


def ablate_command(arguments: argparse.Namespace) -> None:
    """Run an ablation study and print its report. Raises TrainerError where the study cannot be trusted."""
    from model.config import TrainerError
    from model.config_reader import load_study_config
    from model.studies.ablate import run_ablation
    from model.studies.ablation_study import AblationStudy

    report = run_ablation(load_study_config(AblationStudy, arguments.config, arguments.set), arguments.cheap)
    print(report.text)
    if report.faults:
        raise TrainerError(f"the study cannot be trusted: {'; '.join(report.faults)}")


def scaling_command(arguments: argparse.Namespace) -> None:
    """Run a scaling study and print its table."""
    from model.config_reader import load_study_config
    from model.studies.scaling import ScalingStudy, run_scaling

    print(run_scaling(load_study_config(ScalingStudy, arguments.config, arguments.set)))


def cost_command(arguments: argparse.Namespace) -> None:
    """Print the cost of a training run."""
    from model.studies.cost import CostOptions, estimate_cost, format_cost, read_run_size

    parameters, tokens, shape = arguments.parameters, arguments.tokens, None
    if arguments.config is not None:
        size = read_run_size(arguments.config, arguments.vocabulary)
        parameters, tokens, shape = parameters or size.parameters, tokens or size.tokens, size.shape
    options = CostOptions(
        arguments.card, arguments.cards, arguments.mfu, arguments.dollars_per_hour, arguments.pue, arguments.co2
    )
    cost = estimate_cost(options, parameters, tokens, arguments.flops, shape)
    print(json.dumps(asdict(cost), indent=1) if arguments.json else format_cost(cost, options, arguments.served_tokens))


# What the package does not need, and the extra that installs it.
EXTRA_PACKAGES = {"torch": "model", "safetensors": "model", "matplotlib": "model", "tensorboard": "tensorboard"}

COMMANDS = {
    "train": train_command,
    "sample": sample_command,
    "evaluate": evaluate_command,
    "contamination": contamination_command,
    "export": export_command,
    "import": import_command,
    "ablate": ablate_command,
    "scaling": scaling_command,
    "chat": chat_command,
    "cost": cost_command,
}


def explain_os_error(error: OSError) -> str:
    """Return what went wrong, on which file, and what to do."""
    text = str(error)
    if error.filename is not None and error.strerror is not None:
        text = f"{error.filename}: {error.strerror}"
    if "No space left" in text:
        text += "; free some, and the same command continues from the last checkpoint"
    return text


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    It is 2 for an error that the user can correct, with one line on stderr, and 128 + the signal for a stopped run.
    """
    arguments = make_parser().parse_args(argv)
    from model.config import TrainerError
    from model.stop_signals import TrainingStopped

    try:
        COMMANDS[arguments.command](arguments)
    except TrainerError as error:
        print(f"model: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in EXTRA_PACKAGES:
            raise
        extra = EXTRA_PACKAGES[error.name]
        print(f"model: {error.name} is not installed; pip install 'gristmill[{extra}]'", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"model: {explain_os_error(error)}", file=sys.stderr)
        return 2
    except TrainingStopped as stopped:
        name = signal.Signals(stopped.signal_number).name
        place = "the last checkpoint" if stopped.step is None else f"step {stopped.step}"
        if os.environ.get("RANK", "0") == "0":
            print(f"model: stopped by {name}; the same command continues from {place}", file=sys.stderr)
        return 128 + stopped.signal_number
    except KeyboardInterrupt:
        print("\nmodel: stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
