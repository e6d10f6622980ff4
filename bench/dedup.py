"""Dedup at scale: pages with planted clusters, generated straight into documents/, and the whole dedup job over them.

`python -m bench dedup` takes a million pages; `python -m bench.dedup PAGES [FOLDER]` any number, with 1.2 GB of disk
a million. Every text is 40 random words, so that exact Jaccards are known: 36 shingles of five words, of which the last
n words touch n. A tenth of the groups of four pages is of each kind but the first:

alone     seven tenths: nothing alike
pairs     two of the four differ in their last 1 to 5 words: a Jaccard of .95, .89, .85, .80 and .756, which is below .8
quads     four alike, each with other last words
chains    four in a row, each alike to the next (.85) and not to the one after it (.71)

A hundredth of the alone groups each holds one pair of equal texts and one of equal URLs, and a thousandth of the pages
is one template with a word that differs: a bucket as wide as that.
"""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

SHARD = 50_000  # pages
WORDS, THRESHOLD = 40, 0.8
GROUP = 4
PAIR, QUAD, CHAIN = 7, 8, 9  # the last digit of a group's number; 0 to 6: alone
TEMPLATE = 1 << 40  # the number of the template's base text


def run(crawl: str) -> None:
    """Print the figures for a million pages."""
    with tempfile.TemporaryDirectory() as folder:
        measure(1_000_000, folder)


