"""The dedup job against brute force over all pairs: what it finds, who stays, and that sharding is no matter."""

import collections
import csv
import functools
import gzip
import json
import random
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.pvalue import TaggedOutput
from apache_beam.runners import create_runner
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree
from scipy.sparse import csr_array

from pipeline.config import build_config
from pipeline.dedup import blocks, index_pages, plan, spanning_forest, verify_jaccard
from pipeline.dedup.job import build_dedup, find_duplicates
from pipeline.dedup.plan import unread_shards
from pipeline.html.charset import decode_body
from pipeline.html.http import parse_response
from pipeline.io import output as output_module
from pipeline.io.output import Output
from pipeline.text.minhash import MinHashParams, jaccard_similarity, shingle_hashes
from pipeline.warc.reader import CrawlRecord, read_crawl_records
from tests.pipeline.documents import LETTERS, Row, dealt, document, edited, joined, read, words, write
from tests.shared import shared_data

PARAMS = MinHashParams()
THRESHOLD = 0.8


def run(root, pages, flags=(), **settings):
    """Write documents, run the job, return the rows of duplicates/ and the job's summary."""
    output, names = write(root, pages)
    config = build_config({"inputs": ["x"], "output": str(root), "recipe": "none", "dedup": settings})
    result = find_duplicates(output, config, names, flags)
    assert output.list("duplicates") == [f"{name}.parquet" for name in names]  # one for each shard, empty ones too
    for name, rows in zip(names, pages, strict=True):
        with output.parquet("duplicates", f"{name}.parquet") as file:
            found = file.read().to_pylist()
        assert [rows[row["row"]]["id"] for row in found] == [row["id"] for row in found]
        assert sum(result["files"][name].values()) == len(found)
    return read(output, "duplicates"), result


def verdicts(duplicates: list[Row]) -> list[tuple]:
    """Return what must not depend on sharding."""
    return sorted(tuple(row[key] for key in ("id", "kept_id", "kind", "similarity", "cluster")) for row in duplicates)


def brute_force(documents: list[Row]) -> dict[frozenset[str], float]:
    """Return the exact Jaccard of every pair of pages at or above the threshold."""
    sets = [shingle_hashes(row["text"], PARAMS) for row in documents]
    columns = np.unique(np.concatenate(sets), return_inverse=True)[1]
    starts = np.cumsum([0, *map(len, sets)])
    table = csr_array((np.ones(len(columns), np.int32), columns, starts))
    both = (table @ table.T).tocoo()
    found = {}
    for a, b, shared in zip(*both.coords, both.data, strict=True):
        similarity = shared / (len(sets[a]) + len(sets[b]) - shared)
        if a < b and similarity >= THRESHOLD:
            found[frozenset((documents[a]["id"], documents[b]["id"]))] = float(similarity)
    return found


def check_against_brute_force(documents: list[Row], duplicates: list[Row]) -> float:
    """Check every near verdict, and return the recall: of the pairs alike, the share of which not both stay."""
    alike = brute_force(documents)
    gone = {row["id"] for row in duplicates}
    assert len(gone) == len(duplicates)
    for row in duplicates:
        assert row["kept_id"] not in gone
        if row["kind"] == "near":
            assert row["similarity"] == pytest.approx(alike[frozenset((row["id"], row["kept_id"]))])
    return sum(bool(pair & gone) for pair in alike) / len(alike)


@pytest.fixture(scope="module")
def corpus() -> list[Row]:
    """Pages in three scripts: loners, pairs of every similarity around the threshold, chains, cliques, exact copies."""
    rng, rows = random.Random(7), []

    def add(language, some, **over):
        rows.append(document(len(rows), joined(language, some), PARAMS, language=language, **over))

    for language in LETTERS:
        for n in range(120):
            base = words(language, rng, 220)
            add(language, base)
            for _ in range(4 if n % 20 == 0 else 1):  # up to 6 x 5 of 216 shingles change: 1 to .76
                add(language, edited(base, words(language, rng, n % 7), rng))
        for _ in range(40):
            add(language, words(language, rng, rng.randint(1, 300)))
        some = words(language, rng, 300)
        for _ in range(8):  # a chain: each page is like the next, not like the one after it
            some = [*some[20:], *words(language, rng, 20)]
            add(language, some)
    return rows


