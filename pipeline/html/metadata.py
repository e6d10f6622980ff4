"""A page's own statements about itself: title, author, date, canonical address, licence. Cheap: the head, no DOM.

The head is scanned once, tag by tag, in time linear in its length: comments, scripts and styles are jumped over, and
`<body` ends it. Only JSON-LD and the licence are also looked for in the whole page.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import date
from itertools import chain
from typing import NamedTuple
from urllib.parse import urljoin

from pipeline.text.entities import unescape_entities
from pipeline.text.invisible import escape_controls

HEAD_LIMIT = 300_000  # characters: heads with inlined styles reach 200 kB; beyond that a missing <body> is to blame
ATTRIBUTE_LIMIT = 4_000  # characters of one attribute; a longer one is an unclosed quote or a data: address
INTERESTING = re.compile(
    r"<(?:(!--)|(script|style|noscript|template|textarea|title)(?=[\s/>])|(body)(?=[\s/>])|(meta|link)(?=[\s/>]))", re.I
)
COMMENT, RAW, BODY, TAG = 1, 2, 3, 4  # its groups
ATTRIBUTE = re.compile(
    r"[\s/]*([^\s=>\"'/]{1,100})(?:\s*=\s*(?:\"([^\"]{0,N})\"|'([^']{0,N})'|([^\s>\"']{1,N})))?".replace(
        "N", str(ATTRIBUTE_LIMIT)
    )
)
DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:([-/.])(\d\d?)\2(\d\d?)|(\d\d)(\d\d))(?!\d)")
URL_DATE = re.compile(r"/((?:19|20)\d\d)[-/](0?[1-9]|1[0-2])[-/](0?[1-9]|[12]\d|3[01])(?=[-/_.]|$)")
CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/((?:licenses|publicdomain)/[a-z+-]{2,20}/\d\.\d(?:/[a-z]{2}(?![a-z]))?)", re.I
)
CC_HOST = "creativecommons.org/"
JSON_LD = "application/ld+json"
REST_OF_TAG = re.compile(r"[^>]{0,200}>")
REST_OF_END = re.compile(r"[^>]{0,100}>?")
PLAIN_LINK = re.compile("https?://[a-z0-9.-]+/[A-Za-z0-9_~%/+-]*")  # which is the same when it is resolved
MAX_LINK = 2000  # characters of a canonical link, and of the address that it is resolved against
MAX_JSON_LD = 20  # scripts; a shop's page has one for each thing that it sells
LICENCE_LINK = re.compile(r"<(?:a|link)\s[^<>]{0,600}?\brel\s*=\s*[\"']?license\b[^<>]{0,600}", re.I)

TITLES = ("og:title", "twitter:title", "dc.title", "dcterms.title", "citation_title")
AUTHORS = ("author", "article:author_name", "dc.creator", "dcterms.creator", "citation_author", "parsely-author", "byl")
DATES = (
    "article:published_time", "og:published_time", "datepublished", "citation_publication_date", "citation_date",
    "dc.date.issued", "dcterms.issued", "dc.date", "dcterms.date", "parsely-pub-date", "pubdate", "publishdate",
    "publication_date", "date",
)  # fmt: skip
# Parts of all names above, and of the relations of links that are read: what a tag without any of them says is not.
WANTED = ("title", "author", "creator", "byl", "date", "issued", "publish", "canonical", "license")


class HeadTag(NamedTuple):
    """A tag of the head: name and attributes in lower case, of a title only its content, `text`."""

    name: str
    attributes: dict[str, str]
    text: str = ""


class PageMetadata(NamedTuple):
    """What a page says of itself; "" where it says nothing. `date` is YYYY-MM-DD."""

    title: str
    author: str
    date: str
    canonical: str
    licence: str


def read_head_tags(html: str, wanted: tuple[str, ...]) -> Iterator[HeadTag]:
    """Yield the title, meta and link tags of a page's head, in order. Linear time; never raises.

    Most meta and link tags without any of the `wanted` words, in lower case, are left out.
    """
    position, end = 0, min(len(html), HEAD_LIMIT)
    while match := INTERESTING.search(html, position, end):
        kind, start = match.lastindex or 0, match.end()
        if kind == BODY:
            return
        if kind == COMMENT:
            closing = html.find("-->", match.start() + 2, end)  # "<!-->" is a whole comment
            position = closing + 3 if closing >= 0 else end
            continue
        simple_end = _find_simple_end(html, start, end)
        if kind == TAG:
            position = _skip_tag(html, start, simple_end, wanted)
            if not position:
                attributes, position = _read_attributes(html, start, end)
                yield HeadTag(match[TAG].lower(), attributes)
            continue
        name = match[RAW].lower()
        position = simple_end or _read_attributes(html, start, end)[1]
        if name == "noscript":
            continue  # its tags are the page's own where scripts do not run, as for us
        closing, stop = _find_end(html, name, position, end)
        if stop > closing and name == "title":
            yield HeadTag(name, {}, html[position:closing])
        position = stop


def _find_simple_end(html: str, start: int, end: int) -> int:
    """Return where a tag ends whose attributes need not be read for it; 0 for another.

    With pairs of double quotes alone before it, the first ">" is the end: it is in no value.
    """
    closing = html.find(">", start, min(start + ATTRIBUTE_LIMIT, end))
    if closing < 0 or html.find("'", start, closing) >= 0 or html.count('"', start, closing) % 2:
        return 0
    return closing + 1


def _skip_tag(html: str, start: int, simple_end: int, wanted: tuple[str, ...]) -> int:
    """Return where a tag ends that has none of the words; 0 for one whose attributes must be read.

    An entity may be a letter.
    """
    text = html[start:simple_end].lower() if simple_end else "&"
    if "&" in text:
        return 0
    for word in wanted:
        if word in text:
            return 0
    return simple_end


def _find_end(html: str, name: str, start: int, end: int) -> tuple[int, int]:
    """Return where the text of a raw element ends, and where its closing tag does; the limit if it has none."""
    at = html.find("</", start, end)
    while at >= 0:
        after = at + 2 + len(name)
        if html[at + 2 : after].lower() == name and after <= end:
            rest = REST_OF_END.match(html, after, end)
            return at, rest.end() if rest else after
        at = html.find("</", at + 2, end)
    return end, end


def _read_attributes(html: str, position: int, end: int) -> tuple[dict[str, str], int]:
    """Read a tag's attributes (the first of a name wins) and return them with the position after its `>`."""
    attributes: dict[str, str] = {}
    while position < end:
        match = ATTRIBUTE.match(html, position, end)
        if not match:
            break
        name, double, single, bare = match.groups()
        value = double or single or bare or ""
        attributes.setdefault(name.lower(), (unescape_entities(value) if "&" in value else value).strip())
        position = match.end()
    closing = html.find(">", position, end)
    return attributes, closing + 1 if closing >= 0 else end


