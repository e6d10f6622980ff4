"""Near duplicates among the crawl's pages beside datatrove's and text-dedup's MinHash: time, memory, what is found.

All take the same texts (all of a page's, by resiliparse) with FineWeb's settings, from signatures to what is kept, in
one process. Judge is the exact Jaccard of all pairs by our shingles: a page that went is a false merge where none that
stays is .8 alike or more; a pair that is so alike is missed where both stay.
"""

import gzip
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from bench.jobs import find_crawl_files, measure_command
from bench.peers import locate_peer_script, prepare_peer
from pipeline.text.minhash import MinHashParams, shingle_hashes

THRESHOLD = 0.8
LEAST_WORDS = 5  # text-dedup's default: as many as a shingle has


def run(crawl: str) -> None:
    """Print a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        source = f"{folder}/in/texts.jsonl"
        pages = write_texts([os.path.abspath(file) for file in find_crawl_files(crawl)], source)
        os.environ |= {"HF_HUB_OFFLINE": "1"}
        theirs = measure_command(
            [prepare_peer("datatrove"), locate_peer_script("datatrove_minhash"), source, f"{folder}/datatrove"]
        )
        others = measure_command(text_dedup(source, folder))
        ours = measure_command([sys.executable, "-m", "bench.dedup_peers", source, f"{folder}/gristmill"])
        kept = {
            "datatrove 0.10.1": set(kept_by_datatrove(Path(folder, "datatrove", "kept"))),
            "text-dedup 0.4.0": set(kept_by_text_dedup(Path(folder, "text-dedup"))) | too_short(pages),
            "gristmill": set(json.loads(Path(folder, "gristmill", "kept.json").read_text())),
        }
        alike = pairs_alike(pages)
        size = sum(len(text.encode()) for text in pages.values()) / 1e6
        print(f"{len(pages):,} pages, {size:.1f} MB of text, {len(alike):,} pairs at or above {THRESHOLD}")
        print(f"{'':18} CPU s   MB/s  peak MB  dropped  false merges  pairs missed")
        for (name, stay), figures in zip(kept.items(), (theirs, others, ours), strict=True):
            near = {page for pair in alike for page in pair if (pair - {page}) & stay}
            false = len(pages.keys() - stay - near)
            missed = sum(pair <= stay for pair in alike)
            speed = f"{figures.cpu:5.1f} {size / figures.cpu:6.2f} {figures.peak_mb:8.0f}"
            print(f"{name:18} {speed} {len(pages) - len(stay):8} {false:13} {missed:13}", flush=True)


def write_texts(files: list[str], path: str) -> dict[str, str]:
    """Write the texts of all responses as JSONL. Returns them by id."""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    from pipeline.html.charset import decode_body
    from pipeline.html.http import parse_response
    from pipeline.warc.reader import CrawlRecord, read_crawl_records

    os.makedirs(os.path.dirname(path))
    pages = {}
    with open(path, "w", encoding="utf-8") as out:
        for file in files:
            with open(file, "rb") as source:
                for record in read_crawl_records(source):
                    if isinstance(record, CrawlRecord) and record.type == "response":
                        page = parse_response(record.block)
                        tree = HTMLTree.parse(decode_body(page.body, page.header("content-type"))[0])
                        text = extract_plain_text(tree).encode("utf-8", "replace").decode()
                        if text.strip():  # datatrove's reader leaves out the others
                            pages[record.id] = text
                            out.write(json.dumps({"id": record.id, "text": text}) + "\n")
    return pages


def kept_by_datatrove(folder: Path) -> list[str]:
    """Return the ids of the pages that datatrove kept."""
    return [json.loads(line)["id"] for path in folder.glob("*.gz") for line in gzip.open(path, "rt", encoding="utf-8")]


def text_dedup(source: str, folder: str) -> list[str]:
    """Return the command by which text-dedup, as its users run it, writes what it keeps of a JSONL file."""
    files = ["--path", "json", "--data_files", source, "--split", "train", "--cache_dir", f"{folder}/cache"]
    settings = ["--ngram", "5", "--num_perm", "112", "--b", "14", "--r", "8", "--column", "text", "--num_proc", "1"]
    command = [prepare_peer("text-dedup"), "-m", "text_dedup.minhash", *files, *settings]
    return [*command, "--min_length", str(LEAST_WORDS), "--output", f"{folder}/text-dedup"]


def kept_by_text_dedup(folder: Path) -> list[str]:
    """Return the ids of the pages that text-dedup kept."""
    ids = []
    for path in sorted(folder.glob("*.arrow")):
        with pa.ipc.open_stream(path) as stream:
            ids += stream.read_all()["id"].to_pylist()
    return ids


def too_short(pages: dict[str, str]) -> set[str]:
    """Return the pages that text-dedup leaves out, whatever they are like, for having too few words as it cuts them."""
    return {page for page, text in pages.items() if len(re.split(r"\W", text)) < LEAST_WORDS}


def pairs_alike(pages: dict[str, str]) -> set[frozenset[str]]:
    """Return every pair of pages whose shingles' Jaccard reaches the threshold."""
    ids, sets = list(pages), [shingle_hashes(text, MinHashParams()) for text in pages.values()]
    columns = np.unique(np.concatenate(sets), return_inverse=True)[1]
    table = csr_array((np.ones(len(columns), np.int32), columns, np.cumsum([0, *map(len, sets)])))
    both = (table @ table.T).tocoo()
    (a, b), sizes = both.coords, np.array(list(map(len, sets)))
    found = (a < b) & (both.data >= THRESHOLD * (sizes[a] + sizes[b] - both.data))
    return {frozenset((ids[x], ids[y])) for x, y in zip(a[found].tolist(), b[found].tolist(), strict=True)}


def gristmill(source: str, folder: str) -> None:
    """Sign the texts, run the dedup job's near duplicates, and write which pages are kept."""
    from pipeline.config import build_config
    from pipeline.dedup.job import find_duplicates
    from pipeline.io.output import Output
    from pipeline.io.schemas import DOCUMENT
    from pipeline.text.minhash import sign_texts

    with open(source, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    output, texts = Output(folder), [row["text"] for row in rows]
    with output.table_writer(DOCUMENT, "documents", "texts.parquet") as writer:
        for start in range(0, len(rows), 200):
            some = texts[start : start + 200]
            columns = {
                "id": [row["id"] for row in rows[start : start + 200]],
                "text": some,
                "date": [""] * len(some),
                "url": [""] * len(some),
                "minhash": sign_texts(some, MinHashParams()),
            }
            nulls = [None] * len(some)
            writer.append(pa.table([pa.array(columns.get(f.name, nulls), f.type) for f in DOCUMENT], schema=DOCUMENT))
    settings = {"url": False, "exact": False, "threshold": THRESHOLD}
    find_duplicates(
        output, build_config({"inputs": ["-"], "output": folder, "recipe": "none", "dedup": settings}), ["texts"]
    )
    with output.parquet("duplicates", "texts.parquet") as file:
        gone = set(file.read(columns=["id"])["id"].to_pylist())
    output.write_json([row["id"] for row in rows if row["id"] not in gone], "kept.json")


if __name__ == "__main__":
    gristmill(*sys.argv[1:])
