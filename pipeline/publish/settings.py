"""Settings of publishing: sampling weights, decontamination, the shards, the tokenizer."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from pipeline.settings import STRICT, Fraction, Positive, suggest_name
from pipeline.url.topic_by_address import DOMAINS

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Shares = TypeVar("Shares", dict[str, float], tuple[float, ...])


def check_domain(name: str) -> str:
    """Return the name of a domain. Raises PydanticCustomError for a name that no page can have."""
    if name not in DOMAINS:
        message = f"no such domain{suggest_name(name, DOMAINS)} (the domains are {', '.join(DOMAINS)})"
        raise PydanticCustomError("unknown_domain", "{message}", {"message": message})
    return name


def check_shares(shares: Shares) -> Shares:
    """Return shares of one whole. Raises PydanticCustomError if their sum is more than 1."""
    total = sum(shares.values() if isinstance(shares, Mapping) else shares)
    if total > 1 + 1e-9:
        raise PydanticCustomError("shares", "{message}", {"message": f"the shares add up to {total:g}, more than 1"})
    return shares


def check_source_shares(shares: dict[str, float | None]) -> dict[str, float | None]:
    """Return the shares of extra sources. Raises PydanticCustomError if they leave no room for pages of the crawl."""
    total = sum(share for share in shares.values() if share is not None)
    if total >= 1:
        message = (
            f"the shares add up to {total:g}; leave room for the best pages of the crawl, or give a source null: "
            "each of its texts once"
        )
        raise PydanticCustomError("shares", "{message}", {"message": message})
    return shares


Domain = Annotated[str, AfterValidator(check_domain)]
PageType = Literal["article", "documentation", "forum", "product", "service", "listing"]


@dataclass(frozen=True, config=STRICT)
class SharesConfig:
    """The shares that parts of the mixture are to have of its bytes. Other parts divide the rest by weight."""

    # shares by domain
    domains: Annotated[dict[Domain, Fraction], AfterValidator(check_shares)] = Field(default_factory=dict)
    # shares by page type
    types: Annotated[dict[PageType, Fraction], AfterValidator(check_shares)] = Field(default_factory=dict)
    # shares by language
    languages: Annotated[dict[str, Fraction], AfterValidator(check_shares)] = Field(default_factory=dict)
    quality: Annotated[tuple[Fraction, ...], AfterValidator(check_shares)] = ()  # by quality bucket, the worst first


@dataclass(frozen=True, config=STRICT)
class DsirConfig:
    """Importance resampling towards a target corpus (DSIR, Xie et al. 2023). It comes before all other weights."""

    target: str | None = None  # Parquet or JSONL with a column text, or plain text: a file, folder or glob; null: off
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5  # the share of the text that is drawn, in bytes
    buckets: Annotated[int, Field(ge=16, le=1 << 20)] = 10_000  # for the hashes of words and of pairs of words


@dataclass(frozen=True, config=STRICT)
class TopicsConfig:
    """A classifier of topics. The mixture counts a page under its topic instead of the domain by its address."""

    # shipped: the classifier of the package; or the folder that `gristmill classifiers topics` wrote; null: off
    model: str | None = None
    min_score: Fraction = 0.5  # a page with a lower score counts under the domain by its address


@dataclass(frozen=True, config=STRICT)
class WeightsConfig:
    """The mixture: how often pages are published: 1 once, 2 twice, .5 half of the pages, 0 none. Weights multiply."""

    domains: dict[Domain, Weight] = Field(default_factory=dict)  # weights by domain
    types: dict[PageType, Weight] = Field(default_factory=dict)  # weights by page type
    languages: dict[str, Weight] = Field(default_factory=dict)  # weights by language
    quality: tuple[Weight, ...] = ()  # a weight for each quality bucket (quantiles of the scores), the worst first
    temperature: Annotated[float, Field(gt=0)] = 1.0  # 1: none; a higher one makes the domains' shares more equal
    shares: SharesConfig = SharesConfig()  # shares to reach; the weights above are scaled until they hold
    dsir: DsirConfig = DsirConfig()
    topics: TopicsConfig = TopicsConfig()
    min_weight: Fraction = 0.0  # the least weight of a page; a weight of 0 stays 0
    max_repeats: Annotated[float, Field(ge=1)] = 4.0  # the most copies of a page
    max_pages_per_site: Positive | None = None  # a hash draws the pages that are published; null: no limit

    @model_validator(mode="after")
    def check_bucket_counts(self) -> "WeightsConfig":
        """Raise PydanticCustomError if weights and shares have different numbers of quality buckets."""
        mine, asked = len(self.quality), len(self.shares.quality)
        if mine and asked and mine != asked:
            message = f"quality has {mine} buckets and shares.quality {asked}; give both the same number"
            raise PydanticCustomError("buckets", "{message}", {"message": message})
        return self


@dataclass(frozen=True, config=STRICT)
class DecontaminateConfig:
    """Pages that have items of evaluation sets, found by n-grams and by questions. Every hit is listed."""

    sets: tuple[str, ...] = ()  # files, folders, globs: JSONL, JSON, CSV, TSV, text; .gz, .xz, .bz2, tar; empty: off
    ngram: Annotated[int, Field(ge=3, le=64)] = 13  # words of a hit (13: GPT-3, appendix C)
    # a question is a hit as a whole, if it has at least these words; under 8 words only word for word
    min_question_words: Annotated[int, Field(ge=4, le=64)] = 8
    # the share of a question's words, and of their weight by rarity, that must agree; 1: word for word
    min_overlap: Annotated[float, Field(ge=0.5, le=1)] = 0.75
    action: Literal["drop", "mask"] = "drop"  # drop: the page is not published; mask: "[...]" replaces the span


@dataclass(frozen=True, config=STRICT)
class PublishConfig:
    """The splits of the corpus and the size of its shards."""

    validation: Fraction = 0.01  # the share of the sites whose pages are the validation split
    anneal: Fraction = 0.05  # the share of the train pages, best quality first, that anneal/ repeats
    # the most of these that are of one domain, as long as other domains have scored pages left; 1: no limit
    anneal_max_domain: Fraction = 0.25
    anneal_max_type: Fraction = 0.5  # the same by page type
    # good texts for anneal/ (Parquet, JSONL, text), each with its share of the bytes of anneal/; null: each text once
    extra_anneal_sources: Annotated[dict[str, Fraction | None], AfterValidator(check_source_shares)] = Field(
        default_factory=dict
    )
    # of text in a shard, before compression; a worker holds a shard in memory
    shard_mb: Annotated[int, Field(gt=0, le=1024)] = 256
    format: Literal["parquet", "jsonl.zst"] = "parquet"  # of corpus/; jsonl.zst: JSON lines in Dolma's shape
    # token files in tokens/: megatron (.bin, .idx), datatrove (.ds, .ds.index; nanotron reads them); null: none
    tokens: Literal["megatron", "datatrove"] | None = None


@dataclass(frozen=True, config=STRICT)
class TokenizerConfig:
    """The tokenizer of the corpus: a byte-level BPE that is trained on it, or a given one."""

    file: str | None = None  # a tokenizer.json, or the folder that has it, to use instead of training one
    end_of_text: str = "<|endoftext|>"  # the token after each document in tokens/; a given tokenizer must have it
    vocab_size: Annotated[int, Field(ge=300, le=1_000_000)] = 32_768  # tokens, special tokens included
    sample_mb: Positive = 200  # of text to train on, spread evenly over the shards
    max_digits: Annotated[int, Field(ge=1, le=3)] = 2  # digits that one token may hold
