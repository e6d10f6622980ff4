"""Other runners than this machine's workers: the same bytes, the same ledger, and options that do what they say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.cli.dry_run import dry_run
from pipeline.cli.run import JOBS, run
from pipeline.extract.merge_splits import merge_file
from pipeline.extract.splits import marker_path, plan_files, settings_fingerprint
from pipeline.io.inputs import expand_inputs
from pipeline.io.output import Output
from pipeline.runners.beam_options import LaunchError, beam_options, check_flags, is_dry_run, is_local
from pipeline.settings import ConfigError
from tests.pipeline.cli.test_run import corpus_bytes
from tests.pipeline.conftest import config
from tests.shared import ROOT

PORTABLE = ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"]
PROCESSES = ["--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
DATAFLOW = [
    "--runner=DataflowRunner",
    "--no_auth=True",
    "--project=my-project",
    "--region=us-central1",
    "--temp_location=gs://bucket-name/temp",
    "--sdk_container_image=registry.example/worker:1",
]


@pytest.mark.parametrize("flags", [PORTABLE, PROCESSES], ids=["portable", "multi_processing"])
def test_another_runner_gives_the_same_corpus_and_ledger(flags, done, crawl, tmp_path, monkeypatch):
    def not_here(*args, **kwargs):
        raise AssertionError("the workers of this machine ran, and the options did not")

    monkeypatch.setattr("pipeline.cli.run_extract.run_tasks", not_here)
    settings = config(crawl, tmp_path / "out", workers=1)
    run(settings, flags, jobs=("extract",))
    run(settings, flags if flags == PORTABLE else (), jobs=("dedup",))  # test_dedup.py runs this job in processes
    run(settings, flags, jobs=("publish",))
    assert corpus_bytes(tmp_path / "out") == corpus_bytes(done)
    assert (tmp_path / "out" / "ledger.json").read_bytes() == (done / "ledger.json").read_bytes()


def test_a_dry_run_for_dataflow_builds_three_graphs_offline_and_touches_nothing(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"inputs": "https://example.org/a.warc.gz", "output": "gs://bucket-name/out"}))
    command = [sys.executable, "-m", "pipeline", "run", str(path), *DATAFLOW, "--dry_run=True"]
    graphs = f"--dataflow_job_file={tmp_path / 'graph.json'}"
    ended = subprocess.run([*command, graphs], cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == [*JOBS, "estimate"]
    assert all(int(line.split()[1]) > 10 and "DataflowRunner" in line for line in lines[:3])
    for job, step in (("extract", "pages"), ("dedup", "VerifyJaccard"), ("publish", "gather shards")):
        steps = json.loads((tmp_path / f"graph-{job}.json").read_text())["components"]["transforms"].values()
        assert any(found["uniqueName"].split("/")[0] == step for found in steps)
    assert {found.name for found in tmp_path.iterdir()} == {"config.yaml", *(f"graph-{job}.json" for job in JOBS)}


def test_a_dry_run_says_what_one_job_costs_on_any_runner(crawl, tmp_path):
    settings = config(crawl, tmp_path / "out")
    (here,) = dry_run(settings, ["--dry_run"], ["dedup"])
    (there,) = dry_run(settings, [*PORTABLE, "--dry_run"], ["dedup"])
    assert (here.runner, there.runner) == ("FnApiRunner", "PortableRunner")
    assert here.steps == there.steps > here.shuffles >= 6
    assert not (tmp_path / "out").exists()


def test_a_dry_run_never_becomes_a_run(crawl, tmp_path):
    with pytest.raises(LaunchError, match="--dry_run"):
        run(config(crawl, tmp_path / "out"), ["--dry_run"])
    assert not is_dry_run(check_flags(["--dry_run=False"]))  # for Beam, the text "False" is true
    assert is_dry_run(check_flags(["--dry_run", "True"]))


@pytest.mark.parametrize(
    "over, flags, needle",
    [
        ({}, DATAFLOW, r"out: is on this machine.*gs://"),
        ({"languages": ["english"]}, [], "did you mean 'en'"),
        ({"quality": {"model": "nowhere"}}, [], "quality.model: nowhere: no such file"),
        ({"decontaminate": {"sets": ["nowhere.jsonl"]}}, [], "nowhere.jsonl"),
    ],
)
def test_a_run_and_a_dry_run_refuse_the_same_at_their_start(over, flags, needle, crawl, tmp_path):
    settings = config(crawl, tmp_path / "out", **over)
    for begin in (run, lambda settings, flags: dry_run(settings, [*flags, "--dry_run"], JOBS)):
        with pytest.raises((ValueError, OSError), match=needle):
            begin(settings, flags)
    assert not (tmp_path / "out").exists()


def test_a_dry_run_refuses_an_output_of_another_config(done, crawl):
    with pytest.raises(ConfigError, match=r"made by another config \(languages: "):
        dry_run(config(crawl, done, languages=["de"]), ["--dry_run"], JOBS)


@pytest.mark.parametrize(
    "flags, needle",
    [
        (["--num_workers=8"], "--set workers=N"),
        (["--project=p", "--runner=DirectRunner"], "name the --runner"),
        (["--direct_num_workers=4"], "ignores it in its in_memory mode"),
        ([*PORTABLE, "--direct_running_mode=multi_processing"], "another runner"),
        (["--s3_endpoint_url=http://x"], "AWS_ENDPOINT_URL"),
        (["--streaming"], "leave it out"),
        ([*DATAFLOW, "--template_location=gs://bucket-name/t"], "--dataflow_job_file"),
        ([*DATAFLOW, "--temp_location=gs://b/t"], "gs://b/t is not a valid folder"),
        (DATAFLOW[:3], "--temp_location: is missing"),
        (["--runner=dask"], "DaskRunner: refused"),
        (["--runner=Flunk"], "Unexpected pipeline runner"),
        (["--direct_running_mode=threads"], "invalid choice"),
        (["--no_auth=maybe"], "is a switch"),
    ],
)
def test_what_would_be_ignored_is_refused_in_one_line(flags, needle):
    with pytest.raises(LaunchError, match=needle) as caught:
        check_flags(flags)
    assert "\n" not in str(caught.value)


def test_whose_workers_run_follows_from_the_options():
    assert is_local([])
    assert is_local(["--runner=DirectRunner"])
    assert is_local(["--runner", "direct"])
    assert not is_local(PROCESSES)
    assert beam_options(PROCESSES).get_all_options()["runner"].endswith("FnApiRunner")
    assert not is_local(PORTABLE)
    assert not is_local(check_flags(DATAFLOW))


def test_each_job_has_a_name_of_its_own_on_a_cluster():
    named = [
        beam_options(check_flags([*DATAFLOW, "--job_name=may"]), job).get_all_options()["job_name"] for job in JOBS
    ]
    assert named == ["may-extract", "may-dedup", "may-publish"]


def test_a_file_is_merged_once_even_if_the_runner_tries_twice(crawl, tmp_path):
    settings = config(crawl, tmp_path / "out")
    run(settings, jobs=("extract",))
    output = Output(settings.output)
    (file, *_) = plan_files(expand_inputs(settings.inputs, settings.input, settings.seed), settings)
    shard = Path(output.path("documents", f"{file.name}.parquet"))
    before = shard.stat().st_mtime_ns
    assert output.exists(*marker_path(file.name))
    merge_file(file.name, settings.output, settings_fingerprint(settings))  # its parts are gone
    assert shard.stat().st_mtime_ns == before
