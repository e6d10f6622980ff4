"""Write files and folders that appear under their final names only when they are complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classifiers.errors import ClassifierError


@contextmanager
def replace_file_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`. It is renamed to `path` if the block succeeds and removed if it fails."""
    if path.is_dir():
        raise ClassifierError(f"{path}: is a folder; name a file for the output")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replace_folder_atomically(path: Path, marker: str) -> Iterator[Path]:
    """Yield a temporary folder beside `path`. It replaces `path` if the block succeeds.

    An existing folder is replaced only if it is empty or holds the file `marker`, which shows that this package wrote
    it. Raises ClassifierError otherwise.
    """
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and not (path / marker).exists())):
        raise ClassifierError(f"{path}: exists and is not a model folder (it has no {marker}); name another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (path.parent / f".{path.name}.{os.getpid()}.{suffix}" for suffix in ("partial", "old"))
    try:
        partial.mkdir()
        yield partial
        if path.exists():
            os.replace(path, old)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
