"""Settings of the extraction of main text from HTML."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.settings import STRICT, Fraction


@dataclass(frozen=True, config=STRICT)
class ExtractConfig:
    """The main text of a page."""

    engine: Literal["trafilatura", "resiliparse", "gristmill"] = "gristmill"
    objective: Literal["balanced", "precision", "recall"] = "balanced"
    threshold: Fraction = 0.6  # gristmill: higher for precision, lower for recall
    format: Literal["text", "markdown"] = "text"  # markdown: trafilatura and gristmill
    comments: bool = False
    timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    min_characters: Annotated[int, Field(ge=0)] = 1
    find_dates: bool = True  # by htmldate, in kept pages that do not state when they were published; 3 ms such a page

    def __post_init__(self) -> None:
        """Refuse what the engine cannot do. Raises ValueError."""
        if self.format == "markdown" and self.engine == "resiliparse":
            raise ValueError("resiliparse has no markdown; set extract.engine to gristmill or trafilatura")
