"""Token files: each shard is tokenised once, in the background, into a memory-mapped file.

Its name is made of the tokenizer's and the shard's content, so another corpus or tokenizer never meets an old file.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from model import tokenizer as tokenizers_file
from model.config import TrainerError
from model.held_out import HeldOut, without

DOCUMENTS_AT_ONCE = 256  # tokenised together; bounds the memory


@dataclass(frozen=True)
class Tokens:
    """Tokens, and the UTF-8 bytes of the text behind all but the first of them (which no one predicts)."""

    ids: np.ndarray
    text_bytes: int


class Parts:
    """The tokens of a set, one part a shard, made one after the other in a thread while the first are trained on."""

    def __init__(self, fingerprint: str, count: int, make: Callable[[int, Callable[[], bool]], Tokens]) -> None:
        """`make(index, stopped)` makes a part; it gives up with CancelledError once `stopped()`."""
        self.fingerprint, self.count, self.make = fingerprint, count, make
        self.made: dict[int, Future[Tokens]] = {}
        self.held: HeldOut | None = None
        self.kept: dict[int, Tokens] = {}  # the parts without what is held out
        self.closed = Event()

    def leave_out(self, held: HeldOut) -> None:
        """Have the parts without these documents."""
        self.held = held
        self.kept = {}
        self.look_ahead(list(self.made))

    def begin(self, order: Iterable[int]) -> None:
        """Have the parts made in this order, and do not wait."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="tokens")
        for index in order:
            if index not in self.made:
                self.made[index] = pool.submit(self.make, index, self.closed.is_set)
                pool.submit(self.rest, index)
        pool.shutdown(wait=False)  # the thread ends after the last part

    def look_ahead(self, begun: list[int]) -> None:
        """Have what is held out of these parts left out before they are asked for, and do not wait."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="held-out")
        for index in begun:
            pool.submit(self.rest, index)
        pool.shutdown(wait=False)

    def part(self, index: int) -> Tokens:
        """Return a part, once it is made. Raises TrainerError for a shard that cannot be read."""
        if index not in self.made:
            self.begin([index])
        return self.rest(index)

    def rest(self, index: int) -> Tokens:
        """Return a part that is being made, without what is held out."""
        kept, held = self.kept, self.held  # in this order: a new one of the first is set after the second
        tokens = self.made[index].result()
        if held is not None and index not in kept:
            kept[index] = Tokens(without(tokens.ids, held), tokens.text_bytes)
        return tokens if held is None else kept[index]

    def whole(self) -> Tokens:
        """Return all parts as one, in the shards' order."""
        self.begin(range(self.count))
        parts = [self.part(index) for index in range(self.count)]
        ids = parts[0].ids if len(parts) == 1 else np.concatenate([part.ids for part in parts])
        return Tokens(ids, sum(part.text_bytes for part in parts))

    def size(self) -> int:
        """Return the number of tokens, once all are made."""
        self.begin(range(self.count))
        return sum(len(self.part(index).ids) for index in range(self.count))

    def close(self) -> None:
        """Stop the thread."""
        self.closed.set()
        for future in self.made.values():
            future.cancel()


def ready(tokens: Tokens) -> Parts:
    """Return a set of one part that is there already."""
    return Parts(hashlib.sha256(tokens.ids.tobytes()).hexdigest()[:16], 1, lambda index, stopped: tokens)


