"""`gristmill inspect OUT`: look into an output."""

import argparse

from pipeline.cli.errors import print_error


def add_inspect_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    text = "the funnel, samples of dropped pages, one page in detail"
    parser = commands.add_parser("inspect", help=text, description=text)
    parser.add_argument("output", metavar="OUT", help="the output of a run")
    parser.add_argument(
        "--reason", metavar="R", help="show pages dropped by this stage or for this stage/reason, and what failed"
    )
    parser.add_argument("--sample", type=int, default=5, metavar="N", help="how many pages to show (default: 5)")
    parser.add_argument("--url", metavar="U", help="show the pages of this URL")
    parser.add_argument(
        "--explain", metavar="ID|URL", help="show one page at every stage, and its measures beside the thresholds"
    )
    parser.add_argument("--html", metavar="FILE", help="write the report to a file instead")
    parser.set_defaults(execute=run_inspect, beam=False)


def run_inspect(args: argparse.Namespace, flags: list[str]) -> int:
    """Print what is asked for. Returns the exit code."""
    from pipeline.report.inspect_output import inspect_output, open_inspected_output
    from pipeline.report.stored_rows import InspectError
    from pipeline.settings import ConfigError

    try:
        if args.sample < 1:
            raise InspectError(f"--sample {args.sample}: show at least one page")
        output = open_inspected_output(args.output)
        if args.explain and not args.html:
            from pipeline.report.console import open_console
            from pipeline.report.explain import explain_pages

            explain_pages(output, args.explain, open_console())
        else:
            inspect_output(output, args)
    except (InspectError, ConfigError) as error:
        return print_error(error, 1)
    return 0
