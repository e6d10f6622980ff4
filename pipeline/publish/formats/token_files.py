"""Token files: the ids of a shard's documents, each followed by the end-of-text token, and an index of the documents.

Ids are little-endian uint16, or 32 bits where the vocabulary has more than 65,536 entries. Two kinds of index:

    megatron    NAME.bin and NAME.idx: Megatron-LM's indexed dataset (NeMo, GPT-NeoX, OLMo-core's converters)
    datatrove   NAME.ds, NAME.ds.index and NAME.ds.metadata: datatrove's tokenized file, which nanotron reads
"""

import struct
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Literal

import numpy as np

from pipeline.io.output import Output

TokenLayout = Literal["megatron", "datatrove"]
TOKENS_FOLDER = "tokens"
DATA_SUFFIX: dict[TokenLayout, str] = {"megatron": ".bin", "datatrove": ".ds"}
MEGATRON_MAGIC = b"MMIDIDX\x00\x00"
MEGATRON_TYPES = {2: 8, 4: 4}  # Megatron's codes by bytes of a token: uint16; int32, whose bytes are uint32's here


def token_width(vocabulary: int) -> int:
    """Return how many bytes an id takes."""
    return 2 if vocabulary <= 1 << 16 else 4


class TokenFile:
    """Writes the token file of one corpus shard and its index. A context manager."""

    def __init__(self, output: Output, layout: TokenLayout, split: str, name: str, width: int, tokenizer: str) -> None:
        """Write to `tokens/SPLIT/NAME`. `width` is the bytes of an id, `tokenizer` the tokenizer's name."""
        self.output, self.layout, self.width, self.tokenizer = output, layout, width, tokenizer
        self.place = (TOKENS_FOLDER, split, name + DATA_SUFFIX[layout])
        self.sizes: list[int] = []  # tokens of each document, the end-of-text token included
        self.stack = ExitStack()
        self.out: IO[bytes]

    def __enter__(self) -> "TokenFile":
        """Open the file; it gets its name only when the block ends without an error."""
        self.out = self.stack.enter_context(self.output.write(*self.place))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, then write its index."""
        self.stack.__exit__(kind, error, trace)
        if error is None:
            for suffix, content in self.build_index().items():
                with self.output.write(*self.place[:-1], self.place[-1].removesuffix(".bin") + suffix) as out:
                    out.write(content)

    def append(self, documents: Iterable[Sequence[int]], end: int) -> None:
        """Write the ids of documents, each followed by `end`."""
        for ids in documents:
            self.out.write(np.array([*ids, end], f"<u{self.width}").tobytes())
            self.sizes.append(len(ids) + 1)

    def build_index(self) -> dict[str, bytes]:
        """Return the content of the files beside the token file, by suffix."""
        sizes = np.array(self.sizes, np.int64)
        ends = np.cumsum(sizes, dtype=np.int64)
        if self.layout == "datatrove":
            tokens = int(ends[-1]) if len(ends) else 0
            about = f"{self.tokenizer}|{self.width}\n{tokens}\n{tokens:,} tokens"
            return {".index": ends.astype("<u8").tobytes(), ".metadata": about.encode()}
        documents = len(sizes)
        header = MEGATRON_MAGIC + struct.pack("<QBQQ", 1, MEGATRON_TYPES[self.width], documents, documents + 1)
        starts = (ends - sizes) * self.width
        columns = (sizes.astype("<i4"), starts.astype("<i8"), np.arange(documents + 1, dtype="<i8"))
        return {".idx": header + b"".join(column.tobytes() for column in columns)}