@pytest.fixture(scope="module")
def found(corpus, tmp_path_factory):
    return run(tmp_path_factory.mktemp("dedup"), dealt(corpus, 3, seed=1))


def test_what_is_found_in_a_planted_corpus_is_what_brute_force_finds(corpus, found):
    duplicates, result = found
    recall = check_against_brute_force(corpus, duplicates)
    assert recall >= 0.98
    kinds = {kind: sum(row["kind"] == kind for row in duplicates) for kind in ("url", "exact", "near")}
    assert kinds["url"] == 0 and kinds["exact"] >= 30 and kinds["near"] >= 200
    assert result["clusters"]["largest"][0] >= 4


def test_no_sharding_or_order_changes_a_verdict(corpus, found, tmp_path):
    duplicates, result = found
    again, other = run(tmp_path, [*dealt(corpus, 5, seed=2), []])
    assert verdicts(again) == verdicts(duplicates)
    assert other["clusters"] == result["clusters"]


def small_parts(patch) -> None:
    """Cut everything into so small parts that nothing is ever held whole."""
    patch.setattr(output_module, "ROW_GROUP_BYTES", 20_000)
    patch.setattr(blocks, "BLOCK_BYTES", 3_000)
    patch.setattr(index_pages, "READ_PAGES", 25)
    patch.setattr(plan, "BATCH_PAGES", 90)
    patch.setattr(plan, "PARTITION_PAGES", 60)
    patch.setattr(plan, "PARTITION_BANDS", 500)
    patch.setattr(spanning_forest, "MERGED_LINKS", 40)
    patch.setattr(spanning_forest, "PARTITION_CANDIDATES", 12)
    patch.setattr(verify_jaccard, "HELD_SHINGLES", 8_000)


def test_the_smallest_parts_give_what_one_part_gives(corpus, found, tmp_path, monkeypatch):
    duplicates, result = found
    small_parts(monkeypatch)
    again, other = run(tmp_path, dealt(corpus, 9, seed=4))
    assert other["counts"]["near removed"] == result["counts"]["near removed"] > 200
    assert verdicts(again) == verdicts(duplicates)
    assert other["clusters"] == result["clusters"]


def files(root) -> dict[str, bytes]:
    """Return every file of duplicates/, repeated_lines/ and index/, and what says how the index was made."""
    parts = [file for name in ("duplicates", "repeated_lines", "index") for file in root.glob(f"{name}/**/*.parquet")]
    parts.append(root / "index.json")
    return {str(path.relative_to(root)): path.read_bytes() for path in parts}


@pytest.fixture(scope="module")
def pages_with_lines(corpus) -> list[list[Row]]:
    """Documents of 80 pages in three shards, with duplicates of every kind and repeated lines."""
    pages = [row | {"text": f"This is page {n % 3} of many\n{row['text']}"} for n, row in enumerate(corpus[:80])]
    pages.append(pages[0] | {"id": "again", "date": "2020-01-01T00:00:00Z"})
    return dealt(pages, 3, seed=5)


LINES = {"scope": "corpus", "keep": "one"}
PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
PORTABLE = ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"]


@pytest.fixture(scope="module")
def whole(pages_with_lines, tmp_path_factory) -> dict[str, bytes]:
    """The files of a job over these pages in this process."""
    root = tmp_path_factory.mktemp("whole")
    duplicates, result = run(root, pages_with_lines, repeated_lines=LINES)
    assert result["lines"]["lines"][0] > 10
    assert {row["kind"] for row in duplicates} == {"url", "exact", "near"}
    return files(root)


@pytest.mark.parametrize("way", ["pool", "processes", "shuffle", "portable runner"])
def test_every_way_of_running_writes_the_same_bytes(pages_with_lines, whole, tmp_path, monkeypatch, way):
    if way == "pool":
        monkeypatch.setattr("pipeline.dedup.job.POOL_PAGES", 0)
    if way == "shuffle":  # blocks in the elements, as on Dataflow
        monkeypatch.setattr(blocks, "ONE_MACHINE", ())
    flags = {"processes": PROCESSES, "portable runner": PORTABLE}.get(way, [])
    run(tmp_path, pages_with_lines, flags, repeated_lines=LINES)
    assert files(tmp_path) == whole


