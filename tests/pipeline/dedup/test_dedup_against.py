"""Deduplicating a crawl against earlier outputs: their pages stay, copies of them go, and only what fits is mixed."""

import json
import random
import re
import shutil
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from pipeline.cli.config_checks import reject_local_paths
from pipeline.cli.errors import RunError
from pipeline.cli.resume import compute_stage_key, fingerprint_earlier_outputs
from pipeline.cli.run import run as run_jobs
from pipeline.cli.run import run_dedup
from pipeline.config import build_config
from pipeline.dedup import spanning_forest
from pipeline.dedup.job import find_duplicates
from pipeline.io.output import Output
from pipeline.report.explain import explain_pages
from pipeline.text.minhash import MinHashParams, jaccard_similarity, shingle_hashes
from tests.pipeline.conftest import config
from tests.pipeline.crawls import pages, write_warc
from tests.pipeline.documents import dealt, document, edited, joined, read, words, write

PARAMS = MinHashParams()


def run(root, shards, **settings):
    """Write documents, run the job, return the rows of duplicates/ by id."""
    output, names = write(root, shards)
    result = find_duplicates(
        output, build_config({"inputs": ["x"], "output": str(root), "recipe": "none", "dedup": settings}), names
    )
    rows = read(output, "duplicates")
    assert sum(sum(counts.values()) for counts in result["files"].values()) == len(rows)
    return {row["id"]: row for row in rows}


@pytest.fixture(scope="module")
def texts() -> list[list[str]]:
    rng = random.Random(11)
    return [words("en", rng, 200) for _ in range(40)]


@pytest.fixture(scope="module")
def earlier(texts, tmp_path_factory):
    """An output of twenty pages, and two that went: a near copy of page 0 and an old capture of page 1's address."""
    root = tmp_path_factory.mktemp("earlier")
    rows = [document(n, joined("en", text)) for n, text in enumerate(texts[:20])]
    rows.append(document(20, joined("en", texts[0][:-3])))
    rows.append(document(21, joined("en", texts[20]), canonical_url=rows[1]["url"], date="2001-01-01"))
    found = run(root, dealt([row | document_hash(row) for row in rows], 3, seed=1))
    assert {id: row["kind"] for id, row in found.items()} == {rows[20]["id"]: "near", rows[21]["id"]: "url"}
    return root


def document_hash(row):
    """Return what document() gives with signatures, for rows made without."""
    return {"minhash": document(0, row["text"], PARAMS)["minhash"]}


def test_copies_of_earlier_pages_go_and_name_them(earlier, texts, tmp_path):
    rng = random.Random(12)
    before = {path: path.read_bytes() for path in earlier.rglob("*.parquet")}
    longer = joined("en", [*texts[3], *words("en", rng, 9)])
    rows = [
        document(100, joined("en", words("en", rng, 90)), PARAMS, canonical_url="https://site2.example/page/2"),
        document(101, joined("en", texts[2]), PARAMS),
        document(102, longer, PARAMS, date="2030-01-01"),  # longer and newer: the earlier page stays all the same
        document(103, joined("en", texts[20]), PARAMS),  # that text went there, and nothing alike stayed
        document(104, joined("en", texts[30]), PARAMS),
        document(105, joined("en", texts[30][:-1]), PARAMS),
        document(106, joined("en", edited(texts[0], words("en", rng, 1), rng)), PARAMS),
    ]
    found = run(tmp_path / "new", dealt(rows, 2, seed=2), previous_outputs=[str(earlier)])
    ids = [row["id"] for row in rows]
    old = [f"<urn:uuid:{n:08d}>" for n in range(22)]
    assert {id: (row["kind"], row["kept_id"]) for id, row in found.items()} == {
        ids[0]: ("url", old[2]),
        ids[1]: ("exact", old[2]),
        ids[2]: ("near", old[3]),
        ids[5]: ("near", ids[4]),
        ids[6]: ("near", old[0]),
    }
    exact = jaccard_similarity(shingle_hashes(longer, PARAMS), shingle_hashes(joined("en", texts[3]), PARAMS))
    assert found[ids[2]]["similarity"] == np.float32(exact)
    kept_in = {id: row["kept_in"] for id, row in found.items()}
    assert kept_in == {**dict.fromkeys(kept_in, str(earlier)), ids[5]: None}
    assert {path: path.read_bytes() for path in earlier.rglob("*.parquet")} == before  # only read
    third = [document(200, joined("en", texts[30]), PARAMS), document(201, joined("en", texts[4]), PARAMS)]
    both = [str(earlier), str(tmp_path / "new")]
    again = run(tmp_path / "third", [third], previous_outputs=both)
    assert {(row["kept_id"], row["kept_in"]) for row in again.values()} == {(ids[4], both[1]), (old[4], both[0])}


