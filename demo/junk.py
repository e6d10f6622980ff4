"""Make pages that a good pipeline drops: listings, spam, filler, policies and pages that hold only boilerplate."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import yaml

from demo.content import Block
from demo.grammar import Author, Voice
from demo.seed import make_generator
from demo.site import HERE, Page, Site, draw_date


@cache
def _texts() -> dict[str, Any]:
    return yaml.safe_load((HERE / "junk.yaml").read_text(encoding="utf-8"))


def _page(site: Site, path: str, title: str, blocks: list[Block], fate: str, layout: str = "") -> Page:
    rng = make_generator("junk", site.host, path)
    url = f"{site.scheme}://{site.host}{path}"
    return Page(url, site, fate, title, rng.randint(300, 99_000), draw_date(rng), blocks, fate, layout=layout)


def _listings(site: Site, pages: list[Page], rng: random.Random) -> list[Page]:
    """Make category and archive pages: titles of the site with half a sentence each."""
    made = []
    for number in range(1, 3):
        chosen = rng.sample(pages, min(len(pages), rng.randint(8, 14)))
        blocks = []
        for page in chosen:
            words = next((b.text for b in page.blocks if b.text), page.title).split(" ")
            teaser = " ".join(words[: rng.randint(6, 12)])
            blocks += [Block("h2", page.title), Block("p", f"{page.published:%d.%m.%Y} {teaser} ...")]
        path = rng.choice(["/category/all", "/archive", "/tag/misc", "/latest"]) + f"/page/{number}"
        made.append(_page(site, path, f"{site.name} ({number})", blocks, "listing"))
    return made


def _boilerplate(site: Site, rng: random.Random) -> list[Page]:
    """Make login pages, consent walls, and "not found" pages with status 200."""
    options = _texts()["boilerplate"][site.language]
    paths = ["/login?next=%2F", "/old/index.php", "/consent", "/members", "/premium", "/cart"]
    chosen = rng.sample(range(len(options)), min(2, len(options)))
    return [_page(site, f"{paths[n]}", options[n][0], [Block("p", options[n][1])], "boilerplate") for n in chosen]


def _policy(site: Site, rng: random.Random) -> Page:
    lines = [line.format(site=site.name) for line in rng.sample(_texts()["policy"], 7)]
    return _page(site, "/privacy", "Privacy policy", [Block("p", line) for line in lines], "policy")


def _filler(site: Site, rng: random.Random) -> list[Page]:
    """Make pages of filler text, short pages and pages that repeat a line."""
    texts, made = _texts(), []
    for n in range(5):
        lorem = [Block("p", " ".join(rng.sample(texts["lorem"], 3))) for _ in range(rng.randint(2, 5))]
        made.append(_page(site, f"/demo/theme-{n + 1}", f"Sample page {n + 1}", lorem, "lorem"))
    for n, (title, line) in enumerate(texts["short"]):
        made.append(_page(site, f"/s/{n}", title, [Block("p", line)], "short"))
    for n, (title, line) in enumerate(texts["repeated"]):
        made.append(_page(site, f"/r/{n}", title, [Block("p", line)] * rng.randint(18, 40), "repeated"))
    return made


def _wordless(site: Site, rng: random.Random) -> list[Page]:
    """Make pages without prose: tables of numbers, tag clouds, checklists and part numbers."""
    made = []
    for n in range(4):
        rows = tuple(
            f"{hour:02d}:{rng.randint(0, 59):02d} => {rng.uniform(0.1, 7.9):.2f} {rng.uniform(0.1, 7.9):.2f} "
            f"{rng.randint(980, 1040)}"
            for hour in range(24)
        )
        made.append(_page(site, f"/tides/{n + 1}", f"Tide table {n + 1}", [Block("table", items=rows)], "numbers"))
        words = _texts()["tags"]
        tags = [" ".join(f"#{word}" for word in rng.sample(words, 12)) for _ in range(8)]
        made.append(_page(site, f"/tags/{n + 1}", f"Tags {n + 1}", [Block("p", line) for line in tags], "hashtags"))
        points = tuple(" ".join(rng.sample(words, rng.randint(1, 3))) for _ in range(40))
        made.append(_page(site, f"/points/{n + 1}", f"Checklist {n + 1}", [Block("ul", items=points)], "points"))
        codes = [
            " ".join(
                f"{rng.choice('QXZVKW')}{rng.choice('BDGJ')}-{rng.randint(100, 9999)}/{rng.choice('XYZ')}"
                for _ in range(9)
            )
            + "."
            for _ in range(12)
        ]
        made.append(_page(site, f"/parts/{n + 1}", f"Parts {n + 1}", [Block("p", line) for line in codes], "codes"))
    return made


def _spam(author: Author, site: Site, rng: random.Random) -> list[Page]:
    """Make pages with keyword stuffing: a few units again and again, and then a link farm."""
    made = []
    for n in range(site.pages["spam"]):
        stock = author.get_stock("en", "spam")
        voice = Voice(stock, rng)
        lines = author.choose_units(voice, stock.sections[0])
        body = [Block("p", rng.choice(lines)) for _ in range(rng.randint(8, 14))]
        links = tuple(
            f"{voice.say('[*keyword] [*place]')} => http://{voice.say('[*keyhost]', False)}.test/" for _ in range(20)
        )
        made.append(
            _page(site, f"/{n}-buy.html", author.choose_title(voice), [*body, Block("links", items=links)], "spam")
        )
    return made


def make_junk_pages(author: Author, sites: list[Site], originals: list[Page]) -> list[Page]:
    """Return the junk of ordinary sites (listings, login pages, policies), and the pages of spam and filler sites."""
    by_host: dict[str, list[Page]] = {}
    for page in originals:
        by_host.setdefault(page.site.host, []).append(page)
    made: list[Page] = []
    for number, site in enumerate(sites):
        rng = make_generator("junk", site.host)
        if site.style == "spam":
            made += _spam(author, site, rng)
        elif site.style == "filler":
            made += _filler(site, rng) + _wordless(site, rng)
        elif site.host in by_host and site.fate == "keep":
            if number % 2 == 0:
                made += _listings(site, by_host[site.host], rng)
            if number % 3 == 0:
                made += _boilerplate(site, rng)
            if number % 4 == 0 and site.language == "en":
                made.append(_policy(site, rng))
    return made
