"""Render pages to HTML: the blocks of a page inside the layout of its site."""

from __future__ import annotations

import random
from functools import cache
from html import escape
from string import Template
from typing import Any

import yaml

from demo.content import Block
from demo.site import HERE, Page, Site, make_slug


@cache
def load_chrome() -> dict[str, Any]:
    """Return `chrome.yaml`: the strings around the text, by language."""
    return yaml.safe_load((HERE / "chrome.yaml").read_text(encoding="utf-8"))


@cache
def _layout(name: str) -> Template:
    return Template((HERE / "layouts" / f"{name}.html").read_text(encoding="utf-8"))


def _entries(items: tuple[str, ...] | list[str]) -> str:
    return "".join(f"<li>{escape(item)}</li>\n" for item in items)


def _post(block: Block, count: int, rng: random.Random) -> str:
    author, signature = block.items
    tail = f'<div class="signature">--<br />{escape(signature)}</div>' if signature else ""
    rank = rng.choice(["Member", "Regular", "New here", "Old hand"])
    return (
        f'<div id="p{count}" class="post"><ul class="profile"><li><a href="/u/{count}">{escape(author)}</a></li>'
        f'<li>{rank}</li></ul><div class="postbody"><div class="content">'
        f"<p>{escape(block.text).replace(chr(10), '<br />')}</p></div>{tail}</div></div>"
    )


def _heading(text: str, layout: str) -> str:
    if layout == "personal":
        return f'<P><FONT SIZE=4 COLOR="#335500"><B>{text}</B></FONT></P>'
    edit = ' <span class="editsection">[<a href="#">edit</a>]</span>' if layout == "wiki" else ""
    level = {"app": 'div class="css-h"', "museum": "h3", "shop": "h3"}.get(layout, "h2")
    return f"<{level}>{text}{edit}</{level.split()[0]}>"


def _paragraph(text: str, layout: str, rng: random.Random, count: int) -> str:
    if layout == "wiki" and rng.random() < 0.25:
        text += f'<sup class="reference"><a href="#cite-{count}">[{count}]</a></sup>'
    if layout == "personal":
        return f"<P>{text}"
    return f'<div class="css-p">{text}</div>' if layout == "app" else f"<p>{text}</p>"


def _pairs(block: Block) -> str:
    """Render a table, a list of questions or a list of links."""
    pairs = [[escape(part) for part in item.split(" => ", 1)] for item in block.items]
    if block.kind == "links":
        return "<ul>" + "".join(f'<li><a href="{url}">{title}</a></li>' for title, url in pairs) + "</ul>"
    if block.kind == "table":
        rows = "".join(f"<tr><th>{pair[0]}</th><td>{pair[-1]}</td></tr>\n" for pair in pairs)
        return f"<table>\n{rows}</table>"
    return "".join(
        f'<details class="faq"><summary>{pair[0]}</summary><div><p>{pair[-1]}</p></div></details>\n' for pair in pairs
    )


def render_block(block: Block, layout: str, rng: random.Random, count: int) -> str:
    """Return a block as HTML in the style of a layout. `count` is its number on the page, from 1."""
    text = escape(block.text)
    match block.kind:
        case "h2":
            return _heading(text, layout)
        case "p":
            return _paragraph(text, layout, rng, count)
        case "ul" | "ol":
            return f"<{block.kind}>\n{_entries(block.items)}</{block.kind}>"
        case "pre":
            return f'<div class="highlight"><pre><code>{text}</code></pre></div>'
        case "quote":
            return f"<blockquote><p>{text}</p></blockquote>"
        case "post":
            return _post(block, count, rng)
    return _pairs(block)


def _comments(page: Page, label: str) -> str:
    if not page.comments:
        return ""
    rows = "".join(
        f'<li class="comment"><b>{escape(name)}</b><div class="comment-body"><p>{escape(text)}</p></div></li>'
        for name, text in page.comments
    )
    return f'<section id="comments"><h2>{label} ({len(page.comments)})</h2><ol>{rows}</ol></section>'


def _date(page: Page) -> str:
    day = page.published
    if page.language == "en":
        return f"{day.day} {day:%B %Y}"
    return f"{day.year}年{day.month}月{day.day}日" if page.language == "ja" else f"{day:%d.%m.%Y}"


def _slug_or_number(title: str, number: int) -> str:
    return make_slug(title) or str(number)


def _menu(names: list[str]) -> str:
    return "".join(f'<li><a href="/{_slug_or_number(x, n)}">{escape(x)}</a></li>' for n, x in enumerate(names))


def _tags(related: list[tuple[str, str]]) -> str:
    words = sorted({word for title, _ in related[:3] for word in title.split() if len(word) > 5})
    return "".join(
        f'<li><a rel="tag" href="/tag/{_slug_or_number(x, n)}">{escape(x)}</a></li>' for n, x in enumerate(words)
    )


def _site_values(site: Site, strings: dict[str, Any]) -> dict[str, str]:
    """Return the values of a layout that are the same on all pages of a site."""
    rng = random.Random(f"site {site.host}")
    nav = _menu(rng.sample(strings["nav"], rng.randint(4, 7)))
    footer = rng.choice(strings["footer"]).format(site=site.name)
    return {
        "site": escape(site.name),
        "nav": nav,
        "banner": rng.choice(strings["banner"]),
        "newsletter": rng.choice(strings["newsletter"]),
        "noscript": strings["noscript"][0],
        "tagline": escape(site.tagline or site.name),
        "footer": escape(footer),
        "search": strings["labels"]["search"],
        "skip": strings["labels"]["skip"],
    }


def render_page(page: Page) -> str:
    """Return the HTML document of a page. It is the same every time."""
    rng = random.Random(f"html {page.of or page.url}")
    strings = load_chrome()[page.language if page.language in load_chrome() else "en"]
    charset = page.charset if page.charset_in in ("both", "meta") else ""
    related = page.related or [("/", page.site.name)]
    values = {
        "lang": page.language,
        "charset": f'<meta charset="{charset}">\n' if charset else "",
        "title": escape(page.title),
        "short": escape(page.title.split(":")[0]),
        "url": escape(page.url),
        "head": "".join(f"\n{line}" for line in (page.site.head, page.head) if line),
        "byline": escape(page.byline),
        "date": _date(page),
        "isodate": page.published.isoformat(),
        "id": page.number,
        "slug": make_slug(page.title) or f"page-{page.number}",
        "few": rng.randint(1, 9),
        "price": f"{rng.randint(4, 240)}.{rng.choice(['00', '50', '90', '95'])}",
        "tags": _tags(related),
        "related": "".join(f'<li><a href="{escape(link)}">{escape(title)}</a></li>' for title, link in related),
        "cards": "".join(
            f'<div class="card"><a href="{escape(link)}">{escape(title)}</a></div>' for title, link in related[:4]
        ),
        "prev": escape(related[0][0]),
        "next": escape(related[-1][0]),
        "body": "\n".join(render_block(b, page.layout, rng, n) for n, b in enumerate(page.blocks, 1)),
        "comments": _comments(page, strings["labels"]["comments"]),
    }
    values |= _site_values(page.site, strings)
    values |= {f"label_{key}": escape(label) for key, label in strings["labels"].items()}
    return _layout(page.layout).substitute(values)
