"""A run from S3 into S3, spoken to as the real one is: the corpus of a local run, and nothing said at its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipeline.cli.test_run import corpus_rows
from tests.pipeline.conftest import SETTINGS
from tests.pipeline.io.test_inputs_stores import s3
from tests.shared import ROOT


def test_a_run_that_goes_on_after_a_shard_in_a_bucket_gives_the_corpus_of_a_local_run(done, crawl, tmp_path):
    boto3 = pytest.importorskip("boto3")
    with pytest.MonkeyPatch.context() as patch:
        server = s3(patch)
        bucket = next(server)
        client = boto3.client("s3")
        for path in map(Path, crawl):
            client.upload_file(str(path), "crawl", f"inputs/{path.name}")
        config = {"inputs": [f"{bucket}/inputs/*"], "output": f"{bucket}/whole/out", "recipe": "default", "workers": 1}
        (tmp_path / "crawl.yaml").write_text(yaml.safe_dump({**config, **SETTINGS}))
        for command in (["extract", "--shard", "1/2"], ["run"]):
            job, *options = command
            started = [sys.executable, "-m", "pipeline", job, str(tmp_path / "crawl.yaml"), *options]
            ended = subprocess.run(started, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
            assert ended.returncode == 0, ended.stderr
            assert not [word for word in ("destroyed", "Traceback", "Unclosed") if word in ended.stderr], ended.stderr
        for found in client.get_paginator("list_objects_v2").paginate(Bucket="crawl", Prefix="whole/out/corpus/"):
            for item in found["Contents"]:
                target = tmp_path / item["Key"]
                target.parent.mkdir(parents=True, exist_ok=True)
                client.download_file("crawl", item["Key"], str(target))
        next(server, None)
    assert corpus_rows(tmp_path / "whole" / "out") == corpus_rows(done)
