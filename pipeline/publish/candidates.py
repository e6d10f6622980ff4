"""Reads the candidates: the pages of documents/ that are no duplicates, without their text.

This is the first of two passes over the texts. It removes repeated lines, finds items of evaluation sets, and asks
the topic classifier and the importance model, where the config has them. Text never leaves the worker.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection

from pipeline.config import Config
from pipeline.io.output import Output
from pipeline.publish.decontaminate import (
    ContaminatedPage,
    ContaminationHit,
    ContaminationScanner,
    ScannedPage,
    open_scanner,
    write_hits,
)
from pipeline.publish.distribution import hash_uniform
from pipeline.publish.dsir import (
    SumFeatureCounts,
    add_gumbel_noise,
    compute_log_ratio,
    count_features,
    log_importance,
    read_target_counts,
)
from pipeline.publish.line_removal import RemovedLines, read_removed_lines
from pipeline.publish.topics import choose_domain, classify_topics
from pipeline.text.line_keys import RemainingText, to_original_span

CANDIDATE_COLUMNS = ["id", "url", "date", "site", "domain", "page_type", "language", "scores", "text_hash", "text"]
CANDIDATE_ROWS = 1024  # pages in memory at a time
NumberedShard = tuple[int, str]  # the number and the name of a documents shard


class ClusterPart(NamedTuple):
    """How many near duplicates of one documents shard were dropped for the page in a row of another, or of the same."""

    row: int
    pages: int


class CandidatePage(NamedTuple):
    """A page that is no duplicate, without its text. `size` is the UTF-8 bytes of the text that may be published."""

    shard: int
    row: int
    id: str
    site: str
    domain: str  # under which the mixture counts the page
    language: str
    quality: float | None
    size: int
    content_hash: bytes = b""  # of address, date and text: tells apart pages that share an id
    contaminated: bool = False  # dropped because of evaluation items
    importance: float = 0.0  # by DSIR, with its noise
    emptied: bool = False  # too little text remains without repeated lines
    topic: str = ""  # by the topic classifier, where there is one
    topic_score: float = 0.0
    page_type: str = ""  # empty where it is not known


class KeptBatch(NamedTuple):
    """Some pages of a documents shard that are no duplicates."""

    rows: list[int]  # in the shard
    columns: pa.RecordBatch  # its texts are without repeated lines
    remaining: list[RemainingText | None]  # of each text from which lines were removed


def read_duplicate_rows(output: Output, name: str) -> set[int]:
    """Return the rows of a documents shard that are duplicates."""
    if not output.exists("duplicates", f"{name}.parquet"):
        return set()
    with output.parquet("duplicates", f"{name}.parquet") as file:
        return set(file.read(columns=["row"]).column("row").to_pylist())


def count_cluster_parts(
    name: str, root: str, config: Config, names: Sequence[str]
) -> Iterator[tuple[int, ClusterPart]]:
    """Yield, under the number of the kept page's shard, how many near duplicates of this shard go for each kept page.

    Duplicates of pages in earlier outputs do not count.
    """
    output = Output(root, config.documents_from)
    if not output.exists("duplicates", f"{name}.parquet"):
        return
    numbers = {other: number for number, other in enumerate(names)}
    columns = ["kind", "kept_in", "kept_shard", "kept_row"]
    with output.parquet("duplicates", f"{name}.parquet") as file:
        rows = zip(*file.read(columns=columns).to_pydict().values(), strict=True)
    kept = Counter((shard, row) for kind, root, shard, row in rows if kind == "near" and root is None)
    for (shard, row), pages in kept.items():
        if shard in numbers:
            yield numbers[shard], ClusterPart(row, pages)


def remove_repeated_lines(batch: pa.RecordBatch, rows: list[int], lines: RemovedLines | None) -> KeptBatch:
    """Return pages without their repeated lines."""
    if lines is None:
        return KeptBatch(rows, batch, [None] * len(rows))
    return KeptBatch(rows, *lines.remove_from(batch, rows))


def read_kept_batches(output: Output, name: str, config: Config, columns: list[str]) -> Iterator[KeptBatch]:
    """Yield the pages of a documents shard that are no duplicates, in their order."""
    duplicates, lines = read_duplicate_rows(output, name), read_removed_lines(output, name, config.dedup.line_params())
    first = 0
    with output.parquet("documents", f"{name}.parquet") as file:
        for batch in file.iter_batches(columns=columns, batch_size=CANDIDATE_ROWS):
            places = [place for place in range(batch.num_rows) if first + place not in duplicates]
            kept = batch.take(pa.array(places, pa.int64()))
            yield remove_repeated_lines(kept, [first + place for place in places], lines)
            first += batch.num_rows


def hash_content(url: str | None, date: str | None, text_hash: bytes | None) -> bytes:
    """Return a hash of what tells a page from another page with the same id: address, date and text."""
    parts = (url, date, (text_hash or b"").hex())
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def count_shard_features(shard: NumberedShard, root: str, config: Config) -> bytes:
    """Return the counts of DSIR's features in a shard's candidates, as the bytes of an array."""
    batches = read_kept_batches(Output(root, config.documents_from), shard[1], config, ["text"])
    texts = (
        "" if remaining is not None and not remaining.enough else text or ""
        for batch in batches
        for text, remaining in zip(batch.columns.column("text").to_pylist(), batch.remaining, strict=True)
    )
    return count_features(texts, config.weights.dsir.buckets).tobytes()


def score_importance(texts: Sequence[str], ids: Sequence[str], ratio: np.ndarray | None, seed: int) -> list[float]:
    """Return each page's log importance with noise drawn by the page's id; 0 where DSIR is off."""
    if ratio is None:
        return [0.0] * len(ids)
    values = log_importance(texts, ratio)
    return [
        add_gumbel_noise(value, hash_uniform(seed, "dsir", page_id)) for value, page_id in zip(values, ids, strict=True)
    ]


def place_hits(page: ContaminatedPage, remaining: RemainingText | None) -> list[ContaminationHit]:
    """Return a page's hits with start and end as they are in the text in documents/, which has all lines."""
    if remaining is None:
        return page.hits
    spans = [to_original_span(remaining.pieces, hit.start, hit.end) for hit in page.hits]
    return [hit._replace(start=start, end=end) for hit, (start, end) in zip(page.hits, spans, strict=True)]


