"""The publish job: the mixture comes out as asked, every page is accounted for, and sharding leaves the bytes alone."""

import hashlib
import random
from collections import Counter

import pyarrow as pa
import pytest

from pipeline.config import build_config
from pipeline.io import output as shards_module
from pipeline.io.schemas import DUPLICATE
from pipeline.publish import partition_pages
from pipeline.publish.job import EmptyCorpus, publish_corpus
from pipeline.publish.partition_pages import SPILL, CopyPlace, group_by_memory, shard_of_order, split_shard
from pipeline.publish.result import SPLITS
from pipeline.runners.local_pool import beam_options
from tests.pipeline.documents import Row, dealt, document, joined, read, words, write

CAP = 12
MIX = {"domains": {"news": 2, "forum": 0.5, "adult": 0}, "max_pages_per_site": CAP}
CUT = {"validation": 0.2, "anneal": 0.05, "anneal_max_domain": 0.4, "shard_mb": 1}


def run(root, shards, gone=(), weights=None, cut=None):
    """Write documents and duplicates, run the job. Returns the output, the shards' names and the job's summary."""
    output, names = write(root, shards)
    for name, rows in zip(names, shards, strict=True):
        with output.table_writer(DUPLICATE, "duplicates", f"{name}.parquet") as writer:
            for number, row in enumerate(rows):
                if row["id"] in gone:
                    writer.row({"id": row["id"], "kept_id": "other", "kind": "exact", "row": number})
    config = build_config(
        {"inputs": ["x"], "output": str(root), "weights": weights or {}, "publish": CUT | (cut or {})}
    )
    return output, names, publish_corpus(output, config, names, beam_options([]))


