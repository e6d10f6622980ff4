"""Sixth stage: personal data in the text is masked (pipeline/text/pii/mask.py)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.extract.page import Page, PageFunction, map_remaining
from pipeline.extract.page_stage import PageStage
from pipeline.text.pii.mask import PiiConfig, mask_pii


def mask_pages(pages: Sequence[Page], settings: PiiConfig) -> list[Page]:
    """Mask personal data in the text of every page, and count the masked spans."""
    return map_remaining(pages, partial(_mask, settings=settings))


def _mask(page: Page, settings: PiiConfig) -> Page:
    """Mask one page."""
    text, masked = mask_pii(page.text or "", settings)
    return replace(page, text=text, pii=sum(masked.values()))


@dataclass(eq=False)
class MaskPii(PageStage):
    """PCollection[Page] -> PCollection[Page]: pages with personal data masked."""

    settings: PiiConfig = PiiConfig()

    def load(self) -> PageFunction:
        """There is nothing to load."""
        return partial(mask_pages, settings=self.settings)
