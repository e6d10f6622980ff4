"""The clean sources' transforms: their texts are read once, set aside under .work/, and planned like pages.

AddClean    the plans of the crawl's pages, with those of the sources' texts beside them
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.metrics import Metrics

from pipeline.config import Config
from pipeline.io.output import Output
from pipeline.publish import extra_sources
from pipeline.publish.decontaminate import Finder, write_hits
from pipeline.publish.mixture import Candidate, Copies, uniform
from pipeline.publish.plan import Planned
from pipeline.publish.topics import topics

Place = tuple[int, int]  # shard, row
VALIDATION: Place = (-1, -1)  # stands for any page of validation


@dataclass(eq=False)
class AddClean(beam.PTransform):
    """PCollection[Planned] -> PCollection[Planned]: the crawl's pages, and `publish.extra_anneal_sources`' texts."""

    root: str
    config: Config
    names: tuple[str, ...]  # the documents shards
    files: tuple[extra_sources.SourceFile, ...]

    def expand(self, plans):
        """Read the texts, leave out what validation has, then decide how often each source is published."""
        first = len(self.names)
        numbered = [(first + n, extra_sources.shard(n), file.path) for n, file in enumerate(self.files)]
        texts = (
            plans.pipeline
            | "source files" >> beam.Create(numbered)
            | "read"
            >> beam.FlatMap(read_texts, self.root, self.config).with_output_types(tuple[Candidate, list[bytes]])
        )
        taken = (
            plans
            | "validation" >> beam.FlatMap(validation_row).with_output_types(tuple[int, int])
            | "by shard" >> beam.GroupByKey()
            | "keys"
            >> beam.FlatMap(validation_keys, self.root, self.config, self.names).with_output_types(tuple[bytes, Place])
        )
        offered = texts | "offered" >> beam.FlatMap(keys_and_places).with_output_types(tuple[bytes, Place])
        shared = (
            (taken, offered)
            | "keys of both" >> beam.Flatten()
            | "same key" >> beam.GroupByKey()
            | "shared" >> beam.FlatMap(shared_places).with_output_types(tuple[Place, bool])
            | "once" >> beam.Distinct()
        )
        pages = (
            texts
            | "text" >> beam.Keys()
            | "judge" >> beam.Map(judged, beam.pvalue.AsDict(shared)).with_output_types(tuple[Candidate, str])
        )
        sources = tuple(file.source for file in self.files)
        sizes = (
            pages
            | "sizes" >> beam.FlatMap(source_and_size, first, sources).with_output_types(tuple[str, int])
            | "by source" >> beam.CombinePerKey(sum)
        )
        best = (
            plans
            | "best" >> beam.FlatMap(best_size).with_output_types(int)
            | "of the best" >> beam.CombineGlobally(sum)
        )
        sides = beam.pvalue.AsDict(sizes), beam.pvalue.AsSingleton(best)
        added = pages | "plan" >> beam.Map(planned, *sides, self.config, first, sources).with_output_types(Planned)
        return (plans, added) | "with the crawl's" >> beam.Flatten()


def read_texts(file: tuple[int, str, str], root: str, config: Config) -> Iterator[tuple[Candidate, list[bytes]]]:
    """Set a source file's texts aside, and yield each without its text, with the keys that copies of it share."""
    number, name, path = file
    output = Output(root)
    finder = Finder(root, config.decontaminate.action) if config.decontaminate.sets else None
    hits: list[dict[str, Any]] = []
    with output.table_writer(extra_sources.SCHEMA, extra_sources.FOLDER, f"{name}.parquet") as writer:
        first = 0
        for rows in batches(extra_sources.document(row) for row in extra_sources.read_rows(path)):
            texts = [row["text"] for row in rows]
            named = [{"id": row["id"], "url": row["url"], "row": first + n} for n, row in enumerate(rows)]
            found = finder.find(named, texts) if finder else [None] * len(rows)
            told = topics(texts, [row["url"] for row in rows], config)
            for n, (row, keys, page, topic) in enumerate(
                zip(rows, extra_sources.keys(rows, config), found, told, strict=True)
            ):
                writer.row(row)
                hits += page.rows if page else []
                left = page.size if page else len(row["text"].encode("utf-8", "surrogatepass"))
                facts = (row["id"], extra_sources.site_of(row), row["domain"], row["language"] or "", None)
                mine = Candidate(number, first + n, *facts, left, contaminated=bool(page and not left))
                yield mine._replace(topic=topic[0], topic_score=topic[1]), keys
            first += len(rows)
    write_hits(output, name, hits)


def batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield rows some at a time."""
    some: list[dict[str, Any]] = []
    for row in rows:
        some.append(row)
        if len(some) == extra_sources.ROWS:
            yield some
            some = []
    if some:
        yield some


def validation_row(plan: Planned) -> Iterator[Place]:
    """Yield where a page of validation stands."""
    if plan.copies.split == "validation" and not plan.copies.held_out:
        yield plan.page.shard, plan.page.row


def validation_keys(
    group: tuple[int, Iterable[int]], root: str, config: Config, names: tuple[str, ...]
) -> Iterator[tuple[bytes, Place]]:
    """Yield the keys of a documents shard's pages of validation."""
    number, numbers = group
    wanted, first = set(numbers), 0
    with Output(root).parquet("documents", f"{names[number]}.parquet") as file:
        for batch in file.iter_batches(
            columns=["canonical_url", "text_hash", "minhash"], batch_size=extra_sources.ROWS
        ):
            mine = [n for n in range(batch.num_rows) if first + n in wanted]
            for found in extra_sources.keys(batch.take(pa.array(mine, pa.int64())).to_pylist(), config):
                yield from ((key, VALIDATION) for key in found)
            first += batch.num_rows


def keys_and_places(text: tuple[Candidate, list[bytes]]) -> Iterator[tuple[bytes, Place]]:
    """Yield each key of a text with its place."""
    page, found = text
    yield from ((key, (page.shard, page.row)) for key in found)


def shared_places(group: tuple[bytes, Iterable[Place]]) -> Iterator[tuple[Place, bool]]:
    """Yield the places of texts that share a key with a page of validation."""
    places = group[1]
    if any(place == VALIDATION for place in places):
        yield from ((place, True) for place in places if place != VALIDATION)


def judged(page: Candidate, shared: dict[Place, bool]) -> tuple[Candidate, str]:
    """Return a text and why it is held out, or an empty string."""
    if page.contaminated:
        return page, "contaminated"
    return page, "validation" if (page.shard, page.row) in shared else ""


def source_and_size(item: tuple[Candidate, str], first: int, sources: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield what a text adds to its source."""
    page, held = item
    if not held:
        yield sources[page.shard - first], page.size


def best_size(plan: Planned) -> Iterator[int]:
    """Yield what a page of the best adds to anneal/."""
    if plan.copies.anneal:
        yield plan.page.size


def planned(
    item: tuple[Candidate, str], sizes: dict[str, int], best: int, config: Config, first: int, sources: tuple[str, ...]
) -> Planned:
    """Decide how often a text is published in anneal/."""
    page, held = item
    if held:
        return Planned(page, Copies(0.0, 0.0, "anneal", 0, held), None)
    shares, most = config.publish.extra_anneal_sources, config.weights.max_repeats
    factor = extra_sources.factors(dict(sorted(sizes.items())), best, shares, most)[sources[page.shard - first]]
    drawn = uniform(config.seed, "clean", page.id, page.row) < factor.weight % 1
    times = int(factor.weight) + drawn
    Metrics.counter("publish", "anneal").inc(times)
    return Planned(page, Copies(factor.weight, factor.wanted, "anneal", times, "" if times else "mix"), None)
