"""Beam's options as a user gives them: understood, completed, or refused with one line; none is silently ignored.

Three ways of running follow from them (see `--help` and docs/runners.md):

here     no runner, `DirectRunner` or `FnApiRunner`: workers of our own, one a core (launch.py)
direct   the same with an option `--direct_...`: every job is one Beam job on FnApiRunner, run as that option says
there    any other runner: every job is one Beam job, and the runner's own options say how

`DirectRunner` itself would try to download another engine first, and fall back without a word (Beam 2.77), so that on
this machine FnApiRunner is named instead. `multi_threading` lost records in a GroupByKey, DaskRunner mixed tagged
outputs (both measured, Beam 2.77): refused.
"""

import argparse
import datetime
from collections.abc import Iterator, Sequence
from typing import Any

FN_API_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
HERE = ("directrunner", "switchingdirectrunner", "fnapirunner", "localrunner", "")
# Option classes of Beam that mean something to other runners only; nothing here reads them.
ELSEWHERE = (
    "GoogleCloudOptions",
    "WorkerOptions",
    "PortableOptions",
    "JobServerOptions",
    "FlinkRunnerOptions",
    "SparkRunnerOptions",
    "KafkaStreamsRunnerOptions",
    "PrismRunnerOptions",
    "TestDataflowOptions",
)
# Settings of Beam's own file systems; files are read and written by fsspec.
FILE_SYSTEMS = ("S3Options", "AzureOptions", "HadoopFileSystemOptions")
REFUSED = {
    "--streaming": "the jobs are finite ones; leave it out",
    "--template_location": "a job needs what the one before has written, so that none can be kept for later; "
    "--dry_run with --dataflow_job_file=FILE writes the graphs",
    "--output_executable_path": "a job needs what the one before has written, so that none can be kept for later; "
    "--dry_run with --dataflow_job_file=FILE writes the graphs",
}


class LaunchError(ValueError):
    """A way of running that is refused, or a worker that died; its text is one line for the user."""


class FlagParser(argparse.ArgumentParser):
    """Beam's options, and which of its classes each belongs to; an error is a LaunchError, not a page of usage."""

    def __init__(self) -> None:
        """Ask every option class that is loaded for its options."""
        from apache_beam.options.pipeline_options import PipelineOptions

        super().__init__(add_help=False, allow_abbrev=False)
        self.group_of: dict[str, str] = {}
        for group in [PipelineOptions, *all_subclasses(PipelineOptions)]:
            add = group.__dict__.get("_add_argparse_args")
            if add:
                try:
                    add.__get__(None, group)(self)
                except argparse.ArgumentError:  # two option classes share a flag
                    continue
                finally:
                    for name in self._option_string_actions:
                        self.group_of.setdefault(name, group.__name__)

    def error(self, message: str) -> Any:
        """Raise instead of printing the usage of two hundred options."""
        raise LaunchError(message)

    def spelled(self, flags: Sequence[str]) -> Iterator[str]:
        """Yield the flags as Beam reads them: `--switch=True` is `--switch`, and `--dry_run` alone is true."""
        rest = list(flags)
        while rest:
            flag = rest.pop(0)
            name, equals, value = flag.partition("=")
            action = self._option_string_actions.get(name)
            dry = name == "--dry_run"  # Beam takes any text for true, "False" too
            if not dry and not (equals and action is not None and action.nargs == 0):
                yield flag
                continue
            if dry and not equals:
                value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
            if value.lower() not in ("true", "false"):
                raise LaunchError(f"{name}={value}: a switch; {name} turns it on")
            if value.lower() == "true":
                yield f"{name}=True" if dry else name


def all_subclasses(cls: type) -> Iterator[type]:
    """Return every class below `cls`, each once, in the order of definition."""
    seen: dict[type, None] = {}
    children: list[type] = cls.__subclasses__()
    for child in children:
        seen[child] = None
        seen.update(dict.fromkeys(all_subclasses(child)))
    return iter(seen)


def runner_name(runner: str | None) -> str:
    """Return a runner's name as Beam resolves it, in lower case: `Direct` and `a.b.DirectRunner` are directrunner."""
    name = (runner or "").rsplit(".", 1)[-1].lower()
    return name if name.endswith("runner") or not name else f"{name}runner"


def check_flags(flags: Sequence[str]) -> list[str]:
    """Return the flags as Beam reads them. Raises LaunchError for what is unknown, has no effect or loses data."""
    if not flags:  # Beam takes a second to import; who passes no option does not wait for it
        return []
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

    parser = FlagParser()
    flags = list(parser.spelled(flags))
    unknown = parser.parse_known_args(flags)[1]
    if unknown:
        raise LaunchError(f"{unknown[0]}: neither an option of this command nor one of Beam's (see --help)")
    options = PipelineOptions(flags)
    runner = runner_name(options.view_as(StandardOptions).runner)
    if runner == "daskrunner":
        raise LaunchError("--runner DaskRunner: refused, it mixes tagged outputs and loses those of finish_bundle")
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode == "multi_threading":
        raise LaunchError(
            "--direct_running_mode=multi_threading: refused: it loses records in GroupByKey; leave it out"
        )
    if direct.direct_running_mode == "in_memory" and direct.direct_num_workers != 1:
        raise LaunchError(
            "--direct_num_workers: Beam ignores it in its in_memory mode; use --set workers=N instead, or add "
            "--direct_running_mode=multi_processing"
        )
    for flag in flags:
        name = flag.partition("=")[0]
        refuse_idle(name, parser.group_of.get(name, ""), runner)
    if runner not in HERE:
        check_runner(options.view_as(StandardOptions).runner)
    if runner == "dataflowrunner":
        check_bucket(options)
    return flags


