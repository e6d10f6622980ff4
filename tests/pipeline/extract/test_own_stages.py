"""Stages of a user's own: between ours on every runner, in the ledger, and one clear line for each way to be wrong."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import pipeline as gm
from pipeline.cli.run import run
from pipeline.config import build_config
from pipeline.extract.job import load_stages
from pipeline.extract.page_stage import StageError
from pipeline.extract.settings import list_stages
from pipeline.runners.local_pool import WorkerFailure
from pipeline.settings import ConfigError
from tests.pipeline.conftest import config
from tests.pipeline.crawls import pages, write_warc

MODULE = "tests.pipeline.extract.own_stages"
IN_MEMORY = ["--direct_running_mode=in_memory"]


@pytest.fixture
def crawl(tmp_path: Path) -> str:
    return write_warc(tmp_path / "a.warc.gz", pages(8))


def own(name: str, after: str = "identify_language", **settings: object) -> dict[str, object]:
    return {"stages": [{"after": after, "use": f"{MODULE}:{name}", **settings}], "extract": {"engine": "resiliparse"}}


def read_texts(output: Path) -> dict[str, str]:
    return {row["url"]: row["text"] for row in pq.read_table(output / "documents").to_pylist()}


@pytest.mark.parametrize("flags", [[], IN_MEMORY], ids=["workers", "in_memory"])
def test_a_stage_changes_and_rejects_pages_under_its_own_name(crawl: str, tmp_path: Path, flags: list[str]) -> None:
    output = tmp_path / "out"
    run(config([crawl], output, workers=2, **own("DropOddStage", mark="seen")), flags, jobs=["extract"])
    assert all(text.endswith("\nseen") for text in read_texts(output).values()) and len(read_texts(output)) == 4
    totals = json.loads((output / "ledger.json").read_text())["totals"]
    assert totals["rejected"] == {"drop_odd/odd": 4} and totals["kept"] == 4
    rejected = pq.read_table(output / "rejected").to_pylist()
    assert {row["detail"] for row in rejected} == set("1357")
    with pytest.raises((ConfigError, ValueError), match="stages"):
        run(config([crawl], output, workers=2, **own("DropOddStage", mark="other")), flags, jobs=["extract"])


@pytest.mark.parametrize("name", ["OneByOneTransform", "ShuffleTransform"])
def test_a_transform_may_regroup_the_pages(crawl: str, tmp_path: Path, name: str) -> None:
    """The workers of this machine write the same as one Beam job, whatever a transform does with the batches."""
    found = []
    for folder, flags in (("workers", []), ("in_memory", IN_MEMORY)):
        run(config([crawl], tmp_path / folder, workers=2, **own(name)), flags, jobs=["extract"])
        found.append(read_texts(tmp_path / folder))
    assert found[0] == found[1] and len(found[0]) == 8
    assert list(found[0]) == sorted(found[0]) and all(text.endswith("\nmarked") for text in found[0].values())


def test_lost_pages_are_told(crawl: str, tmp_path: Path) -> None:
    with pytest.raises((WorkerFailure, ValueError), match=r"1 pages of .*a\.warc\.gz .*set page\.rejection instead"):
        run(config([crawl], tmp_path / "out", workers=1, **own("LosingTransform")), jobs=["extract"])
    assert not (tmp_path / "out" / "documents").exists()


def test_a_stage_may_load_in_the_worker_and_without_beam(crawl: str) -> None:
    found = list(gm.extract_pages(crawl, own("LoadedStage")))
    assert [page.key for page in found] == ["kept", "loaded/odd"] * 4
    assert all(page.text.endswith("\nloaded") for page in found if page.rejection is None)
    with pytest.raises(ConfigError, match="cannot run without Beam"):
        list(gm.extract_pages(crawl, own("ShuffleTransform")))


@pytest.mark.parametrize(
    "how, needle",
    [
        ("raises", "raised KeyError: 'no such\\nword' ("),
        ("loses", "returned 7 pages for 8, from https://www.site0.example/page-0"),
        ("none", "returned NoneType; it must return a list of pages"),
        ("other", "returned http://other.example/"),
        ("number", "text is int, not a text in https://www.site4.example/page-4"),
        ("surrogate", "text holds half a character"),
        ("column", "scores has 'toxicity', which is no column"),
        ("rejection", "rejection is str, not a Rejection"),
    ],
)
def test_what_a_stage_may_not_return_is_one_line(crawl: str, how: str, needle: str) -> None:
    with pytest.raises(StageError) as caught:
        list(gm.extract_pages(crawl, own("WrongStage", how=how)))
    text = str(caught.value)
    assert text.startswith(f"stages.0 ({MODULE}:WrongStage): ") and "\n" not in text
    assert needle in text and ("page-4" in text or how in ("loses", "none"))


@pytest.mark.parametrize(
    "entry, needle",
    [
        ({"use": f"{MODULE}:DropOddStage"}, "stages.0.after: this key is required"),
        ({"after": "extract_text"}, "stages.0.use: this key is required"),
        ({"after": "extract_txt", "use": "a:B"}, "no stage; did you mean 'extract_text'?"),
        ({"after": "extract_text", "use": f"{MODULE}:NoStage"}, "is no stage; give it a method process_pages"),
        ({"after": "extract_text", "use": f"{MODULE}:Missing"}, "has no 'Missing'"),
        (
            {"after": "extract_text", "use": f"{MODULE}:DropOddStage", "marc": 1},
            "no such key; did you mean 'mark'?",
        ),
        ({"after": "extract_text", "use": f"{MODULE}:DropOddStage", "mark": 1}, "stages.0.mark: 1 cannot be used"),
        ({"after": "extract_text", "use": f"{MODULE}:WrongStage"}, "stages.0.how: this key is required"),
        ({"after": "extract_text", "use": "a:ExtractStage"}, "makes a second stage 'extract'"),
    ],
)
def test_a_config_that_names_no_usable_stage_is_refused(entry: dict[str, object], needle: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config({"inputs": ["x"], "output": "out", "stages": [entry]})
    assert needle in str(caught.value) and "\n" not in str(caught.value)


def test_stages_are_listed_and_run_in_their_order() -> None:
    stages = [{"after": "identify_language", "use": f"{MODULE}:DropOddStage"}]
    order = list_stages(stages, ["c4"])
    assert order.index("language") < order.index("drop_odd") < order.index("c4") < order.index("quality")
    made = load_stages(build_config({"inputs": ["x"], "output": "out", "stages": stages}))
    assert len(made) == 9


def test_every_part_of_the_library_is_there() -> None:
    assert all(hasattr(gm, name) for name in gm.PARTS) and set(gm.PARTS) <= set(dir(gm))
    with pytest.raises(AttributeError, match="no attribute 'ReadCrawls'"):
        _ = gm.ReadCrawls
