"""Settings of the extraction of main text from HTML."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from pipeline.settings import STRICT, Fraction, suggest_name

ENGINE_NAMES = ("trafilatura", "resiliparse", "gristmill")


def is_own_engine(name: str) -> bool:
    """Tell whether an engine is a function of the user's own, named as package.module:function."""
    return ":" in name


def check_engine_name(name: str) -> str:
    """Return an engine's name. Raises PydanticCustomError where there is none of that name."""
    if name not in ENGINE_NAMES and not is_own_engine(name):
        message = (
            f"no such engine{suggest_name(name, ENGINE_NAMES)} (the engines are {', '.join(ENGINE_NAMES)}; name one of "
            "your own as package.module:function)"
        )
        raise PydanticCustomError("unknown_engine", "{message}", {"message": message})
    return name


EngineName = Annotated[str, AfterValidator(check_engine_name)]


@dataclass(frozen=True, config=STRICT)
class ExtractConfig:
    """The main text of a page."""

    engine: EngineName = "gristmill"  # or your own: package.module:function
    fallback: tuple[EngineName, ...] = ()  # engines that are tried, in this order, where the rules reject the text
    objective: Literal["balanced", "precision", "recall"] = "balanced"  # prefer precision or recall of the main text
    threshold: Fraction = 0.55  # gristmill: higher for precision, lower for recall
    format: Literal["text", "markdown"] = "text"  # markdown: trafilatura and gristmill
    comments: bool = False  # extract the comments of readers too
    timeout_seconds: Annotated[float, Field(gt=0)] = 10.0  # CPU seconds that a page may take in each stage
    min_characters: Annotated[int, Field(ge=0)] = 1  # a page with less text is dropped
    find_dates: bool = True  # by htmldate, in kept pages that do not state when they were published; 3 ms such a page

    def __post_init__(self) -> None:
        """Refuse what the engine cannot do. Raises ValueError."""
        engines = (self.engine, *self.fallback)
        if self.format == "markdown" and "resiliparse" in engines:
            raise ValueError("resiliparse has no markdown; name gristmill or trafilatura as extract engines")
        for name in (name for name in self.fallback if engines.count(name) > 1):
            raise ValueError(f"extract.fallback: {name} is named twice; an engine gives the same text again")
        options = {
            "objective": self.objective != "balanced",
            "format": self.format != "text",
            "comments": self.comments,
        }
        for name in filter(is_own_engine, engines):
            for option in (option for option, given in options.items() if given):
                raise ValueError(f"{name} is not asked for extract.{option}; leave it out")
