"""The estimate of a dry run is near what the inputs hold, and reads no input that is elsewhere."""

import pytest

from pipeline.cli.previews.estimate_run import ASSUMED_PAGES, describe_estimate, estimate_run
from tests.pipeline.conftest import config
from tests.pipeline.crawls import pages, write_warc


def test_pages_and_kept_pages_are_estimated_from_the_beginning_of_a_few_inputs(tmp_path):
    inputs = [write_warc(tmp_path / f"{n}.warc.gz", pages(60, first=60 * n)) for n in range(4)]
    found = estimate_run(config(inputs, tmp_path / "out"))
    assert found.sampled.files == 4 and found.sampled.pages == 100
    assert found.pages == pytest.approx(240, rel=0.1)
    assert 0.8 * found.pages < found.kept < found.pages  # some are 404s
    assert found.extract_seconds > 0 and found.shuffled_bytes > 100 * found.kept
    lines = describe_estimate(found, 0.05)
    assert [line.split()[0] for line in lines] == ["estimate", "pages", "kept", "CPU", "shuffle", "price"]
    assert not (tmp_path / "out").exists()


def test_inputs_elsewhere_are_assumed_and_not_fetched(tmp_path):
    inputs = [f"https://nowhere.invalid/{n}.warc.gz" for n in range(3)]
    found = estimate_run(config(inputs, tmp_path / "out"))
    assert (found.pages, found.assumed_files, found.sampled.pages) == (3 * ASSUMED_PAGES, 3, 0)
    assert "3 inputs are not on this machine" in describe_estimate(found, 0.05)[-1]
