"""SIGTERM and SIGINT end a run between two steps, with a checkpoint."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TrainingStopped(Exception):
    """A signal ended the run. `step` is the step of the checkpoint that was written then; None if none was."""

    def __init__(self, signal_number: int, step: int | None = None) -> None:
        super().__init__(signal_number, step)
        self.signal_number, self.step = signal_number, step


class StopSignals:
    """Remembers a signal that arrives during a step; raises TrainingStopped at once while the run only waits."""

    def __init__(self) -> None:
        self.received = 0  # the number of the signal that arrived; 0: none
        self.deferred = False

    @contextmanager
    def catch(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT. Only the main thread can; in another one nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal, or raise TrainingStopped if nothing can be torn."""
        self.received = number
        if not self.deferred:
            raise TrainingStopped(number)

    @contextmanager
    def defer(self) -> Iterator[None]:
        """Only remember signals inside this context."""
        self.deferred = True
        try:
            yield
        finally:
            self.deferred = False

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Inside `defer`: raise TrainingStopped for a signal that has arrived, or arrives inside this context."""
        self.deferred = False
        try:
            if self.received:
                raise TrainingStopped(self.received)
            yield
        finally:
            self.deferred = True
