"""The articles of a Wikipedia dump as plain text: clean texts for the end of training (`publish.extra_anneal_sources`).

What a reader sees, roughly: without templates, tables, references, pictures, and without the lists that end an article.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.dumps import articles
from classifiers.files import written_whole

SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "url", "title", "language", "text")])
ROWS = 1000  # in memory at a time
SHORTEST = 200  # characters: redirects, disambiguations and stubs of a line are no texts
# Category links of the larger editions; group 1 is the category.
CATEGORY = re.compile(
    r"\[\[\s*(?:category|kategorie|catégorie|categoría|categoria|kategoria|categorie|категория|カテゴリ|分类)\s*:"
    r"\s*([^\[\]|]+)",
    re.IGNORECASE,
)
REDIRECT = re.compile(r"\s*#\s*\w+[^\n]*\[\[")
TEMPLATE = re.compile(r"\{\{[^{}]*\}\}")
DEPTH = 8  # templates within templates, links within a picture's caption
# What is no prose, innermost first. A link keeps what a reader sees of it; one with a name space, a picture say, goes.
MARKUP = (
    (re.compile(r"<!--.*?-->|<ref[^<>]*/>|<ref.*?</ref>|<math.*?</math>", re.DOTALL | re.IGNORECASE), " "),
    (re.compile(r"<[^<>]*>|^\{\|.*?^\|\}", re.DOTALL | re.MULTILINE), " "),
)
PLAIN_LINK = re.compile(r"\[\[(?![^\[\]|:]*:)(?:[^\[\]|]*\|)*([^\[\]|]*)\]\]")
OTHER_LINK = re.compile(r"\[\[:?[^\[\]|:]*:[^\[\]]*\]\]")
MARKS = (
    (re.compile(r"\[\w+://\S*\s*([^\[\]]*)\]"), r"\1"),
    (re.compile(r"'{2,}|^[*#:;]+|\[\[|\]\]|\{\{|\}\}|\|\|", re.MULTILINE), ""),  # unbalanced ones too
)
HEADING = re.compile(r"^=+\s*(.*?)\s*=+\s*$", re.MULTILINE)
# Headings of the lists that end an article, in the larger editions.
ENDS = frozenset(
    heading.strip()
    for heading in """
    see also|references|external links|notes|further reading|bibliography|sources|footnotes|citations
    siehe auch|einzelnachweise|weblinks|literatur|quellen|voir aussi|notes et références|liens externes|bibliographie
    véase también|referencias|enlaces externos|bibliografía|note|altri progetti|collegamenti esterni|voci correlate
    ver também|referências|ligações externas|см. также|примечания|ссылки|литература|zobacz też|przypisy
    linki zewnętrzne|zie ook|externe links|脚注|関連項目|外部リンク|参考文献|参考资料|外部链接|参见""".replace(
        "\n", "|"
    ).split("|")
)


def prose(wikitext: str) -> str:
    """Return an article's text, a paragraph or heading a line; "" for a redirect."""
    if REDIRECT.match(wikitext):
        return ""
    for _ in range(DEPTH):
        wikitext, removed = TEMPLATE.subn(" ", wikitext)
        if not removed:
            break
    for pattern, kept in MARKUP:
        wikitext = pattern.sub(kept, wikitext)
    for _ in range(DEPTH):  # innermost first: a caption's links before its picture
        wikitext, plain = PLAIN_LINK.subn(r"\1", wikitext)
        wikitext, others = OTHER_LINK.subn(" ", wikitext)
        if not plain + others:
            break
    for pattern, kept in MARKS:
        wikitext = pattern.sub(kept, wikitext)
    return "\n".join(line for line in (line.strip() for line in kept_lines(wikitext)) if line)


def kept_lines(text: str) -> Iterator[str]:
    """Yield the lines of an article whose marks are gone, headings bare, up to the lists that end it."""
    waiting = ""  # a heading is said once something follows it
    for line in text.splitlines():
        if heading := HEADING.match(line):
            if heading[1].lower() in ENDS:
                return
            waiting = heading[1]
        elif line.strip():
            if waiting:
                yield waiting
                waiting = ""
            yield line


def write_articles(dumps: Iterable[Path], target: Path, language: str) -> str:
    """Write a Parquet of id, url, title, language and text, an article a row. Returns one line.

    `language` is the edition's code, as in its host name. Raises DumpError, OSError.
    """
    rows: list[dict[str, str]] = []
    written = short = 0
    with written_whole(target) as partial, pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
        for path in dumps:
            for title, wikitext in articles(path):
                text = prose(wikitext)
                if len(text) < SHORTEST:
                    short += 1
                    continue
                url = f"https://{language}.wikipedia.org/wiki/{quote(title.replace(' ', '_'))}"
                rows.append({"id": url, "url": url, "title": title, "language": language, "text": f"{title}\n{text}"})
                written += 1
                if len(rows) == ROWS:
                    writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
                    rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    return f"{written:,} articles in {target}; {short:,} redirects and others under {SHORTEST} characters left out"
