"""Draw negatives from a crawl: documents with the same languages and lengths as the positives."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc

from classifiers.errors import ClassifierError
from classifiers.hashing import hash_strings
from classifiers.page_files import PAGE_COLUMNS, ROWS_PER_BATCH, open_page_table, read_page_rows
from classifiers.quality.pages import UNKNOWN_LANGUAGE, LabelledPage, make_labelled_page

BIN_WIDTH = 1.2  # longest by shortest length in a bin; wider bins left a length baseline of .54 ROC-AUC in the demo


class CandidateDocument(NamedTuple):
    """A document before its text is read: its place, and the properties that are matched. Sorts in the draw's order."""

    order: str  # hash of seed and id
    id: str
    file: int  # index in the list of files
    row: int
    language: str
    length_bin: int


class MatchedDocuments(NamedTuple):
    """Equal numbers of negatives and positives, and remarks on positives without a match."""

    negatives: list[CandidateDocument]
    positives: list[CandidateDocument]
    notes: list[str]


def assign_length_bin(length: int) -> int:
    """Return the index of the narrow bin in which lengths are matched. Lengths in a bin differ by up to BIN_WIDTH."""
    return int(math.log(max(length, 1)) / math.log(BIN_WIDTH))


def scan_documents(files: list[Path], seed: int) -> Iterator[tuple[CandidateDocument, str]]:
    """Yield every document of the Parquet files with its URL. The texts stay in Arrow."""
    for number, path in enumerate(files):
        with open_page_table(path, ("text", "url")) as file:
            names = [name for name in PAGE_COLUMNS if name in file.schema_arrow.names]
            index = 0
            for batch in file.iter_batches(ROWS_PER_BATCH, columns=names):
                urls = batch.column("url").to_pylist()
                nothing: list[str | None] = [None] * len(urls)
                ids, languages = (batch.column(c).to_pylist() if c in names else nothing for c in ("id", "language"))
                lengths = pc.fill_null(pc.utf8_length(batch.column("text")), 0).to_pylist()
                for url, identity, language, length in zip(urls, ids, languages, lengths, strict=True):
                    order = hash_strings(str(seed), identity or url or "")
                    place = (order, identity or "", number, index)
                    yield CandidateDocument(*place, language or UNKNOWN_LANGUAGE, assign_length_bin(length)), url or ""
                    index += 1


def match_negatives(positives: list[CandidateDocument], others: list[CandidateDocument]) -> MatchedDocuments:
    """Draw one negative of the same language and length bin for every positive.

    A positive without a match is left out. A negative from the nearest bin would let the length tell the classes
    apart. Raises ClassifierError if no positive has a match.
    """
    pool: dict[tuple[str, int], list[CandidateDocument]] = defaultdict(list)
    for candidate in sorted(others, reverse=True):  # so that pop() takes the smallest hash
        pool[candidate.language, candidate.length_bin].append(candidate)
    matched = MatchedDocuments([], [], [])
    unmatched: Counter[str] = Counter()
    for candidate in sorted(positives):
        own = pool[candidate.language, candidate.length_bin]
        if own:
            matched.negatives.append(own.pop())
            matched.positives.append(candidate)
        else:
            unmatched[candidate.language] += 1
    if not matched.positives:
        raise ClassifierError(f"none of {len(positives):,} positives has another document of its language and length")
    if unmatched:
        listed = ", ".join(f"{language} {count:,}" for language, count in sorted(unmatched.items()))
        matched.notes.append(f"Positives left out because no other document has their language and length: {listed}.")
    return matched


def read_chosen_pages(files: list[Path], labels: Mapping[tuple[int, int], int]) -> list[LabelledPage]:
    """Return the pages at the given (file, row) places with their labels. Pages without a token are left out."""
    pages = []
    for number, path in enumerate(files):
        for index, row in enumerate(read_page_rows(path)):
            label = labels.get((number, index))
            if label is not None and (page := make_labelled_page(row, label)):
                pages.append(page)
    return pages