class HeadStatements(NamedTuple):
    """What the tags of a page's head say: the title, the canonical link, the licence link, and meta tags by name."""

    title: str
    canonical: str
    licence: str
    meta: dict[str, str]


def _read_head(html: str) -> HeadStatements:
    """Return what the head's tags say; the first of a kind counts."""
    title = canonical = licence = ""
    meta: dict[str, str] = {}
    for tag in read_head_tags(html, WANTED):
        attributes = tag.attributes
        if tag.name == "title":
            title = title or unescape_entities(tag.text)
        elif tag.name == "meta":
            key = attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or ""
            if attributes.get("content"):
                meta.setdefault(key.lower(), attributes["content"])
        elif tag.name == "link":
            relations = attributes.get("rel", "").lower().split()
            if "canonical" in relations:
                canonical = canonical or attributes.get("href", "")
            if "license" in relations:
                licence = licence or attributes.get("href", "")
    return HeadStatements(title, canonical, licence, meta)


def extract_metadata(html: str, url: str) -> PageMetadata:
    """Return what the page says of itself. Deterministic: nothing depends on today's date. Never raises."""
    head = _read_head(html)
    linked = [item for script in find_json_ld_scripts(html) for item in parse_json_ld(script)]
    author = _first_value(head.meta, AUTHORS) or next(filter(None, map(_read_ld_author, linked)), "")
    dates = [head.meta[name] for name in DATES if name in head.meta]
    dates += [str(item["datePublished"]) for item in linked if "datePublished" in item]
    return PageMetadata(
        title=_clean_line(_first_value(head.meta, TITLES[:1]) or head.title or _first_value(head.meta, TITLES)),
        author="" if "://" in author else _clean_line(author),
        date=next(filter(None, map(_find_iso_date, dates)), "") or _find_iso_date(_find_url_date(url)),
        canonical=_resolve_link(head.canonical, url),
        licence=_find_licence(html, head.licence or next(filter(None, map(_read_ld_licence, linked)), "")),
    )


