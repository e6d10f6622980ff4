"""Tells that a process ran out of memory, whatever form the error has."""

import errno

OUT_OF_MEMORY = (
    "the memory that this process may have is used up (ulimit -v, or the machine's); give it more, or take fewer "
    "--set workers=N, and run the same command again to go on from what is done"
)
SIGNS = (
    "Cannot allocate memory",
    "can't start new thread",
    "failed to map segment",
    "MemoryError",
    "bad_alloc",
    "without exception set",  # CPython's own, where there was no memory for the exception
    "without setting an exception",  # likewise
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came from, says that there is no more memory."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if isinstance(error, ImportError | RuntimeError | OSError | SystemError):
            text = str(error)
            if any(sign in text for sign in SIGNS):
                return True
        error = error.__cause__ or error.__context__
    return False
