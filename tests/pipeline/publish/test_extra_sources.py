"""Extra sources go into anneal/ as asked: their shares, once where nothing is asked, never what validation has."""

import gzip
import json
import lzma
import os
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifiers.__main__ import main as classifiers
from pipeline.config import build_config
from pipeline.publish import extra_sources
from pipeline.publish.dsir import fingerprint_target
from pipeline.publish.extra_sources import (
    ExtraSourceError,
    check_sources,
    find_source_files,
    fingerprint_sources,
    weigh_sources,
)
from pipeline.publish.job import publish_corpus
from pipeline.publish.mixture import CellWeight
from pipeline.publish.result import find_extra_problems
from pipeline.publish.topics import fingerprint_topics
from pipeline.runners.beam_options import beam_options
from pipeline.settings import ConfigError
from pipeline.text.minhash import MinHashParams
from tests.pipeline.documents import document, edited, joined, read, words, write


def text(seed: int, count: int = 120) -> str:
    """Return random words."""
    return joined("en", words("en", random.Random(seed), count))


ROWS = [document(n, text(n), MinHashParams(), scores={"quality": n / 300}) for n in range(300)]


def run(root, **sections):
    """Publish ROWS in two shards. Returns the output and the job's result."""
    output, names = write(root, [ROWS[:170], ROWS[170:]])
    fixed = {"validation": 0.1, "anneal": 0.1}
    config = build_config(
        {"inputs": ["x"], "output": str(root), "publish": fixed | sections.pop("publish", {}), **sections}
    )
    return output, publish_corpus(output, config, names, beam_options([]))


