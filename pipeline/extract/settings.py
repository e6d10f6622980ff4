"""Settings of the quality score."""

from pydantic.dataclasses import dataclass

from pipeline.settings import STRICT, Fraction


@dataclass(frozen=True, config=STRICT)
class QualityConfig:
    """The Wikipedia-reference classifier: its score is a column and a weight, never a default cut."""

    model: str | None = None  # the folder that `python -m classifiers train` wrote
    min_score: Fraction | None = None  # a page with a lower score is dropped; null: scores drop nothing
