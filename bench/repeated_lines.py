"""Repeated lines among the crawl's pages: what each preset drops of them, and what finding and dropping them costs.

Pages are kept whatever their text; those that are no duplicates are counted. All of a page's visible text (as WET files
have it, which CCNet and C4 began with) and its main text are looked at.

`python -m bench.repeated_lines PAGES` takes pages that are generated, 20 lines each, of which one is everybody's and
two belong to the site of a hundred pages: time, memory and disk of a job that looks for nothing else.
"""

import json
import os
import sys
import tempfile
from dataclasses import replace

import numpy as np
import pyarrow as pa

from bench.dedup import watched
from bench.jobs import find_crawl_files, measure_command, read_own_cpu, write_job
from pipeline.config import Config, build_config
from pipeline.dedup.job import find_duplicates
from pipeline.io.output import Output
from pipeline.io.schemas import DOCUMENT
from pipeline.publish.candidates import read_duplicate_rows
from pipeline.publish.line_removal import read_removed_lines
from pipeline.text.line_keys import LINE_PRESETS

SHARD = 50_000  # pages
TEXTS = {
    "all visible text": {"engine": "resiliparse", "objective": "recall"},
    "main text": {"engine": "gristmill"},
}
SETTINGS: dict[str, dict[str, object]] = {name: {"preset": name} for name in LINE_PRESETS}
SETTINGS["roots, 3 pages"] = {"preset": "roots", "min_pages": 3}  # three crawl files have few pages a site


def run(crawl: str) -> None:
    """Print a line for each text and preset."""
    files = [os.path.abspath(file) for file in find_crawl_files(crawl)]
    print(f"{'':16} {'':15} of lines  characters  pages   held out  finding MB/s  dropping MB/s")
    with tempfile.TemporaryDirectory() as folder:
        for number, (text, extract) in enumerate(TEXTS.items()):
            base = {"recipe": "none", "extract": extract, "language": {"prefilter": False}}
            measure_command(write_job(folder, f"{number}", files, **base))
            for name, lines in SETTINGS.items():
                config = build_config(
                    {"inputs": files, "output": f"{folder}/{number}", **base, "dedup": {"repeated_lines": lines}}
                )
                print(f"{text:16} {name:15} {measured(config)}", flush=True)


def generate(output: Output, pages: int) -> list[str]:
    """Write documents/, 50,000 pages a shard. Returns the shards' names."""
    names = []
    for first in range(0, pages, SHARD):
        names.append(f"part-{first // SHARD:05d}")
        with output.table_writer(DOCUMENT, "documents", f"{names[-1]}.parquet") as writer:
            for start in range(first, min(first + SHARD, pages), 1000):
                own = np.random.default_rng(start).integers(0, 1 << 32, (1000, 17, 8), np.uint32)
                texts = []
                for number, lines in enumerate(own, start):
                    site = number // 100
                    shared = ["The line that every page has", f"Welcome to the site {site}", f"Site {site} ends here"]
                    texts.append("\n".join([*shared, *(line.tobytes().hex(" ", 4) for line in lines)]))
                rows = range(start, start + 1000)
                columns = {
                    "id": [str(row) for row in rows],
                    "url": [f"https://site{row // 100}.example/{row}" for row in rows],
                    "site": [f"site{row // 100}.example" for row in rows],
                    "text": texts,
                }
                nulls = [None] * 1000
                columns = {f.name: pa.array(columns.get(f.name, nulls), f.type) for f in DOCUMENT}
                writer.append(pa.table(columns, schema=DOCUMENT))
    return names


def at_scale(folder: str) -> None:
    """Run the job over generated pages, and write what it returned beside its output."""
    output = Output(folder)
    names = [name.removesuffix(".parquet") for name in output.list("documents", ".parquet")]
    off = {"url": False, "exact": False, "near": False, "repeated_lines": {}}
    config = build_config({"inputs": ["-"], "output": folder, "recipe": "none", "dedup": off})
    output.write_json(find_duplicates(output, config, names), "result.json")


def scale(pages: int) -> None:
    """Print what a number of pages takes. Exits where other lines go than were planted."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Output(folder), pages)
        wall, cpu, memory, anonymous, disk = watched([sys.executable, "-m", "bench.repeated_lines", folder, "job"])
        with open(f"{folder}/result.json") as source:
            found = json.load(source)["lines"]
        if found["lines"] != [3 * pages, 20 * pages]:
            raise SystemExit(f"lines that go, of all: {found['lines']}, not {[3 * pages, 20 * pages]}")
        print(
            f"{pages:,} pages, {found['characters'][1] / 1e6:.0f} MB: {wall:.0f} s, {cpu:.1f} s of CPU "
            f"({1e6 * cpu / pages:.1f} us a page), {memory / 1e9:.2f} GB in all processes ({anonymous / 1e9:.2f} "
            f"anonymous), {disk / 1e9:.2f} GB of .work"
        )


def measured(config: Config) -> str:
    """Return a line of figures: shares that go, and MB of text per CPU-second."""
    output = Output(config.output)
    names = [name.removesuffix(".parquet") for name in output.list("documents", ".parquet")]
    start = read_own_cpu()
    find_duplicates(output, replace(config, dedup=replace(config.dedup, repeated_lines=None)), names)
    without = read_own_cpu() - start
    start = read_own_cpu()
    found = find_duplicates(output, config, names)["lines"]
    finding = max(read_own_cpu() - start - without, 1e-3)
    size = few = 0
    dropping = 0.0
    for name in names:
        gone, first = read_duplicate_rows(output, name), 0
        with output.parquet("documents", f"{name}.parquet") as file:
            for batch in file.iter_batches(columns=["text"], batch_size=1024):
                start, lines = read_own_cpu(), read_removed_lines(output, name, config.dedup.line_params())
                left = lines.remove_from(batch, range(first, first + batch.num_rows))[1] if lines else []
                dropping += read_own_cpu() - start
                few += sum(page is not None and not page.enough for page in left)
                texts = enumerate(batch.column("text").to_pylist(), first)
                size += sum(len(text.encode()) for row, text in texts if row not in gone)
                first += batch.num_rows
    shares = [gone / of for gone, of in found.values()]
    pages = found["pages"][1]
    return (
        f"{shares[0]:8.1%} {shares[2]:11.1%} {shares[1]:6.1%} {few / pages:10.1%} "
        f"{size / 1e6 / finding:13.1f} {size / 1e6 / max(dropping, 1e-3):14.0f}  ({pages:,} pages, {size / 1e6:.1f} MB)"
    )


if __name__ == "__main__":
    if sys.argv[2:] == ["job"]:
        at_scale(sys.argv[1])
    else:
        scale(int(sys.argv[1]))
