"""Run the whole pipeline on the sample crawl in this checkout: `make demo`, or `python -m demo`."""

import argparse
import os
import sys
from pathlib import Path

from pipeline.cli.programs.run_demo import run_demo

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run the demo; its output is in demo/out. Returns the exit code."""
    argparse.ArgumentParser(prog="python -m demo", description=__doc__).parse_args()
    os.chdir(ROOT)
    return run_demo(Path("."))


if __name__ == "__main__":
    sys.exit(main())
