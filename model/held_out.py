"""Validation documents are never training documents: those that are in both sets are left out of the training set."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np


@dataclass(frozen=True)
class HeldOut:
    """Documents by their tokens; of one tokenizer, so that equal tokens are equal texts."""

    separator: int
    lengths: np.ndarray  # those that occur, so that few others need a digest
    digests: frozenset[bytes]


def hold_out(sets: Iterable[np.ndarray], separator: int) -> HeldOut:
    """Return the documents of validation sets' tokens, each begun by the separator."""
    documents = [ids[start:end] for ids in sets for start, end in bounds(ids, separator)]
    lengths = np.unique(np.array([len(document) for document in documents], np.int64))
    return HeldOut(separator, lengths, frozenset(map(digest, documents)))


def without(ids: np.ndarray, held: HeldOut) -> np.ndarray:
    """Return a training set's tokens without the documents held out; the very array where there are none in it."""
    spans = bounds(ids, held.separator)
    suspects = spans[np.isin(spans[:, 1] - spans[:, 0], held.lengths)]
    found = [(start, end) for start, end in suspects if digest(ids[start:end]) in held.digests]
    if not found:
        return ids
    keep = np.ones(len(ids), bool)
    for start, end in found:
        keep[start:end] = False
    return ids[keep]


def bounds(ids: np.ndarray, separator: int) -> np.ndarray:
    """Return the beginning and end of each document, shape (documents, 2)."""
    starts = np.flatnonzero(ids == separator)
    return np.stack((starts, np.append(starts, len(ids))[1:]), axis=1)


def digest(ids: np.ndarray) -> bytes:
    """Return 16 bytes that tell documents apart."""
    return blake2b(ids.astype(np.uint32).tobytes(), digest_size=16).digest()
