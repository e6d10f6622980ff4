"""`gristmill demo [FOLDER]`: the sample crawl the whole way, from crawl files to text that a small GPT writes.

Every step is a command that a user could type. The demo prints each command before it runs it.
"""

import argparse
import importlib.util
import os
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import NamedTuple

from pipeline.cli.errors import print_error

PACKAGE_ROOT = Path(__file__).resolve().parents[3]
DATA_FILES = ("sample.warc.gz", "wiki.xml.bz2", "bootstrap.yaml", "demo.yaml")


class DemoStep(NamedTuple):
    """A step of the demo: its title, its command, and whether what it prints is left out: a later step shows it."""

    title: str
    command: str
    is_quiet: bool = False


STEPS = (
    DemoStep(
        "Extract the sample once, so that the classifiers can learn from it",
        "gristmill extract demo/bootstrap.yaml",
        is_quiet=True,
    ),
    DemoStep(
        "Find duplicates, so that no copy of a good page serves as a bad example",
        "gristmill dedup demo/bootstrap.yaml",
        is_quiet=True,
    ),
    DemoStep(
        "Find the pages that an encyclopedia refers to",
        "gristmill classifiers references demo/wiki.xml.bz2 --output demo/out/references.parquet",
    ),
    DemoStep(
        "Train the quality classifier: referenced pages against other pages of the same languages and lengths",
        "gristmill classifiers train --references demo/out/references.parquet"
        " --documents demo/out/bootstrap/documents --pages-per-site 10 --output demo/out/quality",
    ),
    DemoStep(
        "Extract, remove duplicates, publish, and train the tokenizer", "gristmill run demo/demo.yaml", is_quiet=True
    ),
    DemoStep("Inspect the output", "gristmill inspect demo/out/corpus"),
)
TRAINER_STEPS = (
    DemoStep("Train a small GPT on the corpus for one minute", "gristmill train demo"),
    DemoStep(
        "Sample text from the model",
        'gristmill sample demo/out/model --prompt "The old bridge" --tokens 120 --temperature 0.5 --seed 1',
    ),
)
OUTPUTS = (
    ("demo/out/corpus/report.html", "the funnel, and samples of dropped pages; open it in a browser"),
    ("demo/out/corpus/corpus", "the corpus: train, validation and anneal, as Parquet"),
    ("demo/out/corpus/ledger.json", "the counts that account for every page"),
    ("demo/out/corpus/README.md", "the dataset card"),
    ("demo/out/quality", "the quality classifier and its model card"),
)
TRAINER_OUTPUTS = (("demo/out/model", "the trained GPT: log, loss plot, checkpoints"),)


def add_demo_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    text = "take a small sample crawl the whole way, in about two minutes"
    parser = commands.add_parser("demo", help=text, description=text)
    parser.add_argument(
        "folder", nargs="?", default="gristmill-demo", metavar="FOLDER", help="for its files (default: gristmill-demo)"
    )
    parser.set_defaults(execute=execute_demo, beam=False)


def execute_demo(args: argparse.Namespace, flags: list[str]) -> int:
    """Run the demo in the folder that is asked for. Returns the exit code."""
    return run_demo(Path(args.folder))


def find_demo_data() -> Path | None:
    """Return the folder with the sample crawl: of the checkout, or where a wheel puts it; None where it is missing."""
    installed = "share/gristmill/demo"
    bases = (PACKAGE_ROOT, Path(sysconfig.get_path("data")), Path(site.getuserbase()))
    folders = [PACKAGE_ROOT / "demo", *(base / installed for base in bases)]
    return next((folder for folder in folders if (folder / DATA_FILES[0]).is_file()), None)


def copy_demo_data(folder: Path) -> None:
    """Put the demo's files into `folder/demo`. Raises OSError."""
    source, target = find_demo_data(), folder / "demo"
    if source is None:
        raise FileNotFoundError("the demo's sample crawl is not installed; install gristmill from its wheel or source")
    target.mkdir(parents=True, exist_ok=True)
    for name in DATA_FILES:
        if not (target / name).exists() or not (target / name).samefile(source / name):
            shutil.copyfile(source / name, target / name)
    shutil.rmtree(target / "out", ignore_errors=True)


def run_demo(folder: Path) -> int:
    """Run the steps in a folder. Returns the exit code of the first step that fails, or 0."""
    start = time.monotonic()
    try:
        copy_demo_data(folder)
    except OSError as error:
        return print_error(f"demo: {error}", 1)
    trainer = importlib.util.find_spec("torch") is not None
    steps, outputs = STEPS + TRAINER_STEPS * trainer, OUTPUTS + TRAINER_OUTPUTS * trainer
    path = os.pathsep.join([str(PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    if not folder.samefile("."):
        print(f"$ cd {folder}")
    for number, step in enumerate(steps, 1):
        print(f"\n[{number}/{len(steps)}] {step.title}\n$ {step.command}", flush=True)
        command = [sys.executable, "-P", "-m", "pipeline", *shlex.split(step.command)[1:]]
        output = subprocess.DEVNULL if step.is_quiet else None
        done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, stdout=output)
        if done.returncode:
            print(f"error: step {number} of the demo failed (exit {done.returncode})", file=sys.stderr)
            return done.returncode
    print(f"\nDone in {time.monotonic() - start:.0f} s. The output:")
    for name, content in outputs:
        print(f"  {folder / name!s:30} {content}")
    if not trainer:
        print("A small GPT was not trained: PyTorch is not installed (pip install 'gristmill[model]').")
    print(f"Next: gristmill inspect {folder / 'demo/out/corpus'} --reason gopher_repetition --sample 3")
    return 0