def digests(output) -> dict[str, str]:
    """Return a hash of the bytes of each file of the corpus."""
    files = [(f"corpus/{split}", name) for split in SPLITS for name in output.list(f"corpus/{split}")]
    return {"/".join(file): hashlib.sha256(output.open(*file).read()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def pages() -> list[Row]:
    """Six hundred scored pages of 150 sites and one larger site, 5 MB; one id is there twice with different texts."""
    rng = random.Random(1)
    stock = words("en", rng, 20_000)
    scores = rng.sample(range(10_000), 602)
    rows = []
    for n in range(600):
        site = "big.example" if n < 60 else f"s{n // 4}.example"
        domain = "other" if n < 60 else ("news", "forum", "adult", "science")[n // 4 % 4]
        text = joined("en", rng.choices(stock, k=rng.randint(300, 2500)))
        rows.append(document(n, text, site=site, domain=domain, scores={"quality": scores[n] / 10_000}))
    twins = [document(999, t, site="twin.example", scores={"quality": scores[-1] / 10_000}) for t in ("one", "two")]
    return rows + twins


@pytest.fixture(scope="module")
def gone(pages) -> set[str]:
    return {row["id"] for row in pages[70:600:9]}


@pytest.fixture(scope="module", autouse=True)
def small_row_groups():
    """Row groups small enough that every shard of these tests has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards_module, "ROW_GROUP_BYTES", 200_000)
        yield


@pytest.fixture(scope="module")
def done(pages, gone, tmp_path_factory):
    return run(tmp_path_factory.mktemp("publish"), dealt(pages, 3, seed=1), gone, MIX)


def test_weights_repeat_thin_out_and_leave_out(pages, gone, done):
    output, _, _ = done
    train = Counter((row["domain"], row["id"], row["text"]) for row in read(output, "corpus/train"))
    validation = Counter((row["domain"], row["id"], row["text"]) for row in read(output, "corpus/validation"))
    assert set(validation.values()) == {1}
    by_domain = {domain: [n for (d, *_), n in train.items() if d == domain] for domain, *_ in train}
    assert set(by_domain) == {"news", "forum", "science", "other"}  # adult has weight 0
    assert set(by_domain["news"]) == {2} and all(set(by_domain[d]) == {1} for d in ("forum", "science", "other"))
    left = Counter(row["domain"] for row in pages if row["id"] not in gone)
    published = Counter(domain for domain, *_ in train) + Counter(domain for domain, *_ in validation)
    assert published["science"] == left["science"]
    assert 0.35 < published["forum"] / left["forum"] < 0.65
    assert published["other"] == CAP and published["news"] == left["news"]
    rows = read(output, "corpus/train")
    assert {(row["domain"], row["weight"]) for row in rows} == {
        ("news", 2.0),
        ("forum", 0.5),
        ("science", 1.0),
        ("other", 1.0),
    }


def test_every_page_of_every_shard_is_accounted_for(pages, gone, done):
    output, names, result = done
    rows = read(output, "corpus/train") + read(output, "corpus/validation")
    total: Counter[str] = Counter()
    for name, shard in zip(names, dealt(pages, 3, seed=1), strict=True):
        counts = result["files"][name]
        duplicates = sum(row["id"] in gone for row in shard)
        assert len(shard) == duplicates + sum(counts["held_out"].values()) + sum(counts["published"].values())
        here = {(row["id"], row["text"]) for row in shard}
        assert sum(counts["published"].values()) == len(here & {(row["id"], row["text"]) for row in rows})
        total.update(counts["held_out"])
    assert set(total) == {"mix", "site-cap"} and total["site-cap"] == 60 - CAP
    assert not gone & {row["id"] for row in rows}
    distinct = len({(row["id"], row["text"]) for row in read(output, "corpus/train")})
    assert result["repeated"]["train"] == len(read(output, "corpus/train")) - distinct > 0
    assert result["repeated"]["anneal"] == len(read(output, "corpus/anneal")) > 0
    texts = {(row["id"], row["text"]): row for row in pages}
    for row in rows:
        source = texts[row["id"], row["text"]]
        assert all(row[key] == source[key] for key in ("url", "date", "language", "domain"))
        assert row["quality"] == pytest.approx(source["scores"]["quality"])


def test_no_site_is_in_train_and_in_validation(pages, done):
    output, _, _ = done
    sites = {row["id"]: row["site"] for row in pages}
    train, validation, anneal = ({sites[row["id"]] for row in read(output, f"corpus/{split}")} for split in SPLITS)
    assert train and validation and not train & validation
    assert anneal <= train
    assert 0.08 < len(validation) / len(train | validation) < 0.35


def test_anneal_is_the_best_of_train(done):
    output, _, _ = done
    train = {(row["id"], row["text"]): row["quality"] for row in read(output, "corpus/train")}
    anneal = [(row["id"], row["text"]) for row in read(output, "corpus/anneal")]
    assert len(anneal) == len(set(anneal)) and abs(len(anneal) - 0.05 * len(train)) <= 1
    # Of each domain the best, and of none more than its quota.
    domains = {(row["id"], row["text"]): row["domain"] for row in read(output, "corpus/train")}
    for domain in {domains[key] for key in anneal}:
        chosen = [train[key] for key in anneal if domains[key] == domain]
        rest = [score for key, score in train.items() if domains[key] == domain and key not in anneal]
        assert len(chosen) <= 0.4 * 0.05 * len(train) and min(chosen) > max(rest)


def test_a_split_is_cut_into_shuffled_shards_of_the_size_asked_for(done):
    output, _, _ = done
    rows = read(output, "corpus/train")
    size = sum(len(row["text"].encode()) for row in rows)
    names = output.list("corpus/train", ".parquet")
    assert len(names) == -(-size // (1 << 20)) >= 3
    assert names == [f"train-{n:05d}-of-{len(names):05d}.parquet" for n in range(len(names))]
    for name in names:
        with output.parquet("corpus", "train", name) as file:
            assert file.num_row_groups > 1
            text = file.read(columns=["text"]).column("text").to_pylist()
        assert 0.5 < sum(map(len, text)) / (size / len(names)) < 1.5
    ids = [row["id"] for row in rows if row["id"] < "<urn:uuid:00000600>"]
    rises = sum(a < b for a, b in zip(ids, ids[1:], strict=False))
    assert 0.4 < rises / len(ids) < 0.6


def test_neither_sharding_nor_order_nor_memory_changes_a_byte(pages, gone, done, tmp_path, monkeypatch):
    monkeypatch.setattr(partition_pages, "HELD_BYTES", 100_000)
    output, _, result = run(tmp_path, [*dealt(pages, 4, seed=2), []], gone, MIX)
    assert digests(output) == digests(done[0])
    assert {k: v for k, v in result.items() if k != "files"} == {k: v for k, v in done[2].items() if k != "files"}


def test_a_high_temperature_gives_domains_equal_shares_and_without_scores_nothing_anneals(tmp_path):
    rng = random.Random(2)
    text = joined("en", words("en", rng, 40))
    rows = [document(n, text, domain="news" if n % 10 else "science") for n in range(1000)]
    output, _, result = run(tmp_path, [rows], weights={"temperature": 1e9, "max_repeats": 10}, cut={"validation": 0})
    sizes = Counter(row["domain"] for row in read(output, "corpus/train"))
    assert sizes["science"] == 500  # 100 pages, five times each
    assert 440 < sizes["news"] < 560
    assert read(output, "corpus/anneal") == read(output, "corpus/validation") == []
    assert [len(output.list(f"corpus/{split}")) for split in SPLITS] == [1, 1, 1]
    assert result["repeated"]["anneal"] == 0


@pytest.mark.parametrize("weights, rows", [({"domains": {"news": 0}}, 3), ({}, 0)])
def test_a_corpus_without_pages_is_an_error_and_leaves_nothing(tmp_path, weights, rows):
    with pytest.raises(EmptyCorpus, match="no page is left to publish") as error:
        run(tmp_path, [[document(n, "a mill") for n in range(rows)]], weights=weights)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "corpus").exists()


def test_a_documents_shard_is_cut_in_bounded_memory(tmp_path, monkeypatch):
    """A shard of 25 MB of text goes to 16 corpus shards with a few MB held at a time."""
    monkeypatch.setattr(partition_pages, "HELD_BYTES", 2 << 20)
    stock = words("en", random.Random(3), 4000)
    rows = [document(n, joined("en", random.Random(n).choices(stock, k=17_000))) for n in range(250)]
    output, (name,) = write(tmp_path, [rows])
    targets: dict[str, list[CopyPlace]] = {}
    for n, row in enumerate(rows):
        targets.setdefault(f"train-{n * 7 % 16:05d}", []).append(
            CopyPlace(n, n.to_bytes(16, "big"), 1.0, len(row["text"]))
        )
    targets = dict(sorted(targets.items()))
    assert len(group_by_memory(targets)) >= 8
    pool, before = pa.system_memory_pool(), pa.default_memory_pool()  # a pool that nothing else uses has its own peak
    assert pool.backend_name != before.backend_name and pool.max_memory() < 1 << 20
    pa.set_memory_pool(pool)
    try:
        found = {}
        for target, table in split_shard(output, name, targets, {}, None, SPILL):
            found[target] = [(row["id"], row["text"]) for row in table.select(["id", "text"]).to_pylist()]
        assert pool.max_memory() < 12 << 20, pool.max_memory()
    finally:
        pa.set_memory_pool(before)
    want = {t: [(rows[p.row]["id"], rows[p.row]["text"]) for p in places] for t, places in targets.items()}
    assert found == want and list(found) == list(want)


def test_shards_are_equal_ranges_of_the_hash():
    orders = [n.to_bytes(1, "big") + bytes(15) for n in range(256)]
    assert Counter(shard_of_order(order, 4) for order in orders) == dict.fromkeys(range(4), 64)
    assert [shard_of_order(order, 7) for order in orders] == sorted(shard_of_order(order, 7) for order in orders)
    assert shard_of_order(b"\xff" * 16, 3) == 2
