"""The classifier from labelled pages to scores: deterministic, calibrated, split by site, one line for bad input."""

import gzip
import json
import random
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifiers.__main__ import main
from classifiers.quality.candidates import assign_length_bin
from classifiers.quality.model import load_quality_model
from classifiers.quality.site_splits import deal_site_folds, limit_pages_per_site
from classifiers.quality.training_sets import read_positive_set, read_two_sets

SOBER = "survey species measured century described archive river recorded museum published observed district".split()
LOUD = "buy cheap offer click amazing discount hurry deal winner bonus subscribe limited".split()


def pages(words: list[str], seed: int) -> list[dict[str, str]]:
    """Return 120 pages of 30 sites in one manner, with words common to both mixed in."""
    draw = random.Random(seed)
    common = "the of and in to a was for with on".split()
    return [
        {
            "id": f"{seed}-{n}",
            "url": f"https://site{seed}-{n % 30}.example/{n}",
            "language": "en",
            "text": " ".join(draw.choice(words if draw.random() < 0.4 else common) for _ in range(120)),
        }
        for n in range(120)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both sets of pages, and a model trained on them."""
    folder = tmp_path_factory.mktemp("classifier")
    for name, words, seed in (("good", SOBER, 1), ("bad", LOUD, 2)):
        pq.write_table(pa.Table.from_pylist(pages(words, seed)), folder / f"{name}.parquet")
    assert main(train(folder, "model")) == 0
    return folder


def train(folder, name: str) -> list[str]:
    """Return the command that trains a model into a folder."""
    sets = ["--positives", str(folder / "good.parquet"), "--negatives", str(folder / "bad.parquet")]
    return ["train", *sets, "--output", str(folder / name)]


def test_the_same_pages_give_the_same_model_byte_for_byte(folder):
    assert main(train(folder, "again")) == 0
    for name in ("model.bin", "config.json", "MODEL_CARD.md"):
        assert (folder / "again" / name).read_bytes() == (folder / "model" / name).read_bytes(), name


def test_it_tells_the_two_apart_on_new_pages_and_one_by_one_as_in_a_batch(folder):
    model = load_quality_model(folder / "model")
    good, bad = (model.score_texts([page["text"] for page in pages(words, 9)]) for words in (SOBER, LOUD))
    assert min(good) > max(bad)
    assert all(0 <= score <= 1 for score in good + bad)
    assert [model.score_texts([page["text"]])[0] for page in pages(SOBER, 9)] == good
    assert model.score_texts([""]) == [0.0]


def test_scores_are_a_column_and_the_rest_is_as_it_was(folder):
    target = folder / "scored.parquet"
    assert main(["score", str(folder / "model"), str(folder / "good.parquet"), "--output", str(target)]) == 0
    scored = pq.read_table(target)
    assert scored.drop_columns(["quality"]).equals(pq.read_table(folder / "good.parquet"))
    assert scored["quality"].type == pa.float32()


def test_evaluation_stands_beside_its_baselines(folder, capsys):
    sets = train(folder, "x")[1:5]
    assert main(["evaluate", str(folder / "model"), *sets, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["all"]["roc_auc"] > 0.95
    assert result["length only"]["roc_auc"] is not None and result["site only"]["roc_auc"] is not None


def test_a_combination_is_the_greatest_or_the_mean_of_its_members(folder, capsys):
    """A second set of good pages, without languages and sites, its negatives drawn from the crawl's documents."""
    (folder / "qa.jsonl").write_text(
        "".join(
            json.dumps({"text": page["text"]}) + "\n" for page in pages("why how because answer question".split(), 3)
        )
    )
    second = ["train", "--positives", str(folder / "qa.jsonl"), "--documents", str(folder / "bad.parquet")]
    assert main([*second, "--output", str(folder / "qa")]) == 2
    assert "give --language" in capsys.readouterr().err
    assert main([*second, "--output", str(folder / "qa"), "--language", "en"]) == 0
    texts = [page["text"] for words in (SOBER, LOUD) for page in pages(words, 9)]
    members = [load_quality_model(folder / name).score_texts(texts) for name in ("model", "qa")]
    assert members[0] != members[1]
    for by, join in (("max", max), ("mean", lambda pair: sum(pair) / 2)):
        models = [str(folder / "model"), str(folder / "qa")]
        assert main(["combine", *models, "--output", str(folder / by), "--by", by]) == 0
        found = load_quality_model(folder / by).score_texts(texts)
        assert found == pytest.approx([join(pair) for pair in zip(*members, strict=True)], abs=1e-6)
    assert main(["evaluate", str(folder / "max"), *train(folder, "x")[1:5], "--json"]) == 0
    assert main(["combine", str(folder / "max"), "--output", str(folder / "nested")]) == 2
    assert "name its members" in capsys.readouterr().err


def test_negatives_have_the_languages_and_lengths_of_the_positives(tmp_path):
    rng = random.Random(4)
    rows = [
        {
            "id": f"d{n}",
            "url": f"https://d{n}.example/",
            "language": rng.choice(["en", "de"]),
            "text": "a " * rng.randint(50, 6000),
        }
        for n in range(800)
    ]
    good = [
        {
            "id": f"g{n}",
            "url": f"https://g{n}.example/",
            "language": "en",
            "text": f"{n} " + "b " * rng.randint(1500, 4000),
        }
        for n in range(60)
    ]
    for name, some in (("documents", rows), ("good", good)):
        pq.write_table(pa.Table.from_pylist(some), tmp_path / f"{name}.parquet")
    found = read_positive_set(str(tmp_path / "good.parquet"), str(tmp_path / "documents.parquet"))
    by_label = [[page for page in found.pages if page.label == label] for label in (0, 1)]
    assert len(by_label[0]) == len(by_label[1]) >= 50 and {page.language for page in by_label[0]} == {"en"}
    assert Counter(assign_length_bin(p.length) for p in by_label[0]) == Counter(
        assign_length_bin(p.length) for p in by_label[1]
    )
    left_out = 60 - len(by_label[1])
    assert found.notes == (["Positives left out because no other document has their language and length: "
                            f"en {left_out}."] if left_out else [])  # fmt: skip


def test_folds_share_no_site_and_each_has_both_classes(folder):
    pages_of_both = read_two_sets(str(folder / "good.parquet"), str(folder / "bad.parquet")).pages
    folds = deal_site_folds(pages_of_both, 5, seed=3)
    sites = [{page.site for page in fold} for fold in folds]
    assert sum(map(len, sites)) == len(set.union(*sites)) == 60
    assert sorted(page.id for fold in folds for page in fold) == sorted(page.id for page in pages_of_both)
    assert all({page.label for page in fold} == {0, 1} for fold in folds)
    assert Counter(page.site for page in limit_pages_per_site(pages_of_both, 3)).most_common(1)[0][1] == 3


def test_pages_of_sites_that_it_learned_from_are_told_from_others(folder, capsys, tmp_path):
    new = [page | {"url": page["url"].replace("site", "new")} for page in pages(SOBER, 1)[:40]]
    pq.write_table(pa.Table.from_pylist(new + pages(SOBER, 1)[40:]), tmp_path / "some.parquet")
    sets = ["--positives", str(tmp_path / "some.parquet"), "--negatives", str(folder / "bad.parquet")]
    assert main(["evaluate", str(folder / "model"), *sets, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["sites never seen"]["references"] == 40 and result["all"]["references"] == 120


def test_words_of_sites_alone_teach_it_nothing(tmp_path, capsys):
    """Classes that differ only in what each site repeats on its pages: held-out sites are a coin toss."""
    draw = random.Random(5)
    words = "mill stone water wheel grain flour river sack bread miller".split()
    for label, names in (("good", "abcdefghijkl"), ("bad", "mnopqrstuvwx")):
        rows = [
            {"id": f"{label}{n}", "url": f"https://{label}{n % 12}.example/{n}", "language": "en",
             "text": (names[n % 12] + " ") * 30 + " ".join(draw.choices(words, k=100))}
            for n in range(120)
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{label}.parquet")
    assert main(train(tmp_path, "model")) == 0
    test = json.loads((tmp_path / "model" / "config.json").read_text())["test"]
    assert test["pages"] == 240 and test["roc_auc"] < 0.65


def test_bad_input_is_one_line(folder, capsys, tmp_path):
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "none.parquet")
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "numbers.parquet")
    (tmp_path / "noise.jsonl.gz").write_bytes(gzip.compress(random.Random(0).randbytes(999)))
    (tmp_path / "empty.jsonl.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "broken").mkdir()
    good = str(folder / "good.parquet")
    for arguments, needle in (
        (["train", "--output", str(tmp_path / "m")], "--positives"),
        (["train", "--positives", good, "--negatives", str(tmp_path / "no.parquet"), "--output", "m"], "no.parquet"),
        (["train", "--positives", good, "--negatives", str(tmp_path / "none.parquet"), "--output", "m"], "text"),
        (["train", "--positives", str(tmp_path / "numbers.parquet"), "--negatives", good, "--output", "m"], "int64"),
        (["train", "--positives", str(tmp_path / "noise.jsonl.gz"), "--negatives", good, "--output", "m"], "line 1"),
        (["train", "--positives", str(tmp_path / "empty.jsonl.gz"), "--negatives", good, "--output", "m"], "no page"),
        (["topics", "--documents", str(tmp_path / "noise.jsonl.gz"), "--output", "m"], "line 1"),
        (["topics", "--labelled", good, "--output", "m"], "is no topic"),
        (["topics", "--output", "m"], "--documents"),
        (["evaluate", str(folder / "model")], "--positives"),
        (["score", str(tmp_path / "broken"), good, "--output", str(tmp_path / "s.parquet")], "no trained classifier"),
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err.strip()
        assert needle in error and "\n" not in error
    assert not (tmp_path / "m").exists() and not (tmp_path / "s.parquet").exists()
