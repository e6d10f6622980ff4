"""Lists of domains and addresses by category (UT1's shape, hosts files, plain lists), compiled for fast look-up.

A name is kept as a 64-bit hash and the number of the set of categories that list it: ten bytes. The hashes are sorted
and mapped from the file, so that all workers of a machine share UT1's five million names and a look-up is a binary
search. Of names that nobody listed, one in 4 * 10^12 is taken for one of five million.

    magic | length of the header | header (JSON: categories, named, sets, names) | hashes, uint64 | sets, uint16
"""

import hashlib
import io
import json
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np

from pipeline.url.canonical import url_host

MAGIC = b"gristmill url lists 1\n\0\0"  # 24 bytes
FILES = ("domains", "urls")  # of a category's folder; UT1's "expressions" are not used
MAX_MEMBER = 1 << 30  # bytes of one list of an archive; UT1's largest has 90 MB
MAX_ARCHIVE = 8 << 30  # bytes of an archive, unpacked
MAX_LINE = 4096
CATEGORY = re.compile(r"[\w-]{1,64}")


class ListError(ValueError):
    """A list that cannot be read; its text is one line: what, where, what to do."""


class ListPart(NamedTuple):
    """Names of one category; `named`: the user named this list by itself, so that it counts whatever is chosen."""

    category: str
    named: bool
    names: Iterable[str]


def hash_listed_name(name: str) -> int:
    """Return the 64-bit hash of a name."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def normal_names(lines: Iterable[str]) -> Iterator[str]:
    """Yield the names of a list: one a line, `#` comments, hosts-file lines ("0.0.0.0 name"), `www.` dropped, IDNA."""
    for line in lines:
        words = line.split("#")[0].split()
        if words and len(line) < MAX_LINE:
            name = words[-1].lower().removeprefix("http://").removeprefix("https://")
            domain, slash, path = name.removeprefix("www.").removeprefix("*.").strip("./").partition("/")
            yield (domain if domain.isascii() else url_host(domain)) + slash + path


class NameTable:
    """Names with the categories that list them."""

    def __init__(
        self, categories: list[str], named: list[str], sets: list[list[int]], hashes: np.ndarray, owners: np.ndarray
    ):
        """Take what was compiled or read; `owners` are indexes into `sets`, those into `categories`."""
        self.categories, self.named, self.sets = categories, named, sets
        self.hashes, self.owners = hashes, owners

    def labels(self, chosen: Sequence[str]) -> list[str]:
        """Return for each set of categories the first of `chosen` in it, else the first named one, else ""."""
        rank = {category: number for number, category in enumerate([*chosen, *self.named])}
        found = [[self.categories[index] for index in one] for one in self.sets]
        return [min((c for c in one if c in rank), key=lambda c: rank[c], default="") for one in found]

    def find(self, names: Sequence[str], labels: Sequence[str]) -> tuple[str, str] | None:
        """Return (label, name) for the first of `names` that a set with a label lists, or None."""
        if not len(self.hashes) or not names:
            return None
        wanted = np.array([hash_listed_name(name) for name in names], dtype=np.uint64)
        at = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        for index in np.flatnonzero(self.hashes[at] == wanted):
            label = labels[int(self.owners[at[index]])]
            if label:
                return label, names[int(index)]
        return None

    def counts(self) -> dict[str, int]:
        """Return how many names each category lists."""
        of_sets = np.bincount(np.asarray(self.owners), minlength=len(self.sets))
        return {
            category: int(sum(n for n, one in zip(of_sets, self.sets, strict=True) if index in one))
            for index, category in enumerate(self.categories)
        }

    def write(self, path: Path) -> int:
        """Write the table to a file, whole or not at all; the same lists give the same bytes. Returns its size."""
        facts = {"categories": self.categories, "named": self.named, "sets": self.sets, "names": len(self.hashes)}
        header = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
        header += b" " * (-len(header) % 8)
        partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
        try:
            with open(partial, "wb") as out:
                out.write(MAGIC + len(header).to_bytes(8, "little") + header)
                out.write(np.asarray(self.hashes, "<u8").tobytes() + np.asarray(self.owners, "<u2").tobytes())
            os.replace(partial, path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise ListError(f"{path}: cannot be written: {error.strerror}") from error
        return path.stat().st_size


def compile_parts(parts: Iterable[ListPart]) -> NameTable:
    """Return the table of all names of all parts, in whatever order. Raises what reading them raises."""
    found: dict[str, list[np.ndarray]] = {}
    named: set[str] = set()
    for part in parts:
        hashes = (hash_listed_name(name) for name in part.names if name)
        found.setdefault(part.category, []).append(np.unique(np.fromiter(hashes, dtype=np.uint64)))
        named.update([part.category] if part.named else [])
    categories = sorted(found)
    each = [np.unique(np.concatenate(found[category])) for category in categories]
    merged = np.concatenate([np.empty(0, np.uint64), *each])
    owner = np.repeat(np.arange(len(each), dtype=np.uint16), [len(one) for one in each])
    order = np.argsort(merged, kind="stable")
    merged, owner = merged[order], owner[order]
    first = np.flatnonzero(np.diff(merged, prepend=merged[:1] - np.uint64(1)))  # where another hash begins
    owners, ends = owner[first].astype(np.uint32), np.append(first[1:], len(merged))
    sets = {(index,): index for index in range(len(categories))}
    for at in np.flatnonzero(ends - first > 1):
        owners[at] = sets.setdefault(tuple(owner[first[at] : ends[at]].tolist()), len(sets))
    if len(sets) > np.iinfo(np.uint16).max:
        raise ListError(f"{len(sets)} combinations of categories are too many; compile fewer categories at a time")
    return NameTable(categories, sorted(named), [list(one) for one in sets], merged[first], owners.astype(np.uint16))


def read_table(path: Path) -> NameTable | None:
    """Map a compiled file; None for a file that is none. Raises ListError where it is broken."""
    with open(path, "rb") as source:
        if source.read(len(MAGIC)) != MAGIC:
            return None
        length = int.from_bytes(source.read(8), "little")
        start = len(MAGIC) + 8 + length
        size = path.stat().st_size
        facts: dict[str, Any] = json.loads(source.read(length)) if start <= size else {"names": -1}
    if size != start + 10 * facts["names"]:
        raise ListError(f"{path}: this compiled list is cut or damaged; compile it again with `gristmill lists`")
    hashes, owners = np.empty(0, np.uint64), np.empty(0, np.uint16)
    if facts["names"]:
        hashes = np.memmap(path, "<u8", "r", start, (facts["names"],))
        owners = np.memmap(path, "<u2", "r", start + 8 * facts["names"], (facts["names"],))
    return NameTable(facts["categories"], facts["named"], facts["sets"], hashes, owners)


def open_list(path: Path, categories: Sequence[str]) -> NameTable:
    """Return the table of a compiled file, or compile a list, folder or archive, of which only `categories` are read.

    Raises FileNotFoundError or ListError, one line.
    """
    if path.is_file() and (table := read_table(path)):
        return table
    return compile_parts(read_parts(path, path.stem, categories))


def read_parts(path: Path, name: str, categories: Sequence[str] | None = None) -> Iterator[ListPart]:
    """Yield the parts of a list, a category's folder, a folder of those, or an archive of those.

    Of the last two only `categories` are read (None: all). `name` is a plain list's category. A part is to be read
    before the next is asked for. Raises FileNotFoundError or ListError, one line.
    """
    if path.is_file():
        if tarfile.is_tarfile(path):
            yield from read_list_archive(path, categories)
            return
        with open(path, "rb") as source:
            if b"\0" in source.read(MAX_LINE):
                raise ListError(f"{path}: neither a list of names, nor a tar archive, nor a compiled list")
            source.seek(0)
            yield ListPart(name, True, normal_names(text_lines(source)))
        return
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is neither a file nor a folder")
    empty = True
    for part in read_folder_parts(path, categories):
        empty = False
        yield part
    if empty:
        wanted = f"none of the categories {', '.join(categories)}" if categories else "no category"
        raise ListError(f"{path} holds {wanted} (as category/domains)")


def read_folder_parts(path: Path, categories: Sequence[str] | None) -> Iterator[ListPart]:
    """Yield the parts of a category's folder, or of a folder of those of which only `categories` are read."""
    own = any((path / file).is_file() for file in FILES)
    folders = [path] if own else sorted(folder for folder in path.iterdir() if folder.is_dir())
    chosen = [folder for folder in folders if own or categories is None or folder.name in categories]
    for name in (folder / file for folder in chosen for file in FILES):
        if name.is_file():
            with open(name, "rb") as source:
                yield ListPart(name.parent.name, own, normal_names(text_lines(source)))