def test_in_two_steps_or_in_one_the_same_texts_are_published(texts, tmp_path, monkeypatch):
    """Nothing that one run over all pages would find is missed when an index stands for the first half of them."""
    rng = random.Random(13)
    rows = [document(n, joined("en", text), PARAMS) for n, text in enumerate(texts)]
    for n in range(120):  # as like to one of the texts as a page below .8 never is, to keep chains out of it
        some = edited(texts[n % 40], words("en", rng, n % 3), rng)
        rows.append(document(100 + n, joined("en", some), PARAMS))
    monkeypatch.setattr(spanning_forest, "PARTITION_CANDIDATES", 20)
    first, second = rows[:60], rows[60:]
    whole = run(tmp_path / "whole", dealt(rows, 4, seed=3))
    one = run(tmp_path / "one", dealt(first, 2, seed=4))
    two = run(tmp_path / "two", dealt(second, 3, seed=5), previous_outputs=[str(tmp_path / "one")])
    assert len(whole) == len(one) + len(two) == 120
    other = run(tmp_path / "other", dealt(second, 1, seed=6), previous_outputs=[str(tmp_path / "one")])
    assert {id: row["kept_id"] for id, row in other.items()} == {id: row["kept_id"] for id, row in two.items()}


def test_what_does_not_fit_is_refused_with_what_differs(earlier, texts, tmp_path):
    page = [document(100, joined("en", texts[0]), PARAMS)]
    with pytest.raises(ValueError, match=r"other parameters \(shingle 5, here 4; hash \w+, here \w+\)"):
        run(tmp_path / "a", [page], previous_outputs=[str(earlier)], shingle=4)
    with pytest.raises(ValueError, match=r"bands 14, here 7; rows 8, here 16"):
        run(tmp_path / "a", [page], previous_outputs=[str(earlier)], bands=7, rows=16)
    with pytest.raises(ValueError, match="nowhere: no index.json here"):
        run(tmp_path / "a", [page], previous_outputs=[str(tmp_path / "nowhere")])
    with pytest.raises(ValueError, match="this is the output itself"):
        run(tmp_path / "a", [page], previous_outputs=[f"{tmp_path}/a/"])
    shutil.copytree(earlier, tmp_path / "bare")
    (tmp_path / "bare/documents/part-1.parquet").unlink()
    with pytest.raises(ValueError, match=r"bare: documents/part-1.parquet is gone.*dedup.near=false"):
        run(tmp_path / "a", [page], previous_outputs=[str(tmp_path / "bare")])
    found = run(tmp_path / "a", [page], previous_outputs=[str(tmp_path / "bare")], near=False)
    assert [row["kind"] for row in found.values()] == ["exact"]
    assert not (tmp_path / "nowhere").exists()


def test_an_index_by_another_hash_is_refused(earlier, texts, tmp_path):
    shutil.copytree(earlier, tmp_path / "old")
    made = json.loads((earlier / "index.json").read_text())
    made["parameters"]["hash"] = "0123456789abcdef"
    (tmp_path / "old/index.json").write_text(json.dumps(made))
    with pytest.raises(ValueError, match=r"\(hash 0123456789abcdef, here [0-9a-f]{16}\)"):
        run(tmp_path / "a", [[document(100, joined("en", texts[0]), PARAMS)]], previous_outputs=[str(tmp_path / "old")])


