"""The corpora of an ablation: without the texts that are scored, cut in two halves, or with their words shuffled.

What the study adds lies under its output, in the layout of an output of the pipeline.
"""

import hashlib
import json
import random
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from model.config import TrainerError
from model.file_writing import replace_file

NGRAM = 13  # words (Brown et al. 2020, GPT-3, appendix C)
WORD = re.compile(r"\w+")
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd: the golden ratio in 64 bits, as in Fibonacci hashing
SETS = ("train", "anneal")  # what is trained on; validation is taken as it is
ROWS = 4096  # documents read at a time


@dataclass(frozen=True)
class PreparedCorpus:
    """A corpus that an arm trains on, and how many of its documents were left out because they overlap with a text."""

    folder: str
    documents: int
    overlapping: int


class TextOverlap:
    """Finds documents that share NGRAM words in a row with one of the texts that are scored."""

    def __init__(self, texts: Iterable[str]):
        """Remember the texts' runs of words. Case and punctuation do not count."""
        split = [find_words(text) for text in texts]
        self.numbers = {word: n for n, word in enumerate(sorted({word for words in split for word in words}), 1)}
        self.known = np.unique(np.concatenate([np.zeros(0, np.uint64), *(self.hash_runs(words) for words in split)]))

    def hash_runs(self, words: list[str]) -> npt.NDArray[np.uint64]:
        """Return a hash of each run of NGRAM words that all stand in the texts."""
        numbers = np.fromiter((self.numbers.get(word, 0) for word in words), np.uint64, len(words))
        count = len(words) - NGRAM + 1
        if count < 1:
            return np.zeros(0, np.uint64)
        hashes, whole = np.zeros(count, np.uint64), np.ones(count, bool)
        for place in range(NGRAM):
            some = numbers[place : place + count]
            hashes = (hashes * FACTOR) + some
            hashes ^= hashes >> np.uint64(29)
            whole &= some != 0
        return hashes[whole]

    def is_in(self, document: str) -> bool:
        """Tell whether a document overlaps with a text."""
        hashes = self.hash_runs(find_words(document))
        places = np.searchsorted(self.known[:-1], hashes)  # a hash above all others is compared with the last
        return bool(len(self.known)) and bool((self.known[places] == hashes).any())


def find_words(text: str) -> list[str]:
    """Return the words of a text, without case."""
    return WORD.findall(text.casefold())


def shuffle_words(text: str, number: int) -> str:
    """Return a document with its words in another order: the same words, and nothing to learn from their order."""
    words = text.split()
    random.Random(number).shuffle(words)
    return " ".join(words)


Change = Callable[[str, int], str | None]  # a document and its number -> what is trained on; None: it is left out


def hash_share(*words: object) -> float:
    """Return a number from 0 to 1 that words decide."""
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=8).digest()) / 2**64


def is_in_half(parity: int, seed: int, document: object) -> bool:
    """Tell whether a document, by its id or number, is in the first (parity 0) or second half; seeds divide anew."""
    return (hash_share("half", seed, document) < 0.5) == (parity == 0)


def take_half(parity: int, seed: int) -> Change:
    """Return a change that keeps one half of the documents."""
    return lambda text, number: text if is_in_half(parity, seed, number) else None


def prepare_corpus(source: str, folder: Path, overlap: TextOverlap | None, change: Change | None) -> PreparedCorpus:
    """Write a corpus without the documents that overlap, each changed by `change`; return where it is.

    A corpus that needs no change is used as it is. One that was prepared before is not prepared again. Raises
    TrainerError for what is no output of the pipeline.
    """
    shards = list_corpus_files(source)
    facts = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in shards]
    texts = None if overlap is None else overlap.known.tobytes()
    key = hashlib.blake2b(repr((facts, texts)).encode(), digest_size=16).hexdigest()
    marker = folder / "prepared.json"
    if marker.is_file() and (found := json.loads(marker.read_text()))["key"] == key:
        return PreparedCorpus(found["folder"], found["documents"], found["overlapping"])
    shutil.rmtree(folder, ignore_errors=True)
    documents = overlapping = 0
    for name in SETS:
        for path in [path for path in shards if path.parent.name == name]:
            table, dropped = change_shard(path, overlap, change)
            documents, overlapping = documents + table.num_rows, overlapping + dropped
            target = folder / "corpus" / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, target, compression="zstd")
    if change is None and not overlapping:
        shutil.rmtree(folder)
        folder.mkdir(parents=True)
        used = source
    else:
        shutil.copytree(Path(source) / "corpus" / "validation", folder / "corpus" / "validation")
        used = str(folder)
    prepared = PreparedCorpus(used, documents, overlapping)
    content = json.dumps({"key": key, **vars(prepared)}).encode()
    replace_file(marker, lambda file: file.write(content))
    return prepared


def list_corpus_files(source: str) -> list[Path]:
    """Return the Parquet files of a corpus that are trained on, sorted. Raises TrainerError where there are none."""
    shards = [path for name in SETS for path in sorted((Path(source) / "corpus" / name).glob("*.parquet"))]
    if not shards or not (Path(source) / "corpus" / "validation").is_dir():
        raise TrainerError(
            f"arms: {source}: no output of the pipeline (no corpus/train and corpus/validation there); only with "
            "null_arms=false, bad_arm=false, remove_overlaps=false and without --cheap an arm may be anything that "
            "`data` takes"
        )
    return shards


def change_shard(path: Path, overlap: TextOverlap | None, change: Change | None) -> tuple[pa.Table, int]:
    """Return the rows of a shard that are trained on, and how many overlap with a text."""
    tables, number, dropped = [], 0, 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS):
            keep, texts = [], []
            for row, text in enumerate(batch.column("text").to_pylist()):
                number += 1
                if overlap is not None and overlap.is_in(text):
                    dropped += 1
                elif (changed := change(text, number) if change else text) is not None:
                    keep.append(row)
                    texts.append(changed)
            table = pa.Table.from_batches([batch]).take(pa.array(keep, pa.int64()))
            column = table.schema.get_field_index("text")
            tables.append(table.set_column(column, table.schema.field(column), pa.array(texts, pa.string())))
        return pa.concat_tables([file.schema_arrow.empty_table(), *tables]), dropped


def read_scored_texts(paths: Iterable[str]) -> Iterator[str]:
    """Yield the texts that are scored."""
    for path in paths:
        yield Path(path).read_text("utf-8")
