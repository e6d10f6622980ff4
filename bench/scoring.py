"""The speed of the quality ensemble and of both classifiers, and the accuracy of topics.

The ensemble is scored in batches, alone and with the quality classifier as a member, as in the extract job. The quality
classifier is also scored page by page; topics in batches, as in the publish job. Topics
are tested on pages that a person labelled (topics.tsv), by a classifier that saw no page of their sites.
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.crawl_pages import CrawlPage, read_crawl_pages
from bench.jobs import find_crawl_files, read_own_cpu

if TYPE_CHECKING:
    from classifiers.topics.model import TopicModel

RUNS = 5
BATCH = 256


def run(crawl: str) -> None:
    """Print the speeds on the main texts of the first crawl file."""
    from classifiers.ensemble.model import load_ensemble_model
    from classifiers.quality.model import load_quality_model
    from classifiers.quality.pages import TrainingSet, make_labelled_page
    from classifiers.quality.training import train_quality_model

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
    topics, ensemble = train_topics(crawl), load_ensemble_model()
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


def train_topics(crawl: str) -> "TopicModel":
    """Train on the crawl without the sites of topics.tsv, print the results on these pages, and return the model."""
    from classifiers.topics.evaluation import format_topic_table
    from classifiers.topics.model import load_topic_model
    from classifiers.topics.pages import read_topic_pages
    from classifiers.topics.training import evaluate_topic_model, train_topic_model
    from pipeline.url.canonical import url_domain

    lines = Path(__file__).with_name("topics.tsv").read_text().splitlines()[1:]
    known = {f"<urn:uuid:{name}>": topic for name, topic in (line.split("\t") for line in lines)}
    pages = read_text_pages(find_crawl_files(crawl))
    tested = [page._asdict() | {"topic": known[page.id]} for page in pages if page.id in known]
    sites = {url_domain(page.url) for page in pages if page.id in known}
    others = [page._asdict() for page in pages if url_domain(page.url) not in sites]
    data = Path(crawl).parent.parent
    lists = data / "lists" / "ut1.tar.xz"
    with tempfile.TemporaryDirectory() as folder:
        for name, some in (("taught", others), ("tested", tested)):
            with open(Path(folder) / f"{name}.jsonl", "w", encoding="utf-8", errors="replace") as out:
                out.writelines(json.dumps(row) + "\n" for row in some)
        taught = read_topic_pages(
            f"{folder}/taught.jsonl",
            dumps=sorted((data / "wikipedia").glob("*pages-articles*.bz2")),
            lists=lists if lists.exists() else None,
        )
        config = train_topic_model(taught, Path(folder) / "model", "the crawl")
        print("cross-validated, by labels of the recipe", *format_topic_table(config["test"]), "", sep="\n")
        if tested:
            result = evaluate_topic_model(Path(folder) / "model", f"{folder}/tested.jsonl")
            print("pages that a person labelled", *format_topic_table(result), "", sep="\n", flush=True)
        return load_topic_model(Path(folder) / "model")
