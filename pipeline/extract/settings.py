"""Settings of the extract job's own: the quality score, and stages of the user's own between ours."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic.dataclasses import dataclass

from pipeline.io.plugins import find_source_file, make_object, snake_case_name
from pipeline.settings import STRICT, ConfigError, Fraction, suggest_name

# The transforms of a page, in order, and the names under which the ledger counts the pages that each rejects.
STAGES: dict[str, tuple[str, ...]] = {
    "read_crawl": ("record", "url", "http", "mime", "robots"),
    "prefilter_language": (),  # "language" too; it is listed where the language is known
    "extract_text": ("extract",),
    "identify_language": ("language",),
    "filter_quality": (),  # those of the filters
    "mask_pii": (),
    "score_quality": ("quality",),
    "add_metadata": (),
    "sign_minhash": (),
}


@dataclass(frozen=True, config=STRICT)
class QualityConfig:
    """The quality score of an ensemble of classifiers. Only the recipe `default` drops pages by it."""

    score: bool = True  # false: no page has a score
    model: str | None = None  # one more member, reference: the folder that `gristmill classifiers train` wrote
    min_score: Fraction | None = None  # a page with a lower score is dropped; null: scores drop nothing
    # a page with a lower worth is dropped: its quality score, with more for a longer text (docs/keeping.md)
    min_worth: Fraction | None = None


class OwnStage(NamedTuple):
    """A stage of the user's own: `{after: identify_language, use: "package.module:MyStage", ...its settings}`."""

    name: str  # in the ledger: "package.module:TagLinksStage" is tag_links
    after: str
    use: str
    settings: Mapping[str, Any]
    key: str  # of the config

    @property
    def place(self) -> str:
        """Return how an error names the stage."""
        return f"{self.key} ({self.use})"

    def make(self) -> Any:
        """Return the stage's object: one with a method `process_pages`, or a Beam transform. Raises ConfigError."""
        made = make_object(self.use, self.settings, self.key, ("after", "use"))
        if not callable(getattr(made, "process_pages", None)) and not is_transform(made):
            raise ConfigError(
                f"{self.key}.use: {self.use} is no stage; give it a method process_pages(pages), or derive it from "
                "beam.PTransform"
            )
        return made


def is_transform(made: object) -> bool:
    """Tell whether an object is a Beam transform, without importing Beam."""
    return any(cls.__module__ == "apache_beam.transforms.ptransform" for cls in type(made).__mro__)


def read_own_stages(entries: Sequence[Mapping[str, Any]], taken: Sequence[str]) -> list[OwnStage]:
    """Return the stages of a config's `stages`, in their order. `taken` are the names of filters.

    Raises ConfigError where an entry lacks a key, names no stage of ours, or gives a name that another stage has.
    """
    found: list[OwnStage] = []
    names = {*STAGES, *taken, *(name for names in STAGES.values() for name in names)}
    for number, entry in enumerate(entries):
        key = f"stages.{number}"
        for name in ("after", "use"):
            if not isinstance(entry.get(name), str):
                raise ConfigError(f"{key}.{name}: this key is required: {{after: STAGE, use: package.module:MyStage}}")
        after, use = entry["after"], entry["use"]
        if after not in STAGES:
            raise ConfigError(
                f"{key}.after: {after!r} is no stage{suggest_name(after, STAGES)} (the stages are {', '.join(STAGES)})"
            )
        name = snake_case_name(use, "Stage")
        if name in names:
            raise ConfigError(f"{key}.use: {use!r} makes a second stage {name!r}; give the class another name")
        names.add(name)
        settings = {name: value for name, value in entry.items() if name not in ("after", "use")}
        found.append(OwnStage(name, after, use, settings, key))
    return found


def own_stage_files(entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return (config key, path) of the file that each stage of the user's own is written in. Raises ConfigError."""
    files = [(stage.key, find_source_file(type(stage.make()))) for stage in read_own_stages(entries, ())]
    return [(key, path) for key, path in files if path]


def list_stages(entries: Sequence[Mapping[str, Any]], filters: Sequence[str]) -> list[str]:
    """Return the names under which the ledger counts rejected pages, in the order in which a page meets the stages.

    `entries` are the config's `stages`, `filters` the names of the filters, in their order.
    """
    own = read_own_stages(entries, filters)
    order: list[str] = []
    for stage, names in STAGES.items():
        order += filters if stage == "filter_quality" else names
        order += [one.name for one in own if one.after == stage]
    return order
