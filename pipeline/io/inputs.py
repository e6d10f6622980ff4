"""What a run reads: paths, globs, folders, `https://`, `s3://`, `gs://` and Common Crawl's lists of paths.

Local files are read in place. Remote ones are fetched whole to a temporary file (or into `input.cache`), politely: a
few at a time over all workers of a machine, with back-off when the server says so; a broken download goes on by range.
"""

import contextlib
import glob
import gzip
import hashlib
import os
import random
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.io.downloads import InputError, error_line, fetch_file, hold_download_slot, open_file_system
from pipeline.io.settings import InputConfig
from pipeline.io.text_inputs import ARROW, LINES, TABLES, is_data_file

CRAWL_FILE = re.compile(r"\.w?arc(\.wet)?(\.(gz|zst|lz4))?$", re.I)
PATHS_FILE = re.compile(r"\.paths(\.gz)?$", re.I)
REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://", re.I)
TEXTS = (*LINES, *TABLES, *ARROW)
SCHEMES = ("https", "http", "s3", "gs", "file")
MAX_NAME = 150  # characters; file systems take 255 bytes, suffixes included
GOOGLE_STORAGE = "storage.googleapis.com"


class Input(NamedTuple):
    """A file to read: `named` when the user wrote its very path, so that a fault in it is the user's to know."""

    path: str
    size: int | None  # bytes; None for remote files
    local: bool
    named: bool


def expand_inputs(patterns: tuple[str, ...], config: InputConfig, seed: int) -> list[Input]:
    """Return the files that the patterns name, each once, sorted by path.

    Raises InputError for a path that does not exist, a glob or folder without crawl files, and an unreadable list.
    """
    found: dict[str, Input] = {}
    for pattern in patterns:
        for item in expand_pattern(pattern, config):
            key = os.path.realpath(item.path) if item.local else item.path
            other = found.get(key, item)  # the same file, perhaps in another spelling: the shorter one counts
            path = min(item.path, other.path, key=lambda path: (len(path), path))
            found[key] = item._replace(path=path, named=item.named or other.named)
    items = sorted(found.values())
    if config.limit:
        items = items[: config.limit]
    if config.sample and config.sample < len(items):
        items = sorted(random.Random(seed).sample(items, config.sample))
    return items


def expand_pattern(pattern: str, config: InputConfig) -> list[Input]:
    """Return the files that one pattern names."""
    if not REMOTE.match(pattern):
        pattern = os.path.expanduser(pattern)
    if PATHS_FILE.search(pattern):
        return [make_listed_input(path) for path in read_path_list(pattern, config)]
    if REMOTE.match(pattern) and not pattern.startswith("file://"):
        return expand_remote(pattern)
    return expand_local(pattern, os.path.expanduser(pattern.removeprefix("file://")))


def expand_local(pattern: str, path: str) -> list[Input]:
    """Return the files of a folder, a file or a glob of this machine; errors call it by its `pattern`."""
    if os.path.isdir(path):
        files = find_folder_files(path)
        if not files:
            raise InputError(
                f"{pattern}: this folder holds no .warc, .arc or .wet file (plain, .gz, .zst or .lz4), and no texts "
                f"({', '.join(TEXTS)})"
            )
        return [find_local_input(file, named=False) for file in files]
    if os.path.exists(path):
        return [find_local_input(path, named=True)]
    if glob.has_magic(path):
        files = sorted(f for f in glob.glob(path, recursive=True) if os.path.isfile(f))
        if not files:
            raise InputError(f"{pattern}: no file matches this pattern")
        return [find_local_input(file, named=False) for file in files]
    raise InputError(f"{pattern}: no such input file")


def find_folder_files(path: str) -> list[str]:
    """Return the crawl files of a folder and the folders in it, sorted; where there are none, the files with texts."""
    files = sorted(str(p) for p in Path(path).rglob("*") if p.is_file())
    return [file for file in files if CRAWL_FILE.search(file)] or [file for file in files if is_data_file(file)]