def text_words(base: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return uint32[texts, WORDS]: the words of endless random texts, by number, from the given place on."""
    from pipeline.text.hashing import mix_bits

    places = first[:, None].astype(np.uint64) + np.arange(WORDS, dtype=np.uint64)
    return (mix_bits(base[:, None].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + places) >> np.uint64(17)).astype(
        np.uint32
    )


def planted(numbers: np.ndarray, pages: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (base, first, changed) of pages: which text, from which word on, how many last words are a page's own."""
    groups = pages // GROUP
    group, copy = numbers % groups, numbers // groups
    kind = group % 10
    base, first, changed = numbers.copy(), np.zeros_like(numbers), np.zeros_like(numbers)
    together = (kind == QUAD) | (kind == CHAIN) | ((kind == PAIR) & (copy < 2)) | ((group % 100 == 0) & (copy < 2))
    base[together] = group[together]
    changed[kind == QUAD] = copy[kind == QUAD]
    first[kind == CHAIN] = 3 * copy[kind == CHAIN]
    second = (kind == PAIR) & (copy == 1)
    changed[second] = 1 + group[second] // 10 % 5
    template = (group % 250 == 5) & (copy == 0)
    base[template], changed[template] = TEMPLATE, 1
    return base, first, changed


def documents(shard: int, pages: int) -> Iterator[pa.Table]:
    """Yield the rows of a documents shard."""
    from pipeline.io.schemas import DOCUMENT
    from pipeline.text.minhash import MinHashParams, hash_text, sign_texts

    for start in range(shard * SHARD, min((shard + 1) * SHARD, pages), 5000):
        numbers = np.arange(start, min(start + 5000, (shard + 1) * SHARD, pages))
        base, first, changed = planted(numbers, pages)
        words = text_words(base, first)
        own = text_words(numbers + (1 << 41), first)
        last = np.arange(WORDS) >= WORDS - changed[:, None]
        texts = [row.tobytes().hex(" ", 4) for row in np.where(last, own, words)]
        groups = pages // GROUP
        same_url = (numbers % groups % 100 == 1) & (numbers // groups == 1)
        urls = [f"https://site.example/{n}" for n in np.where(same_url, numbers - groups, numbers).tolist()]
        columns = {
            "id": pa.array(map(str, numbers.tolist()), pa.string()),
            "url": pa.array(urls),
            "canonical_url": pa.array(urls),
            "date": pa.array(["2026-01-01T00:00:00Z"] * len(urls)),
            "text": pa.array(texts),
            "text_hash": pa.array([hash_text(text) for text in texts], pa.binary(16)),
            "minhash": pa.array(sign_texts(texts, MinHashParams())),
            "scores": pa.array([{"quality": None}] * len(urls), DOCUMENT.field("scores").type),
        }
        rows = [columns.get(field.name, pa.nulls(len(urls), field.type)) for field in DOCUMENT]
        yield pa.table(rows, schema=DOCUMENT)


def names_of(pages: int) -> list[str]:
    """Return the shards' names."""
    return [f"part-{n:05d}" for n in range(-(-pages // SHARD))]


def generate(folder: str, pages: int, worker: int, workers: int) -> None:
    """Write one worker's part of documents/."""
    from pipeline.io.output import Output
    from pipeline.io.schemas import DOCUMENT

    output = Output(folder)
    for shard, name in list(enumerate(names_of(pages)))[worker::workers]:
        with output.table_writer(DOCUMENT, "documents", f"{name}.parquet") as writer:
            for table in documents(shard, pages):
                writer.append(table)


def job(folder: str, pages: int) -> None:
    """Run the dedup job, and write what it returned beside its output."""
    from pipeline.config import build_config
    from pipeline.dedup.job import find_duplicates
    from pipeline.io.output import Output

    config = build_config({"inputs": ["-"], "output": folder, "recipe": "none", "dedup": {"threshold": THRESHOLD}})
    with open(f"{folder}/result.json", "w") as out:
        json.dump(find_duplicates(Output(folder), config, names_of(pages)), out)


def resident(root: int) -> tuple[int, int]:
    """Return (all, anonymous) bytes in memory of a process and all below it; what they share counts for each."""
    parents: dict[int, int] = {}
    memory: dict[int, tuple[int, int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/status") as source:
                fields = dict(line.split(":", 1) for line in source)
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        parents[int(name)] = int(fields["PPid"])
        memory[int(name)] = tuple(int(fields.get(key, "0 kB").split()[0]) << 10 for key in ("VmRSS", "RssAnon"))
    below = {root}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(memory[pid][0] for pid in below if pid in memory), sum(memory[pid][1] for pid in below if pid in memory)


def watched(command: list[str]) -> tuple[float, float, int, int, int]:
    """Run a command. Returns wall and CPU seconds, and the most at a time of memory, of it anonymous, and of .work."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, process = time.perf_counter(), subprocess.Popen(command)
    most = [0, 0, 0]

    def watch() -> None:
        """Sample until the command ends."""
        while process.poll() is None:
            for n, value in enumerate((*resident(process.pid), size(f"{command[-2]}/.work"))):
                most[n] = max(most[n], value)
            time.sleep(0.5)

    thread = threading.Thread(target=watch)
    thread.start()
    code = process.wait()
    thread.join()
    if code:
        raise SystemExit(f"{' '.join(command)}: exit {code}")
    wall, use = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return (wall, use.ru_utime + use.ru_stime - before.ru_utime - before.ru_stime, *most)


def size(folder: str) -> int:
    """Return the bytes of all files below a folder; what vanishes meanwhile is left out."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(path, name)).st_size
    return total


def check(folder: str, pages: int) -> dict[str, list[int]]:
    """Return [dropped, planted] by kind. Exits where a page was dropped for one that is not alike."""
    from pipeline.io.output import Output

    output, groups = Output(folder), pages // GROUP
    rows = {"id": [], "kept_id": [], "kind": [], "similarity": []}
    for name in names_of(pages):
        with output.parquet("duplicates", f"{name}.parquet") as file:
            table = file.read(columns=list(rows))
        for key, values in rows.items():
            values.append(
                table[key].to_numpy() if key in ("kind", "similarity") else table[key].cast(pa.int64()).to_numpy()
            )
    gone, kept, kind, similarity = (np.concatenate(values) for values in rows.values())
    if len(set(gone.tolist()) & set(kept.tolist())) or len(np.unique(gone)) != len(gone):
        raise SystemExit("a page that is named as kept is dropped")
    every = np.arange(pages)
    base, first, changed = planted(every, pages)
    other = np.maximum(changed[gone], changed[kept]) + np.abs(first[gone] - first[kept])
    real = np.where(base[gone] == base[kept], (36 - other) / (36 + other), 0)
    wrong = (kind != "url") & ((real < THRESHOLD) | (np.abs(real - similarity) > 1e-6))
    if wrong.any():
        raise SystemExit(f"{wrong.sum()} pages were dropped for one that is not as alike, {gone[wrong][:3]}")
    of = (gone % groups) % 10
    template = base[gone] == TEMPLATE
    all_groups = np.arange(groups)
    pairs = (all_groups % 10 == PAIR) & (all_groups // 10 % 5 < 4)
    found = {
        "url": [int((kind == "url").sum()), int((all_groups % 100 == 1).sum())],
        "exact": [int(((kind == "exact") & ~template).sum()), int((all_groups % 100 == 0).sum())],
        "quads": [int((of == QUAD).sum()), 3 * int((all_groups % 10 == QUAD).sum())],
        "chains": [int((of == CHAIN).sum()), 2 * int((all_groups % 10 == CHAIN).sum())],
        "template": [int(template.sum()), int((all_groups % 250 == 5).sum()) - 1],
        "pairs": [int((of == PAIR).sum()), int(pairs.sum())],
    }
    for n, jaccard in enumerate((".95", ".89", ".85", ".80")):
        here = (of == PAIR) & (gone % groups // 10 % 5 == n)
        found[f"pairs at {jaccard}"] = [int(here.sum()), int((pairs & (all_groups // 10 % 5 == n)).sum())]
    return found


def measure(pages: int, folder: str) -> None:
    """Generate, run the job, and print what it took and found."""
    pages -= pages % GROUP
    workers, me = os.cpu_count() or 1, [sys.executable, "-m", "bench.dedup"]
    start = time.perf_counter()
    parts = [subprocess.Popen([*me, "generate", str(n), str(workers), folder, str(pages)]) for n in range(workers)]
    if any([part.wait() for part in parts]):
        raise SystemExit("the pages could not be generated")
    print(f"{pages:,} pages generated and signed in {time.perf_counter() - start:.0f} s", flush=True)
    wall, cpu, memory, anonymous, disk = watched([*me, "job", folder, str(pages)])
    print(f"dedup: {wall:.1f} s with {workers} workers, {cpu:.1f} s of CPU, {1e6 * cpu / pages:.1f} us of it a page")
    print(
        f"most at a time: {memory / 1e9:.2f} GB in all processes ({anonymous / 1e9:.2f} anonymous), "
        f"{disk / 1e9:.2f} GB of .work"
    )
    with open(f"{folder}/result.json") as source:
        result = json.load(source)
    print(", ".join(f"{key} {n:,}" for key, n in result["counts"].items()))
    for kind, (dropped, wanted) in check(folder, pages).items():
        print(f"{kind:14} {dropped:10,} of {wanted:10,} planted  {dropped / max(wanted, 1):.4f}")
    print(
        f"every one of them confirmed; {result['clusters']['count']:,} clusters, "
        f"the largest {result['clusters']['largest'][:3]}"
    )


def main(args: list[str]) -> None:
    """Measure, or do a part of it in a process of its own."""
    if args[:1] == ["generate"]:
        generate(args[3], int(args[4]), int(args[1]), int(args[2]))
    elif args[:1] == ["job"]:
        job(args[1], int(args[2]))
    elif len(args) > 1:
        measure(int(args[0]), args[1])
        shutil.rmtree(args[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(int(args[0]) if args else 1_000_000, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
