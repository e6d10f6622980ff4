"""Token files: a background thread tokenises each shard once, into a memory-mapped file.

The file's name is made from the content of the tokenizer and the shard, so that another corpus or tokenizer never reads
an old file.
"""

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow.parquet as pq
import zstandard
from tokenizers import Tokenizer

from model import tokenizer as tokenizer_files
from model.config import TrainerError
from model.corpus.validation_filter import TokenIds, ValidationDocuments, drop_validation_documents
from model.file_writing import remove_stale_files, replace_file

JSON_SUFFIX = ".jsonl.zst"
DOCUMENTS_AT_ONCE = 256  # tokenised together; bounds the memory


@dataclass(frozen=True)
class TokenArray:
    """Token ids, and the number of UTF-8 bytes of the text behind all but the first (which is never predicted)."""

    ids: TokenIds
    text_bytes: int


@dataclass
class TokenFileHeader:
    """The JSON file beside a token file. It is written last: if it exists, the token file is complete."""

    dtype: str
    documents: int = 0
    tokens: int = 0
    text_bytes: int = 0


class TokenShards:
    """The tokens of a set, one array a shard. A thread makes them one after the other, while the first are used."""

    def __init__(self, fingerprint: str, count: int, make: Callable[[int, Callable[[], bool]], TokenArray]) -> None:
        """`make(index, is_closed)` makes a shard's tokens; it raises CancelledError once `is_closed()` is true."""
        self.fingerprint, self.count, self.make = fingerprint, count, make
        self.futures: dict[int, Future[TokenArray]] = {}
        self.held_out: ValidationDocuments | None = None
        self.filtered: dict[int, TokenArray] = {}  # the shards without the validation documents
        self.closed = Event()
        self.maker = ThreadPoolExecutor(1, thread_name_prefix="tokens")
        self.filterer = ThreadPoolExecutor(1, thread_name_prefix="validation-filter")

    def leave_out(self, held_out: ValidationDocuments) -> None:
        """Leave these documents out of all shards from now on."""
        self.held_out = held_out
        self.filtered = {}
        for index in self.futures:
            self.filterer.submit(self.filter_shard, index)

    def start(self, order: Iterable[int]) -> None:
        """Start to make the shards in this order, and return at once."""
        for index in order:
            if index not in self.futures:
                self.futures[index] = self.maker.submit(self.make, index, self.closed.is_set)
                self.filterer.submit(self.filter_shard, index)

    def get_shard(self, index: int) -> TokenArray:
        """Return a shard's tokens, once they are made. Raises TrainerError for a shard that cannot be read."""
        self.start([index])
        return self.filter_shard(index)

    def filter_shard(self, index: int) -> TokenArray:
        """Wait for a shard whose making has started, and return it without the validation documents."""
        filtered, held_out = self.filtered, self.held_out  # in this order: `leave_out` sets them in the other one
        tokens = self.futures[index].result()
        if held_out is None:
            return tokens
        if index not in filtered:
            filtered[index] = TokenArray(drop_validation_documents(tokens.ids, held_out), tokens.text_bytes)
        return filtered[index]

    def concatenate(self) -> TokenArray:
        """Return all shards as one array, in their order."""
        self.start(range(self.count))
        shards = [self.get_shard(index) for index in range(self.count)]
        ids = shards[0].ids if len(shards) == 1 else np.concatenate([shard.ids for shard in shards])
        return TokenArray(ids, sum(shard.text_bytes for shard in shards))

    def count_tokens(self) -> int:
        """Return the number of tokens, once all shards are made."""
        self.start(range(self.count))
        return sum(len(self.get_shard(index).ids) for index in range(self.count))

    def close(self) -> None:
        """Stop, and wait until the threads have ended. The token file being written is removed."""
        self.closed.set()
        for pool in (self.maker, self.filterer):
            pool.shutdown(wait=True, cancel_futures=True)


def wrap_tokens(tokens: TokenArray) -> TokenShards:
    """Return a set of one shard, whose tokens exist already."""
    fingerprint = hashlib.sha256(tokens.ids.tobytes()).hexdigest()[:16]
    return TokenShards(fingerprint, 1, lambda index, is_closed: tokens)


def open_token_shards(shards: list[Path], tokenizer: Tokenizer, cache: Path) -> TokenShards:
    """Return the tokens of the shards: read from the files in `cache`, or made when they are needed."""
    shared_key = hashlib.sha256(tokenizer.to_str().encode())  # of the content: a run's copy of the file is the same
    keys = [shared_key.copy() for _ in shards]
    for key, shard in zip(keys, shards, strict=True):
        with shard.open("rb") as file:
            key.update(hashlib.file_digest(file, "sha256").digest())
    names = [key.hexdigest()[:16] for key in keys]
    if cache.is_dir():
        remove_stale_files(cache)

    def make(index: int, is_closed: Callable[[], bool]) -> TokenArray:
        stem = cache / f"tokens-{names[index]}"
        if not stem.with_suffix(".json").exists():
            write_token_file(shards[index], tokenizer, stem, is_closed)
        return read_token_file(stem)

    return TokenShards(hashlib.sha256("".join(names).encode()).hexdigest()[:16], len(shards), make)


