"""Command line: python -m model train | sample | evaluate | contamination | export | ablate | scaling."""

import argparse
import json
import os
import sys
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    top = argparse.ArgumentParser(prog="python -m model", description="The bundled GPT trainer.")
    commands = top.add_subparsers(dest="command", required=True)

    train = commands.add_parser("train", help="train, or take up again, the run that a config describes")
    train.add_argument("config", type=Path, help="a YAML file; see model/configs/")
    train.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="e.g. model.depth=4")

    sample = commands.add_parser("sample", help="write text with a trained model")
    sample.add_argument("run", type=Path, metavar="RUN")
    sample.add_argument("--prompt", default="", help="text to go on from (default: a document's start)")
    sample.add_argument("--tokens", type=int, default=200, help="tokens to add (default: 200)")
    sample.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token (default: 0.8)")
    sample.add_argument("--top-k", type=int, help="draw from the k likeliest tokens only")
    sample.add_argument("--top-p", type=float, help="draw from the likeliest tokens that make up this mass only")
    sample.add_argument("--seed", type=int, default=0, help="the same seed gives the same text (default: 0)")

    evaluate = commands.add_parser("evaluate", help="bits per byte on text files")
    evaluate.add_argument("run", type=Path, metavar="RUN")
    evaluate.add_argument("--text", type=Path, nargs="+", required=True, metavar="FILE", help="UTF-8 text files")
    evaluate.add_argument("--json", action="store_true", help="print the counts too, as JSON")

    order = commands.add_parser("contamination", help="is an evaluation set likelier in its order than shuffled?")
    order.add_argument("run", type=Path, metavar="RUN")
    order.add_argument(
        "--sets", type=Path, nargs="+", required=True, metavar="FILE", help="JSONL, CSV, text; also packed"
    )
    order.add_argument("--shards", type=int, default=50, help="runs of items (default: 50, of 5 items or more)")
    order.add_argument("--permutations", type=int, default=25, help="random orders of each (default: 25)")
    order.add_argument("--seed", type=int, default=0, help="of the orders (default: 0)")
    order.add_argument("--json", action="store_true", help="print JSON")

    export = commands.add_parser("export", help="write a folder that Hugging Face transformers loads")
    export.add_argument("run", type=Path, metavar="RUN")
    export.add_argument("directory", type=Path, metavar="DIR", help="a new folder")

    ablate = commands.add_parser("ablate", help="train the same model on several corpora and compare them")
    scaling = commands.add_parser("scaling", help="train several depths on a corpus and fit a power law")
    for command in (ablate, scaling):
        command.add_argument("config", type=Path, help="a YAML file; see model/README.md")
        command.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE")

    for command in (sample, evaluate, order):
        command.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    return top


def run_command(arguments: argparse.Namespace) -> None:
    """Do what the arguments say. torch is imported only here, so that --help is quick."""
    if arguments.command == "train":
        from model import config as configs

        config = configs.load(arguments.config, arguments.set)
        from model.train import train

        folder = train(config)
        if os.environ.get("RANK", "0") == "0":  # one of torchrun's processes is enough
            print(folder)
        return

    if arguments.command in ("ablate", "scaling"):
        from model.ablate import Ablation, ablate
        from model.config import load_study
        from model.scaling import Scaling, scale

        if arguments.command == "ablate":
            print(ablate(load_study(Ablation, arguments.config, arguments.set)))
        else:
            print(scale(load_study(Scaling, arguments.config, arguments.set)))
        return

    from model import run as runs

    if arguments.command == "sample":
        from model.sample import check_arguments, sample

        check_arguments(arguments.tokens, arguments.temperature, arguments.top_k, arguments.top_p)
        run = runs.load(arguments.run, arguments.device)
        choice = (arguments.temperature, arguments.top_k, arguments.top_p, arguments.seed)
        print(sample(run, arguments.prompt, arguments.tokens, *choice))
    elif arguments.command == "contamination":
        from model.order import order_tests, table_lines

        run = runs.load(arguments.run, arguments.device)
        sizes = (arguments.shards, arguments.permutations, arguments.seed)
        results = order_tests(run, arguments.sets, *sizes)
        print(json.dumps(results, indent=1) if arguments.json else "\n".join(table_lines(results)))
    elif arguments.command == "evaluate":
        from model.evaluate import evaluate_texts

        result = evaluate_texts(runs.load(arguments.run, arguments.device), arguments.text)
        if arguments.json:
            print(json.dumps(result, indent=1))
        else:
            for path, file in result["files"].items():
                print(f"{file['bits_per_byte']:.4f} bits per byte  {file['bytes']:,} bytes  {path}")
            if len(result["files"]) > 1:
                print(f"{result['bits_per_byte']:.4f} bits per byte  {result['bytes']:,} bytes  in all")
    else:
        from model.export import export

        export(runs.load(arguments.run, "cpu"), arguments.directory)
        print(arguments.directory)


def one_line(error: ValueError | OSError) -> str:
    """Return what went wrong, on what, and what to do."""
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        text = f"{error.filename}: {error.strerror}"
    if "No space left" in text:
        text += "; free some, and the same command goes on from the last checkpoint"
    return text


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 2 for what the user can mend, with one line on stderr."""
    arguments = parser().parse_args(argv)
    from model.config import TrainerError

    try:
        run_command(arguments)
    except (TrainerError, OSError) as error:
        print(f"model: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        resumes = arguments.command in ("train", "ablate", "scaling")
        again = "; the same command goes on from the last checkpoint" if resumes else ""
        print(f"\nmodel: stopped{again}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
