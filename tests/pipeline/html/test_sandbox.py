"""The sandbox process under signals: what kills it from outside costs no page, what a page does is its reason."""

import os
import signal
import sys
from pathlib import Path

import pytest

from pipeline.html.sandbox import SandboxEnded, SandboxProcess

SCRIPT = """
import os, signal, sys
from pathlib import Path
from pipeline.html.sandbox import serve_requests

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored

def answer(request):
    number, deaths = request.split()
    notes = Path(sys.argv[1])
    died = len(list(notes.iterdir()))
    if died < int(deaths):
        (notes / str(died)).touch()
        os.kill(os.getpid(), int(number))
    return b"answered after %d deaths" % died

serve_requests(answer, 5.0, 2048)
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> SandboxProcess:
    process = SandboxProcess("dying_sandbox")
    process.command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_process_killed_from_outside_is_asked_once_more(sandbox: SandboxProcess, number: int) -> None:
    assert sandbox.ask(b"%d 1" % number) == b"answered after 1 deaths"


@pytest.mark.parametrize(
    "number, deaths, reason",
    [(signal.SIGKILL, 2, "memory"), (signal.SIGSEGV, 1, "crash"), (signal.SIGXCPU, 1, "timeout")],
)
def test_what_a_page_does_is_its_reason_and_the_next_one_is_answered(
    sandbox: SandboxProcess, number: int, deaths: int, reason: str
) -> None:
    with pytest.raises(SandboxEnded) as caught:
        sandbox.ask(b"%d %d" % (number, deaths))
    assert caught.value.reason == reason
    assert sandbox.ask(b"%d %d" % (number, deaths)).startswith(b"answered")


def test_an_idle_process_that_was_killed_costs_nothing(sandbox: SandboxProcess) -> None:
    assert sandbox.ask(b"9 0") and sandbox.process
    os.kill(sandbox.process.pid, signal.SIGKILL)
    assert sandbox.ask(b"9 0") == b"answered after 0 deaths"
