"""Finds items of evaluation sets in pages: an index of the items made once, and what it finds in a documents shard.

The index is stored in the output's `.work/`, where every worker maps the same files into memory. The spans that it
finds are rows of `contaminated/`; the stage that copies the texts masks them from there.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.io.evaluation_sets import EvaluationSetError, build_passages, read_evaluation_sets
from pipeline.io.output import WORK, Output
from pipeline.io.schemas import CONTAMINATED
from pipeline.publish.result import ContaminationCounts, EvaluationSetCounts
from pipeline.publish.settings import DecontaminateConfig
from pipeline.text.item_index import ContaminatedSpan, ItemIndex, mask_spans

CONTAMINATED_FOLDER = "contaminated"
INDEX_FOLDER = f"{WORK}/contamination"


class ContaminationIndex(NamedTuple):
    """The n-grams and questions of the items, and (set, item) by the items' numbers."""

    items: ItemIndex
    names: list[tuple[str, str]]


class SearchedItems(NamedTuple):
    """How many items a set has, and the items whose question is too short, or too general, to be found alone."""

    items: int
    unsearched: list[str]


class ScannedPage(NamedTuple):
    """What a page is known by in `contaminated/`; `row` is its row in the shard."""

    id: str
    url: str | None
    row: int


class ContaminationHit(NamedTuple):
    """A row of `contaminated/`: a span of a page that an evaluation item has."""

    id: str
    url: str | None
    row: int
    set: str
    item: str
    action: str
    start: int
    end: int
    ngrams: int
    overlap: float
    text: str


class ContaminatedPage(NamedTuple):
    """A page with hits. `size` is the UTF-8 bytes of its text without them, 0 where the page is dropped."""

    hits: list[ContaminationHit]
    size: int


def build_contamination_index(output: Output, config: DecontaminateConfig) -> dict[str, SearchedItems]:
    """Write the index of the configured sets, if there are any. Returns what of each is searched for.

    Raises EvaluationSetError, OSError.
    """
    output.remove(CONTAMINATED_FOLDER)
    output.remove(INDEX_FOLDER)
    if not config.sets:
        return {}
    names: list[tuple[str, str]] = []

    def iterate_passages() -> Iterator[list[str]]:
        for item in read_evaluation_sets(config.sets):
            names.append((item.set, item.name))
            yield build_passages(item)

    short = min(config.min_question_words, config.ngram)
    index = ItemIndex.build(iterate_passages(), config.ngram, short, config.min_overlap)
    if not names:
        raise EvaluationSetError(f"decontaminate.sets: no item in {', '.join(config.sets)}")
    arrays = index.arrays()
    for name, array in arrays.items():
        with output.write(INDEX_FOLDER, f"{name}.npy") as out:
            np.save(out, array, allow_pickle=False)
    facts = {"ngram": index.ngram, "names": names, "arrays": list(arrays)}
    output.write_json(facts, INDEX_FOLDER, "index.json")
    searched = {name: SearchedItems(count, []) for name, count in Counter(name for name, _ in names).items()}
    for number in index.unsearched.tolist():
        name, item = names[number]
        searched[name].unsearched.append(item)
    return searched


@lru_cache(maxsize=1)
def load_contamination_index(root: str, version: str) -> ContaminationIndex:
    """Return the index of an output. `version` tells it from an earlier one in the same place."""
    output = Output(root)
    facts = output.read_json(INDEX_FOLDER, "index.json")
    arrays = {name: read_index_array(output, f"{name}.npy") for name in facts["arrays"]}
    names = [(name, item) for name, item in facts["names"]]
    return ContaminationIndex(ItemIndex.from_arrays(facts["ngram"], arrays), names)


def read_index_array(output: Output, name: str) -> np.ndarray:
    """Return an array of the index, mapped into memory where it is a file on this machine."""
    array: np.ndarray
    if output.local:
        array = np.load(output.path(INDEX_FOLDER, name), mmap_mode="r", allow_pickle=False)
        return array
    with output.open(INDEX_FOLDER, name) as source:
        array = np.load(source, allow_pickle=False)
    return array


