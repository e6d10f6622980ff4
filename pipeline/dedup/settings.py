"""Settings of deduplication, and the parameters that follow from them."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.settings import STRICT, Positive
from pipeline.text.line_keys import LINE_PRESETS, LineParams
from pipeline.text.minhash import MINHASH_PRESETS, MinHashParams, optimal_bands


@dataclass(frozen=True, config=STRICT)
class LinesConfig:
    """Lines that many pages have: they go, and the pages stay. What is null is as the preset has it."""

    preset: Literal["roots", "ccnet", "c4", "c4_paper"] = "roots"  # what each is: pipeline/text/line_keys.py
    scope: Literal["site", "corpus"] | None = None  # whose pages are compared: of one site, or all
    unit: Literal["line", "paragraph", "sentences"] | None = None  # paragraph: up to an empty line; sentences: three
    min_pages: Annotated[int, Field(ge=2)] | None = None  # so many pages of the scope must have it
    keep: Literal["one", "none"] | None = None  # one: it stays in the page whose address and id have the lowest hash
    min_characters: Positive | None = None  # a shorter one always stays
    normalize_digits: bool | None = None  # lines that differ in digits alone are one line
    min_remaining_characters: Annotated[int, Field(ge=0)] | None = (
        None  # a page that loses lines must have so many left ...
    )
    min_remaining_sentences: Annotated[int, Field(ge=0)] | None = (
        None  # ... or it is not published: held out, repeated-lines
    )

    def line_params(self) -> LineParams:
        """Return the preset's parameters with what is set here over them."""
        mine = {name: getattr(self, name) for name in LineParams._fields}
        return LINE_PRESETS[self.preset]._replace(**{name: value for name, value in mine.items() if value is not None})


@dataclass(frozen=True, config=STRICT)
class DedupConfig:
    """Which duplicates are dropped. Candidates by MinHash count only once their exact Jaccard is known."""

    url: bool = True  # of the captures of one canonical URL, keep the newest
    exact: bool = True  # of pages with the same normalised text, keep one
    near: bool = True  # of near duplicates, keep one
    preset: Literal["fineweb", "dolma3", "datasketch"] = "fineweb"  # 14 x 8; 26 x 11; optimal for the threshold
    shingle: Positive | None = None  # words a shingle; null: the preset's
    bands: Positive | None = None  # null: the preset's
    rows: Positive | None = None  # hashes a band; null: the preset's
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8  # exact Jaccard of the shingle sets
    keep_policy: Literal["longest", "earliest", "best"] = "longest"  # best: by quality score
    preferred_sites: tuple[
        str, ...
    ] = ()  # sites (or domains) whose pages stay before all others, the first named first
    previous_outputs: tuple[str, ...] = ()  # earlier outputs, whose pages stay: copies of them are dropped here
    repeated_lines: LinesConfig | None = None  # null: off

    def line_params(self) -> LineParams | None:
        """Return the parameters of repeated lines; None if repeated lines are not removed."""
        return self.repeated_lines.line_params() if self.repeated_lines else None

    def minhash_params(self) -> MinHashParams:
        """Return the preset's parameters with what is set here over them."""
        if self.preset == "datasketch":
            preset = MinHashParams(5, *optimal_bands(self.threshold))
        else:
            preset = MINHASH_PRESETS[self.preset]
        return MinHashParams(self.shingle or preset.shingle, self.bands or preset.bands, self.rows or preset.rows)
