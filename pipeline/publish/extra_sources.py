"""Adds extra sources to anneal/: given clean texts (Wikipedia, books) for the end of training.

Their texts are read once, stored under `.work/`, decontaminated like pages, and planned beside them. A text that shares
its address, its text or a MinHash band with a page of validation is not published.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from pipeline.config import Config
from pipeline.io.ledger import AddedTexts
from pipeline.io.output import WORK, Output
from pipeline.io.schemas import DOCUMENT
from pipeline.io.text_files import TextFileError, TextRow, find_text_files, fingerprint_files, read_text_rows
from pipeline.publish.candidates import CandidatePage
from pipeline.publish.decontaminate import ContaminationHit, ScannedPage, open_scanner, write_hits
from pipeline.publish.distribution import hash_uniform
from pipeline.publish.mixture import CellWeight
from pipeline.publish.result import add_extra_counts, new_extra_counts
from pipeline.publish.sampling import NOT_SAMPLED, JudgedPage, PlannedPage, SamplingDecision
from pipeline.publish.topics import classify_topics
from pipeline.text.invisible import clean_plain_text
from pipeline.text.minhash import MinHashParams, compute_band_keys, hash_text, sign_texts
from pipeline.url.canonical import canonical_url, url_domain
from pipeline.url.topic_by_address import DOMAINS, find_topic

EXTRA_PREFIX = "clean."  # of a source file's shard; a crawl file's shard ends in a hash, so none has such a name
EXTRA_FOLDER = f"{WORK}/extra_sources"
EXTRA_COLUMNS = ("id", "url", "date", "file", "language", "language_score", "domain", "page_type", "scores", "text")
EXTRA_SCHEMA = pa.schema([DOCUMENT.field(name) for name in EXTRA_COLUMNS])
EXTRA_ROWS = 256  # texts in memory at a time

PageKey = bytes  # what copies of a text share
PagePlace = tuple[int, int]  # shard, row
VALIDATION_PLACE: PagePlace = (-1, -1)  # stands for any page of validation


class ExtraSourceError(ValueError):
    """An extra source that cannot be read. Its message is one line."""


class SourceFile(NamedTuple):
    """One file of an extra source; `source` is the path in the config."""

    source: str
    path: str


class SourceShard(NamedTuple):
    """A source file, and the number and name of its shard."""

    number: int
    name: str
    path: str


class ExtraText(NamedTuple):
    """A text of an extra source, as it is stored under `.work/`."""

    id: str
    url: str
    language: str | None
    domain: str
    text: str


def find_source_files(sources: Mapping[str, float | None]) -> list[SourceFile]:
    """Return the files that the sources name, sorted within each; each once. Raises ExtraSourceError for none."""
    found: dict[str, str] = {}
    for source in sources:
        try:
            for path in find_text_files(source):
                found.setdefault(path, source)
        except TextFileError as error:
            raise ExtraSourceError(f"publish.extra_anneal_sources: {error}") from error
    return [SourceFile(source, path) for path, source in found.items()]


def fingerprint_sources(sources: Mapping[str, float | None]) -> list[tuple[str, int, str]]:
    """Return name, size and version of each of the sources' files."""
    return fingerprint_files(file.path for file in find_source_files(sources))


def read_extra_texts(path: str) -> Iterator[ExtraText]:
    """Yield the texts of a source file. Raises ExtraSourceError for one that cannot be read."""
    try:
        rows = (row._replace(text=clean_plain_text(row.text)) for row in read_text_rows(path))
        yield from (to_extra_text(row) for row in rows if row.text.strip())
    except TextFileError as error:
        raise ExtraSourceError(f"publish.extra_anneal_sources: {error}") from error


def check_sources(sources: Mapping[str, float | None]) -> None:
    """Read the first text of each file, so that a file without one fails before the job. Raises ExtraSourceError."""
    for _, path in find_source_files(sources):
        if next(read_extra_texts(path), None) is None:
            raise ExtraSourceError(f"publish.extra_anneal_sources: {path}: there is no text in this file")


