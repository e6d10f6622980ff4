"""How many pages a CPU-second the two classifiers score, how well topics are told, and how fast items are searched for.

Quality is scored one by one and in batches, as the extract job does; topics in batches, as the publish job does. They
are tested on pages that we have read (topics.tsv), by a classifier that saw no page of their sites.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs import crawl_files, median, own_cpu

if TYPE_CHECKING:
    from classifiers.topics.model import TopicModel

RUNS = 5
BATCH = 256


def run(crawl: str) -> None:
    """Print the speeds on the main texts (resiliparse) of the first crawl file's pages."""
    from classifiers.quality.model import load_quality_model
    from classifiers.quality.pages import TrainingSet, make_labelled_page
    from classifiers.quality.training import train_quality_model

    rows = pages(crawl_files(crawl)[0])
    # What the labels are makes no difference to the speed: half of the sites are called references.
    labelled = [page for row in rows if (page := make_labelled_page(row, sum(row["url"].split("/")[2].encode()) % 2))]
    with tempfile.TemporaryDirectory() as folder:
        train_quality_model(TrainingSet(labelled, "the crawl, labels by site", []), Path(folder) / "model")
        model = load_quality_model(Path(folder) / "model")
    texts = [row["text"] for row in rows]
    print(f"{'scoring':24} {'pages/s':>8}   median of {RUNS}, {len(texts):,} pages, bar 2,000")
    urls = [row["url"] for row in rows]
    told = topic_model(crawl)
    ways: dict[str, tuple[int, Callable[[slice], object]]] = {
        "quality, one by one": (1, lambda some: model.score_texts(texts[some])),
        "quality, in batches": (BATCH, lambda some: model.score_texts(texts[some])),
        "topics, in batches": (BATCH, lambda some: told.predict_topics(texts[some], urls[some])),
    }
    costs = {}
    for name, (size, score) in ways.items():
        speeds = []
        for _ in range(RUNS):
            start = own_cpu()
            for at in range(0, len(texts), size):
                score(slice(at, at + size))
            speeds.append(len(texts) / (own_cpu() - start))
        costs[name] = 1 / median(speeds)
        print(f"{name:24} {median(speeds):8,.0f}", flush=True)
    both = 1 / (costs["quality, in batches"] + costs["topics, in batches"])
    print(f"{'both':24} {both:8,.0f}", flush=True)
    sets = Path(crawl).parent.parent / "eval"
    if sets.is_dir():
        search(str(sets), texts)


def pages(path: str) -> list[dict[str, str]]:
    """Return url, text and language of a file's pages that have a text."""
    from pipeline.html.charset import decode_body
    from pipeline.html.engines import load_engine
    from pipeline.html.http import parse_response
    from pipeline.warc.reader import CrawlRecord, read_crawl_records

    engine, rows = load_engine("resiliparse"), []
    with open(path, "rb") as source:
        for record in read_crawl_records(source):
            if isinstance(record, CrawlRecord) and record.type == "response":
                response = parse_response(record.block)
                text = engine(decode_body(response.body, response.header("content-type"))[0], record.url).text
                rows.append({"id": record.id, "url": record.url, "text": text, "language": "und"})
    return [row for row in rows if row["text"]]


def topic_model(crawl: str) -> "TopicModel":
    """Train on the crawl without the sites of the pages in topics.tsv, print how those are told; return the model."""
    from classifiers.topics.evaluation import format_topic_table
    from classifiers.topics.model import load_topic_model
    from classifiers.topics.pages import read_topic_pages
    from classifiers.topics.training import evaluate_topic_model, train_topic_model
    from pipeline.url.canonical import url_domain

    lines = Path(__file__).with_name("topics.tsv").read_text().splitlines()[1:]
    known = {f"<urn:uuid:{name}>": topic for name, topic in (line.split("\t") for line in lines)}
    rows = [row for path in crawl_files(crawl) for row in pages(path)]
    tested = [row | {"topic": known[row["id"]]} for row in rows if row["id"] in known]
    sites = {url_domain(row["url"]) for row in tested}
    data = Path(crawl).parent.parent
    lists = data / "lists" / "ut1.tar.xz"
    with tempfile.TemporaryDirectory() as folder:
        for name, some in (
            ("taught", [row for row in rows if url_domain(row["url"]) not in sites]),
            ("tested", tested),
        ):
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
            print("pages that we have read", *format_topic_table(result), "", sep="\n", flush=True)
        return load_topic_model(Path(folder) / "model")


def search(sets: str, texts: list[str]) -> None:
    """Print how long the sets take to index, and how fast texts are searched for their items."""
    from pipeline.io.evaluation_sets import build_passages, read_evaluation_sets
    from pipeline.text.ngram_index import NgramIndex

    start = own_cpu()
    index = NgramIndex.build((build_passages(item) for item in read_evaluation_sets((sets,))), 13, 8)
    print(f"{'index, seconds':24} {own_cpu() - start:8.1f}   {len(index.hashes):,} n-grams")
    size, speeds = sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6, []
    for _ in range(RUNS):
        start = own_cpu()
        index.spans(texts)
        speeds.append(size / (own_cpu() - start))
    print(f"{'searched, MB/s':24} {median(speeds):8.1f}", flush=True)
