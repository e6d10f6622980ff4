"""Train the model of page types: `python -m classifiers.page_types --crawl FOLDER --benchmark FOLDER`."""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from classifiers.errors import report_unusable
from classifiers.page_types.model import PAGE_TYPE_MODEL, PAGE_TYPES, build_type_rows
from classifiers.topics.stem_model import write_stem_model

if TYPE_CHECKING:
    from classifiers.ensemble.labelled_texts import LabelledText

SAME_TYPE = {"collection": "listing"}  # types of the benchmark that are one here
# Types of collections within the crawl. The benchmark has few languages besides English, and hardly any news, so that
# without these news and all other languages count as listings.
COLLECTIONS = {
    "waddle_daniel": "article", "scrapinghub_aeb": "article", "trafilatura_eval": "article",
    "recipe_scrapers": "article", "sqlite_docs": "documentation", "debian_manuals": "documentation",
    "formasaurus": "service",
}  # fmt: skip
PAGES_PER_SITE = 3  # of a collection


def main() -> int:
    """Train on pages with a type, and print how good the model is. Returns 2 after one line without usable data."""
    parser = argparse.ArgumentParser(prog="python -m classifiers.page_types", description=__doc__)
    for name, held in (("--crawl", "index.jsonl.gz, gold.jsonl.gz, WARCs"), ("--benchmark", "gold.jsonl.gz, one WARC")):
        parser.add_argument(name, required=True, type=Path, metavar="FOLDER", help=held)
    parser.add_argument("--output", type=Path, default=PAGE_TYPE_MODEL, metavar="FILE")
    args = parser.parse_args()
    try:
        from classifiers.ensemble.labelled_texts import read_folder_texts
        from classifiers.main_content.gold_pages import read_gold_tables
        from classifiers.topics.evaluation import compute_f1_by_topic, measure_topics
        from classifiers.topics.fit_stem_model import (
            cross_validate_classes,
            fit_classes,
            measure_stem_rarities,
            round_stem_weights,
            spread_pages,
        )

        sets = {entry["record_id"]: entry["set"] for entry in read_gold_tables(args.crawl).entries}
        found = [page for folder in (args.crawl, args.benchmark) for page in read_folder_texts(folder, {})]
        pages, names, benchmark = select_typed_pages(found, sets)
        rows = spread_pages([page.text for page in pages], [page.url for page in pages], build_type_rows)
        validated = cross_validate_classes(rows, names, [page.site for page in pages], PAGE_TYPES)
        tested = [pair for pair, is_benchmark in zip(validated, benchmark, strict=True) if is_benchmark]
        model = round_stem_weights(*fit_classes(rows, names, PAGE_TYPES, measure_stem_rarities(rows)))
        counts = ", ".join(f"{name} {count}" for name, count in sorted(Counter(names).items()))
        about = f"The type of a page. Trained by `python -m classifiers.page_types` on {len(names)} pages: {counts}."
        write_stem_model(model, PAGE_TYPES, args.output, about)
    except (OSError, ValueError, ImportError) as error:
        return report_unusable(error)
    print(f"{args.output}: {args.output.stat().st_size / 1000:.0f} kB, from {len(names)} pages: {counts}")
    for where, pairs in (("all pages", validated), ("the benchmark", tested)):
        true, told = zip(*pairs, strict=True)
        measures = measure_topics(true, told)
        print(f"{where}, by site: macro-F1 {measures['macro_f1']:.3f}, right {measures['accuracy']:.3f}")
        print(" ".join(f"{name} {value:.2f}" for name, value in compute_f1_by_topic(true, told).items()))
    return 0


def select_typed_pages(
    pages: Sequence["LabelledText"], sets: Mapping[str, str]
) -> tuple[list["LabelledText"], list[str], list[bool]]:
    """Return the pages with a type, their types, and which of them the benchmark has.

    Of a collection's pages, some of each site are taken. `sets` has the collection by record id.
    """
    taken: Counter[str] = Counter()
    chosen = []
    for page in pages:
        name = SAME_TYPE.get(page.type, page.type) or COLLECTIONS.get(sets.get(page.id, ""), "")
        taken[page.site] += bool(name and not page.type)
        if page.type or (name and taken[page.site] <= PAGES_PER_SITE):
            chosen.append((page, name, bool(page.type)))
    return [page for page, _, _ in chosen], [name for _, name, _ in chosen], [known for _, _, known in chosen]


if __name__ == "__main__":
    raise SystemExit(main())