class BatchExaminer:
    """What is asked about the pages of a documents shard besides their columns."""

    def __init__(self, shard: int, root: str, config: Config, crawl_counts: bytes) -> None:
        """Load what the config asks for. `crawl_counts` has the counts of DSIR's features, if DSIR is on."""
        self.shard, self.config = shard, config
        self.scanner: ContaminationScanner | None = open_scanner(root, config.decontaminate)
        self.ratio: np.ndarray | None = None
        if crawl_counts:
            self.ratio = compute_log_ratio(read_target_counts(Output(root)), np.frombuffer(crawl_counts, np.int64))
        self.reads_text = bool(self.scanner or crawl_counts or config.weights.topics.model)

    def examine(self, batch: KeptBatch) -> tuple[list[CandidatePage], list[ContaminationHit]]:
        """Return the candidates of a batch, and the hits of evaluation items."""
        columns = batch.columns
        ids, urls = columns.column("id").to_pylist(), columns.column("url").to_pylist()
        texts = [text or "" for text in columns.column("text").to_pylist()] if self.reads_text else [""] * len(ids)
        scanned = self.scan(batch, ids, urls, texts)
        hits = [
            hit
            for page, remaining in zip(scanned, batch.remaining, strict=True)
            if page
            for hit in place_hits(page, remaining)
        ]
        return self.build_candidates(batch, ids, urls, texts, scanned), hits

    def scan(
        self, batch: KeptBatch, ids: list[str], urls: list[str | None], texts: list[str]
    ) -> list[ContaminatedPage | None]:
        """Return what evaluation items make of each page. A page with too little text is not published anyway."""
        if self.scanner is None:
            return [None] * len(ids)
        pages = [ScannedPage(*page) for page in zip(ids, urls, batch.rows, strict=True)]
        found = self.scanner.scan_pages(pages, texts)
        return [
            None if remaining and not remaining.enough else page
            for page, remaining in zip(found, batch.remaining, strict=True)
        ]

    def build_candidates(
        self,
        batch: KeptBatch,
        ids: list[str],
        urls: list[str | None],
        texts: list[str],
        scanned: list[ContaminatedPage | None],
    ) -> list[CandidatePage]:
        """Return the candidates of a batch."""
        columns, topics_config = batch.columns, self.config.weights.topics
        dates, hashes, sites, domains, types, languages = (
            columns.column(name).to_pylist()
            for name in ("date", "text_hash", "site", "domain", "page_type", "language")
        )
        qualities = pc.struct_field(columns.column("scores"), "quality").to_pylist()
        sizes = pc.binary_length(columns.column("text")).to_pylist()
        importances = score_importance(texts, ids, self.ratio, self.config.seed)
        topics = classify_topics(texts, urls, topics_config)
        return [
            CandidatePage(
                shard=self.shard,
                row=row,
                id=ids[n],
                site=sites[n],
                domain=choose_domain(*topics[n], domains[n], topics_config),
                language=languages[n],
                quality=qualities[n],
                size=(page.size if page else 0) or sizes[n],
                content_hash=hash_content(urls[n], dates[n], hashes[n]),
                contaminated=bool(page and not page.size),
                importance=importances[n],
                emptied=bool(remaining and not remaining.enough),
                topic=topics[n][0],
                topic_score=topics[n][1],
                page_type=types[n] or "",
            )
            for n, (row, page, remaining) in enumerate(zip(batch.rows, scanned, batch.remaining, strict=True))
        ]


def read_candidates(shard: NumberedShard, root: str, config: Config, crawl_counts: bytes) -> Iterator[CandidatePage]:
    """Yield a shard's candidates, then write the hits of evaluation items.

    `crawl_counts` has the counts of DSIR's features in all candidates, where DSIR is on.
    """
    number, name = shard
    output = Output(root, config.documents_from)
    examiner = BatchExaminer(number, root, config, crawl_counts)
    hits: list[ContaminationHit] = []
    for batch in read_kept_batches(output, name, config, CANDIDATE_COLUMNS):
        pages, found = examiner.examine(batch)
        hits += found
        yield from pages
    write_hits(output, name, hits)


@dataclass(eq=False)
class ReadCandidates(beam.PTransform[PCollection[NumberedShard], PCollection[CandidatePage]]):
    """PCollection[NumberedShard] -> PCollection[CandidatePage]; DSIR counts the features of all texts before."""

    root: str
    config: Config

    def expand(self, shards: PCollection[NumberedShard]) -> PCollection[CandidatePage]:
        """Count features where DSIR is on, then read the candidates."""
        crawl_counts: bytes | beam.pvalue.AsSingleton = b""
        if self.config.weights.dsir.target:
            counts = shards | "count features" >> beam.Map(count_shard_features, self.root, self.config)
            crawl_counts = beam.pvalue.AsSingleton(counts | "sum" >> beam.CombineGlobally(SumFeatureCounts()))
        candidates: PCollection[CandidatePage] = shards | "read" >> beam.FlatMap(
            read_candidates, self.root, self.config, crawl_counts
        )
        return candidates
