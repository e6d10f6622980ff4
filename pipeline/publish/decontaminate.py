"""Pages that hold items of evaluation sets: an index of the items made once, and what it finds in a documents shard.

The index lies under the output's `.work/`, where every worker maps the same files; the spans that it finds are rows of
`contaminated/`, from which the second pass over the text masks.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from pipeline.config import Config
from pipeline.io.evaluation_sets import EvaluationSetError, passages, read_sets
from pipeline.io.output import WORK, Output
from pipeline.io.schemas import CONTAMINATED
from pipeline.publish import extra_sources
from pipeline.text.ngram_index import NgramIndex, mask_spans

FOLDER = "contaminated"
INDEX = f"{WORK}/contamination"


class Known(NamedTuple):
    """The n-grams of the items, and (set, item) by the items' numbers."""

    ngrams: NgramIndex
    names: list[tuple[str, str]]


class Page(NamedTuple):
    """What becomes of a page with hits: `size` is UTF-8 bytes of its text without them, 0 where it is dropped."""

    rows: list[dict[str, Any]]
    size: int


def prepare(output: Output, config: Config) -> dict[str, int]:
    """Write the index of the configured sets, if there are any. Returns how many items each has.

    Raises EvaluationSetError, OSError.
    """
    output.remove(FOLDER)
    output.remove(INDEX)
    wanted = config.decontaminate
    if not wanted.sets:
        return {}
    names: list[tuple[str, str]] = []

    def named() -> Iterator[list[str]]:
        for item in read_sets(wanted.sets):
            names.append((item.set, item.name))
            yield passages(item)

    index = NgramIndex.build(named(), wanted.ngram, min(wanted.min_question_words, wanted.ngram))
    if not names:
        raise EvaluationSetError(f"decontaminate.sets: no item in {', '.join(wanted.sets)}")
    for field in fields(NgramIndex)[2:]:
        with output.write(INDEX, f"{field.name}.npy") as out:
            np.save(out, getattr(index, field.name), allow_pickle=False)
    output.write_json({"ngram": index.ngram, "short": index.short, "names": names}, INDEX, "index.json")
    sets: dict[str, int] = defaultdict(int)
    for name, _ in names:
        sets[name] += 1
    return dict(sets)


@lru_cache(maxsize=1)
def load(root: str, made: str) -> Known:
    """Return the index of an output, mapped where that is a folder; `made` tells one in the same place from another."""
    output = Output(root)
    facts = output.read_json(INDEX, "index.json")
    arrays = {field.name: read_array(output, f"{field.name}.npy") for field in fields(NgramIndex)[2:]}
    return Known(NgramIndex(facts["ngram"], facts["short"], **arrays), [(name, item) for name, item in facts["names"]])


def read_array(output: Output, name: str) -> np.ndarray:
    """Return an array of the index, mapped where it is a file on this machine."""
    if output.local:
        return np.load(output.path(INDEX, name), mmap_mode="r", allow_pickle=False)
    with output.open(INDEX, name) as source:
        return np.load(source, allow_pickle=False)


class Finder:
    """Finds items in pages, with the output's index."""

    def __init__(self, root: str, action: str):
        """Load the index, once a process."""
        output = Output(root)
        self.known = load(root, str(output.fs.info(output.path(INDEX, "index.json"))))
        self.action = action

    def find(self, rows: Sequence[dict[str, Any]], texts: Sequence[str]) -> list[Page | None]:
        """Return what becomes of each page (id, url, row); None for one without hits."""
        return [
            self.page(row, text, spans) if spans else None
            for row, text, spans in zip(rows, texts, self.known.ngrams.spans(texts), strict=True)
        ]

    def page(self, row: dict[str, Any], text: str, spans: list[Any]) -> Page:
        """Return a page with its hits; masked to nothing it is dropped."""
        left = mask_spans(text, [(span.start, span.end) for span in spans]) if self.action == "mask" else ""
        action = "mask" if left else "drop"
        hits = []
        for span in spans:
            name, item = self.known.names[span.item]
            place = {"start": span.start, "end": span.end, "ngrams": span.ngrams, "text": text[span.start : span.end]}
            hits.append(row | {"set": name, "item": item, "action": action} | place)
        return Page(hits, len(left.encode("utf-8", "surrogatepass")))


def write_hits(output: Output, name: str, hits: list[dict[str, Any]]) -> None:
    """Write a documents shard's hits, where it has any."""
    if hits:
        with output.table_writer(CONTAMINATED, FOLDER, f"{name}.parquet") as writer:
            for hit in hits:
                writer.row(hit)


def masks(output: Output, name: str) -> dict[int, list[tuple[int, int]]]:
    """Return the spans to mask in a documents shard by row, rising."""
    if not output.exists(FOLDER, f"{name}.parquet"):
        return {}
    with output.parquet(FOLDER, f"{name}.parquet") as file:
        columns = file.read(columns=["row", "start", "end", "action"]).to_pydict()
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row, start, end, action in zip(*columns.values(), strict=True):
        if action == "mask":
            spans[row].append((start, end))
    return {row: sorted(some) for row, some in spans.items()}


def summary(output: Output, items: dict[str, int]) -> dict[str, Any]:
    """Return pages dropped and masked, and for each set [its items, items found, pages that hold some, spans].

    Texts of clean sources are among the second alone: the ledger counts them with their source.
    """
    pages: dict[str, int] = {"drop": 0, "mask": 0}
    found: dict[str, tuple[set[str], set[tuple[str, int]], list[int]]] = {name: (set(), set(), [0]) for name in items}
    for name in output.list(FOLDER, ".parquet"):
        with output.parquet(FOLDER, name) as file:
            columns = file.read(columns=["row", "set", "item", "action"]).to_pydict()
        seen: dict[int, str] = {}
        for row, of, item, action in zip(*columns.values(), strict=True):
            seen[row] = action
            found[of][0].add(item)
            found[of][1].add((name, row))
            found[of][2][0] += 1
        for action in () if name.startswith(extra_sources.PREFIX) else seen.values():
            pages[action] += 1
    sets = {name: [items[name], len(some), len(held), spans[0]] for name, (some, held, spans) in found.items()}
    return {"dropped": pages["drop"], "masked": pages["mask"], "sets": sets}
