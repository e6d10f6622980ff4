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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pipeline.io.settings import InputConfig

CRAWL_FILE = re.compile(r"\.w?arc(\.wet)?(\.(gz|zst|lz4))?$", re.I)
PATHS_FILE = re.compile(r"\.paths(\.gz)?$", re.I)
REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://", re.I)
SCHEMES = ("https", "http", "s3", "gs", "file")
GOOGLE_STORAGE = "storage.googleapis.com"
RETRIED = {403, 408, 429, 500, 502, 503, 504}  # Common Crawl answers 403 or 503 when it wants less
BLOCK = 1 << 16  # what a broken connection loses at most
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds between tries


class InputError(OSError):
    """An input that is missing or cannot be fetched; its text is one line."""


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
            if item.path not in found or item.named:
                found[item.path] = item
    items = sorted(found.values())
    if config.limit:
        items = items[: config.limit]
    if config.sample and config.sample < len(items):
        items = sorted(random.Random(seed).sample(items, config.sample))
    return items


def expand_pattern(pattern: str, config: InputConfig) -> list[Input]:
    """Return the files that one pattern names."""
    if PATHS_FILE.search(pattern):
        return [make_listed_input(path) for path in read_path_list(pattern, config)]
    if REMOTE.match(pattern) and not pattern.startswith("file://"):
        return expand_remote(pattern)
    path = pattern.removeprefix("file://")
    if os.path.isdir(path):
        files = sorted(str(p) for p in Path(path).rglob("*") if CRAWL_FILE.search(p.name))
        if not files:
            raise InputError(f"{pattern}: this folder holds no .warc, .arc or .wet file (plain, .gz, .zst or .lz4)")
        return [find_local_input(file, named=False) for file in files]
    if os.path.exists(path):
        return [find_local_input(path, named=True)]
    if glob.has_magic(path):
        files = sorted(f for f in glob.glob(path, recursive=True) if os.path.isfile(f))
        if not files:
            raise InputError(f"{pattern}: no file matches this pattern")
        return [find_local_input(file, named=False) for file in files]
    raise InputError(f"{pattern}: no such input file")


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
        names = sorted(file_system(pattern).glob(pattern))
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
    with contextlib.ExitStack() as stack:
        folder = config.cache or stack.enter_context(tempfile.TemporaryDirectory(prefix="gristmill-"))
        os.makedirs(folder, exist_ok=True)
        name = hashlib.blake2b(path.encode(), digest_size=8).hexdigest() + "-" + path.rsplit("/", 1)[-1]
        target = os.path.join(folder, name)
        if not os.path.exists(target):
            with hold_download_slot(config.concurrency):
                fetch_file(path, target, config.retries)
        yield stack.enter_context(open(target, "rb"))


def file_system(path: str) -> Any:
    """Return fsspec's file system for an address; s3 and gs anonymously unless credentials are set."""
    import fsspec

    scheme = path.partition("://")[0]
    options: dict[str, Any] = {}
    if scheme == "s3" and not (os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_PROFILE")):
        options["anon"] = True
    if scheme == "gs" and not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        options["token"] = "anon"
    return fsspec.filesystem(scheme, **options)


@contextlib.contextmanager
def hold_download_slot(concurrency: int) -> Iterator[None]:
    """Hold one of the machine's download slots, so that all workers together stay polite."""
    from filelock import FileLock, Timeout

    folder = os.path.join(tempfile.gettempdir(), f"gristmill-slots-{os.getuid()}")
    os.makedirs(folder, exist_ok=True)
    while True:
        for number in range(concurrency):
            lock = FileLock(os.path.join(folder, f"{number}.lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield
            finally:
                lock.release()
            return
        time.sleep(0.2)


def fetch_file(url: str, target: str, retries: int) -> None:
    """Fetch an address to a file, which appears only when it is whole. Raises InputError after the last try."""
    partial = f"{target}.part"
    if not url.startswith(("http://", "https://")):
        try:
            file_system(url).get_file(url, partial)
        except (OSError, ValueError, ImportError) as error:
            raise InputError(f"{url}: cannot be fetched: {error_line(error)}") from error
        os.replace(partial, target)
        return
    import requests
    from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None)
        return min(LONGEST_WAIT, asked if asked is not None else FIRST_WAIT * 2 ** (state.attempt_number - 1))

    def stop(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        tries = 2 if isinstance(error, UnreachableError) else retries
        return stop_after_attempt(tries + 1)(state)

    with requests.Session() as session:
        try:
            Retrying(wait=wait, stop=stop, retry=retry_if_exception_type(RetryableError), reraise=True)(
                fetch_remainder, session, url, partial
            )
        except UnreachableError as error:
            raise InputError(f"{url}: cannot be reached, is there a network? ({error})") from error
        except RetryableError as error:
            raise InputError(f"{url}: {error} (tried {retries + 1} times)") from error
    os.replace(partial, target)


class RetryableError(Exception):
    """A fault that may pass; `retry_after` is what the server asked for, in seconds."""

    def __init__(self, text: str, retry_after: float | None = None):
        """Keep the server's wish."""
        super().__init__(text)
        self.retry_after = retry_after


class UnreachableError(RetryableError):
    """The server could not be reached at all: tried again, but not for long."""


def fetch_remainder(session: Any, url: str, partial: str) -> None:
    """Fetch what is missing of `partial`. Raises TryAgain where another try may help, InputError where none will."""
    import requests

    have = os.path.getsize(partial) if os.path.exists(partial) else 0
    tag_file = Path(f"{partial}.etag")
    tag = tag_file.read_text() if have and tag_file.exists() else ""
    headers = {"Accept-Encoding": "identity", "User-Agent": "gristmill (crawl reader)"}
    if have and tag:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    try:
        with session.get(url, headers=headers, stream=True, timeout=(15, 60)) as response:
            if response.status_code in RETRIED:
                asked = response.headers.get("Retry-After", "")
                raise RetryableError(f"HTTP {response.status_code}", float(asked) if asked.isdigit() else None)
            if response.status_code == 416:  # what we hold is no prefix of what is there now
                os.remove(partial)
                raise RetryableError("HTTP 416")
            if response.status_code not in (200, 206):
                raise InputError(f"{url}: HTTP {response.status_code} {response.reason}")
            resumed = response.status_code == 206
            tag_file.write_text(response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
            expected = int(response.headers.get("Content-Length") or -1)
            written = 0
            with open(partial, "ab" if resumed else "wb") as out:
                for block in response.iter_content(BLOCK):
                    out.write(block)
                    written += len(block)
            if 0 <= expected != written:
                raise RetryableError(f"the connection broke after {written} of {expected} bytes")
    except (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError) as error:
        raise UnreachableError(error_line(error)) from error
    except requests.exceptions.ConnectionError as error:
        established = "RemoteDisconnected" in str(error) or "IncompleteRead" in str(error) or "reset" in str(error)
        raise (RetryableError if established else UnreachableError)(error_line(error)) from error
    except requests.exceptions.RequestException as error:
        raise RetryableError(error_line(error)) from error
    tag_file.unlink(missing_ok=True)


def error_line(error: BaseException) -> str:
    """Return an error's text on one line, short enough to read."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
