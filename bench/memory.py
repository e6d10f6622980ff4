"""The peak memory of the largest worker, over more and more files (bar: under 1 GB, and not growing)."""

import os
import shutil
import tempfile

from bench.jobs import find_crawl_files, measure_command, write_job


def run(crawl: str) -> None:
    """Print the peak resident memory of the largest process of the extract job."""
    files = find_crawl_files(crawl)
    with tempfile.TemporaryDirectory() as folder:
        more = list(files)
        for number, path in enumerate(files):
            copy = os.path.join(folder, f"copy{number}-{os.path.basename(path)}")
            shutil.copyfile(path, copy)
            more.append(copy)
        for name, inputs in (("1 file", files[:1]), (f"{len(files)} files", files), (f"{len(more)} files", more)):
            figures = measure_command(
                write_job(folder, name.replace(" ", "-"), inputs, extract={"engine": "resiliparse"})
            )
            print(f"{name:10} largest process {figures.peak_mb:6.0f} MB   wall {figures.wall:6.1f} s", flush=True)
