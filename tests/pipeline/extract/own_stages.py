"""Stages of a user's own for the tests: good ones, and one for each way to be wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import apache_beam as beam

from pipeline import Page, PageStage, Rejection


@dataclass(frozen=True)
class DropOddStage:
    """Rejects pages whose URL ends in an odd digit, and marks the others."""

    mark: str = "marked"

    def process_pages(self, pages: Sequence[Page]) -> list[Page]:
        return [self.process_page(page) for page in pages]

    def process_page(self, page: Page) -> Page:
        if page.url[-1] in "13579":
            return replace(page, rejection=Rejection("anything", "odd", detail=page.url[-1]))
        return replace(page, text=f"{page.text}\n{self.mark}")


class KeepAllStage:
    """Changes nothing."""

    def process_pages(self, pages: Sequence[Page]) -> list[Page]:
        return list(pages)


class LoadedStage(PageStage):
    """PCollection[Page] -> PCollection[Page]: a stage that loads what it needs in the worker."""

    def load(self):
        return DropOddStage("loaded").process_pages


class OneByOneTransform(beam.PTransform):
    """PCollection[Page] -> PCollection[Page]: pages one by one, so that Beam regroups them."""

    def expand(self, pages):
        return pages | beam.Map(mark_page)


class ShuffleTransform(beam.PTransform):
    """PCollection[Page] -> PCollection[Page]: pages in another order, after all of them were read."""

    def expand(self, pages):
        return pages | beam.Reshuffle() | beam.Map(mark_page)


class LosingTransform(beam.PTransform):
    """PCollection[Page] -> PCollection[Page]: every page but one."""

    def expand(self, pages):
        return pages | beam.Filter(lambda page: not page.url.endswith("page-4"))


def mark_page(page: Page) -> Page:
    return replace(page, text=f"{page.text}\nmarked") if page.rejection is None else page


@dataclass(frozen=True)
class WrongStage:
    """Fails in the way that it is told."""

    how: str

    def process_pages(self, pages: Sequence[Page]) -> object:
        page = next((page for page in pages if page.url.endswith("page-4")), None)
        if page is None:
            return pages
        others = [other for other in pages if other is not page]
        place = pages.index(page)
        wrong = {
            "loses": others,
            "none": None,
            "other": [*others[:place], replace(page, url="http://other.example/"), *others[place:]],
            "number": [*others[:place], replace(page, text=7), *others[place:]],
            "surrogate": [*others[:place], replace(page, text="half \ud800"), *others[place:]],
            "column": [*others[:place], replace(page, scores={"toxicity": 0.5}), *others[place:]],
            "rejection": [*others[:place], replace(page, rejection="too long"), *others[place:]],
        }
        if self.how == "raises":
            raise KeyError("no such\nword")
        return wrong[self.how]


class NoStage:
    """Has no method process_pages."""
