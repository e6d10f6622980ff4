"""`gristmill recipes`: print the built-in recipes."""

import argparse


def add_recipes_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    text = "list the built-in recipes and what each does"
    parser = commands.add_parser("recipes", help=text, description=text)
    parser.set_defaults(execute=print_recipes, beam=False)


def print_recipes(args: argparse.Namespace, flags: list[str]) -> int:
    """Print the name and the description of each recipe. Returns the exit code."""
    from pipeline.config import read_recipes

    for name, recipe in read_recipes().items():
        print(f"{name:12} {recipe['description']}")
    return 0
