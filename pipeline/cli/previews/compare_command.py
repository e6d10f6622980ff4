"""`gristmill compare OUT OUT`: two outputs side by side."""

import argparse

from pipeline.cli.errors import print_error


def add_compare_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    text = "how two outputs differ, and which pages changed"
    parser = commands.add_parser("compare", help=text, description=text)
    parser.add_argument("first", metavar="A", help="the output of a run")
    parser.add_argument("second", metavar="B", help="the output of another run")
    parser.add_argument("--sample", type=int, default=3, metavar="N", help="pages to show of each change (default: 3)")
    parser.set_defaults(execute=execute_compare, beam=False)


def execute_compare(args: argparse.Namespace, flags: list[str]) -> int:
    """Print the comparison. Returns the exit code."""
    from pipeline.report.compare_outputs import print_comparison
    from pipeline.report.console import open_console
    from pipeline.report.inspect_output import open_inspected_output
    from pipeline.report.stored_rows import InspectError

    try:
        outputs = [open_inspected_output(root) for root in (args.first, args.second)]
        print_comparison(outputs[0], outputs[1], args.sample, open_console())
    except (InspectError, OSError) as error:
        return print_error(error, 1)
    return 0
