"""Fourth stage: the language of the main text; pages in other languages, or in none for certain, are rejected."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.extract.page import Page, PageFunction, Rejection, process_remaining, reject_page
from pipeline.extract.page_stage import PageStage, load_once
from pipeline.language.identify import LanguageModel
from pipeline.language.settings import LanguageConfig

BATCH = 64  # pages identified together


def identify_language(
    pages: Sequence[Page], model: LanguageModel, languages: Sequence[str], settings: LanguageConfig
) -> list[Page]:
    """Find the language of every page; reject languages other than `languages` (if any), then too low scores."""
    identify = partial(identify_pages, model=model, languages=languages, settings=settings)
    return process_remaining(pages, identify, BATCH)


def identify_pages(
    pages: Sequence[Page], model: LanguageModel, languages: Sequence[str], settings: LanguageConfig
) -> list[Page]:
    """Identify the languages of pages that were not rejected before, and how much of a text is in its language."""
    answers = model.identify([page.text or "" for page in pages])
    found = [
        replace(page, language=name, language_score=score) for page, (name, score) in zip(pages, answers, strict=True)
    ]
    rejections = [check_language(name, score, languages, settings) for name, score in answers]
    remaining = [page for page, why in zip(found, rejections, strict=True) if why is None]
    shares = iter(
        model.measure_shares([page.text or "" for page in remaining], [page.language or "" for page in remaining])
    )
    return [
        reject_page(page, why) if why else replace(page, language_share=next(shares))
        for page, why in zip(found, rejections, strict=True)
    ]


def check_language(language: str, score: float, languages: Sequence[str], settings: LanguageConfig) -> Rejection | None:
    """Return why a page in a language is rejected; None where it is not."""
    if languages and language not in languages:
        return Rejection("language", "unwanted", detail=language)
    threshold = settings.by_language.get(language, settings.min_score)
    if score < threshold:
        return Rejection("language", "low-score", score, "language_score", threshold)
    return None


@dataclass(eq=False)
class IdentifyLanguage(PageStage):
    """PCollection[Page] -> PCollection[Page]: pages with their language and its score."""

    languages: tuple[str, ...] = ()
    settings: LanguageConfig = LanguageConfig()

    def load(self) -> PageFunction:
        """Load the language model."""
        model = load_once(LanguageModel.load, self.settings.model)
        return partial(identify_language, model=model, languages=self.languages, settings=self.settings)
