"""From a corpus to batches: Parquet shards or a text file in, shuffled full rows of tokens out.

`open_training_data` opens what the config names: a TokenCorpus, or a CorpusMixture of several. `TokenDataset` cuts a
set into rows; which tokens a row holds is a function of its number, so that a resumed run only needs its step.
"""

import gzip
import zlib
from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from model import tokenizer as tokenizer_files
from model.config import TrainerConfig, TrainerError
from model.corpus.token_shards import (
    TokenArray,
    TokenShards,
    count_shard_documents,
    find_corpus_shards,
    open_token_shards,
    wrap_tokens,
)
from model.corpus.validation_filter import TokenIds, ValidationDocuments, collect_validation_documents

Rows = npt.NDArray[np.int64]
Batch = TypeVar("Batch")

MIXTURE_BLOCK = 4096  # rows in which every corpus of a mixture has exactly its share


@dataclass(frozen=True)
class TokenCorpus:
    """The training, validation and anneal sets of one corpus. `anneal` is None if the corpus has no such set."""

    tokenizer: Tokenizer
    train: TokenShards
    validation: TokenArray
    anneal: TokenShards | None
    keys: dict[str, str]

    def fingerprint(self) -> dict[str, str]:
        """Return what identifies the data, set by set."""
        return self.keys

    def training_sets(self) -> list[TokenShards]:
        """Return the sets that are trained on."""
        return [self.train] if self.anneal is None else [self.train, self.anneal]

    def make_dataset(self, split: str, context: int, seed: int) -> "TokenDataset | None":
        """Return the rows of "train" or "anneal"; None if there is no such set."""
        shards = self.train if split == "train" else self.anneal
        return None if shards is None else TokenDataset(shards, context, seed)

    def finish(self) -> None:
        """Wait until all shards are tokenised."""
        for shards in self.training_sets():
            shards.count_tokens()

    def leave_out(self, held_out: ValidationDocuments) -> None:
        """Train without these documents."""
        for shards in self.training_sets():
            shards.leave_out(held_out)

    def close(self) -> None:
        """Stop tokenising, and wait for the thread."""
        for shards in self.training_sets():
            shards.close()


