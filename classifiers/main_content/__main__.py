"""The command line: `python -m classifiers.main_content --crawl FOLDER [--output FILE]` trains the shipped model."""

import argparse
import sys
from pathlib import Path

from pipeline.html.main_content.classifier import MODEL


def main() -> int:
    """Train on pages with human gold and on those that a tool has marked; 2, with one line, where there are none."""
    parser = argparse.ArgumentParser(prog="python -m classifiers.main_content", description=__doc__)
    parser.add_argument(
        "--crawl", required=True, type=Path, metavar="FOLDER", help="index.jsonl.gz, gold.jsonl.gz, WARCs"
    )
    parser.add_argument("--output", type=Path, default=MODEL, metavar="FILE")
    args = parser.parse_args()
    try:
        from classifiers.main_content.data import load, load_taught, prepare
        from classifiers.main_content.train import about, train, write

        examples = [prepare(page) for page in load(args.crawl) + load_taught(args.crawl)]
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    write(train(examples), args.output, about(examples))
    print(f"{args.output}: {args.output.stat().st_size / 1000:.0f} kB, from {len(examples)} pages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
