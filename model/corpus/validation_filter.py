"""Leaves the documents of validation sets out of training sets."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

TokenIds: TypeAlias = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class ValidationDocuments:
    """The documents of validation sets, by their tokens. All are of one tokenizer: equal tokens are equal texts."""

    separator: int
    lengths: npt.NDArray[np.int64]  # the lengths that occur, so that few documents need a digest
    digests: frozenset[bytes]


def collect_validation_documents(sets: Iterable[TokenIds], separator: int) -> ValidationDocuments:
    """Return the documents of the validation sets' tokens; each document begins with the separator."""
    documents = [ids[start:end] for ids in sets for start, end in find_document_spans(ids, separator)]
    lengths = np.unique(np.array([len(document) for document in documents], np.int64))
    return ValidationDocuments(separator, lengths, frozenset(map(digest_token_ids, documents)))


def drop_validation_documents(ids: TokenIds, held_out: ValidationDocuments) -> TokenIds:
    """Return a training set's tokens without the validation documents; the same array if it holds none of them."""
    spans = find_document_spans(ids, held_out.separator)
    suspects = spans[np.isin(spans[:, 1] - spans[:, 0], held_out.lengths)]
    found = [(start, end) for start, end in suspects if digest_token_ids(ids[start:end]) in held_out.digests]
    if not found:
        return ids
    keep = np.ones(len(ids), bool)
    for start, end in found:
        keep[start:end] = False
    return ids[keep]


def find_document_spans(ids: TokenIds, separator: int) -> npt.NDArray[np.int64]:
    """Return the start and end of each document, shape (documents, 2)."""
    starts = np.flatnonzero(ids == separator)
    return np.stack((starts, np.append(starts, len(ids))[1:]), axis=1)


def digest_token_ids(ids: TokenIds) -> bytes:
    """Return 16 bytes that identify a document."""
    return blake2b(ids.astype(np.uint32).tobytes(), digest_size=16).digest()
