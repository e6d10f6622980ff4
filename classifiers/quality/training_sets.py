"""The three ways to obtain a training set: two sets of pages, references and a crawl, or good texts and a crawl."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from classifiers.errors import ClassifierError
from classifiers.hashing import hash_strings
from classifiers.page_files import find_page_files, open_page_table
from classifiers.quality.candidates import (
    CandidateDocument,
    assign_length_bin,
    match_negatives,
    read_chosen_pages,
    scan_documents,
)
from classifiers.quality.pages import UNKNOWN_LANGUAGE, TrainingSet, read_labelled_pages
from pipeline.url.canonical import canonical_url, url_domain

Match = Literal["exact", "site"]


def read_two_sets(positives: str, negatives: str) -> TrainingSet:
    """Return the pages of two files, folders or globs. Raises ClassifierError, OSError."""
    pages = read_labelled_pages(positives, 1) + read_labelled_pages(negatives, 0)
    return TrainingSet(pages, f"positives: {positives}; negatives: {negatives}", [])


def read_referenced_set(references: str, documents: str, match: Match = "exact", seed: int = 0) -> TrainingSet:
    """Join extracted documents to referenced URLs. These are the positives, and as many other documents are drawn.

    `match` "exact" joins by canonical URL. "site" takes every document of a referenced site, which is a proxy.
    Negatives are drawn by a hash of id and seed, with the languages and length bins of the positives. If a bin holds
    too few other documents, some of its positives are left out, by the same hash, so that neither language nor length
    tells the classes apart. Raises ClassifierError, OSError.
    """
    wanted = read_referenced_keys(references, match)
    files = find_page_files(documents)
    pools: tuple[list[CandidateDocument], list[CandidateDocument]] = ([], [])
    for candidate, url in scan_documents(files, seed):
        pools[(url_domain(url) if match == "site" else canonical_url(url)) in wanted].append(candidate)
    others, referenced = pools
    if not referenced:
        hint = "" if match == "site" else "; --match site takes the pages of referenced sites instead"
        raise ClassifierError(f"{documents}: none of {len(wanted):,} referenced addresses is among its documents{hint}")
    distinct = exclude_copies(others, referenced, documents)
    matched = match_negatives(referenced, distinct)
    notes = list(matched.notes)
    if len(distinct) < len(others):
        notes.append(f"{len(others) - len(distinct):,} pages that copy others were not drawn as negatives.")
    if match == "site":
        notes.insert(0, "Positives are a site-level PROXY: pages of sites that are referred to, not pages that are.")
    labels = place_labels(matched.negatives, 0) | place_labels(matched.positives, 1)
    source = f"references: {references}; documents: {documents}; match: {match}"
    return TrainingSet(read_chosen_pages(files, labels), source, notes)


def read_positive_set(positives: str, documents: str, language: str | None = None, seed: int = 0) -> TrainingSet:
    """Return any good texts (Parquet or JSONL) as positives, and as many documents of a crawl as negatives.

    Negatives are drawn as in `read_referenced_set`. A document with the id of a positive is not drawn. `language` is
    the language of positives that name none. Raises ClassifierError, OSError.
    """
    good = read_labelled_pages(positives, 1)
    if language is None and any(page.language == UNKNOWN_LANGUAGE for page in good):
        raise ClassifierError(
            f"{positives}: some pages have no language, and negatives are matched by it; give --language"
        )
    good = [
        replace(page, language=language or page.language) if page.language == UNKNOWN_LANGUAGE else page
        for page in good
    ]
    ids = {page.id for page in good}
    files = find_page_files(documents)
    others = [candidate for candidate, _ in scan_documents(files, seed) if candidate.id not in ids]
    wanted = [
        CandidateDocument(
            hash_strings(str(seed), page.id), page.id, -1, n, page.language, assign_length_bin(page.length)
        )
        for n, page in enumerate(good)
    ]
    matched = match_negatives(wanted, others)
    pages = [good[candidate.row] for candidate in matched.positives]
    pages += read_chosen_pages(files, place_labels(matched.negatives, 0))
    return TrainingSet(pages, f"positives: {positives}; negatives drawn from {documents}", matched.notes)


def read_referenced_keys(references: str, match: Match) -> set[str]:
    """Return the canonical URLs of the references, or their sites if `match` is "site"."""
    urls: set[str] = set()
    for path in find_page_files(references):
        with open_page_table(path, ("canonical_url",)) as file:
            for batch in file.iter_batches(columns=["canonical_url"]):
                urls.update(filter(None, batch.column(0).to_pylist()))
    return {url_domain(url) for url in urls} if match == "site" else urls


def exclude_copies(
    others: list[CandidateDocument], referenced: list[CandidateDocument], documents: str
) -> list[CandidateDocument]:
    """Return the documents that are neither dropped duplicates nor in a cluster with a referenced page.

    A copy of a referenced page on another site is no example of an unreferenced page. The clusters are read from the
    `duplicates/` folder beside `documents/`. Without that folder all documents are returned.
    """
    cluster: dict[str, str] = {}
    dropped: set[str] = set()
    for path in sorted((Path(documents).parent / "duplicates").glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "kept_id", "cluster"]).to_pylist():
            cluster |= {row["id"]: row["cluster"], row["kept_id"]: row["cluster"]}
            dropped.add(row["id"])
    copied = {cluster[page.id] for page in referenced if page.id in cluster}
    return [page for page in others if page.id not in dropped and cluster.get(page.id) not in copied]


def place_labels(candidates: Iterable[CandidateDocument], label: int) -> dict[tuple[int, int], int]:
    """Return the label by (file, row) of each candidate."""
    return {(candidate.file, candidate.row): label for candidate in candidates}