class ContaminationScanner:
    """Finds items in pages, with the output's index."""

    def __init__(self, root: str, config: DecontaminateConfig) -> None:
        """Load the index, once a process."""
        output = Output(root)
        self.index = load_contamination_index(root, str(output.fs.info(output.path(INDEX_FOLDER, "index.json"))))
        self.action = config.action

    def scan_pages(self, pages: Sequence[ScannedPage], texts: Sequence[str]) -> list[ContaminatedPage | None]:
        """Return what the hits make of each page; None for a page without hits."""
        return [
            self.judge_page(page, text, spans) if spans else None
            for page, text, spans in zip(pages, texts, self.index.items.spans(texts), strict=True)
        ]

    def judge_page(self, page: ScannedPage, text: str, spans: Sequence[ContaminatedSpan]) -> ContaminatedPage:
        """Return a page with its hits. A page of which masking leaves nothing is dropped."""
        left = mask_spans(text, [(span.start, span.end) for span in spans]) if self.action == "mask" else ""
        action = "mask" if left else "drop"
        hits = [
            ContaminationHit(
                *page,
                *self.index.names[span.item],
                action=action,
                start=span.start,
                end=span.end,
                ngrams=span.ngrams,
                overlap=span.overlap,
                text=text[span.start : span.end],
            )
            for span in spans
        ]
        return ContaminatedPage(hits, len(left.encode("utf-8", "surrogatepass")))


def open_scanner(root: str, config: DecontaminateConfig) -> ContaminationScanner | None:
    """Return a scanner, or None where no evaluation sets are configured."""
    return ContaminationScanner(root, config) if config.sets else None


def write_hits(output: Output, name: str, hits: Iterable[ContaminationHit]) -> None:
    """Write a documents shard's hits; a shard without hits has no file."""
    rows = [hit._asdict() for hit in hits]
    if rows:
        with output.table_writer(CONTAMINATED, CONTAMINATED_FOLDER, f"{name}.parquet") as writer:
            for row in rows:
                writer.row(row)


def read_mask_spans(output: Output, name: str) -> dict[int, list[tuple[int, int]]]:
    """Return the spans to mask in a documents shard, rising, by row."""
    if not output.exists(CONTAMINATED_FOLDER, f"{name}.parquet"):
        return {}
    with output.parquet(CONTAMINATED_FOLDER, f"{name}.parquet") as file:
        columns = file.read(columns=["row", "start", "end", "action"]).to_pydict()
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row, start, end, action in zip(*columns.values(), strict=True):
        if action == "mask":
            spans[row].append((start, end))
    return {row: sorted(some) for row, some in spans.items()}


def count_contamination(
    output: Output, searched: dict[str, SearchedItems], shards: Iterable[str]
) -> ContaminationCounts:
    """Return the counts of what was found of the items of each set.

    Pages are counted in documents `shards` alone; the other files of `contaminated/` are those of extra sources.
    """
    pages: Counter[str] = Counter()
    documents = {f"{name}.parquet" for name in shards}
    found: dict[str, set[str]] = {name: set() for name in searched}
    verbatim: dict[str, set[str]] = {name: set() for name in searched}
    holders: dict[str, set[tuple[str, int]]] = {name: set() for name in searched}
    spans: Counter[str] = Counter()
    for name in output.list(CONTAMINATED_FOLDER, ".parquet"):
        with output.parquet(CONTAMINATED_FOLDER, name) as file:
            columns = file.read(columns=["row", "set", "item", "action", "overlap"]).to_pydict()
        actions: dict[int, str] = {}
        for row, of_set, item, action, overlap in zip(*columns.values(), strict=True):
            actions[row] = action
            found[of_set].add(item)
            if overlap == 1:
                verbatim[of_set].add(item)
            holders[of_set].add((name, row))
            spans[of_set] += 1
        if name in documents:
            pages.update(actions.values())
    sets: dict[str, EvaluationSetCounts] = {
        name: {
            "items": counts.items,
            "found": len(found[name]),
            "edited": len(found[name] - verbatim[name]),
            "pages": len(holders[name]),
            "spans": spans[name],
            "unsearched": counts.unsearched,
        }
        for name, counts in searched.items()
    }
    return {"dropped": pages["drop"], "masked": pages["mask"], "sets": sets}
