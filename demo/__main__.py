"""Run the whole pipeline on the sample crawl: `make demo`, or `python -m demo` in an environment that is set up.

Every step is a command that a user could type. The demo prints each command before it runs it.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class DemoStep(NamedTuple):
    """A step of the demo: its title, and the command after `python -m`."""

    title: str
    command: str


STEPS = (
    DemoStep(
        "Extract the sample once, so that the classifiers can learn from it", "pipeline extract demo/bootstrap.yaml"
    ),
    DemoStep(
        "Find duplicates, so that no copy of a good page serves as a bad example",
        "pipeline dedup demo/bootstrap.yaml",
    ),
    DemoStep(
        "Find the pages that an encyclopedia refers to",
        "classifiers references demo/wiki.xml.bz2 --output demo/out/references.parquet",
    ),
    DemoStep(
        "Train the quality classifier: referenced pages against other pages of the same languages and lengths",
        "classifiers train --references demo/out/references.parquet --documents demo/out/bootstrap/documents"
        " --pages-per-site 10 --output demo/out/quality",
    ),
    DemoStep(
        "Train the topic classifier on labels from URLs and seed words",
        "classifiers topics --documents demo/out/bootstrap/documents --output demo/out/topics",
    ),
    DemoStep("Extract, remove duplicates, publish, and train the tokenizer", "pipeline run demo/demo.yaml"),
    DemoStep("Train a small GPT on the corpus for one minute", "model train model/configs/demo.yaml"),
    DemoStep("Inspect the output", "pipeline inspect demo/out/corpus"),
    DemoStep(
        "Sample text from the model", 'model sample demo/out/model --prompt "The old bridge" --tokens 120 --seed 1'
    ),
)
OUTPUTS = (
    ("demo/out/corpus/report.html", "the funnel, and samples of dropped pages; open it in a browser"),
    ("demo/out/corpus/corpus", "the corpus: train, validation and anneal, as Parquet"),
    ("demo/out/corpus/ledger.json", "the counts that account for every page"),
    ("demo/out/corpus/README.md", "the dataset card"),
    ("demo/out/quality", "the quality classifier and its model card"),
    ("demo/out/topics", "the topic classifier and its model card"),
    ("demo/out/model", "the trained GPT: log, loss plot, checkpoints"),
)


def main() -> int:
    """Run the steps. Returns the exit code of the first step that fails, or 0."""
    argparse.ArgumentParser(prog="python -m demo", description=__doc__).parse_args()
    start = time.monotonic()
    shutil.rmtree(ROOT / "demo" / "out", ignore_errors=True)
    for number, step in enumerate(STEPS, 1):
        print(f"\n[{number}/{len(STEPS)}] {step.title}\n$ python -m {step.command}", flush=True)
        done = subprocess.run([sys.executable, "-m", *shlex.split(step.command)], cwd=ROOT)
        if done.returncode:
            print(f"error: step {number} of the demo failed (exit {done.returncode})", file=sys.stderr)
            return done.returncode
    print(f"\nDone in {time.monotonic() - start:.0f} s. The output:")
    for path, content in OUTPUTS:
        print(f"  {path:30} {content}")
    print("Next: python -m pipeline inspect demo/out/corpus --reason gopher_repetition --sample 3")
    return 0


if __name__ == "__main__":
    sys.exit(main())