def read_token_file(stem: Path) -> TokenArray:
    """Return the memory-mapped tokens of STEM.bin, described by STEM.json. Raises TrainerError if they disagree."""
    data, header_file = stem.with_suffix(".bin"), stem.with_suffix(".json")
    header = TokenFileHeader(**json.loads(header_file.read_text()))
    if data.stat().st_size != header.tokens * np.dtype(header.dtype).itemsize:
        raise TrainerError(f"{data}: its size is not the one in {header_file.name}; delete both to make them again")
    ids = np.memmap(data, header.dtype, mode="r") if header.tokens else np.zeros(0, header.dtype)
    return TokenArray(ids, header.text_bytes)


def write_token_file(shard: Path, tokenizer: Tokenizer, stem: Path, is_closed: Callable[[], bool]) -> None:
    """Tokenise the documents of a shard in order, each after a separator; write STEM.bin, then STEM.json.

    Raises CancelledError once `is_closed()`, TrainerError for a shard that cannot be read, and OSError.
    """
    separator = tokenizer_files.find_separator_id(tokenizer)
    dtype = np.dtype(np.uint16 if tokenizer.get_vocab_size() <= 2**16 else np.uint32)
    header = TokenFileHeader(dtype.name)

    def tokenise_batches() -> Iterator[bytes]:
        for texts in read_shard_texts(shard):
            if is_closed():
                raise CancelledError
            rows = tokenizer_files.encode_texts(tokenizer, texts, str(shard))
            if not header.documents:
                tokenizer_files.check_round_trip(tokenizer, texts, rows, str(shard))
            header.documents += len(texts)
            header.text_bytes += sum(len(text.encode()) for text in texts)
            for ids in rows:
                header.tokens += 1 + len(ids)
                yield np.array([separator, *ids], dtype).tobytes()
        if is_closed():  # before the slow wait for the disk
            raise CancelledError

    stem.parent.mkdir(parents=True, exist_ok=True)
    if sys.stderr.isatty():
        print(f"\r\x1b[Ktokenising {shard.name} ...", end="", file=sys.stderr, flush=True)
    replace_file(stem.with_suffix(".bin"), lambda file: file.writelines(tokenise_batches()))
    content = json.dumps(asdict(header)).encode()
    replace_file(stem.with_suffix(".json"), lambda file: file.write(content))


def find_corpus_shards(folder: Path) -> list[Path]:
    """Return the shards of a split, sorted: Parquet, or compressed JSON lines."""
    found = sorted(path for suffix in (".parquet", JSON_SUFFIX) for path in folder.glob(f"*{suffix}"))
    return [shard for shard in found if shard.name[0] != "."]  # a hidden file is still being written


def count_shard_documents(shards: list[Path]) -> int:
    """Return the number of documents. Raises TrainerError for a file that is no shard."""
    count = 0
    for shard in shards:
        if shard.name.endswith(JSON_SUFFIX):
            count += sum(map(len, read_json_texts(shard)))
            continue
        try:
            with pq.ParquetFile(shard) as file:
                file.schema_arrow.field("text")
                count += file.metadata.num_rows
        except (ValueError, KeyError) as error:  # pyarrow's ArrowInvalid is a ValueError
            raise make_shard_error(shard, error) from error
    return count


def read_json_texts(shard: Path) -> Iterator[list[str]]:
    """Yield the texts of compressed JSON lines, a batch at a time. Raises TrainerError for a file that is no shard."""
    try:
        with shard.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as unpacked:
            lines = io.TextIOWrapper(unpacked, "utf-8")
            while some := list(islice(lines, DOCUMENTS_AT_ONCE)):
                texts = [json.loads(line)["text"] for line in some]
                if not all(isinstance(text, str) for text in texts):
                    raise TrainerError(f"{shard}: a line has no text")
                yield texts
    except TrainerError:
        raise
    except (ValueError, KeyError, TypeError, zstandard.ZstdError) as error:
        raise make_shard_error(shard, error) from error


def read_shard_texts(shard: Path) -> Iterator[list[str]]:
    """Yield the shard's texts, a batch at a time. Raises TrainerError for a file that is no shard."""
    if shard.name.endswith(JSON_SUFFIX):
        yield from read_json_texts(shard)
        return
    try:
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(DOCUMENTS_AT_ONCE, columns=["text"]):
                texts = batch.column("text").to_pylist()
                if not all(isinstance(text, str) for text in texts):
                    raise TrainerError(f"{shard}: its column text holds a null, or a value of another type")
                yield texts
    except TrainerError:
        raise
    except (ValueError, KeyError) as error:
        raise make_shard_error(shard, error) from error
    except OSError as error:  # pyarrow's own errors about the content of a file have no number
        raise error if error.errno is not None else make_shard_error(shard, error) from error


def make_shard_error(shard: Path, error: Exception) -> TrainerError:
    """Return the error for a file that cannot be read as a shard."""
    return TrainerError(f"{shard}: not a shard of a corpus: {' '.join(str(error).split())}")
