"""First stage: crawl records become pages, after all that can be told without a page's main text.

URL rules, HTTP status, MIME type, character encoding and robots directives are applied here.
"""

import os
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from typing import Any, BinaryIO

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PBegin, PCollection

from pipeline.config import build_config
from pipeline.extract.page import Page, Rejection, map_remaining, reject_page
from pipeline.extract.page_stage import register_page_coder
from pipeline.extract.splits import ReadResult, Split, is_split_done, marker_path, plan_files, save_read_result
from pipeline.html.charset import TWICE, decode_body
from pipeline.html.http import HttpResponse, detect_mime_type, parse_response
from pipeline.html.robots import RobotsConfig, robots_directives
from pipeline.io.inputs import expand_inputs, open_input
from pipeline.io.ledger import FileLedger, UnreadableRange
from pipeline.io.output import Output
from pipeline.io.settings import InputConfig
from pipeline.io.text_inputs import InputText, NotATextInput, UnreadableText, input_text_format, read_input_texts
from pipeline.runners.local_pool import report
from pipeline.runners.page_charges import SplitCharges, load_charges
from pipeline.runners.page_watch import NOBODY, READER_TURNS, Turn, find_watch, start_watch, watch_stage
from pipeline.text.invisible import clean_plain_text
from pipeline.url.filter import UrlFilter, UrlRules
from pipeline.warc.reader import CrawlRecord, NotACrawlFile, ReadLimits, find_page_record_type, read_crawl_records

HTML = ("text/html", "application/xhtml+xml")
DIRECTIVES = {"noindex": "noindex", "noai": "noai", "tdm_reservation": "tdm-reservation"}  # config key: directive
WEB = ("http://", "https://")
TRUNCATED = {"size": "too-large", "disconnect": "incomplete"}
BATCH_PAGES, BATCH_CHARACTERS = 256, 16_000_000  # of a batch, which may end with one page more


def place_page(record: CrawlRecord | InputText, split: Split, number: int) -> Page:
    """Return a record, or a row, as a page of which nothing is known yet but where it stands."""
    return Page(
        split=split,
        number=number,
        id=record.id,
        url=record.url,
        date=record.date,
        file=split.path,
        offset=record.offset,
        end=record.offset + record.length,
    )


def read_page(
    page: Page, record: CrawlRecord | InputText, urls: UrlFilter, settings: InputConfig, robots: RobotsConfig
) -> Page:
    """Return a response, a WET file's conversion or a text as a page; rejected by its record, URL or response."""
    if isinstance(record, InputText):
        return read_text_page(page, record, urls, settings)
    rejection = check_record(record, settings) or check_url(record.url, urls)
    if rejection:
        return reject_page(page, rejection)
    if record.type == "conversion":
        return replace(page, text=clean_plain_text(record.block.decode("utf-8", "replace")), encoding="utf-8")
    response = parse_response(record.block, max_body_bytes=settings.max_page_mb << 20)
    rejection = check_response(response)
    if rejection:
        return reject_page(page, rejection)
    html, encoding = decode_body(response.body, response.header("content-type"))
    directives = robots_directives(response.headers, html)
    page = replace(page, html=html, encoding=encoding, robots=",".join(sorted(directives)))
    rejection = check_robots(directives, robots)
    return reject_page(page, rejection) if rejection else page


def check_record(record: CrawlRecord, settings: InputConfig) -> Rejection | None:
    """Return why a record is rejected that the archive, or our own limit, cut short; None where it is not."""
    if record.truncated in TRUNCATED:
        return Rejection("record", TRUNCATED[record.truncated])
    if record.truncated and settings.truncated == "reject":
        return Rejection("record", "truncated", detail=record.truncated)
    return None


def check_url(url: str, urls: UrlFilter) -> Rejection | None:
    """Return why a page is rejected by its URL alone; None where it is not."""
    found = urls.reject(url)
    return Rejection("url", found[0], detail=found[1]) if found else None


def check_response(response: HttpResponse) -> Rejection | None:
    """Return why a response is rejected: only whole HTML pages with status 200 pass."""
    if response.status is None:
        return Rejection("http", "no-status")
    if response.status != 200:
        return Rejection("http", "status", value=float(response.status))
    if not response.body:
        return Rejection("http", "empty")
    if "too-large" in response.problems:
        return Rejection("http", "too-large", value=float(len(response.body)))
    mime = detect_mime_type(response)
    return None if mime in HTML else Rejection("mime", "not-html", detail=mime)


def check_robots(directives: frozenset[str], settings: RobotsConfig) -> Rejection | None:
    """Return which of a page's own directives forbids its use, as configured; None where none does."""
    for key, directive in DIRECTIVES.items():
        if getattr(settings, key) and directive in directives:
            return Rejection("robots", directive)
    return None


