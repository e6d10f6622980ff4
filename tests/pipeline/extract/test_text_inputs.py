"""Inputs that are texts already: every common shape gives the same pages, and what cannot be read is accounted for."""

import gzip
import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

import pipeline as gm
from pipeline.cli.run import run
from pipeline.config import build_config
from pipeline.extract.splits import plan_files
from pipeline.io.inputs import expand_inputs
from pipeline.settings import ConfigError
from tests.pipeline.crawls import article

DATE = "2024-05-01T10:20:30Z"
ROWS = [(f"doc-{n}", f"https://site{n}.example/page", "\n".join(article(n))) for n in range(6)]


def lines(rows) -> bytes:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write_table(path: Path, rows, **options) -> None:
    """Write rows as Parquet."""
    pq.write_table(pa.Table.from_pylist(rows), path, **options)


def fineweb(path: Path) -> None:
    write_table(path, [{"text": t, "id": i, "dump": "X", "url": u, "date": DATE, "token_count": 9} for i, u, t in ROWS])


def dolma(path: Path) -> None:
    rows = [{"id": i, "text": t, "source": "cc", "created": DATE, "metadata": {"url": u}} for i, u, t in ROWS]
    path.write_bytes(gzip.compress(lines(rows)))


def datatrove(path: Path) -> None:
    rows = [{"text": t, "id": i, "metadata": {"url": u, "date": DATE, "dump": "X"}} for i, u, t in ROWS]
    path.write_bytes(zstandard.compress(lines(rows)))


def redpajama(path: Path) -> None:
    path.write_bytes(lines([{"doc_id": i, "raw_content": t, "url": u, "date_download": DATE} for i, u, t in ROWS]))


def oscar(path: Path) -> None:
    headers = [{"warc-record-id": i, "warc-target-uri": u, "warc-date": DATE} for i, u, _ in ROWS]
    path.write_bytes(
        lines([{"content": row[2], "warc_headers": head} for row, head in zip(ROWS, headers, strict=True)])
    )


def saved_dataset(path: Path) -> None:
    """Write what `datasets.Dataset.save_to_disk` writes: an Arrow stream and two JSON files about it."""
    path.mkdir()
    moment = datetime.fromisoformat(DATE)
    table = pa.Table.from_pylist([{"id": i, "url": u, "text": t, "timestamp": moment} for i, u, t in ROWS])
    with pa.OSFile(str(path / "data-00000-of-00001.arrow"), "wb") as out, pa.ipc.new_stream(out, table.schema) as file:
        file.write_table(table, max_chunksize=4)
    for name in ("dataset_info.json", "state.json"):
        (path / name).write_text("{}")


