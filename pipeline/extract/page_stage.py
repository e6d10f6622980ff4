"""What a stage over pages is: a pure function over a batch, loaded once a worker, and the transform that runs it.

Beam passes the batches of `ReadCrawl` through all stages as they are: a split's pages, some hundred at a time.
"""

import pickle
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.metrics import Metrics

from pipeline.extract.page import Page, PageFunction

Loaded = TypeVar("Loaded")
LOADED: dict[Hashable, Any] = {}
LOCK = threading.Lock()


def load_once(load: Callable[..., Loaded], *arguments: Hashable) -> Loaded:
    """Return `load(*arguments)`, called once in this process: stages and threads share large models."""
    key = (load, *arguments)
    with LOCK:
        if key not in LOADED:
            LOADED[key] = load(*arguments)
        found: Loaded = LOADED[key]
        return found


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
    beam.coders.registry.register_coder(Page, PageCoder)


class PageStage(beam.PTransform, ABC):
    """PCollection[Page] -> PCollection[Page]: one stage; a subclass says what a worker loads for it."""

    @abstractmethod
    def load(self) -> PageFunction:
        """Return the function over batches of pages. Called once a worker; an error here stops the run.

        The function returns the pages that it is given, changed or rejected, in the same order.
        """

    def expand(self, pages: Any) -> Any:
        """Run the stage's function over every batch."""
        register_page_coder()
        return pages | beam.ParDo(ProcessPages(type(self).__name__, self.load)).with_output_types(Page)


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
        processed = self.process_pages(pages)
        count_stage(self.name, pages, processed)
        yield processed

    def infer_output_type(self, input_type: Any) -> Any:
        """Return the type of an element; the annotations tell that of a batch."""
        return Page


def count_stage(name: str, before: Sequence[Page], after: Sequence[Page]) -> None:
    """Add what a stage did with a batch to Beam's counters: `pages` that entered it, and its rejections by reason."""
    entered = [page.rejection is None and page.prefiltered is None for page in before]
    Metrics.counter(name, "pages").inc(sum(entered))
    lost = (page.rejection or page.prefiltered for page, inside in zip(after, entered, strict=True) if inside)
    for key, n in Counter(rejection.key for rejection in lost if rejection).items():
        Metrics.counter(name, key).inc(n)
