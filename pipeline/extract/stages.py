"""A page's way from a crawl record to a document or to a rejection with its reason: the extract job, read top-down.

Nothing here knows Beam or files. `Tools` holds what is loaded once a worker (models, the engine, the URL lists).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.config import Config
from pipeline.filters.chain import apply_filters, load_filters
from pipeline.html.charset import decode_body
from pipeline.html.dates import find_date
from pipeline.html.engines import Extraction, PageError, load_engine
from pipeline.html.extraction_cache import ExtractionCache
from pipeline.html.http import HttpResponse, detect_mime_type, parse_response
from pipeline.html.robots import robots_directives
from pipeline.language.identify import LanguageModel
from pipeline.language.prefilter import is_audited, prefilter_pages
from pipeline.text.minhash import hash_text
from pipeline.text.pii import mask_pii
from pipeline.url.canonical import canonical_url, url_domain
from pipeline.url.filter import UrlFilter
from pipeline.url.topic_by_address import find_topic
from pipeline.warc.reader import CrawlRecord

if TYPE_CHECKING:
    from classifiers.quality.model import QualityModel

HTML = ("text/html", "application/xhtml+xml")
NOTHING = Extraction(*[""] * len(Extraction._fields))
HONOURED = {"noindex": "noindex", "noai": "noai", "tdm_reservation": "tdm-reservation"}  # config key: directive


class Rejection(Exception):
    """A page is not kept. `stage/reason` is stable and counted; the rest is for whoever asks why."""

    def __init__(self, stage: str, reason: str, **facts: Any):
        """Name the stage and reason; `facts` are columns of REJECTED (value, measure, threshold, detail)."""
        super().__init__(f"{stage}/{reason}")
        self.stage, self.reason, self.facts = stage, reason, facts


class Outcome(NamedTuple):
    """What became of a page: `key` is "kept" or "stage/reason"; `row` fits DOCUMENT or REJECTED.

    `checked` is the key that the language gate kept a page from, where that was looked at; else "".
    """

    kept: bool
    key: str
    row: dict[str, Any]
    checked: str = ""


@dataclass
class Tools:
    """What a worker loads once. Raises OSError, EngineError or ValueError where a part is broken: it stops the run."""

    config: Config
    urls: UrlFilter = field(init=False)
    language: LanguageModel = field(init=False)
    quality: "QualityModel | None" = field(init=False)

    def __post_init__(self) -> None:
        """Load the parts that the config names."""
        extract = self.config.extract
        self.urls = UrlFilter(self.config.url)
        self.engine = load_engine(
            extract.engine,
            objective=extract.objective,
            comments=extract.comments,
            seconds=extract.timeout_seconds,
            format=extract.format,
            threshold=extract.threshold,
        )
        self.repeats = ExtractionCache()
        self.language = LanguageModel.load(self.config.language.model)
        self.quality = load_quality(self.config.quality.model)
        self.filters = load_filters(self.config.rules)
        self.minhash = self.config.dedup.minhash_params() if self.config.dedup.near else None


def load_quality(folder: str | None) -> "QualityModel | None":
    """Return the classifier in a folder; None, and no fastText loaded, where no folder is given."""
    if folder is None:
        return None
    from classifiers.quality.model import load_quality_model

    return load_quality_model(folder)


@dataclass
class Page:
    """A page on its way. `row` is what is known of it; `rejection` is why it goes no further.

    `end` is where its record ends in the file; `html` is None where the record is text already (WET).
    """

    row: dict[str, Any]
    end: int
    html: str | None = None
    found: Extraction = NOTHING
    checked: str = ""
    rejection: Rejection | None = None


def read(record: CrawlRecord, file: str, tools: Tools) -> Page:
    """Read a response (or a WET file's conversion), after all that can be told without its content."""
    row = {"id": record.id, "url": record.url, "date": record.date, "file": file, "offset": record.offset}
    page = Page(row, record.offset + record.length)
    try:
        check_record(record, tools.config)
        check_url(record.url, tools)
        if record.type == "conversion":
            page.found = NOTHING._replace(text=record.block.decode("utf-8", "replace"))
            row["encoding"] = "utf-8"
        else:
            response = parse_response(record.block, max_body_bytes=tools.config.input.max_page_mb << 20)
            check_response(response)
            html, row["encoding"] = decode_body(response.body, response.header("content-type"))
            wishes = robots_directives(response.headers, html)
            row["robots"] = ",".join(sorted(wishes))
            check_robots(wishes, tools.config)
            page.html = html
    except Rejection as rejection:
        page.rejection = rejection
    return page


def mill(pages: Sequence[Page], tools: Tools, gated: bool = True) -> list[Outcome]:
    """Take pages that were read through every stage. Pure but for the tools' caches and the pages, which it uses up.

    A stage takes all the pages before the next begins: models answer faster while they are in the processor's cache.
    What becomes of a page never depends on the others. Without `gated` the language gate is open: what it drops in
    vain is counted so.
    """
    if gated:
        check_gate(going(pages), tools)
    each(pages, extract, tools)
    identify(going(pages), tools)
    each(pages, check_language, tools)
    each(pages, clean, tools)
    check_quality(going(pages), tools)
    each(pages, describe, tools)
    return [outcome(page) for page in pages]


def going(pages: Sequence[Page]) -> list[Page]:
    """Return the pages that are still on their way."""
    return [page for page in pages if page.rejection is None]


def each(pages: Sequence[Page], step: Callable[[Page, Tools], None], tools: Tools) -> None:
    """Do one step for every page that is still on its way."""
    for page in going(pages):
        try:
            step(page, tools)
        except Rejection as rejection:
            page.rejection = rejection


def outcome(page: Page) -> Outcome:
    """Return what became of a page, all stages done."""
    rejection = page.rejection
    if rejection is None:
        return Outcome(True, "kept", page.row)
    keep = ("id", "url", "date", "file", "offset", "language", "language_score", "text", "robots")
    row = {key: page.row[key] for key in keep if key in page.row}
    row |= {"stage": rejection.stage, "reason": rejection.reason, **rejection.facts}
    return Outcome(False, f"{rejection.stage}/{rejection.reason}", row, page.checked)


def extract(page: Page, tools: Tools) -> None:
    """Run the engine, or recall the same body; what it cannot take is a reason, what breaks it stops the run."""
    if page.html is not None:
        try:
            page.found = tools.repeats.extract(tools.engine, page.html, page.row["url"])
        except PageError as error:
            raise Rejection("extract", error.reason) from error
    text = page.row["text"] = page.found.text
    if len(text.strip()) < max(1, tools.config.extract.min_characters):
        raise Rejection("extract", "too-short" if text.strip() else "empty", value=float(len(text)))


def identify(pages: Sequence[Page], tools: Tools) -> None:
    """Find the language of every page's main text."""
    answers = tools.language.identify([page.row["text"] for page in pages])
    for page, (language, score) in zip(pages, answers, strict=True):
        page.row |= {"language": language, "language_score": score}


def clean(page: Page, tools: Tools) -> None:
    """Apply the rules, which may drop lines, and mask what is personal."""
    row, config = page.row, tools.config
    text, row["measures"], failure = apply_filters(tools.filters, row["text"], row["language"])
    if failure:
        stage, _, reason = failure.reason.partition("/")
        raise Rejection(stage, reason, value=failure.value, measure=failure.measure, threshold=failure.threshold)
    row["text"], masked = mask_pii(text, config.pii)
    row["pii"] = sum(masked.values())


def describe(page: Page, tools: Tools) -> None:
    """Fill the columns of a page that is kept."""
    found, row, url = page.found, page.row, page.row["url"]
    published = found.date
    if not published and page.html and tools.config.extract.find_dates:
        published = find_date(page.html, url, row["date"])
    row |= {"title": found.title, "author": found.author, "published": published, "licence": found.licence}
    row |= {
        "site": url_domain(url),
        "domain": find_topic(url, found.title),
        "canonical_url": canonical_url(url),
    }
    row |= {"canonical_link": found.canonical, "text_hash": hash_text(row["text"])}


def check_record(record: CrawlRecord, config: Config) -> None:
    """Reject a record that the archive, or our own limit, cut short."""
    if record.truncated in ("size", "disconnect"):
        raise Rejection("record", {"size": "too-large", "disconnect": "incomplete"}[record.truncated])
    if record.truncated and config.input.truncated == "reject":
        raise Rejection("record", "truncated", detail=record.truncated)


def check_url(url: str, tools: Tools) -> None:
    """Reject by the URL alone, before anything is decoded."""
    found = tools.urls.reject(url)
    if found:
        raise Rejection("url", found[0], detail=found[1])


def check_response(response: HttpResponse) -> None:
    """Keep whole HTML pages with status 200."""
    if response.status is None:
        raise Rejection("http", "no-status")
    if response.status != 200:
        raise Rejection("http", "status", value=float(response.status))
    if not response.body:
        raise Rejection("http", "empty")
    if "too-large" in response.problems:
        raise Rejection("http", "too-large", value=float(len(response.body)))
    mime = detect_mime_type(response)
    if mime not in HTML:
        raise Rejection("mime", "not-html", detail=mime)


def check_robots(wishes: frozenset[str], config: Config) -> None:
    """Honour the page's own wishes, as configured."""
    for key, directive in HONOURED.items():
        if getattr(config.robots, key) and directive in wishes:
            raise Rejection("robots", directive)


def check_gate(pages: Sequence[Page], tools: Tools) -> None:
    """Reject pages whose first visible text is in no wanted language, before the costly part.

    Some of those go the full way too, and where that ends is noted.
    """
    settings, wanted = tools.config.language, tools.config.languages
    if not wanted or not settings.prefilter:
        return
    pages = [page for page in pages if page.html]
    answers = prefilter_pages([page.html or "" for page in pages], wanted, settings.prefilter_margin, tools.language)
    gated = [(page, found) for page, found in zip(pages, answers, strict=True) if found]
    chosen = [page for page, _ in gated if is_audited(page.row["id"])]
    ends = mill([replace(page, row=dict(page.row)) for page in chosen], tools, gated=False)
    for page, end in zip(chosen, ends, strict=True):
        page.checked = end.key
    for page, found in gated:
        detail = found.language + (f"; the full way ends as {page.checked}" if page.checked else "")
        facts = {"value": found.share, "measure": "gate_share", "threshold": settings.prefilter_margin}
        page.rejection = Rejection("language", "gate", detail=detail, **facts)


def check_language(page: Page, tools: Tools) -> None:
    """Reject languages that are not wanted, then those that are not certain enough."""
    config, language, score = tools.config, page.row["language"], page.row["language_score"]
    if config.languages and language not in config.languages:
        raise Rejection("language", "unwanted", detail=language)
    threshold = config.language.by_language.get(language, config.language.min_score)
    if score < threshold:
        raise Rejection("language", "low-score", value=score, measure="language_score", threshold=threshold)


def check_quality(pages: Sequence[Page], tools: Tools) -> None:
    """Score the texts, where there is a model; reject only where a cut is configured."""
    cut, texts = tools.config.quality.min_score, [page.row["text"] for page in pages]
    scores = tools.quality.score_texts(texts) if tools.quality and texts else [None] * len(texts)
    for page, score in zip(pages, scores, strict=True):
        page.row["scores"] = {"quality": score}
        if score is not None and cut is not None and score < cut:
            page.rejection = Rejection("quality", "low-score", value=score, measure="quality", threshold=cut)
