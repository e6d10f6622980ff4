"""How two workers compare with one, over all the crawl files and over one of them alone (bar: 1.8 times)."""

import os
import tempfile

from bench.jobs import crawl_files, job, measure, median

RUNS = 3  # of one file; all of them, which take as many times as long, once
ENGINES = ("gristmill", "trafilatura")  # a run's start is the larger part of it, the faster the engine is


def run(crawl: str) -> None:
    """Print wall seconds with one and with two workers, and the ratio of each pair."""
    files = crawl_files(crawl)
    print(f"{os.cpu_count()} cores; wall seconds of `python -m pipeline extract`")
    for engine in ENGINES:
        for name, inputs, runs in ((f"{len(files)} files", files, 1), ("one file", files[:1], RUNS)):
            pairs = []
            for _ in range(runs):
                with tempfile.TemporaryDirectory() as folder:
                    jobs = [job(folder, str(n), inputs, workers=n, extract={"engine": engine}) for n in (1, 2)]
                    pairs.append([measure(command).wall for command in jobs])
            one, two = (median([pair[n] for pair in pairs]) for n in (0, 1))
            ratio = median([a / b for a, b in pairs])
            line = f"{engine:12} {name:10} one worker {one:7.1f}  two workers {two:7.1f}  ratio {ratio:.2f}"
            print(line, flush=True)
