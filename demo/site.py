"""The sites and pages of the sample crawl."""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import yaml

from demo.content import Block, join_block_texts

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Site:
    """A site of `sites.yaml`: its layout, its pages (number by stock) and how it serves them."""

    host: str
    name: str
    layout: str
    style: str
    language: str = "en"
    path: str = "/{slug}"
    pages: dict[str, int] = field(default_factory=dict)
    cite: float = 0.0
    headings: bool = True
    comments: bool = False
    charset: str = "utf-8"
    charset_in: str = "both"
    scheme: str = "https"
    tagline: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    head: str = ""
    fate: str = "keep"


@dataclass
class Page:
    """A response of the crawl.

    `fate` is the expected result, as in `expected.json`. `of` is the URL that the page repeats. `body` replaces the
    rendered HTML.
    """

    url: str
    site: Site
    style: str
    title: str
    number: int
    published: date
    blocks: list[Block] = field(default_factory=list)
    fate: str = "keep"
    of: str | None = None
    layout: str = ""
    head: str = ""
    byline: str = ""
    comments: list[tuple[str, str]] = field(default_factory=list)
    related: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    mime: str = "text/html"
    body: bytes | None = None
    charset: str = ""
    charset_in: str = ""
    wire: str = ""
    warc: dict[str, str] = field(default_factory=dict)
    language: str = ""

    def __post_init__(self) -> None:
        self.language = self.language or self.site.language
        self.layout = self.layout or self.site.layout
        self.charset = self.charset or self.site.charset
        self.charset_in = self.charset_in or self.site.charset_in
        if self.fate == "keep":
            self.fate = self.site.fate

    @property
    def text(self) -> str:
        """The title and the main text, one line a paragraph."""
        return f"{self.title}\n{join_block_texts(self.blocks)}"


def load_sites() -> list[Site]:
    """Return the sites of `sites.yaml`, in its order."""
    rows = yaml.safe_load((HERE / "sites.yaml").read_text(encoding="utf-8"))
    return [Site(**row) for row in rows]


def make_slug(title: str) -> str:
    """Return a title as part of a URL: ASCII letters, digits and hyphens; "" for scripts that do not fold to ASCII."""
    folded = unicodedata.normalize("NFKD", title.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", folded.lower()))[:60].strip("-")


def build_page_url(site: Site, title: str, number: int, published: date) -> str:
    """Return the URL of a page by the path pattern of its site."""
    path = site.path.format(
        slug=make_slug(title) or str(number), id=number, year=published.year, month=f"{published.month:02d}"
    )
    return f"{site.scheme}://{site.host}{path}"


def draw_date(rng: random.Random, first: int = 2009, last: int = 2023) -> date:
    """Return a day between 1 January of year `first` and 28 December of year `last`."""
    return date(rng.randint(first, last), rng.randint(1, 12), rng.randint(1, 28))
