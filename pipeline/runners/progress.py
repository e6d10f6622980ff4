"""What a run shows while it works: a live line on a terminal, a line a minute in a log, always on standard error."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.runners.local_pool import Report

LOG_SECONDS = 60.0


@contextmanager
def show_stage(name: str) -> Iterator[None]:
    """Show on a terminal that a stage runs, and for how long; a log stays quiet."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Bar(*columns, console=Console(stderr=True)) as bar:
        bar.add_task(name, total=None)
        yield


class Progress:
    """Pages/s, MB/s, the most frequent reasons and the time left of an extract job. A context manager."""

    def __init__(self, total_bytes: int | None, done_bytes: int = 0):
        """`total_bytes` is the stored size of all inputs, None where it is not known (no ETA then)."""
        self.total, self.bytes, self.first = total_bytes, done_bytes, done_bytes
        self.keys: Counter[str] = Counter()
        self.start = self.logged = time.monotonic()
        self.live: Any = None

    def __enter__(self) -> "Progress":
        """Show nothing yet: a thread draws the live line, and workers are no forks of a process with threads."""
        return self

    def start_live_line(self) -> None:
        """Begin the live line."""
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        share = TextColumn("{task.percentage:>3.0f}%")
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self.bar = Bar(TextColumn("extract"), BarColumn(), share, *times, speed_estimate_period=120)
        self.task = self.bar.add_task("extract", total=self.total, completed=self.bytes)
        self.live = Live(self.bar, console=Console(stderr=True), transient=False)
        self.live.start()

    def __exit__(self, *exc: object) -> None:
        """End the live line; a log gets its last line."""
        if self.live:
            self.live.stop()
        elif self.keys:
            self.log()

    def __call__(self, report: Report) -> None:
        """Take a worker's report; what a lost worker had reported of its task is taken back.

        The first one, of any kind, begins the live line where there is a terminal.
        """
        if not self.live and sys.stderr.isatty():
            self.start_live_line()
        if report.kind == "lost":
            for value in report.value:
                self.bytes -= value.get("bytes", 0)
                self.keys.subtract(value.get("pages", {}))
        if report.kind != "progress":
            return
        self.bytes += report.value.get("bytes", 0)
        self.keys.update(report.value.get("pages", {}))
        if self.live:
            from rich.console import Group

            self.bar.update(self.task, completed=self.bytes)
            self.live.update(Group(self.bar, *self.line().split(" | ")))
        elif time.monotonic() - self.logged >= LOG_SECONDS:
            self.log()

    def log(self) -> None:
        """Write a plain line, with the share done and the time left."""
        self.logged = time.monotonic()
        share = f"{self.bytes / self.total:.0%}" if self.total else f"{self.bytes / 1e6:.0f} MB"
        print(f"extract {share}{self.eta()}: {self.line()}", file=sys.stderr, flush=True)

    def eta(self) -> str:
        """Return `, 2m10s left` where that can be told."""
        fresh = self.bytes - self.first
        if not self.total or not fresh or self.bytes >= self.total:
            return ""
        seconds = (self.total - self.bytes) * (time.monotonic() - self.start) / fresh
        return f", {int(seconds // 60)}m{int(seconds % 60):02d}s left"

    def line(self) -> str:
        """Return `812 pages, 41.0 pages/s, 0.3 MB/s | kept 300, language/low-score 200, ...`."""
        seconds = max(time.monotonic() - self.start, 1e-9)
        pages = sum(self.keys.values())
        top = ", ".join(f"{key} {n:,}" for key, n in self.keys.most_common(4))
        rate = f"{pages / seconds:.1f} pages/s, {(self.bytes - self.first) / 1e6 / seconds:.2f} MB/s"
        return f"{pages:,} pages, {rate} | {top}"
