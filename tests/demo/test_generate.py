"""The committed sample is what the generator writes, and holds what it says."""

import os
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo.generate import make_files
from demo.site import Page
from tests.shared import ROOT

PROSE = {"encyclopedia", "news", "blog", "forum", "shop", "docs", "recipe", "government", "faq", "personal", "essay"}


def test_the_generator_writes_the_committed_files(pages: list[Page], folder: Path, facts: dict[str, Any]) -> None:
    made = make_files(pages)
    assert made["README.md"] == (folder / "README.md").read_bytes()
    assert made["wiki.xml.bz2"] == (folder / "wiki.xml.bz2").read_bytes()
    committed = (folder / "sample.warc.gz").read_bytes()
    # Every zlib unpacks the same records, but only the same zlib packs them, and the packed bodies in them, the same.
    packed = (b"\r\nContent-Encoding: ", b"image/png")
    for new, old in zip(unpacked(made["sample.warc.gz"])[0], unpacked(committed)[0], strict=True):
        assert new == old or any(mark in old for mark in packed)
    if facts["zlib"] == zlib.ZLIB_RUNTIME_VERSION:
        assert made["sample.warc.gz"] == committed
        assert made["expected.json"] == (folder / "expected.json").read_bytes()


def unpacked(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole gzip members of the data, unpacked, and what the broken member at its end still gave."""
    members = []
    while data:
        packer = zlib.decompressobj(31)
        text = packer.decompress(data)
        if not packer.eof:
            return members, text
        members.append(text)
        data = packer.unused_data
    return members, b""


def test_another_process_with_another_hash_seed_writes_the_same(tmp_path: Path, pages: list[Page]) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    subprocess.run(
        [sys.executable, "-m", "demo.generate", str(tmp_path)],
        check=True,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    for name, data in make_files(pages).items():
        assert (tmp_path / name).read_bytes() == data, name


def test_the_file_ends_inside_its_last_record(folder: Path, facts: dict[str, Any]) -> None:
    data = (folder / "sample.warc.gz").read_bytes()
    assert 1_500_000 < len(data) < 3_000_000
    members, rest = unpacked(data)
    assert len(members) == sum(facts["warc"]["records"].values())
    assert rest.startswith(b"WARC/1.0\r\nWARC-Type: response") and not rest.endswith(b"\r\n\r\n")
    whole, cut = unpacked(data[: facts["warc"]["cut_offset"]])
    assert (len(whole), cut) == (len(members), b"")


def test_fastwarc_and_warcio_read_every_record_before_the_cut(folder: Path, facts: dict[str, Any]) -> None:
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from warcio.archiveiterator import ArchiveIterator as WarcioIterator

    pages = {page["record_id"]: page for page in facts["pages"]}
    last = facts["pages"][-1]["record_id"]
    seen: Counter[str] = Counter()
    with open(folder / "sample.warc.gz", "rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=False):
            if record.record_id == last:
                break
            page = pages[record.record_id]
            assert record.headers["WARC-Target-URI"] == page["url"]
            assert record.verify_block_digest(), page["url"]
            record.parse_http()
            assert record.http_headers.status_code == page["status"]
            seen[page["url"]] += 1
    assert seen.total() == facts["warc"]["records"]["response"]

    types: Counter[str] = Counter()
    with open(folder / "sample.warc.gz", "rb") as stream:
        for record in WarcioIterator(stream):
            if record.rec_headers.get_header("WARC-Record-ID") == last:
                break
            types[record.rec_type] += 1
            record.content_stream().read()
    assert types["response"] == facts["warc"]["records"]["response"]


def test_counts_of_pages_sites_styles_and_languages(pages: list[Page], facts: dict[str, Any]) -> None:
    counts = facts["counts"]
    assert 700 <= facts["warc"]["records"]["response"] <= 900 and counts["sites"] >= 40
    assert {p.layout for p in pages} >= {
        "wiki",
        "news",
        "blog",
        "docs",
        "forum",
        "shop",
        "gov",
        "faq",
        "personal",
        "magazine",
        "museum",
        "app",
        "print",
        "bare",
    }
    assert set(counts["style"]) >= PROSE | {"spam", "listing", "boilerplate", "policy", "lorem", "mirror", "printer"}
    prose = Counter(page.language for page in pages if page.style in PROSE)
    assert set(prose) == {"en", "de", "fr", "es", "ru", "ja"} and min(prose.values()) >= 20
    assert 0.6 <= prose["en"] / prose.total() <= 0.8
    least = {
        "keep": 400,
        "near-duplicate": 20,
        "exact-duplicate": 10,
        "url-duplicate": 10,
        "printer": 5,
        "boilerplate": 15,
        "listing": 20,
        "spam": 15,
        "noindex": 4,
        "noai": 4,
        "tdm-reserved": 4,
        "non-html": 15,
        "redirect": 5,
        "error-status": 5,
        "revisit": 1,
        "truncated": 1,
        "cut": 1,
    }
    assert {fate: counts["fate"][fate] for fate, number in least.items() if counts["fate"][fate] < number} == {}


def test_every_host_and_number_is_reserved(pages: list[Page]) -> None:
    assert all(page.url.split("/")[2].endswith((".example", ".test")) for page in pages)
    text = "\n".join(page.text for page in pages)
    for needed in ("@example.com", "192.0.2.", "4111 1111 1111 1111", "GB82 WEST", "+44 20 7946 0"):
        assert needed in text, needed


@pytest.mark.parametrize("charset", ["windows-1251", "shift_jis", "iso-8859-1"])
def test_pages_in_old_encodings_say_so_in_one_place(charset: str, pages: list[Page], folder: Path) -> None:
    from demo.serve import make_capture

    found = [page for page in pages if page.charset == charset and page.fate == "keep"]
    assert {page.charset_in for page in found} <= {"header", "meta"} and found
    for page in found[:3]:
        made = make_capture(page)
        in_header = charset in dict(made.headers)["Content-Type"].lower()
        assert in_header == (page.charset_in == "header") != (f'charset="{charset}"'.encode() in made.body)
        assert page.title in made.body.decode(charset)
