"""The Dataflow Flex Template: its parameters are real options, and its launch file starts the run with them."""

import json
import re
import subprocess
import sys

import pytest
import yaml

from pipeline.cli.programs import launch_template as template
from pipeline.runners.beam_options import REFUSED, FlagParser
from tests.shared import ROOT

METADATA = json.loads((ROOT / "docker" / "template.json").read_text())
LOCAL = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
DATAFLOW = ["--runner=DataflowRunner", "--project=p", "--region=us-east1", "--temp_location=gs://bucket-name/temp"]
VALUES = {
    "config": "gs://bucket-name/crawl.yaml",
    "sdk_container_image": "us-docker.pkg.dev/p/r/worker:1",
    "set": "languages=[en, de];dedup.threshold=0.9",
    "max_num_workers": "50",
    "worker_machine_type": "n2-standard-8",
    "disk_size_gb": "100",
    "flexrs_goal": "COST_OPTIMIZED",
    "driver_machine_type": "e2-standard-4",
    "subnetwork": "regions/us-east1/subnetworks/default",
}


def read_own_options() -> dict[str, bool]:
    """Return the launch file's own options by name, and whether each is required."""
    actions = template.build_launch_parser()._actions
    return {action.dest: action.required for action in actions if action.dest != "help"}


@pytest.fixture
def config_file(tmp_path):
    """A config that a launch can read."""
    path = tmp_path / "crawl.yaml"
    path.write_text(yaml.safe_dump({"inputs": "https://example.org/a.warc.gz", "output": "gs://bucket-name/out"}))
    return str(path)


def test_every_parameter_is_an_option_of_the_launch_file_or_of_beam():
    own, beam = read_own_options(), FlagParser().group_of
    for parameter in METADATA["parameters"]:
        name = parameter["name"]
        assert set(parameter) <= {"name", "label", "helpText", "isOptional", "regexes"}
        assert name in own or (f"--{name}" in beam and f"--{name}" not in REFUSED), name
        assert own.get(name, name == "sdk_container_image") is not parameter.get("isOptional", False), name
        for expression in parameter["regexes"]:
            assert re.search(expression, VALUES[name]), (name, expression)
    assert {parameter["name"] for parameter in METADATA["parameters"]} == set(VALUES)
    assert {"job_name", "template_location"} == own.keys() - VALUES.keys()  # the service gives these itself


def test_the_three_jobs_get_the_parameters_and_the_driver_is_one_worker(config_file):
    asked = [f"--{name}={value}" for name, value in {**VALUES, "config": config_file}.items()]
    service = ["--job_name=may", "--template_location=gs://bucket-name/staging/job_object"]
    launch = template.parse_launch([*DATAFLOW, *asked, *service])
    assert launch.run_arguments[:5] == [config_file, "--set", "languages=[en, de]", "--set", "dedup.threshold=0.9"]
    flags = launch.run_arguments[5:]
    assert {"--max_num_workers=50", "--flexrs_goal=COST_OPTIMIZED", "--job_name=may", *DATAFLOW} <= set(flags)
    assert not [flag for flag in flags if "template_location" in flag or "driver" in flag]
    options = template.PipelineOptions(launch.driver_flags).get_all_options()
    assert (options["max_num_workers"], options["machine_type"], options["flexrs_goal"]) == (1, "e2-standard-4", None)
    assert options["template_location"] == "gs://bucket-name/staging/job_object" and options["job_name"] == "may"


def test_the_launch_file_of_the_image_runs_the_jobs_and_fails_as_they_do(config_file, monkeypatch, caplog):
    dockerfile = (ROOT / "docker" / "Dockerfile.template").read_text()
    (launched,) = re.findall(r"^ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/(\S+)$", dockerfile, re.M)
    assert f"COPY docker/{launched} /template/\n" in dockerfile
    assert "launch_template()" in (ROOT / "docker" / launched).read_text()
    show = "import sys; print('ran', sys.argv[1:]); sys.exit('bad' in str(sys.argv))"
    monkeypatch.setattr(template, "COMMAND", (sys.executable, "-c", show))
    with caplog.at_level("INFO", logger=template.__name__):
        assert template.launch_template([f"--config={config_file}", LOCAL, "--set=languages=[en]"]) == 0
    assert f"ran ['{config_file}', '--set', 'languages=[en]', '{LOCAL}']" in caplog.messages
    with pytest.raises(RuntimeError, match=r"gristmill run failed \(exit 1\): ran .*bad"):
        template.launch_template([f"--config={config_file}", LOCAL, "--set=output=bad"])


def test_a_launch_that_cannot_run_is_one_line(config_file, capsys):
    command = [sys.executable, "docker/launch_template.py", "--config=nowhere.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 2 and done.stderr.startswith("error: nowhere.yaml: cannot read the config: No such file")
    for argument, needle in (
        ("--set=langages=[en]", "did you mean 'languages'?"),
        ("--max_workers=3", "--max_workers=3: neither an option"),
    ):
        assert template.launch_template([f"--config={config_file}", argument]) == 2
        error = capsys.readouterr().err
        assert needle in error and error.count("\n") == 1
