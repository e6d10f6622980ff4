"""The time of `--help` (bar: half a second), beside a bare Python that imports Beam."""

import sys
from statistics import median

from bench.jobs import measure_command

RUNS = 7


def run(crawl: str) -> None:
    """Print the median of each command."""
    commands = {
        "python -m pipeline inspect --help": [sys.executable, "-m", "pipeline", "inspect", "--help"],
        "python -m model --help": [sys.executable, "-m", "model", "--help"],
        "python -m classifiers --help": [sys.executable, "-m", "classifiers", "--help"],
        "python -c 'import apache_beam'": [sys.executable, "-c", "import apache_beam"],
    }
    for name, command in commands.items():
        print(f"{name:36} {median([measure_command(command).wall for _ in range(RUNS)]):6.2f} s")
