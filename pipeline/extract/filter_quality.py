"""Fifth stage: the quality filters (pipeline/filters/), which remove lines and reject pages.

Where they reject a text for its shape, the texts of other engines can be tried (`extract.fallback`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.extract.extract_text import extract_page, load_configured_engine
from pipeline.extract.identify_language import identify_pages
from pipeline.extract.page import EngineTry, Page, PageFunction, Rejection, map_remaining, reject_page
from pipeline.extract.page_stage import PageStage, load_once
from pipeline.filters.chain import NamedFilter, RulesConfig, apply_filters, built_in_filters, load_filters
from pipeline.html.engines import LoadedEngine
from pipeline.html.settings import ExtractConfig
from pipeline.language.identify import LanguageModel
from pipeline.language.settings import LanguageConfig
from pipeline.text.tokenize.characters import text_table, token_table


@dataclass(frozen=True)
class FallbackEngines:
    """Engines to be tried in their order, and what their texts must pass before the filters."""

    engines: Sequence[LoadedEngine]
    min_characters: int
    model: LanguageModel
    languages: Sequence[str]
    language: LanguageConfig

    def extract(self, page: Page, engine: LoadedEngine) -> Page:
        """Return a page with the engine's text and its language; rejected where it has none that is wanted."""
        found = extract_page(page, engine.name, engine, None, self.min_characters)
        if found.rejection is None:
            (found,) = identify_pages([found], self.model, self.languages, self.language)
        return found


def filter_quality(
    pages: Sequence[Page], filters: Sequence[NamedFilter], fallback: FallbackEngines | None = None
) -> list[Page]:
    """Apply the filters to every page: text without the lines that they remove, measures, or the first failure.

    With a fallback, a page that a filter on the shape of its text rejects gets the first other text that passes.
    """
    return map_remaining(pages, partial(_filter, filters=filters, fallback=fallback))


def _filter(page: Page, filters: Sequence[NamedFilter], fallback: FallbackEngines | None) -> Page:
    """Apply the filters to one page, and try other engines where they may help."""
    found = apply_to_page(page, filters)
    if fallback is None or page.html is None or found.rejection is None or not rejects_shape(found.rejection):
        return found
    tried: list[EngineTry] = []
    for engine in fallback.engines:
        before = engine.cpu
        other = fallback.extract(page, engine)
        tried.append(EngineTry(engine.name, engine.cpu - before))
        if other.rejection is None:
            other = apply_to_page(other, filters)
        if other.rejection is None:
            return replace(other, tried=tuple(tried))
    return replace(found, tried=tuple(tried))


def apply_to_page(page: Page, filters: Sequence[NamedFilter]) -> Page:
    """Apply the filters to one page; a rejected page keeps the text that it came with."""
    text, measures, failure = apply_filters(filters, page.text or "", page.language or "")
    if failure is None:
        return replace(page, text=text, measures=measures)
    stage, _, reason = failure.reason.partition("/")
    rejection = Rejection(stage, reason, failure.value, failure.measure, failure.threshold)
    return reject_page(replace(page, measures=measures), rejection)


def rejects_shape(rejection: Rejection) -> bool:
    """Tell whether a page is rejected for the shape of its text: by a filter of ours other than that on bad words."""
    return rejection.stage in built_in_filters() and rejection.stage != "bad_words"


@dataclass(eq=False)
class FilterQuality(PageStage):
    """PCollection[Page] -> PCollection[Page]: pages with their measures; those that fail a filter are rejected.

    `extract` names the engines to be tried on these, `languages` and `language` what their texts must be in.
    """

    rules: RulesConfig = RulesConfig()
    extract: ExtractConfig = ExtractConfig()
    languages: tuple[str, ...] = ()
    language: LanguageConfig = LanguageConfig()

    def load(self) -> PageFunction:
        """Load the filters that are on, with the files and tables that they read, and the engines to be tried."""
        filters = load_filters(self.rules)
        if filters:
            token_table()
            text_table()
        return partial(filter_quality, filters=filters, fallback=self.load_fallback())

    def load_fallback(self) -> FallbackEngines | None:
        """Return the engines to be tried; None where there are none."""
        if not self.extract.fallback:
            return None
        engines = [load_configured_engine(name, self.extract) for name in self.extract.fallback]
        model = load_once(LanguageModel.load, self.language.model)
        return FallbackEngines(engines, self.extract.min_characters, model, self.languages, self.language)
