"""The mixture: the weight of a page by its domain, type, language and quality bucket. Pure functions.

A weight is how often a page is published: 1 once, 2 twice, 0.5 half of the pages. The weights of the config multiply.
Where shares are asked for, iterative proportional fitting (Deming & Stephan 1940) scales the weights of all cells
(domain, type, language, quality bucket) until every share holds. The mixture keeps the size that it would have without
shares, as far as the floor and the cap on repeats allow.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pipeline.publish.distribution import ScoreDistribution
from pipeline.publish.settings import SharesConfig, WeightsConfig

FITTING_ROUNDS = 200  # a fixed number, so that nothing depends on how fast it converges; 20 are enough for most


PartName = str | int | None  # a domain, a type, a language or a bucket; None: all parts of a dimension without a share


class MixtureCell(NamedTuple):
    """The pages that share a domain, a language, a quality bucket and a type.

    `bucket` is None for pages without a score, `page_type` empty for those without a type.
    """

    domain: str
    language: str
    bucket: int | None
    page_type: str = ""


class CellWeight(NamedTuple):
    """How often the mixture wants the pages of a cell, and the weight within the floor and the cap on repeats."""

    wanted: float
    weight: float


class ShareTarget(NamedTuple):
    """The shares of the mixture's bytes that the named parts of one dimension are to have; they sum to at most 1."""

    dimension: Literal["domain", "page_type", "language", "bucket"]
    shares: Mapping[PartName, float]


class CorpusTotals(NamedTuple):
    """What a page's decision needs to know of all pages: bytes by domain, the scores, the draws for validation."""

    domains: Mapping[str, int]
    scores: ScoreDistribution
    draws: tuple[float, float] = (0.0, 0.0)  # the lowest and the highest number that a site drew for validation
    fitted: Mapping[MixtureCell, CellWeight] = {}  # empty where no shares are asked for


def count_buckets(weights: WeightsConfig) -> int:
    """Return into how many quality buckets the weights or the shares cut the scores."""
    return len(weights.quality) or len(weights.shares.quality)


def encode_cell(cell: MixtureCell) -> str:
    """Return a cell as JSON: a key whose bytes are equal on every worker."""
    return json.dumps(cell)


def decode_cell(key: str) -> MixtureCell:
    """Return the cell of a key."""
    return MixtureCell(*json.loads(key))


def temperature_factor(domain: str, sizes: Mapping[str, int], temperature: float) -> float:
    """Return how much a temperature raises or lowers a domain: its share ^ (1 / T), normalised, over its share."""
    whole = sum(sizes.values())
    if temperature == 1.0 or not whole:
        return 1.0
    shares = {name: size / whole for name, size in sizes.items() if size}
    flat = {name: share ** (1 / temperature) for name, share in shares.items()}
    return flat[domain] / sum(flat.values()) / shares[domain] if domain in shares else 1.0


def multiply_weights(cell: MixtureCell, sizes: Mapping[str, int], weights: WeightsConfig) -> float:
    """Return the product of a cell's weights. `sizes` are bytes by domain."""
    factor = weights.domains.get(cell.domain, 1.0) * weights.languages.get(cell.language, 1.0)
    factor *= next((weight for name, weight in weights.types.items() if name == cell.page_type), 1.0)
    factor *= weights.quality[cell.bucket] if weights.quality and cell.bucket is not None else 1.0
    return factor * temperature_factor(cell.domain, sizes, weights.temperature)


def weigh_cell(cell: MixtureCell, totals: CorpusTotals, weights: WeightsConfig) -> CellWeight:
    """Return the weight of a cell's pages: the fitted one where shares are asked for, else the product of weights."""
    if totals.fitted:
        return totals.fitted[cell]
    wanted = multiply_weights(cell, totals.domains, weights)
    return CellWeight(wanted, min(max(wanted, weights.min_weight if wanted else 0.0), weights.max_repeats))


def share_targets(shares: SharesConfig) -> list[ShareTarget]:
    """Return the shares that are asked for, a target for each dimension that has any."""
    targets = [
        ShareTarget("domain", {name: share for name, share in shares.domains.items()}),
        ShareTarget("page_type", {name: share for name, share in shares.types.items()}),
        ShareTarget("language", {name: share for name, share in shares.languages.items()}),
        ShareTarget("bucket", {number: share for number, share in enumerate(shares.quality)}),
    ]
    return [target for target in targets if target.shares]


def fit_shares(
    sizes: Mapping[MixtureCell, int], totals: CorpusTotals, weights: WeightsConfig
) -> dict[MixtureCell, CellWeight]:
    """Return each cell's weight by the shares that are asked for; {} where none are. `sizes` are bytes."""
    targets = share_targets(weights.shares)
    if not targets:
        return {}
    natural = {cell: multiply_weights(cell, totals.domains, weights) for cell in sizes}
    return fit_weights(sizes, natural, targets, weights.min_weight, weights.max_repeats)


def fit_weights(
    sizes: Mapping[MixtureCell, int],
    natural: Mapping[MixtureCell, float],
    targets: Sequence[ShareTarget],
    least: float,
    most: float,
) -> dict[MixtureCell, CellWeight]:
    """Return each cell's weight after fitting, within [least, most].

    `sizes` are bytes. `natural` has the weights that hold without shares; a weight of 0 stays 0. Parts without a share
    divide the rest as they would without shares. A share of a part that no page is in goes to all others in proportion.
    """
    cells = sorted((cell for cell in sizes if sizes[cell] and natural[cell]), key=lambda cell: repr(tuple(cell)))
    wanted = scale_weights({cell: natural[cell] for cell in cells}, sizes, targets, 0.0, float("inf"))
    weights = scale_weights({cell: natural[cell] for cell in cells}, sizes, targets, least, most)
    return {cell: CellWeight(wanted.get(cell, 0.0), weights.get(cell, 0.0)) for cell in sizes}


def scale_weights(
    weights: dict[MixtureCell, float],
    sizes: Mapping[MixtureCell, int],
    targets: Sequence[ShareTarget],
    least: float,
    most: float,
) -> dict[MixtureCell, float]:
    """Return the weights after FITTING_ROUNDS of scaling each dimension's parts to their shares, within the bounds."""
    whole = sum(sizes[cell] * weight for cell, weight in weights.items())
    named = [(target.shares, named_parts(weights, target)) for target in targets]
    for _ in range(FITTING_ROUNDS):
        for shares, parts in named:
            have: dict[PartName, float] = {}
            for cell, weight in weights.items():
                have[parts[cell]] = have.get(parts[cell], 0.0) + sizes[cell] * weight
            ratios = scale_ratios(shares, have, whole)
            for cell, weight in weights.items():
                weights[cell] = min(max(weight * ratios.get(parts[cell], 1.0), least), most)
    return weights


def named_parts(cells: Mapping[MixtureCell, float], target: ShareTarget) -> dict[MixtureCell, PartName]:
    """Return the part of a target that each cell is in; None for cells in a part without a share."""
    parts = {cell: getattr(cell, target.dimension) for cell in cells}
    return {cell: part if part in target.shares else None for cell, part in parts.items()}


def scale_ratios(
    shares: Mapping[PartName, float], have: Mapping[PartName, float], whole: float
) -> dict[PartName, float]:
    """Return by how much each part is to be scaled, so that it has its share of `whole` bytes; None is the rest."""
    rest = max(0.0, 1 - sum(shares.values()))
    asked = {part: rest if part is None else shares[part] for part, size in have.items() if size}
    present = sum(asked.values()) or 1.0  # a part that no page is in leaves its share to the others
    return {part: share / present * whole / have[part] for part, share in asked.items()}
