"""An input that changed after it was read is noticed, though its size is the same."""

import os
from pathlib import Path

import pytest

from pipeline.cli.errors import RunError
from pipeline.cli.resume import check_inputs_unchanged
from pipeline.extract.splits import marker_path
from pipeline.io.input_versions import SAMPLE_BYTES, SAMPLES, digest_samples, find_changed_inputs
from pipeline.io.inputs import Input
from pipeline.io.output import Output, shard_name


def replace_content(path: Path, content: bytes) -> None:
    """Write a file again, later."""
    later = path.stat().st_mtime_ns + 1_000_000
    path.write_bytes(content)
    os.utime(path, ns=(later, later))


def test_equal_size_and_other_content_is_refused_and_a_touch_is_not(tmp_path: Path) -> None:
    path, output = tmp_path / "a.warc.gz", Output(str(tmp_path / "out"))
    path.write_bytes(b"one" * 1000)
    item = Input(str(path), 3000, True, True)
    check_inputs_unchanged([item], output)
    replace_content(path, b"two" * 1000)  # nothing was read of it yet
    check_inputs_unchanged([item], output)
    output.write_json({"ledger": {}}, *marker_path(shard_name(str(path))))
    replace_content(path, b"two" * 1000)
    check_inputs_unchanged([item], output)
    replace_content(path, b"six" * 1000)
    for _ in range(2):
        with pytest.raises(RunError, match="a.warc.gz: holds something else than when it was extracted") as error:
            check_inputs_unchanged([item], output)
        assert "\n" not in str(error.value)
    replace_content(path, b"two" * 1000)
    check_inputs_unchanged([item], output)
    output.write_json({"ledger": {"bad_file": "no record"}}, *marker_path(shard_name(str(path))))
    replace_content(path, b"six" * 1000)  # fetched again
    check_inputs_unchanged([item], output)
    assert not output.exists(*marker_path(shard_name(str(path))))


def test_parts_all_over_a_large_file_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "large"
    content = bytearray(3 * SAMPLES * SAMPLE_BYTES)
    path.write_bytes(content)
    found = {digest_samples(str(path))}
    for at in (0, len(content) // 2, len(content) - 1):
        for n in range(at, min(at + 3 * SAMPLE_BYTES, len(content))):
            content[n] = 1  # a record's worth
        path.write_bytes(content)
        found.add(digest_samples(str(path)))
    assert len(found) == 4


def test_objects_of_a_store_go_by_their_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, item = Output(str(tmp_path)), Input("gs://bucket/a.warc.gz", None, False, True)
    for tag, changed in (("1", []), ("1", []), ("2", [item.path]), ("", [])):
        monkeypatch.setattr("pipeline.io.input_versions.read_object_version", lambda path, tag=tag: tag)
        assert find_changed_inputs([item], output) == changed
