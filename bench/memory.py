"""The peak memory of the largest process over more and more files, and of the worker over one page of ten megabytes.

Bars: under 1 GB and not growing; 300 MB. `python -m bench.memory` measures the pages alone, which are made up: words
are as frequent as Zipf's law says, in paragraphs, in one line, in short lines, or as one paragraph again and again.
"""

import gzip
import os
import random
import shutil
import subprocess
import tempfile
import time
from itertools import accumulate
from pathlib import Path

from bench.jobs import find_crawl_files, measure_command, write_job
from bench.kills import find_processes

PAGE_BYTES = 10 << 20
WORDS = 60_000  # different ones
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
SHAPES = ("paragraphs", "one line", "short lines", "one paragraph", "two bytes a letter")
RECIPES = ("default", "fineweb", "none")


def make_page(shape: str) -> bytes:
    """Return a response with a page of PAGE_BYTES."""
    draw = random.Random(1)
    words = ["".join(draw.choices(LETTERS, range(30, 4, -1), k=draw.randint(2, 11))) for _ in range(WORDS)]
    weights = list(accumulate(1 / (rank + 2.7) for rank in range(WORDS)))
    length = 3 if shape == "short lines" else 80
    end = " " if shape == "one line" else ".</p>\n<p>"
    parts, size = [], 0
    while size < PAGE_BYTES:
        part = " ".join(draw.choices(words, cum_weights=weights, k=length)).capitalize() + end
        parts.append(part)
        size += len(part)
    body = "".join(parts[:1] * len(parts) if shape == "one paragraph" else parts)
    if shape == "two bytes a letter":
        body = body.translate({ord(letter): 0x430 + place for place, letter in enumerate(LETTERS)})
    page = f"<!DOCTYPE html><meta charset=utf-8><title>A long page</title><article><p>{body}".encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page[: PAGE_BYTES - 1]


def write_page(path: str, shape: str) -> None:
    """Write a crawl file with one page."""
    block = make_page(shape)
    names = ("WARC-Type: response", "WARC-Record-ID: <urn:a>", "WARC-Date: 2026-05-01T12:00:00Z")
    head = "\r\n".join(["WARC/1.0", *names, "WARC-Target-URI: https://example.org/", f"Content-Length: {len(block)}"])
    Path(path).write_bytes(gzip.compress(head.encode() + b"\r\n\r\n" + block + b"\r\n\r\n", 1))


def measure_worker(command: list[str]) -> float:
    """Run a command. Returns the most memory of any of its workers, in MB."""
    process, most = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), 0.0
    while process.poll() is None:
        for pid in find_processes(process.pid)["worker"]:
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:  # it has ended
                continue
            most = max([most, *(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.05)
    return most


def measure_pages(folder: str) -> None:
    """Print the peak memory of the worker over one page, by its shape and by recipe."""
    print(f"| page of {PAGE_BYTES >> 20} MB | {' | '.join(RECIPES)} |\n{'|---' * (1 + len(RECIPES))}|")
    for shape in SHAPES:
        path, peaks = os.path.join(folder, "page.warc.gz"), []
        write_page(path, shape)
        for recipe in RECIPES:
            name = f"{shape}-{recipe}".replace(" ", "-")
            job = write_job(folder, name, [path], recipe=recipe, workers=1, language={"min_score": 0.0})
            peaks.append(f"{measure_worker(job):.0f}")
        print(f"| {shape} | " + " | ".join(peaks) + " |", flush=True)


def measure_files(crawl: str, folder: str) -> None:
    """Print the peak resident memory of the largest process of the extract job, over more and more files."""
    files = find_crawl_files(crawl)
    more = list(files)
    for number, path in enumerate(files):
        copy = os.path.join(folder, f"copy{number}-{os.path.basename(path)}")
        shutil.copyfile(path, copy)
        more.append(copy)
    for name, inputs in (("1 file", files[:1]), (f"{len(files)} files", files), (f"{len(more)} files", more)):
        figures = measure_command(write_job(folder, name.replace(" ", "-"), inputs, extract={"engine": "resiliparse"}))
        print(f"{name:10} largest process {figures.peak_mb:6.0f} MB   wall {figures.wall:6.1f} s", flush=True)


def run(crawl: str) -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as folder:
        measure_pages(folder)
        measure_files(crawl, folder)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as only_pages:
        measure_pages(only_pages)
