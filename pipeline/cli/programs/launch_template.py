"""What the Dataflow Flex Template starts: a job whose only worker runs `gristmill run`.

A Flex Template starts one Dataflow job, and a run is three, each of which reads what the one before it wrote. So the
template's job is the driver of the run: its worker starts the three jobs in order, waits for them, trains the tokenizer
and writes the report. If the worker is lost, Dataflow starts the driver again, and the run continues from what is done.
"""

import argparse
import logging
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions

from pipeline.cli.errors import print_error
from pipeline.config import load_config
from pipeline.runners.beam_options import check_flags
from pipeline.settings import ConfigError

COMMAND = (sys.executable, "-P", "-m", "pipeline", "run")
SHOWN_LINES = 20  # of what a failed run printed last


class TemplateLaunch(NamedTuple):
    """What a launch is asked for, taken apart."""

    run_arguments: list[str]  # of `gristmill run`
    driver_flags: list[str]  # Beam options of the driver's own job


def parse_launch(argv: Sequence[str] | None) -> TemplateLaunch:
    """Take the launcher's arguments apart. Raises ConfigError or LaunchError, one line, for what cannot be used."""
    args, flags = build_launch_parser().parse_known_args(argv)
    overrides = [part.strip() for part in (args.set or "").split(";") if part.strip()]
    load_config(args.config, overrides)
    run_arguments = [args.config, *(word for override in overrides for word in ("--set", override))]
    own = {"job_name": args.job_name, "flexrs_goal": args.flexrs_goal}
    run_flags = [*flags, *(f"--{name}={value}" for name, value in own.items() if value)]
    check_flags(run_flags)
    driver_flags = [*flags, f"--worker_machine_type={args.driver_machine_type}", "--num_workers=1"]
    driver_flags += ["--max_num_workers=1", "--autoscaling_algorithm=NONE"]
    wanted = {"job_name": args.job_name, "template_location": args.template_location}
    driver_flags += [f"--{name}={value}" for name, value in wanted.items() if value]
    return TemplateLaunch([*run_arguments, *run_flags], driver_flags)


def build_launch_parser() -> argparse.ArgumentParser:
    """Return the parser of the template's parameters; all others are Beam options of the three jobs."""
    parser = argparse.ArgumentParser(prog="launch_template", description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", required=True, help="the config, in a bucket")
    parser.add_argument("--set", help="settings that differ: a.b=VALUE;c=VALUE")
    parser.add_argument("--driver_machine_type", default="e2-standard-4", help="of the worker that drives the run")
    parser.add_argument("--flexrs_goal", help="of the three jobs; the driver itself starts at once")
    parser.add_argument("--job_name", help="of the driver; the three jobs add -extract, -dedup and -publish")
    parser.add_argument("--template_location", help="where the service wants the driver's job written")
    return parser


class RunJobs(beam.DoFn):
    """Runs `gristmill run` with the arguments that an element holds. What it prints goes to the job's log."""

    def process(self, arguments: list[str]) -> Iterator[int]:
        """Yield 0 after the run. Raises RuntimeError with its last lines if it fails."""
        last: deque[str] = deque(maxlen=SHOWN_LINES)
        with subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                last.append(line.rstrip())
                logging.getLogger(__name__).info("%s", line.rstrip())
        if process.returncode:
            raise RuntimeError(f"gristmill run failed (exit {process.returncode}): " + "\n".join(last))
        yield 0


def launch_template(argv: Sequence[str] | None = None) -> int:
    """Start the driver, or store its job where the service asks for it. Returns the exit code."""
    try:
        launch = parse_launch(argv)
    except (ConfigError, ValueError, OSError) as error:
        return print_error(error, 2)
    options = PipelineOptions(launch.driver_flags)
    options.view_as(SetupOptions).save_main_session = False
    with beam.Pipeline(options=options) as pipeline:
        _ = pipeline | "Arguments" >> beam.Create([launch.run_arguments]) | "RunJobs" >> beam.ParDo(RunJobs())
    return 0
