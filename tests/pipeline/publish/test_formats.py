"""The forms of a corpus, read by datatrove, Dolma, `datasets` and our trainer, and as Megatron reads them."""

import io
import json
import os
import struct
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from pipeline.__main__ import main
from pipeline.cli.run import run
from pipeline.publish.formats.dolma_json import read_dolma_lines
from pipeline.publish.formats.dump_names import find_dump
from pipeline.publish.tokenizer import SPECIAL, new_tokenizer
from pipeline.settings import ConfigError
from tests.pipeline.conftest import config

PEERS = os.environ.get("GRISTMILL_PEERS", "")  # the Python of an environment with datatrove and Dolma
needs_peers = pytest.mark.skipif(not PEERS, reason="GRISTMILL_PEERS names no Python that has datatrove and Dolma")
FORMATS = [
    {"publish": {"validation": 0.2, "shard_mb": 1, "format": "jsonl.zst", "tokens": "datatrove"}},
    {"publish": {"validation": 0.2, "shard_mb": 1, "tokens": "megatron"}, "tokenizer": {"end_of_text": "</s>"}},
]


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """A folder with a tokenizer of bytes that has other special tokens than ours."""
    from tokenizers import pre_tokenizers, trainers

    folder = tmp_path_factory.mktemp("given")
    made = new_tokenizer(2)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(["of the"], trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=["</s>"]))
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    return folder


@pytest.fixture(scope="module")
def made(done, crawl, given, tmp_path_factory) -> list[Path]:
    """The same documents as JSON lines with datatrove's tokens, and as Parquet with Megatron's of a given tokenizer."""
    outputs = [tmp_path_factory.mktemp("formats") / "out" for _ in FORMATS]
    for output, settings in zip(outputs, FORMATS, strict=True):
        tokenizer = {"vocab_size": 600, **settings.get("tokenizer", {})}
        if "end_of_text" in tokenizer:
            tokenizer["file"] = str(given)
        run(config(crawl, output, documents_from=str(done), **settings | {"tokenizer": tokenizer}))
    return outputs


def read_split(output: Path, split: str) -> list[dict]:
    """Return the rows of a split, from Parquet."""
    return [row for path in sorted((output / "corpus" / split).iterdir()) for row in pq.read_table(path).to_pylist()]


def run_peer(program: str, *args: object) -> object:
    """Run a program with the Python of the peers, and return what it prints as JSON on its last line."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([PEERS, "-c", program, *map(str, args)], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_columns_of_fineweb_say_what_they_should(done):
    tokenizer = Tokenizer.from_file(str(done / "tokenizer" / "tokenizer.json"))
    documents = {(row["id"], row["file"]): row for path in sorted((done / "documents").iterdir())
                 for row in pq.read_table(path).to_pylist()}  # fmt: skip
    dropped = [row for path in sorted((done / "duplicates").iterdir()) for row in pq.read_table(path).to_pylist()]
    rows = read_split(done, "train") + read_split(done, "validation")
    for row in rows:
        source = documents[row["id"], row["file_path"]]
        assert row["token_count"] == len(tokenizer.encode(row["text"]).ids)
        assert row["language_score"] == source["language_score"] and row["dump"] is None
        near = [other for other in dropped if (other["kind"], other["kept_id"]) == ("near", row["id"])]
        assert row["minhash_cluster_size"] == 1 + len(near)
    assert max(row["minhash_cluster_size"] for row in rows) > 1
    result = json.loads((done / ".work" / "publish.json").read_text())["result"]["tokenizer"]
    assert result["tokens"]["train"] == sum(row["token_count"] for row in read_split(done, "train"))


def test_duplicates_name_the_place_of_the_page_that_is_kept(done):
    for path in sorted((done / "duplicates").iterdir()):
        for row in pq.read_table(path).to_pylist():
            ids = pq.read_table(done / "documents" / f"{row['kept_shard']}.parquet", columns=["id"])["id"]
            assert ids[row["kept_row"]].as_py() == row["kept_id"]


@pytest.mark.parametrize(
    "path, dump",
    [
        ("s3://commoncrawl/crawl-data/CC-MAIN-2024-10/segments/1/warc/CC-MAIN-2024-00000.warc.gz", "CC-MAIN-2024-10"),
        ("https://data.commoncrawl.org/crawl-data/CC-MAIN-2008-2009/segments/a.arc.gz", "CC-MAIN-2008-2009"),
        ("CC-MAIN-2012/a.arc.gz", "CC-MAIN-2012"),
        ("crawl/CC-MAIN-20230320083513-20230320113513-00000.warc.gz", None),
        ("CC-NEWS/2023/01/a.warc.gz", None),
    ],
)
def test_a_dump_is_named_by_a_folder_of_the_path(path, dump):
    assert find_dump(path) == dump


def test_json_lines_have_the_rows_of_parquet(done, made):
    for split in ("train", "validation"):
        assert not list((made[0] / "corpus" / split).glob("*.parquet"))
        files = sorted((made[0] / "corpus" / split).glob("*.jsonl.zst"))
        rows = [row for path in files for row in read_dolma_lines(io.BytesIO(path.read_bytes()))]
        assert rows == read_split(done, split)


def test_datasets_loads_json_lines_by_the_card(made, tmp_path, monkeypatch):
    import datasets
    import duckdb

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    corpus = datasets.load_dataset(str(made[0]), cache_dir=str(tmp_path))
    totals = json.loads((made[0] / "ledger.json").read_text())["totals"]
    assert corpus["validation"].num_rows == totals["published"]["validation"]
    assert corpus["train"][0]["text"] and corpus["train"][0]["metadata"]["token_count"] > 0
    monkeypatch.chdir(made[0])
    statement = (made[0] / "README.md").read_text().partition("```sql\n")[2].partition("```")[0]
    assert duckdb.sql(statement).fetchall()[0][0] == "en"


def test_explain_finds_a_page_in_json_lines(done, made, capsys):
    page = read_split(done, "validation")[0]
    assert main(["inspect", str(made[0]), "--explain", page["id"]]) == 0
    assert "publish    validation, once" in capsys.readouterr().out


def test_the_trainer_reads_json_lines_as_it_reads_parquet(done, made):
    from model.corpus.token_shards import count_shard_documents, find_corpus_shards, read_shard_texts

    texts = []
    for output in (done, made[0]):
        shards = find_corpus_shards(output / "corpus" / "train")
        texts.append([text for shard in shards for some in read_shard_texts(shard) for text in some])
        assert count_shard_documents(shards) == len(texts[-1]) > 0
    assert texts[0] == texts[1]


def expected_documents(output: Path, split: str, end: str) -> list[list[int]]:
    """Return the tokens of each row of a split, with the end-of-text token, by the output's own tokenizer."""
    tokenizer = Tokenizer.from_file(str(output / "tokenizer" / "tokenizer.json"))
    files = sorted((output / "corpus" / split).iterdir())
    texts = [
        row["text"]
        for path in files
        for row in (
            pq.read_table(path).to_pylist()
            if path.suffix == ".parquet"
            else read_dolma_lines(io.BytesIO(path.read_bytes()))
        )
    ]
    return [[*tokenizer.encode(text, add_special_tokens=False).ids, tokenizer.token_to_id(end)] for text in texts]


