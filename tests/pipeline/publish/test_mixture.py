"""What the publish job says of its mix and of pages that are gone, and that others read its shards as they are."""

import hashlib
import json

import duckdb
import pyarrow as pa
import pytest

from pipeline.config import build_config
from pipeline.io import output as shards_module
from pipeline.io.output import Output
from pipeline.io.schemas import CORPUS, DUPLICATE, REJECTED
from pipeline.publish.gather_shards import sort_rows
from pipeline.publish.job import EmptyCorpus, publish_corpus
from pipeline.publish.partition_pages import PARTITION
from pipeline.runners.beam_options import beam_options
from tests.pipeline.documents import document, read, write
from tests.pipeline.publish.test_tokenizer import corpus

TEXT = "Мельница 磨坊 mill " * 20


def run(root, shards, **sections):
    output, names = write(root, shards)
    config = build_config(
        {"inputs": ["x"], "output": str(root), "publish": {"validation": 0.2} | sections.pop("publish", {}), **sections}
    )
    return output, publish_corpus(output, config, names, beam_options([]))


def shares(values, key):
    whole = sum(entry[key] for entry in values.values())
    return {name: entry[key] / whole for name, entry in values.items()}


def test_the_mixture_is_reported_against_its_target(tmp_path):
    rows = [document(n, TEXT, domain=("news", "code")[n % 2], language=("en", "de", "ru")[n % 3]) for n in range(600)]
    weights = {"domains": {"news": 0.5, "code": 8}, "languages": {"ru": 0}, "max_repeats": 4}
    output, result = run(tmp_path, [rows[:350], rows[350:]], weights=weights)
    train = read(output, "corpus/train")
    mixture = result["mixture"]
    assert shares(mixture["domain"], "bytes") == {"news": 0.5, "code": 0.5}
    assert shares(mixture["domain"], "wanted_bytes")["code"] == pytest.approx(8 / 8.5, abs=0.01)  # asked for
    assert shares(mixture["domain"], "train_bytes")["code"] == pytest.approx(
        4 / 4.5, abs=0.02
    )  # after the cap on repeats
    size = len(TEXT.encode())
    for kind in ("domain", "language"):
        for name, sums in mixture[kind].items():
            assert sums["pages"] == sum(row[kind] == name for row in rows) and sums["bytes"] == sums["pages"] * size
            assert sums["train_bytes"] == sum(row[kind] == name for row in train) * size
    assert (mixture["language"]["ru"]["wanted_bytes"], mixture["language"]["ru"]["train_bytes"]) == (0, 0)
    assert list(mixture["quality"]) == ["unscored"]


def test_the_target_of_a_temperature_is_what_comes_out_of_pages_within_the_cap(tmp_path):
    """A site that the cap cuts down weighs in the target as much as it does after the cut."""
    rows = [document(n, TEXT, site="big.example", domain="code") for n in range(400)]
    rows += [document(n, TEXT, site=f"s{n}.example", domain="news") for n in range(400, 600)]
    weights = {"max_pages_per_site": 100, "temperature": 2, "max_repeats": 100}
    _, result = run(tmp_path, [rows], weights=weights, publish={"validation": 0})
    domains = result["mixture"]["domain"]
    assert shares(domains, "bytes")["code"] == pytest.approx(2 / 3)
    wanted = 2**-0.5 / (1 + 2**-0.5)  # of sizes 1 : 2 after the cap
    assert shares(domains, "wanted_bytes")["code"] == pytest.approx(wanted, abs=1e-3)
    assert shares(domains, "train_bytes")["code"] == pytest.approx(wanted, abs=0.05)