@pytest.mark.parametrize("in_files", [True, False])
def test_small_parts_of_a_job_with_lines_write_what_whole_ones_do(
    pages_with_lines, whole, tmp_path, monkeypatch, in_files
):
    small_parts(monkeypatch)
    monkeypatch.setattr(output_module, "ROW_GROUP_BYTES", 16 << 20)
    if not in_files:
        monkeypatch.setattr(blocks, "ONE_MACHINE", ())
    run(tmp_path, pages_with_lines, repeated_lines=LINES)
    assert files(tmp_path) == whole


@pytest.mark.parametrize(
    "runner, in_files",
    [
        ("apache_beam.runners.portability.fn_api_runner.FnApiRunner", True),
        ("PrismRunner", True),
        ("DirectRunner", True),
        ("DataflowRunner", False),
        ("FlinkRunner", False),
        ("SparkRunner", False),
        ("PortableRunner", False),
    ],
)
def test_blocks_are_in_files_where_the_runner_works_on_one_machine(runner, in_files):
    assert blocks.keeps_blocks_in_files(create_runner(runner)) == in_files


@pytest.mark.parametrize("runner, in_files", [("PrismRunner", True), ("FlinkRunner", False)])
def test_the_graph_follows_from_the_runner(runner, in_files):
    graph, config = beam.Pipeline(runner=runner), build_config({"inputs": ["x"], "output": "out"})
    build_dedup(graph, "out", config, unread_shards(["part-0"]))
    names = {step.full_label for step in steps_of(graph)}
    assert any("ParDo(StoreBlocks)" in name for name in names) == in_files
    assert any("FlatMap(keep_one)" in name for name in names) != in_files


def steps_of(graph: beam.Pipeline) -> list[AppliedPTransform]:
    """Return every step of a graph."""
    found: list[AppliedPTransform] = []

    class Steps(PipelineVisitor):
        def visit_transform(self, step):
            found.append(step)

    graph.visit(Steps())
    return found


class Killed(Exception):
    """Stands for the end of the process."""


def kill(patch, step: str, number: int, after: bool) -> list[tuple[str, int]]:
    """End the job when an element of a step is begun, or after it has written its blocks. Returns what was done."""
    done, real = [], blocks.write_claims

    def write_claims(output, this, element, made):
        if (this, element) == (step, number):
            if after:
                list(made)
            raise Killed("killed")
        real(output, this, element, made)
        done.append((this, element))

    patch.setattr(blocks, "write_claims", write_claims)
    return done


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["index", "url_verdicts", "links", "candidates", "near_verdicts", "duplicates"])
def test_a_job_that_was_killed_goes_on_from_what_was_done(pages_with_lines, whole, tmp_path, monkeypatch, step, after):
    with monkeypatch.context() as patch:
        done = kill(patch, step, 0, after)
        with pytest.raises(Killed):
            run(tmp_path, pages_with_lines, repeated_lines=LINES)
    with monkeypatch.context() as patch:
        again = kill(patch, "never", 0, False)
        output, names = Output(str(tmp_path)), [f"part-{n}" for n in range(3)]
        settings = {"inputs": ["x"], "output": output.root, "recipe": "none", "dedup": {"repeated_lines": LINES}}
        find_duplicates(output, build_config(settings), names)
    assert not set(done) & set(again) and (step, 0) in again
    assert files(tmp_path) == whole
    assert not output.exists(".work", "dedup")


def untagged(item):
    """Return what an element gave as something that compares."""
    return (item.tag, item.value) if isinstance(item, TaggedOutput) else item


def unsteady(make):
    """Return a function that makes blocks as a runner may run it: twice at the same time, and once more not to its end.

    What it writes is written by every one of these.
    """

    @functools.wraps(make)
    def made(*arguments):
        failing = make(*arguments)
        next(failing, None)
        failing.close()
        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(lambda _: list(make(*arguments)), range(2))
        assert list(map(untagged, first)) == list(map(untagged, second))
        return iter(first)

    return made