def read_list_archive(path: Path, categories: Sequence[str] | None) -> Iterator[ListPart]:
    """Yield the lists in a tar archive, compressed or not, without unpacking: names in it are never paths to write to.

    Links are not followed. Raises ListError for an archive that is damaged, too large or holds no list.
    """
    total, empty = 0, True
    with damage_named(path), tarfile.open(path) as archive:
        for member in archive:
            total += member.size
            if member.size > MAX_MEMBER or total > MAX_ARCHIVE:
                raise ListError(f"{path}: {member.name[:100]} makes it larger than any list; is this the right file?")
            inside = PurePosixPath(member.name)
            category = inside.parent.name
            if not member.isreg() or inside.name not in FILES or not CATEGORY.fullmatch(category):
                continue
            if categories is None or category in categories:
                source = archive.extractfile(member)
                if source is not None:
                    empty = False
                    yield ListPart(category, False, normal_names(archived_lines(source, path)))
    if empty:
        wanted = f"none of the categories {', '.join(categories)}" if categories else "no category"
        raise ListError(f"{path} holds {wanted} (as category/domains)")


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn whatever a damaged archive raises into a ListError."""
    try:
        yield
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise ListError(f"{path}: the archive is damaged: {' '.join(str(error).split())}") from error


def archived_lines(source: IO[bytes], path: Path) -> Iterator[str]:
    """Yield the lines of a file in an archive. Raises ListError where the archive ends in it."""
    with damage_named(path):
        yield from text_lines(source)


def text_lines(source: IO[bytes]) -> Iterator[str]:
    """Yield the lines of a file of text."""
    return iter(io.TextIOWrapper(source, encoding="utf-8", errors="replace"))
