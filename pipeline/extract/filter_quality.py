"""Fifth stage: the quality filters (pipeline/filters/), which remove lines and reject pages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.extract.page import Page, PageFunction, Rejection, map_remaining, reject_page
from pipeline.extract.page_stage import PageStage
from pipeline.filters.chain import NamedFilter, RulesConfig, apply_filters, load_filters


def filter_quality(pages: Sequence[Page], filters: Sequence[NamedFilter]) -> list[Page]:
    """Apply the filters to every page: text without the lines that they remove, measures, or the first failure."""
    return map_remaining(pages, partial(_filter, filters=filters))


def _filter(page: Page, filters: Sequence[NamedFilter]) -> Page:
    """Apply the filters to one page; a rejected page keeps the text that it came with."""
    text, measures, failure = apply_filters(filters, page.text or "", page.language or "")
    if failure is None:
        return replace(page, text=text, measures=measures)
    stage, _, reason = failure.reason.partition("/")
    rejection = Rejection(stage, reason, failure.value, failure.measure, failure.threshold)
    return reject_page(replace(page, measures=measures), rejection)


@dataclass(eq=False)
class FilterQuality(PageStage):
    """PCollection[Page] -> PCollection[Page]: pages with their measures; those that fail a filter are rejected."""

    rules: RulesConfig = RulesConfig()

    def load(self) -> PageFunction:
        """Load the filters that are on, with the files that they read."""
        return partial(filter_quality, filters=load_filters(self.rules))