@pytest.mark.parametrize("in_files", [True, False])
def test_elements_that_are_done_twice_fail_and_overlap_change_no_byte(
    pages_with_lines, whole, tmp_path, monkeypatch, in_files
):
    if not in_files:
        monkeypatch.setattr(blocks, "ONE_MACHINE", ())
    real = blocks.StoreBlocks.process
    done = collections.Counter()

    def process(self, element, *arguments):
        """Do an element in two threads; fail once between the blocks and the marker; and do it again."""
        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(lambda _: list(real(self, element, *arguments)), range(2))
        marker = tmp_path / ".work/dedup" / self.step / f"{element[0]:06d}.json"
        before = marker.read_bytes()
        marker.unlink()  # the attempt that wrote it is lost
        with monkeypatch.context() as patch:
            patch.setattr(Output, "write_json", lost)
            with pytest.raises(Killed):
                list(real(self, element, *arguments))
        third = list(real(self, element, *arguments))
        assert marker.read_bytes() == before and len(first) == len(second) == len(third)
        done[self.step] += 1
        yield from third

    def lost(self, value, *parts):
        raise Killed("killed")

    monkeypatch.setattr(blocks.StoreBlocks, "process", process)
    init = blocks.MakeBlocks.__init__

    def begin(self, step, make, *rest, **named):
        done[step] += 0
        init(self, step, unsteady(make), *rest, **named)

    monkeypatch.setattr(blocks.MakeBlocks, "__init__", begin)
    run(tmp_path, pages_with_lines, repeated_lines=LINES)
    assert files(tmp_path) == whole
    assert len(done) == 16 and (not in_files or min(done.values()) > 0)


