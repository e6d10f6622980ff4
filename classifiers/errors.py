"""The error that a user can correct. The command line prints it as one line and exits with 2."""

import sys


class ClassifierError(ValueError):
    """Input or a model cannot be used. The message is one line: what is wrong, where, and what to do."""


def report_unusable(error: Exception) -> int:
    """Print one line of an error that a user can correct. Returns the exit code, 2."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2
