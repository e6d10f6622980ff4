"""Files of text that a config names, of this machine or in a store: found, told apart by their endings, unpacked."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterable
from typing import IO

import fsspec

COMPRESSED = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}


def ending(name: str, formats: Iterable[str]) -> str:
    """Return which of the formats (".txt", ...) a file's name has, its compression aside; "" for none."""
    name = name.lower()
    for packed in COMPRESSED:
        name = name.removesuffix(packed)
    return next((known for known in formats if name.endswith(known)), "")


def files_of(path: str, wanted: Callable[[str], object]) -> list[str]:
    """Return the files that a file, folder or glob names, sorted; [] for none. Of a folder only those `wanted`."""
    fs, base = fsspec.core.url_to_fs(path)
    if fs.isdir(base):
        names = [name for name in fs.find(base) if wanted(name)]
    else:
        names = fs.glob(base) if any(mark in base for mark in "*?[") else [base] if fs.exists(base) else []
    return [fs.unstrip_protocol(name) if "file" not in fs.protocol else name for name in sorted(names)]


def unpacked(file: IO[bytes], name: str) -> IO[bytes]:
    """Return a file with its compression, which its name tells, undone."""
    for packed, opener in COMPRESSED.items():
        if name.lower().endswith(packed):
            return opener(file, "rb")  # type: ignore[operator]
    return file
