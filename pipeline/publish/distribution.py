"""Distributions of scores, and numbers drawn by hash: quantiles and shares that do not depend on order or sharding.

Everything that looks random is a hash of the seed and the page's id, so that a page's number is its own.
"""

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

SCORE_DIGITS = 4  # quality scores are counted at this resolution; the corpus's quantiles come from these counts


class ScoreDistribution(NamedTuple):
    """The distinct scores, rising, and how many pages have a score below each."""

    values: tuple[float, ...] = ()
    below: tuple[int, ...] = (0,)  # one more than values: the last counts every scored page
    pages: int = 0  # scored or not


def hash_uniform(*parts: object) -> float:
    """Return a number in [0, 1) from a hash of the parts."""
    text = "\x00".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") / 2**64


def round_score(score: float) -> float:
    """Return a score at the resolution at which scores are counted."""
    return round(score, SCORE_DIGITS)


def build_distribution(counts: Mapping[float, int], pages: int) -> ScoreDistribution:
    """Return the distribution of scores. `counts` has the pages of each score, `pages` counts unscored pages too."""
    values = sorted(counts)
    below = accumulate((counts[value] for value in values), initial=0)
    return ScoreDistribution(tuple(values), tuple(below), pages)


def count_below_and_equal(score: float, scores: ScoreDistribution) -> tuple[int, int]:
    """Return how many pages have a lower score, and how many have this one. The score is rounded as they are."""
    place = bisect_left(scores.values, score)
    found = place < len(scores.values) and scores.values[place] == score
    return scores.below[place], scores.below[place + 1] - scores.below[place] if found else 0


def find_bucket(score: float | None, scores: ScoreDistribution, buckets: int) -> int | None:
    """Return the quantile bucket of a score, 0 for the lowest; None without a score or without buckets.

    Pages of one rounded score are in one bucket: the bucket that holds their middle.
    """
    if score is None or not buckets:
        return None
    below, equal = count_below_and_equal(round_score(score), scores)
    return min(int((below + equal / 2) / max(1, scores.below[-1]) * buckets), buckets - 1)


def in_top_share(score: float, scores: ScoreDistribution, share: float, drawn: float) -> bool:
    """Return whether a page is in the best `share` of all pages, scored or not.

    The score is one of the distribution. Where only some of the pages with this score belong to the share, `drawn`
    decides: a number in [0, 1) of the page's own.
    """
    below, equal = count_below_and_equal(score, scores)
    better = scores.below[-1] - below - equal
    return drawn < (share * scores.pages - better) / equal


def count_at_least(score: float, scores: ScoreDistribution) -> int:
    """Return how many pages have this score or a higher one."""
    below, _ = count_below_and_equal(score, scores)
    return scores.below[-1] - below


def divide_quotas(
    parts: Mapping[tuple[str, ...], ScoreDistribution], wanted: float, most: Sequence[float]
) -> dict[tuple[str, ...], float]:
    """Return how many of its best pages each part gives, so that there are `wanted` pages in all.

    A part has a name for each of `most`: a domain and a type, say. All parts of a name give no more than its `most`, as
    long as other parts have scored pages left; then the best of the rest follow, without the last limit first. Within
    the limits a page with a higher score comes first.
    """
    values = sorted({value for scores in parts.values() for value in scores.values}, reverse=True)
    given = dict.fromkeys(parts, 0.0)
    for limits in (most[:count] for count in range(len(most), -1, -1)):
        for value in values:
            if sum(given.values()) >= wanted:
                return given
            more = {part: max(0.0, count_at_least(value, scores) - given[part]) for part, scores in parts.items()}
            for place, limit in enumerate(limits):
                more = fit_names(more, given, place, limit)
            share = min(1.0, (wanted - sum(given.values())) / (sum(more.values()) or 1.0))
            given = {part: given[part] + share * more[part] for part in parts}
    return given


def fit_names(
    more: Mapping[tuple[str, ...], float], given: Mapping[tuple[str, ...], float], place: int, limit: float
) -> dict[tuple[str, ...], float]:
    """Return what parts may give beside what they gave, so that no name at a place of their keys passes a limit."""
    have, asked = defaultdict[str, float](float), defaultdict[str, float](float)
    for part, pages in more.items():
        have[part[place]] += given[part]
        asked[part[place]] += pages
    shares = {name: min(1.0, max(0.0, limit - have[name]) / (pages or 1.0)) for name, pages in asked.items()}
    return {part: pages * shares[part[place]] for part, pages in more.items()}
