"""The FineWeb recipe, English, from WARC to kept text: pages per CPU-second beside datatrove's, and how far they agree.

Bars: 5 times datatrove's with trafilatura, 12 times with our own engine. All processes of a run are counted, with their
start. datatrove comes with an older trafilatura (below 1.12), so the texts differ somewhat.
"""

import gzip
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from bench.jobs import crawl_files, job, measure, median
from bench.peers import python_of, script
from pipeline.language.identify import find_bundled_model
from pipeline.text.minhash import MinHashParams, jaccard_similarity, shingle_hashes

BARS = {"trafilatura": 5, "resiliparse": 0, "gristmill": 12}


def run(crawl: str) -> None:
    """Print a line each for datatrove and for our engines."""
    files = [os.path.abspath(file) for file in crawl_files(crawl)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_ASSETS_CACHE": folder}  # datatrove's copy of the language model
        theirs = Path(folder, "datatrove")
        command = [python_of("datatrove"), script("datatrove_fineweb"), str(find_bundled_model()), str(theirs), *files]
        cpu = measure(command).cpu
        kept = dict(datatrove_rows(theirs / "kept"))
        print(f"{'':24} CPU s  times  kept  both  only here  only there  same text (median Jaccard)")
        print(f"{'datatrove 0.10.1':24} {cpu:5.1f} {1:6.1f} {len(kept):5}", flush=True)
        for engine, bar in BARS.items():
            settings = {"recipe": "fineweb", "languages": ["en"], "workers": 1}
            mine = measure(job(folder, engine, files, extract={"engine": engine}, **settings)).cpu
            ours = dict(rows(Path(folder, engine, "documents")))
            both = ours.keys() & kept.keys()
            params = MinHashParams()
            alike = [
                jaccard_similarity(shingle_hashes(ours[page], params), shingle_hashes(kept[page], params))
                for page in sorted(both)
            ]
            counts = f"{len(ours):5} {len(both):5} {len(ours) - len(both):10} {len(kept) - len(both):11}"
            line = f"{'gristmill, ' + engine:24} {mine:5.1f} {cpu / mine:6.1f} {counts} {median(alike):11.2f}"
            print(line, "" if cpu / mine >= bar else f"  missed: {bar}", flush=True)


def datatrove_rows(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (record id, text) of the pages that datatrove kept."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                yield row["id"], row["text"]


def rows(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (record id, text) of the pages that we kept."""
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path, columns=["id", "text"])
        yield from zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True)