def _first_value(meta: dict[str, str], names: tuple[str, ...]) -> str:
    return next((meta[name] for name in names if meta.get(name)), "")


def _clean_line(text: str) -> str:
    """One line without control characters, at most 500 characters."""
    text = text[:2000]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())[:500]


def find_json_ld_scripts(html: str) -> Iterator[str]:
    """Yield the texts of the JSON-LD scripts of a whole page, the first few."""
    position = 0
    for _ in range(MAX_JSON_LD):
        opening = None
        while opening is None:
            position = html.find(JSON_LD, position)
            if position < 0:
                return
            position += len(JSON_LD)
            opening = REST_OF_TAG.match(html, position)
        position, after = _find_end(html, "script", opening.end(), len(html))
        if after == position:  # never closed
            return
        yield html[opening.end() : position]


def parse_json_ld(text: str) -> list[dict[str, object]]:
    """Return the objects of a JSON-LD script: the top ones, those of a list, and those of an @graph."""
    try:
        found = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return []
    objects = found if isinstance(found, list) else [found]
    graphs = [item["@graph"] for item in objects if isinstance(item, dict) and isinstance(item.get("@graph"), list)]
    return [item for item in chain(objects, *graphs) if isinstance(item, dict)]


def _read_ld_author(item: dict[str, object]) -> str:
    authors = item.get("author")
    authors = authors if isinstance(authors, list) else [authors]
    names = [author.get("name") if isinstance(author, dict) else author for author in authors]
    return ", ".join(name for name in names if isinstance(name, str))


def _read_ld_licence(item: dict[str, object]) -> str:
    licence = item.get("license")
    return licence if isinstance(licence, str) and CC_HOST in licence else ""


def _find_iso_date(text: str) -> str:
    """Return the first day named in `text` as YYYY-MM-DD, or ""."""
    for match in DATE.finditer(text[:200]):
        year, month, day = (int(part) for part in match.groups() if part and part.isdigit())
        with contextlib.suppress(ValueError):  # no such day
            return date(year, month, day).isoformat()
    return ""


def _find_url_date(url: str) -> str:
    match = URL_DATE.search(url)
    return "{}-{:0>2}-{:0>2}".format(*match.groups()) if match else ""


def _resolve_link(address: str, url: str) -> str:
    """Resolve a canonical link against the page's own address; "" for what is no web address."""
    if PLAIN_LINK.fullmatch(address[: MAX_LINK + 1]):
        return address[:MAX_LINK]
    try:
        address = urljoin(url[:MAX_LINK], address[:MAX_LINK]) if address else ""
    except ValueError:
        return ""
    return escape_controls(address[:MAX_LINK]) if address.startswith(("http://", "https://")) else ""


def _find_licence(html: str, linked: str) -> str:
    """Return the licence address: a rel=license link's, else the only Creative Commons licence that the page names."""
    if CC_HOST in linked.lower() or (linked and "://" in linked):
        return _find_creative_commons(linked) or escape_controls(linked[:500])
    if CC_HOST not in html:
        return ""
    marked = [_find_creative_commons(match[0]) for match in LICENCE_LINK.finditer(html)]
    named = {f"https://{CC_HOST}{match[1].lower()}/" for match in CREATIVE_COMMONS.finditer(html)}
    # two licences and no mark: a page of credits, which says nothing of the page itself
    return next(filter(None, marked), "") or (named.pop() if len(named) == 1 else "")


def _find_creative_commons(text: str) -> str:
    match = CREATIVE_COMMONS.search(text)
    return f"https://{CC_HOST}{match[1].lower()}/" if match else ""
