"""`gristmill completion SHELL`: prints a script by which a shell completes commands, options and files."""

import argparse
from functools import partial

from pipeline.cli.errors import print_error
from pipeline.cli.programs.other_programs import TRAINER_COMMANDS

SHELLS = ("bash", "zsh", "tcsh")
HOW_TO = """\
bash:  gristmill completion bash > ~/.local/share/bash-completion/completions/gristmill
zsh:   gristmill completion zsh > FOLDER/_gristmill, for a FOLDER of $fpath
"""


def add_completion_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", program: argparse.ArgumentParser
) -> None:
    """Add the command to the command line of a program."""
    text = "print a script by which your shell completes commands"
    parser = commands.add_parser(
        "completion",
        help=text,
        description=text,
        epilog=HOW_TO,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(execute=partial(print_completion, program), beam=False)


def print_completion(program: argparse.ArgumentParser, args: argparse.Namespace, flags: list[str]) -> int:
    """Print the script for a shell. Returns the exit code."""
    try:
        import shtab
    except ImportError:
        return print_error("completion: shtab is not installed; pip install shtab", 1)
    (commands,) = (action for action in program._actions if isinstance(action, argparse._SubParsersAction))
    for name in (*TRAINER_COMMANDS, "classifiers"):  # programs of their own
        commands.add_parser(name)
    for command in commands.choices.values():
        for action in command._actions:
            if not action.option_strings and action.choices is None:
                action.complete = shtab.FILE
    print(shtab.complete(program, args.shell))
    return 0
