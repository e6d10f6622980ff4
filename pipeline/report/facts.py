"""What the dataset card and the report share: the templates, and the numbers that both show.

Nothing in here knows the time of day, the machine or the number of workers, so that a paper's bytes depend on the run's
result alone.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import jinja2

from pipeline import __version__
from pipeline.config import NOT_RESULT, NOT_RESULT_INPUT, Config, config_values, read_recipes
from pipeline.filters.chain import built_in_filters
from pipeline.io.ledger import Ledger, LedgerTotals

# The order in which a page meets the stages (pipeline/extract/job.py).
STAGES = (
    "record", "url", "http", "mime", "robots", "extract", "language",
    *built_in_filters(), "quality",
)  # fmt: skip
DUPLICATES = {
    "url": "another capture of the same canonical URL stays",
    "exact": "a page of the same text stays, but for case and white space",
    "near": "a page of nearly the same text stays; confirmed by the exact Jaccard of their shingles",
}


class Loss(NamedTuple):
    """A stage or a reason, with the pages that it took and those left after it."""

    name: str
    pages: int
    left: int


class Step(NamedTuple):
    """A stage and its reasons, the largest first."""

    stage: Loss
    reasons: list[Loss]


class Part(NamedTuple):
    """A part of the mix: pages, and its share of the tokens among all candidates, as wanted, and in the train split."""

    name: str
    pages: int
    before: float
    target: float
    after: float
    tokens: int = 0  # in the train split, about


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a template of `templates/` filled in; in HTML everything that it is given is escaped."""
    loader = jinja2.PackageLoader("pipeline.report", "templates")
    made = jinja2.Environment(
        loader=loader,
        autoescape=template.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"n": lambda n: f"{n:,}", "size": size, "share": share}
    return made.get_template(template).render(values)


def size(n: float) -> str:
    """Return a number of bytes for reading, in powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:,.0f} {unit}" if unit == "bytes" or n >= 100 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:,.1f} TB"


def share(part: float) -> str:
    """Return a share as a percentage; what is not nothing is never shown as 0."""
    return "<0.1%" if 0 < part < 0.0005 else f"{part:.1%}"


def of(n: float, whole: float) -> float:
    """Return a share; 0 of nothing."""
    return n / whole if whole else 0.0


def stage_place(stage: str) -> float:
    """Return where in a page's way a stage comes. A filter of the user's own comes after the built-in filters."""
    return STAGES.index(stage) if stage in STAGES else STAGES.index("quality") - 0.5


def funnel(totals: LedgerTotals) -> list[Step]:
    """Return every loss from responses to published pages, in the order in which a page meets the stages."""
    by_stage: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for key, pages in totals.rejected.items():
        stage, _, reason = key.partition("/")
        by_stage[stage].append((reason, pages))
    losses = sorted(by_stage.items(), key=lambda item: (stage_place(item[0]), item[0]))
    losses += [("duplicates", list(totals.duplicates.items())), ("held out", list(totals.held_out.items()))]
    steps, left = [], totals.responses
    for stage, counts in losses:
        counts = [(reason, pages) for reason, pages in counts if pages]
        if not counts:
            continue
        start, reasons = left, []
        for reason, pages in sorted(counts, key=lambda item: (-item[1], item[0])):
            left -= pages
            reasons.append(Loss(reason, pages, left))
        steps.append(Step(Loss(stage, start - left, left), reasons))
    return steps


def mixture(facts: Mapping[str, Any]) -> dict[str, list[Part]]:
    """Return the mix by kind (domain, language, quality): each part's pages and its shares, the largest first.

    Bytes are told as tokens by each language's bytes per token, where it was among the tokenizer's sample.
    """
    mixed: dict[str, list[Part]] = {}
    ratios = facts["tokenizer"]["bytes_per_token"]
    for kind, parts in facts["publish"]["mixture"].items():
        by_language = facts["publish"]["by_language"].get(kind, {})
        tokens = {}
        for name, sums in parts.items():
            languages = by_language.get(name, {name if kind == "language" else "all": sums})
            rows = [
                [
                    row[key] / ratios.get(language, ratios.get("all", 1.0))
                    for key in ("bytes", "wanted_bytes", "train_bytes")
                ]
                for language, row in languages.items()
            ]
            tokens[name] = [sum(column) for column in zip(*rows, strict=True)]
        wholes = [sum(column) for column in zip(*tokens.values(), strict=True)]
        mixed[kind] = []
        for name, sums in parts.items():
            before, target, after = map(of, tokens[name], wholes)
            mixed[kind].append(Part(name or "none", sums["pages"], before, target, after, round(tokens[name][2])))
    return mixed


def common(config: Config, book: Ledger, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that both templates show, by the names that they use."""
    totals, text_bytes = book.totals, train_bytes(facts)
    ratio = facts["tokenizer"]["bytes_per_token"].get("all")  # none where all pages went to validation
    return {
        "version": __version__,
        "recipe": config.recipe,
        "description": read_recipes().get(config.recipe, {}).get("description", ""),
        "totals": totals,
        "steps": funnel(totals),
        "of": of,
        "mixture": mixture(facts),
        "duplicates": [(kind, DUPLICATES[kind], n) for kind, n in totals.duplicates.items()],
        "clusters": facts["dedup"]["clusters"],
        "repeated_lines": facts["dedup"].get("lines", {}),
        "contaminated": facts["publish"]["contaminated"],
        "train_bytes": text_bytes,
        "train_tokens": int(text_bytes / ratio) if ratio else 0,
        "tokenizer": facts["tokenizer"],
        "bad_files": book.bad_files,
    }


