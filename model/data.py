"""A corpus as a run sees it: Parquet shards or a text file in, shuffled full rows of tokens out."""

import gzip
import zlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from model import tokenizer as tokenizers_file
from model.config import Config, TrainerError
from model.held_out import HeldOut, hold_out
from model.tokens import Parts, Tokens, count_documents, open_parts, ready


@dataclass(frozen=True)
class Corpus:
    """What a run trains on. `anneal` is None where the corpus has none."""

    tokenizer: Tokenizer
    train: Parts
    validation: Tokens
    anneal: Parts | None
    keys: dict[str, str]

    def fingerprint(self) -> dict[str, str]:
        """Return what identifies the data, set by set."""
        return self.keys

    def rows(self, split: str, context: int, seed: int) -> "Rows | None":
        """Return the rows of "train" or "anneal"; None where there is no such set."""
        parts = self.train if split == "train" else self.anneal
        return None if parts is None else Rows(parts, context, seed)

    def finish(self) -> None:
        """Wait until all is tokenised."""
        for parts in (self.train, self.anneal):
            if parts is not None:
                parts.size()

    def leave_out(self, held: HeldOut) -> None:
        """Train without these documents."""
        for parts in (self.train, self.anneal):
            if parts is not None:
                parts.leave_out(held)

    def close(self) -> None:
        """Stop tokenising."""
        for parts in (self.train, self.anneal):
            if parts is not None:
                parts.close()


def open_corpus(config: Config) -> Corpus:
    """Open `config.data`, one corpus, and begin to tokenise it. Raises TrainerError for what cannot be trained on."""
    assert isinstance(config.data, str)
    corpus = read_corpus(config)
    try:
        keep_apart({config.data: corpus}, config)
    except BaseException:
        corpus.close()
        raise
    return corpus


def read_corpus(config: Config) -> Corpus:
    """Open one corpus, which may hold validation documents in its training sets still. Raises TrainerError."""
    assert isinstance(config.data, str)
    path = Path(config.data)
    if path.is_dir():
        corpus = open_shards(path, config)
    elif path.is_file():
        corpus = open_text(path, config)
    else:
        raise TrainerError(f"data: {config.data} does not exist; give an output of the pipeline, or a text file")
    if len(corpus.validation.ids) < 2:
        raise TrainerError(f"data: the validation set of {config.data} has less than two tokens")
    return corpus


def keep_apart(corpora: Mapping[str, Corpus], config: Config) -> None:
    """Leave the validation documents of every corpus out of the training sets of all, which share a tokenizer.

    Raises TrainerError where too little is left of one.
    """
    separator = tokenizers_file.separator_id(next(iter(corpora.values())).tokenizer)
    if separator is not None:
        held = hold_out([corpus.validation.ids for corpus in corpora.values()], separator)
        for corpus in corpora.values():
            corpus.leave_out(held)
    for path, corpus in corpora.items():
        check_rows(corpus, path, config)


def check_rows(corpus: Corpus, path: str, config: Config) -> None:
    """Raise TrainerError where the context is too long for the sets that are drawn from."""
    context, annealing = config.model.context, config.schedule.decay and config.schedule.anneal
    if not Rows(corpus.train, context, config.seed).any():
        raise TrainerError(
            f"model.context: {context} is too long for {path}: no shard has so many tokens, "
            "documents of the validation set left out"
        )
    if corpus.anneal is not None and annealing and not Rows(corpus.anneal, context, config.seed).any():
        raise TrainerError(
            f"schedule.anneal: no shard of {path}/corpus/anneal has the {context} tokens of a row; "
            "set schedule.anneal=0 to go without it, or a smaller model.context"
        )