SHAPES = {
    "fineweb.parquet": fineweb,
    "dolma.json.gz": dolma,
    "datatrove.jsonl.zst": datatrove,
    "redpajama.jsonl": redpajama,
    "oscar.jsonl": oscar,
    "saved": saved_dataset,
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_pages(name, tmp_path):
    SHAPES[name](tmp_path / name)
    pages = list(gm.extract_pages(str(tmp_path / name), {"recipe": "default", "languages": ["en"]}))
    assert [(page.id, page.url, page.text) for page in pages] == ROWS
    assert {(page.key, page.date, page.language) for page in pages} == {("kept", DATE, "en")}


def test_columns_can_be_named_and_ids_are_made_where_there_are_none(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_bytes(lines([{"page": {"body": t}, "key": n} for n, (_, _, t) in enumerate(ROWS)]))
    columns = {"text": "page.body", "id": "key"}
    pages = list(gm.extract_pages(str(path), {"recipe": "none", "input": {"columns": columns}}))
    assert [(page.id, page.text) for page in pages] == [(str(n), row[2]) for n, row in enumerate(ROWS)]
    unnamed = [list(gm.extract_pages(str(path), {"recipe": "none", "input": {"columns": {"text": "page.body"}}}))]
    unnamed.append(list(gm.extract_pages(str(path), {"recipe": "none", "input": {"columns": {"text": "page.body"}}})))
    ids = [[page.id for page in pages] for pages in unnamed]
    assert ids[0] == ids[1] and len(set(ids[0])) == len(ROWS)


def test_what_never_is_text_does_not_enter_and_addresses_are_judged(tmp_path):
    texts = ["\x1b]0;owned\x07" + ROWS[0][2], ROWS[1][2], ROWS[2][2], ROWS[3][2], None]
    urls = ["doi:10.1000/182", "https://x.example/a.zip", "https://y.example/\x1b[31m", "", ""]
    path = tmp_path / "some.jsonl"
    path.write_bytes(lines([{"text": t, "url": u} for t, u in zip(texts, urls, strict=True)]))
    pages = list(gm.extract_pages(str(path), {"recipe": "default"}))
    assert [page.key for page in pages] == ["kept", "url/extension", "kept", "kept", "extract/empty"]
    assert pages[0].text == "]0;owned" + ROWS[0][2] and pages[2].url == "https://y.example/%1B[31m"


def test_lines_that_cannot_be_read_are_counted_and_the_others_kept(tmp_path):
    good = [lines([{"text": t, "id": i}]) for i, _, t in ROWS]
    bad = b'{"text": \n[1, 2]\n\xff\xfe\n' + b'{"text": "' + b"a" * (1 << 20) + b'"}\n'
    path = tmp_path / "bad.jsonl"
    path.write_bytes(good[0] + b"\n" + bad + b"".join(good[1:]))
    settings = {"inputs": [str(path)], "output": str(tmp_path / "out"), "recipe": "none", "workers": 1}
    settings |= {"input": {"max_record_mb": 1}, "tokenizer": {"vocab_size": 300}}
    run(build_config(settings))
    ledger = json.loads((tmp_path / "out" / "ledger.json").read_text())
    totals, (found,) = ledger["totals"], ledger["files"].values()
    assert totals["records"] == {"text": len(ROWS)} and totals["kept"] == len(ROWS)
    assert totals["unreadable_bytes"] == len(bad)
    reasons = [reason for *_, reason in (tuple(r.values()) if isinstance(r, dict) else r for r in found["unreadable"])]
    assert reasons == ["not-json", "not-an-object", "not-json", "too-long"]


def test_a_file_that_is_cut_gives_what_is_before_the_cut(tmp_path):
    whole = gzip.compress(lines([{"text": t, "id": i} for i, _, t in ROWS * 40]), mtime=0)
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    pages = list(gm.extract_pages(str(path), {"recipe": "none"}))
    assert 0 < len(pages) < 240 and [page.id for page in pages] == [f"doc-{n % 6}" for n in range(len(pages))]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.jsonl",
            lines([{"body": "x", "key": 1}]),
            r"first line has no key 'text'; set input.columns.text to one of: body, key",
        ),
        ("a.parquet", b"no parquet", r"cannot be read as .parquet"),
        ("a.jsonl.gz", b"no gzip", r"cannot be decompressed"),
        ("a.arrow", b"", r"cannot be read as .arrow"),
    ],
)
def test_a_file_without_texts_is_one_line(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message) as error:
        list(gm.extract_pages(str(tmp_path / name), {}))
    assert "\n" not in str(error.value)


def test_a_missing_column_is_one_line(tmp_path):
    write_table(tmp_path / "a.parquet", [{"body": "x", "meta": {"url": "y"}}])
    with pytest.raises(ConfigError, match=r"no column 'text'; set input.columns.text to one of: body, meta, meta.url"):
        list(gm.extract_pages(str(tmp_path / "a.parquet"), {}))
    with pytest.raises(ConfigError, match=r"no column 'key'; set input.columns.id"):
        list(gm.extract_pages(str(tmp_path / "a.parquet"), {"input": {"columns": {"text": "body", "id": "key"}}}))


def test_large_files_are_cut_and_give_the_same_bytes_for_any_number_of_workers(tmp_path):
    """For two workers both files are cut into several splits; the copies of half of the pages are dropped."""
    rows = [
        {"text": "\n".join(article(n % 150, 24)), "id": f"{n}", "url": f"https://s{n}.example/"} for n in range(300)
    ]
    write_table(tmp_path / "a.parquet", rows[:200], row_group_size=20, compression="none")
    (tmp_path / "b.jsonl").write_bytes(lines(rows[200:]))
    settings = {"inputs": [str(tmp_path / "*.[pj]*")], "recipe": "none", "tokenizer": {"vocab_size": 300}}
    found, cuts = [], []
    for workers in (1, 2):
        config = build_config({**settings, "output": str(tmp_path / f"out{workers}"), "workers": workers})
        cuts.append([len(file.splits) for file in plan_files(expand_inputs(config.inputs, config.input, 0), config)])
        run(config)
        root = tmp_path / f"out{workers}"
        found.append({str(p.relative_to(root)): p.read_bytes() for p in sorted(root.glob("*/**/*.parquet"))})
    totals = json.loads((tmp_path / "out2" / "ledger.json").read_text())["totals"]
    assert found[0] == found[1] and cuts[0] == [1, 1] and min(cuts[1]) > 1
    assert totals["kept"] == 300 and totals["duplicates"]["exact"] == 150
