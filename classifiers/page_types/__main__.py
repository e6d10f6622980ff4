"""Train the model of page types: `python -m classifiers.page_types --crawl FOLDER --benchmark FOLDER`."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from classifiers.page_types.model import PAGE_TYPE_MODEL, PAGE_TYPES, build_type_rows
from classifiers.topics.stem_model import write_stem_model

SAME_TYPE = {"collection": "listing"}  # types of the benchmark that are one here


def main() -> int:
    """Train on pages with a type, and print how good the model is. Returns 2 after one line without usable data."""
    parser = argparse.ArgumentParser(prog="python -m classifiers.page_types", description=__doc__)
    for name, held in (("--crawl", "index.jsonl.gz, gold.jsonl.gz, WARCs"), ("--benchmark", "gold.jsonl.gz, one WARC")):
        parser.add_argument(name, required=True, type=Path, metavar="FOLDER", help=held)
    parser.add_argument("--output", type=Path, default=PAGE_TYPE_MODEL, metavar="FILE")
    args = parser.parse_args()
    try:
        from classifiers.ensemble.labelled_texts import read_folder_texts
        from classifiers.topics.evaluation import compute_f1_by_topic, measure_topics
        from classifiers.topics.fit_stem_model import (
            cross_validate_classes,
            fit_classes,
            measure_stem_rarities,
            round_stem_weights,
            spread_pages,
        )

        pages = [page for folder in (args.crawl, args.benchmark) for page in read_folder_texts(folder, {}) if page.type]
        names = [SAME_TYPE.get(page.type, page.type) for page in pages]
        rows = spread_pages([page.text for page in pages], [page.url for page in pages], build_type_rows)
        validated = cross_validate_classes(rows, names, [page.site for page in pages], PAGE_TYPES)
        model = round_stem_weights(*fit_classes(rows, names, PAGE_TYPES, measure_stem_rarities(rows)))
        counts = ", ".join(f"{name} {count}" for name, count in sorted(Counter(names).items()))
        about = f"The type of a page. Trained by `python -m classifiers.page_types` on {len(names)} pages: {counts}."
        write_stem_model(model, PAGE_TYPES, args.output, about)
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    true, found = zip(*validated, strict=True)
    measures = measure_topics(true, found)
    print(f"{args.output}: {args.output.stat().st_size / 1000:.0f} kB, from {len(names)} pages: {counts}")
    print(f"cross-validated by site: macro-F1 {measures['macro_f1']:.3f}, right {measures['accuracy']:.3f}")
    print(" ".join(f"{name} {value:.2f}" for name, value in compute_f1_by_topic(true, found).items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
