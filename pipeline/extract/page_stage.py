"""What a stage over pages is: a pure function over a batch, loaded once a worker, and the transform that runs it.

A stage of the user's own is run in the same way, and what it returns is checked.

Beam passes the batches of `ReadCrawl` through all stages as they are: a split's pages, some hundred at a time.
"""

import pickle
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, TypeVar, cast

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.coders.typecoders import registry
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from pipeline.extract.page import Page, PageFunction, Rejection, process_remaining
from pipeline.extract.settings import OwnStage
from pipeline.io.plugins import describe_exception, describe_place
from pipeline.io.schemas import DOCUMENT
from pipeline.runners.page_watch import watch_stage

PageTransform: TypeAlias = beam.PTransform[PCollection[Page], PCollection[Page]]
Loaded = TypeVar("Loaded")
LOADED: dict[Hashable, object] = {}
LOCK = threading.Lock()


def load_once(load: Callable[..., Loaded], *arguments: Hashable) -> Loaded:
    """Return `load(*arguments)`, called once in this process: stages and threads share large models."""
    key = (load, *arguments)
    with LOCK:
        if key not in LOADED:
            LOADED[key] = load(*arguments)
        return cast(Loaded, LOADED[key])


class PageCoder(Coder):
    """Pickles a page where a runner moves it. Beam samples the sizes of elements; that must not pickle their HTML."""

    def encode(self, value: Page) -> bytes:
        """Return the page's bytes."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Page:
        """Return the page of `encode`."""
        page: Page = pickle.loads(encoded)
        return page

    def estimate_size(self, value: Page) -> int:
        """Return about the page's size in bytes."""
        return 500 + len(value.html or "") + len(value.text or "")

    def is_deterministic(self) -> bool:
        """Pages are no keys."""
        return False


def register_page_coder() -> None:
    """Have Beam use PageCoder for pages; called wherever a transform gives pages."""
    registry.register_coder(Page, PageCoder)


class PageStage(PageTransform, ABC):
    """PCollection[Page] -> PCollection[Page]: one stage; a subclass says what a worker loads for it."""

    @abstractmethod
    def load(self) -> PageFunction:
        """Return the function over batches of pages. Called once a worker; an error here stops the run.

        The function returns the pages that it is given, changed or rejected, in the same order.
        """

    def expand(self, pages: PCollection[Page]) -> PCollection[Page]:
        """Run the stage's function over every batch."""
        register_page_coder()
        stage = beam.ParDo(ProcessPages(self.default_label(), self.load))
        processed: PCollection[Page] = pages | stage.with_output_types(Page)
        return processed


class ProcessPages(beam.DoFn):
    """Runs a stage's function over batches of pages, and counts the pages that enter it and those that it rejects."""

    def __init__(self, name: str, load: Callable[[], PageFunction]):
        """`name` is the namespace of the counters; `load` is called once a worker."""
        self.name, self.load = name, load

    def setup(self) -> None:
        """Load the stage; a broken model or engine stops the run here."""
        self.process_pages = self.load()

    def process_batch(self, pages: list[Page]) -> Iterator[list[Page]]:
        """Process one batch."""
        watch_stage(self.name)
        processed = self.process_pages(pages)
        count_stage(self.name, pages, processed)
        yield processed

    def infer_output_type(self, input_type: object) -> type[Page]:
        """Return the type of an element; the annotations tell that of a batch."""
        return Page


def count_stage(name: str, before: Sequence[Page], after: Sequence[Page]) -> None:
    """Add what a stage did with a batch to Beam's counters: `pages` that entered it, and its rejections by reason."""
    entered = [page.rejection is None and page.prefiltered is None for page in before]
    Metrics.counter(name, "pages").inc(sum(entered))
    lost = (page.rejection or page.prefiltered for page, inside in zip(after, entered, strict=True) if inside)
    for key, n in Counter(rejection.key for rejection in lost if rejection).items():
        Metrics.counter(name, key).inc(n)


class StageError(ValueError):
    """A stage of the user's own failed, or returned what no stage may return. The text is one line for the user."""


TEXTS = ("title", "author", "published", "licence", "canonical_link", "site", "domain", "page_type", "canonical_url")
OPTIONAL_TEXTS = ("html", "encoding", "robots", "text", "engine", "language")
PLACES = ("split", "number", "id", "url", "date", "file", "offset", "end")  # what no stage may change


def run_own_stage(
    pages: Sequence[Page], process_pages: Callable[[Sequence[Page]], object], stage: OwnStage
) -> list[Page]:
    """Return what a stage of the user's own makes of pages that were not rejected before.

    Raises StageError, naming the stage and a page, where it raises, or returns other than these pages.
    """
    try:
        found = process_pages(pages)
    except MemoryError:
        raise
    except Exception as error:  # a user's stage may raise anything
        page = find_failing_page(pages, process_pages)
        raise StageError(
            f"{stage.place}: raised {describe_exception(error)} ({describe_place(error)}) over {describe_page(page)}"
        ) from error
    if not isinstance(found, list | tuple):
        raise StageError(f"{stage.place}: returned {type(found).__name__}; it must return a list of pages")
    if len(found) != len(pages):
        raise StageError(
            f"{stage.place}: returned {len(found)} pages for {len(pages)}, from {describe_page(pages[0])} on; it must "
            "return every page, and set page.rejection of those to be dropped"
        )
    return [check_own_page(given, page, stage) for given, page in zip(pages, found, strict=True)]


def find_failing_page(pages: Sequence[Page], process_pages: Callable[[Sequence[Page]], object]) -> Page:
    """Return the first page over which a stage raises when it is given alone, else the first of all."""
    for page in pages:
        try:
            process_pages([page])
        except Exception:  # the stage has raised it before
            return page
    return pages[0]


