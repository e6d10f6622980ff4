"""The join of references with a crawl: its documents, or the columnar index."""

import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.quality.training_sets import read_referenced_set
from pipeline.cli.join_references import main
from tests.pipeline.documents import document, write

REFERENCES = [
    ("http://a.example/x?utm_source=w", "https://a.example/x", "Mill", "external"),
    ("https://a.example/x", "https://a.example/x", "Wheel", "ref"),
    ("https://b.example/y/", "https://b.example/y", "Mill", "cite"),
    ("https://gone.example/", "https://gone.example", "Mill", "ref"),
]


def references(folder) -> str:
    names = ("url", "canonical_url", "article", "kind")
    pq.write_table(
        pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in REFERENCES]), folder / "r.parquet"
    )
    return str(folder / "r.parquet")


def found(folder) -> list[dict]:
    rows = [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return sorted(rows, key=lambda row: row["url"])


def test_documents_are_found_exactly_and_by_canonical_url_and_train_a_classifier(tmp_path, capsys):
    urls = ["https://a.example/x", "http://www.b.example/y?utm_medium=z", "https://c.example/", "https://a.example/xx"]
    rows = [document(n, f"a mill {n} " * 50, url=url, site=url.split("/")[2]) for n, url in enumerate(urls)]
    write(tmp_path / "out", [rows[:2], rows[2:]])
    command = [references(tmp_path), "--crawl", str(tmp_path / "out/documents"), "--output", str(tmp_path / "found")]
    assert main(command) == 0
    assert "2 pages of the crawl are referred to: 1 by their exact address" in capsys.readouterr().out
    one, two = found(tmp_path / "found")
    assert (one["url"], one["match"], one["kind"], one["articles"]) == (urls[1], "canonical", "cite", 1)
    assert (two["url"], two["match"], two["kind"], two["articles"]) == (urls[0], "exact", "ref", 2)
    assert (two["file"], two["offset"], two["length"]) == ("synthetic", 0, None)
    labelled = read_referenced_set(str(tmp_path / "found"), str(tmp_path / "out/documents"))
    assert [page.id for page in labelled.pages if page.label] == [rows[0]["id"], rows[1]["id"]]
    before = [path.read_bytes() for path in sorted((tmp_path / "found").iterdir())]
    assert main(command) == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "found").iterdir())] == before


def test_the_columnar_index_says_which_records_to_fetch(tmp_path):
    index = tmp_path / "index/subset=warc"
    index.mkdir(parents=True)
    rows = [
        {"url": "https://b.example/y", "warc_filename": "f.warc.gz", "warc_record_offset": 7, "warc_record_length": 99},
        {"url": "https://d.example/", "warc_filename": "f.warc.gz", "warc_record_offset": 106, "warc_record_length": 5},
    ]
    pq.write_table(pa.Table.from_pylist(rows), index / "part-0.parquet")
    assert main([references(tmp_path), "--crawl", str(tmp_path / "index"), "--output", str(tmp_path / "found")]) == 0
    (row,) = found(tmp_path / "found")
    assert (row["file"], row["offset"], row["length"], row["match"]) == ("f.warc.gz", 7, 99, "canonical")


def test_what_is_no_crawl_is_one_line(tmp_path, capsys):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    for crawl, needle in (("none", "no Parquet file there"), ("x.parquet", "no column 'url'")):
        command = [references(tmp_path), "--crawl", str(tmp_path / crawl), "--output", str(tmp_path / "found")]
        assert main(command) == 1
        error = capsys.readouterr().err.strip()
        assert needle in error and len(error.splitlines()) == 1
