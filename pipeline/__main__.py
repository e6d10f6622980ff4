"""The command line: `gristmill COMMAND`, or `python -m pipeline COMMAND`.

Each command is a module of `pipeline.cli`. A module imports what its command needs only when the command runs, so that
`--help` answers at once.
"""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence

from pipeline import __version__
from pipeline.runners.memory import OUT_OF_MEMORY, is_out_of_memory  # now: without memory nothing can be imported


def build_pipeline_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands. A command sets `execute`, and `beam` if it takes Beam's options."""
    # here, where Ctrl-C is already reported in one line
    from pipeline.cli import compile_blocklists, inspect_command, list_recipes, run_jobs
    from pipeline.cli.previews import compare_command, explain_page_command, what_if_command
    from pipeline.cli.programs import run_demo, shell_completion
    from pipeline.cli.programs.other_programs import OTHER_PROGRAMS_HELP

    parser = argparse.ArgumentParser(
        prog="gristmill",
        description="Turn web crawls into a pretraining corpus. Every page of the crawl is accounted for.",
        epilog=OTHER_PROGRAMS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gristmill {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run_jobs.add_job_commands(commands)
    inspect_command.add_inspect_command(commands)
    compare_command.add_compare_command(commands)
    what_if_command.add_what_if_command(commands)
    explain_page_command.add_explain_page_command(commands)
    list_recipes.add_recipes_command(commands)
    compile_blocklists.add_blocklists_command(commands)
    run_demo.add_demo_command(commands)
    shell_completion.add_completion_command(commands, parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns the exit code: 0 if it succeeded, 1 if it could not be done, 2 if the command line or the config is wrong.
    """
    try:
        from pipeline.cli.programs.other_programs import find_program, replace_process

        program = find_program(sys.argv[1:] if argv is None else argv)
        if program:
            replace_process(program)
        parser = build_pipeline_parser()
        args, flags = parser.parse_known_args(argv)
        if flags and not args.beam:
            parser.error(f"unrecognized arguments: {' '.join(flags)}")
        code: int = args.execute(args, flags)
        return code
    except BrokenPipeError:  # the program that reads our output, such as `head`, has ended
        sys.stderr.close()
        return 0
    except KeyboardInterrupt as stop:
        return report_stop(signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
    except Exception as error:
        if stops:  # Beam turns whatever it meets, a signal too, into a text
            return report_stop(stops[-1])
        if is_out_of_memory(error):
            print(f"error: {OUT_OF_MEMORY}", file=sys.stderr)
            return 1
        raise


stops: list[signal.Signals] = []  # the signals that asked this process to end


def report_stop(number: signal.Signals) -> int:
    """Say that the run was interrupted. Returns the exit code."""
    print("interrupted; run the same command again to continue", file=sys.stderr)
    return 128 + number


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which a scheduler or `timeout` ends a run. It is reported like Ctrl-C."""


def raise_terminated(*_: object) -> None:
    """Raise Terminated in the main thread; this is the handler of SIGTERM."""
    stops.append(signal.SIGTERM)
    raise Terminated


def raise_interrupted(*_: object) -> None:
    """Raise KeyboardInterrupt in the main thread; this is the handler of SIGINT."""
    stops.append(signal.SIGINT)
    raise KeyboardInterrupt


def run_command() -> int:
    """Run the command of this process's arguments; the installed command `gristmill` calls it."""
    signal.signal(signal.SIGTERM, raise_terminated)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored, as under nohup
        signal.signal(signal.SIGINT, raise_interrupted)
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # libraries warn with their own paths, which helps no user
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    if os.getcwd() not in map(os.path.abspath, sys.path):  # last: filters and stages of the user's own are found there
        sys.path.append(os.getcwd())
    return main()


if __name__ == "__main__":
    sys.exit(run_command())
