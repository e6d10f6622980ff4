"""The facts that the dataset card, the report and `inspect` show: the funnel, the mixture, the settings.

The facts follow from the run's result alone: not from the time, the machine or the number of workers. So the files made
from them have the same bytes each time.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline import __version__
from pipeline.config import NOT_RESULT, NOT_RESULT_INPUT, Config, config_values, read_recipes
from pipeline.dedup.settings import DedupConfig
from pipeline.extract.settings import list_stages, read_own_stages
from pipeline.filters.chain import built_in_filters, filter_names
from pipeline.io.dedup_result import ClusterFacts, DedupResult
from pipeline.io.ledger import Ledger, LedgerTotals
from pipeline.publish.result import ByteSums, ContaminationCounts, PublishResult, TokenizerResult

DUPLICATE_KINDS = {
    "url": "another capture of the same canonical URL is kept",
    "exact": "a page with the same text is kept, apart from case and white space",
    "near": "a page with nearly the same text is kept; the exact Jaccard similarity of their shingles confirms it",
}
DUPLICATE_STAGE = "duplicate"


class FunnelRow(NamedTuple):
    """A stage or a reason: the pages that it dropped, and the pages that were left after it."""

    name: str
    pages: int
    left: int


class FunnelStage(NamedTuple):
    """A stage of the funnel and its reasons, the reason with the most pages first."""

    stage: FunnelRow
    reasons: list[FunnelRow]


class MixtureRow(NamedTuple):
    """A part of the mixture: its pages, its shares of the bytes, and its tokens in train (estimated).

    The shares are those of all candidates, those that the weights ask for, and those in train: in bytes, as
    `weights.shares` has them. `token_share` is that of the tokens in train.
    """

    name: str
    pages: int
    before: float
    target: float
    after: float
    token_share: float = 0.0
    tokens: int = 0


class FallbackRow(NamedTuple):
    """An engine of `extract.fallback`: the pages that it was tried on, and those that are kept with its text."""

    engine: str
    tried: int
    kept: int


@dataclass(frozen=True)
class RunResults:
    """The results of the jobs of a run that has published."""

    dedup: DedupResult
    publish: PublishResult
    tokenizer: TokenizerResult


@dataclass(frozen=True)
class SharedFacts:
    """What both the dataset card and the report show."""

    version: str
    recipe: str
    description: str  # of the recipe
    totals: LedgerTotals
    steps: list[FunnelStage]
    fallback: list[FallbackRow]
    mixture: dict[str, list[MixtureRow]]
    duplicates: list[tuple[str, str, int]]  # kind, what it means, pages
    clusters: ClusterFacts
    repeated_lines: dict[str, list[int]]
    contaminated: ContaminationCounts
    train_bytes: int
    train_tokens: int
    tokenizer: TokenizerResult
    bad_files: dict[str, str]


def collect_facts(config: Config, ledger: Ledger, results: RunResults) -> SharedFacts:
    """Return what both the dataset card and the report show."""
    train_bytes = count_train_bytes(results.publish)
    duplicates = ledger.totals.duplicates.items()
    return SharedFacts(
        version=__version__,
        recipe=config.recipe,
        description=read_recipes().get(config.recipe, {}).get("description", ""),
        totals=ledger.totals,
        steps=build_funnel(ledger.totals, order_stages(config)),
        fallback=list_fallback(ledger.totals),
        mixture=build_mixture(results.publish, results.tokenizer),
        duplicates=[(kind, DUPLICATE_KINDS[kind], pages) for kind, pages in duplicates],
        clusters=results.dedup["clusters"],
        repeated_lines=results.dedup.get("lines", {}),
        contaminated=results.publish["contaminated"],
        train_bytes=train_bytes,
        train_tokens=results.tokenizer["tokens"]["train"],
        tokenizer=results.tokenizer,
        bad_files=ledger.bad_files,
    )


def list_fallback(totals: LedgerTotals) -> list[FallbackRow]:
    """Return the engines of `extract.fallback` that were tried, by name."""
    engines = [key.removesuffix("/tried") for key in totals.fallback if key.endswith("/tried")]
    return [FallbackRow(name, totals.fallback[f"{name}/tried"], totals.fallback[f"{name}/kept"]) for name in engines]


def fraction(part: float, whole: float) -> float:
    """Return `part / whole`, or 0 if `whole` is 0."""
    return part / whole if whole else 0.0


def order_stages(config: Config | None) -> tuple[str, ...]:
    """Return the names of the stages that can drop a page, in the order in which a page passes them.

    Filters and stages of the user's own are at their places. Without a config, only the built-in stages are known.
    """
    if config is None:
        return tuple(list_stages((), list(built_in_filters())))
    return tuple(list_stages(config.stages, filter_names(config.rules)))


def order_losses(totals: LedgerTotals, stages: Sequence[str]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Return the pages dropped at each stage, by reason: [(stage, [(reason, pages), ...]), ...].

    The stages are in the given order, and stages that are not listed follow by name. Then come duplicates, in the order
    of their passes, and what was held out. Of all other stages the reason with the most pages is first.
    """
    by_stage: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for key, pages in totals.rejected.items():
        stage, _, reason = key.partition("/")
        by_stage[stage].append((reason, pages))
    places = {stage: number for number, stage in enumerate(stages)}
    losses = sorted(by_stage.items(), key=lambda item: (places.get(item[0], len(places)), item[0]))
    losses += [(DUPLICATE_STAGE, [(kind, totals.duplicates[kind]) for kind in DUPLICATE_KINDS])]
    losses += [("held out", list(totals.held_out.items()))]
    ordered = []
    for stage, counts in losses:
        reasons = [(reason, n) for reason, n in counts if n]
        if stage != DUPLICATE_STAGE:
            reasons.sort(key=lambda item: (-item[1], item[0]))
        if reasons:
            ordered.append((stage, reasons))
    return ordered


