"""The last stage of publishing: each corpus shard gets its token counts, and the form that the config asks for.

It needs the tokenizer, which is trained on the shards. So each shard is read once more, its texts are encoded, and it
is written again: as Parquet under the same name, or as JSON lines. Token files are written on the way.

On one machine the shards are done one after the other, because the library `tokenizers` uses every core by itself. On
another runner each shard is an element of a Beam job.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import apache_beam as beam
import pyarrow as pa
import zstandard
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection

from pipeline.config import Config
from pipeline.io.output import WORK, Output
from pipeline.publish.formats.dolma_json import JSON_SUFFIX, format_dolma_lines
from pipeline.publish.formats.token_files import TOKENS_FOLDER, TokenFile, token_width
from pipeline.publish.result import SPLITS, LanguageTokens, TokenCounts
from pipeline.publish.tokenizer import TOKENIZER_FOLDER, find_end_of_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ENCODED_ROWS = 256  # texts encoded at a time: bounds the memory that their tokens take
COUNTS_FOLDER = f"{WORK}/tokens"
ZSTD_LEVEL = 3
WriteRows = Callable[[pa.Table], None]


class CorpusShard(NamedTuple):
    """A shard of the corpus: its split, and its name without a suffix."""

    split: str
    name: str


@lru_cache(maxsize=1)
def load_corpus_tokenizer(content: bytes) -> "Tokenizer":
    """Return a tokenizer by the content of its file. Text that spells a special token is encoded as plain text."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_buffer(content)
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def open_corpus_tokenizer(output: Output) -> "Tokenizer":
    """Return the tokenizer in `tokenizer/` of an output, made once a process."""
    with output.open(TOKENIZER_FOLDER, "tokenizer.json") as source:
        return load_corpus_tokenizer(source.read())


def list_published_shards(output: Output) -> list[CorpusShard]:
    """Return the Parquet shards of the corpus, split by split."""
    names = [(split, name) for split in SPLITS for name in output.list(f"corpus/{split}", ".parquet")]
    return [CorpusShard(split, name.removesuffix(".parquet")) for split, name in names]


@contextmanager
def open_json_lines(output: Output, shard: CorpusShard) -> Iterator[WriteRows]:
    """Open a shard's file of JSON lines; it gets its name only when the block ends without an error."""
    with (
        output.write("corpus", shard.split, f"{shard.name}{JSON_SUFFIX}") as raw,
        zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(raw, closefd=False) as packed,
    ):

        def write_lines(table: pa.Table) -> None:
            for line in format_dolma_lines(table):
                packed.write(line.encode())

        yield write_lines


@contextmanager
def open_parquet(output: Output, shard: CorpusShard, schema: pa.Schema) -> Iterator[WriteRows]:
    """Open a shard's Parquet file; it gets its name only when the block ends without an error."""
    with output.table_writer(schema, "corpus", shard.split, f"{shard.name}.parquet") as writer:
        yield writer.group


def open_token_file(
    output: Output, shard: CorpusShard, config: Config, vocabulary: int
) -> AbstractContextManager[TokenFile | None]:
    """Open a shard's token file, or nothing where none is asked for."""
    layout = config.publish.tokens
    if layout is None:
        return nullcontext()
    return TokenFile(output, layout, shard.split, shard.name, token_width(vocabulary), f"{TOKENIZER_FOLDER}.json")


def finish_shard(shard: CorpusShard, root: str, config: Config) -> CorpusShard:
    """Write a corpus shard with its token counts in the form that the config asks for, and what was counted."""
    output = Output(root)
    tokenizer = open_corpus_tokenizer(output)
    end = find_end_of_text(tokenizer, config.tokenizer)
    counts: dict[str, LanguageTokens] = {}
    with output.parquet("corpus", shard.split, f"{shard.name}.parquet") as file:
        schema = file.schema_arrow
        as_parquet = config.publish.format == "parquet"
        opened = open_parquet(output, shard, schema) if as_parquet else open_json_lines(output, shard)
        with opened as write_rows, open_token_file(output, shard, config, tokenizer.get_vocab_size()) as tokens:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number)
                write_rows(count_row_tokens(table, tokenizer, tokens, end, counts))
    output.write_json(counts, COUNTS_FOLDER, shard.split, f"{shard.name}.json")
    return shard


