"""A filter of one's own: drop a page where many of its lines end in "read more", as lists of teasers do."""

from dataclasses import dataclass

from pipeline.filters.base import Filter, Share, Threshold
from pipeline.filters.statistics import TextStatistics, share_of


def read_more_lines(text: TextStatistics) -> float:
    """Return the share of filled lines that end in "read more", in any case, with or without marks behind it."""
    lines = text.filled_lines
    return share_of(sum(line.lower().rstrip(" .…>»").endswith("read more") for line in lines), len(lines))


@dataclass(frozen=True)
class ReadMoreFilter(Filter):
    """Drops pages by their share of lines that end in "read more"."""

    max_read_more_lines: Share | None = 0.3

    def thresholds(self) -> tuple[Threshold, ...]:
        """Return the one threshold."""
        return (Threshold("max_read_more_lines", "read-more-lines", "read_more_lines", read_more_lines),)