def test_megatrons_index_leads_to_each_document(made, given):
    """Read as Megatron-LM's IndexedDataset reads: header, sizes, pointers, documents."""
    found = []
    for path in sorted((made[1] / "tokens" / "train").glob("*.idx")):
        index = path.read_bytes()
        version, code, count, documents = struct.unpack_from("<QBQQ", index, 9)
        assert (index[:9], version, code, documents) == (b"MMIDIDX\x00\x00", 1, 8, count + 1)
        sizes = np.frombuffer(index, np.int32, count, 34)
        pointers = np.frombuffer(index, np.int64, count, 34 + sizes.nbytes)
        assert np.frombuffer(index, np.int64, documents, 34 + sizes.nbytes + pointers.nbytes).tolist() == [
            *range(documents)
        ]
        data = path.with_suffix(".bin").read_bytes()
        found += [np.frombuffer(data, np.uint16, n, at).tolist() for n, at in zip(sizes, pointers, strict=True)]
    assert found == expected_documents(made[1], "train", "</s>") != []
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (made[1] / "tokenizer" / name).read_bytes() == (given / name).read_bytes()


@needs_peers
def test_datatrove_reads_json_lines_and_tokens(done, made):
    program = """
import glob, json, sys
from datatrove.pipeline.readers import JsonlReader
from datatrove.utils.dataset import DatatroveFileDataset
out = sys.argv[1]
reader = JsonlReader(out + "/corpus/train", glob_pattern="*.jsonl.zst")
rows = [(d.id, d.text, d.metadata["token_count"]) for d in reader()]
tokens = []
for path in sorted(glob.glob(out + "/tokens/train/*.ds")):
    data = DatatroveFileDataset(path, 15, return_positions=True)
    some = (data[number] for number in range(len(data)))
    tokens += [(row["input_ids"].tolist(), row["positions"].tolist()) for row in some]
print(json.dumps([rows, tokens]))
"""
    rows, tokens = run_peer(program, made[0])
    assert rows == [[row["id"], row["text"], row["token_count"]] for row in read_split(done, "train")]
    documents = expected_documents(made[0], "train", SPECIAL[0])
    stream = [token for document in documents for token in document]
    places = [place for document in documents for place in range(len(document))]
    assert [token for ids, _ in tokens for token in ids] == stream[: 16 * len(tokens)]
    assert len(tokens) == len(stream) // 16
    for number, (_, positions) in enumerate(tokens):  # a window's first document begins at 0 there
        assert positions[-1] in (places[16 * number + 15], 15)


@needs_peers
def test_dolma_reads_json_lines(done, made):
    program = """
import glob, json, sys
import io, msgspec, zstandard
from dolma.core.data_types import InputSpecWithMetadata
decoder, rows = msgspec.json.Decoder(InputSpecWithMetadata), []
for path in sorted(glob.glob(sys.argv[1] + "/corpus/train/*.jsonl.zst")):
    with open(path, "rb") as raw:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw)):
            d = decoder.decode(line)
            rows.append((d.id, d.text, d.source, d.added, d.metadata["url"]))
print(json.dumps(rows))
"""
    assert run_peer(program, made[0]) == [
        [row["id"], row["text"], "gristmill", row["date"], row["url"]] for row in read_split(done, "train")
    ]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"file": "nowhere.json"}, "tokenizer.file: nowhere.json: no such file"),
        (
            {"file": "given"},
            "tokenizer.end_of_text: the tokenizer has no token '<|endoftext|>'; its special tokens are </s>",
        ),
        ({"file": "README"}, "not a tokenizer"),
    ],
)
def test_a_tokenizer_that_cannot_be_used_is_one_line_before_any_work(done, crawl, given, tmp_path, settings, message):
    (tmp_path / "README").write_text("no tokenizer")
    named = {"given": str(given), "README": str(tmp_path / "README")}
    settings = {**settings, "file": named.get(settings["file"], settings["file"])}
    with pytest.raises(ConfigError) as error:
        run(config(crawl, tmp_path / "out", documents_from=str(done), tokenizer=settings))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
