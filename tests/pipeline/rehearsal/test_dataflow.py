"""Dataflow, rehearsed: its real client, a bucket, and workers that share nothing with the checkout but the bucket."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
import requests
import yaml

from tests.pipeline.cli.test_run import corpus_rows
from tests.pipeline.conftest import SETTINGS
from tests.pipeline.rehearsal.bucket import NAME, EmulatedBucket
from tests.pipeline.rehearsal.servers import find_tool, free_port, kill_children, started_server
from tests.pipeline.rehearsal.worker_environment import make_worker_environment
from tests.shared import ROOT

SECONDS = 800  # for one rehearsal; it takes some forty on two free cores

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Cluster:
    """What a rehearsal runs on: the environment of the client, its flags, the bucket, the pool's process and log."""

    env: dict[str, str]
    flags: list[str]
    bucket: EmulatedBucket
    pool: int
    service_log: Path


@pytest.fixture(scope="session")
def worker_python(tmp_path_factory) -> Path:
    """The Python of the workers' environment."""
    find_tool("prism")
    return make_worker_environment(tmp_path_factory.mktemp("rehearsal"))


@pytest.fixture
def cluster(worker_python, tmp_path) -> Iterator[Cluster]:
    """A bucket, a job server, a pool of workers and the service, for one test."""
    gcs, jobs, pool, service = (free_port() for _ in range(4))
    address = f"http://localhost:{gcs}"
    base = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # gcsfs asks each bucket for its layout over TLS, which the emulator does not speak, and waits a minute
    base |= {"STORAGE_EMULATOR_HOST": address, "NO_GCE_CHECK": "true", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
    client = base | {"PYTHONPATH": str(ROOT)}
    storage = [find_tool("fake-gcs-server"), "-scheme", "http", "-host", "127.0.0.1", "-port", str(gcs)]
    storage += ["-backend", "memory", "-public-host", f"localhost:{gcs}", "-external-url", address]
    prism = [find_tool("prism"), "--job_port", str(jobs), "--serve_http=false"]
    workers = [worker_python, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={pool}"]
    stand_in = [sys.executable, "-m", "tests.pipeline.rehearsal.dataflow_service", str(service)]
    stand_in += [f"localhost:{jobs}", f"localhost:{pool}"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with contextlib.ExitStack() as stack:
        stack.enter_context(started_server(storage, gcs, tmp_path / "gcs.log", base, elsewhere))
        stack.enter_context(started_server(prism, jobs, tmp_path / "prism.log", base, elsewhere))
        inside = base | {"PATH": f"{worker_python.parent}:{base['PATH']}"}
        process = stack.enter_context(started_server(workers, pool, tmp_path / "workers.log", inside, elsewhere))
        stack.enter_context(started_server(stand_in, service, tmp_path / "service.log", client, ROOT))
        flags = ["--runner=DataflowRunner", "--no_auth", "--project=rehearsal", "--region=us-central1"]
        flags += [f"--temp_location=gs://{NAME}/temp", f"--dataflow_endpoint=http://localhost:{service}"]
        flags += ["--sdk_container_image=registry.example/worker:1", "--sdk_location=container"]
        yield Cluster(client, flags, EmulatedBucket(address), process.pid, tmp_path / "service.log")


def put_run(cluster: Cluster, crawl: list[str], folder: Path) -> str:
    """Put the crawl and a config for it into the bucket; return the config's address."""
    inputs = [cluster.bucket.put_file(Path(path), f"crawl/{Path(path).name}") for path in crawl]
    settings = {"inputs": inputs, "output": f"gs://{NAME}/out", "recipe": "default", **SETTINGS}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return cluster.bucket.put_file(folder / "config.yaml", "crawl.yaml")


def start_run(cluster: Cluster, crawl: list[str], folder: Path) -> subprocess.Popen[str]:
    """Put the crawl into the bucket and start the client."""
    command = [sys.executable, "-m", "pipeline", "run", put_run(cluster, crawl, folder), *cluster.flags]
    return subprocess.Popen(
        command, env=cluster.env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a folder's shards by page; the names of the inputs, which differ, left out."""
    rows = [row for shard in sorted(folder.glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]
    return sorted(({**row, "file": None} for row in rows), key=lambda row: (row["id"], row["offset"]))


def assert_same_output(cluster: Cluster, expected: Path, folder: Path) -> None:
    """Compare the output in the bucket with that of a local run: rows of the corpus, pages with reasons, sums."""
    cluster.bucket.copy_out("out/", folder)
    assert corpus_rows(folder) == corpus_rows(expected)
    for kind in ("documents", "rejected"):
        assert read_rows(folder / kind) == read_rows(expected / kind), kind
    totals = [json.loads((output / "ledger.json").read_text())["totals"] for output in (folder, expected)]
    assert totals[0] == totals[1]


@contextlib.contextmanager
def watched_versions(bucket: EmulatedBucket, prefix: str) -> Iterator[dict[str, set[str]]]:
    """Collect, while the block runs, which versions the objects under a prefix have."""
    versions: dict[str, set[str]] = defaultdict(set)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            for name, version in bucket.list_objects(prefix).items():
                versions[name].add(version)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield versions
    finally:
        ended.set()
        watcher.join()


def launch_flex_template(cluster: Cluster, config: str) -> dict[str, Any]:
    """Do what the service does with a launch: have the launch file write its job, then run that job to its end."""
    stored = "staging/job_object"
    command = [sys.executable, str(ROOT / "docker" / "launch_template.py"), f"--config={config}", "--job_name=may"]
    command += [f"--template_location=gs://{NAME}/{stored}", *cluster.flags]
    launched = subprocess.run(command, env=cluster.env, capture_output=True, text=True, timeout=SECONDS)
    assert launched.returncode == 0, launched.stderr
    job = requests.get(f"{cluster.bucket.objects}/{quote(stored, safe='')}", params={"alt": "media"}, timeout=60).json()
    (endpoint,) = (flag.partition("=")[2] for flag in cluster.flags if flag.startswith("--dataflow_endpoint="))
    jobs = f"{endpoint}/v1b3/projects/rehearsal/locations/us-central1/jobs"
    found: dict[str, Any] = requests.post(jobs, json=job, timeout=60).json()
    end = time.monotonic() + SECONDS
    while found["currentState"] == "JOB_STATE_RUNNING" and time.monotonic() < end:
        time.sleep(0.5)
        found = requests.get(f"{jobs}/{found['id']}", timeout=60).json()
    return found


def test_a_flex_template_drives_the_three_jobs_and_gives_the_same_bytes(cluster, crawl, done, tmp_path):
    ended = launch_flex_template(cluster, put_run(cluster, crawl, tmp_path))
    log = cluster.service_log.read_text()
    assert (ended["name"], ended["currentState"]) == ("may", "JOB_STATE_DONE"), log
    assert re.findall(r"^(may\S*) try \d: (\w+)$", log, re.M) == [
        *((f"may-{job}", "DONE") for job in ("extract", "dedup", "publish", "tokens")),
        ("may", "DONE"),
    ]
    assert_same_output(cluster, done, tmp_path / "copied")


@pytest.mark.parametrize(
    "job, begun",
    [("extract", "out/.work/extract/"), ("dedup", "out/index/"), ("publish", "out/.work/publish/")],
)
def test_workers_killed_in_the_middle_of_a_job_change_nothing(job, begun, cluster, crawl, done, tmp_path):
    """Kill all workers once a job has written its first file."""
    client = start_run(cluster, crawl, tmp_path)
    while client.poll() is None and not cluster.bucket.list_objects(begun):
        time.sleep(0.05)
    finished = cluster.bucket.list_objects(begun)
    killed = kill_children(cluster.pool)
    with watched_versions(cluster.bucket, "out/.work/extract/") as versions:
        printed, _ = client.communicate(timeout=SECONDS)
    assert client.returncode == 0, printed + cluster.service_log.read_text()
    assert "was destroyed but it is pending" not in printed
    assert killed, f"no worker ran when {job} had begun"
    assert re.search(rf"gristmill-{job}-\S+ try 1: FAILED", cluster.service_log.read_text())
    assert_same_output(cluster, done, tmp_path / "copied")
    if job == "extract":  # what the first try had finished is not read and written again
        rewritten = {name: versions[name] for name, version in finished.items() if versions[name] - {version}}
        assert not rewritten
