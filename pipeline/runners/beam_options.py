"""Checks and completes the Beam options of the command line. An option without an effect is an error.

The options decide how the jobs run (see `--help` and docs/runners.md):

- no runner, `DirectRunner` or `FnApiRunner`: worker processes of our own on this machine (local_pool.py);
- the same with a `--direct_...` option: each job is one Beam job of FnApiRunner;
- any other runner: each job is one Beam job of that runner.

`DirectRunner` means FnApiRunner here, because Beam's own `DirectRunner` first tries to download another engine and
falls back without a message (Beam 2.77). Two ways of running lost data when we measured them with Beam 2.77, so they
are refused: `multi_threading` lost records in a GroupByKey, and DaskRunner mixed tagged outputs.
"""

import argparse
import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

FN_API_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
LOCAL_RUNNERS = ("directrunner", "switchingdirectrunner", "fnapirunner", "localrunner", "")
# Option classes of Beam that have an effect on other runners only.
REMOTE_OPTIONS = (
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
# Options of Beam's own file systems. They have no effect: fsspec reads and writes all files.
FILE_SYSTEM_OPTIONS = ("S3Options", "AzureOptions", "HadoopFileSystemOptions")
NO_TEMPLATES = (
    "each job reads what the job before it wrote, so it cannot be stored and run later; "
    "--dry_run with --dataflow_job_file=FILE writes the graphs"
)
REFUSED = {
    "--streaming": "the jobs read a finite input; leave it out",
    "--template_location": NO_TEMPLATES,
    "--output_executable_path": NO_TEMPLATES,
}


class LaunchError(ValueError):
    """A way of running is refused, or a worker process died. The text is one line."""


class FlagParser(argparse.ArgumentParser):
    """Parses Beam's options, and knows the option class of each. An error raises LaunchError."""

    def __init__(self) -> None:
        """Add the options of every option class that is loaded."""
        from apache_beam.options.pipeline_options import PipelineOptions

        super().__init__(add_help=False, allow_abbrev=False)
        self.group_of: dict[str, str] = {}
        for group in [PipelineOptions, *find_subclasses(PipelineOptions)]:
            add = group.__dict__.get("_add_argparse_args")
            if add:
                try:
                    add.__get__(None, group)(self)
                except argparse.ArgumentError:  # two option classes share a flag
                    continue
                finally:
                    for name in self._option_string_actions:
                        self.group_of.setdefault(name, group.__name__)

    def error(self, message: str) -> NoReturn:
        """Raise LaunchError. The usual behaviour would print the usage of two hundred options."""
        raise LaunchError(message)

    def normalize_flags(self, flags: Sequence[str]) -> Iterator[str]:
        """Yield the flags in Beam's spelling: `--switch` for `--switch=True`, `--dry_run=True` for `--dry_run`."""
        rest = list(flags)
        while rest:
            flag = rest.pop(0)
            name, equals, value = flag.partition("=")
            action = self._option_string_actions.get(name)
            dry = name == "--dry_run"  # Beam takes any text as true, even "False"
            if not dry and not (equals and action is not None and action.nargs == 0):
                yield flag
                continue
            if dry and not equals:
                value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
            if value.lower() not in ("true", "false"):
                raise LaunchError(f"{name}={value}: this is a switch; {name} alone turns it on")
            if value.lower() == "true":
                yield f"{name}=True" if dry else name


def find_subclasses(cls: type) -> Iterator[type]:
    """Return all direct and indirect subclasses of `cls`, each once, in the order of their definition."""
    seen: dict[type, None] = {}
    children: list[type] = cls.__subclasses__()
    for child in children:
        seen[child] = None
        seen.update(dict.fromkeys(find_subclasses(child)))
    return iter(seen)


def normalize_runner(runner: str | None) -> str:
    """Return a runner's name as Beam looks it up, in lower case: directrunner for `Direct` and `a.b.DirectRunner`."""
    name = (runner or "").rsplit(".", 1)[-1].lower()
    return name if name.endswith("runner") or not name else f"{name}runner"


def check_flags(flags: Sequence[str]) -> list[str]:
    """Return the flags in Beam's spelling. Raises LaunchError if one is unknown, has no effect or would lose data."""
    if not flags:  # importing Beam takes a second
        return []
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

    parser = FlagParser()
    flags = list(parser.normalize_flags(flags))
    unknown = parser.parse_known_args(flags)[1]
    if unknown:
        raise LaunchError(f"{unknown[0]}: neither an option of this command nor one of Beam's (see --help)")
    options = PipelineOptions(flags)
    runner = normalize_runner(options.view_as(StandardOptions).runner)
    if runner == "daskrunner":
        raise LaunchError("--runner DaskRunner: refused: it mixes tagged outputs and loses elements of finish_bundle")
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
        reject_unused_flag(name, parser.group_of.get(name, ""), runner)
    if runner not in LOCAL_RUNNERS:
        check_runner(options.view_as(StandardOptions).runner)
    if runner == "dataflowrunner":
        check_bucket(options)
    return flags


def check_runner(name: str) -> None:
    """Raise LaunchError if Beam has no such runner, or if packages that the runner needs are missing."""
    from apache_beam.runners.runner import create_runner

    try:
        create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        hint = "; for Dataflow install gristmill[cloud]" if isinstance(error, ImportError) else ""
        raise LaunchError(f"--runner {name}: {' '.join(str(error).split())}{hint}") from error


def reject_unused_flag(name: str, group: str, runner: str) -> None:
    """Raise LaunchError if a flag has no effect on the runner. `group` is the name of the flag's option class."""
    if name in REFUSED:
        raise LaunchError(f"{name}: refused: {REFUSED[name]}")
    if group in FILE_SYSTEM_OPTIONS:
        raise LaunchError(
            f"{name}: has no effect: Beam's own file systems are not used; fsspec takes its settings from the "
            "environment (AWS_ENDPOINT_URL, AWS_PROFILE, ...)"
        )
    if runner in LOCAL_RUNNERS and group in REMOTE_OPTIONS:
        hint = "; use --set workers=N for the number of processes on this machine" if group == "WorkerOptions" else ""
        raise LaunchError(f"{name}: has no effect on this machine; name the --runner that it belongs to{hint}")
    if runner not in LOCAL_RUNNERS and group == "DirectOptions":
        raise LaunchError(f"{name}: has no effect with another runner than DirectRunner; leave out one of the two")


def check_bucket(options: "PipelineOptions") -> None:
    """Raise LaunchError if a Dataflow job has no valid folder for temporary files.

    Beam would look for credentials for twenty seconds, and then create a bucket in the user's project.
    """
    from apache_beam.options.pipeline_options import GoogleCloudOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    view, validator = options.view_as(GoogleCloudOptions), PipelineOptionsValidator(options, None)
    problems = [validator.validate_gcs_path(view, name) for name in ("temp_location", "staging_location")]
    if all(problems):
        asked = view.temp_location or view.staging_location
        what = f"{asked} is not a valid folder" if asked else "is missing"
        raise LaunchError(
            f"--temp_location: {what}; give gs://BUCKET/FOLDER (the name of a bucket has at least three letters or "
            "digits)"
        )


def is_local(flags: Sequence[str]) -> bool:
    """Return whether worker processes of our own run the jobs on this machine."""
    runner = find_runner(flags)
    asked = [flag for flag in flags if flag.startswith(("--direct_", "--no_direct_"))]
    return runner in LOCAL_RUNNERS and not asked


def is_dataflow(flags: Sequence[str]) -> bool:
    """Return whether the flags name Dataflow, whose workers cannot read files of this machine."""
    return find_runner(flags) == "dataflowrunner"


def find_runner(flags: Sequence[str]) -> str:
    """Return the runner that the flags name, in lower case, or an empty string."""
    if not flags:
        return ""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    return normalize_runner(PipelineOptions(list(flags)).view_as(StandardOptions).runner)


def is_dry_run(flags: Sequence[str]) -> bool:
    """Return whether flags, as `check_flags` returned them, ask for the job graphs only."""
    return "--dry_run=True" in flags


def beam_options(flags: Sequence[str], job: str = "") -> "PipelineOptions":
    """Return Beam's options for one of the three jobs. `DirectRunner` becomes FnApiRunner."""
    from apache_beam.options.pipeline_options import (
        DebugOptions,
        GoogleCloudOptions,
        PipelineOptions,
        SetupOptions,
        StandardOptions,
    )

    from pipeline.runners.beam_shortcuts import SharedOptions, take_shortcuts

    here = find_runner(flags) in LOCAL_RUNNERS
    options = SharedOptions(list(flags)) if here else PipelineOptions(list(flags))
    standard, cloud = options.view_as(StandardOptions), options.view_as(GoogleCloudOptions)
    if here:
        standard.runner = FN_API_RUNNER
        take_shortcuts()
    setup = options.view_as(SetupOptions)
    if setup.save_main_session is None:  # Dataflow's default is True; our workers import the code from their image
        setup.save_main_session = False
    if job and standard.runner != FN_API_RUNNER:  # each of the three jobs gets its own name
        now = datetime.datetime.now(datetime.UTC)
        cloud.job_name = f"{cloud.job_name}-{job}" if cloud.job_name else f"gristmill-{job}-{now:%m%d-%H%M%S}"
    debug = options.view_as(DebugOptions)
    if job and debug.dataflow_job_file:
        debug.dataflow_job_file = name_job_file(debug.dataflow_job_file, job)
    return options


def name_job_file(path: str, job: str) -> str:
    """Return the path of one job's graph, for example graph-extract.json for graph.json."""
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    return f"{folder}{slash}{stem}-{job}.{suffix}" if dot else f"{path}-{job}"
