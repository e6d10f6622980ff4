"""The watch over a page's whole way through a worker: what a stage has in hand, and the limits that hold for it.

A stage can hang in code that no exception ends: a regular expression, or native code. So the kernel ends the worker
when a page has taken its CPU time (a suspended or overloaded machine costs a page nothing) or many times that in
wall-clock time. Before each turn the worker notes, in memory that it shares with its parent, which page of which split
it takes up; by that the parent charges exactly this page (page_charges.py) and starts another worker.

Pages that a stage takes together have the sum of their limits. Memory is limited too: what a page takes beyond it is a
MemoryError, which is the page's own as long as the user set no limit that is tighter.

On a runner that is not ours nothing is noted. There a batch has a limit of wall-clock time in each stage, after which
the process ends with a traceback; the runner tries again and gives up in the end.
"""

import contextlib
import faulthandler
import os
import resource
import signal
import struct
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from pipeline.runners.local_pool import shared_note

WALL_PER_CPU = 30  # wall-clock seconds for each of CPU time: a page may wait twice for a sandbox that has ten
READER_TURNS = 6  # how much longer the next record may take: a member may hold gigabytes between two of them
BATCH_SHARE = 16  # on other runners, so many further pages of a batch lengthen its limit by that of one
MEMORY_BYTES = 2 << 30  # address space that one page may take beside what the worker has
NOTE = struct.Struct("<qqqq64s256s")
NOBODY = -1  # in the place of a page's number: the reader looks for the next one


class PlacedSplit(Protocol):
    """A split of a crawl file."""

    @property
    def name(self) -> str: ...

    @property
    def start(self) -> int: ...


class PlacedPage(Protocol):
    """What the watch must know of a page: where it stands."""

    @property
    def split(self) -> PlacedSplit: ...

    @property
    def number(self) -> int: ...

    @property
    def offset(self) -> int: ...


class Turn(NamedTuple):
    """What a stage has in hand: the pages `first` to `last` of the split of `name` that begins at `start`.

    `offset` is where the first page stands in its file. `first` is NOBODY where the reader looks for a record there.
    """

    name: str
    start: int
    first: int
    last: int
    offset: int
    stage: str

    def pack(self) -> bytes:
        """Return the turn as the note has it."""
        name, stage = self.name.encode()[:256], self.stage.encode()[:64]
        return NOTE.pack(self.start, self.first, self.last, self.offset, stage, name)

    @classmethod
    def unpack(cls, note: bytes) -> "Turn | None":
        """Return the turn of a note; None where nothing was in hand."""
        start, first, last, offset, stage, name = NOTE.unpack(note[: NOTE.size])
        text = name.rstrip(b"\0").decode("utf-8", "replace")
        return cls(text, start, first, last, offset, stage.rstrip(b"\0").decode("utf-8", "replace")) if text else None


class PageWatch:
    """The watch of this process. `seconds` of CPU time are allowed a page in each stage."""

    def __init__(self, seconds: float):
        """Look for the note that this worker shares with its parent, and for limits of memory that the user set."""
        self.seconds, self.stage = seconds, ""
        self.note = shared_note()
        self.one_by_one: set[tuple[str, int]] = set()  # splits whose pages no stage takes together any more
        self.limits = resource.getrlimit(resource.RLIMIT_AS)
        self.statm: int | None = None
        if self.note is not None and self.limits == (resource.RLIM_INFINITY, resource.RLIM_INFINITY):
            with contextlib.suppress(OSError):  # only Linux has it
                self.statm = os.open("/proc/self/statm", os.O_RDONLY)

    @property
    def charges_memory(self) -> bool:
        """Whether a MemoryError is the page's own: the limit that it met is ours, and far above what a worker has."""
        return self.statm is not None

    def begin(self, turn: Turn, pages: float = 1.0) -> None:
        """Begin a turn with the limits of so many pages; it ends the one before."""
        seconds = self.seconds * pages
        if self.note is None:
            return
        # First the time, then the note: a page is not charged with what was left of the one before.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds * WALL_PER_CPU)
        self.note[: NOTE.size] = turn.pack()

    def end(self) -> None:
        """End the turn: nothing is in hand."""
        if self.note is None:
            return
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.note[: NOTE.size] = bytes(NOTE.size)

    @contextlib.contextmanager
    def limit_memory(self) -> Iterator[None]:
        """Limit the address space while the block runs to what there is and MEMORY_BYTES."""
        if self.statm is None:
            yield
            return
        size = int(os.pread(self.statm, 64, 0).split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY_BYTES, self.limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, self.limits)


class BatchDeadlines:
    """Ends this process when a thread of it has a batch for too long: in C, so that no Python code can prevent it."""

    def __init__(self) -> None:
        """No thread has a batch yet."""
        self.lock, self.ends = threading.Lock(), dict[int, float]()

    def set_end(self, seconds: float | None) -> None:
        """Give this thread so many seconds from now; None where it has nothing in hand."""
        with self.lock:
            self.ends.pop(threading.get_ident(), None)
            if seconds is not None:
                self.ends[threading.get_ident()] = time.monotonic() + seconds
            if self.ends:
                left = max(1.0, min(self.ends.values()) - time.monotonic())
                faulthandler.dump_traceback_later(left, exit=True, file=2)  # standard error, whoever replaced it
            else:
                faulthandler.cancel_dump_traceback_later()


DEADLINES = BatchDeadlines()
# The watch of this process, where a job has started one.
_watches: list[PageWatch] = []


def start_watch(seconds: float) -> None:
    """Watch over every page in this process: `seconds` of CPU time in each stage. A second call changes nothing."""
    if not _watches:
        _watches.append(PageWatch(seconds))


def find_watch() -> PageWatch | None:
    """Return the watch of this process; None where no job has started one."""
    return _watches[0] if _watches else None


def watch_stage(stage: str) -> None:
    """Say which stage begins now."""
    for watch in _watches:
        watch.stage = stage


@contextlib.contextmanager
def watch_pages(pages: int) -> Iterator[PageWatch | None]:
    """Watch over what a stage does with so many pages while the block runs. Yields the watch; None where none is on."""
    watch = find_watch()
    if watch is None:
        yield None
        return
    try:
        if watch.note is None:
            DEADLINES.set_end(watch.seconds * WALL_PER_CPU * (1 + pages / BATCH_SHARE))
        with watch.limit_memory():
            yield watch
    finally:
        if watch.note is None:
            DEADLINES.set_end(None)
        watch.end()


def make_turn(watch: PageWatch, first: PlacedPage, last: PlacedPage) -> Turn:
    """Return the turn of a stage with the pages from the first to the last."""
    split = first.split
    same = (split.name, split.start) == (last.split.name, last.split.start)
    return Turn(split.name, split.start, first.number, last.number if same else first.number, first.offset, watch.stage)
