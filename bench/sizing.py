"""CPU and bytes of a page by recipe and engine, and what they come to for a file of the crawl, a hundred, and dumps.

`docs/cluster.md` shows the tables. Fixed costs (imports, models) are not counted: the jobs are measured over two sizes,
and their difference counts. Dedup takes too little of a page to be seen so: its figure is that of `bench dedup`.
"""

import os
import tempfile
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bench.jobs import find_crawl_files, measure_command, write_job
from pipeline.cli.previews.estimate_run import ASSUMED_PAGES, KEY_BYTES, LATER_SECONDS, PLAN_BYTES, sample_costs
from pipeline.config import build_config
from pipeline.extract.job import extract_pages
from pipeline.io.inputs import expand_inputs

CHOICES = (
    ("default", "gristmill"),
    ("default", "resiliparse"),
    ("default", "trafilatura"),
    ("fineweb", "gristmill"),
    ("fineweb", "trafilatura"),
    ("none", "gristmill"),
)
SIZES = (100, 500)  # pages of the two runs whose difference counts
DUMP_PAGES = 2_640_000_000  # December 2024
INPUTS = {"a WARC file of 1 GB": ASSUMED_PAGES, "a hundred files": 100 * ASSUMED_PAGES}
INPUTS |= {"a dump": DUMP_PAGES, "ten dumps": 10 * DUMP_PAGES}
KEYS = 16  # of a kept page with the preset fineweb: its URL, its text, 14 bands


class JobCosts(NamedTuple):
    """CPU seconds of extract for a page; CPU seconds of publish, and bytes by folder, for a kept page."""

    extract: float
    publish: float
    kept: float
    folders: dict[str, float]


def cut_crawl_file(path: str, pages: int, target: Path) -> str:
    """Write the beginning of a crawl file with so many pages; return its path."""
    fast = build_config({"inputs": [path], "output": "none", "recipe": "none", "extract": {"engine": "resiliparse"}})
    *_, last = islice(extract_pages(path, fast), pages)
    with open(path, "rb") as source:
        target.write_bytes(source.read(last.end))
    return str(target)


def measure_jobs(path: str, pages: int, folder: Path) -> dict[str, float]:
    """Run the three jobs over the beginning of a crawl file; return their CPU seconds, kept pages and bytes."""
    part = cut_crawl_file(path, pages, folder / f"{pages}.warc.gz")
    *start, job, config = write_job(str(folder), str(pages), [part], workers=1, tokenizer={"sample_mb": 1})
    found = {job: measure_command([*start, job, config]).cpu for job in ("extract", "dedup", "publish")}
    output = folder / str(pages)
    import pyarrow.parquet as pq

    found["kept"] = sum(pq.read_metadata(shard).num_rows for shard in (output / "documents").glob("*.parquet"))
    for name in ("documents", "corpus", "index"):
        found[name] = sum(file.stat().st_size for file in (output / name).rglob("*.parquet"))
    return found


def compare_sizes(path: str) -> JobCosts:
    """Return the costs of a page and of a kept page, from two runs of different sizes."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = (measure_jobs(path, pages, Path(folder)) for pages in SIZES)
    more = {key: large[key] - small[key] for key in large}
    folders = {name: more[name] / more["kept"] for name in ("documents", "corpus", "index")}
    pages = SIZES[1] - SIZES[0]
    return JobCosts(more["extract"] / pages, more["publish"] / more["kept"], more["kept"] / pages, folders)


def run(crawl: str) -> None:
    """Print the costs of a page, and what they come to."""
    path = find_crawl_files(crawl)[0]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {path}: {os.path.getsize(path) / 1e6:.0f} MB")
    print("recipe    engine        CPU for a page in extract   pages   kept")
    for recipe, engine in CHOICES:
        config = build_config({"inputs": [path], "output": "x", "recipe": recipe, "extract": {"engine": engine}})
        found = sample_costs(config, expand_inputs(config.inputs, config.input, config.seed))
        print(f"{recipe:9} {engine:12} {1000 * found.seconds:20.1f} ms {found.pages:12} {found.kept:6.0%}", flush=True)
    costs = compare_sizes(path)
    print(f"whole jobs, recipe default, {SIZES[1]} pages less {SIZES[0]}:")
    print(f"extract {1000 * costs.extract:.1f} ms for a page, {costs.kept:.0%} kept; for a kept page "
          f"dedup {1000 * LATER_SECONDS:.2f} ms (not measured here), publish {1000 * costs.publish:.2f} ms, "
          + ", ".join(f"{name} {size / 1000:.1f} kB" for name, size in costs.folders.items()))  # fmt: skip
    print("input                    pages   extract   dedup+publish   shuffle    output")
    for name, pages in INPUTS.items():
        kept = pages * costs.kept
        later, shuffle = kept * (LATER_SECONDS + costs.publish), kept * (KEYS * KEY_BYTES + PLAN_BYTES)
        print(f"{name:20} {pages / 1e6:9,.2f} M {pages * costs.extract / 3600:9,.1f} h {later / 3600:10,.1f} h "
              f"{shuffle / 1e9:12,.2f} GB {kept * sum(costs.folders.values()) / 1e9:9,.1f} GB")  # fmt: skip
