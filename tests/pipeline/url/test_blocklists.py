"""Compiling lists: the same table from any shape, categories kept apart, hostile archives, damaged files."""

import io
import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.__main__ import main
from pipeline.url.blocklists import ListError, ListPart, compile_parts, open_list, read_parts, read_table
from pipeline.url.filter import UrlFilter, UrlRules

LISTS = {
    "adult": "bad.example\nboth.example\nmixed.example/~joe\n",
    "gambling": "casino.example\nboth.example\n",
    "shopping": "shop.example\n",
}


def folder(path: Path, lists: dict[str, str] | None = None) -> Path:
    """Write lists in UT1's shape and return their root."""
    for category, names in (lists or LISTS).items():
        (path / category).mkdir(parents=True)
        (path / category / "domains").write_text(names)
    return path


def archive(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    """Write a tar archive."""
    with tarfile.open(path, mode) as out:
        for member, data in members:
            member.size = member.size or len(data)
            out.addfile(member, io.BytesIO(data))
    return path


def info(name: str, **over) -> tarfile.TarInfo:
    """Return a member of an archive."""
    member = tarfile.TarInfo(name)
    for key, value in over.items():
        setattr(member, key, value)
    return member


@given(st.dictionaries(st.sampled_from("abcd"), st.sets(st.text(max_size=6), max_size=20)), st.randoms())
def test_the_table_is_a_map_from_names_to_categories(lists: dict[str, set[str]], draw: random.Random) -> None:
    parts = [ListPart(category, False, sorted(names)) for category, names in sorted(lists.items())]
    table = compile_parts(parts)
    draw.shuffle(parts)
    again = compile_parts(parts)
    assert (table.sets, table.hashes.tolist(), table.owners.tolist()) == (
        again.sets,
        again.hashes.tolist(),
        again.owners.tolist(),
    )
    assert table.counts() == {category: len(names - {""}) for category, names in lists.items()}
    for category in "abcd":
        labels = table.labels([category])
        for name in {"x", *(name for names in lists.values() for name in names)} - {""}:
            expected = (category, name) if name in lists.get(category, ()) else None
            assert table.find(["not there", name], labels) == expected


def test_folder_archive_and_compiled_file_decide_alike(tmp_path: Path) -> None:
    root = folder(tmp_path / "ut1")
    packed = tmp_path / "ut1.tar.gz"
    with tarfile.open(packed, "w:gz") as out:
        out.add(root, "blacklists")
    compiled = tmp_path / "lists.bin"
    assert main(["lists", str(packed), "--output", str(compiled)]) == 0
    first = compiled.read_bytes()
    assert main(["lists", str(root), "--output", str(compiled)]) == 0
    assert compiled.read_bytes() == first
    assert list(tmp_path.glob("*partial*")) == []
    for path in (root, packed, compiled):
        urls = UrlFilter(UrlRules(blocklists=(str(path),), categories=("gambling", "adult")))
        assert urls.reject("https://a.bad.example/") == ("blocked-domain", "adult: bad.example")
        assert urls.reject("https://both.example/") == ("blocked-domain", "gambling: both.example")  # the first chosen
        assert urls.reject("https://mixed.example/~joe/x") == ("blocked-url", "adult: mixed.example/~joe")
        assert urls.reject("https://shop.example/") is None
        only = UrlFilter(UrlRules(blocklists=(str(path),), categories=("adult",)))
        assert only.reject("https://both.example/") == ("blocked-domain", "adult: both.example")
        assert only.reject("https://casino.example/") is None


def test_a_list_named_by_itself_still_counts_when_compiled_with_others(tmp_path: Path) -> None:
    root, mine = folder(tmp_path / "ut1"), tmp_path / "mine.txt"
    mine.write_text("spam.example\n")
    assert main(["lists", str(root), str(mine), str(root / "shopping"), "--output", str(tmp_path / "out")]) == 0
    urls = UrlFilter(UrlRules(blocklists=(str(tmp_path / "out"),)))
    assert urls.reject("https://spam.example/") == ("blocked-domain", "mine: spam.example")
    assert urls.reject("https://shop.example/") == ("blocked-domain", "shopping: shop.example")


def test_the_command_says_what_it_compiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lists", str(folder(tmp_path / "ut1")), "--output", str(tmp_path / "out")]) == 0
    size = (tmp_path / "out").stat().st_size
    assert capsys.readouterr().out.splitlines() == [
        "adult             3",
        "gambling          2",
        "shopping          1",
        f"{tmp_path}/out: 5 names in 3 categories, {size} bytes",
    ]


def test_an_archive_is_never_unpacked_and_its_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret.example\n")
    packed = archive(
        tmp_path / "lists.tar.gz",
        [
            (info("../../adult/domains"), b"up.example\n"),
            (info("/etc/cron/domains"), b"root.example\n"),
            (info("link/domains", type=tarfile.SYMTYPE, linkname=str(tmp_path / "secret")), b""),
            (info("hard/domains", type=tarfile.LNKTYPE, linkname="../../secret"), b""),
            (info("null/domains", type=tarfile.CHRTYPE), b""),
            (info("..\n/domains"), b"odd.example\n"),
            (info("adult/expressions"), b"expression.example\n"),
        ],
    )
    before = sorted(tmp_path.iterdir())
    table = compile_parts(read_parts(packed, "lists"))
    assert table.counts() == {"adult": 1, "cron": 1}
    assert sorted(tmp_path.iterdir()) == before


def test_an_archive_that_claims_to_be_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    packed = tmp_path / "bomb.tar"
    packed.write_bytes(info("adult/domains", size=1 << 40).tobuf() + b"x.example\n" * 100)
    with pytest.raises(ListError, match="adult/domains makes it larger than any list"):
        compile_parts(read_parts(packed, "bomb"))


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_a_cut_archive_is_one_clear_line(tmp_path: Path, mode: str) -> None:
    draw = random.Random(1)
    names = "\n".join(f"{draw.getrandbits(64):x}.example" for _ in range(20_000)).encode()
    packed = archive(tmp_path / "lists.tar", [(info("adult/domains"), names)], mode)
    packed.write_bytes(packed.read_bytes()[:-5000] if mode != "w" else packed.read_bytes()[:100_000])
    with pytest.raises(ListError, match="the archive is damaged"):
        compile_parts(read_parts(packed, "lists"))


def test_what_is_no_list_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.pdf").write_bytes(b"%PDF\0\0")
    out = str(tmp_path / "out")
    archive(tmp_path / "empty.tar", [(info("readme"), b"hello")], "w")
    (tmp_path / "nothing").mkdir()
    for source, message in {
        "page.pdf": "neither a list of names, nor a tar archive, nor a compiled list",
        "empty.tar": "holds no category",
        "nothing": "holds no category",
        "absent": "is neither a file nor a folder",
    }.items():
        assert main(["lists", str(tmp_path / source), "--output", out]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line and source in line
    assert main(["lists", str(folder(tmp_path / "ut1")), "--output", str(tmp_path / "no" / "out")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert not Path(out).exists()


def test_a_damaged_compiled_file_is_one_clear_line(tmp_path: Path) -> None:
    compiled = tmp_path / "lists.bin"
    compile_parts(read_parts(folder(tmp_path / "ut1"), "ut1")).write(compiled)
    whole = compiled.read_bytes()
    assert read_table(compiled)
    for cut in (25, 40, len(whole) - 1):
        compiled.write_bytes(whole[:cut])
        with pytest.raises(ListError, match="cut or damaged"):
            open_list(compiled, ())


def test_a_list_of_nothing_blocks_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("# nothing yet\n")
    assert main(["lists", str(tmp_path / "mine.txt"), "--output", str(tmp_path / "out")]) == 0
    assert UrlFilter(UrlRules(blocklists=(str(tmp_path / "out"),))).reject("https://a.example/") is None
