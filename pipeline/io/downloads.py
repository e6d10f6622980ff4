"""Fetching a remote file whole: politely, by range where a connection breaks, and never a file glued of two.

`fetch_file` writes to `TARGET.part` and renames it when the file is whole. What may pass is tried again with
exponential back-off; a fault that another try cannot mend is an `InputError` at once.
"""

import contextlib
import os
import re
import time
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from pipeline.io.temporary import TemporaryFolderError, machine_folder, make_private_folder

if TYPE_CHECKING:
    import requests

RETRIED = {403, 408, 429, 500, 502, 503, 504}  # Common Crawl answers 403 or 503 when it wants less
REDIRECTS = {301, 302, 303, 307, 308}
MAX_REDIRECTS = 5
BLOCK = 1 << 16  # bytes; what a broken connection loses at most
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds between tries
TIMEOUTS = (15, 60)  # seconds: for the connection, and between two blocks
SLOW_SECONDS, SLOW_BYTES = 60.0, 60_000  # a server that sends less in this time is given up
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:(\d{1,18})|\*)")


class InputError(OSError):
    """An input that is missing or cannot be fetched; its text is one line."""


class RetryableError(Exception):
    """A fault that may pass; `retry_after` is how long the server asks to wait, in seconds."""

    def __init__(self, text: str, retry_after: float | None = None):
        """Keep the time to wait."""
        super().__init__(text)
        self.retry_after = retry_after


class UnreachableError(RetryableError):
    """The server could not be reached at all: tried again, but not for long."""


class PartialFile(NamedTuple):
    """A download that is not whole yet, and the file that holds its version (ETag or Last-Modified)."""

    path: str

    @property
    def tag_path(self) -> str:
        """Where the version is kept."""
        return f"{self.path}.etag"

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def read_tag(self) -> str:
        """Return the version, "" where there is none."""
        try:
            with open(self.tag_path, encoding="latin-1") as source:
                return source.read()
        except FileNotFoundError:
            return ""

    def write_tag(self, tag: str) -> None:
        """Keep the version."""
        with open(self.tag_path, "w", encoding="latin-1", errors="replace") as out:
            out.write(tag)

    def remove(self) -> None:
        """Begin anew."""
        for path in (self.path, self.tag_path):
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)


class RemoteBody(NamedTuple):
    """What a response holds of a file: where its bytes begin, and the whole file's size, None where it is not said."""

    start: int
    total: int | None


