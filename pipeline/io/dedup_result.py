"""What the dedup job reports. It is stored as JSON; the ledger, the dataset card and the report are made from it."""

from typing import NotRequired, TypedDict


class ClusterFacts(TypedDict):
    """The clusters of duplicates: how many there are, and which are remarkable.

    `largest` has the pages of the ten largest. `large` has (kind, smallest id, pages) of those with many pages, and
    `chained` has (kind, smallest id, pages, kept pages) of near duplicates of which more than one page is kept.
    """

    count: int
    largest: list[int]
    large: list[tuple[str, str, int]]
    chained: list[tuple[str, str, int, int]]


class DedupResult(TypedDict):
    """The result of the job. `files` has the duplicates of each documents shard by kind, `counts` what stages counted.

    `lines` has [removed or changed, all] for "lines", "pages" and "characters", if repeated lines are removed.
    """

    files: dict[str, dict[str, int]]
    clusters: ClusterFacts
    counts: dict[str, int]
    lines: NotRequired[dict[str, list[int]]]