def describe_page(page: Page) -> str:
    """Return how an error names a page."""
    return f"{page.url} ({page.id})"


def check_own_page(given: Page, page: object, stage: OwnStage) -> Page:
    """Return a page that a stage of the user's own made of `given`, its rejection counted under the stage's name.

    Raises StageError where it is another page, or holds what cannot be written.
    """
    if not isinstance(page, Page) or any(getattr(page, name) != getattr(given, name) for name in PLACES):
        what = describe_page(page) if isinstance(page, Page) else f"{type(page).__name__} {str(page)[:80]!r}"
        raise StageError(f"{stage.place}: returned {what} in the place of {describe_page(given)}")
    problem = find_page_problem(page)
    if problem:
        raise StageError(f"{stage.place}: {problem} in {describe_page(page)}")
    if page.rejection is None:
        return page
    return replace(page, rejection=replace(page.rejection, stage=stage.name), html=None)


def find_page_problem(page: Page) -> str:
    """Return what in a page cannot be written; "" where all can be."""
    found = find_text_problem(page) or find_mapping_problem(page)
    if found:
        return found
    if not all(map(is_number, (page.language_score, page.language_share))) or not isinstance(page.pii, int):
        return "language_score, language_share or pii is no number"
    if not isinstance(page.text_hash, bytes | None) or not isinstance(page.minhash, bytes):
        return "text_hash or minhash is not bytes"
    return "" if page.rejection is None else find_rejection_problem(page.rejection)


def find_text_problem(page: Page) -> str:
    """Return which text of a page is none, or cannot be encoded; "" where all can be written."""
    for name in (*TEXTS, *OPTIONAL_TEXTS):
        value = getattr(page, name)
        if not isinstance(value, str) and (value is not None or name in TEXTS):
            return f"{name} is {type(value).__name__}, not a text"
        if value and not value.isascii() and not is_encodable(value):
            return f"{name} holds half a character (a lone surrogate)"
    return ""


def find_mapping_problem(page: Page) -> str:
    """Return what in a page's measures and scores cannot be written; "" where all can be."""
    for name in ("measures", "scores"):
        known = [field.name for field in DOCUMENT.field(name).type]
        values = getattr(page, name)
        if not isinstance(values, Mapping) or not all(is_number(value) for value in values.values()):
            return f"{name} is no mapping of names to numbers"
        for key in values:
            if key not in known:
                return f"{name} has {key!r}, which is no column of documents/"
    return ""


def find_rejection_problem(rejection: object) -> str:
    """Return what in a rejection cannot be written; "" where all can be."""
    if not isinstance(rejection, Rejection):
        return f"rejection is {type(rejection).__name__}, not a Rejection"
    if not isinstance(rejection.reason, str) or not rejection.reason:
        return f"the reason {rejection.reason!r} of a rejection is no text"
    if not is_number(rejection.value) or not is_number(rejection.threshold):
        return "value or threshold of a rejection is no number"
    if not all(isinstance(text, str | None) for text in (rejection.measure, rejection.detail)):
        return "measure or detail of a rejection is no text"
    return ""


def is_number(value: object) -> bool:
    """Tell whether a value is a number, or None."""
    return value is None or isinstance(value, int | float)


def is_encodable(text: str) -> bool:
    """Tell whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(eq=False)
class RunOwnStage(PageStage):
    """PCollection[Page] -> PCollection[Page]: a stage of the user's own over pages that were not rejected before."""

    stage: OwnStage

    def default_label(self) -> str:
        """Return the name of the user's class."""
        return self.stage.use.rpartition(":")[2]

    def load(self) -> PageFunction:
        """Import and make the stage."""
        made = self.stage.make()
        process_pages = made.load() if isinstance(made, PageStage) else made.process_pages
        return partial(process_remaining, process=partial(run_own_stage, process_pages=process_pages, stage=self.stage))


@dataclass(eq=False)
class RunOwnTransform(PageTransform):
    """PCollection[Page] -> PCollection[Page]: a Beam transform of the user's own over all pages.

    It may regroup pages in any way. Pages that it loses are found when the splits are merged.
    """

    stage: OwnStage
    known: tuple[str, ...]  # stages under which the ledger counts rejections

    def default_label(self) -> str:
        """Return the name of the user's class."""
        return self.stage.use.rpartition(":")[2]

    def expand(self, pages: PCollection[Page]) -> PCollection[Page]:
        """Apply the transform, and check the pages that it gives."""
        changed = pages | self.stage.make().with_output_types(Page)
        checked: PCollection[Page] = changed | CheckOwnPages(self.stage, self.known)
        return checked


@dataclass(eq=False)
class CheckOwnPages(PageStage):
    """PCollection[Page] -> PCollection[Page]: the same pages, where all of them can be written."""

    stage: OwnStage
    known: tuple[str, ...]

    def load(self) -> PageFunction:
        """There is nothing to load."""
        return partial(check_own_pages, stage=self.stage, known=self.known)


def check_own_pages(pages: Sequence[Page], stage: OwnStage, known: Sequence[str]) -> list[Page]:
    """Return the pages that a transform of the user's own gave. Raises StageError where one cannot be written."""
    for page in pages:
        if not isinstance(page, Page):
            raise StageError(f"{stage.place}: gave {type(page).__name__} {str(page)[:80]!r} where a page belongs")
        problem = find_page_problem(page)
        if page.rejection and page.rejection.stage not in known:
            problem = problem or f"a rejection by stage {page.rejection.stage!r}, which must be {stage.name!r},"
        if problem:
            raise StageError(f"{stage.place}: {problem} in {describe_page(page)}")
    return [replace(page, html=None) if page.rejection else page for page in pages]