def fetch_file(url: str, target: str, retries: int) -> None:
    """Fetch an address to a file, which appears only when it is whole. Raises InputError after the last try."""
    partial = PartialFile(f"{target}.part")
    if not url.startswith(("http://", "https://")):
        try:
            open_file_system(url).get_file(url, partial.path)
        except (OSError, ValueError, ImportError) as error:
            raise InputError(f"{url}: cannot be fetched: {error_line(error)}") from error
        os.replace(partial.path, target)
        return
    import requests
    from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None)
        return min(LONGEST_WAIT, float(asked) if asked is not None else FIRST_WAIT * 2 ** (state.attempt_number - 1))

    def stop(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        tries = min(2, retries) if isinstance(error, UnreachableError) else retries
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
    os.replace(partial.path, target)


def fetch_remainder(session: "requests.Session", url: str, partial: PartialFile) -> None:
    """Fetch what is missing of a partial file.

    Raises RetryableError where another try may help, InputError where none will.
    """
    import requests
    import urllib3

    tag = partial.read_tag() if partial.size else ""
    headers = {"Accept-Encoding": "identity", "User-Agent": "gristmill (crawl reader)"}
    if tag:
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": tag}
    try:
        with follow_redirects(session, url, headers) as response:
            body = check_response_head(response, url, partial)
            partial.write_tag(response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
            save_blocks(response, partial, body)
            check_whole(response, partial, body)
    except (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError) as error:
        raise UnreachableError(error_line(error)) from error
    except requests.exceptions.ConnectionError as error:
        established = "RemoteDisconnected" in str(error) or "IncompleteRead" in str(error) or "reset" in str(error)
        raise (RetryableError if established else UnreachableError)(error_line(error)) from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise RetryableError(error_line(error)) from error
    with contextlib.suppress(FileNotFoundError):
        os.remove(partial.tag_path)


@contextlib.contextmanager
def follow_redirects(session: "requests.Session", url: str, headers: dict[str, str]) -> Iterator["requests.Response"]:
    """Open an address, or what it redirects to. Raises InputError for a loop and for a scheme other than HTTP."""
    seen: list[str] = []
    address = url
    while True:
        seen.append(address)
        response = session.get(address, headers=headers, stream=True, timeout=TIMEOUTS, allow_redirects=False)
        with response:
            location = response.headers.get("Location", "")
            if response.status_code not in REDIRECTS or not location:
                yield response
                return
        address = urljoin(address, location)
        if urlsplit(address).scheme not in ("http", "https"):
            raise InputError(f"{url}: the server redirects to {address[:200]!r}, which is no web address")
        if address in seen or len(seen) > MAX_REDIRECTS:
            raise InputError(f"{url}: the server redirects in a loop or more than {MAX_REDIRECTS} times")


def check_response_head(response: "requests.Response", url: str, partial: PartialFile) -> RemoteBody:
    """Return which part of the file a response has. Raises RetryableError or InputError for one that is no use."""
    status = response.status_code
    if status in RETRIED:
        asked = response.headers.get("Retry-After", "")
        raise RetryableError(f"HTTP {status}", float(asked) if asked.isdecimal() else None)
    if status == 416:  # what we hold is no prefix of what is there now
        partial.remove()
        raise RetryableError("HTTP 416")
    if status not in (200, 206):
        raise InputError(f"{url}: HTTP {status} {response.reason}")
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdecimal() else None
    if status == 200:
        return RemoteBody(0, size)
    held, given = partial.size, response.headers.get("Content-Range", "")
    match = CONTENT_RANGE.fullmatch(given)
    if not match or int(match[1]) != held or (size is not None and size != int(match[2]) - held + 1):
        partial.remove()  # the next try asks for the whole file
        raise RetryableError(f"asked for the bytes from {held} on, the server sent {given or 'no Content-Range'!r}")
    return RemoteBody(held, int(match[3]) if match[3] else int(match[2]) + 1)


def save_blocks(response: "requests.Response", partial: PartialFile, body: RemoteBody) -> None:
    """Append the bytes of a response as they come. Raises RetryableError for a server that hardly sends any."""
    since, received = time.monotonic(), 0
    with open(partial.path, "ab" if body.start else "wb") as out:
        while block := response.raw.read1(BLOCK, decode_content=False):
            out.write(block)
            received += len(block)
            if (passed := time.monotonic() - since) >= SLOW_SECONDS:
                if received < SLOW_BYTES:
                    raise RetryableError(f"the server sent {received} bytes in {passed:.0f} s")
                since, received = time.monotonic(), 0


def check_whole(response: "requests.Response", partial: PartialFile, body: RemoteBody) -> None:
    """Raise RetryableError where a download is not whole, or is not the file itself."""
    size = partial.size
    if body.total is not None and size != body.total:
        if size > body.total:
            partial.remove()
        raise RetryableError(f"the connection broke after {size} of {body.total} bytes")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    with open(partial.path, "rb") as source:
        begin = source.read(BLOCK)
    if coding not in ("", "identity") and not (coding in ("gzip", "x-gzip") and is_gzip_once(begin)):
        partial.remove()
        raise RetryableError(f"the server compresses the file on the way (Content-Encoding: {coding[:40]})")
    if body.total is None and begin.startswith(b"\x1f\x8b\x08") and not ends_with_member(partial.path):
        partial.remove()  # without a length there is no saying where it broke
        raise RetryableError(f"the connection broke after {size} bytes, inside a gzip member")


def is_gzip_once(data: bytes) -> bool:
    """Tell whether `data` begins a gzip file that does not hold another gzip file.

    Some servers declare the compression that the file itself has as their own.
    """
    try:
        return not zlib.decompressobj(31).decompress(data, 16).startswith(b"\x1f\x8b\x08")
    except zlib.error:
        return False


def ends_with_member(path: str) -> bool:
    """Tell whether a gzip file ends where one of its members does. Reads and inflates all of it."""
    inflater = zlib.decompressobj(31)
    with open(path, "rb") as source:
        data = b""
        while data or (data := source.read(BLOCK)):
            try:
                inflater.decompress(data)
            except zlib.error:
                return True  # damage is the reader's to report
            data = inflater.unused_data.lstrip(b"\0") if inflater.eof else b""
            if inflater.eof and (data or (data := source.read(BLOCK).lstrip(b"\0"))):
                inflater = zlib.decompressobj(31)
    return bool(inflater.eof)


def open_file_system(path: str) -> Any:
    """Return fsspec's file system for an address; s3 and gs anonymously unless credentials are set."""
    import fsspec

    scheme = path.partition("://")[0]
    options: dict[str, str | bool] = {}
    if scheme == "s3" and not (os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_PROFILE")):
        options["anon"] = True
    if scheme == "gs" and not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        options["token"] = "anon"
    return fsspec.filesystem(scheme, **options)


def slots_folder() -> str:
    """Return the folder of this user's download slots, made where it is missing.

    Raises InputError where the folder, whose name others can know, belongs to someone else or is open to others.
    """
    try:
        return make_private_folder(os.path.join(machine_folder(), f"gristmill-slots-{os.getuid()}"))
    except TemporaryFolderError as error:
        raise InputError(str(error)) from error


@contextlib.contextmanager
def hold_download_slot(concurrency: int) -> Iterator[None]:
    """Hold one of the machine's download slots, so that all workers together stay polite."""
    from filelock import FileLock, Timeout

    folder = slots_folder()
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


def error_line(error: BaseException) -> str:
    """Return an error's text on one line, short enough to read."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
