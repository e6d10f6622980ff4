"""Train the shipped model: `python -m classifiers.main_content --crawl FOLDER --benchmark FOLDER [--output FILE]`."""

import argparse
from pathlib import Path

from classifiers.errors import report_unusable
from pipeline.html.main_content.classifier import MODEL


def main() -> int:
    """Train on pages that a person or a tool marked. Returns 2 after one line if the data cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m classifiers.main_content", description=__doc__)
    parser.add_argument(
        "--crawl", required=True, type=Path, metavar="FOLDER", help="index.jsonl.gz, gold.jsonl.gz, WARCs"
    )
    parser.add_argument(
        "--benchmark", type=Path, metavar="FOLDER", help="gold.jsonl.gz and one WARC: the development split of WCXB"
    )
    parser.add_argument("--output", type=Path, default=MODEL, metavar="FILE")
    args = parser.parse_args()
    try:
        from classifiers.fit_forest import require_training_packages
        from classifiers.main_content.block_labels import prepare_example
        from classifiers.main_content.gold_pages import load_benchmark_pages, load_gold_pages, load_taught_pages
        from classifiers.main_content.train import describe_training, train_block_model, write_block_model

        require_training_packages(("catboost", "rapidfuzz"))
        pages = load_gold_pages(args.crawl) + load_taught_pages(args.crawl)
        if args.benchmark:
            pages += load_benchmark_pages(args.benchmark)
        examples = [prepare_example(page) for page in pages]
    except (OSError, ValueError, ImportError) as error:
        return report_unusable(error)
    write_block_model(train_block_model(examples), args.output, describe_training(examples))
    print(f"{args.output}: {args.output.stat().st_size / 1000:.0f} kB, from {len(examples)} pages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