def texts_of(output, split):
    """Return the rows of a split."""
    return read(output, f"corpus/{split}")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A publish job without extra sources."""
    return run(tmp_path_factory.mktemp("plain") / "out")[0]


def test_shares_hold_and_nothing_else_changes(tmp_path, plain):
    wiki = [
        {"text": text(1000 + n), "id": f"w{n}", "language": "en", "url": f"https://wiki.example/{n}"} for n in range(60)
    ]
    pq.write_table(pa.Table.from_pylist(wiki), tmp_path / "wiki.parquet")
    (tmp_path / "book.txt.gz").write_bytes(gzip.compress(text(5000, 900).encode()))
    sources = {str(tmp_path / "wiki.parquet"): 0.5, str(tmp_path / "book.txt.gz"): None}
    output, result = run(tmp_path / "out", publish={"extra_anneal_sources": sources})
    for split in ("train", "validation"):
        assert texts_of(output, split) == texts_of(plain, split)
    best = {row["id"] for row in texts_of(plain, "anneal")}
    rows = texts_of(output, "anneal")
    assert best == {row["id"] for row in rows} - {f"w{n}" for n in range(60)} - {
        row["id"] for row in rows if row["text"] == text(5000, 900)
    }
    size = {kind: sum(len(row["text"].encode()) for row in rows if row["id"].startswith(kind)) for kind in ("w", "")}
    assert size["w"] / size[""] == pytest.approx(0.5, abs=0.06)
    (book,) = (row for row in rows if row["text"] == text(5000, 900))
    assert book["weight"] == 1 and book["quality"] is None and book["url"] is None
    added = result["added"]
    assert added[str(tmp_path / "book.txt.gz")] | {"bytes": 0} == {
        "texts": 1,
        "held_out": {},
        "published": 1,
        "repeated": 0,
        "bytes": 0,
    }
    counts = added[str(tmp_path / "wiki.parquet")]
    assert counts["published"] + counts["repeated"] == sum(row["id"].startswith("w") for row in rows)
    assert not find_extra_problems(added) and find_extra_problems({"x": counts | {"texts": 99}})
    again, _ = run(tmp_path / "again", publish={"extra_anneal_sources": dict(reversed(sources.items()))})
    assert texts_of(again, "anneal") == rows


@pytest.mark.parametrize(
    "rows", [extra_sources.EXTRA_ROWS, 3]
)  # read at a time: with 3, some have no page of validation
def test_what_validation_or_an_evaluation_set_has_stays_out(tmp_path, monkeypatch, plain, rows):
    monkeypatch.setattr(extra_sources, "EXTRA_ROWS", rows)
    first, second, third = texts_of(plain, "validation")[:3]
    train = texts_of(plain, "train")[0]
    near = joined("en", edited(third["text"].split(), ["mill"] * 2, random.Random(1)))
    question = "which of these wheels grinds the grain of the whole valley in a single day of autumn"
    lines = [
        {"id": "same text", "text": first["text"].upper().replace(" ", "  ")},
        {"id": "same address", "text": text(7000), "url": second["url"] + "?utm_source=x#top"},
        {"id": "near", "text": near},
        {"id": "of train", "text": train["text"]},
        {"id": "asks", "text": f"{text(7001)} {question} {text(7002)}"},
        {"id": "good", "text": text(7003)},
        {"id": "empty", "text": " "},
    ]
    with lzma.open(tmp_path / "some.jsonl.xz", "wt") as out:
        out.writelines(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "quiz.jsonl").write_text(json.dumps({"question": question, "answer": "none of them"}))
    output, result = run(
        tmp_path / "out",
        publish={"extra_anneal_sources": {str(tmp_path / "*.xz"): None}},
        decontaminate={"sets": [str(tmp_path / "quiz.jsonl")]},
    )
    ids = {row["id"] for row in texts_of(output, "anneal")} & {line["id"] for line in lines}
    assert ids == {"of train", "good"}
    (added,) = result["added"].values()
    assert added["texts"] == 6 and added["held_out"] == {"contaminated": 1, "validation": 3}
    assert [(row["id"], row["set"]) for row in read(output, "contaminated")] == [("asks", "quiz.jsonl")]
    assert result["contaminated"] == {
        "dropped": 0,
        "masked": 0,
        "sets": {"quiz.jsonl": {"items": 1, "found": 1, "edited": 0, "pages": 1, "spans": 1, "unsearched": []}},
    }  # no page has it


def test_the_weights_of_sources_give_them_their_shares():
    most = 4
    assert weigh_sources({"a": 100}, 300, {"a": None}, most) == {"a": CellWeight(1.0, 1.0)}
    assert weigh_sources({"a": 100}, 300, {"a": 0.5}, most) == {"a": CellWeight(3.0, 3.0)}
    assert weigh_sources({"a": 100, "b": 100}, 100, {"a": 0.5, "b": None}, most) == {
        "a": CellWeight(2.0, 2.0),
        "b": CellWeight(1.0, 1.0),
    }
    assert weigh_sources({"a": 10}, 300, {"a": 0.5}, most) == {"a": CellWeight(30.0, 4.0)}
    assert weigh_sources({"a": 100, "b": 100}, 0, {"a": 0.5, "b": 0.25}, most) == {
        "a": CellWeight(1.0, 1.0),
        "b": CellWeight(0.5, 0.5),
    }
    assert weigh_sources({"a": 100}, 0, {"a": 0.0}, most)["a"].weight == 0
    assert weigh_sources({}, 5, {"a": 0.5}, most) == {}


def test_sources_that_cannot_be_used_are_one_line(tmp_path):
    (tmp_path / "noise.jsonl.gz").write_bytes(gzip.compress(random.Random(0).randbytes(500)))
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"x" * 5000)[:20])
    (tmp_path / "none.jsonl").write_text('{"body": "x"}\n')
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "image.png").write_text("x")
    pq.write_table(pa.table({"text": [1]}), tmp_path / "numbers.parquet")
    for name in (
        "noise.jsonl.gz",
        "cut.txt.gz",
        "none.jsonl",
        "empty.txt",
        "image.png",
        "numbers.parquet",
        "absent.jsonl",
    ):
        with pytest.raises(ExtraSourceError) as error:
            check_sources({str(tmp_path / name): None})
        assert name in str(error.value) and "\n" not in str(error.value)
    assert [file.path[-9:] for file in find_source_files({str(tmp_path / "*.txt"): 0.1, str(tmp_path): None})][
        0
    ] == "empty.txt"
    with pytest.raises(ConfigError, match="leave room"):
        build_config({"inputs": ["x"], "output": "o", "publish": {"extra_anneal_sources": {"a": 0.5, "b": 0.5}}})


def test_lone_surrogates_are_replaced_and_what_is_never_text_is_removed(tmp_path):
    rows = [{"text": "\ud800 one", "id": "\udfff", "url": "http://\ud800.test/"}, {"text": "two \U0001f600", "id": 2}]
    rows += [{"text": "\x1b[31mthree\r\n\u200bfour\xad", "id": 3}, {"text": "\x1b\ufeff", "id": 4}]
    source = tmp_path / "odd.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    output, result = run(tmp_path / "out", publish={"extra_anneal_sources": {str(source): None}})
    assert result["added"][str(source)]["published"] == 3
    texts = {row["id"]: row["text"] for row in texts_of(output, "anneal")}
    assert texts["\ufffd"] == "\ufffd one"
    assert texts["2"] == "two \U0001f600"
    assert texts["3"] == "[31mthree\nfour"


def test_another_text_of_the_same_size_is_another_source(tmp_path):
    source, folder = tmp_path / "book.txt", tmp_path / "target.jsonl"
    found = []
    for second, written in enumerate((b'{"text": "one"}\n', b'{"text": "two"}\n')):
        for path in (source, folder):
            path.write_bytes(written)
            os.utime(path, (1e9 + second, 1e9 + second))
        found.append((fingerprint_sources({str(source): None}), fingerprint_target(str(folder))))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


def test_topics_are_columns_and_the_mix_goes_by_them(tmp_path):
    """Every other page is about health by its words, whatever its address says; health is not wanted."""
    sick = "symptom pain dose fever infection recovery blood treatment".split()
    rng = random.Random(6)
    about = [" ".join(rng.choices(sick if n % 2 else words("en", random.Random(n % 7), 40), k=80)) for n in range(300)]
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text(
        "".join(json.dumps({"text": t, "topic": ("news", "health")[n % 2]}) + "\n" for n, t in enumerate(about[:100]))
    )
    assert classifiers(["topics", "--labelled", str(labelled), "--output", str(tmp_path / "model")]) == 0
    output, names = write(tmp_path / "out", [[document(n, t) for n, t in enumerate(about[100:])]])
    weights = {"topics": {"model": str(tmp_path / "model")}, "domains": {"health": 0}}
    config = build_config({"inputs": ["x"], "output": str(output.root), "weights": weights})
    result = publish_corpus(output, config, names, beam_options([]))
    rows = [row for split in ("train", "validation") for row in texts_of(output, split)]
    assert (
        len(rows) == 100 and {row["topic"] for row in rows} == {"news"} and {row["domain"] for row in rows} == {"news"}
    )
    assert all(0.5 <= row["topic_score"] <= 1 for row in rows)
    assert result["mixture"]["domain"]["health"]["pages"] == 100
    assert fingerprint_topics(config.weights.topics)