def test_blocks_come_back_in_the_order_of_their_makers_and_no_larger_than_asked(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    rng = np.random.default_rng(0)
    schema = pa.schema([("number", pa.int64())])
    table, readers = pa.table([np.arange(400)], schema=schema), rng.integers(0, 5, 400)
    packed = [*blocks.BlockPacker(1).pack(table.slice(0, 200), readers[:200])]
    packed += blocks.BlockPacker(2).pack(table.slice(200), readers[200:], compress=True)
    assert all(pa.ipc.open_stream(data).read_all().nbytes <= 64 for _, (_, data, _) in packed)
    assert len({maker for _, (maker, _, _) in packed}) == len(packed)
    random.Random(1).shuffle(packed)
    for reader in range(5):
        some = (block for key, block in packed if key == reader)
        assert blocks.unpack_blocks(some, schema)["number"].to_pylist() == np.flatnonzero(readers == reader).tolist()
    assert blocks.unpack_blocks([], schema).num_rows == 0


def test_blocks_in_a_bucket_are_read_from_it(tmp_path):
    output, schema = Output("memory://blocks-test"), pa.schema([("number", pa.int64())])
    packer = blocks.BlockPacker(0)
    made = packer.pack(pa.table([np.arange(9)], schema=schema), np.arange(9) % 2)
    blocks.write_claims(output, "step", 7, made)
    some = list(blocks.read_claims(output, "step", 7))
    assert [key for key, _ in some] == [0, 1] and not any(data for _, (_, data, _) in some)
    assert blocks.unpack_blocks([some[1][1]], schema)["number"].to_pylist() == [1, 3, 5, 7]


def test_a_job_over_other_documents_or_settings_begins_anew(corpus, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        kill(patch, "duplicates", 0, False)
        with pytest.raises(Killed):
            run(tmp_path, [corpus[:100], corpus[100:200]])
    again, _ = run(tmp_path, [corpus[:100], corpus[100:220]])
    fresh, _ = run(tmp_path / "fresh", [corpus[:100], corpus[100:220]])
    assert verdicts(again) == verdicts(fresh)


def test_without_its_twin_a_dropped_page_comes_back(corpus, found, tmp_path):
    duplicates, _ = found
    pairs = {row["id"]: row["kept_id"] for row in duplicates}
    only = {page: kept for page, kept in pairs.items() if list(pairs.values()).count(kept) == 1}
    assert len(only) > 100
    alone = [row for row in corpus if row["id"] not in set(only.values())]
    again, _ = run(tmp_path, dealt(alone, 2, seed=3))
    back = set(only) - {row["id"] for row in again}
    alike = brute_force(alone)  # in a chain a page may have another neighbour than the one that is removed
    assert back >= {page for page in only if not any(page in pair for pair in alike)}
    assert len(back) > 0.9 * len(only)


def test_passes_in_order_and_every_verdict_names_a_page_that_stays(tmp_path):
    """Url 1 -> 2, exact 2 -> 3, near 3 -> 4: all of them end at 4, with the similarity to it."""
    rng = random.Random(3)
    base = words("en", rng, 200)
    text = joined("en", base)
    longer = joined("en", [*base, *words("en", rng, 10)])
    other = joined("en", words("en", rng, 150))
    one = {"canonical_url": "https://a.example/"}
    rows = [
        document(0, joined("en", words("en", rng, 100)), PARAMS),
        document(1, other, PARAMS, date="2024-01-01T00:00:00Z", **one),
        document(2, text.upper(), PARAMS, date="2024-03-01T00:00:00Z", **one),
        document(3, text, PARAMS, date="2024-02-01T00:00:00Z"),
        document(4, longer, PARAMS),
        document(5, "", PARAMS, canonical_url=""),  # nothing to be equal by
        document(6, "?!", PARAMS, canonical_url=""),
    ]
    duplicates, result = run(tmp_path, [rows[:3], rows[3:]])
    similarity = jaccard_similarity(shingle_hashes(text, PARAMS), shingle_hashes(longer, PARAMS))
    ids = [row["id"] for row in rows]
    by_id = {row["id"]: row for row in duplicates}
    assert {id: row["kind"] for id, row in by_id.items()} == {ids[1]: "url", ids[2]: "exact", ids[3]: "near"}
    assert {row["kept_id"] for row in duplicates} == {ids[4]}
    assert by_id[ids[1]]["similarity"] is None
    assert [by_id[id]["similarity"] for id in ids[2:4]] == [pytest.approx(similarity)] * 2
    assert sum(sum(counts.values()) for counts in result["files"].values()) == 3


def test_the_newest_capture_of_a_url_stays_and_of_copies_with_one_id_exactly_one(tmp_path):
    rng = random.Random(4)
    captures = [
        document(n, joined("en", words("en", rng, 100)), PARAMS, canonical_url="https://a.example/", date=date)
        for n, date in enumerate(("2023-01-01T00:00:00Z", "2024-06-30T23:59:59Z", "2024-06-30T23:59:58Z", ""))
    ]
    page = document(10, joined("en", words("en", rng, 100)), PARAMS)
    nowhere = document(11, joined("en", words("en", rng, 100)), PARAMS, canonical_url="")
    loner = document(12, joined("en", words("en", rng, 100)), PARAMS)
    duplicates, result = run(tmp_path, [[*captures[:2], page, nowhere], [loner, nowhere, *captures[2:], page]])
    newest = captures[1]["id"]
    assert verdicts(duplicates) == sorted(
        [
            *((row["id"], newest, "url", None, captures[0]["id"]) for row in captures if row["id"] != newest),
            (page["id"], page["id"], "url", None, page["id"]),
            (nowhere["id"], nowhere["id"], "exact", 1.0, nowhere["id"]),
        ]
    )
    assert result["clusters"]["count"] == 3


def test_each_pass_can_be_off_and_near_alone_finds_copies_too(tmp_path):
    rng = random.Random(5)
    base = words("ru", rng, 200)
    page = document(0, joined("ru", base), PARAMS)
    near = document(1, joined("ru", base[:-2]), PARAMS)
    elsewhere = document(2, joined("ru", base).upper(), PARAMS)
    newer = document(3, joined("ru", words("ru", rng, 90)), PARAMS, canonical_url=page["url"], date="2025-01-01")
    pages = [[page, near, newer], [page, elsewhere]]
    alone, _ = run(tmp_path / "near", pages, url=False, exact=False)
    similarity = np.float32(
        jaccard_similarity(shingle_hashes(near["text"], PARAMS), shingle_hashes(page["text"], PARAMS))
    )
    kept = (page["id"], "near")
    assert verdicts(alone) == [
        (page["id"], *kept, 1.0, page["id"]),
        (near["id"], *kept, similarity, page["id"]),
        (elsewhere["id"], *kept, 1.0, page["id"]),
    ]
    nothing, result = run(tmp_path / "off", pages, url=False, exact=False, near=False)
    assert nothing == [] and result["clusters"] == {"count": 0, "largest": [], "large": [], "chained": []}


@pytest.mark.parametrize("keep, stays", [("longest", 0), ("earliest", 1), ("best", 2)])
def test_keep_says_which_page_stays(tmp_path, keep, stays):
    rng = random.Random(6)
    base = words("en", rng, 300)
    rows = [
        document(0, joined("en", [*base, "appendix"]), PARAMS, scores={"quality": 0.5}),
        document(1, joined("en", base), PARAMS, date="2020-01-01T00:00:00Z"),
        document(2, joined("en", base[:-1]), PARAMS, scores={"quality": 0.9}),
    ]
    duplicates, _ = run(tmp_path, [rows], keep_policy=keep)
    assert {row["id"] for row in duplicates} == {row["id"] for row in rows} - {rows[stays]["id"]}
    assert {row["kept_id"] for row in duplicates} == {rows[stays]["id"]}


def test_signatures_of_other_parameters_are_refused(tmp_path):
    with pytest.raises(ValueError, match="signatures of 112 hashes, the config asks for 286; extract again"):
        run(tmp_path, [[document(0, "a mill by the river", PARAMS)]], preset="dolma3")


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    """The URLs of the public pages that are .8 alike or more, by whoever published them."""
    with gzip.open(shared_data("crawl/neardup_pairs.tsv.gz"), "rt") as lines:
        found = [row for row in csv.DictReader(lines, delimiter="\t") if float(row["jaccard_5gram"]) >= THRESHOLD]
    return [(row["url_a"], row["url_b"]) for row in found]


def test_the_public_pages_own_duplicates_are_those_of_brute_force_over_all_pairs(pairs, tmp_path):
    """Every page of a published pair and every fourth of the others, from the crawl files themselves."""
    wanted, rows = {url for pair in pairs for url in pair}, []
    for number in range(3):
        with open(shared_data(f"crawl/public-{number:05d}.warc.gz"), "rb") as source:
            responses = [r for r in read_crawl_records(source) if isinstance(r, CrawlRecord) and r.type == "response"]
        for n, record in enumerate(responses):
            if record.url in wanted or n % 4 == 0:
                page = parse_response(record.block)
                tree = HTMLTree.parse(decode_body(page.body, page.header("content-type"))[0])
                rows.append(document(len(rows), extract_plain_text(tree), PARAMS, url=record.url))
    rows = [row for row in rows if row["minhash"]]
    duplicates, _ = run(tmp_path, dealt(rows, 3, seed=1), url=False)
    assert len(rows) > 1200 and len(duplicates) > 200
    assert check_against_brute_force(rows, duplicates) >= 0.98
    ids, gone = {row["url"]: row["id"] for row in rows}, {row["id"] for row in duplicates}
    published = [{ids[url] for url in pair} for pair in pairs if ids.keys() >= {*pair}]
    assert len(published) > 300 and sum(bool(pair & gone) for pair in published) >= 0.98 * len(published)


def test_real_pages_in_many_languages_with_edited_copies(tmp_path):
    """The public pages' own duplicates, and copies of them with a few words replaced."""
    rng, rows = random.Random(8), []
    with gzip.open(shared_data("crawl/gold.jsonl.gz"), "rt") as lines:
        for line in lines:
            text = json.loads(line)["gold_text"] or ""
            if not 400 < len(text) < 10_000:
                continue
            rows.append(document(len(rows), text, PARAMS))
            unspaced = len(text) > 12 * len(text.split())
            some = list(text) if unspaced else text.split()
            if len(rows) % 8 == 0 and 60 < len(some) < 3000:
                changed = edited(some, rng.choices(some, k=rng.randint(1, max(1, len(some) // 50))), rng)
                rows.append(document(len(rows), joined("zh" if unspaced else "en", changed), PARAMS))
    duplicates, _ = run(tmp_path, dealt(rows, 3, seed=9))
    assert len(rows) > 1000 and sum(row["kind"] == "near" for row in duplicates) > 100
    recall = check_against_brute_force(rows, duplicates)
    assert recall >= 0.98
