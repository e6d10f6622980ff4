"""The errors of a run that the user can act on."""


class RunError(ValueError):
    """A run cannot start or continue; the text is one line."""


class BadInputs(RunError):
    """Inputs that the user named hold no crawl records; the text names each of them."""