def test_shares_come_out_within_the_cap_on_repeats(tmp_path):
    rows = [
        document(n, TEXT, domain="code" if n % 5 == 0 else "news", scores={"quality": n / 1000}) for n in range(1000)
    ]
    weights = {"shares": {"domains": {"code": 0.5}, "quality": [0.1, 0.9]}, "max_repeats": 3}
    _, result = run(tmp_path, [rows[:400], rows[400:]], weights=weights, publish={"validation": 0})
    mixture = result["mixture"]
    assert shares(mixture["domain"], "wanted_bytes")["code"] == pytest.approx(0.5, abs=0.01)
    assert shares(mixture["quality"], "wanted_bytes") == pytest.approx({"bucket 1": 0.1, "bucket 2": 0.9}, abs=0.01)
    assert shares(mixture["domain"], "train_bytes")["code"] > 0.4  # 3 times its 10 % of good pages, and 10 % of others


def test_resampling_draws_the_pages_like_the_target_by_id_alone(tmp_path):
    mills = "The wheel turns the stone and the stone grinds the grain of the valley. "
    shop = "Buy cheap watches online today and save more with our discount code now. "
    (tmp_path / "target.jsonl").write_text("".join(json.dumps({"text": mills * 3}) + "\n" for _ in range(5)))
    rows = [document(n, (mills, shop, TEXT)[n % 3] * (1 + n % 4)) for n in range(300)]
    size = sum(len(row["text"].encode()) for row in rows)
    keep = 0.8 * sum(len(row["text"]) for row in rows if "grinds" in row["text"]) / size
    weights = {"dsir": {"target": str(tmp_path / "target.jsonl"), "keep": keep}}
    output, result = run(tmp_path / "a", [rows[:100], rows[100:]], weights=weights)
    held = sum(counts["held_out"]["dsir"] for counts in result["files"].values())
    published = read(output, "corpus/train") + read(output, "corpus/validation")
    assert held + len(published) == 300
    assert sum(len(row["text"].encode()) for row in published) == pytest.approx(keep * size, rel=0.03)
    assert all("grinds" in row["text"] for row in published)
    again, _ = run(tmp_path / "b", [rows[::2], rows[1::2], []], weights=weights)
    assert {row["id"] for row in read(again, "corpus/train")} == {row["id"] for row in read(output, "corpus/train")}


def test_anneal_counts_the_train_pages_alone(tmp_path):
    """Neither pages held for validation, nor those of weight 0, nor repeats make the annealing share larger."""
    rows = [
        document(
            n, f"{TEXT} {n}", domain=("news", "code", "adult")[n % 3], scores={"quality": n / 900 if n % 9 else None}
        )
        for n in range(900)
    ]
    weights = {"domains": {"code": 3, "adult": 0}}
    output, _ = run(tmp_path, [rows], weights=weights, publish={"validation": 0.5, "anneal": 0.2})
    train = {row["id"]: row["quality"] for row in read(output, "corpus/train")}
    anneal = [row["quality"] for row in read(output, "corpus/anneal")]
    assert abs(len(anneal) - 0.2 * len(train)) <= 1
    assert sorted(anneal) == sorted(q for q in train.values() if q is not None)[-len(anneal) :]


def test_a_file_read_under_two_names_is_published_the_same_from_any_shards(tmp_path):
    """Pages that share an id, and more of them on a site than its cap: which stay does not hang on where they lie."""
    rows = [document(n % 40, f"{TEXT} {n % 80}", site=f"s{n % 3}.example", date=str(n % 80)) for n in range(160)]
    weights = {"max_pages_per_site": 9}
    first, counts = run(tmp_path / "a", [rows[:80], rows[80:]], weights=weights)
    other, again = run(tmp_path / "b", [rows[::-1]], weights=weights)
    assert sum(sum(c["published"].values()) for c in counts["files"].values()) == 27
    assert counts["mixture"] == again["mixture"]
    for split in ("train", "validation"):
        names = first.list(f"corpus/{split}")
        assert names == other.list(f"corpus/{split}")
        assert all(first.open("corpus", split, n).read() == other.open("corpus", split, n).read() for n in names)


