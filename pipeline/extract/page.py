"""The records that travel through the extract job: a page, and why a page was rejected.

`map_remaining` and `process_remaining` run every stage; in a job they do so under the watch of page_watch.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pipeline.extract.splits import Split
from pipeline.runners.page_watch import PageWatch, make_turn, watch_pages


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a page is not kept. The ledger counts `stage/reason`; the other fields explain it to a reader.

    `value` is that of `measure`, which fails `threshold`; `detail` is what matched, or what the page says.
    """

    stage: str
    reason: str
    value: float | None = None
    measure: str | None = None
    threshold: float | None = None
    detail: str | None = None

    @property
    def key(self) -> str:
        """Return "stage/reason"."""
        return f"{self.stage}/{self.reason}"


class EngineTry(NamedTuple):
    """An engine of `extract.fallback` that a page was given to, and the seconds of CPU time that this took."""

    engine: str
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page on its way from a crawl record to a document or a rejection. Stages return changed copies.

    A rejected page passes all later stages untouched, so that it is written and counted.
    """

    # Where it was read: `number` is its place among the pages of its split, from 0.
    split: Split
    number: int
    id: str
    url: str
    date: str  # of the crawl, as the archive writes it
    file: str
    offset: int  # of the record in the file
    end: int  # where the record ends there
    # What was read. `html` is None where the record is text already (WET), and once no later stage needs it.
    html: str | None = None
    encoding: str | None = None
    robots: str | None = None  # directives of the page, sorted, with commas; None where it was not read that far
    # What was extracted; "" where the page does not say
    text: str | None = None
    engine: str | None = None  # that gave the text; None where the record is text already
    tried: tuple[EngineTry, ...] = ()  # the engines of extract.fallback that were tried
    title: str = ""
    author: str = ""
    published: str = ""  # YYYY-MM-DD
    licence: str = ""  # the address of a Creative Commons licence
    canonical_link: str = ""  # the address that the page calls its own
    # What was found out about it
    language: str | None = None
    language_score: float | None = None
    language_share: float | None = None  # of the text that is not in another language; None where nothing tells
    measures: Mapping[str, float] = field(default_factory=dict)
    pii: int = 0  # how many spans were masked
    scores: Mapping[str, float | None] = field(default_factory=dict)
    site: str = ""  # registered domain
    domain: str = ""  # topic, by the words of its address and title
    page_type: str = ""  # one of PAGE_TYPES; "" for a page that no stage has told
    canonical_url: str = ""
    text_hash: bytes | None = None
    minhash: bytes = b""
    rejection: Rejection | None = None
    # The prefilter's rejection of a page that passes the other stages all the same, as a check of the prefilter
    prefiltered: Rejection | None = None
    checked: str = ""  # how such a page ended: "kept" or "stage/reason"

    @property
    def key(self) -> str:
        """Return "kept", or "stage/reason" of its rejection."""
        return self.rejection.key if self.rejection else "kept"


PageFunction = Callable[[Sequence[Page]], list[Page]]


def reject_page(page: Page, rejection: Rejection) -> Page:
    """Return the page with a rejection, without the HTML that no stage will need."""
    return replace(page, rejection=rejection, html=None)


def map_remaining(pages: Iterable[Page], change: Callable[[Page], Page]) -> list[Page]:
    """Return the pages in their order, each that is not rejected changed by `change`."""
    given = list(pages)
    with watch_pages(len(given)) as watch:
        return [change_watched(page, change, watch) if page.rejection is None else page for page in given]


def change_watched(page: Page, change: Callable[[Page], Page], watch: PageWatch | None) -> Page:
    """Return the page changed by `change`; rejected where that takes more memory than a page may have."""
    if watch is None:
        return change(page)
    watch.begin(make_turn(watch, page, page))
    try:
        return change(page)
    except MemoryError:
        if not watch.charges_memory:
            raise
        return reject_page(page, Rejection("extract", "memory", detail=watch.stage))


def process_remaining(pages: Sequence[Page], process: PageFunction, batch: int | None = None) -> list[Page]:
    """Return the pages in their order, those that are not rejected processed together, at most `batch` at a time."""
    remaining = [page for page in pages if page.rejection is None]
    size = batch or max(1, len(remaining))
    done: list[Page] = []
    with watch_pages(len(remaining)) as watch:
        for start in range(0, len(remaining), size):
            done += process_watched(remaining[start : start + size], process, watch)
    processed = iter(done)
    return [next(processed) if page.rejection is None else page for page in pages]


def process_watched(pages: Sequence[Page], process: PageFunction, watch: PageWatch | None) -> list[Page]:
    """Return pages processed together; one by one where one of them takes more time or memory than it may have."""
    if watch is None:
        return process(pages)
    if len(pages) > 1 and not any((page.split.name, page.split.start) in watch.one_by_one for page in pages):
        watch.begin(make_turn(watch, pages[0], pages[-1]), len(pages))
        try:
            return process(pages)
        except MemoryError:
            if not watch.charges_memory:
                raise
    return [changed for page in pages for changed in process_alone(page, process, watch)]


def process_alone(page: Page, process: PageFunction, watch: PageWatch) -> list[Page]:
    """Return what a stage makes of one page, in a list; rejected where it takes more memory than it may have."""
    watch.begin(make_turn(watch, page, page))
    try:
        return process([page])
    except MemoryError:
        if not watch.charges_memory:
            raise
        return [reject_page(page, Rejection("extract", "memory", detail=watch.stage))]


def settle_page(page: Page) -> Page:
    """Return what becomes of a page after the last stage.

    A page that the prefilter rejected, and that passed the other stages as a check, is rejected by the prefilter; how
    it ended otherwise is noted in the rejection's `detail` and in `checked`.
    """
    if page.prefiltered is None:
        return page
    detail = f"{page.prefiltered.detail}; the full way ends as {page.key}"
    return replace(
        page,
        rejection=replace(page.prefiltered, detail=detail),
        prefiltered=None,
        checked=page.key,
        html=None,
        text=None,
        language=None,
        language_score=None,
        language_share=None,
    )
