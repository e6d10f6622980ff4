"""`python -m pipeline lists`: fetch lists of domains and addresses, compile a file for `url.blocklists`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.io.inputs import open_input
from pipeline.io.settings import InputConfig
from pipeline.url.blocklists import Part, compile_parts, read_parts


def compile_lists(sources: Sequence[str], output: str) -> Iterator[str]:
    """Compile lists, folders, archives and https addresses of those into a file; yields lines that say what it holds.

    Raises ListError, FileNotFoundError or InputError, one line.
    """
    table = compile_parts(part for source in sources for part in parts_of(source))
    size = table.write(Path(output))
    counts = table.counts()
    width = max(map(len, counts))
    yield from (f"{category:{width}} {n:10,}" for category, n in counts.items())
    yield f"{output}: {len(table.hashes):,} names in {len(counts)} categories, {size:,} bytes"


def parts_of(source: str) -> Iterator[Part]:
    """Yield the parts of one source; a remote one is fetched into a temporary file first."""
    if "://" not in source:
        yield from read_parts(Path(source), Path(source).stem)
        return
    with open_input(source, InputConfig()) as fetched:
        yield from read_parts(Path(fetched.name), Path(source.partition("?")[0]).stem)