@dataclass
class TokenDataset:
    """Endless rows of `context + 1` tokens, in a seeded order; a row is a function of its number.

    The shards come in a seeded order. The tokens of a shard form a ring. An epoch cuts the ring at a random place into
    full rows, each token in one of them except for a remainder shorter than a row, and shuffles the rows. (The pipeline
    has shuffled the documents over the shards.) A row of the first epoch needs only the shards before it.
    """

    shards: TokenShards
    context: int
    seed: int
    _ends: list[int] = field(default_factory=lambda: [0], init=False)  # rows of an epoch up to each known shard's end
    _current: tuple[int, int] = field(default=(-1, -1), init=False)  # epoch and place of the next two fields
    _order: Rows = field(default_factory=lambda: np.zeros(0, np.int64), init=False)
    _offset: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.sequence: list[int] = np.random.default_rng(self.seed).permutation(self.shards.count).tolist()
        self.shards.start(self.sequence)

    def get_ids(self, place: int) -> TokenIds:
        """Return the tokens of the shard at a place of the sequence, once they are made."""
        return self.shards.get_shard(self.sequence[place]).ids

    def wait_for_row(self, number: int) -> bool:
        """Wait for shards until they hold row `number` of the first epoch; return whether they do."""
        while self._ends[-1] <= number and len(self._ends) <= self.shards.count:
            self._ends.append(self._ends[-1] + len(self.get_ids(len(self._ends) - 1)) // self.context)
        return self._ends[-1] > number

    def has_rows(self) -> bool:
        """Return whether the set is long enough for a row."""
        return self.wait_for_row(0)

    def get_row(self, number: int) -> Rows:
        """Return row `number` (from 0, without end), shape (context + 1,)."""
        epoch, rest = (0, number) if self.wait_for_row(number) else divmod(number, self._ends[-1])
        place = bisect_right(self._ends, rest) - 1
        ids, index = self.get_ids(place), rest - self._ends[place]
        if (epoch, place) != self._current:
            draw = np.random.default_rng([self.seed, epoch, place])
            self._current, self._order = (epoch, place), draw.permutation(len(ids) // self.context)
            self._offset = int(draw.integers(len(ids)))
        start = (self._offset + int(self._order[index]) * self.context) % len(ids)
        row = ids[start : start + self.context + 1]
        while len(row) < self.context + 1:  # past the end of the ring
            row = np.concatenate((row, ids[: self.context + 1 - len(row)]))
        return row.astype(np.int64)

    def get_rows(self, first: int, count: int) -> Rows:
        """Return rows first .. first + count - 1, shape (count, context + 1)."""
        if not count:
            return np.zeros((0, self.context + 1), np.int64)
        return np.stack([self.get_row(first + index) for index in range(count)])


@dataclass(frozen=True)
class CorpusMixture:
    """Several corpora with one tokenizer; their validation sets are one after the other."""

    corpora: list[TokenCorpus]
    weights: list[float]

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of all corpora."""
        return self.corpora[0].tokenizer

    @cached_property
    def validation(self) -> TokenArray:
        """The validation sets of all corpora, unweighted."""
        sets = [corpus.validation for corpus in self.corpora]
        return TokenArray(np.concatenate([tokens.ids for tokens in sets]), sum(tokens.text_bytes for tokens in sets))

    def fingerprint(self) -> dict[str, str]:
        """Return what identifies the data, corpus by corpus."""
        return {f"{i}.{name}": key for i, one in enumerate(self.corpora) for name, key in one.fingerprint().items()}

    def finish(self) -> None:
        """Wait until all shards are tokenised."""
        for corpus in self.corpora:
            corpus.finish()

    def close(self) -> None:
        """Stop tokenising, and wait for the threads."""
        for corpus in self.corpora:
            corpus.close()

    def make_dataset(self, split: str, context: int, seed: int) -> "MixtureDataset | None":
        """Return the rows of "train" or "anneal"; None if no corpus has such a set."""
        pairs = zip(self.corpora, self.weights, strict=True)
        found = [(corpus.make_dataset(split, context, seed), weight) for corpus, weight in pairs]
        parts = [(dataset, weight) for dataset, weight in found if dataset is not None]
        if not parts:
            return None
        return MixtureDataset([dataset for dataset, _ in parts], [weight for _, weight in parts], seed)


@dataclass
class MixtureDataset:
    """Rows drawn from several corpora in a seeded order; a row is a function of its number.

    Of every 4,096 rows each corpus gives exactly its share. The rows of a corpus come in its own order, none left out.
    """

    parts: list[TokenDataset]
    weights: list[float]
    seed: int
    _block: int = field(default=-1, init=False)
    _sources: Rows = field(default_factory=lambda: np.zeros(0, np.int64), init=False)  # corpus of each row in the block
    _ranks: Rows = field(default_factory=lambda: np.zeros(0, np.int64), init=False)  # its rank among that corpus's rows

    def __post_init__(self) -> None:
        bounds = np.round(np.cumsum(self.weights) / np.sum(self.weights) * MIXTURE_BLOCK).astype(np.int64)
        self.counts = np.diff(bounds, prepend=0)
        if not self.counts.all():
            raise TrainerError(f"data: a weight is below 1/{MIXTURE_BLOCK} of the sum; leave that corpus out")

    def get_row(self, number: int) -> Rows:
        """Return row `number` (from 0, without end), shape (context + 1,)."""
        block, index = divmod(number, MIXTURE_BLOCK)
        if block != self._block:
            sources = np.repeat(np.arange(len(self.parts)), self.counts)
            self._block, self._sources = block, np.random.default_rng([self.seed, block]).permutation(sources)
            self._ranks = np.zeros(MIXTURE_BLOCK, np.int64)
            for source, count in enumerate(self.counts):
                self._ranks[self._sources == source] = np.arange(count)
        source = int(self._sources[index])
        return self.parts[source].get_row(int(block * self.counts[source] + self._ranks[index]))

    def get_rows(self, first: int, count: int) -> Rows:
        """Return rows first .. first + count - 1, shape (count, context + 1)."""
        if not count:
            return self.parts[0].get_rows(first, 0)
        return np.stack([self.get_row(first + index) for index in range(count)])


class BatchPrefetcher(Generic[Batch]):
    """Makes the next batch in a thread while the current one is trained on.

    A batch is a pure function of its key, so the prefetcher holds no state that a killed run could lose.
    """

    def __init__(self, make: Callable[..., Batch]) -> None:
        self.make, self.pool = make, ThreadPoolExecutor(1, thread_name_prefix="batch")
        self.key: Hashable = None
        self.pending: Future[Batch] | None = None

    def get_batch(self, key: tuple[object, ...], following: tuple[object, ...]) -> Batch:
        """Return make(*key) and start make(*following). If the last call expected another key, this one waits."""
        if self.pending is None or self.key != key:
            self.pending = self.pool.submit(self.make, *key)
        batch = self.pending.result()
        self.key, self.pending = following, self.pool.submit(self.make, *following)
        return batch

    def close(self) -> None:
        """End the thread, without waiting for a batch that it may still be making."""
        self.pool.shutdown(wait=False, cancel_futures=True)


def open_training_data(config: TrainerConfig) -> TokenCorpus | CorpusMixture:
    """Open the data that `config.data` names: one corpus, or several with weights. Raises TrainerError."""
    if isinstance(config.data, str):
        return open_corpus(config)
    weights = dict.fromkeys(config.data, 1.0) if isinstance(config.data, list) else config.data
    if not weights:
        raise TrainerError("data: name at least one corpus")
    with ExitStack() as opened:  # closes the corpora that are open if the next cannot be used
        corpora = [opened.enter_context(closing(open_without_filter(replace(config, data=path)))) for path in weights]
        for path, corpus in zip(weights, corpora, strict=True):
            if corpus.tokenizer.to_str() != corpora[0].tokenizer.to_str():
                raise TrainerError(
                    f"data: {path} has another tokenizer than {next(iter(weights))}; "
                    "set `tokenizer` to one tokenizer.json, best trained on all of them"
                )
        filter_training_sets(dict(zip(weights, corpora, strict=True)), config)
        opened.pop_all()
    return CorpusMixture(corpora, list(weights.values()))


def open_corpus(config: TrainerConfig) -> TokenCorpus:
    """Open `config.data`, one corpus, and start to tokenise it. Raises TrainerError if it cannot be trained on."""
    assert isinstance(config.data, str)
    corpus = open_without_filter(config)
    try:
        filter_training_sets({config.data: corpus}, config)
    except BaseException:
        corpus.close()
        raise
    return corpus


def open_without_filter(config: TrainerConfig) -> TokenCorpus:
    """Open one corpus, whose training sets may still hold validation documents. Raises TrainerError."""
    assert isinstance(config.data, str)
    path = Path(config.data)
    if path.is_dir():
        corpus = open_published_corpus(path, config)
    elif path.is_file():
        corpus = open_text_corpus(path, config)
    else:
        raise TrainerError(f"data: {config.data} does not exist; give an output of the pipeline, or a text file")
    if len(corpus.validation.ids) < 2:
        corpus.close()
        raise TrainerError(f"data: the validation set of {config.data} has fewer than two tokens")
    return corpus


def filter_training_sets(corpora: Mapping[str, TokenCorpus], config: TrainerConfig) -> None:
    """Leave the validation documents of every corpus out of the training sets of all. They share a tokenizer.

    Raises TrainerError if too little of a set is left.
    """
    separator = tokenizer_files.find_separator_id(next(iter(corpora.values())).tokenizer)
    if separator is not None:
        held_out = collect_validation_documents([corpus.validation.ids for corpus in corpora.values()], separator)
        for corpus in corpora.values():
            corpus.leave_out(held_out)
    for path, corpus in corpora.items():
        check_set_lengths(corpus, path, config)


def check_set_lengths(corpus: TokenCorpus, path: str, config: TrainerConfig) -> None:
    """Raise TrainerError if a set that is trained on has no row of the context's length."""
    context, annealing = config.model.context, config.schedule.decay and config.schedule.anneal
    if not TokenDataset(corpus.train, context, config.seed).has_rows():
        raise TrainerError(
            f"model.context: {context} is too long for {path}: no shard has that many tokens "
            "without the validation documents"
        )
    if corpus.anneal is not None and annealing and not TokenDataset(corpus.anneal, context, config.seed).has_rows():
        raise TrainerError(
            f"schedule.anneal: no shard of {path}/corpus/anneal has the {context} tokens of a row; "
            "set schedule.anneal=0 to train without it, or a smaller model.context"
        )


def open_text_corpus(path: Path, config: TrainerConfig) -> TokenCorpus:
    """Read a text file. Its last part, `config.validation` of its characters, is the validation set."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode("utf-8")
    except (UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise TrainerError(f"data: {path} is neither an output of the pipeline nor a UTF-8 text file") from error
    except (EOFError, zlib.error) as error:
        raise TrainerError(f"data: {path} is a damaged gzip file; download it again") from error
    if not text:
        raise TrainerError(f"data: {path} is empty")
    if config.tokenizer:
        tokenizer = tokenizer_files.load_tokenizer_file(Path(config.tokenizer))
    else:
        tokenizer = tokenizer_files.make_character_tokenizer(text)
    cut = int(len(text) * (1 - config.validation))

    def tokenise(part: str) -> TokenArray:
        ids = tokenizer_files.encode_text(tokenizer, part, str(path))
        tokenizer_files.check_round_trip(tokenizer, [part], [ids], str(path))
        first = len(tokenizer.decode(ids[:1]).encode())
        return TokenArray(np.array(ids, dtype=np.uint32), len(part.encode()) - first)

    train, validation = wrap_tokens(tokenise(text[:cut])), tokenise(text[cut:])
    keys = {"train": train.fingerprint, "validation": wrap_tokens(validation).fingerprint}
    return TokenCorpus(tokenizer, train, validation, None, keys)


def open_published_corpus(path: Path, config: TrainerConfig) -> TokenCorpus:
    """Open the corpus that the pipeline published into the folder `path`. Raises TrainerError."""
    tokenizer_path = Path(config.tokenizer) if config.tokenizer else path / "tokenizer" / "tokenizer.json"
    tokenizer = tokenizer_files.load_tokenizer_file(tokenizer_path)
    if tokenizer_files.find_separator_id(tokenizer) is None:
        raise TrainerError(
            f"{tokenizer_path}: it lacks {tokenizer_files.SEPARATOR}, the token that separates documents"
        )
    cache = Path(config.cache) if config.cache else path / ".cache"
    sets: dict[str, TokenShards] = {}
    for name in ("train", "validation", "anneal"):
        shards = find_corpus_shards(path / "corpus" / name)
        documents = count_shard_documents(shards)
        if not documents and name != "anneal":
            raise TrainerError(f"data: {path}/corpus/{name} has no documents; run `gristmill publish` first")
        if documents:
            sets[name] = open_token_shards(shards, tokenizer, cache)
    keys = {name: shards.fingerprint for name, shards in sets.items()}
    with closing(sets["validation"]):
        validation = sets["validation"].concatenate()
    return TokenCorpus(tokenizer, sets["train"], validation, sets.get("anneal"), keys)