def check_runner(name: str) -> None:
    """Refuse a runner that Beam does not have, or not without its extra packages, before anything is begun."""
    from apache_beam.runners.runner import create_runner

    try:
        create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        hint = "; for Dataflow install gristmill[cloud]" if isinstance(error, ImportError) else ""
        raise LaunchError(f"--runner {name}: {' '.join(str(error).split())}{hint}") from error


def refuse_idle(name: str, group: str, runner: str) -> None:
    """Raise LaunchError where a flag would change nothing about the run that the user asks for."""
    if name in REFUSED:
        raise LaunchError(f"{name}: refused: {REFUSED[name]}")
    if group in FILE_SYSTEMS:
        raise LaunchError(
            f"{name}: sets up Beam's own file systems, which are not used; fsspec takes its settings from the "
            "environment (AWS_ENDPOINT_URL, AWS_PROFILE, ...)"
        )
    if runner in HERE and group in ELSEWHERE:
        hint = "; --set workers=N for processes on this one" if group == "WorkerOptions" else ""
        raise LaunchError(f"{name}: has no effect on this machine: name the --runner that it is for{hint}")
    if runner not in HERE and group == "DirectOptions":
        raise LaunchError(f"{name}: has no effect on another runner than this machine's; leave one of them out")


def check_bucket(options: Any) -> None:
    """Refuse a Dataflow job without a valid place for temporary files. Raises LaunchError.

    Beam would look for credentials for twenty seconds and then make a bucket in the user's project.
    """
    from apache_beam.options.pipeline_options import GoogleCloudOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    view, validator = options.view_as(GoogleCloudOptions), PipelineOptionsValidator(options, None)
    problems = [validator.validate_gcs_path(view, name) for name in ("temp_location", "staging_location")]
    if all(problems):
        asked = view.temp_location or view.staging_location
        what = f"{asked} is not a valid place" if asked else "is missing"
        raise LaunchError(
            f"--temp_location: {what}; give gs://BUCKET/FOLDER (a bucket's name has at least three letters or digits)"
        )


def is_local(flags: Sequence[str]) -> bool:
    """Return whether the jobs run by workers of our own on this machine."""
    runner = runner_of(flags)
    asked = [flag for flag in flags if flag.startswith(("--direct_", "--no_direct_"))]
    return runner in HERE and not asked


def is_dataflow(flags: Sequence[str]) -> bool:
    """Return whether the flags name Dataflow, whose workers see no file of this machine."""
    return runner_of(flags) == "dataflowrunner"


def runner_of(flags: Sequence[str]) -> str:
    """Return the runner that the flags name, in lower case; empty where they name none."""
    if not flags:
        return ""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    return runner_name(PipelineOptions(list(flags)).view_as(StandardOptions).runner)


def is_dry_run(flags: Sequence[str]) -> bool:
    """Return whether only the job graphs are wanted, by flags that `check_flags` returned."""
    return "--dry_run=True" in flags


def beam_options(flags: Sequence[str], job: str = "") -> Any:
    """Return Beam's PipelineOptions for one of the three jobs, with the runner of this machine pinned by name."""
    from apache_beam.options.pipeline_options import (
        DebugOptions,
        GoogleCloudOptions,
        PipelineOptions,
        SetupOptions,
        StandardOptions,
    )

    options = PipelineOptions(list(flags))
    standard, cloud = options.view_as(StandardOptions), options.view_as(GoogleCloudOptions)
    if runner_name(standard.runner) in HERE:
        standard.runner = FN_API_RUNNER
    setup = options.view_as(SetupOptions)
    if setup.save_main_session is None:  # Dataflow would turn it on; the workers import the code from their image
        setup.save_main_session = False
    if job and standard.runner != FN_API_RUNNER:  # three jobs under one name could not be told apart
        now = datetime.datetime.now(datetime.UTC)
        cloud.job_name = f"{cloud.job_name}-{job}" if cloud.job_name else f"gristmill-{job}-{now:%m%d-%H%M%S}"
    debug = options.view_as(DebugOptions)
    if job and debug.dataflow_job_file:
        debug.dataflow_job_file = job_file(debug.dataflow_job_file, job)
    return options


def job_file(path: str, job: str) -> str:
    """Return where one job's graph goes: graph.json is graph-extract.json."""
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    return f"{folder}{slash}{stem}-{job}.{suffix}" if dot else f"{path}-{job}"
