"""The CPU time of a job over one page with two workers: what it costs to start (bar: 2 s, for each command)."""

import tempfile
from pathlib import Path
from statistics import median

from bench.jobs import measure_command, write_job
from tests.pipeline.crawls import article, html, response, write_warc

RUNS = 5
BAR = 2.0


def run(crawl: str) -> None:
    """Print the CPU seconds of all processes for `extract` and `run`, in turns, and their median."""
    found: dict[str, list[float]] = {"extract": [], "run": []}
    for _ in range(RUNS):
        for name, seconds in found.items():
            with tempfile.TemporaryDirectory() as folder:
                page = response("https://www.site1.example/p", html(article(3, 12), "A page on mills"), 1)
                command = write_job(folder, "job", [write_warc(Path(folder, "page.warc.gz"), [page])], workers=2)
                seconds.append(measure_command([*command[:3], name, *command[4:]]).cpu)
    for name, seconds in found.items():
        middle = median(seconds)
        each = ", ".join(f"{one:.2f}" for one in sorted(seconds))
        print(f"{name:8} {middle:.2f} CPU s ({each})", "" if middle <= BAR else f"  missed: {BAR}", flush=True)
