"""Explicit shares: the weights that bring a mix to what is asked for, by domain, language and quality bucket at once.

Iterative proportional fitting (Deming & Stephan 1940) over the cells (domain, language, bucket): each kind's parts are
scaled to their shares in turn, until all hold. The mix keeps the size that it would have without, as far as caps allow.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

ROUNDS = 200  # a fixed number, so that nothing depends on how fast it converges; 20 do where the kinds agree

Cell = tuple[str, str, int | None]  # domain, language, quality bucket


class Factor(NamedTuple):
    """How often the mix wants the pages of a cell, and what the floor and the cap on repeats leave of that."""

    wanted: float
    weight: float


def fit(
    sizes: Mapping[Cell, int],
    natural: Mapping[Cell, float],
    shares: Iterable[tuple[int, Mapping[Any, float]]],
    least: float,
    most: float,
) -> dict[Cell, Factor]:
    """Return each cell's factor.

    `sizes` are bytes; `natural` the weights that hold without shares: where one is 0 it stays 0. `shares` has pairs of
    a kind (0 domain, 1 language, 2 bucket) and the shares of its named parts, which add up to at most 1; the other
    parts share the rest as they would without. Parts that are in no cell leave theirs to all others, in proportion.
    Weights lie in [least, most].
    """
    kinds = [(kind, named) for kind, named in shares if named]
    cells = sorted((cell for cell in sizes if sizes[cell] and natural[cell]), key=repr)
    wanted = scaled({cell: natural[cell] for cell in cells}, sizes, kinds, 0.0, float("inf"))
    weights = scaled({cell: natural[cell] for cell in cells}, sizes, kinds, least, most)
    return {cell: Factor(wanted.get(cell, 0.0), weights.get(cell, 0.0)) for cell in sizes}


def scaled(
    weights: dict[Cell, float],
    sizes: Mapping[Cell, int],
    kinds: list[tuple[int, Mapping[Any, float]]],
    least: float,
    most: float,
) -> dict[Cell, float]:
    """Return the weights after ROUNDS of scaling each kind's parts to their shares, within the bounds."""
    whole = sum(sizes[cell] * weight for cell, weight in weights.items())
    for _ in range(ROUNDS):
        for kind, named in kinds:
            have: dict[Any, float] = {}
            for cell, weight in weights.items():
                part = cell[kind] if cell[kind] in named else None
                have[part] = have.get(part, 0.0) + sizes[cell] * weight
            rest = max(0.0, 1 - sum(named.values()))
            asked = {part: rest if part is None else named[part] for part, n in have.items() if n}
            there = sum(asked.values()) or 1.0  # what no page is in leaves its share to the others
            ratio = {part: share / there * whole / have[part] for part, share in asked.items()}
            for cell, weight in weights.items():
                part = cell[kind] if cell[kind] in named else None
                weights[cell] = min(max(weight * ratio.get(part, 1.0), least), most)
    return weights
