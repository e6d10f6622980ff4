"""The errors of a run that the user can act on, and how a command reports an error."""

import sys


class RunError(ValueError):
    """A run cannot start or continue; the text is one line."""


class BadInputs(RunError):
    """Inputs that the user named hold no crawl records; the text names each of them."""


def print_error(error: BaseException | str, code: int) -> int:
    """Print an error on one line to standard error, and return the exit code."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return code
