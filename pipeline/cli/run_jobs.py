"""`gristmill run | extract | dedup | publish CONFIG.yaml`: run the jobs."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.cli.errors import print_error

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.io.input_shards import InputShard

JOB_COMMANDS = {
    "run": "extract, dedup and publish; continues from what is done",
    "extract": "crawl files -> documents/ and rejected/",
    "dedup": "documents/ -> duplicates/",
    "publish": "without duplicates -> corpus/, tokenizer/, card, report",
}
BEAM_HELP = """\
All other options go to Apache Beam. Without any, worker processes on this machine run the jobs, one for each core
(--set workers=N for another number). --runner=DirectRunner does the same.

  --runner=DirectRunner --direct_running_mode=multi_processing --direct_num_workers=N
                      run each job as one Beam job on this machine, in the way that the --direct_ options say
  --runner=DataflowRunner --project=P --region=R --temp_location=gs://BUCKET/temp --sdk_container_image=IMAGE
                      run each job on Dataflow; inputs and output must be in a bucket (see docs/runners.md)
  --runner=PortableRunner --job_endpoint=HOST:PORT --environment_type=DOCKER --environment_config=IMAGE
                      run each job on Flink or Spark
  --dry_run           build the three job graphs for the runner and print their sizes, and estimate pages, core hours,
                      shuffled bytes and price from a hundred pages; nothing else runs and nothing is written, except
                      with --dataflow_job_file=FILE.json, which writes the graphs

An option that has no effect on the chosen runner is an error. Ways of running that lose data are refused too
(--direct_running_mode=multi_threading, DaskRunner).
"""


def add_job_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the four commands to the command line."""
    for name, text in JOB_COMMANDS.items():
        parser = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=BEAM_HELP,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument(
            "config", metavar="CONFIG.yaml", help="the inputs, the output, the recipe, and the settings that differ"
        )
        parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="override one setting")
        parser.add_argument("--dump", metavar="NAME", help="only this one of the config's dumps")
        if name == "run":
            parser.add_argument(
                "--try",
                type=int,
                dest="tried",
                metavar="N",
                help="only show what becomes of N pages; nothing is written",
            )
        parser.add_argument(
            "--core-price", type=float, default=0.05, metavar="P", help="of an hour of a core, for --dry_run's estimate"
        )
        if name == "extract":
            parser.add_argument(
                "--shard",
                metavar="I/N",
                help="only the I-th of N parts of the inputs; N jobs share the work and the output",
            )
        parser.set_defaults(execute=load_and_run, beam=True, tried=None, shard=None)


def load_and_run(args: argparse.Namespace, flags: list[str]) -> int:
    """Load the config and run the jobs of a command, for one dump after the other. Returns the exit code."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: no job multiplies matrices worth a thread
    from pipeline.runners.worker_processes import SMALL_BEAM, import_modules

    import_modules(["pipeline.cli.run", "pipeline.report.inspect_output"])
    from pipeline.cli.run_extract import has_own_part
    from pipeline.config import load_config, split_dumps
    from pipeline.io.input_shards import InputShard
    from pipeline.settings import ConfigError

    try:
        config = load_config(args.config, args.set)
        configs = split_dumps(config, args.dump)
    except ConfigError as error:
        return print_error(error, 2)
    if args.command != "extract" and not flags and not has_own_part(config):
        import_modules([SMALL_BEAM])  # before anything imports all of Beam here
    if args.tried is not None:
        from pipeline.cli.previews.try_pages import try_pages

        return try_pages(next(iter(configs.values())), args.tried)
    if len(configs) > 1 and any(flag.startswith("--dataflow_job_file") for flag in flags):
        return print_error("--dataflow_job_file: names the graphs of one dump; choose it with --dump", 2)
    try:
        shard = InputShard.parse(args.shard) if args.shard is not None else None
    except ValueError as error:
        return print_error(f"--shard: {error}", 2)
    for number, (dump, chosen) in enumerate(configs.items(), 1):
        if dump:
            print(f"dump {number} of {len(configs)}: {dump}", flush=True)
        code = run_jobs(chosen, flags, args.command, shard, args.core_price)
        if code:
            return code
    return 0


def run_jobs(
    config: "Config", flags: list[str], command: str, shard: "InputShard | None" = None, core_price: float = 0.0
) -> int:
    """Run the jobs of a command and print the funnel; an error that the user can fix becomes one line.

    Returns the exit code.
    """
    from pipeline.runners.beam_options import LaunchError
    from pipeline.runners.local_pool import WorkerFailure, explain_error, root_cause
    from pipeline.settings import ConfigError

    try:
        run_or_build(config, flags, command, shard, core_price)
    except WorkerFailure as error:
        if not error.user:
            print(error.details, file=sys.stderr)
        return print_error(error, 1)
    except (ValueError, OSError) as error:
        return print_error(explain_error(root_cause(error)), 2 if isinstance(error, LaunchError | ConfigError) else 1)
    except ImportError as error:
        if "install" not in str(error).lower():
            raise
        return print_error(f"{error} (pip install 'gristmill[cloud]')", 1)
    except RuntimeError as error:  # Beam wraps what a transform raises
        cause = root_cause(error)
        if isinstance(cause, KeyboardInterrupt):
            raise cause from None
        if isinstance(cause, ValueError | OSError):
            return print_error(explain_error(cause), 1)
        raise
    return 0


def run_or_build(
    config: "Config", flags: Sequence[str], command: str, shard: "InputShard | None", core_price: float
) -> None:
    """Run the jobs of a command and print the funnel. With `--dry_run`, build the graphs and print their sizes."""
    from pipeline.cli.run import JOBS, run, run_input_shard, select_jobs
    from pipeline.io.input_shards import ALL_INPUTS
    from pipeline.io.output import Output
    from pipeline.report.inspect_output import print_funnel
    from pipeline.runners.beam_options import check_flags, is_dry_run

    if shard not in (None, ALL_INPUTS):
        print_funnel(run_input_shard(config, flags, shard), Output(config.output))
        return
    jobs = JOBS if command == "run" else (command,)
    flags = check_flags(flags)
    if is_dry_run(flags):
        from pipeline.cli.dry_run import dry_run, lines

        selected = select_jobs(config, jobs)
        print(*lines(dry_run(config, flags, selected)), sep="\n")
        if "extract" in selected:
            from pipeline.cli.previews.estimate_run import describe_estimate, estimate_run

            print(*describe_estimate(estimate_run(config), core_price), sep="\n")
        return
    print_funnel(run(config, flags, jobs), Output(config.output))
