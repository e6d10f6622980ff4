"""MinHash signatures of real pages by language: MB of text per CPU-second (bar 45), beside datasketch.

The error is the mean of |estimate - exact Jaccard| between a page and a copy with some words replaced, over what theory
gives for that many hashes: 1.00 is as good as MinHash can be.
"""

import math
import random
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from datasketch import MinHash

from bench.jobs import crawl_files, job, measure, own_cpu
from pipeline.text.minhash import MinHashParams, jaccard_similarity, shingle_hashes, sign_texts

LEAST_MB = 0.4  # of a language's text, for a figure of its own
RUNS = 5


def run(crawl: str) -> None:
    """Print a line a language, and one for all pages as they come."""
    params = MinHashParams()
    by_language = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        engine = {"extract": {"engine": "resiliparse"}}
        measure(job(folder, "texts", crawl_files(crawl), recipe="none", dedup={"near": False}, **engine))
        for path in sorted(Path(folder, "texts", "documents").iterdir()):
            for row in pq.read_table(path, columns=["language", "text"]).to_pylist():
                by_language[row["language"]].append(row["text"])
    texts = {name: some for name, some in by_language.items() if megabytes(some) >= LEAST_MB}
    every = {"all": [text for some in by_language.values() for text in some]}
    sign_texts(every["all"][:10], params)  # makes the tables
    print("language  pages     MB  MB/s  times datasketch  error")
    for name, some in (every | dict(sorted(texts.items(), key=lambda item: -megabytes(item[1])))).items():
        speed = megabytes(some) / fastest(lambda some=some: sign_texts(some, params))
        sample = some[:: -(-len(some) // 100)]
        peer = megabytes(sample) / fastest(lambda sample=sample: datasketch(sample, params), 1)
        line = f"{name:8} {len(some):6} {megabytes(some):6.1f} {speed:5.0f} {speed / peer:17.0f}"
        print(f"{line} {error(sample, params):6.2f}", flush=True)


def megabytes(texts: list[str]) -> float:
    """Return the texts' UTF-8 size in MB."""
    return sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6


def fastest(work, runs: int = RUNS) -> float:
    """Return the least CPU seconds of some runs."""
    seconds = []
    for _ in range(runs):
        start = own_cpu()
        work()
        seconds.append(own_cpu() - start)
    return min(seconds)


def datasketch(texts: list[str], params: MinHashParams) -> None:
    """Sign the texts as datasketch's users do: words by white space, shingles as bytes, sha1."""
    for text in texts:
        words = text.lower().split()
        sketch = MinHash(num_perm=params.hashes, scheme="affine32")
        sketch.update_batch([" ".join(words[n : n + 5]).encode() for n in range(max(1, len(words) - 4))])


def error(texts: list[str], params: MinHashParams) -> float:
    """Return the mean error of the estimates over that of theory: sqrt(2 J (1 - J) / (pi hashes))."""
    rng, found = random.Random(1), []
    for text in texts:
        words = text.split(" ")
        other = [rng.choice(words) if rng.random() < 0.05 else word for word in words]
        both = [text, " ".join(other)]
        exact = jaccard_similarity(*(shingle_hashes(one, params) for one in both))
        a, b = (np.frombuffer(sketch, "<u4") for sketch in sign_texts(both, params))
        if 0 < exact < 1:
            theory = math.sqrt(2 * exact * (1 - exact) / (math.pi * params.hashes))
            found.append((abs(float(np.mean(a == b)) - exact), theory))
    return sum(one for one, _ in found) / sum(theory for _, theory in found)
