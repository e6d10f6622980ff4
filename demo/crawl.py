"""Build the whole crawl: a list of pages in the order of their records."""

from __future__ import annotations

from collections.abc import Iterator

from demo import duplicates, junk, special_captures
from demo.content import compose_page
from demo.grammar import Author, Voice
from demo.render import load_chrome
from demo.seed import make_generator
from demo.site import Page, Site, build_page_url, draw_date, load_sites


def compose_site_pages(author: Author, site: Site) -> Iterator[Page]:
    """Yield the ordinary pages of a site. `sites.yaml` gives the number of pages by stock."""
    strings = load_chrome()[site.language]
    number = make_generator(site.host).randint(300, 9000)
    for stock_name, count in site.pages.items():
        stock = author.get_stock(site.language, stock_name)
        for index in range(count):
            rng = make_generator(site.host, stock_name, index)
            title, blocks = compose_page(author, stock, rng, site.headings)
            number += rng.randint(1, 40)
            published = draw_date(rng)
            voice = Voice(stock, rng)
            page = Page(
                build_page_url(site, title, number, published), site, site.style, title, number, published, blocks
            )
            page.byline = rng.choice(strings["byline"]).format(person=voice.say("[person]"))
            if site.comments:
                texts = rng.sample(strings["comments"], rng.randint(0, min(4, len(strings["comments"]))))
                page.comments = [(voice.say("[*person]"), text) for text in texts]
            yield page


def add_related_links(pages: list[Page]) -> None:
    """Give every page the links to other pages of its site that its sidebar shows."""
    by_host: dict[str, list[Page]] = {}
    for page in pages:
        by_host.setdefault(page.site.host, []).append(page)
    for page in pages:
        others = [other for other in by_host[page.site.host] if other is not page]
        rng = make_generator("links", page.url)
        chosen = rng.sample(others, min(5, len(others)))
        page.related = [(other.title, other.url.partition(page.site.host)[2]) for other in chosen]


def compose_all_sites(author: Author, sites: list[Site]) -> list[Page]:
    """Return the ordinary pages of all sites. `junk` makes the pages of spam sites."""
    return [page for site in sites if site.style != "spam" for page in compose_site_pages(author, site)]


def build_crawl() -> list[Page]:
    """Return every page of the sample in crawl order. The file ends inside the record of the last page."""
    author = Author()
    sites = load_sites()
    pages = compose_all_sites(author, sites)
    special_captures.mark_pages(pages)
    pages += junk.make_junk_pages(author, sites, list(pages))
    add_related_links(pages)
    pages += duplicates.make_duplicates(pages, sites)
    pages += special_captures.make_special_captures(pages)
    make_generator("order").shuffle(pages)
    pages += special_captures.make_revisits(pages)
    urls = [page.url for page in pages if page.fate != "revisit"]
    twice = sorted({url for url in urls if urls.count(url) > 1})
    if twice:
        raise ValueError(f"two pages have the URL {twice[0]}; change the title or the path of one of them")
    return [*pages, special_captures.make_cut_page(author)]
