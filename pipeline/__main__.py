"""The command line: `python -m pipeline COMMAND`. Help answers at once: nothing heavy is imported before its use."""

import argparse
import signal
import sys
from collections.abc import Sequence

RUN_HELP = {
    "run": "extract, dedup and publish, in order; goes on from what is there",
    "extract": "crawl files -> documents/ and rejected/",
    "dedup": "documents/ -> duplicates/",
    "publish": "documents/ less duplicates/ -> corpus/, tokenizer/, the ledger, the card and the report",
}


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(
        prog="python -m pipeline", description="Turn web crawls into a pretraining corpus; every page is accounted for."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in RUN_HELP.items():
        job = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=BEAM_HELP,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        job.add_argument("config", metavar="CONFIG.yaml", help="inputs, output, recipe and what differs from it")
        job.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="lay one key over the config")
    look = commands.add_parser("inspect", help="look into an output: funnel, samples, one page's life")
    look.add_argument("output", metavar="OUT")
    look.add_argument("--reason", metavar="R", help="only this stage or stage/reason: its pages, with what failed")
    look.add_argument("--sample", type=int, default=5, metavar="N", help="how many pages to show (default: 5)")
    look.add_argument("--url", metavar="U", help="find the pages of this URL")
    look.add_argument("--explain", metavar="ID|URL", help="one page through every stage, measures against thresholds")
    look.add_argument("--html", metavar="FILE", help="write the report to a file instead")
    commands.add_parser("recipes", help="list the built-in recipes with what each does")
    lists = commands.add_parser("lists", help="compile lists of domains and addresses for url.blocklists")
    lists.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a list (a name a line), a category's folder, a folder or tar archive of those (UT1's shape), or its "
        "https address, such as https://dsi.ut-capitole.fr/blacklists/download/blacklists.tar.gz",
    )
    lists.add_argument("--output", required=True, metavar="FILE", help="the compiled lists")
    return top


BEAM_HELP = """\
Every other option goes to Apache Beam. Without one, the workers of this machine run the jobs, one a core (--set
workers=N for another number); --runner=DirectRunner says the same.

  --runner=DirectRunner --direct_running_mode=multi_processing --direct_num_workers=N
                      each job as one Beam job of this machine, run as the --direct_ options say
  --runner=DataflowRunner --project=P --region=R --temp_location=gs://BUCKET/temp --sdk_container_image=IMAGE
                      each job on Dataflow; inputs and output must lie in a bucket (see docs/runners.md)
  --runner=PortableRunner --job_endpoint=HOST:PORT --environment_type=DOCKER --environment_config=IMAGE
                      each job on Flink or Spark
  --dry_run           build the three job graphs for the runner, say their sizes, run nothing, touch nothing;
                      --dataflow_job_file=FILE.json writes them

An option that would change nothing on the runner is refused, and so are ways of running that lose data
(--direct_running_mode=multi_threading, DaskRunner).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 it could not be done, 2 the command or config is wrong."""
    args, flags = parser().parse_known_args(argv)
    if flags and args.command not in RUN_HELP:
        parser().error(f"unrecognized arguments: {' '.join(flags)}")
    try:
        return dispatch(args, flags)
    except BrokenPipeError:  # the reader of our output, `head` say, has seen enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt as stop:
        print("interrupted; the same command goes on from what is done", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which a scheduler or `timeout` ends a run: it is told as Ctrl-C is."""


def terminated(*_: object) -> None:
    """Raise Terminated in the main thread."""
    raise Terminated


def dispatch(args: argparse.Namespace, flags: list[str]) -> int:
    """Call the command and turn the errors that a user can mend into one line."""
    if args.command == "recipes":
        from pipeline.config import read_recipes

        for name, recipe in read_recipes().items():
            print(f"{name:12} {recipe['description']}")
        return 0
    if args.command == "inspect":
        from pipeline.report.inspect_output import InspectError, inspect

        try:
            inspect(args)
        except InspectError as error:
            return fail(error, 1)
        return 0
    if args.command == "lists":
        from pipeline.cli.compile_blocklists import compile_lists

        try:
            for line in compile_lists(args.sources, args.output):
                print(line)
        except (ValueError, OSError) as error:
            return fail(error, 1)
        return 0
    from pipeline.config import load_config
    from pipeline.settings import ConfigError

    try:
        config = load_config(args.config, args.set)
    except ConfigError as error:
        return fail(error, 2)
    return run_jobs(config, flags, args.command)


def run_jobs(config, flags: list[str], command: str) -> int:
    """Run the jobs of `run`, `extract`, `dedup` or `publish`, and print the funnel."""
    from pipeline.cli.run import JOBS, run
    from pipeline.report.inspect_output import print_funnel
    from pipeline.runners.beam_options import LaunchError, check_flags, is_dry_run
    from pipeline.runners.local_pool import WorkerFailure, explained, root_cause
    from pipeline.settings import ConfigError

    jobs = JOBS if command == "run" else (command,)
    try:
        flags = check_flags(flags)
        if is_dry_run(flags):
            from pipeline.cli.dry_run import dry_run, lines

            print(*lines(dry_run(config, flags, jobs)), sep="\n")
            return 0
        book = run(config, flags, jobs)
    except WorkerFailure as error:
        if not error.user:
            print(error.details, file=sys.stderr)
        return fail(error, 1)
    except (ValueError, OSError) as error:
        return fail(explained(root_cause(error)), 2 if isinstance(error, LaunchError | ConfigError) else 1)
    except RuntimeError as error:  # Beam wraps what a transform raises
        cause = root_cause(error)
        if isinstance(cause, ValueError | OSError):
            return fail(explained(cause), 1)
        raise
    print_funnel(book, config.output)
    return 0


def fail(error: BaseException | str, code: int) -> int:
    """Print an error on one line and return the exit code."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, terminated)
    sys.exit(main())
