"""The command line: `python -m classifiers COMMAND`. Nothing heavy is imported before its use."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(
        prog="python -m classifiers",
        description="The Wikipedia-reference quality classifier and the topic classifier: data, training, scores.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    find = commands.add_parser("references", help="the pages that a Wikipedia dump refers to")
    find.add_argument("dumps", nargs="+", type=Path, metavar="DUMP", help="pages-articles XML or externallinks SQL")
    find.add_argument("--output", required=True, type=Path, metavar="R.parquet")
    find.add_argument("--max-per-site", type=positive, metavar="N", help="references to one site (default 10,000)")
    texts = commands.add_parser("articles", help="the articles of a Wikipedia dump as plain text")
    texts.add_argument("dumps", nargs="+", type=Path, metavar="DUMP", help="pages-articles XML")
    texts.add_argument("--output", required=True, type=Path, metavar="A.parquet")
    texts.add_argument("--language", required=True, metavar="CODE", help="the edition's, as in its host name: en")
    learn = commands.add_parser("train", help="train, calibrate and test a classifier")
    learn.add_argument("--output", required=True, type=Path, metavar="DIR")
    learn.add_argument("--references", metavar="R.parquet", help="with --documents, in place of two sets")
    learn.add_argument("--documents", metavar="OUT/documents", help="extracted pages: negatives are drawn from them")
    learn.add_argument("--language", help="of positives that do not say theirs, where negatives are drawn for them")
    learn.add_argument("--match", choices=("exact", "site"), default="exact", help="site: a proxy, named as one")
    learn.add_argument("--seed", type=int, default=0)
    learn.add_argument("--pages-per-site", type=positive, default=5, metavar="N", help="learned from (default 5)")
    learn.add_argument(
        "--folds", type=positive, default=5, metavar="N", help="of the cross-validation; 1: none (default 5)"
    )
    judge = commands.add_parser("evaluate", help="test a classifier on two sets of pages, or topics on labelled pages")
    judge.add_argument("model", type=Path, metavar="DIR")
    judge.add_argument("--json", action="store_true", help="print JSON")
    judge.add_argument("--labelled", metavar="L", help="for a topic classifier: pages with a column topic")
    for command in (learn, judge):
        command.add_argument("--positives", metavar="P", help="Parquet or JSONL with a column text")
        command.add_argument("--negatives", metavar="N", help="the same of other pages")
    about = commands.add_parser("topics", help="train and cross-validate a topic classifier")
    about.add_argument("--output", required=True, type=Path, metavar="DIR")
    about.add_argument("--documents", metavar="OUT/documents", help="pages to be labelled by address, lists and words")
    about.add_argument("--labelled", metavar="L", help="Parquet or JSONL with columns text and topic")
    about.add_argument(
        "--dumps", nargs="+", type=Path, default=[], metavar="DUMP", help="articles, by their categories"
    )
    about.add_argument("--lists", type=Path, metavar="UT1", help="UT1's folder or archive, or what `lists` compiled")
    about.add_argument("--seed", type=int, default=0)
    join = commands.add_parser("ensemble", help="put classifiers together: one folder, the greatest or the mean score")
    join.add_argument("models", nargs="+", type=Path, metavar="DIR")
    join.add_argument("--output", required=True, type=Path, metavar="DIR")
    join.add_argument("--by", choices=("max", "mean"), default="max")
    mark = commands.add_parser("score", help="add the column quality, or topic and topic_score, to a Parquet file")
    mark.add_argument("model", type=Path, metavar="DIR")
    mark.add_argument("input", type=Path, metavar="INPUT.parquet")
    mark.add_argument("--output", required=True, type=Path, metavar="OUTPUT.parquet")
    return top


def positive(text: str) -> int:
    """Return a whole number above 0. Raises ValueError, which argparse reports."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 2 with one line where the input cannot be used."""
    args = parser().parse_args(argv)
    try:
        print(dispatch(args))
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def dispatch(args: argparse.Namespace) -> str:
    """Run one command and return what it prints."""
    if args.command == "references":
        from classifiers.references import MAX_PER_SITE, write_references

        return write_references(args.dumps, args.output, args.max_per_site or MAX_PER_SITE)
    if args.command == "score":
        from classifiers.score import score_file

        return score_file(args.model, args.input, args.output)
    if args.command == "articles":
        from classifiers.articles import write_articles

        return write_articles(args.dumps, args.output, args.language)
    if args.command == "topics":
        return topics_command(args)
    if args.command == "ensemble":
        from classifiers.score import write_ensemble

        return write_ensemble(args.models, args.output, args.by)
    if args.command == "train":
        return train_command(args)
    return evaluate_command(args)


def evaluate_command(args: argparse.Namespace) -> str:
    """Test a model on pages of either kind."""
    from classifiers.errors import ClassifierError

    if args.labelled:
        from classifiers import topics

        result = topics.evaluate(args.model, args.labelled)
        return json.dumps(result, indent=1) if args.json else "\n".join(topics.table_lines(result))
    if not (args.positives and args.negatives):
        raise ClassifierError("evaluate: give --positives and --negatives, or --labelled for a topic classifier")
    from classifiers.data import read_labelled
    from classifiers.evaluate import evaluate_pages, table_lines
    from classifiers.score import QualityModel

    result = evaluate_pages(QualityModel.load(args.model), read_labelled(args.positives, args.negatives).pages)
    return json.dumps(result, indent=1) if args.json else "\n".join(table_lines(result))


def topics_command(args: argparse.Namespace) -> str:
    """Label pages in whichever ways are given, train and cross-validate."""
    from classifiers import topics
    from classifiers.errors import ClassifierError

    if not (args.documents or args.labelled or args.dumps):
        raise ClassifierError("topics: give --documents, --labelled or --dumps to learn from")
    pages, rarity = topics.read(args.documents, args.labelled, args.dumps, args.lists)
    sources = {"documents": args.documents, "labelled": args.labelled, "lists": args.lists}
    source = ", ".join(f"{name} {value}" for name, value in sources.items() if value)
    source = ", ".join(filter(None, (source, *(f"dump {path.name}" for path in args.dumps))))
    config = topics.train(pages, rarity, args.output, source, args.seed)
    return "\n".join([*topics.table_lines(config["test"]), "", f"model and card in {args.output}"])


def train_command(args: argparse.Namespace) -> str:
    """Read the pages in whichever of the two ways they are given, and train."""
    from classifiers.data import read_labelled, read_positives, read_referenced
    from classifiers.errors import ClassifierError
    from classifiers.train import Settings, train

    if args.references and args.documents:
        labelled = read_referenced(args.references, args.documents, args.match, args.seed)
    elif args.positives and args.negatives:
        labelled = read_labelled(args.positives, args.negatives)
    elif args.positives and args.documents:
        labelled = read_positives(args.positives, args.documents, args.language, args.seed)
    else:
        raise ClassifierError(
            "train: give --positives with --negatives or --documents, or --references and --documents"
        )
    config = train(labelled, args.output, Settings(seed=args.seed), args.folds, args.pages_per_site)
    pages = config["pages"]["train"]
    areas = [config["test"], *config["baselines"].values()]
    auc, length, site = ("-" if m["roc_auc"] is None else f"{m['roc_auc']:.3f}" for m in areas)
    return "\n".join(
        [
            f"trained on {pages['reference']:,} reference pages and {pages['other']:,} others; on sites never seen: "
            f"ROC-AUC {auc} over {config['test']['pages']:,} pages (by length alone {length}, by site {site})",
            f"model and card in {args.output}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
