"""Make pages that repeat other pages: mirrors, near duplicates, print versions, and variants of a URL."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

from demo.content import Block
from demo.render import render_page
from demo.seed import make_generator
from demo.site import Page, Site, build_page_url, make_slug

# Words that can be replaced without a change of meaning. A near duplicate replaces a few of them.
SWAPS = {
    "about": "around",
    "often": "frequently",
    "because": "since",
    "large": "big",
    "shows": "reveals",
    "only": "just",
    "began": "started",
    "although": "though",
    "nearly": "almost",
    "still": "even now",
    "many": "numerous",
    "und": "sowie",
    "heute": "inzwischen",
    "kaum": "wenig",
    "vor": "vor etwa",
    "aujourd'hui": "désormais",
    "encore": "toujours",
    "mais": "cependant",
    "avec": "en compagnie de",
    "très": "fort",
    "dans": "au sein de",
    "hoy": "actualmente",
    "muy": "bastante",
    "también": "asimismo",
    "pero": "sin embargo",
    "desde": "a partir de",
    "aber": "jedoch",
    "auch": "ebenfalls",
    "sehr": "ausgesprochen",
    "mit": "samt",
    "pour": "afin de",
}
# One replaced word changes five 5-grams. An edit every 60 words gives a Jaccard similarity of about .85, every 140
# words about .93.
WORDS_PER_EDIT = (60, 140)


def _edit(text: str, edits: int, rng: random.Random) -> tuple[str, int]:
    words = text.split(" ")
    places = [n for n, word in enumerate(words) if word in SWAPS]
    rng.shuffle(places)
    for place in places[:edits]:
        words[place] = SWAPS[words[place]]
    return " ".join(words), min(edits, len(places))


def edit_blocks(blocks: list[Block], rng: random.Random) -> list[Block]:
    """Return the blocks with a few words replaced or years changed by one, as in syndicated texts."""
    words = sum(len(block.text.split()) for block in blocks)
    left = max(1, words // rng.randint(*WORDS_PER_EDIT))
    result = list(blocks)
    places = [n for n, block in enumerate(blocks) if block.kind == "p"] * 2
    rng.shuffle(places)
    for place in places:
        if left == 0:
            break
        old = result[place].text
        text, done = _edit(old, 1, rng)
        if not done:
            text = re.sub(r"\b(1[5-9]\d\d|20\d\d)\b", lambda m: str(int(m[1]) + 1), old, count=1)
        result[place] = replace(result[place], text=text)
        left -= text != old
    return result


def _copy(source: Page, site: Site, rng: random.Random, style: str, fate: str, blocks: list[Block]) -> Page:
    number = rng.randint(10_000, 99_000)
    url = build_page_url(site, source.title, number, source.published)
    return Page(
        url,
        site,
        style,
        source.title,
        number,
        source.published,
        blocks,
        fate,
        source.url,
        byline=source.byline,
        language=source.language,
        related=[("/", site.name)],
    )


def _variant(source: Page, url: str, fate: str, **changes: Any) -> Page:
    return replace(source, url=url, fate=fate, of=source.url, style=fate, **changes)


def make_duplicates(originals: list[Page], sites: list[Site]) -> list[Page]:
    """Return copies of pages on the sites with style `syndication` or `mirror`, and variants of pages' own URLs."""
    syndication, mirrors = ([site for site in sites if site.style == style] for style in ("syndication", "mirror"))
    rng = make_generator("doubles")
    english, other = _draw_sources(originals, rng)
    made = [
        _syndicate(source, syndication[n % len(syndication)], rng) for n, source in enumerate(english[:20] + other[:8])
    ]
    # Press releases: four sites publish each one with edits of their own, which gives clusters of five pages.
    made += [_syndicate(source, site, rng) for source in english[56:59] for site in [*syndication, *mirrors]]
    made += [_mirror(source, mirrors[n % len(mirrors)], rng, n % 2 == 0) for n, source in enumerate(english[20:32])]
    made += [_vary_url(source, n) for n, source in enumerate(english[32:46])]
    for source in english[46:56]:
        url = f"{source.url}{_query_join(source.url)}print=1"
        made.append(_variant(source, url, "printer", layout="print", comments=[]))
    return made


def _draw_sources(originals: list[Page], rng: random.Random) -> tuple[list[Page], list[Page]]:
    """Return pages of prose to copy, in a random order: English ones, and German, French and Spanish ones."""
    styles = ("encyclopedia", "news", "blog", "essay")
    prose = [page for page in originals if page.fate == "keep" and page.style in styles]
    pool = rng.sample(prose, len(prose))
    return (
        [page for page in pool if page.language == "en"],
        [page for page in pool if page.language in ("de", "fr", "es")],
    )


def _syndicate(source: Page, site: Site, rng: random.Random) -> Page:
    return _copy(source, site, rng, "syndication", "near-duplicate", edit_blocks(source.blocks, rng))


def _mirror(source: Page, site: Site, rng: random.Random, same_bytes: bool) -> Page:
    """Copy a page, either with the same bytes or inside the layout of the mirror."""
    copy = _copy(source, site, rng, "mirror", "exact-duplicate", list(source.blocks))
    copy.layout = source.layout
    if same_bytes:
        copy.body = render_page(source).encode(source.charset)
    return copy


def _vary_url(source: Page, number: int) -> Page:
    """Return a page under another URL: with a tracking parameter, www, a fragment or the other scheme."""
    join = _query_join(source.url)
    scheme, _, rest = source.url.partition("://")
    host = rest.removeprefix("www.") if rest.startswith("www.") else f"www.{rest}"
    urls = [
        f"{source.url}{join}utm_source=newsletter&utm_medium=email",
        f"{scheme}://{host}",
        f"{source.url}#comments",
        f"{source.url}{join}fbclid=IwAR{make_slug(source.title)[:8]}{source.number}",
        f"{'http' if scheme == 'https' else 'https'}://{rest}",
    ]
    return _variant(source, urls[number % len(urls)], "url-duplicate")


def _query_join(url: str) -> str:
    return "&" if "?" in url else "?"
