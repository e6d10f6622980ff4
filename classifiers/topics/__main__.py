"""Train the shipped topic model: `python -m classifiers.topics --crawl WARC... --labels bench/topics_read.tsv`."""

import argparse
from pathlib import Path

from classifiers.errors import report_unusable
from classifiers.topics.stem_model import STEM_MODEL, write_stem_model


def main() -> int:
    """Train on pages with readers' topics. Returns 2 after one line if the data cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m classifiers.topics", description=__doc__)
    parser.add_argument("--crawl", required=True, nargs="+", type=Path, metavar="WARC", help="pages of the labels")
    parser.add_argument("--labels", required=True, type=Path, metavar="FILE", help="columns id and topic, by tabs")
    parser.add_argument("--output", type=Path, default=STEM_MODEL, metavar="FILE")
    args = parser.parse_args()
    try:
        from classifiers.ensemble.labelled_texts import read_main_texts
        from classifiers.topics.evaluation import compute_f1_by_topic
        from classifiers.topics.fit_stem_model import (
            ReadPage,
            cross_validate_stems,
            describe_read_pages,
            read_topic_labels,
            train_stem_model,
        )
        from pipeline.url.topic_by_address import DOMAINS

        known = read_topic_labels(args.labels)
        pages = [
            ReadPage(page.url, page.site, page.text, known[page.id])
            for page in read_main_texts(args.crawl)
            if page.id in known
        ]
        validated = cross_validate_stems(pages)
        write_stem_model(train_stem_model(pages), DOMAINS, args.output, describe_read_pages(pages))
    except (OSError, ValueError, ImportError) as error:
        return report_unusable(error)
    by_topic = compute_f1_by_topic([true for true, _ in validated], [found for _, found in validated])
    print(f"{args.output}: {args.output.stat().st_size / 1000:.0f} kB, from {len(validated)} pages")
    print(f"cross-validated by site: macro-F1 {sum(by_topic.values()) / len(by_topic):.3f}")
    print(" ".join(f"{topic} {value:.2f}" for topic, value in by_topic.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