def test_an_empty_corpus_says_where_the_pages_went(tmp_path):
    rows = [document(n, TEXT, domain="news" if n else "code") for n in range(5)]
    output, _ = write(tmp_path / "held", [rows])
    with output.table_writer(DUPLICATE, "duplicates", "part-0.parquet") as writer:
        writer.row({"id": rows[4]["id"], "kept_id": rows[3]["id"], "kind": "exact", "row": 4})
    with pytest.raises(EmptyCorpus, match="of 5 kept, 1 are duplicates, the rest is held out: mix 4;"):
        run(tmp_path / "held", [rows], weights={"domains": {"news": 0, "code": 0}})
    with output.table_writer(DUPLICATE, "duplicates", "part-0.parquet") as writer:
        for number, row in enumerate(rows):
            writer.row({"id": row["id"], "kept_id": "a", "kind": "near", "row": number, "kept_in": "old"})
    with pytest.raises(EmptyCorpus, match="all 5 that were kept are duplicates of pages in the outputs"):
        run(tmp_path / "held", [rows])
    with Output(str(tmp_path / "none")).table_writer(REJECTED, "rejected", "x.parquet") as writer:
        for n in range(9):
            writer.row({"id": str(n), "stage": "language", "reason": "low-score" if n < 7 else "none"})
    with pytest.raises(EmptyCorpus, match="9 were rejected: language/low-score 7, language/none 2; see"):
        run(tmp_path / "none", [[]])
    with pytest.raises(EmptyCorpus, match="the inputs have no pages"):
        run(tmp_path / "nothing", [])


def test_an_earlier_corpus_and_what_was_worked_with_are_gone(tmp_path):
    corpus(tmp_path, [[("en", "stale")], [("en", "stale")]])
    output, _ = run(tmp_path, [[document(n, TEXT) for n in range(20)]])
    assert output.list("corpus/train") == ["train-00000-of-00001.parquet"]
    assert not output.exists(".work", "publish")
    assert "stale" not in {row["text"] for row in read(output, "corpus/train")}


def test_a_corpus_shard_is_put_in_order_without_a_second_copy_of_it(monkeypatch):
    monkeypatch.setattr(shards_module, "ROW_GROUP_BYTES", 1 << 20)
    rows = [{"id": str(n), "text": f"{n:05d} " * 2000, "order": hashlib.md5(b"%d" % n).digest()} for n in range(2000)]
    parts = [pa.Table.from_pylist(rows[n::7], schema=PARTITION) for n in range(7)]
    held = sum(part.nbytes for part in parts)
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)  # a new one has a peak of its own
    pa.set_memory_pool(pool)
    try:
        groups = [table.column("id").to_pylist() for table in sort_rows(parts)]
        assert 0 < pool.max_memory() < held / 4
    finally:
        pa.set_memory_pool(before)
    assert [page for group in groups for page in group] == [r["id"] for r in sorted(rows, key=lambda r: r["order"])]
    text_bytes = sum(len(row["text"]) for row in rows)
    assert len(groups) == -(-text_bytes // (1 << 20)) and {len(group) for group in groups[:-1]} == {len(groups[0])}


def test_duckdb_and_datasets_read_the_shards(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    output, result = run(tmp_path / "out", [[document(n, TEXT) for n in range(50)]])
    published = {
        split: sum(c["published"][split] for c in result["files"].values()) for split in ("train", "validation")
    }
    for split, rows in published.items():
        files = f"{output.root}/corpus/{split}/*.parquet"
        assert duckdb.sql(f"select count(*), min(text) from '{files}'").fetchall() == [(rows, TEXT)]
        loaded = datasets.load_dataset("parquet", data_files=files, split="train")
        assert (loaded.num_rows, loaded.column_names) == (rows, CORPUS.names)
    assert duckdb.sql(f"select count(*) from '{output.root}/corpus/anneal/*.parquet'").fetchall() == [(0,)]
