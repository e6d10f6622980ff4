"""Other engines where the rules reject a text: the pages and words that they win, by language and type, and the cost.

The first crawl file passes the extract job's stages with the recipe `default`, with and without
`extract.fallback: [trafilatura, resiliparse]`. Types are those of the shared gold, where a page has one. The texts that
are won lie in a folder afterwards, to be read.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs import find_crawl_files, read_own_cpu
from bench.keep import read_gold

if TYPE_CHECKING:
    from pipeline.extract.page import Page

ENGINES = ["trafilatura", "resiliparse"]
TOP = 8  # rows of a table


def run(crawl: str) -> None:
    """Print the tables, and where the texts lie."""
    from pipeline.extract.job import extract_pages

    files = find_crawl_files(crawl)[:1]
    start = read_own_cpu()
    pages = list(extract_pages(files, {"extract": {"fallback": ENGINES}}))
    cost = read_own_cpu() - start
    kept = [page for page in pages if page.rejection is None]
    won = [page for page in kept if page.tried]
    tried = Counter(one.engine for page in pages for one in page.tried)
    cpu = sum(one.cpu for page in pages for one in page.tried)
    own = [page for page in kept if not page.tried]
    print(f"{len(pages):,} pages, {len(own):,} kept by gristmill with {count_words(own):,} words")
    for engine in ENGINES:
        mine = [page for page in won if page.engine == engine]
        print(f"{engine}: tried on {tried[engine]:,}, won {len(mine):,} pages with {count_words(mine):,} words")
    print(f"won: {len(won) / len(own):.1%} more pages, {count_words(won) / count_words(own):.1%} more words")
    print(f"CPU: {cpu:.1f} s for the other engines, {cost:.1f} s for all that ran in this process\n")
    types = {id: page.type for id, page in read_gold((Path(crawl).parent / "gold.jsonl.gz",)).items()}
    print_shares("language", won, kept, {page.id: page.language or "" for page in kept})
    print_shares("type", won, kept, {page.id: types.get(page.id) or "unknown" for page in kept})
    folder = Path(tempfile.mkdtemp(prefix="fallback-"))
    for number, page in enumerate(won):
        (folder / f"{number:04}.txt").write_text(f"{page.url} {page.engine}\n\n{page.text}", encoding="utf-8")
    print(f"the texts that were won are in {folder}")


def count_words(pages: "Iterable[Page]") -> int:
    """Return the words of texts, split at white space; of texts without spaces a word for each two characters."""
    return sum(max(len(text.split()), sum(ord(c) > 0x2E7F for c in text) // 2) for page in pages if (text := page.text))


def print_shares(what: str, won: "list[Page]", kept: "list[Page]", names: dict[str, str]) -> None:
    """Print pages and words that were won beside those that were kept anyway, by a name of each page."""
    print(f"{what:16} {'pages':>6} {'won':>5} {'words':>9} {'won':>9}")
    own = [page for page in kept if not page.tried]
    for name, _ in Counter(names[page.id] for page in won).most_common(TOP):
        mine, other = ([page for page in some if names[page.id] == name] for some in (own, won))
        print(f"{name:16} {len(mine):6,} {len(other):5,} {count_words(mine):9,} {count_words(other):9,}")
    print()
