"""Second stage: pages whose first visible text is in no wanted language are rejected before the costly extraction.

One rejected page in fifty passes the other stages all the same, so that the ledger can count how many of these
would have been kept (pipeline/language/prefilter.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.extract.page import Page, PageFunction, Rejection, process_remaining, reject_page
from pipeline.extract.page_stage import PageStage, load_once
from pipeline.language.identify import LanguageModel
from pipeline.language.prefilter import PrefilterVerdict, is_audited, prefilter_pages
from pipeline.language.settings import LanguageConfig


def prefilter_language(
    pages: Sequence[Page], model: LanguageModel, languages: Sequence[str], margin: float
) -> list[Page]:
    """Reject pages that are in none of `languages`: the probability of all of them together is below `margin`."""
    return process_remaining(pages, partial(_prefilter, model=model, languages=languages, margin=margin))


def _prefilter(pages: Sequence[Page], model: LanguageModel, languages: Sequence[str], margin: float) -> list[Page]:
    """Prefilter pages that were not rejected before; text without HTML (WET) passes."""
    judged = [page for page in pages if page.html]
    answers = iter(prefilter_pages([page.html or "" for page in judged], languages, margin, model))
    return [_reject(page, next(answers), margin) if page.html else page for page in pages]


def _reject(page: Page, found: PrefilterVerdict | None, margin: float) -> Page:
    """Return the page with the prefilter's rejection, if there is one."""
    if found is None:
        return page
    rejection = Rejection("language", "gate", found.share, "gate_share", margin, found.language)
    if is_audited(page.id):
        return replace(page, prefiltered=rejection)
    return reject_page(page, rejection)


@dataclass(eq=False)
class PrefilterLanguage(PageStage):
    """PCollection[Page] -> PCollection[Page]: rejects pages in none of `languages`; without any, all pages pass."""

    languages: tuple[str, ...] = ()
    settings: LanguageConfig = LanguageConfig()

    def load(self) -> PageFunction:
        """Load the language model."""
        if not self.languages or not self.settings.prefilter:
            return list
        model = load_once(LanguageModel.load, self.settings.model)
        return partial(prefilter_language, model=model, languages=self.languages, margin=self.settings.prefilter_margin)
