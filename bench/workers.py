"""Two workers against one, over all crawl files and over a single file (bar: 1.8 times as fast)."""

import os
import tempfile
from statistics import median

from bench.jobs import find_crawl_files, measure_command, write_job

RUNS = 3  # of one file; the run over all files, which takes longer, is done once
ENGINES = ("gristmill", "trafilatura")  # with a faster engine, the start-up is a larger part of a run


def run(crawl: str) -> None:
    """Print the wall seconds with one and with two workers, and the median ratio."""
    files = find_crawl_files(crawl)
    print(f"{os.cpu_count()} cores; wall seconds of `python -m pipeline extract`")
    for engine in ENGINES:
        for name, inputs, runs in ((f"{len(files)} files", files, 1), ("one file", files[:1], RUNS)):
            pairs = []
            for _ in range(runs):
                with tempfile.TemporaryDirectory() as folder:
                    jobs = [write_job(folder, str(n), inputs, workers=n, extract={"engine": engine}) for n in (1, 2)]
                    pairs.append([measure_command(command).wall for command in jobs])
            one, two = (median([pair[n] for pair in pairs]) for n in (0, 1))
            ratio = median([a / b for a, b in pairs])
            line = f"{engine:12} {name:10} one worker {one:7.1f}  two workers {two:7.1f}  ratio {ratio:.2f}"
            print(line, flush=True)
