"""Files that appear whole or not at all, also after a crash, and leave nothing behind after a kill."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file beside `path`; rename it to `path` once all of it is on disk.

    The temporary file is locked while it is written, so that `remove_stale_files` can tell it from one that a killed
    process left behind. Raises OSError with the file's name, and whatever `write` raises.
    """
    file, temporary = open_locked_temporary(path)
    try:
        with file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def open_locked_temporary(path: Path) -> tuple[IO[bytes], Path]:
    """Open a new file `.NAME.tmp-*` beside `path`, locked until it is closed. Raises OSError."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.tmp-")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:  # else it was removed as stale before it was locked
            return os.fdopen(descriptor, "wb"), Path(name)
        os.close(descriptor)


def remove_stale_files(folder: Path) -> None:
    """Remove the temporary files in a folder that no running process writes any more."""
    for path in folder.glob(".*.tmp-*"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except OSError:  # another process writes it, has just renamed it, or owns it
            continue


def sync_to_disk(path: Path) -> None:
    """Wait until a file or folder is on disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
