"""The cost of the framework: the extract job with one worker against the same functions in a plain loop.

The job also reads splits, keeps the ledger, runs Beam and writes Parquet. The bar is at most 10 % more CPU time.
"""

import sys
import tempfile
from statistics import median

from bench.jobs import find_crawl_files, measure_command, write_job

RUNS = 3


def run(crawl: str) -> None:
    """Print the CPU seconds of both and their ratio: each engine over one file, the faster one over all files too."""
    files = find_crawl_files(crawl)
    head = f"{'engine':12} {'files':>6} {'plain loop':>11} {'job':>8} {'ratio':>7}"
    print(f"{head}   CPU s, median of {RUNS}")
    for engine, paths in (("trafilatura", files[:1]), ("resiliparse", files[:1]), ("resiliparse", files)):
        loops, jobs = [], []
        for n in range(RUNS):
            with tempfile.TemporaryDirectory() as folder:
                loop = measure_command([sys.executable, "-m", "bench.framework", engine, *paths])
                loops.append(loop.cpu)
                command = write_job(folder, str(n), paths, extract={"engine": engine}, workers=1)
                jobs.append(measure_command(command).cpu)
        ratio = median([a / b for a, b in zip(jobs, loops, strict=True)])
        figures = f"{median(loops):11.2f} {median(jobs):8.2f} {ratio:7.3f}"
        print(f"{engine:12} {len(paths):6} {figures}", flush=True)


def run_plain_loop(engine: str, *paths: str) -> None:
    """Read the files and take every response through the stages, keeping nothing: no Beam, no ledger, no Parquet."""
    from pipeline.config import build_config
    from pipeline.extract.job import page_stages
    from pipeline.extract.read_crawl import batch_pages, read_split
    from pipeline.extract.splits import Split
    from pipeline.io.ledger import FileLedger
    from pipeline.url.filter import UrlFilter

    config = build_config({"inputs": list(paths), "output": "none", "extract": {"engine": engine}})
    urls, stages = UrlFilter(config.url), [stage.load() for stage in page_stages(config)]
    for path in paths:
        split = Split(path, path, 0, None, 0, None)
        pages = read_split(split, urls, config.input, config.robots, FileLedger())
        for batch in batch_pages(pages):
            for process_pages in stages:
                batch = process_pages(batch)


if __name__ == "__main__":
    run_plain_loop(*sys.argv[1:])
