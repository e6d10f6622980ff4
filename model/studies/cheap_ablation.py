"""An ablation in minutes: n-gram models of bytes in place of the GPT, with the same arms and the same statistics.

A seed draws documents of every arm by their ids. So arms of the same pages learn from the same pages, and differ by
what a filter dropped or changed. All arms learn from equally many bytes.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow.parquet as pq

from model.baselines.ngrams import measure_bits, train_ngrams
from model.config import TrainerError
from model.studies.ablation_study import (
    BAD_ARM,
    CHEAP_SEEDS,
    HALF_ARM,
    NULL_ARMS,
    AblationStudy,
    ArmResult,
    summarize_seeds,
)
from model.studies.study_arms import (
    ROWS,
    TextOverlap,
    hash_share,
    is_in_half,
    list_corpus_files,
    read_scored_texts,
    shuffle_words,
)

DOCUMENT_BYTES = 20_000  # of a document, so that no single one decides
POOL = 4  # times the bytes that a model learns from: what is held of an arm, for seeds to draw from


class PooledDocument(NamedTuple):
    """A document of an arm, by its place in a random order (0 to 1) that its id decides."""

    place: float
    id: str
    data: bytes  # at most DOCUMENT_BYTES of its text, and a line feed


class ArmPool(NamedTuple):
    """The documents of an arm that seeds draw from, and how many were left out because they overlap with a text."""

    documents: list[PooledDocument]
    overlapping: int

    def count_bytes(self) -> int:
        """Return the bytes of the documents."""
        return sum(len(one.data) for one in self.documents)


def score_arms_by_ngrams(study: AblationStudy) -> dict[str, ArmResult]:
    """Return the scores of every arm, those of the study's own included. Raises TrainerError and OSError."""
    texts = {path: text.encode() for path, text in zip(study.texts, read_scored_texts(study.texts), strict=True)}
    if not all(texts.values()):
        raise TrainerError(f"texts: one of {', '.join(texts)} is empty")
    overlap = TextOverlap(read_scored_texts(study.texts)) if study.remove_overlaps else None
    pools = {name: read_pool(data, POOL * study.cheap_bytes, overlap) for name, data in study.arms.items()}
    first = pools[next(iter(study.arms))]
    if study.bad_arm:
        pools[BAD_ARM] = shuffle_pool(first)
    if study.compute_multiplier:
        pools[HALF_ARM] = first
    draws = {}
    for seed in study.seeds or CHEAP_SEEDS:
        halves = {name: take_pool_half(first, seed, parity) for parity, name in enumerate(NULL_ARMS)}
        draws[seed] = {**pools, **(halves if study.null_arms else {})}
    size = find_equal_size(draws.values(), study.cheap_bytes)
    return {name: score_arm(name, draws, size, texts) for name in next(iter(draws.values()))}


def read_pool(source: str, limit: int, overlap: TextOverlap | None) -> ArmPool:
    """Return the documents of an arm that come first in a random order, `limit` bytes of them."""
    pool = ArmPool([], 0)
    for path in list_corpus_files(source):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS, columns=["id", "text"]):
                rows = zip(batch.column("id").to_pylist(), batch.column("text").to_pylist(), strict=True)
                pool.documents.extend(PooledDocument(hash_share(name), name, cut_document(text)) for name, text in rows)
                pool = take_first_documents(pool, limit)
    kept = [one for one in pool.documents if overlap is None or not overlap.is_in(one.data.decode("utf-8", "replace"))]
    return ArmPool(kept, len(pool.documents) - len(kept))


def cut_document(text: str) -> bytes:
    """Return what a model learns from a document."""
    return text.encode("utf-8", "replace")[:DOCUMENT_BYTES] + b"\n"


def take_first_documents(pool: ArmPool, limit: int) -> ArmPool:
    """Return the documents that come first and have `limit` bytes together."""
    if pool.count_bytes() <= limit:
        return pool
    kept, held = [], 0
    for one in sorted(pool.documents):
        if held >= limit:
            break
        kept.append(one)
        held += len(one.data)
    return pool._replace(documents=kept)


def shuffle_pool(pool: ArmPool) -> ArmPool:
    """Return the documents with their words shuffled."""
    shuffled = [
        one._replace(data=shuffle_words(one.data.decode("utf-8", "replace"), number).encode() + b"\n")
        for number, one in enumerate(pool.documents)
    ]
    return pool._replace(documents=shuffled)


def take_pool_half(pool: ArmPool, seed: int, parity: int) -> ArmPool:
    """Return one half of the documents; each seed divides them anew."""
    return pool._replace(documents=[one for one in pool.documents if is_in_half(parity, seed, one.id)])


def find_equal_size(draws: Iterable[Mapping[str, ArmPool]], limit: int) -> int:
    """Return the bytes that all arms learn from: at most half of what an arm has, so that the draws differ.

    Raises TrainerError if that is next to nothing.
    """
    for pools in draws:
        for name, pool in pools.items():
            limit = min(limit, pool.count_bytes() // (1 if name in NULL_ARMS else 2))
    if limit < 1000:
        raise TrainerError(f"arms: half of the smallest arm has only {limit} bytes")
    return limit


def score_arm(
    name: str, draws: Mapping[int, Mapping[str, ArmPool]], size: int, texts: Mapping[str, bytes]
) -> ArmResult:
    """Return the result of an arm: for each seed a model of `size` bytes, scored on every text."""
    amount = size // 2 if name == HALF_ARM else size
    totals, files, have = {}, [], 0
    for seed, pools in draws.items():
        model = train_ngrams(draw_text(pools[name], seed, amount))
        scores = {path: measure_bits(model, text) for path, text in texts.items()}
        totals[seed] = sum(scores[path] * len(text) for path, text in texts.items()) / sum(map(len, texts.values()))
        files.append(scores)
        have = pools[name].count_bytes()
    return summarize_seeds(totals, files, amount, amount / have, pools[name].overlapping)


def draw_text(pool: ArmPool, seed: int, size: int) -> bytes:
    """Return `size` bytes of the documents of an arm, in an order that the seed and their ids decide."""
    found = bytearray()
    for one in sorted(pool.documents, key=lambda one: hash_share(seed, one.id)):
        found += one.data
        if len(found) >= size:
            break
    return bytes(found[:size])
