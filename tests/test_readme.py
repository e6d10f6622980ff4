"""Every command of the README and of the tutorial works as it stands there."""

import re
import shlex
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import yaml

from tests.shared import ROOT, write_short_sample

TEXT = (ROOT / "README.md").read_text()
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()


def list_commands(text: str) -> list[str]:
    """Return the commands of a page."""
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines() if line]


# the tutorial's go after the README's, whose outputs they use; those of both are run once
COMMANDS = list(dict.fromkeys([*list_commands(TEXT), *list_commands(TUTORIAL)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that looks like the checkout, but takes the outputs, and has a third of the sample crawl."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "demo").mkdir()
    for name in ("demo/wiki.xml.bz2", "model", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    write_short_sample(folder / "demo" / "sample.warc.gz")
    (folder / "crawl.yaml").write_text(re.search(r"```yaml\n(.*?)```", TEXT, re.S)[1])
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_command(folder, command):
    words = shlex.split(command)
    assert words[0] == "gristmill"
    if "URL" in words:
        shard = next((folder / "out" / "documents").glob("*.parquet"))
        words[words.index("URL")] = pq.read_table(shard, columns=["url"])["url"][0].as_py()
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pipeline", *words[1:]]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if words[1] == "train":  # what it prints shows that it learns
        losses, unseen = (re.findall(rf"{name} (\d+\.\d+)", done.stderr) for name in ("loss", "validation"))
        assert len(losses) == len(unseen) == 4 and float(losses[0]) - float(losses[-1]) > 0.5
        assert float(unseen[-1]) < float(unseen[0]), unseen
    if words[1] == "sample":
        assert len(set(re.findall(r"\w+", done.stdout))) > 10


def test_the_commands_are_there():
    assert len(list_commands(TEXT)) >= 9 and len(list_commands(TUTORIAL)) >= 6


def test_the_tutorial_has_the_readmes_config():
    configs = [yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.S)[1]) for text in (TEXT, TUTORIAL)]
    assert configs[0] == configs[1]


def test_make_targets_and_settings_named_in_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z]+)", TEXT):
        assert re.search(rf"^{target}:", makefile, re.M), target
    settings = yaml.safe_load(re.search(r"```yaml\n(.*?)```", TEXT, re.S)[1])
    assert set(settings) == {"inputs", "output", "recipe", "languages"}


def test_files_that_the_documents_point_to_exist():
    for page in ROOT.rglob("README.md"):
        if ".venv" in page.parts or "out" in page.parts:
            continue
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"
