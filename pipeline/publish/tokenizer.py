"""The corpus's tokenizer: byte-level BPE (GPT-2's scheme), trained on the published train split, streamed.

Numbers are cut into groups of at most `max_digits` digits, so that the vocabulary does not fill with numbers: two by
default, since a small vocabulary cannot hold a thousand groups of three. A run of spaces is one piece, so that
indentation costs a token, not one a space. No piece is longer than MAX_PIECE: training takes the square of a piece's
length, and a single page of ten million letters without a space would hold it for days.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pipeline.config import Config
from pipeline.io.output import Output

SPECIAL = ("<|endoftext|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>")
MULTIPLE = 64  # the vocabulary is a multiple of it: matrix kernels like that
MAX_PIECE = 64  # characters; a longer run is cut, which costs such text one token in 64
FOLDER = "tokenizer"


def pattern(max_digits: int) -> str:
    """Return the pre-tokenisation: contractions, words with their leading space, digits in groups, runs of the rest.

    Splits only; every character is in exactly one piece, so that decoding gives the text back.
    """
    some, more = f"{{1,{MAX_PIECE}}}", f"{{0,{MAX_PIECE - 1}}}"
    words, digits = rf"'(?i:[sdmt]|ll|ve|re)| ?\p{{L}}[\p{{L}}\p{{M}}]{more}", rf"\p{{N}}{{1,{max_digits}}}"
    return rf"{words}|{digits}| ?[^\s\p{{L}}\p{{N}}]{some}|\r?\n{some}| {some}(?=\S)|\s{some}"


def new_tokenizer(max_digits: int):
    """Return an untrained tokenizer."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern(max_digits)), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def texts(output: Output, folder: str, most_bytes: int | None = None) -> Iterator[tuple[str, str]]:
    """Yield (language, text) of a split in its order, the first `most_bytes` spread evenly over the shards."""
    names = output.list(folder, ".parquet")
    for name in names:
        yield from first_texts(output, folder, name, most_bytes / len(names) if most_bytes else math.inf)


def first_texts(output: Output, folder: str, name: str, most_bytes: float) -> Iterator[tuple[str, str]]:
    """Yield (language, text) of a shard's first rows until they make `most_bytes`; reads no further."""
    with output.parquet(folder, name) as shard:
        for batch in shard.iter_batches(columns=["language", "text"], batch_size=256):
            for language, text in zip(*batch.to_pydict().values(), strict=True):
                if most_bytes <= 0:
                    return
                yield language, text
                most_bytes -= len(text.encode())


def train_tokenizer(output: Output, config: Config) -> dict[str, Any]:
    """Train on `corpus/train`, write `tokenizer/`, and return its size, that wanted, and bytes per token by language.

    The result is a function of the corpus: the sample is taken in the shards' order, and merges are counted exactly.
    The vocabulary is smaller than wanted where the sample holds no more pairs to merge.
    """
    from tokenizers import pre_tokenizers, trainers

    settings = config.tokenizer
    tokenizer = new_tokenizer(settings.max_digits)
    wanted = -(-settings.vocab_size // MULTIPLE) * MULTIPLE
    trainer = trainers.BpeTrainer(
        vocab_size=wanted,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    sample = (text for _, text in texts(output, "corpus/train", settings.sample_mb << 20))
    tokenizer.train_from_iterator(sample, trainer)
    output.remove(FOLDER)
    special = {"eos_token": SPECIAL[0], "bos_token": SPECIAL[0], "pad_token": SPECIAL[1]}
    described = {**special, "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    output.write_json(described | {"additional_special_tokens": list(SPECIAL[2:])}, FOLDER, "tokenizer_config.json")
    output.write_json(special, FOLDER, "special_tokens_map.json")
    with output.write(FOLDER, "tokenizer.json") as out:  # last: a tokenizer that is there is whole
        out.write(tokenizer.to_str(pretty=True).encode())
    sizes = {"vocabulary": tokenizer.get_vocab_size(), "wanted": wanted}
    return sizes | {"bytes_per_token": compression(tokenizer, output)}


def compression(tokenizer, output: Output, most_bytes: int = 8 << 20) -> dict[str, float]:
    """Return bytes per token of a sample of the train split: `all`, then each language, the largest first."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for language, text in texts(output, "corpus/train", most_bytes):
        size, tokens = len(text.encode()), len(tokenizer.encode(text).ids)
        for key in ("all", language):
            sums[key][0] += size
            sums[key][1] += tokens
    ordered = sorted(sums.items(), key=lambda item: (item[0] != "all", -item[1][0], item[0]))
    return {key: round(size / max(1, tokens), 3) for key, (size, tokens) in ordered}
