"""A filter and a stage of a user's own that some pages hold up, for the tests of the watch over pages."""

import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import Filter, Page, TextStatistics, Threshold

EXPONENTIAL = re.compile(r"(\w+\s?)*$")


def obey(text: str, folder: str) -> float:
    """Do what the text asks for: hang in a regular expression, take all memory, or be killed from outside."""
    if "please hang" in text:
        EXPONENTIAL.match("word " * 40 + "!")
    if "please eat" in text:
        return float(len(bytearray(3 << 30)))
    if "please kill once" in text and not (Path(folder) / "killed").exists():
        (Path(folder) / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


@dataclass(frozen=True)
class ObedientFilter(Filter):
    """Does what a page's text asks for."""

    folder: str = ""
    most: float = 1.0

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("most", "too-obedient", "obeyed", self.measure, is_minimum=False),)

    def measure(self, text: TextStatistics) -> float:
        return obey(text.text, self.folder)


class LoopStage:
    """Takes pages together, and never ends over one of them."""

    def process_pages(self, pages: Sequence[Page]) -> list[Page]:
        while any("please loop" in (page.text or "") for page in pages):
            pass
        return list(pages)
