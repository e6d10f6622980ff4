"""The mix: how often a page is published, and where. Pure functions of a page, the config and the corpus's totals.

Everything that looks random is a hash of the seed and the page's id, so that it is the same for any order and sharding.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from pipeline.config import Config
from pipeline.publish.mixture_fit import Cell, Factor, fit

SCORE_DIGITS = 4  # quality scores are counted at this resolution; quantiles of the corpus come from these counts


class Candidate(NamedTuple):
    """A page that is no duplicate, without its text. `size` is UTF-8 bytes of text."""

    shard: int
    row: int
    id: str
    site: str
    domain: str
    language: str
    quality: float | None
    size: int
    content: bytes = b""  # a hash of address, date and text, for pages that share an id
    contaminated: bool = False  # to be dropped for what it holds of evaluation sets
    importance: float = 0.0  # by DSIR, with its noise
    emptied: bool = False  # repeated lines leave too little of it
    topic: str = ""  # by the classifier, where there is one; `domain` follows it where its score is enough
    topic_score: float = 0.0


class Scores(NamedTuple):
    """How the pages' rounded scores are distributed: the distinct ones, rising, and how many pages lie below each."""

    values: tuple[float, ...] = ()
    below: tuple[int, ...] = (0,)  # one more than values: the last counts every scored page
    pages: int = 0  # scored or not


class Totals(NamedTuple):
    """What must be known of all candidates: bytes by domain, the scores, the draw's ends."""

    domains: Mapping[str, int]
    scores: Scores
    draws: tuple[float, float] = (0.0, 0.0)  # the lowest and highest of the sites' draws for validation
    factors: Mapping[Cell, Factor] = {}  # where shares are asked for, what they make of the weights


class Copies(NamedTuple):
    """What becomes of a page: `held_out` names why it is not published, or is empty."""

    weight: float
    target: float  # what the mix asks for before the cap on repeats
    split: str  # train or validation
    times: int
    held_out: str
    anneal: bool = False


def uniform(*parts: object) -> float:
    """Return a number in [0, 1) from a hash of the parts."""
    text = "\x00".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") / 2**64


def rounded(quality: float) -> float:
    """Return a score at the resolution at which scores are counted."""
    return round(quality, SCORE_DIGITS)


def distribution(counts: Mapping[float, int], pages: int) -> Scores:
    """Return the distribution of rounded scores, given how many pages have which, and how many pages there are."""
    values = sorted(counts)
    return Scores(tuple(values), tuple(accumulate((counts[value] for value in values), initial=0)), pages)


def below_and_equal(score: float, scores: Scores) -> tuple[int, int]:
    """Return how many pages score less, and how many the same; the score is one as they were counted."""
    place = bisect_left(scores.values, score)
    found = place < len(scores.values) and scores.values[place] == score
    return scores.below[place], scores.below[place + 1] - scores.below[place] if found else 0


def bucket(quality: float | None, scores: Scores, buckets: int) -> int | None:
    """Return the quantile bucket of a score, 0 the worst; None without a score or without buckets.

    Pages of one rounded score are in one bucket: the one that holds their middle.
    """
    if quality is None or not buckets:
        return None
    below, equal = below_and_equal(rounded(quality), scores)
    return min(int((below + equal / 2) / max(1, scores.below[-1]) * buckets), buckets - 1)


def domain_factor(domain: str, totals: Totals, temperature: float) -> float:
    """Return how much a temperature raises or lowers a domain: its share ^ (1 / T), normalised, over its share."""
    whole = sum(totals.domains.values())
    if temperature == 1.0 or not whole:
        return 1.0
    shares = {name: size / whole for name, size in totals.domains.items() if size}
    flat = {name: share ** (1 / temperature) for name, share in shares.items()}
    return flat[domain] / sum(flat.values()) / shares[domain] if domain in shares else 1.0


def buckets(config: Config) -> int:
    """Return into how many buckets the weights or the shares cut the scores."""
    return len(config.weights.quality) or len(config.weights.shares.quality)


def cell(page: Candidate, scores: Scores, config: Config) -> Cell:
    """Return the cell of a page: domain, language, quality bucket."""
    return page.domain, page.language, bucket(page.quality, scores, buckets(config))


def product(place: Cell, totals: Totals, config: Config) -> float:
    """Return the product of a cell's weights."""
    mix, (domain, language, number) = config.weights, place
    factor = mix.domains.get(domain, 1.0) * mix.languages.get(language, 1.0)
    factor *= mix.quality[number] if mix.quality and number is not None else 1.0
    return factor * domain_factor(domain, totals, mix.temperature)


def fitted(sizes: Mapping[Cell, int], totals: Totals, config: Config) -> dict[Cell, Factor]:
    """Return what the shares asked for make of each cell's weight; {} where none are. `sizes` are the cells' bytes."""
    mix = config.weights
    asked = mix.shares
    shares: list[tuple[int, dict[Any, float]]] = [
        (0, dict(asked.domains)),
        (1, dict(asked.languages)),
        (2, dict(enumerate(asked.quality))),
    ]
    if not any(named for _, named in shares):
        return {}
    natural = {place: product(place, totals, config) for place in sizes}
    return fit(sizes, natural, shares, mix.min_weight, mix.max_repeats)


def target(page: Candidate, totals: Totals, config: Config) -> Factor:
    """Return how often the mix wants a page, and what the floor and the cap on repeats leave of that."""
    mix, place = config.weights, cell(page, totals.scores, config)
    if totals.factors:
        return totals.factors[place]
    wanted = product(place, totals, config)
    return Factor(wanted, min(max(wanted, mix.min_weight if wanted else 0.0), mix.max_repeats))


def resampled(page: Candidate, drawn: Scores, config: Config) -> bool:
    """Return whether a page is of the share that DSIR keeps, given the importances of all; ties are drawn by hash."""
    below, equal = below_and_equal(page.importance, drawn)
    better = drawn.below[-1] - below - equal
    kept = config.weights.dsir.keep * drawn.pages - better
    return uniform(config.seed, "dsir tie", page.id) < kept / equal


def anneals(page: Candidate, train: Scores, config: Config) -> bool:
    """Return whether a train page is of the best `publish.anneal` share of them; equal scores are drawn by hash."""
    if page.quality is None:
        return False
    below, equal = below_and_equal(rounded(page.quality), train)
    better = train.below[-1] - below - equal
    return uniform(config.seed, "anneal", page.id) < (config.publish.anneal * train.pages - better) / equal


def draw(page: Candidate, seed: int) -> float:
    """Return the number by which a page's site is drawn for validation; a page without a site is its own."""
    return uniform(seed, "validation", page.site or page.id)


def validates(page: Candidate, totals: Totals, config: Config) -> bool:
    """Return whether a page is of a site held for validation; of two sites or more, one always is."""
    mine, (lowest, highest) = draw(page, config.seed), totals.draws
    return mine < config.publish.validation or (mine == lowest < highest and config.publish.validation > 0)


def decide(page: Candidate, held: str, totals: Totals, config: Config) -> Copies:
    """Return what becomes of a page, but for annealing; `held` names why it is held out whatever the mix, or is empty.

    Validation goes by site, so that no site is on both sides.
    """
    split = "validation" if validates(page, totals, config) else "train"
    if held:  # the mix is one of the other pages
        return Copies(0.0, 0.0, split, 0, held)
    wanted, weight = target(page, totals, config)
    times = int(weight) + (uniform(config.seed, "copies", page.id) < weight % 1)
    if not times:
        return Copies(weight, wanted, split, 0, "mix")
    return Copies(weight, wanted, split, times if split == "train" else 1, "")
