"""The speed of the quality ensemble and of both classifiers, and the accuracy of topics.

The ensemble is scored in batches, alone and with the quality classifier as a member, as in the extract job. The quality
classifier is also scored page by page; topics in batches, as in the publish job. Topics are tested on pages that a
person labelled (topics.tsv, topics_held_out.tsv), by the shipped classifier and by one that is trained here; neither
saw a page of their sites.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median

from bench.crawl_pages import CrawlPage, read_crawl_pages
from bench.jobs import find_crawl_files, read_own_cpu

RUNS = 5
BATCH = 256


def run(crawl: str) -> None:
    """Print the speeds on the main texts of the first crawl file."""
    from classifiers.ensemble.model import load_ensemble_model
    from classifiers.quality.model import load_quality_model
    from classifiers.quality.pages import TrainingSet, make_labelled_page
    from classifiers.quality.training import train_quality_model
    from classifiers.topics.stem_model import load_shipped_model

    pages = read_text_pages(find_crawl_files(crawl)[:1])
    # The labels do not change the speed: about half of the sites count as references.
    labels = [sum(page.url.split("/")[2].encode()) % 2 for page in pages]
    made = [
        make_labelled_page({"id": page.id, "url": page.url, "text": page.text}, label)
        for page, label in zip(pages, labels, strict=True)
    ]
    labelled = [page for page in made if page]
    with tempfile.TemporaryDirectory() as folder:
        train_quality_model(TrainingSet(labelled, "the crawl, labels by site", []), Path(folder) / "model")
        model = load_quality_model(Path(folder) / "model")
    texts, urls = [page.text for page in pages], [page.url for page in pages]
    print(f"{'scoring':24} {'pages/s':>8}   median of {RUNS}, {len(texts):,} pages, bar 2,000")
    test_topics(crawl)
    ensemble, topics = load_ensemble_model(), load_shipped_model()
    english = ["en"] * BATCH
    ways: dict[str, tuple[int, Callable[[slice], object]]] = {
        "quality, one by one": (1, lambda some: model.score_texts(texts[some])),
        "quality, in batches": (BATCH, lambda some: model.score_texts(texts[some])),
        "ensemble": (BATCH, lambda some: ensemble.score_pages(texts[some], english[: len(texts[some])])),
        "ensemble with a member": (
            BATCH,
            lambda some: ensemble.score_pages(texts[some], english[: len(texts[some])], model),
        ),
        "topics, in batches": (BATCH, lambda some: topics.predict_topics(texts[some], urls[some])),
    }
    costs = {}
    for name, (size, score) in ways.items():
        speeds = []
        for _ in range(RUNS):
            start = read_own_cpu()
            for at in range(0, len(texts), size):
                score(slice(at, at + size))
            speeds.append(len(texts) / (read_own_cpu() - start))
        costs[name] = 1 / median(speeds)
        print(f"{name:24} {median(speeds):8,.0f}", flush=True)
    both = 1 / (costs["quality, in batches"] + costs["topics, in batches"])
    print(f"{'both':24} {both:8,.0f}", flush=True)


def read_text_pages(paths: Iterable[str]) -> list[CrawlPage]:
    """Return the pages of crawl files that have a main text."""
    return [page for page in read_crawl_pages(paths) if page.text]


def test_topics(crawl: str) -> None:
    """Print the results of the shipped classifier, and of one that is trained on the crawl without the tested sites."""
    from classifiers.topics.evaluation import format_topic_table
    from classifiers.topics.fit_stem_model import read_topic_labels
    from classifiers.topics.pages import read_topic_pages
    from classifiers.topics.stem_model import SHIPPED
    from classifiers.topics.training import evaluate_topic_model, train_topic_model
    from pipeline.url.canonical import url_domain

    here = Path(__file__).parent
    sets = {name: read_topic_labels(here / f"{name}.tsv") for name in ("topics", "topics_held_out")}
    known = {identity for labels in sets.values() for identity in labels}
    pages = read_text_pages(find_crawl_files(crawl))
    sites = {url_domain(page.url) for page in pages if page.id in known}
    data = Path(crawl).parent.parent
    lists = data / "lists" / "ut1.tar.xz"
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "taught.jsonl", [p._asdict() for p in pages if url_domain(p.url) not in sites])
        taught = read_topic_pages(
            f"{folder}/taught.jsonl",
            dumps=sorted((data / "wikipedia").glob("*pages-articles*.bz2")),
            lists=lists if lists.exists() else None,
        )
        config = train_topic_model(taught, Path(folder) / "model", "the crawl")
        print("cross-validated, by labels of the recipe", *format_topic_table(config["test"]), "", sep="\n")
        for name, labels in sets.items():
            tested = [page._asdict() | {"topic": labels[page.id]} for page in pages if page.id in labels]
            write_rows(Path(folder) / f"{name}.jsonl", tested)
            for model in (SHIPPED, f"{folder}/model") if tested else ():
                print(f"{name}.tsv, by the classifier that is {'shipped' if model == SHIPPED else 'trained here'}")
                result = evaluate_topic_model(model, f"{folder}/{name}.jsonl")
                print(*format_topic_table(result), "", sep="\n", flush=True)


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as JSONL."""
    with open(path, "w", encoding="utf-8", errors="replace") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