def read_page_records(
    source: BinaryIO,
    split: Split,
    settings: InputConfig,
    counts: FileLedger,
    passed_over: Container[int] = (),
    note_place: Callable[[int], None] = lambda offset: None,
) -> Iterator[CrawlRecord]:
    """Yield the records of a split that are pages; count every record, and every range that holds none, in `counts`.

    A file without any crawl record is noted in the counts, not raised: the other inputs go on. `passed_over` are
    offsets at which nothing is read; `note_place` is told each offset at which reading begins.
    """
    try:
        page_type = find_page_record_type(source)
        limits = ReadLimits(settings.max_record_mb << 20, passed_over, note_place)
        for item in read_crawl_records(source, split.start, split.end, limits=limits):
            if not isinstance(item, CrawlRecord):
                counts.unreadable_bytes += item.length
                counts.unreadable.append(UnreadableRange(item.offset, item.length, item.reason))
                continue
            counts.records[item.type] += 1
            if item.truncated:
                counts.truncated[item.truncated] += 1
            if item.type == page_type:
                counts.responses += 1
                yield item
    except NotACrawlFile as error:
        note_bad_file(source, split, error, counts)


def note_bad_file(source: BinaryIO, split: Split, error: Exception, counts: FileLedger) -> None:
    """Count a file that holds no page at all, or a split of it, as unreadable as a whole."""
    size = source.seek(0, os.SEEK_END) if split.start == 0 and split.end is None else split.size
    counts.bad_file = str(error)
    counts.unreadable_bytes, counts.unreadable = size, [UnreadableRange(split.start, size, "not-a-crawl-file")]


def read_text_page(page: Page, text: InputText, urls: UrlFilter, settings: InputConfig) -> Page:
    """Return a row of a text input as a page that needs no extraction, or as one rejected by its URL or its size."""
    # An address that is no web address, or none, says nothing about the page.
    rejection = check_url(text.url, urls) if text.url.startswith(WEB) else None
    if not rejection and len(text.text) > settings.max_page_mb << 20:
        rejection = Rejection("record", "too-large", value=float(len(text.text)))
    if rejection:
        return reject_page(page, rejection)
    return replace(page, text=clean_plain_text(text.text), encoding="utf-8")


def read_split_rows(source: BinaryIO, split: Split, settings: InputConfig, counts: FileLedger) -> Iterator[InputText]:
    """Yield the rows of a split of a text input; count them, and what cannot be read, in `counts`."""
    longest = settings.max_record_mb << 20
    try:
        for text in read_input_texts(source, split.path, split.start, split.end, settings.columns, longest):
            if isinstance(text, UnreadableText):
                note_unreadable_text(text, counts)
                continue
            counts.records["text"] += 1
            counts.responses += 1
            yield text
    except NotATextInput as error:
        note_bad_file(source, split, error, counts)


def note_unreadable_text(text: UnreadableText, counts: FileLedger) -> None:
    """Count bytes that hold no row; neighbours that are unreadable for the same reason are one range."""
    counts.unreadable_bytes += text.length
    ranges = counts.unreadable
    if ranges and ranges[-1].reason == text.reason and sum(ranges[-1][:2]) == text.offset:
        ranges[-1] = ranges[-1]._replace(length=ranges[-1].length + text.length)
    else:
        ranges.append(UnreadableRange(*text))


def read_split(
    split: Split,
    urls: UrlFilter,
    settings: InputConfig,
    robots: RobotsConfig,
    counts: FileLedger,
    charges: SplitCharges | None = None,
) -> Iterator[Page]:
    """Yield the pages of a split in their order, and count what was read in `counts`.

    A page that was charged in an earlier try is rejected without a look at it.
    """
    charges = charges or SplitCharges()
    reading = ReaderTurns(split)
    with open_input(split.path, settings) as source:
        records = read_split_records(source, split, settings, counts, charges, reading)
        for number in count():
            reading.begin()
            record = next(records, None)
            if record is None:
                break
            charge = charges.pages.get(number)
            page = place_page(record, split, number)
            if charge:
                page = reject_page(page, Rejection("extract", charge.reason, detail=charge.stage))
            else:
                read = partial(read_page, record=record, urls=urls, settings=settings, robots=robots)
                (page,) = map_remaining([page], read)
            reading.end()
            yield page
        reading.end()


class ReaderTurns:
    """The reader's turns under the watch over pages: it takes too long where it cannot find the next record."""

    def __init__(self, split: Split):
        """Begin at the split's start."""
        self.split, self.offset = split, split.start

    def begin(self, offset: int | None = None) -> None:
        """Begin to look for the next record, from `offset` on, or from where the last one was found."""
        self.offset = self.offset if offset is None else offset
        watch = find_watch()
        if watch:
            watch_stage("ReadCrawl")
            turn = Turn(self.split.name, self.split.start, NOBODY, NOBODY, self.offset, "ReadCrawl")
            watch.begin(turn, READER_TURNS)

    def end(self) -> None:
        """End the turn: others work with what was read."""
        watch = find_watch()
        if watch:
            watch.end()