def test_the_ledger_reconciles_and_the_corpus_has_only_what_is_new(done, tmp_path):
    crawl = write_warc(tmp_path / "next.warc.gz", pages(24, first=48))  # 48 to 59 were there, 60 to 71 are new
    book = run_jobs(config([crawl], tmp_path / "out", dedup={"previous_outputs": [str(done)]}))
    totals, output = book.totals, Output(str(tmp_path / "out"))
    published = totals.published.total()
    assert totals.kept == totals.duplicates.total() + totals.held_out.total() + published
    assert totals.duplicates["url"] >= 8 and published >= 6
    old = {row["id"] for row in read(Output(str(done)), "documents")}
    rows = read(output, "duplicates")
    assert all((row["kept_id"] in old) == (row["kept_in"] == str(done)) for row in rows)
    corpus = [row["id"] for split in ("train", "validation") for row in read(output, f"corpus/{split}")]
    assert not old & set(corpus)
    near = next(row for row in rows if row["kind"] == "near" and row["kept_in"])
    with StringIO() as told:
        explain_pages(output, near["id"], Console(file=told, width=200))
        life = " ".join(told.getvalue().split())
    assert f"duplicate/near of {near['kept_id']} in {done}, similarity" in life
    assert "copyist" in life  # what the two texts differ by


def test_preferred_sites_and_domains_stay_in_their_order(texts, tmp_path):
    base = texts[0]
    rows = [
        document(0, joined("en", [*base, "longest", "of", "all"]), PARAMS),
        document(1, joined("en", base), PARAMS, site="example.org"),
        document(2, joined("en", base[:-1]), PARAMS, domain="reference"),
    ]

    def stays(**settings):
        found = run(tmp_path, [rows], **settings)
        assert len({row["kept_id"] for row in found.values()}) == 1 and len(found) == 2
        return next(n for n, row in enumerate(rows) if row["id"] not in found)

    assert stays() == 0
    assert stays(preferred_sites=["example.org"]) == 1
    assert stays(preferred_sites=["reference", "example.org"]) == 2
    assert stays(preferred_sites=["example.org", "reference"], keep_policy="earliest") == 1


def test_an_earlier_output_that_changes_is_read_again_and_one_that_is_gone_is_not_asked_for(texts, tmp_path):
    """Dedup and publish are done again where what they went by is another; else nothing is."""
    rows = [document(n, joined("en", text), PARAMS) for n, text in enumerate(texts[:9])]
    old, (output, names) = tmp_path / "old", write(tmp_path / "new", [rows])
    chosen = build_config({"inputs": ["x"], "output": output.root, "dedup": {"previous_outputs": [str(old)]}})
    files = {name: {"path": name} for name in names}

    def made():
        """Return how many duplicates there are, when that was found, and the key of what is published from it."""
        result = run_dedup(chosen, output, [], files)
        when = (tmp_path / "new/.work/dedup.json").stat().st_mtime_ns
        key = compute_stage_key("publish", chosen, files, fingerprint_earlier_outputs(chosen, output))
        return sum(result["files"][names[0]].values()), when, key

    def old_of(some):
        """Make the earlier output of other captures of some of the texts."""
        shutil.rmtree(old, ignore_errors=True)
        run(old, [[document(100 + n, joined("en", text), PARAMS, site="a.example") for n, text in enumerate(some)]])

    old_of(texts[:3])
    first = made()
    assert first[0] == 3 and made() == first
    old_of(texts[:5])
    second = made()
    assert second[0] == 5 and second[2] != first[2] and made() == second
    old_of(texts[:5])  # the same again, byte for byte
    assert made() == second
    old_of([*texts[:4], texts[3]])  # as large, but a page of it went
    third = made()
    assert third[0] == 4 and third[2] != second[2]
    shutil.rmtree(old)
    assert made() == third
    output.remove(".work", "dedup.json")
    with pytest.raises(ValueError, match="old: no index.json here"):
        made()


def test_dataflow_is_given_no_earlier_output_of_this_machine(tmp_path):
    reject_local_paths([], ["memory://out", "memory://old"])
    with pytest.raises(RunError, match=rf"^{re.escape(str(tmp_path))}: is on this machine") as error:
        reject_local_paths([], ["memory://out", str(tmp_path)])
    assert "\n" not in str(error.value)
