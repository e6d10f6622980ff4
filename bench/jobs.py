"""Shared by the benchmarks: find the crawl, run a job as a user would, and measure all of its processes."""

import glob
import json
import os
import resource
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

import yaml


class CommandCost(NamedTuple):
    """The cost of a command: wall and CPU seconds of all its processes, and the peak memory of the largest in MB."""

    wall: float
    cpu: float
    peak_mb: float


MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[2:], stdout=sys.stderr).returncode
use = resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump([time.perf_counter() - start, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024], open(sys.argv[1], "w"))
sys.exit(code)
"""


def measure_command(command: list[str]) -> CommandCost:
    """Run a command and return its cost. Exits with the command's errors if it fails."""
    with tempfile.NamedTemporaryFile() as figures:
        done = subprocess.run([sys.executable, "-c", MEASURE, figures.name, *command], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
        with open(figures.name) as source:
            return CommandCost(*json.load(source))


def find_crawl_files(pattern: str) -> list[str]:
    """Return the files of a glob, sorted. Exits with one line if there are none."""
    files = sorted(glob.glob(pattern))
    if not files:
        raise SystemExit(f"{pattern}: no crawl files found; give their glob with --crawl")
    return files


def write_job(folder: str, name: str, files: list[str], **config: Any) -> list[str]:
    """Write a config into a folder, and return the command that extracts with it."""
    path = os.path.join(folder, f"{name}.yaml")
    with open(path, "w") as out:
        yaml.safe_dump({"inputs": files, "output": os.path.join(folder, name), **config}, out)
    return [sys.executable, "-m", "pipeline", "extract", path]


def read_own_cpu() -> float:
    """Return the CPU seconds that this process has used."""
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime
