"""From Wikimedia dumps to a Parquet file of the URLs that a Wikipedia refers to: who is cited, where, and how.

A page that an encyclopedia refers to was judged worth reading by somebody. Those pages are the classifier's positives
(Touvron et al. 2023, LLaMA, section 2.1).
"""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.dumps import articles, external_links, is_sql
from classifiers.errors import ClassifierError
from classifiers.files import written_whole
from classifiers.wikitext import urls
from pipeline.url.canonical import canonical_url, site

SCHEMA = pa.schema([(name, pa.string()) for name in ("url", "canonical_url", "article", "kind")])
BATCH = 1 << 16  # rows in a row group
LEFT_OUT = ("repeated", "self", "archive", "tracker", "invalid", "over the cap a site")
KINDS = ("ref", "cite", "external")  # the stronger first: an article's URL is listed once, as the strongest

# Wikimedia's own projects and tools: a link to them is not a reference
SELF_SITES = frozenset(
    "wikipedia.org wikimedia.org wikidata.org wiktionary.org wikibooks.org wikiquote.org wikisource.org wikiversity.org"
    " wikivoyage.org wikinews.org mediawiki.org wikifunctions.org wikimediafoundation.org toolserver.org wmflabs.org"
    " wmcloud.org toolforge.org wikipedia.com w.wiki".split()
)
# web archives that wrap the address of the page that they keep
ARCHIVE_SITES = frozenset(
    "web.archive.org liveweb.archive.org wayback.archive.org wayback.archive-it.org webarchive.loc.gov arquivo.pt"
    " webarchive.nationalarchives.gov.uk webcitation.org archive.wikiwix.com webcache.googleusercontent.com"
    " archive.today archive.is archive.ph archive.li archive.vn archive.fo archive.md perma.cc ghostarchive.org".split()
)
# what counts clicks, shortens addresses or lists search results: no page behind them has that address
TRACKER_SITES = frozenset(
    "bit.ly goo.gl t.co tinyurl.com ow.ly is.gd buff.ly dlvr.it fb.me amzn.to lnkd.in trib.al tiny.cc j.mp adf.ly"
    " cutt.ly rb.gy shorturl.at rebrand.ly bl.ink linktr.ee feedproxy.google.com feeds.feedburner.com doubleclick.net"
    " googleadservices.com googlesyndication.com google-analytics.com googletagmanager.com adservice.google.com"
    " awin1.com shareasale.com anrdoezrs.net dpbolvw.net jdoqocy.com kqzyfj.com tkqlhce.com linksynergy.com"
    " click.linksynergy.com prf.hn go.redirectingat.com viglink.com skimlinks.com skimresources.com outbrain.com"
    " taboola.com clickserve.dartsearch.net ad.zanox.com tradedoubler.com".split()
)
MAX_PER_SITE = 10_000  # references to one site: a link farm, or a database that half of all articles link to
SLOTS = 1 << 24  # of counts by site: 64 MB, whatever the dump; of 3 M sites one in six shares its count with another
ORDINARY = re.compile(r"https?://(?:www\.)?((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*)(?=[/?#]|$)")
SNAPSHOT = re.compile(r"/(?:\d{4,14}(?:[a-z]{2}_)?\*?|\*|newest|oldest)/+(?=\S)")  # .../<time stamp>/URL
INNER = re.compile(r"https?:/+(?=[^/])", re.IGNORECASE)
MAX_URL = 2048  # characters; longer ones are no page that a crawl holds under that address


class Link(NamedTuple):
    """A URL that an article refers to."""

    url: str
    canonical_url: str
    article: str
    kind: str


def hostname(url: str) -> str:
    """Return the lower-case host of an http(s) URL without `www.`; "" where it has none or is malformed."""
    if ordinary := ORDINARY.match(url):  # nine in ten: no port, no user, no capitals
        return ordinary[1]
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # a broken IPv6 address
        return ""
    if parts.scheme not in ("http", "https") or "." not in host.strip("."):
        return ""
    return host.removeprefix("www.")


def belongs(host: str, sites: frozenset[str]) -> bool:
    """Return whether a host is one of the sites or below one."""
    labels = host.split(".")
    return any(".".join(labels[i:]) in sites for i in range(len(labels) - 1))


def unwrap(url: str) -> str:
    """Return the page that a web archive's URL keeps, through wrappers of wrappers; "" where it does not say.

    Any other URL comes back as it is.
    """
    for _ in range(4):
        host = hostname(url)
        in_archive_org = host == "archive.org" and urlsplit(url).path.startswith(("/web/", "/wayback/"))
        if not (in_archive_org or belongs(host, ARCHIVE_SITES)):
            return url
        url = wrapped(url)
        if not url:
            return ""
    return ""


def wrapped(url: str) -> str:
    """Return the URL inside one archive URL: behind the time stamp, or the last http: in it, or its `url` parameter."""
    _, _, rest = url.partition("//")
    at = rest.find("/")
    rest = rest[at:] if at >= 0 else ""
    stamp, inner = SNAPSHOT.search(rest), INNER.search(rest)
    if inner:
        target = rest[inner.start() :]
        return re.sub(r"^(https?):/+", r"\1://", target, flags=re.IGNORECASE)
    if stamp:
        target = rest[stamp.end() :]
        if target[:10].lower().startswith(("http%3a", "https%3a")):
            return unquote(target)
        return "http://" + target if "." in target.split("/")[0] else ""
    for value in parse_qs(urlsplit(url).query).get("url", []):
        value = unquote(value)
        return value if INNER.match(value) else "http://" + value
    return ""


class SiteCap:
    """Counts references by site, in memory that does not grow: the first `most` of each pass."""

    def __init__(self, most: int):
        """Start from nothing; `most` is at least 1."""
        self.most, self.counts = most, np.zeros(SLOTS, np.uint32)

    def passes(self, url: str) -> bool:
        """Count one more of the URL's site, and return whether it is within the cap."""
        slot = (
            int.from_bytes(hashlib.blake2b(site(url).encode("utf-8", "replace"), digest_size=4).digest(), "big") % SLOTS
        )
        self.counts[slot] += 1
        return bool(self.counts[slot] <= self.most)


def links(found: Iterable[tuple[str, str]], article: str, dropped: Counter[str]) -> list[Link]:
    """Return an article's references from the `(url, kind)` found in it: each canonical URL once, as its strongest.

    `dropped` counts what is left out: self, archive (that does not say of what), tracker, invalid, repeated.
    """
    best: dict[str, Link] = {}
    seen: dict[str, Link] = {}  # by the URL as it is written, which is cheaper than what it means
    for written, kind in found:
        known = seen.get(written)
        if known and KINDS.index(kind) >= KINDS.index(best[known.canonical_url].kind):
            dropped["repeated"] += 1
            continue
        url = unwrap(written)
        host = hostname(url)
        if not url:
            dropped["archive"] += 1
        elif not host or len(url) > MAX_URL:
            dropped["invalid"] += 1
        elif belongs(host, SELF_SITES):
            dropped["self"] += 1
        elif belongs(host, TRACKER_SITES):
            dropped["tracker"] += 1
        else:
            key = canonical_url(url)
            known = best.setdefault(key, Link(url, key, article, kind))
            seen[written] = known
            if KINDS.index(kind) < KINDS.index(known.kind):
                best[key] = known._replace(kind=kind)
            dropped["repeated"] += known.url is not url
    return list(best.values())


def dump_links(path: Path, counts: Counter[str], cap: SiteCap | None = None) -> Iterator[Link]:
    """Yield the references of one dump, XML or SQL, in its order; `counts` counts articles, kinds and what is dropped.

    SQL dumps have neither kinds nor titles: all is `external`, and `article` is the page's number.
    """
    found: Iterator[tuple[str, Iterable[tuple[str, str]]]]
    if is_sql(path):
        rows = groupby(external_links(path), key=lambda row: row[0])
        found = ((article, ((url, "external") for _, url in group)) for article, group in rows)
    else:
        found = ((title, urls(text)) for title, text in articles(path))
    for article, pairs in found:
        counts["articles"] += 1
        for link in links(pairs, article, counts):
            if cap and not cap.passes(link.url):
                counts["over the cap a site"] += 1
                continue
            counts[link.kind] += 1
            yield link


def write_references(dumps: list[Path], output: Path, max_per_site: int = MAX_PER_SITE) -> str:
    """Write the references of all dumps to a Parquet file and return a summary of one line.

    Of each site the first `max_per_site` are taken, in all dumps together.

    The dumps are read in the order of their names, so that the order given does not matter; memory does not grow with
    their size. Raises ClassifierError or OSError; then nothing is written.
    """
    counts: Counter[str] = Counter()
    start, cap = time.monotonic(), SiteCap(max_per_site)
    with written_whole(output) as partial, pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
        rows: list[Link] = []
        for path in sorted(dumps, key=lambda p: (p.name, str(p))):
            for link in dump_links(path, counts, cap):
                rows.append(link)
                if len(rows) == BATCH:
                    writer.write_table(table(rows))
                    rows.clear()
        writer.write_table(table(rows))
        if not sum(counts[kind] for kind in KINDS):
            names = ", ".join(str(path) for path in dumps)
            raise ClassifierError(f"{names}: no reference to any page in {counts['articles']:,} articles")
    found = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS)
    left = ", ".join(f"{counts[name]:,} {name}" for name in LEFT_OUT)
    seconds = time.monotonic() - start
    total = sum(counts[kind] for kind in KINDS)
    return f"{total:,} references of {counts['articles']:,} articles ({found}); left out: {left}; {seconds:.1f} s"


def table(rows: list[Link]) -> pa.Table:
    """Return rows as an Arrow table of SCHEMA."""
    return pa.table({name: [getattr(row, name) for row in rows] for name in SCHEMA.names}, schema=SCHEMA)
