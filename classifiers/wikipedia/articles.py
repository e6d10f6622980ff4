"""Convert the articles of a Wikipedia dump to plain text, for example as curated texts for the end of training.

The result is roughly the text that a reader sees. Templates that show words keep them, and formulas are LaTeX. Other
templates, tables, references, pictures and the lists at the end of an article are removed.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.output_files import replace_file_atomically
from classifiers.wikipedia.dumps import read_dump_articles
from classifiers.wikipedia.plain_text import read_wikitext

ARTICLE_SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "url", "title", "language", "text")])
ROW_GROUP = 1000  # rows
MIN_CHARACTERS = 200  # shorter articles are redirects, disambiguation pages and stubs of one line
# Category links of the larger editions. Group 1 is the category.
CATEGORY = re.compile(
    r"\[\[\s*(?:category|kategorie|catégorie|categoría|categoria|kategoria|categorie|категория|カテゴリ|分类)\s*:"
    r"\s*([^\[\]|]+)",
    re.IGNORECASE,
)
REDIRECT = re.compile(r"\s*#\s*\w+[^\n]*\[\[")
LIST_MARKS = re.compile(r"^[*#:;]+[^\S\n]*", re.MULTILINE)
HEADING = re.compile(r"^=+\s*(.*?)\s*=+\s*$", re.MULTILINE)
# Headings of the lists at the end of an article, in the larger editions.
FINAL_HEADINGS = frozenset(
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


def extract_prose(wikitext: str) -> str:
    """Return the text of an article, one paragraph or heading a line; "" for a redirect."""
    if REDIRECT.match(wikitext):
        return ""
    text = LIST_MARKS.sub("", read_wikitext(wikitext))
    return "\n".join(line for line in (line.strip() for line in select_prose_lines(text)) if line)


def select_prose_lines(text: str) -> Iterator[str]:
    """Yield the lines of an article without marks, with bare headings, up to the lists at its end."""
    waiting = ""  # a heading is yielded only when text follows it
    for line in text.splitlines():
        if heading := HEADING.match(line):
            if heading[1].lower() in FINAL_HEADINGS:
                return
            waiting = heading[1]
        elif line.strip():
            if waiting:
                yield waiting
                waiting = ""
            yield line


def write_articles(dumps: Iterable[Path], target: Path, language: str) -> str:
    """Write a Parquet file with id, url, title, language and text, one row an article. Returns a summary of one line.

    `language` is the code of the edition, as in its host name. Raises DumpError, OSError.
    """
    rows: list[dict[str, str]] = []
    written = short = 0
    with (
        replace_file_atomically(target) as partial,
        pq.ParquetWriter(partial, ARTICLE_SCHEMA, compression="zstd") as writer,
    ):
        for path in dumps:
            for title, wikitext in read_dump_articles(path):
                text = extract_prose(wikitext)
                if len(text) < MIN_CHARACTERS:
                    short += 1
                    continue
                url = f"https://{language}.wikipedia.org/wiki/{quote(title.replace(' ', '_'))}"
                rows.append({"id": url, "url": url, "title": title, "language": language, "text": f"{title}\n{text}"})
                written += 1
                if len(rows) == ROW_GROUP:
                    writer.write_table(pa.Table.from_pylist(rows, ARTICLE_SCHEMA))
                    rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, ARTICLE_SCHEMA))
    return (
        f"{written:,} articles in {target}; {short:,} redirects and others under {MIN_CHARACTERS} characters left out"
    )
