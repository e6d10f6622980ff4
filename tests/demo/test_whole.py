"""The demo, as `make demo` runs it: the whole way, and the sample's funnel as it was written."""

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from pipeline.text.minhash import MinHashParams, jaccard_similarity, shingle_hashes
from tests.shared import ROOT

OUT = ROOT / "demo" / "out"
# Six seconds of training show as well as a minute that the trained model speaks.
PROGRAM = """
import sys
from demo.__main__ import main
from pipeline.cli.programs import run_demo

train, *others = run_demo.TRAINER_STEPS
run_demo.TRAINER_STEPS = (train._replace(command=f"{train.command} --set minutes=0.1"), *others)
sys.exit(main())
"""


@pytest.fixture(scope="module")
def shown() -> str:
    """What the demo prints."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(folder: str) -> list[dict]:
    """Return the rows of one folder of the demo's output."""
    return [row for path in sorted((OUT / "corpus" / folder).iterdir()) for row in pq.read_table(path).to_pylist()]


def test_it_prints_the_funnel_where_things_are_and_what_the_model_says(shown):
    for needle in (
        "funnel",
        "published train",
        "duplicate/near",
        "mixture by domain",
        "demo/out/corpus/report.html",
        "Sample text from the model",
    ):
        assert needle in shown, needle
    speech = shown.partition("Sample text from the model")[2].partition("Done in")[0]
    assert len(speech.split()) > 40


def test_the_ledger_and_the_pages_fates_agree(shown):
    expected = json.loads((ROOT / "demo" / "expected.json").read_text())
    totals = json.loads((OUT / "corpus" / "ledger.json").read_text())["totals"]
    assert totals["responses"] == totals["kept"] + sum(totals["rejected"].values())
    fate_by_id = {page["record_id"]: page["fate"] for page in expected["pages"]}
    kept = {row["id"] for row in rows("documents")}
    good = {key for key, fate in fate_by_id.items() if fate == "keep"}
    assert len(good & kept) >= 0.95 * len(good)
    gone = [fate for key, fate in fate_by_id.items() if key not in kept]
    for fate in ("non-html", "noai", "error-status", "lorem", "redirect"):
        assert fate not in {fate_by_id[key] for key in kept}, fate
        assert fate in gone
    dropped = {row["id"] for row in rows("duplicates")}
    id_by_url = {page["url"]: page["record_id"] for page in expected["pages"]}
    copies = [page for page in expected["pages"] if page["fate"] in ("exact-duplicate", "near-duplicate")]
    pairs = [(page["record_id"], id_by_url[page["of"]]) for page in copies]
    both = [pair for pair in pairs if kept.issuperset(pair)]
    assert len(both) >= 40
    text = {row["id"]: row["text"] for row in rows("documents")}
    params = MinHashParams()
    for a, b in both:  # either may be the one that stays; extraction may have left less in common than was written
        alike = jaccard_similarity(shingle_hashes(text[a], params), shingle_hashes(text[b], params))
        assert alike < 0.8 or dropped & {a, b}


def test_the_classifier_tells_referenced_pages_from_others(shown):
    pages = rows("documents")
    referenced = set(json.loads((ROOT / "demo" / "expected.json").read_text())["referenced"])
    inside = [r["scores"]["reference"] for r in pages if r["url"] in referenced]
    outside = [r["scores"]["reference"] for r in pages if r["url"] not in referenced]
    better = sum(a > b for a in inside for b in outside) / (len(inside) * len(outside))
    assert better > 0.8  # the area under the ROC curve


def test_the_readme_shows_what_comes_out(shown):
    """Its funnel's main sums are the run's; what the classifiers decide may differ by a page with the processor."""
    totals = json.loads((OUT / "corpus" / "ledger.json").read_text())["totals"]
    readme = (ROOT / "README.md").read_text().partition("The result looks like this:\n\n```\nextract")[2]
    picture = readme.partition("```")[0]
    assert int(picture.split()[0]) == totals["responses"]
    for name, number in (("kept", totals["kept"]), ("duplicates", -sum(totals["duplicates"].values()))):
        (line,) = (line for line in picture.splitlines() if line.split()[:1] == [name])
        assert int(line.split()[1]) == number, line
