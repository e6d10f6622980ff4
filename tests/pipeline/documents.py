"""Rows of documents/ for the tests of the later jobs: texts in several scripts, with near duplicates planted."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.io.output import Output
from pipeline.io.schemas import DOCUMENT
from pipeline.text.minhash import MinHashParams, hash_text, sign_text

LETTERS = {
    "en": "abcdefghijklmnoprstuvwy",
    "ru": "абвгдежзиклмнопрстуфхцчшыэюя",
    "zh": "".join(map(chr, range(0x4E00, 0x5600))),
}
Row = dict[str, Any]


def words(language: str, rng: random.Random, count: int) -> list[str]:
    """Return random words of a language's letters; in Chinese, characters."""
    letters = LETTERS[language]
    return ["".join(rng.choices(letters, k=1 if language == "zh" else rng.randint(2, 8))) for _ in range(count)]


def joined(language: str, some: Iterable[str]) -> str:
    """Return words as a text."""
    return ("" if language in ("zh", "ja") else " ").join(some)


def edited(some: Sequence[str], replacement: Sequence[str], rng: random.Random) -> list[str]:
    """Return the words with as many of them replaced, scattered, as there are replacements."""
    result = list(some)
    for place, word in zip(rng.sample(range(len(result)), len(replacement)), replacement, strict=True):
        result[place] = word
    return result


def document(number: int, text: str, params: MinHashParams | None = None, **over: Any) -> Row:
    """Return a row of documents/ for a page of its own site, unless `over` says otherwise."""
    site = over.get("site", f"site{number}.example")
    url = over.get("url", f"https://{site}/page/{number}")
    row = {
        "id": f"<urn:uuid:{number:08d}>",
        "url": url,
        "canonical_url": url,
        "date": "2024-05-01T00:00:00Z",
        "language": "en",
        "language_score": 0.9,
        "text": text,
        "site": site,
        "domain": "news",
        "file": "synthetic",
        "offset": number,
        "pii": 0,
        "measures": {},
        "scores": {"quality": None},
        "text_hash": hash_text(text),
        "minhash": sign_text(text, params) if params else b"",
    }
    return row | over


def write(root: Any, shards: Sequence[Sequence[Row]]) -> tuple[Output, list[str]]:
    """Write documents/, a list of rows a shard. Returns the output and the shards' names."""
    output, names = Output(str(root)), [f"part-{n}" for n in range(len(shards))]
    for name, rows in zip(names, shards, strict=True):
        with output.table_writer(DOCUMENT, "documents", f"{name}.parquet") as writer:
            for row in rows:
                writer.row(row)
    return output, names


def dealt(rows: Sequence[Row], shards: int, seed: int) -> list[list[Row]]:
    """Return the rows shuffled and dealt to shards."""
    mixed = random.Random(seed).sample(list(rows), len(rows))
    return [mixed[n::shards] for n in range(shards)]


def read(output: Output, folder: str) -> list[Row]:
    """Return every row of a folder of the output, in the order of its files."""
    rows = []
    for name in output.list(folder, ".parquet"):
        with output.parquet(folder, name) as file:
            rows += file.read().to_pylist()
    return rows