def build_funnel(totals: LedgerTotals, stages: Sequence[str]) -> list[FunnelStage]:
    """Return what each stage dropped, from responses to published pages. `stages` gives their order."""
    funnel, left = [], totals.responses
    for stage, counts in order_losses(totals, stages):
        start, reasons = left, []
        for reason, pages in counts:
            left -= pages
            reasons.append(FunnelRow(reason, pages, left))
        funnel.append(FunnelStage(FunnelRow(stage, start - left, left), reasons))
    return funnel


def build_mixture(result: PublishResult, tokenizer: TokenizerResult) -> dict[str, list[MixtureRow]]:
    """Return the parts of the mixture by kind (domain, language, quality), the largest first.

    Tokens are estimated from bytes, by the bytes per token of each language that the tokenizer's sample had.
    """
    ratios = tokenizer["bytes_per_token"]
    mixture = {}
    for kind, parts in result["mixture"].items():
        by_language = result["by_language"].get(kind, {})
        sizes = [(sums["bytes"], sums["wanted_bytes"], sums["train_bytes"]) for sums in parts.values()]
        wholes = [sum(column) for column in zip(*sizes, strict=True)]
        tokens = {
            name: estimate_tokens(by_language.get(name, {name if kind == "language" else "all": sums}), ratios)
            for name, sums in parts.items()
        }
        rows = []
        for (name, sums), mine in zip(parts.items(), sizes, strict=True):
            before, target, after = map(fraction, mine, wholes)
            share = fraction(tokens[name], sum(tokens.values()))
            rows.append(MixtureRow(name or "none", sums["pages"], before, target, after, share, round(tokens[name])))
        mixture[str(kind)] = rows
    return mixture


def estimate_tokens(by_language: Mapping[str, ByteSums], ratios: Mapping[str, float]) -> float:
    """Return the tokens of texts in train.

    `ratios` are bytes per token by language; a language without one has the ratio of all text.
    """
    return sum(
        sums["train_bytes"] / ratios.get(language, ratios.get("all", 1.0)) for language, sums in by_language.items()
    )


def count_train_bytes(result: PublishResult) -> int:
    """Return the UTF-8 bytes of text in the train split, with all copies."""
    return sum(sums["train_bytes"] for sums in result["mixture"]["language"].values())


def result_settings(config: Config) -> dict[str, Any]:
    """Return the settings that decide the result: not where it is written, nor how fast."""
    values = {key: value for key, value in config_values(config).items() if key not in NOT_RESULT}
    return values | {"input": {key: v for key, v in values["input"].items() if key not in NOT_RESULT_INPUT}}


def list_settings(config: Config) -> list[tuple[str, str]]:
    """Return (stage, settings) for each stage that is on, in the order of the stages. The settings are one line."""
    values = result_settings(config)
    rules = {name: rule for name, rule in values["rules"].items() if name != "custom"}
    rules |= dict(zip(filter_names(config.rules)[len(rules) :], values["rules"]["custom"], strict=True))
    own = read_own_stages(config.stages, filter_names(config.rules))
    rules |= {stage.name: entry for stage, entry in zip(own, values["stages"], strict=True)}
    before = {name: values[name] for name in ("url", "robots", "extract", "language")}
    after = list_later_settings(config, values)
    lines = []
    for name, stage in [*before.items(), *rules.items(), *after.items(), ("tokenizer", values["tokenizer"])]:
        said = [f"{key} {format_setting(value)}" for key, value in (stage or {}).items() if is_set(value)]
        lines += [(name, "; ".join(said))] if said else []
    return lines


def list_later_settings(config: Config, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of the stages behind the filters, what is off left out; `values` are the whole config's."""
    after = {name: values[name] for name in ("pii", "quality", "dedup", "decontaminate", "weights", "publish")}
    after["dedup"] |= effective_dedup_settings(config.dedup)
    after["decontaminate"] = after["decontaminate"] if config.decontaminate.sets else None
    after["weights"]["dsir"] = after["weights"]["dsir"] if config.weights.dsir.target else None
    after["weights"]["topics"] = after["weights"]["topics"] if config.weights.topics.model else None
    sources = config.publish.extra_anneal_sources
    after["publish"]["extra_anneal_sources"] = {
        source: "once each" if weight is None else weight for source, weight in sources.items()
    }
    return after


def effective_dedup_settings(config: DedupConfig) -> dict[str, object]:
    """Return the parameters of dedup that follow from its presets."""
    minhash = config.minhash_params()
    found: dict[str, object] = {"shingle": minhash.shingle, "bands": minhash.bands, "rows": minhash.rows}
    if config.repeated_lines:
        found["repeated_lines"] = config.repeated_lines.line_params()._asdict()
    return found


def is_set(value: object) -> bool:
    """Return whether a setting has a value: neither null, nor an empty list, nor a mapping of such values."""
    if isinstance(value, dict):
        return any(map(is_set, value.values()))
    return value is not None and value != []


def format_setting(value: object) -> str:
    """Return the value of a setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {format_setting(item)}" for key, item in value.items() if is_set(item))
    return str(value)
