"""The temporary folder of a run: private, and emptied when the run starts again after it was killed.

Beam and the fetching of inputs leave folders behind when their process is killed. All of them lie in one folder whose
name follows from the output, so that the next run into that output finds and removes them, and nobody else's.
"""

import atexit
import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator

PREFIX = "gristmill-run-"
# Folders of multiprocessing and of Beam's job servers. This process may use them again, and removes them at its end.
KEPT = ("pymp-", "beam-temp")
_used: set[str] = set()  # folders in which this process has made temporary files


class TemporaryFolderError(ValueError):
    """The temporary folder of a run is someone else's. The text is one line."""


def machine_folder() -> str:
    """Return the folder for temporary files that all runs of this machine share."""
    folder = tempfile.gettempdir()
    return os.path.dirname(folder) if os.path.basename(folder).startswith(PREFIX) else folder


def make_private_folder(folder: str) -> str:
    """Return a folder that only this user can open, made where it is missing. Raises TemporaryFolderError."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise TemporaryFolderError(
            f"{folder}: belongs to another user; remove it, or set TMPDIR to a folder of your own"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(folder, 0o700)
    return folder


@contextlib.contextmanager
def run_folder(output: str) -> Iterator[None]:
    """Have this process and its children make temporary files in the run's own folder while the block runs.

    Only the run that holds the output's lock may call it. Raises TemporaryFolderError.
    """
    key = hashlib.blake2b(os.path.abspath(output).encode(), digest_size=6).hexdigest()
    before = os.environ.get("TMPDIR")
    folder = make_private_folder(os.path.join(machine_folder(), f"{PREFIX}{os.getuid()}-{key}"))
    is_first_use = folder not in _used
    if is_first_use:
        _used.add(folder)
        atexit.register(remove_folder, folder)  # what is registered first runs last: when nothing is kept any more
    empty_folder(folder, all_of_it=is_first_use)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = None
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before
        empty_folder(folder)
        remove_folder(folder)


def remove_folder(folder: str) -> None:
    """Remove a folder that is there and empty."""
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def empty_folder(folder: str, all_of_it: bool = False) -> None:
    """Remove what a folder holds; what this process may still use only with `all_of_it`."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if all_of_it or not entry.name.startswith(KEPT):
                    shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(entry.path)