def extra_shard_name(number: int) -> str:
    """Return the name of a source file's shard."""
    return f"{EXTRA_PREFIX}{number:05d}"


def is_extra_shard(name: str) -> bool:
    """Return whether a shard is that of a source file, not of a crawl file."""
    return name.startswith(EXTRA_PREFIX)


def text_folder(name: str) -> str:
    """Return the folder that has a shard's texts: of the crawl's pages, or of a source file."""
    return EXTRA_FOLDER if is_extra_shard(name) else "documents"


def to_extra_text(row: TextRow) -> ExtraText:
    """Return a row with what it lacks: an id from its address and text, and a domain from its address."""
    url = row.url or ""
    digest = hashlib.blake2b(f"{url}\x00{row.text}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    topic = row.domain if row.domain in DOMAINS else find_topic(url)
    return ExtraText(row.id if row.id is not None else f"<urn:text:{digest}>", url, row.language, topic or "", row.text)


def text_keys(texts: Sequence[ExtraText], params: MinHashParams, near: bool) -> Iterator[list[PageKey]]:
    """Yield the keys of each text, with its MinHash bands where near duplicates are looked for."""
    sketches = sign_texts([text.text for text in texts], params) if near and texts else [b""] * len(texts)
    for text, sketch in zip(texts, sketches, strict=True):
        address = canonical_url(text.url) if text.url else ""
        yield page_keys(hash_text(text.text), address, sketch, params)


def page_keys(hashed: bytes, address: str, sketch: bytes, params: MinHashParams) -> list[PageKey]:
    """Return a page's keys: of its text, its address if it has one, and its MinHash bands if it has a signature."""
    keys = [b"t" + hashed] + ([b"u" + address.encode("utf-8", "surrogatepass")] if address else [])
    if sketch and len(sketch) == 4 * params.hashes:
        bands = compute_band_keys(np.frombuffer(sketch, "<u4").reshape(1, -1), params)[0]
        keys += [b"m%d." % n + int(key).to_bytes(8, "little") for n, key in enumerate(bands)]
    return keys


def weigh_sources(
    sizes: Mapping[str, int], best: int, shares: Mapping[str, float | None], most: float
) -> dict[str, CellWeight]:
    """Return how often each source's texts are published. `sizes` are bytes, `best` those of the crawl's best pages.

    A source without a share is published once. The weights of the others give them their shares of anneal/, with at
    most `most` copies of a text. If nothing else is in anneal/, the shares hold among the sources alone, and no text
    has more than one copy.
    """
    asked = {source: share for source, share in shares.items() if share is not None and sizes.get(source)}
    fixed = best + sum(size for source, size in sizes.items() if shares[source] is None)
    if fixed or not asked:
        whole = fixed / (1 - sum(asked.values()))
    else:
        whole = min(sizes[source] / share for source, share in asked.items() if share) if any(asked.values()) else 0.0
    wanted = {source: asked[source] * whole / sizes[source] if source in asked else 1.0 for source in sizes}
    return {source: CellWeight(value, min(value, most)) for source, value in wanted.items()}


def sum_source_counts(output: Output, files: Sequence[SourceFile]) -> dict[str, AddedTexts]:
    """Return the sums of what was counted for the files of each source."""
    sums: dict[str, AddedTexts] = {}
    for number, (source, _) in enumerate(files):
        counts = sums.setdefault(source, new_extra_counts())
        path = (WORK, "publish", f"{extra_shard_name(number)}.json")
        if output.exists(*path):
            add_extra_counts(counts, output.read_json(*path)["counts"])
    return sums


def store_texts(shard: SourceShard, root: str, config: Config) -> Iterator[tuple[CandidatePage, list[PageKey]]]:
    """Store a source file's texts under `.work/`, and yield each without its text, with its keys."""
    output, params = Output(root), config.dedup.minhash_params()
    scanner = open_scanner(root, config.decontaminate)
    hits: list[ContaminationHit] = []
    texts, first = read_extra_texts(shard.path), 0
    with output.table_writer(EXTRA_SCHEMA, EXTRA_FOLDER, f"{shard.name}.parquet") as writer:
        while some := list(islice(texts, EXTRA_ROWS)):
            for text in some:
                row = text._asdict() | {"url": text.url or None, "file": shard.path, "scores": {"quality": None}}
                writer.row(row)
            bodies = [text.text for text in some]
            pages = [ScannedPage(text.id, text.url or None, first + n) for n, text in enumerate(some)]
            found = scanner.scan_pages(pages, bodies) if scanner else [None] * len(some)
            topics = classify_topics(bodies, [text.url for text in some], config.weights.topics)
            for n, keys in enumerate(text_keys(some, params, config.dedup.near)):
                page = found[n]
                hits += page.hits if page else []
                size = page.size if page else len(bodies[n].encode("utf-8", "surrogatepass"))
                candidate = to_candidate(some[n], (shard.number, first + n), size, topics[n])
                yield candidate._replace(contaminated=bool(page and not page.size)), keys
            first += len(some)
    write_hits(output, shard.name, hits)


def to_candidate(text: ExtraText, place: PagePlace, size: int, topic: tuple[str, float]) -> CandidatePage:
    """Return a text as a candidate of the crawl. `size` is its UTF-8 bytes after decontamination."""
    return CandidatePage(
        shard=place[0],
        row=place[1],
        id=text.id,
        site=url_domain(text.url) if text.url else "",
        domain=text.domain,
        language=text.language or "",
        quality=None,
        size=size,
        topic=topic[0],
        topic_score=topic[1],
    )


def place_in_validation(planned: PlannedPage) -> Iterator[PagePlace]:
    """Yield the place of a page of validation."""
    if planned.decision.split == "validation" and not planned.decision.exclusion:
        yield planned.page.shard, planned.page.row


def read_validation_keys(
    group: tuple[int, Iterable[int]], root: str, config: Config, names: tuple[str, ...]
) -> Iterator[tuple[PageKey, PagePlace]]:
    """Yield the keys of a documents shard's pages of validation."""
    number, numbers = group
    wanted, first, params = set(numbers), 0, config.dedup.minhash_params()
    columns = ["text_hash", "canonical_url", "minhash"]
    with Output(root, config.documents_from).parquet("documents", f"{names[number]}.parquet") as file:
        for batch in file.iter_batches(columns=columns, batch_size=EXTRA_ROWS):
            rows = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
            for row, (hashed, address, sketch) in enumerate(rows, first):
                if row in wanted:
                    yield from ((key, VALIDATION_PLACE) for key in page_keys(hashed, address, sketch, params))
            first += batch.num_rows


def key_places(text: tuple[CandidatePage, list[PageKey]]) -> Iterator[tuple[PageKey, PagePlace]]:
    """Yield each key of a text with the text's place."""
    page, keys = text
    yield from ((key, (page.shard, page.row)) for key in keys)


def find_shared_places(group: tuple[PageKey, Iterable[PagePlace]]) -> Iterator[tuple[PagePlace, bool]]:
    """Yield the places of texts that share a key with a page of validation."""
    places = group[1]  # a runner reads the group again, so that it need not fit into memory
    if any(place == VALIDATION_PLACE for place in places):
        yield from ((place, True) for place in places if place != VALIDATION_PLACE)


def judge_text(page: CandidatePage, shared: dict[PagePlace, bool]) -> JudgedPage:
    """Return a text, and why it is not published whatever its share."""
    if page.contaminated:
        return JudgedPage(page, "contaminated")
    return JudgedPage(page, "validation" if (page.shard, page.row) in shared else "")


def source_size(judged: JudgedPage, first: int, sources: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield the bytes that a text adds to its source. `first` is the number of the first source file's shard."""
    if not judged.exclusion:
        yield sources[judged.page.shard - first], judged.page.size


def best_size(planned: PlannedPage) -> Iterator[int]:
    """Yield the bytes that one of the best pages adds to anneal/."""
    if planned.decision.anneal:
        yield planned.page.size


def plan_text(
    judged: JudgedPage, sizes: dict[str, int], best: int, config: Config, first: int, sources: tuple[str, ...]
) -> PlannedPage:
    """Decide how often a text is published in anneal/."""
    page = judged.page
    if judged.exclusion:
        return PlannedPage(page, SamplingDecision(0.0, 0.0, "anneal", 0, judged.exclusion), None)
    shares, most = config.publish.extra_anneal_sources, config.weights.max_repeats
    weights = weigh_sources(dict(sorted(sizes.items())), best, shares, most)
    wanted, weight = weights[sources[page.shard - first]]
    copies = int(weight) + (hash_uniform(config.seed, "clean", page.id, page.row) < weight % 1)
    Metrics.counter("publish", "anneal").inc(copies)
    return PlannedPage(page, SamplingDecision(weight, wanted, "anneal", copies, "" if copies else NOT_SAMPLED), None)


@dataclass(eq=False)
class ReadValidationKeys(beam.PTransform[PCollection[PlannedPage], PCollection[tuple[PageKey, PagePlace]]]):
    """PCollection[PlannedPage] -> PCollection[(PageKey, PagePlace)]: the keys of the pages of validation."""

    root: str
    config: Config
    names: tuple[str, ...]  # of the documents shards

    def expand(self, pages: PCollection[PlannedPage]) -> PCollection[tuple[PageKey, PagePlace]]:
        """Group the pages of validation by the documents shard that has their keys, and read them."""
        by_shard = pages | "validation" >> beam.FlatMap(place_in_validation) | "by shard" >> beam.GroupByKey()
        sides = self.root, self.config, self.names
        keys: PCollection[tuple[PageKey, PagePlace]] = by_shard | "read" >> beam.FlatMap(read_validation_keys, *sides)
        return keys


@dataclass(eq=False)
class AddExtraSources(beam.PTransform[PCollection[PlannedPage], PCollection[PlannedPage]]):
    """PCollection[PlannedPage] -> PCollection[PlannedPage]: the pages, and `publish.extra_anneal_sources`' texts."""

    root: str
    config: Config
    names: tuple[str, ...]  # of the documents shards
    files: tuple[SourceFile, ...]

    def expand(self, pages: PCollection[PlannedPage]) -> PCollection[PlannedPage]:
        """Read the texts, exclude what validation has, then decide how often each source is published."""
        first, sources = len(self.names), tuple(file.source for file in self.files)
        shards = [SourceShard(first + n, extra_shard_name(n), file.path) for n, file in enumerate(self.files)]
        texts = (
            pages.pipeline
            | "source files" >> beam.Create(shards).with_output_types(SourceShard)
            | "store texts" >> beam.FlatMap(store_texts, self.root, self.config)
        )
        taken = pages | "validation keys" >> ReadValidationKeys(self.root, self.config, self.names)
        offered = texts | "text keys" >> beam.FlatMap(key_places)
        by_key = (taken, offered) | "all keys" >> beam.Flatten() | "by key" >> beam.GroupByKey()
        shared = by_key | "shared" >> beam.FlatMap(find_shared_places) | "distinct" >> beam.Distinct()
        judged = texts | "texts" >> beam.Keys() | "judge" >> beam.Map(judge_text, beam.pvalue.AsDict(shared))
        sizes = judged | "sizes" >> beam.FlatMap(source_size, first, sources) | "sources" >> beam.CombinePerKey(sum)
        best = pages | "best" >> beam.FlatMap(best_size) | "of the best" >> beam.CombineGlobally(sum)
        sides = beam.pvalue.AsDict(sizes), beam.pvalue.AsSingleton(best)
        planned = judged | "plan" >> beam.Map(plan_text, *sides, self.config, first, sources)
        every: PCollection[PlannedPage] = (pages, planned) | "all" >> beam.Flatten()
        return every
