"""`gristmill what-if OUT --set KEY=VALUE`: what other thresholds would keep and drop, by the stored measures."""

import argparse

from pipeline.cli.errors import print_error


def add_what_if_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    text = "what other thresholds would keep and drop"
    parser = commands.add_parser("what-if", help=text, description=text)
    parser.add_argument("output", metavar="OUT", help="the output of a run, or of extract")
    parser.add_argument(
        "--set", action="append", default=[], metavar="A.B=VALUE", help="a setting of rules, language, or quality"
    )
    parser.add_argument("--sample", type=int, default=3, metavar="N", help="pages to show of each change (default: 3)")
    parser.set_defaults(execute=execute_what_if, beam=False)


def execute_what_if(args: argparse.Namespace, flags: list[str]) -> int:
    """Print what would come and go. Returns the exit code."""
    from pipeline.report.console import open_console
    from pipeline.report.inspect_output import open_inspected_output
    from pipeline.report.stored_rows import InspectError
    from pipeline.report.what_if import print_what_if
    from pipeline.settings import ConfigError

    try:
        if not args.set:
            raise ConfigError("what-if: name a setting, for example --set rules.gopher_quality.min_words=30")
        print_what_if(open_inspected_output(args.output), args.set, args.sample, open_console())
    except ConfigError as error:
        return print_error(error, 2)
    except (InspectError, OSError) as error:
        return print_error(error, 1)
    return 0
