"""Write the sample crawl, its Wikipedia export, its expectations and its README: `python -m demo.generate [FOLDER]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from demo.crawl import build_crawl
from demo.report import describe_sample, format_readme
from demo.serve import make_capture
from demo.site import HERE, Page
from demo.warc import WarcFile
from demo.wikipedia import make_wikipedia_export


def make_files(pages: list[Page]) -> dict[str, bytes]:
    """Return the four files of the demo by name. The same pages give the same bytes, with the same zlib."""
    warc = WarcFile()
    places = [warc.add(make_capture(page), number) for number, page in enumerate(pages)]
    data = warc.cut_inside(places[-1][1])
    facts = describe_sample(pages, places, warc.types, len(data))
    return {
        "sample.warc.gz": data,
        "wiki.xml.bz2": make_wikipedia_export(pages, facts["referenced"]),
        "expected.json": (json.dumps(facts, ensure_ascii=False, indent=1) + "\n").encode(),
        "README.md": format_readme(facts).encode(),
    }


def main() -> None:
    """Write the files and print their sizes."""
    parser = argparse.ArgumentParser(prog="python -m demo.generate", description="Write the files of the sample crawl.")
    parser.add_argument("folder", nargs="?", type=Path, default=HERE, metavar="FOLDER", help="default: demo/")
    folder = parser.parse_args().folder
    for name, data in make_files(build_crawl()).items():
        (folder / name).write_bytes(data)
        print(f"{folder / name}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
