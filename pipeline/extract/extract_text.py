"""Third stage: the main text of a page, and what the page says about itself.

`AddMetadata` belongs to it: what else the address and the HTML tell is looked for only once a page passed every filter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.extract.page import Page, PageFunction, Rejection, map_remaining, process_remaining, reject_page
from pipeline.extract.page_stage import PageStage, load_once
from pipeline.html.dates import find_date
from pipeline.html.engines import Engine, LoadedEngine, PageError, load_engine
from pipeline.html.extraction_cache import ExtractionCache
from pipeline.html.settings import ExtractConfig, is_own_engine
from pipeline.url.canonical import canonical_url, url_domain
from pipeline.url.topic_by_address import find_topic

PageTypeFunction = Callable[[Sequence[str], Sequence[str]], list[str]]  # of texts and their URLs
TYPE_BATCH = 128  # pages whose types are told together

READ_ADDRESS = ("gristmill",)  # engines whose text depends on the page's address, too


def extract_text(
    pages: Sequence[Page], name: str, engine: Engine, cache: ExtractionCache | None, min_characters: int
) -> list[Page]:
    """Extract the main text of every page; reject pages that the engine cannot take, or with too little text.

    With a cache, bodies that come again are not extracted again. Raises EngineError where the engine is broken: that
    is no page's fault, and stops the run.
    """
    extract = partial(extract_page, name=name, engine=engine, cache=cache, min_characters=min_characters)
    return map_remaining(pages, extract)


def extract_page(page: Page, name: str, engine: Engine, cache: ExtractionCache | None, min_characters: int) -> Page:
    """Extract one page by the engine of this name; text without HTML (WET) is its own main text."""
    if page.html is not None:
        try:
            found = cache.extract(engine, page.html, page.url) if cache else engine(page.html, page.url)
        except PageError as error:
            return reject_page(page, Rejection("extract", error.reason))
        page = replace(
            page,
            text=found.text,
            engine=name,
            title=found.title,
            author=found.author,
            published=found.date,
            licence=found.licence,
            canonical_link=found.canonical,
        )
    text = page.text or ""
    if len(text.strip()) < max(1, min_characters):
        return reject_page(page, Rejection("extract", "too-short" if text.strip() else "empty", value=float(len(text))))
    return page


def load_configured_engine(name: str, settings: ExtractConfig) -> LoadedEngine:
    """Return the engine of this name with the settings' options. Raises EngineError."""
    return load_engine(
        name,
        objective=settings.objective,
        comments=settings.comments,
        seconds=settings.timeout_seconds,
        format=settings.format,
        threshold=settings.threshold,
    )


@dataclass(eq=False)
class ExtractText(PageStage):
    """PCollection[Page] -> PCollection[Page]: pages with their main text, title, author, date and licence."""

    settings: ExtractConfig = ExtractConfig()

    def load(self) -> PageFunction:
        """Load the engine and try it. An engine of the user's own may depend on the address, and has no cache."""
        settings = self.settings
        name, engine = settings.engine, load_configured_engine(settings.engine, settings)
        cache = None if is_own_engine(settings.engine) else ExtractionCache(settings.engine in READ_ADDRESS)
        return partial(extract_text, name=name, engine=engine, cache=cache, min_characters=settings.min_characters)


def add_metadata(pages: Sequence[Page], find_dates: bool, classify: PageTypeFunction) -> list[Page]:
    """Add site, topic, type and canonical URL to every page; with `find_dates` also a date where the page states none.

    No later stage needs the HTML, which is dropped.
    """
    described = map_remaining(pages, partial(_describe, find_dates=find_dates))
    return process_remaining(described, partial(_add_types, classify=classify), TYPE_BATCH)


def _add_types(pages: Sequence[Page], classify: PageTypeFunction) -> list[Page]:
    """Add the types of pages."""
    types = classify([page.text or "" for page in pages], [page.url for page in pages])
    return [replace(page, page_type=name) for page, name in zip(pages, types, strict=True)]


def load_page_types() -> PageTypeFunction:
    """Return the function that tells the types of pages. Imports the classifier only now."""
    from classifiers.page_types.model import load_page_type_model, predict_page_types

    return partial(predict_page_types, load_page_type_model())


def _describe(page: Page, find_dates: bool) -> Page:
    """Add the metadata of one page."""
    published = page.published
    if not published and page.html and find_dates:
        published = find_date(page.html, page.url, page.date)
    return replace(
        page,
        published=published,
        site=url_domain(page.url),
        domain=find_topic(page.url, page.title),
        canonical_url=canonical_url(page.url),
        html=None,
    )


@dataclass(eq=False)
class AddMetadata(PageStage):
    """PCollection[Page] -> PCollection[Page]: pages with site, topic, type, canonical URL and day of publication."""

    find_dates: bool = True

    def load(self) -> PageFunction:
        """Load the classifier of page types, the public suffixes, and htmldate: no page's time has them."""
        url_domain("https://www.example.org/")
        if self.find_dates:
            find_date("", "", "2026-01-01")
        return partial(add_metadata, find_dates=self.find_dates, classify=load_once(load_page_types))
