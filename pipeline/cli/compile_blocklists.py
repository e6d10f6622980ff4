"""`gristmill lists SOURCE ... --output FILE`: compile lists of domains and addresses for `url.blocklists`."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.errors import print_error

if TYPE_CHECKING:
    from pipeline.url.blocklists import ListPart


def add_blocklists_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    text = "compile lists of domains and addresses for url.blocklists"
    parser = commands.add_parser("lists", help=text, description=text)
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a list with one name a line; a folder of one category; a folder or tar archive of such folders (the "
        "layout of UT1); or an https address of any of these, such as "
        "https://dsi.ut-capitole.fr/blacklists/download/blacklists.tar.gz",
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="where to write the compiled lists")
    parser.set_defaults(execute=run_compile_lists, beam=False)


def run_compile_lists(args: argparse.Namespace, flags: list[str]) -> int:
    """Compile the lists and print what they hold. Returns the exit code."""
    try:
        for line in compile_lists(args.sources, args.output):
            print(line)
    except (ValueError, OSError) as error:
        return print_error(error, 1)
    return 0


def compile_lists(sources: Sequence[str], output: str) -> Iterator[str]:
    """Compile the sources into one file. Yields lines of text that say how many names each category has.

    A source is a list, a folder, an archive or an https address of one of these. Raises ListError, FileNotFoundError
    or InputError with one line.
    """
    from pipeline.url.blocklists import compile_parts

    table = compile_parts(part for source in sources for part in read_source(source))
    size = table.write(Path(output))
    counts = table.counts()
    width = max(map(len, counts))
    yield from (f"{category:{width}} {n:10,}" for category, n in counts.items())
    yield f"{output}: {len(table.hashes):,} names in {len(counts)} categories, {size:,} bytes"


def read_source(source: str) -> Iterator["ListPart"]:
    """Yield the lists of one source. A remote source is downloaded to a temporary file first."""
    from pipeline.io.inputs import open_input
    from pipeline.io.settings import InputConfig
    from pipeline.url.blocklists import read_parts

    if "://" not in source:
        yield from read_parts(Path(source), Path(source).stem)
        return
    with open_input(source, InputConfig()) as fetched:
        yield from read_parts(Path(fetched.name), Path(source.partition("?")[0]).stem)
