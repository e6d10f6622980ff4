"""Only one run at a time writes an output, or several jobs that each have an input shard of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.cli.errors import RunError
from pipeline.io.input_shards import ALL_INPUTS, InputShard
from pipeline.io.output import WORK, Output, is_partial

WAIT = 10.0  # seconds in which a job with an input shard finds the lock of the whole output free


@contextmanager
def output_lock(output: Output, shard: InputShard = ALL_INPUTS) -> Iterator[None]:
    """Lock the output for this process and remove the partial files of a killed run. Raises RunError if it is locked.

    A job with an input shard locks this shard alone, and leaves partial files to the next run: they may be those of
    another job. Each side takes its own lock before it looks at the other's, so one of them always sees the other.

    The operating system holds the lock, so it ends with the process, also when that is killed. Object stores have no
    such lock: there the user must not start two runs into one output.
    """
    if not output.local:
        yield
        return
    from filelock import FileLock, Timeout

    whole = shard == ALL_INPUTS
    try:
        os.makedirs(output.path(WORK), exist_ok=True)
        lock = FileLock(output.path(WORK, "lock" if whole else f"lock-{shard.name}"))
        lock.acquire(timeout=0)
    except Timeout as error:
        raise locked_error(output) from error
    except OSError as error:
        raise RunError(f"{output.root}: cannot be written: {error.strerror or error}") from error
    try:
        require_free_locks(output, whole)
        if whole:
            remove_partial_files(output)
        yield
    finally:
        lock.release()


def locked_error(output: Output) -> RunError:
    """Return the error about an output that another run is writing."""
    return RunError(f"{output.root}: another run is writing this output; wait for it or choose another")


def require_free_locks(output: Output, whole: bool) -> None:
    """Raise RunError if a job holds an input shard of a `whole` output, or, if not `whole`, a run holds the output."""
    from filelock import FileLock, Timeout

    names = [name for name in os.listdir(output.path(WORK)) if name.startswith("lock-")] if whole else ["lock"]
    for name in names:
        try:
            with FileLock(output.path(WORK, name)).acquire(timeout=0 if whole else WAIT):
                pass
        except Timeout as error:
            raise locked_error(output) from error


def remove_partial_files(output: Output) -> None:
    """Remove the files that a killed run had not finished writing."""
    for folder, _, names in os.walk(output.base):
        for name in names:
            if is_partial(name):
                os.remove(os.path.join(folder, name))
