"""What the framework costs: the extract job (reading, ledger, Beam, Parquet; one worker) against the same functions in
a plain loop over the same file, in one process each, in turn. The bar: at most 10 % more CPU time."""

import sys
import tempfile

from bench.jobs import crawl_files, job, measure, median

RUNS = 3


def run(crawl: str) -> None:
    """Print CPU seconds of both and their ratio: each engine over one file, the faster one over all of them too."""
    files = crawl_files(crawl)
    head = f"{'engine':12} {'files':>6} {'plain loop':>11} {'job':>8} {'ratio':>7}"
    print(f"{head}   CPU s, median of {RUNS}")
    for engine, paths in (("trafilatura", files[:1]), ("resiliparse", files[:1]), ("resiliparse", files)):
        loops, jobs = [], []
        for n in range(RUNS):
            with tempfile.TemporaryDirectory() as folder:
                loop = measure([sys.executable, "-m", "bench.framework", engine, *paths])
                loops.append(loop.cpu)
                command = job(folder, str(n), paths, extract={"engine": engine}, workers=1)
                jobs.append(measure(command).cpu)
        ratio = median([a / b for a, b in zip(jobs, loops, strict=True)])
        figures = f"{median(loops):11.2f} {median(jobs):8.2f} {ratio:7.3f}"
        print(f"{engine:12} {len(paths):6} {figures}", flush=True)


def plain_loop(engine: str, *paths: str) -> None:
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
    plain_loop(*sys.argv[1:])
