"""Describe the sample: `expected.json` for the tests, and the README with its tables."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

from demo.seed import make_generator
from demo.site import Page

PROSE = ("encyclopedia", "news", "blog", "forum", "shop", "docs", "recipe", "government", "faq", "personal", "essay")
FATES = {
    "keep": "ordinary pages with original text of good or medium quality",
    "near-duplicate": "the page at `of` with a few other words, on another site",
    "exact-duplicate": "the text of the page at `of`, on another site",
    "url-duplicate": "the page at `of` under a variant of its URL: tracking parameter, www, scheme or fragment",
    "printer": "the print version of the page at `of`, on the same site",
    "boilerplate": "only menus and notices: login, consent wall, or not found with status 200",
    "listing": "titles, prices and teasers",
    "spam": "keyword stuffing and link farms",
    "repeated": "a few lines that repeat",
    "lorem": "filler text",
    "policy": "only a privacy or cookie policy",
    "short": "too little text",
    "numbers": "a table of numbers",
    "hashtags": "tags instead of sentences",
    "points": "only a list with one or two words an entry",
    "codes": "part numbers without any sentences",
    "blocked-url": "a URL that URL rules drop",
    "noindex": "asks not to be indexed, by a meta tag or a header",
    "noai": "asks not to be used for training, by a meta tag or a header",
    "tdm-reserved": "reserves text and data mining, by a meta tag or a header",
    "non-html": "PDF, image, JSON, plain text or feed",
    "redirect": "status 301 or 302",
    "error-status": "status 404, 410, 500 or 503",
    "revisit": "a revisit record, not a response",
    "truncated": "a record with WARC-Truncated: the text ends early",
    "cut": "the file ends inside this record",
}


def choose_referenced(pages: list[Page]) -> list[str]:
    """Return the URLs that the Wikipedia export refers to: the share `cite` of the pages of each site."""
    chosen: list[str] = []
    by_host: dict[str, list[Page]] = {}
    for page in pages:
        if page.fate == "keep" and page.site.cite and page.status == 200:
            by_host.setdefault(page.site.host, []).append(page)
    for host in sorted(by_host):
        group = sorted(by_host[host], key=lambda page: page.url)
        rng = make_generator("cite", host)
        chosen += [page.url for page in rng.sample(group, round(group[0].site.cite * len(group)))]
    return chosen


def describe_sample(
    pages: list[Page], places: list[tuple[str, int]], types: dict[str, int], size: int
) -> dict[str, Any]:
    """Return the content of `expected.json`. The counts cover the complete records. `pages` ends with the cut one."""
    records = dict(sorted(types.items()))
    records["response"] -= 1
    records["metadata"] -= 1
    return {
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "warc": {"bytes": size, "records": records, "cut_offset": places[-1][1]},
        "fates": FATES,
        "counts": {
            "fate": _count(page.fate for page in pages),
            "style": _count(page.style for page in pages),
            "language": _count(page.language for page in pages if page.mime == "text/html"),
            "sites": len({page.site.host for page in pages}),
        },
        "referenced": choose_referenced(pages),
        "pages": [
            {
                "url": page.url,
                "record_id": record_id,
                "offset": offset,
                "style": page.style,
                "language": page.language,
                "fate": page.fate,
                **({"of": page.of} if page.of else {}),
                "status": page.status,
                "words": len(page.text.split()),
            }
            for page, (record_id, offset) in zip(pages, places, strict=True)
        ],
    }


def _count(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def format_readme(facts: dict[str, Any]) -> str:
    """Return the README of the demo, with tables of the content of the sample."""
    counts, warc = facts["counts"], facts["warc"]
    pages, records = sum(counts["fate"].values()), sum(warc["records"].values())
    cross: Counter[tuple[str, str]] = Counter((page["style"], page["fate"]) for page in facts["pages"])
    return README.format(
        pages=pages,
        sites=counts["sites"],
        records=records,
        references=len(facts["referenced"]),
        types=_format_table(("record type", "records"), warc["records"].items()),
        fates=_format_table(("fate", "pages", "what it is"), [(k, n, FATES[k]) for k, n in counts["fate"].items()]),
        styles=_format_table(
            ("style", "pages", "fates"),
            [
                (style, n, ", ".join(f"{fate} {m}" for (s, fate), m in sorted(cross.items()) if s == style))
                for style, n in counts["style"].items()
            ],
        ),
        languages=_format_table(("language", "HTML pages"), counts["language"].items()),
    )


def _format_table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


README = """# demo/

`make demo` runs the whole pipeline on a sample crawl. `python -m demo` does the same in an environment that is set up.
It prints every command before it runs it, and writes to `demo/out/`.

## The sample crawl

`sample.warc.gz` holds {pages} captures of {sites} invented sites, in the format of Common Crawl: {records} complete
records, each in its own gzip member, under 3 MB in total. `wiki.xml.bz2` is a small MediaWiki export. Its articles
refer to {references} of the pages, so that the quality classifier can be trained on the sample. `expected.json`
describes every page and the expected result for it.

A generator writes these files and this README. The same version of zlib gives the same bytes:

    python -m demo.generate

Nothing was fetched, and no such site exists. Hosts end in `.example` or `.test`. E-mail addresses and telephone, card
and account numbers are reserved for documentation and tests. The sentences in `text/LANGUAGE/*.txt` were written by
hand, with alternatives and slots; `grammar.py` explains the format. `sites.yaml` lists the sites, and `layouts/` holds
their HTML.

## To change the sample

Add a stock of sentences or a site, run the generator, and commit its output. A test compares the files with what the
generator writes. Every part draws from its own random generator (`seed.py`), so a change of one part leaves the others
as they are.

| file | what it does |
| --- | --- |
| `generate.py` | writes the four files |
| `crawl.py` | puts all pages together in the order of the crawl |
| `grammar.py`, `content.py` | compose texts from the stocks of sentences |
| `duplicates.py`, `junk.py`, `special_captures.py` | make copies, low-quality pages and special cases |
| `site.py`, `render.py`, `serve.py`, `warc.py` | turn pages into HTML, HTTP responses and WARC records |
| `wikipedia.py`, `report.py` | make the MediaWiki export, `expected.json` and this README |

## Records

{types}

The file ends in the middle of the last response record, as after a broken download.

## Expected results

`fate` in `expected.json` says what a page is an example of. It does not bind a recipe: a recipe may keep a short page,
or drop a page of documentation because of its code.

{fates}

## Styles

{styles}

## Languages

{languages}
"""