def open_text(path: Path, config: Config) -> Corpus:
    """Read a text file; its last part, `config.validation` of its characters, is the validation set."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode("utf-8")
    except (UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise TrainerError(f"data: {path} is neither an output of the pipeline nor a UTF-8 text file") from error
    except (EOFError, zlib.error) as error:
        raise TrainerError(f"data: {path} is a damaged gzip file; fetch it again") from error
    if not text:
        raise TrainerError(f"data: {path} is empty")
    tokenizer = tokenizers_file.load(Path(config.tokenizer)) if config.tokenizer else tokenizers_file.characters(text)
    cut = int(len(text) * (1 - config.validation))

    def tokens(part: str) -> Tokens:
        ids = tokenizers_file.encode(tokenizer, part, str(path))
        tokenizers_file.check_exact(tokenizer, [part], [ids], str(path))
        first = len(tokenizer.decode(ids[:1]).encode())
        return Tokens(np.array(ids, dtype=np.uint32), len(part.encode()) - first)

    train, validation = ready(tokens(text[:cut])), tokens(text[cut:])
    keys = {"train": train.fingerprint, "validation": ready(validation).fingerprint}
    return Corpus(tokenizer, train, validation, None, keys)


def open_shards(path: Path, config: Config) -> Corpus:
    """Open the published corpus of a pipeline's output."""
    tokenizer_path = Path(config.tokenizer) if config.tokenizer else path / "tokenizer" / "tokenizer.json"
    tokenizer = tokenizers_file.load(tokenizer_path)
    if tokenizers_file.separator_id(tokenizer) is None:
        raise TrainerError(f"{tokenizer_path}: it lacks the token {tokenizers_file.SEPARATOR} that separates documents")
    cache = Path(config.cache) if config.cache else path / ".cache"
    sets: dict[str, Parts] = {}
    for name in ("train", "validation", "anneal"):
        found = sorted((path / "corpus" / name).glob("*.parquet"))
        shards = [shard for shard in found if shard.name[0] != "."]  # a hidden file is one still being written
        documents = count_documents(shards)
        if not documents and name != "anneal":
            raise TrainerError(f"data: {path}/corpus/{name} has no documents; run `python -m pipeline publish` first")
        if documents:
            sets[name] = open_parts(shards, tokenizer, cache)
    keys = {name: parts.fingerprint for name, parts in sets.items()}
    return Corpus(tokenizer, sets["train"], sets["validation"].whole(), sets.get("anneal"), keys)


@dataclass
class Rows:
    """Endless rows of `context + 1` tokens in a seeded order that is a function of the row's number alone.

    The parts come in a seeded order. The tokens of each form a ring; an epoch cuts it at another place into full rows,
    each token in one of them but for a remainder shorter than a row, and goes over them in another order. (The pipeline
    has shuffled the documents over the shards.) So a resumed run needs to know its step only, and a row of the first
    epoch only the parts before it.
    """

    parts: Parts
    context: int
    seed: int
    _ends: list[int] = field(default_factory=lambda: [0], init=False)  # rows of an epoch up to each known part's end
    _here: tuple[int, int] = field(default=(-1, -1), init=False)  # the epoch and place that the next two are of
    _order: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), init=False)
    _offset: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.sequence = np.random.default_rng(self.seed).permutation(self.parts.count).tolist()
        self.parts.begin(self.sequence)

    def ids(self, place: int) -> np.ndarray:
        """Return the tokens of the part at a place of the sequence, once they are made."""
        return self.parts.part(self.sequence[place]).ids

    def know(self, number: int) -> bool:
        """Wait for parts until they hold row `number` of the first epoch; return whether they do."""
        while self._ends[-1] <= number and len(self._ends) <= self.parts.count:
            self._ends.append(self._ends[-1] + len(self.ids(len(self._ends) - 1)) // self.context)
        return self._ends[-1] > number

    def any(self) -> bool:
        """Return whether the set is long enough for a row."""
        return self.know(0)

    def row(self, number: int) -> np.ndarray:
        """Return row `number` (from 0, without end) as int64, shape (context + 1,)."""
        epoch, rest = (0, number) if self.know(number) else divmod(number, self._ends[-1])
        place = bisect_right(self._ends, rest) - 1
        ids, index = self.ids(place), rest - self._ends[place]
        if (epoch, place) != self._here:
            draw = np.random.default_rng([self.seed, epoch, place])
            self._here, self._order = (epoch, place), draw.permutation(len(ids) // self.context)
            self._offset = int(draw.integers(len(ids)))
        start = (self._offset + int(self._order[index]) * self.context) % len(ids)
        row = ids[start : start + self.context + 1]
        while len(row) < self.context + 1:  # over the ring's end
            row = np.concatenate((row, ids[: self.context + 1 - len(row)]))
        return row.astype(np.int64)

    def rows(self, first: int, count: int) -> np.ndarray:
        """Return rows first .. first + count - 1, shape (count, context + 1)."""
        if not count:
            return np.zeros((0, self.context + 1), np.int64)
        return np.stack([self.row(first + index) for index in range(count)])
