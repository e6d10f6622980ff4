"""What became of a worker that died over a page: the page is charged, or tried again, so that the run always ends.

A page that takes too long or makes native code crash is rejected when its split is read again. Where a stage had
several pages in hand, the split's pages are taken one by one from then on. A worker that is killed from outside, as the
kernel does when another process takes all memory, is no fault of its page: that is tried once more. What is charged is
kept beside the parts of the split, so that a later run does not meet the page again.
"""

import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.io.output import WORK, Output
from pipeline.runners.local_pool import WorkerLoss
from pipeline.runners.page_watch import NOBODY, Turn

TRIES = 2  # of a page whose worker is killed from outside
TIMEOUT_SIGNALS = (signal.SIGPROF, signal.SIGALRM, signal.SIGXCPU)
CRASH_SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


class Charge(NamedTuple):
    """Why a page is rejected before it is read: "timeout", "crash" or "memory", in the named stage."""

    reason: str
    stage: str


@dataclass
class SplitCharges:
    """What is charged in a split."""

    pages: dict[int, Charge] = field(default_factory=dict)  # by the page's number
    unreadable: set[int] = field(default_factory=set)  # offsets at which the reader takes too long
    killed: Counter[str] = field(default_factory=Counter)  # how often a worker was killed over what it had in hand
    one_by_one: bool = False  # no stage takes pages of the split together

    def to_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "pages": {str(number): list(charge) for number, charge in sorted(self.pages.items())},
            "unreadable": sorted(self.unreadable),
            "killed": dict(self.killed),
            "one_by_one": self.one_by_one,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "SplitCharges":
        """Return the charges that `to_json` returned."""
        pages = {int(number): Charge(*charge) for number, charge in values["pages"].items()}
        return cls(pages, set(values["unreadable"]), Counter(values["killed"]), values["one_by_one"])

    def add(self, turn: Turn, reason: str) -> str:
        """Take note of a worker that died over a turn. Returns a line about what will be done."""
        place = f"byte {turn.offset}"
        if reason == "killed":
            key = f"{turn.first} {turn.offset}"
            self.killed[key] += 1
            if self.killed[key] < TRIES:
                return f"{place}: the worker was killed from outside in {turn.stage}; the page is tried once more"
            reason = "memory"
        if turn.first == NOBODY:
            self.unreadable.add(turn.offset)
            return f"{place}: reading it ended with {reason}; it is passed over as unreadable"
        if turn.last > turn.first:
            self.one_by_one = True
            return f"{place}: {reason} in {turn.stage} over several pages; they are tried one by one"
        self.pages[turn.first] = Charge(reason, turn.stage)
        return f"{place}: the page is rejected as extract/{reason} (in {turn.stage})"


def charges_path(name: str, start: int) -> tuple[str, str, str, str]:
    """Return the path of what is charged in the split that begins at `start`."""
    return (WORK, "extract", name, f"{start:015d}.charges.json")


def load_charges(output: Output, name: str, start: int) -> SplitCharges:
    """Return what is charged in a split; nothing is where no worker died over it."""
    try:
        return SplitCharges.from_json(output.read_json(*charges_path(name, start)))
    except FileNotFoundError:
        return SplitCharges()


def read_loss(loss: WorkerLoss) -> tuple[Turn, str] | None:
    """Return what a worker had in hand when it died, and why it died: "timeout", "crash" or "killed".

    None where it had no page in hand, or ended by itself.
    """
    turn, number = Turn.unpack(loss.note), -loss.exit_code
    if turn is None or number <= 0:
        return None
    if number in TIMEOUT_SIGNALS:
        return turn, "timeout"
    return turn, "crash" if number in CRASH_SIGNALS else "killed"


def charge_loss(output: Output, turn: Turn, reason: str) -> str:
    """Keep what is charged for a worker that died. Returns a line for the user, without the file's name."""
    charges = load_charges(output, turn.name, turn.start)
    line = charges.add(turn, reason)
    output.write_json(charges.to_json(), *charges_path(turn.name, turn.start))
    return line
