"""The corpus's tokenizer: byte-level BPE (GPT-2's scheme) trained on the published train split, or a given one.

Numbers are cut into groups of at most `max_digits` digits, so that the vocabulary does not fill with numbers. Two is
the default, because a small vocabulary has no room for a thousand groups of three. A run of spaces is one piece, so
that indentation costs one token. No piece is longer than MAX_PIECE: the time of training grows with the square of a
piece's length, and a single page of ten million letters without a space would take days.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import fsspec

from pipeline.io.output import Output
from pipeline.publish.result import VocabularySize
from pipeline.publish.settings import TokenizerConfig
from pipeline.settings import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ("<|endoftext|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>")
VOCABULARY_MULTIPLE = 64  # matrix kernels are fastest for such sizes
MAX_PIECE = 64  # characters; a longer run is cut, which costs such a text one token in 64
TOKENIZER_FOLDER = "tokenizer"
SPECIAL_FILES = ("tokenizer_config.json", "special_tokens_map.json")  # what transformers reads beside tokenizer.json


def split_pattern(max_digits: int) -> str:
    """Return the pre-tokenisation: contractions, words with their leading space, digits in groups, runs of the rest.

    Every character is in exactly one piece, so that decoding returns the text.
    """
    some, more = f"{{1,{MAX_PIECE}}}", f"{{0,{MAX_PIECE - 1}}}"
    words, digits = rf"'(?i:[sdmt]|ll|ve|re)| ?\p{{L}}[\p{{L}}\p{{M}}]{more}", rf"\p{{N}}{{1,{max_digits}}}"
    return rf"{words}|{digits}| ?[^\s\p{{L}}\p{{N}}]{some}|\r?\n{some}| {some}(?=\S)|\s{some}"


def new_tokenizer(max_digits: int) -> Tokenizer:
    """Return an untrained tokenizer."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split_pattern(max_digits)), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def read_split_texts(output: Output, folder: str, most_bytes: int | None = None) -> Iterator[tuple[str, str]]:
    """Yield (language, text) of a split in its order: all, or `most_bytes` spread evenly over the shards."""
    names = output.list(folder, ".parquet")
    for name in names:
        yield from read_first_texts(output, folder, name, most_bytes / len(names) if most_bytes else math.inf)


def read_first_texts(output: Output, folder: str, name: str, most_bytes: float) -> Iterator[tuple[str, str]]:
    """Yield (language, text) of a shard's first rows until they have `most_bytes`; reads no further."""
    with output.parquet(folder, name) as shard:
        for batch in shard.iter_batches(columns=["language", "text"], batch_size=256):
            for language, text in zip(*batch.to_pydict().values(), strict=True):
                if most_bytes <= 0:
                    return
                yield language, text
                most_bytes -= len(text.encode())


def make_tokenizer(output: Output, settings: TokenizerConfig) -> VocabularySize:
    """Write `tokenizer/`: a trained tokenizer, or a copy of the given one. Returns its sizes. Raises ConfigError."""
    return copy_tokenizer(output, settings) if settings.file else train_tokenizer(output, settings)


def train_tokenizer(output: Output, settings: TokenizerConfig) -> VocabularySize:
    """Train on `corpus/train`, write `tokenizer/`, and return the sizes.

    The result depends on the corpus alone: the sample is taken in the order of the shards, and merges are counted
    exactly. The vocabulary is smaller than wanted if the sample has no more pairs to merge.
    """
    from tokenizers import pre_tokenizers, trainers

    tokenizer = new_tokenizer(settings.max_digits)
    wanted = -(-settings.vocab_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
    trainer = trainers.BpeTrainer(
        vocab_size=wanted,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    sample = (text for _, text in read_split_texts(output, "corpus/train", settings.sample_mb << 20))
    tokenizer.train_from_iterator(sample, trainer)
    output.remove(TOKENIZER_FOLDER)
    special = {"eos_token": SPECIAL[0], "bos_token": SPECIAL[0], "pad_token": SPECIAL[1]}
    described = {**special, "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    output.write_json(
        described | {"additional_special_tokens": list(SPECIAL[2:])}, TOKENIZER_FOLDER, "tokenizer_config.json"
    )
    output.write_json(special, TOKENIZER_FOLDER, "special_tokens_map.json")
    with output.write(TOKENIZER_FOLDER, "tokenizer.json") as out:  # last: a tokenizer that is there is whole
        out.write(tokenizer.to_str(pretty=True).encode())
    return {"vocabulary": tokenizer.get_vocab_size(), "wanted": wanted}


def read_given_file(settings: TokenizerConfig, name: str) -> bytes | None:
    """Return the content of a file beside the given tokenizer.json, or of that; None where there is no such file."""
    path = settings.file or ""
    fs, base = fsspec.core.url_to_fs(path.rstrip("/"))
    folder = base if fs.isdir(base) else base.rpartition("/")[0]
    wanted = f"{folder}/{name}" if name != "tokenizer.json" or folder == base else base
    if not fs.isfile(wanted):
        return None
    content: bytes = fs.cat_file(wanted)
    return content


def load_given_tokenizer(settings: TokenizerConfig) -> tuple[bytes, Tokenizer]:
    """Return the content of the given tokenizer.json, and the tokenizer. Raises ConfigError where it cannot be used."""
    from tokenizers import Tokenizer

    content = read_given_file(settings, "tokenizer.json")
    if content is None:
        raise ConfigError(f"tokenizer.file: {settings.file}: no such file, and no folder with a tokenizer.json")
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises a bare Exception for a file that it cannot read
        raise ConfigError(
            f"tokenizer.file: {settings.file}: not a tokenizer: {' '.join(str(error).split())}"
        ) from error
    find_end_of_text(tokenizer, settings)
    return content, tokenizer


def find_end_of_text(tokenizer: Tokenizer, settings: TokenizerConfig) -> int:
    """Return the id of the end-of-text token. Raises ConfigError where the tokenizer has no such token."""
    found: int | None = tokenizer.token_to_id(settings.end_of_text)
    if found is None:
        special = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
        known = f"; its special tokens are {', '.join(special[:10])}" if special else ""
        raise ConfigError(f"tokenizer.end_of_text: the tokenizer has no token {settings.end_of_text!r}{known}")
    return found


def fingerprint_tokenizer(settings: TokenizerConfig) -> list[str]:
    """Return what tells the given tokenizer from another one; [] where one is trained. Raises ConfigError."""
    return [hashlib.sha256(load_given_tokenizer(settings)[0]).hexdigest()] if settings.file else []


def copy_tokenizer(output: Output, settings: TokenizerConfig) -> VocabularySize:
    """Copy the given tokenizer to `tokenizer/`, and return its size. Raises ConfigError."""
    content, tokenizer = load_given_tokenizer(settings)
    output.remove(TOKENIZER_FOLDER)
    for name in SPECIAL_FILES:
        beside = read_given_file(settings, name)
        if beside is not None:
            with output.write(TOKENIZER_FOLDER, name) as out:
                out.write(beside)
    with output.write(TOKENIZER_FOLDER, "tokenizer.json") as out:
        out.write(content)
    size = tokenizer.get_vocab_size()
    return {"vocabulary": size, "wanted": size}