def count_row_tokens(
    table: pa.Table, tokenizer: "Tokenizer", tokens: TokenFile | None, end: int, counts: dict[str, LanguageTokens]
) -> pa.Table:
    """Return a table with its column `token_count`. Writes the tokens, and adds bytes and tokens to `counts`."""
    texts, languages = table["text"].to_pylist(), table["language"].to_pylist()
    lengths: list[int] = []
    for start in range(0, len(texts), ENCODED_ROWS):
        some = [text or "" for text in texts[start : start + ENCODED_ROWS]]
        encoded = [found.ids for found in tokenizer.encode_batch_fast(some, add_special_tokens=False)]
        lengths += map(len, encoded)
        if tokens:
            tokens.append(encoded, end)
    for language, text, length in zip(languages, texts, lengths, strict=True):
        sums = counts.setdefault(language or "", {"bytes": 0, "tokens": 0})
        sums["bytes"] += len((text or "").encode())
        sums["tokens"] += length
    place = table.schema.get_field_index("token_count")
    return table.set_column(place, table.schema.field(place), pa.array(lengths, pa.int32()))


@dataclass(eq=False)
class FinishShards(beam.PTransform[PCollection[CorpusShard], PCollection[CorpusShard]]):
    """PCollection[CorpusShard] -> PCollection[CorpusShard]: the shards, which are in their last form now."""

    root: str
    config: Config

    def expand(self, shards: PCollection[CorpusShard]) -> PCollection[CorpusShard]:
        """Finish each shard alone."""
        done: PCollection[CorpusShard] = (
            shards | "spread" >> beam.Reshuffle() | "finish" >> beam.Map(finish_shard, self.root, self.config)
        )
        return done


def finish_corpus(output: Output, config: Config, options: PipelineOptions | None = None) -> TokenCounts:
    """Bring every shard of `corpus/` into its last form, and return what was counted.

    Without `options` this process does it, else a Beam job.
    """
    output.remove(TOKENS_FOLDER)
    output.remove(COUNTS_FOLDER)
    shards = list_published_shards(output)
    if options is None:
        for shard in shards:
            finish_shard(shard, output.root, config)
    else:
        with beam.Pipeline(options=options) as pipeline:
            named = pipeline | "corpus shards" >> beam.Create(shards).with_output_types(CorpusShard)
            _ = named | "finish shards" >> FinishShards(output.root, config)
    if config.publish.format != "parquet":
        for split, name in shards:
            output.remove("corpus", split, f"{name}.parquet")
    counts = sum_token_counts(output, shards)
    output.remove(COUNTS_FOLDER)
    return counts


def sum_token_counts(output: Output, shards: Sequence[CorpusShard]) -> TokenCounts:
    """Return the tokens of each split, and the bytes per token of train: `all`, then by language, the largest first."""
    tokens = dict.fromkeys(SPLITS, 0)
    sums: dict[str, LanguageTokens] = {}
    for shard in shards:
        found: dict[str, LanguageTokens] = output.read_json(COUNTS_FOLDER, shard.split, f"{shard.name}.json")
        for language, counts in found.items():
            tokens[shard.split] += counts["tokens"]
            for key in ("all", language) if shard.split == "train" else ():
                old = sums.setdefault(key, {"bytes": 0, "tokens": 0})
                old["bytes"] += counts["bytes"]
                old["tokens"] += counts["tokens"]
    ordered = sorted(sums.items(), key=lambda item: (item[0] != "all", -item[1]["bytes"], item[0]))
    ratios = {key: round(counts["bytes"] / max(1, counts["tokens"]), 3) for key, counts in ordered}
    return {"tokens": tokens, "bytes_per_token": ratios}