def open_parts(shards: list[Path], tokenizer: Tokenizer, cache: Path) -> Parts:
    """Return the shards' tokens: from their files in `cache`, or tokenised as they are asked for."""
    begun = hashlib.sha256(tokenizer.to_str().encode())  # however its file is laid out: a run's copy is the same
    keys = [begun.copy() for _ in shards]
    for key, shard in zip(keys, shards, strict=True):
        with shard.open("rb") as file:
            key.update(hashlib.file_digest(file, "sha256").digest())
    names = [key.hexdigest()[:16] for key in keys]

    def make(index: int, stopped: Callable[[], bool]) -> Tokens:
        stem = cache / f"tokens-{names[index]}"
        data, header = stem.with_suffix(".bin"), stem.with_suffix(".json")
        if not header.exists():  # it is written last, so with it the data is whole
            write_tokens(shards[index], tokenizer, data, header, stopped)
        about = json.loads(header.read_text())
        if data.stat().st_size != about["tokens"] * np.dtype(about["dtype"]).itemsize:
            raise TrainerError(f"{data}: not the size that {header.name} says; delete both, they are made again")
        ids = np.memmap(data, about["dtype"], mode="r") if about["tokens"] else np.zeros(0, about["dtype"])
        return Tokens(ids, about["text_bytes"])

    return Parts(hashlib.sha256("".join(names).encode()).hexdigest()[:16], len(shards), make)


def write_tokens(shard: Path, tokenizer: Tokenizer, data: Path, header: Path, stopped: Callable[[], bool]) -> None:
    """Tokenise every document of a shard, in order, each after a separator, and write data and header."""
    separator = tokenizers_file.separator_id(tokenizer)
    dtype = np.dtype(np.uint16 if tokenizer.get_vocab_size() <= 2**16 else np.uint32)
    about: dict[str, Any] = {"dtype": dtype.name, "documents": 0, "tokens": 0, "text_bytes": 0}

    def chunks() -> Iterator[bytes]:
        for texts in read_texts(shard):
            if stopped():
                raise CancelledError
            rows = tokenizers_file.encode_batch(tokenizer, texts, str(shard))
            if not about["documents"]:
                tokenizers_file.check_exact(tokenizer, texts, rows, str(shard))
            about["documents"] += len(texts)
            about["text_bytes"] += sum(len(text.encode()) for text in texts)
            for ids in rows:
                about["tokens"] += 1 + len(ids)
                yield np.array([separator, *ids], dtype).tobytes()

    data.parent.mkdir(parents=True, exist_ok=True)
    if sys.stderr.isatty():
        print(f"\r\x1b[Ktokenising {shard.name} ...", end="", file=sys.stderr, flush=True)
    write_atomically(data, lambda file: file.writelines(chunks()))
    write_atomically(header, lambda file: file.write(json.dumps(about).encode()))


def count_documents(shards: list[Path]) -> int:
    """Return the number of documents, from the files' footers. Raises TrainerError for a file that is no shard."""
    count = 0
    for shard in shards:
        try:
            with pq.ParquetFile(shard) as file:
                file.schema_arrow.field("text")
                count += file.metadata.num_rows
        except (ValueError, KeyError) as error:  # pyarrow's ArrowInvalid is a ValueError
            raise not_a_shard(shard, error) from error
    return count


def read_texts(shard: Path) -> Iterator[list[str]]:
    """Yield the shard's texts, a batch at a time. Raises TrainerError for a file that is not such a shard."""
    try:
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(DOCUMENTS_AT_ONCE, columns=["text"]):
                texts = batch.column("text").to_pylist()
                if not all(isinstance(text, str) for text in texts):
                    raise TrainerError(f"{shard}: its column text holds more than texts (null, or another type)")
                yield texts
    except TrainerError:
        raise
    except (ValueError, KeyError) as error:
        raise not_a_shard(shard, error) from error
    except OSError as error:  # of pyarrow's own, without a number, are those about what the file holds
        raise error if error.errno is not None else not_a_shard(shard, error) from error


def not_a_shard(shard: Path, error: Exception) -> TrainerError:
    """Return the line for a file that cannot be read as a shard."""
    return TrainerError(f"{shard}: not a shard of a corpus: {' '.join(str(error).split())}")


def write_atomically(path: Path, write: Callable[..., object]) -> None:
    """Let `write` fill a binary file beside `path`, and give it the name only once it is whole and on disk."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
