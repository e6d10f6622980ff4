"""The whole way on public data: dump -> references -> crawl -> scores on sites never seen -> a weighted mix."""

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from classifiers.__main__ import main as classifiers
from pipeline.__main__ import main as pipeline
from tests.shared import shared_data

FILE = "public-00000.warc.gz"
DUMP = "wikipedia/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


def english_pages(target: Path, most: int) -> None:
    """Write the records of so many English pages of the public crawl's first file, as they are."""
    with gzip.open(shared_data("crawl/index.jsonl.gz"), "rt") as lines:
        rows = [row for row in map(json.loads, lines) if row["lang"] == "en" and row["file"] == FILE]
    crawl = shared_data(f"crawl/{FILE}").read_bytes()
    target.write_bytes(b"".join(crawl[row["offset"] : row["offset"] + row["length"]] for row in rows[:most]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """References, documents and a classifier of the English pages."""
    folder = tmp_path_factory.mktemp("public")
    english_pages(folder / "crawl.warc.gz", 1000)
    english_pages(folder / "some.warc.gz", 200)
    (folder / "run.yaml").write_text(
        f"inputs: [{folder / 'crawl.warc.gz'}]\noutput: {folder / 'first'}\nrecipe: none\nworkers: 1\n"
        "extract: {engine: resiliparse, find_dates: false}\ntokenizer: {vocab_size: 1000, sample_mb: 1}\n"
    )
    assert pipeline(["extract", str(folder / "run.yaml")]) == 0
    assert classifiers(["references", str(shared_data(DUMP)), "--output", str(folder / "references.parquet")]) == 0
    documents = ["--documents", str(folder / "first" / "documents"), "--match", "site"]
    train = ["train", "--references", str(folder / "references.parquet"), *documents]
    assert classifiers([*train, "--output", str(folder / "quality")]) == 0
    return folder


def test_it_beats_both_baselines_on_sites_never_seen(folder):
    config = json.loads((folder / "quality" / "config.json").read_text())
    baselines = [measures["roc_auc"] for measures in config["baselines"].values()]
    assert config["test"]["pages"] > 120 and max(baselines) < 0.56
    assert config["test"]["roc_auc"] > max(baselines) + 0.08


def test_the_mix_follows_the_scores(folder):
    """Of quality's four buckets the best is to be half of the mix."""
    elsewhere = ["--set", f"output={folder / 'out'}", "--set", f"inputs=[{folder / 'some.warc.gz'}]"]
    scores = ["--set", f"quality.model={folder / 'quality'}", "--set", "weights.shares.quality=[0.1, 0.2, 0.2, 0.5]"]
    assert pipeline(["run", str(folder / "run.yaml"), *elsewhere, *scores]) == 0
    kept = sorted(q for q in column(folder / "out" / "documents", "scores"))
    bound = kept[len(kept) * 3 // 4]
    rows = pq.read_table(folder / "out" / "corpus" / "train", columns=["quality", "text"]).to_pylist()
    size = [sum(len(row["text"].encode()) for row in rows if row["quality"] >= least) for least in (0, bound)]
    assert size[1] / size[0] == pytest.approx(0.5, abs=0.06)


def column(path: Path, name: str) -> list[float]:
    """Return the quality scores of documents."""
    return [row["quality"] for row in pq.read_table(path, columns=[name])[name].to_pylist()]
