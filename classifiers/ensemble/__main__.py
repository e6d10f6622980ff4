"""Train the shipped ensemble of the quality score: `python -m classifiers.ensemble --crawl FOLDER ...`."""

import argparse
from pathlib import Path

from classifiers.ensemble.model import ENSEMBLE_MODEL, write_ensemble_model
from classifiers.errors import report_unusable


def main() -> int:
    """Train on pages with types, pages with readers' labels, and clean texts.

    Returns 2 after one line if the data cannot be read.
    """
    parser = argparse.ArgumentParser(prog="python -m classifiers.ensemble", description=__doc__)
    parser.add_argument(
        "--crawl", required=True, type=Path, metavar="FOLDER", help="index.jsonl.gz, gold.jsonl.gz, WARCs"
    )
    parser.add_argument("--benchmark", required=True, type=Path, metavar="FOLDER", help="gold.jsonl.gz and one WARC")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, metavar="FILE", help="readers' labels")
    parser.add_argument("--texts", required=True, type=Path, metavar="FOLDER", help="novels and corpora .jsonl.xz")
    parser.add_argument("--dumps", required=True, nargs="+", type=Path, metavar="DUMP", help="pages-articles XML")
    parser.add_argument("--output", type=Path, default=ENSEMBLE_MODEL, metavar="FILE")
    args = parser.parse_args()
    try:
        from classifiers.ensemble.labelled_texts import read_training_texts
        from classifiers.ensemble.train import describe_texts, train_ensemble
        from classifiers.fit_forest import require_training_packages

        require_training_packages()
        texts = read_training_texts(args.crawl, args.benchmark, args.labels, args.texts, args.dumps)
        write_ensemble_model(train_ensemble(texts), args.output, describe_texts(texts))
    except (OSError, ValueError, ImportError) as error:
        return report_unusable(error)
    print(f"{args.output}: {args.output.stat().st_size / 1000:.0f} kB, from {len(texts.labelled)} labelled texts")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
