"""A run that is stopped by a signal, or that the system gives too little of something, ends with one line."""

import os
import signal
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from pipeline import __main__ as command


def stop_in_beam(number: signal.Signals) -> Callable[[], int]:
    """Return a command that gets a signal in the middle of a Beam job, which makes a text of it."""

    def execute() -> int:
        try:
            os.kill(os.getpid(), number)
            while True:
                pass
        except BaseException as error:
            text = f"Traceback (most recent call last): ...\n{type(error).__name__}"
        raise RuntimeError(text)

    return execute


def raise_memory_error() -> int:
    """Stand for a command that runs out of memory while it imports a library."""
    raise ImportError("libarrow.so: failed to map segment from shared object")


@pytest.mark.parametrize(
    "execute, code, line",
    [
        (stop_in_beam(signal.SIGTERM), 143, "interrupted; run the same command again to continue"),
        (stop_in_beam(signal.SIGINT), 130, "interrupted; run the same command again to continue"),
        (raise_memory_error, 1, "error: the memory that this process may have is used up"),
    ],
)
def test_the_end_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    execute: Callable[[], int],
    code: int,
    line: str,
) -> None:
    args = SimpleNamespace(execute=lambda *_: execute(), beam=True)
    parser = SimpleNamespace(parse_known_args=lambda argv: (args, []))
    monkeypatch.setattr(command, "build_pipeline_parser", lambda: parser)
    monkeypatch.setattr(command, "stops", [])
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores Ctrl-C
    try:
        assert command.run_command() == code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert capsys.readouterr().err.strip().startswith(line)


def test_a_stop_during_the_imports_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def import_commands() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "build_pipeline_parser", import_commands)
    assert command.main([]) == 130
    assert capsys.readouterr().err == "interrupted; run the same command again to continue\n"
