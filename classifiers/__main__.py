"""The command line: `gristmill classifiers COMMAND`. Every command imports its libraries only when it runs."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from classifiers.errors import ClassifierError, report_unusable


def build_classifiers_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Every command has `run`, the function that executes it."""
    parser = argparse.ArgumentParser(
        prog="gristmill classifiers",
        description="Train, test and apply the quality classifier and the topic classifier, and prepare their data.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_dump_commands(commands)
    add_train_command(commands)
    add_evaluate_command(commands)
    add_topics_command(commands)
    add_apply_commands(commands)
    return parser


def add_dump_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands that read Wikimedia dumps."""
    command = commands.add_parser("references", help="list the URLs that a Wikipedia dump refers to")
    command.add_argument("dumps", nargs="+", type=Path, metavar="DUMP", help="pages-articles XML or externallinks SQL")
    command.add_argument("--output", required=True, type=Path, metavar="R.parquet")
    command.add_argument(
        "--max-per-site", type=parse_positive, metavar="N", help="most references to one site (default 10,000)"
    )
    command.set_defaults(run=run_references)
    command = commands.add_parser("articles", help="convert the articles of a Wikipedia dump to plain text")
    command.add_argument("dumps", nargs="+", type=Path, metavar="DUMP", help="pages-articles XML")
    command.add_argument("--output", required=True, type=Path, metavar="A.parquet")
    command.add_argument("--language", required=True, metavar="CODE", help="of the edition, as in its host name: en")
    command.set_defaults(run=run_articles)


def add_train_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command that trains a quality classifier."""
    command = commands.add_parser("train", help="train, calibrate and test a quality classifier")
    command.add_argument("--output", required=True, type=Path, metavar="DIR")
    command.add_argument("--references", metavar="R.parquet", help="URLs of positives; needs --documents")
    command.add_argument("--documents", metavar="OUT/documents", help="extracted pages; negatives are drawn from them")
    add_page_sets(command)
    command.add_argument("--language", help="of positives that name no language, if negatives are drawn")
    command.add_argument(
        "--match", choices=("exact", "site"), default="exact", help="site: take all pages of referenced sites, a proxy"
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--pages-per-site", type=parse_positive, default=5, metavar="N", help="most that are learned from (default 5)"
    )
    command.add_argument(
        "--folds", type=parse_positive, default=5, metavar="N", help="of the cross-validation; 1: one split (default 5)"
    )
    command.set_defaults(run=run_train)


def add_evaluate_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command that tests a classifier."""
    command = commands.add_parser("evaluate", help="test a quality classifier, or a topic classifier with --labelled")
    command.add_argument("model", type=Path, metavar="DIR")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--labelled", metavar="L", help="for a topic classifier: pages with a column topic")
    add_page_sets(command)
    command.set_defaults(run=run_evaluate)


def add_page_sets(command: argparse.ArgumentParser) -> None:
    """Add the two options for sets of pages."""
    command.add_argument("--positives", metavar="P", help="Parquet or JSONL with a column text")
    command.add_argument("--negatives", metavar="N", help="other pages in the same format")


def add_topics_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command that trains a topic classifier."""
    command = commands.add_parser("topics", help="adapt the shipped topic classifier to your pages")
    command.add_argument("--output", required=True, type=Path, metavar="DIR")
    command.add_argument("--documents", metavar="OUT/documents", help="pages that the shipped classifier labels")
    command.add_argument("--labelled", metavar="L", help="Parquet or JSONL with columns text and topic")
    command.add_argument(
        "--dumps", nargs="+", type=Path, default=[], metavar="DUMP", help="articles to label by their categories"
    )
    command.add_argument("--lists", type=Path, metavar="UT1", help="UT1's folder or archive, or the output of `lists`")
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(run=run_topics)


def add_apply_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands that use trained classifiers."""
    command = commands.add_parser("combine", help="combine quality classifiers by their maximum or mean score")
    command.add_argument("models", nargs="+", type=Path, metavar="DIR")
    command.add_argument("--output", required=True, type=Path, metavar="DIR")
    command.add_argument("--by", choices=("max", "mean"), default="max")
    command.set_defaults(run=run_combine)
    command = commands.add_parser("score", help="add the column quality, or topic and topic_score, to a Parquet file")
    command.add_argument("model", type=Path, metavar="DIR")
    command.add_argument("input", type=Path, metavar="INPUT.parquet")
    command.add_argument("--output", required=True, type=Path, metavar="OUTPUT.parquet")
    command.set_defaults(run=run_score)


def parse_positive(text: str) -> int:
    """Return a whole number above 0. Raises ValueError, which argparse reports."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 for success, 2 after one line if the input cannot be used."""
    args = build_classifiers_parser().parse_args(argv)
    try:
        print(args.run(args))
    except (ValueError, OSError) as error:
        return report_unusable(error)
    return 0


def run_references(args: argparse.Namespace) -> str:
    """Write the references of dumps."""
    from classifiers.wikipedia.references import MAX_PER_SITE, write_references

    return write_references(args.dumps, args.output, args.max_per_site or MAX_PER_SITE)


def run_articles(args: argparse.Namespace) -> str:
    """Write the articles of dumps as plain text."""
    from classifiers.wikipedia.articles import write_articles

    return write_articles(args.dumps, args.output, args.language)


def run_combine(args: argparse.Namespace) -> str:
    """Combine classifiers."""
    from classifiers.quality.model import write_combination

    return write_combination(args.models, args.output, args.by)


def run_score(args: argparse.Namespace) -> str:
    """Add the columns of a classifier to a Parquet file."""
    from classifiers.score_file import score_parquet_file

    return score_parquet_file(args.model, args.input, args.output)


def run_evaluate(args: argparse.Namespace) -> str:
    """Test a quality classifier or a topic classifier, and return its table or JSON."""
    if args.labelled:
        from classifiers.topics.evaluation import format_topic_table
        from classifiers.topics.training import evaluate_topic_model

        tested = evaluate_topic_model(args.model, args.labelled)
        return json.dumps(tested, indent=1) if args.json else "\n".join(format_topic_table(tested))
    if not (args.positives and args.negatives):
        raise ClassifierError("evaluate: give --positives and --negatives, or --labelled for a topic classifier")
    from classifiers.quality.evaluation import evaluate_pages, format_quality_table
    from classifiers.quality.model import load_quality_model
    from classifiers.quality.training_sets import read_two_sets

    result = evaluate_pages(load_quality_model(args.model), read_two_sets(args.positives, args.negatives).pages)
    return json.dumps(result, indent=1) if args.json else "\n".join(format_quality_table(result))


def run_topics(args: argparse.Namespace) -> str:
    """Label pages, and train and cross-validate a topic classifier."""
    if not (args.documents or args.labelled or args.dumps):
        raise ClassifierError("topics: give --documents, --labelled or --dumps to learn from")
    from classifiers.topics.evaluation import format_topic_table
    from classifiers.topics.pages import read_topic_pages
    from classifiers.topics.training import train_topic_model

    pages = read_topic_pages(args.documents, args.labelled, args.dumps, args.lists)
    given = {"documents": args.documents, "labelled": args.labelled, "lists": args.lists}
    sources = [f"{name} {value}" for name, value in given.items() if value]
    source = ", ".join([*sources, *(f"dump {path.name}" for path in args.dumps)])
    config = train_topic_model(pages, args.output, source, args.seed)
    return "\n".join([*format_topic_table(config["test"]), "", f"model and card in {args.output}"])


def run_train(args: argparse.Namespace) -> str:
    """Read the pages in one of the three ways, and train a quality classifier."""
    if not ((args.references or args.positives) and args.documents or args.positives and args.negatives):
        raise ClassifierError(
            "train: give --positives with --negatives or --documents, or --references and --documents"
        )
    from classifiers.quality.training import QualitySettings, train_quality_model
    from classifiers.quality.training_sets import read_positive_set, read_referenced_set, read_two_sets

    if args.references and args.documents:
        training_set = read_referenced_set(args.references, args.documents, args.match, args.seed)
    elif args.positives and args.negatives:
        training_set = read_two_sets(args.positives, args.negatives)
    else:
        training_set = read_positive_set(args.positives, args.documents, args.language, args.seed)
    settings = QualitySettings(seed=args.seed)
    config = train_quality_model(training_set, args.output, settings, args.folds, args.pages_per_site)
    pages, tested, baselines = config["pages"]["train"], config["test"], config["baselines"]
    areas = (tested, baselines["length only"], baselines["site only"])
    auc, length, site = ("-" if m["roc_auc"] is None else f"{m['roc_auc']:.3f}" for m in areas)
    return (
        f"trained on {pages['reference']:,} reference pages and {pages['other']:,} others; on sites never seen: "
        f"ROC-AUC {auc} over {tested['pages']:,} pages (by length alone {length}, by site {site})\n"
        f"model and card in {args.output}"
    )


if __name__ == "__main__":
    sys.exit(main())
