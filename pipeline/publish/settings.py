"""Settings of publishing: sampling weights, decontamination, the shards, the tokenizer."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from pipeline.settings import STRICT, Fraction, Positive, suggest_name
from pipeline.url.topic_by_address import DOMAINS

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def known_domain(name: str) -> str:
    """Return a domain's name. Raises PydanticCustomError for one that no page is ever given."""
    if name not in DOMAINS:
        message = f"no such domain{suggest_name(name, DOMAINS)} (the domains are {', '.join(DOMAINS)})"
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

    # shares by domain
    domains: Annotated[dict[Domain, Fraction], AfterValidator(at_most_one)] = Field(default_factory=dict)
    # shares by language
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

    domains: dict[Domain, Weight] = Field(default_factory=dict)  # weights by domain
    languages: dict[str, Weight] = Field(default_factory=dict)  # weights by language
    quality: tuple[Weight, ...] = ()  # a weight per quality bucket, worst first (quantiles)
    temperature: Annotated[float, Field(gt=0)] = 1.0  # 1 natural; above it flattens the shares of the domains
    shares: SharesConfig = SharesConfig()  # targets, by which all of the weights above are scaled
    dsir: DsirConfig = DsirConfig()
    topics: TopicsConfig = TopicsConfig()
    min_weight: Fraction = 0.0  # the least weight of a page, but of one that a weight of 0 shuts out
    max_repeats: Annotated[float, Field(ge=1)] = 4.0  # the most copies of a page
    max_pages_per_site: Positive | None = None  # null: no limit

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
    min_question_words: Annotated[int, Field(ge=3, le=64)] = (
        8  # a question of fewer words than `ngram`, but so many, counts whole
    )
    action: Literal["drop", "mask"] = "drop"  # the page; or the span, which becomes "[...]"


@dataclass(frozen=True, config=STRICT)
class PublishConfig:
    """How the corpus is cut."""

    validation: Fraction = 0.01  # share of the sites' pages held for validation, by site
    anneal: Fraction = 0.05  # share of the train pages, best quality first, repeated in anneal/
    # clean texts for anneal/ (Parquet, JSONL, text), each with its share of anneal/'s bytes; null: as it comes, once
    extra_anneal_sources: Annotated[dict[str, Fraction | None], AfterValidator(less_than_all)] = Field(
        default_factory=dict
    )
    shard_mb: Annotated[int, Field(gt=0, le=1024)] = 256  # text per shard, before compression; held in memory whole


@dataclass(frozen=True, config=STRICT)
class TokenizerConfig:
    """The byte-level BPE trained on the published corpus."""

    vocab_size: Annotated[int, Field(ge=300, le=1_000_000)] = 32_768  # tokens, special tokens included
    sample_mb: Positive = 200  # text it is trained on, spread over the shards
    max_digits: Annotated[int, Field(ge=1, le=3)] = 2  # digits that one token may hold
