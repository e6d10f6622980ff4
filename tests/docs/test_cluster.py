"""The scripts of docs/cluster.md give each job its own shard of the inputs."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.shared import ROOT

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


def run_with_stand_in(script: str, folder: Path, variables: dict[str, str]) -> list[str]:
    """Run a script with a `gristmill` that only says how it was called. Returns its lines."""
    command = folder / "gristmill"
    command.write_text('#!/bin/sh\necho "gristmill $*"\n')
    command.chmod(0o755)
    env = {**os.environ, **variables, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euc", script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("task", ["1", "100"])
def test_the_slurm_scripts_extract_a_shard_and_then_finish(tmp_path, task):
    extract, finish = re.findall(r"```sh\n(.*?)```", PAGE, re.S)
    variables = {"SLURM_ARRAY_TASK_ID": task, "SLURM_CPUS_PER_TASK": "16"}
    lines = run_with_stand_in(extract, tmp_path, variables)
    assert lines == [f"gristmill extract crawl.yaml --shard {task}/100 --set workers=16"]
    lines = run_with_stand_in(finish, tmp_path, variables)
    assert [line.split()[1] for line in lines] == ["dedup", "publish"]


def test_the_kubernetes_job_numbers_its_shards_from_one(tmp_path):
    (job,) = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.S))
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed" and spec["completions"] == 100
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["sh", "-c"]
    for index, shard in (("0", "1/100"), ("99", "100/100")):
        (line,) = run_with_stand_in(container["args"][0], tmp_path, {"JOB_COMPLETION_INDEX": index})
        assert f"--shard {shard} " in line