def find_local_input(path: str, named: bool) -> Input:
    """Return a file of this machine. Raises InputError where it cannot be read."""
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: cannot be read (permission denied)")
    return Input(path, os.path.getsize(path), True, named)


def make_listed_input(path: str) -> Input:
    """Return an entry of a list of paths."""
    return Input(path, None, False, False) if REMOTE.match(path) else find_local_input(path, named=False)


def expand_remote(pattern: str) -> list[Input]:
    """Return what an address names; `*` works where the store can list (s3, gs). Raises InputError."""
    scheme, _, rest = pattern.partition("://")
    if scheme not in SCHEMES:
        raise InputError(f"{pattern}: no way to read {scheme}://; there are {', '.join(SCHEMES)} and local paths")
    if not rest.partition("/")[2]:
        raise InputError(f"{pattern}: names no file; give {scheme}://{rest.strip('/') or 'HOST'}/PATH")
    if scheme == "gs" and "STORAGE_EMULATOR_HOST" not in os.environ:
        check_host(pattern, GOOGLE_STORAGE)
    if pattern.startswith(("http://", "https://")) or not glob.has_magic(pattern):
        return [Input(pattern, None, False, True)]
    try:
        names = sorted(open_file_system(pattern).glob(pattern))
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{pattern}: cannot be listed: {error_line(error)}") from error
    if not names:
        raise InputError(f"{pattern}: no file matches this pattern")
    return [Input(f"{scheme}://{name}", None, False, False) for name in names]


def check_host(pattern: str, host: str) -> None:
    """Raise InputError where a host has no address: gcsfs would try for minutes, and say nothing."""
    try:
        socket.getaddrinfo(host, 443)
    except OSError as error:
        raise InputError(f"{pattern}: {host} cannot be reached, is there a network? ({error_line(error)})") from error


def read_path_list(path: str, config: InputConfig) -> list[str]:
    """Return the entries of a `*.paths` or `*.paths.gz` list, relative ones with the configured prefix."""
    with open_input(path, config) as source:
        data = source.read()
    try:
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a list of paths: {error_line(error)}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path}: this list of paths is empty")
    base = config.prefix if REMOTE.match(config.prefix) or not config.prefix else config.prefix.rstrip("/") + "/"
    return [line if REMOTE.match(line) or os.path.isabs(line) else base + line for line in lines]


@contextlib.contextmanager
def open_input(path: str, config: InputConfig) -> Iterator[BinaryIO]:
    """Open an input as a seekable file; a remote one is fetched first. Raises InputError."""
    if not REMOTE.match(path):
        with contextlib.ExitStack() as stack:
            try:
                source = stack.enter_context(open(path, "rb"))
            except OSError as error:
                raise InputError(f"{path}: {error.strerror}") from error
            yield source
        return
    from filelock import FileLock

    with contextlib.ExitStack() as stack:
        cache = os.path.expanduser(config.cache or "")
        folder = cache or stack.enter_context(tempfile.TemporaryDirectory(prefix="gristmill-"))
        os.makedirs(folder, exist_ok=True)
        target = os.path.join(folder, cached_name(path))
        if not os.path.exists(target):
            with FileLock(f"{target}.lock"), hold_download_slot(config.concurrency):
                if not os.path.exists(target):  # another run may have fetched it meanwhile
                    fetch_file(path, target, config.retries)
        yield stack.enter_context(open(target, "rb"))


def cached_name(url: str) -> str:
    """Return the name of a fetched file in the cache: a hash of its address, and the end of it for people to read."""
    ending = re.sub(r"[^A-Za-z0-9._-]", "_", url.rsplit("/", 1)[-1])[-MAX_NAME:]
    return f"{hashlib.blake2b(url.encode(), digest_size=8).hexdigest()}-{ending}"