def train_bytes(facts: Mapping[str, Any]) -> int:
    """Return the UTF-8 bytes of text in the train split, repeats included."""
    return sum(sums["train_bytes"] for sums in facts["publish"]["mixture"]["language"].values())


def settings(config: Config) -> dict[str, Any]:
    """Return the part of the effective config that decides the result: not where it is written, nor how fast."""
    values = {key: value for key, value in config_values(config).items() if key not in NOT_RESULT}
    return values | {"input": {key: v for key, v in values["input"].items() if key not in NOT_RESULT_INPUT}}


def thresholds(config: Config) -> list[tuple[str, str]]:
    """Return a line of settings for each stage that is on, in the order of the stages."""
    values = settings(config)
    minhash = config.dedup.minhash_params()
    values["dedup"] |= {"shingle": minhash.shingle, "bands": minhash.bands, "rows": minhash.rows}
    if config.dedup.repeated_lines:
        values["dedup"]["repeated_lines"] = config.dedup.repeated_lines.line_params()._asdict()
    weights, sources = values["weights"], config.publish.extra_anneal_sources
    weights |= {"dsir": weights["dsir"] if config.weights.dsir.target else None}
    weights |= {"topics": weights["topics"] if config.weights.topics.model else None}
    values["publish"]["extra_anneal_sources"] = {s: "as it comes" if n is None else n for s, n in sources.items()}
    stages = {
        **{name: values[name] for name in ("url", "robots", "extract", "language")},
        **values["rules"],
        **{name: values[name] for name in ("pii", "quality", "dedup")},
        **({"decontaminate": values["decontaminate"]} if config.decontaminate.sets else {}),
        **{name: values[name] for name in ("weights", "publish", "tokenizer")},
    }
    lines = []
    for name, stage in stages.items():
        said = [f"{key} {plain(value)}" for key, value in (stage or {}).items() if given(value)]
        lines += [(name, "; ".join(said))] if said else []
    return lines


def given(value: Any) -> bool:
    """Return whether a setting says anything: null and empty ones do not."""
    if isinstance(value, dict):
        return any(map(given, value.values()))
    return value is not None and value != []


def plain(value: Any) -> str:
    """Return a setting's value for reading."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items() if given(item))
    return str(value)
