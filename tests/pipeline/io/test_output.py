"""Files of an output are whole or absent; shard names are an input's own."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.io.output import Output, fingerprint_value, shard_name

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])


@pytest.mark.parametrize("root", ["out", "memory://failed/out"])
def test_a_failed_write_leaves_nothing_behind(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = Output(root)
    with pytest.raises(RuntimeError), output.table_writer(SCHEMA, "documents", "a.parquet") as writer:
        writer.row({"id": "1", "text": "one"})
        raise RuntimeError("killed in the middle")
    assert output.fs.ls(output.path("documents")) == []
    assert output.list("documents") == []


def test_two_attempts_may_write_the_same_file_at_once(tmp_path):
    output = Output(str(tmp_path))
    with output.write("a.json") as first:
        first.write(b"first")
        with output.write("a.json") as second:
            second.write(b"second")
        assert (tmp_path / "a.json").read_bytes() == b"second"
    assert (tmp_path / "a.json").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_rows_and_tables_come_back_in_order_and_whole(tmp_path):
    output = Output(str(tmp_path))
    with output.table_writer(SCHEMA, "d", "a.parquet") as writer:
        writer.row({"id": "1", "text": "one"})
        writer.table(pa.table({"id": ["2", "3"], "text": ["two", None]}, schema=SCHEMA))
        writer.row({"id": "4"})
    assert pq.read_table(tmp_path / "d" / "a.parquet").to_pylist() == [
        {"id": "1", "text": "one"},
        {"id": "2", "text": "two"},
        {"id": "3", "text": None},
        {"id": "4", "text": None},
    ]


def test_an_output_may_lie_in_an_object_store():
    output = Output("memory://bucket/run")
    output.write_json({"a": 1}, "ledger.json")
    assert output.read_json("ledger.json") == {"a": 1}
    assert output.list("", ".json") == ["ledger.json"]
    output.remove("ledger.json")
    assert not output.exists("ledger.json")


def test_shard_names_tell_equal_file_names_in_two_folders_apart():
    assert shard_name("a/CC-MAIN-1.warc.gz").startswith("CC-MAIN-1-")
    assert shard_name("a/x.warc.gz") != shard_name("b/x.warc.gz")
    assert "/" not in shard_name("https://host/path/we%20ird.warc.gz?x=1")


def test_fingerprints_do_not_depend_on_the_order_of_keys():
    assert (
        fingerprint_value({"a": 1, "b": 2})
        == fingerprint_value({"b": 2, "a": 1})
        != fingerprint_value({"a": 1, "b": 3})
    )


def test_a_long_input_name_gives_a_file_name_that_every_file_system_takes(tmp_path):
    names = {shard_name("/crawl/" + "a" * 240 + f"{n}.warc.gz") for n in range(2)}
    assert len(names) == 2 and all(len(f".{name}.parquet.1234567.partial") < 200 for name in names)
