"""Where tests find the shared real data: read in place, never copied; absent data skips with a printed reason."""

import os
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def shared_data(relative: str) -> Path:
    """Return the path of one shared data file or folder, or skip the calling test with the reason.

    `GRISTMILL_SHARED` names another place than `../shared/data`.
    """
    base = Path(os.environ.get("GRISTMILL_SHARED", ROOT.parent / "shared" / "data"))
    path = base / relative
    if not path.exists():
        pytest.skip(f"shared data {relative} is not here ({base}); set GRISTMILL_SHARED to where it is")
    return path


def write_short_sample(path: Path, every: int = 3) -> None:
    """Write every third page of the demo's sample crawl, where a test runs it and its size proves nothing."""
    data, number, kept = (ROOT / "demo" / "sample.warc.gz").read_bytes(), 0, b""
    while True:
        member = zlib.decompressobj(31)
        member.decompress(data)
        if not member.eof:  # the sample ends in the middle of its last record
            break
        whole, data = data[: len(data) - len(member.unused_data)], member.unused_data
        if not number or (number - 1) // 3 % every == 0:  # request, response and metadata of a page go together
            kept += whole
        number += 1
    path.write_bytes(kept)
