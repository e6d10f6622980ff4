"""MinHash signatures of real pages by language: MB of text per CPU-second (bar 45), beside datasketch.

The error is the mean of |estimate - exact Jaccard| between a page and a copy with some words replaced, divided by the
expected error for that number of hashes. 1.00 is the best that MinHash can reach.
"""

import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from datasketch import MinHash

from bench.jobs import find_crawl_files, measure_command, read_own_cpu, write_job
from pipeline.text.minhash import MinHashParams, jaccard_similarity, shingle_hashes, sign_texts

MIN_MB = 0.4  # of text in a language that is listed
RUNS = 5


def run(crawl: str) -> None:
    """Print a line for each language, and one for all pages."""
    params = MinHashParams()
    by_language = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        engine = {"extract": {"engine": "resiliparse"}}
        measure_command(
            write_job(folder, "texts", find_crawl_files(crawl), recipe="none", dedup={"near": False}, **engine)
        )
        for path in sorted(Path(folder, "texts", "documents").iterdir()):
            for row in pq.read_table(path, columns=["language", "text"]).to_pylist():
                by_language[row["language"]].append(row["text"])
    texts = {name: some for name, some in by_language.items() if measure_megabytes(some) >= MIN_MB}
    every = {"all": [text for some in by_language.values() for text in some]}
    sign_texts(every["all"][:10], params)  # builds the tables
    print("language  pages     MB  MB/s  times datasketch  error")
    for name, some in (every | dict(sorted(texts.items(), key=lambda item: -measure_megabytes(item[1])))).items():
        speed = measure_megabytes(some) / time_fastest(lambda some=some: sign_texts(some, params))
        sample = some[:: -(-len(some) // 100)]
        peer = measure_megabytes(sample) / time_fastest(lambda sample=sample: sign_with_datasketch(sample, params), 1)
        line = f"{name:8} {len(some):6} {measure_megabytes(some):6.1f} {speed:5.0f} {speed / peer:17.0f}"
        print(f"{line} {measure_error(sample, params):6.2f}", flush=True)


def measure_megabytes(texts: list[str]) -> float:
    """Return the UTF-8 size of the texts in MB."""
    return sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6


def time_fastest(work: Callable[[], object], runs: int = RUNS) -> float:
    """Return the CPU seconds of the fastest run."""
    seconds = []
    for _ in range(runs):
        start = read_own_cpu()
        work()
        seconds.append(read_own_cpu() - start)
    return min(seconds)


def sign_with_datasketch(texts: list[str], params: MinHashParams) -> None:
    """Sign the texts as users of datasketch do: words split at white space, shingles as bytes, sha1."""
    for text in texts:
        words = text.lower().split()
        sketch = MinHash(num_perm=params.hashes, scheme="affine32")
        sketch.update_batch([" ".join(words[n : n + 5]).encode() for n in range(max(1, len(words) - 4))])


def measure_error(texts: list[str], params: MinHashParams) -> float:
    """Return the mean error of the estimates over the expected one, sqrt(2 J (1 - J) / (pi hashes))."""
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
