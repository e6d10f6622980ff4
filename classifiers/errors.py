"""The error that a user can correct. The command line prints it as one line and exits with 2."""


class ClassifierError(ValueError):
    """Input or a model cannot be used. The message is one line: what is wrong, where, and what to do."""
