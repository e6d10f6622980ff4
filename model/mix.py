"""Several corpora as one, by weight."""

from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from tokenizers import Tokenizer

from model.config import Config, TrainerError
from model.data import Corpus, Rows, keep_apart, open_corpus, read_corpus
from model.tokens import Tokens

BLOCK = 4096  # rows in which the shares are kept exactly


def open_data(config: Config) -> "Corpus | Mixture":
    """Open what `config.data` names: one corpus, or several with weights. Raises TrainerError."""
    if isinstance(config.data, str):
        return open_corpus(config)
    weights = dict.fromkeys(config.data, 1.0) if isinstance(config.data, list) else config.data
    if not weights:
        raise TrainerError("data: name at least one corpus")
    with ExitStack() as opened:  # what is open is closed where the next cannot be used
        parts = [opened.enter_context(closing(read_corpus(replace(config, data=path)))) for path in weights]
        for path, part in zip(weights, parts, strict=True):
            if part.tokenizer.to_str() != parts[0].tokenizer.to_str():
                raise TrainerError(
                    f"data: {path} has another tokenizer than {next(iter(weights))}; "
                    "set `tokenizer` to one tokenizer.json, best trained on all of them"
                )
        keep_apart(dict(zip(weights, parts, strict=True)), config)  # what one is validated on, no other trains on
        opened.pop_all()
    return Mixture(parts, list(weights.values()))


@dataclass(frozen=True)
class Mixture:
    """Several corpora with one tokenizer; their validation sets are one after the other."""

    parts: list[Corpus]
    weights: list[float]

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of all."""
        return self.parts[0].tokenizer

    @cached_property
    def validation(self) -> Tokens:
        """The validation sets of all, unweighted."""
        sets = [part.validation for part in self.parts]
        return Tokens(np.concatenate([tokens.ids for tokens in sets]), sum(tokens.text_bytes for tokens in sets))

    def fingerprint(self) -> dict[str, str]:
        """Return what identifies the data, corpus by corpus."""
        return {f"{i}.{name}": key for i, part in enumerate(self.parts) for name, key in part.fingerprint().items()}

    def finish(self) -> None:
        """Wait until all is tokenised."""
        for part in self.parts:
            part.finish()

    def close(self) -> None:
        """Stop tokenising."""
        for part in self.parts:
            part.close()

    def rows(self, split: str, context: int, seed: int) -> "MixedRows | None":
        """Return the rows of "train" or "anneal"; None where no corpus has such a set."""
        found = [
            (part.rows(split, context, seed), weight) for part, weight in zip(self.parts, self.weights, strict=True)
        ]
        parts = [(rows, weight) for rows, weight in found if rows is not None]
        return MixedRows([rows for rows, _ in parts], [weight for _, weight in parts], seed) if parts else None


@dataclass
class MixedRows:
    """Rows drawn from several corpora in a seeded order; which row is next is a function of its number alone.

    Of every 4,096 rows each corpus gives its share exactly, and its own rows come in its own order, none left out.
    """

    parts: list[Rows]
    weights: list[float]
    seed: int
    _block: int = field(default=-1, init=False)
    _sources: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), init=False)  # of each row in the block
    _ranks: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), init=False)  # among those of its source

    def __post_init__(self) -> None:
        bounds = np.round(np.cumsum(self.weights) / np.sum(self.weights) * BLOCK).astype(np.int64)
        self.counts = np.diff(bounds, prepend=0)
        if not self.counts.all():
            raise TrainerError(f"data: a weight is below 1/{BLOCK} of all; leave that corpus out")

    def row(self, number: int) -> np.ndarray:
        """Return row `number` (from 0, without end), shape (context + 1,)."""
        block, index = divmod(number, BLOCK)
        if block != self._block:
            sources = np.repeat(np.arange(len(self.parts)), self.counts)
            self._block, self._sources = block, np.random.default_rng([self.seed, block]).permutation(sources)
            self._ranks = np.zeros(BLOCK, np.int64)
            for source, count in enumerate(self.counts):
                self._ranks[self._sources == source] = np.arange(count)
        source = self._sources[index]
        return self.parts[source].row(int(block * self.counts[source] + self._ranks[index]))

    def rows(self, first: int, count: int) -> np.ndarray:
        """Return rows first .. first + count - 1, shape (count, context + 1)."""
        if not count:
            return self.parts[0].rows(first, 0)
        return np.stack([self.row(first + index) for index in range(count)])
