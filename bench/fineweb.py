"""The FineWeb recipe on English pages, from WARC to kept text: CPU seconds beside datatrove, and the agreement.

The bars are 3 times the speed of datatrove with trafilatura, and 12 times with our own engine. The CPU time of all
processes is counted, with their start-up. datatrove uses an older trafilatura (below 1.12), so the texts differ a bit.
"""

import gzip
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

from bench.jobs import find_crawl_files, measure_command, write_job
from bench.peers import locate_peer_script, prepare_peer
from pipeline.language.identify import find_bundled_model
from pipeline.text.minhash import MinHashParams, jaccard_similarity, shingle_hashes

BARS = {"trafilatura": 3, "resiliparse": 0, "gristmill": 12}


def run(crawl: str) -> None:
    """Print a line for datatrove and one for each of our engines."""
    files = [os.path.abspath(file) for file in find_crawl_files(crawl)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_ASSETS_CACHE": folder}  # where datatrove copies the language model
        theirs = Path(folder, "datatrove")
        command = [
            prepare_peer("datatrove"),
            locate_peer_script("datatrove_fineweb"),
            str(find_bundled_model()),
            str(theirs),
            *files,
        ]
        cpu = measure_command(command).cpu
        kept = dict(read_datatrove_rows(theirs / "kept"))
        print(f"{'':24} CPU s  times  kept  both  only here  only there  same text (median Jaccard)")
        print(f"{'datatrove 0.10.1':24} {cpu:5.1f} {1:6.1f} {len(kept):5}", flush=True)
        for engine, bar in BARS.items():
            settings = {"recipe": "fineweb", "languages": ["en"], "workers": 1}
            mine = measure_command(write_job(folder, engine, files, extract={"engine": engine}, **settings)).cpu
            ours = dict(read_kept_rows(Path(folder, engine, "documents")))
            both = ours.keys() & kept.keys()
            params = MinHashParams()
            alike = [
                jaccard_similarity(shingle_hashes(ours[page], params), shingle_hashes(kept[page], params))
                for page in sorted(both)
            ]
            counts = f"{len(ours):5} {len(both):5} {len(ours) - len(both):10} {len(kept) - len(both):11}"
            line = f"{'gristmill, ' + engine:24} {mine:5.1f} {cpu / mine:6.1f} {counts} {median(alike):11.2f}"
            print(line, "" if cpu / mine >= bar else f"  missed: {bar}", flush=True)


def read_datatrove_rows(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (record id, text) of the pages that datatrove kept."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                yield row["id"], row["text"]


def read_kept_rows(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (record id, text) of the pages that we kept."""
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path, columns=["id", "text"])
        yield from zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True)
