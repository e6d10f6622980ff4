"""Sets up the process that all workers are forks of, and is imported there only, before anything large.

Where that process has no memory, or may open no file, for what the workers need, it ends without a traceback; its
parent says why.
"""

import errno
import sys
from types import TracebackType

from pipeline.runners.memory import is_out_of_memory


def print_unless_limit(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback, but none for want of memory or of files."""
    if not is_out_of_memory(error) and getattr(error, "errno", None) not in (errno.EMFILE, errno.ENFILE):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = print_unless_limit
