"""The whole main job on the embedded sample crawl: `make demo`, or `python -m demo` where the set-up is done.

Every step is a command that a user would type; the demo prints each before it runs it.
"""

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STEPS = (
    ("Extract the sample once, for the classifier to learn from", "pipeline extract demo/bootstrap.yaml"),
    ("Find its copies: a copy of a good page is no bad example", "pipeline dedup demo/bootstrap.yaml"),
    (
        "Find the pages that an encyclopedia refers to",
        "classifiers references demo/wiki.xml.bz2 --output demo/out/references.parquet",
    ),
    (
        "Train the quality classifier: pages referred to, against as many others of the same languages and lengths",
        "classifiers train --references demo/out/references.parquet --documents demo/out/bootstrap/documents"
        " --pages-per-site 10 --output demo/out/quality",
    ),
    (
        "Train the topic classifier, by addresses and seed words",
        "classifiers topics --documents demo/out/bootstrap/documents --output demo/out/topics",
    ),
    ("Extract, dedup, publish, train the tokenizer", "pipeline run demo/demo.yaml"),
    ("Train a small GPT for a minute on the corpus", "model train model/configs/demo.yaml"),
    ("Look at what was made", "pipeline inspect demo/out/corpus"),
    ("Let the model speak", 'model sample demo/out/model --prompt "The old bridge" --tokens 120 --seed 1'),
)


def main() -> int:
    """Run the steps; returns the exit code of the first that fails, else 0."""
    start = time.monotonic()
    shutil.rmtree(ROOT / "demo" / "out", ignore_errors=True)
    for number, (title, command) in enumerate(STEPS, 1):
        print(f"\n[{number}/{len(STEPS)}] {title}\n$ python -m {command}", flush=True)
        done = subprocess.run([sys.executable, "-m", *shlex.split(command)], cwd=ROOT)
        if done.returncode:
            print(f"error: the demo stopped at this step (exit {done.returncode})", file=sys.stderr)
            return done.returncode
    print(f"\nDone in {time.monotonic() - start:.0f} s. What came out:")
    for path, what in (
        ("demo/out/corpus/corpus", "the corpus: train, validation and anneal, Parquet"),
        ("demo/out/corpus/report.html", "the funnel and samples of what was dropped, for a browser"),
        ("demo/out/corpus/ledger.json", "every page accounted for"),
        ("demo/out/corpus/README.md", "the dataset card"),
        ("demo/out/quality", "the quality classifier and its model card"),
        ("demo/out/topics", "the topic classifier and its model card"),
        ("demo/out/model", "the trained GPT: log, loss plot, checkpoints"),
    ):
        print(f"  {path:30} {what}")
    print("Next: python -m pipeline inspect demo/out/corpus --reason gopher_repetition --sample 3")
    return 0


if __name__ == "__main__":
    sys.exit(main())