def read_split_records(
    source: BinaryIO,
    split: Split,
    settings: InputConfig,
    counts: FileLedger,
    charges: SplitCharges,
    reading: ReaderTurns,
) -> Iterator[CrawlRecord | InputText]:
    """Yield the records of a split of a crawl file, or the rows of one of a text input."""
    if input_text_format(split.path):
        yield from read_split_rows(source, split, settings, counts)
    else:
        yield from read_page_records(source, split, settings, counts, charges.unreadable, reading.begin)


def batch_pages(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """Yield the pages in their order, BATCH_PAGES at a time, and fewer where they are large."""
    batch: list[Page] = []
    characters = 0
    for page in pages:
        batch.append(page)
        characters += len(page.html or page.text or "")
        if len(batch) == BATCH_PAGES or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


@dataclass(eq=False)
class ReadCrawl(beam.PTransform[PCollection[Split] | PBegin, PCollection[Page]]):
    """PCollection[Split] -> PCollection[Page], or, at a pipeline's beginning, the pages of `inputs`.

    `inputs` are files, folders, globs and addresses as in a config. With `output`, a split that is done there is not
    read again, and what was read is recorded there for `MergeSplits`. With `page_seconds`, no page takes more CPU
    time than that in any stage: the process ends otherwise (pipeline/runners/page_watch.py).
    """

    inputs: str | tuple[str, ...] = ()
    output: str | None = None
    settings: InputConfig = InputConfig()
    urls: UrlRules = UrlRules()
    robots: RobotsConfig = RobotsConfig()
    page_seconds: float | None = None

    def expand(self, start: Any) -> PCollection[Page]:  # Beam warns of a type for two kinds of start
        """Read every split."""
        register_page_coder()
        splits = start
        if isinstance(start, PBegin):
            splits = start | beam.Create(self.find_splits(), reshuffle=True).with_output_types(Split)
        pages: PCollection[Page] = splits | beam.ParDo(ReadSplit(self)).with_output_types(Page)
        return pages

    def find_splits(self) -> list[Split]:
        """Return the splits of `inputs`. Raises ValueError or OSError where one is not there."""
        inputs = [self.inputs] if isinstance(self.inputs, str) else list(self.inputs)
        config = build_config({"inputs": inputs, "output": self.output or "none", "input": asdict(self.settings)})
        files = plan_files(expand_inputs(config.inputs, config.input, config.seed), config)
        return [split for file in files for split in file.splits]


class ReadSplit(beam.DoFn):
    """Reads the pages of a split, some hundred at a time, and records what was read after the last one."""

    def __init__(self, stage: ReadCrawl):
        """Keep what the worker needs to load the rest."""
        self.output, self.settings, self.urls, self.robots = stage.output, stage.settings, stage.urls, stage.robots
        self.page_seconds = stage.page_seconds

    def setup(self) -> None:
        """Load the URL lists; a broken one stops the run here."""
        if self.page_seconds:
            start_watch(self.page_seconds)
        self.url_filter = UrlFilter(self.urls)
        self.files = None if self.output is None else Output(self.output)

    @beam.DoFn.yields_batches  # type: ignore[untyped-decorator]
    def process(self, split: Split) -> Iterator[list[Page]]:
        """Read one split, unless it is done."""
        if self.files and (self.files.exists(*marker_path(split.name)) or is_split_done(split, self.files)):
            report("progress", {"bytes": split.size})
            return
        result, sent = ReadResult(split.path, split.file_size, split.end), 0
        charges = self.load_charges(split)
        pages = read_split(split, self.url_filter, self.settings, self.robots, result.ledger, charges)
        for batch in batch_pages(pages):
            Metrics.counter("ReadCrawl", "pages").inc(len(batch))
            Metrics.counter("ReadCrawl", "encoded_twice").inc(sum(page.encoding == TWICE for page in batch))
            count_rejections(batch)
            end = batch[-1].end - split.start
            yield batch
            report("progress", {"bytes": max(0, min(end, split.size) - sent)})
            sent = max(sent, min(end, split.size))
        if self.files:
            save_read_result(self.files, split, result)
        for kind, n in result.ledger.records.items():
            Metrics.counter("records", kind).inc(n)
        Metrics.counter("ReadCrawl", "unreadable_bytes").inc(result.ledger.unreadable_bytes)
        report("progress", {"bytes": split.size - sent})

    def load_charges(self, split: Split) -> SplitCharges:
        """Return what is charged in a split, and have the stages take its pages one by one where they must."""
        charges = load_charges(self.files, split.name, split.start) if self.files else SplitCharges()
        watch = find_watch()
        if watch and charges.one_by_one:
            watch.one_by_one.add((split.name, split.start))
        return charges

    def infer_output_type(self, input_type: object) -> type[Page]:
        """Return the type of an element; the annotations tell that of a batch."""
        return Page


def count_rejections(pages: Iterable[Page]) -> None:
    """Add the rejected pages to Beam's counters, by reason."""
    for page in pages:
        if page.rejection:
            Metrics.counter("ReadCrawl", page.rejection.key).inc()
