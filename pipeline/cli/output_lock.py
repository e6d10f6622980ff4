"""Only one run at a time writes an output."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.cli.errors import RunError
from pipeline.io.output import PARTIAL, WORK, Output


@contextmanager
def output_lock(output: Output) -> Iterator[None]:
    """Lock the output for this process and remove the partial files of a killed run. Raises RunError if it is locked.

    The operating system holds the lock, so it ends with the process, also when that is killed. Object stores have no
    such lock: there the user must not start two runs into one output.
    """
    if not output.local:
        yield
        return
    from filelock import FileLock, Timeout

    try:
        os.makedirs(output.path(WORK), exist_ok=True)
        lock = FileLock(output.path(WORK, "lock"))
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"{output.root}: another run is writing this output; wait for it or choose another") from error
    except OSError as error:
        raise RunError(f"{output.root}: cannot be written: {error.strerror or error}") from error
    try:
        remove_partial_files(output)
        yield
    finally:
        lock.release()


def remove_partial_files(output: Output) -> None:
    """Remove the files that a killed run had not finished writing."""
    for folder, _, names in os.walk(output.base):
        for name in names:
            if name.startswith(".") and name.endswith(PARTIAL):
                os.remove(os.path.join(folder, name))
