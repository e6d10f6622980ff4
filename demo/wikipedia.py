"""Make a small MediaWiki export whose articles cite pages of the sample crawl in the different ways of editors."""

from __future__ import annotations

import bz2
import random
from xml.sax.saxutils import escape

from demo.seed import make_generator
from demo.site import Page

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
  <siteinfo>
    <sitename>Samplepedia</sitename>
    <dbname>samplewiki</dbname>
    <base>https://samplepedia.example/wiki/Main_Page</base>
    <generator>demo.wikipedia</generator>
    <case>first-letter</case>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="1" case="first-letter">Talk</namespace>
      <namespace key="10" case="first-letter">Template</namespace>
    </namespaces>
  </siteinfo>
"""
PAGE = """  <page>
    <title>{title}</title>
    <ns>{ns}</ns>
    <id>{id}</id>{redirect}
    <revision>
      <id>{revision}</id>
      <timestamp>2024-04-{day:02d}T08:00:00Z</timestamp>
      <contributor><username>Sampler</username><id>7</id></contributor>
      <model>wikitext</model>
      <format>text/x-wiki</format>
      <text bytes="{bytes}" xml:space="preserve">{text}</text>
    </revision>
  </page>
"""
# Ways to refer to a page. The last one also names an archived copy, and uses the reference twice.
REFERENCES = [
    "<ref>{{{{cite web |url={url} |title={title} |website={site} |date={date} |access-date=3 April 2024}}}}</ref>",
    "<ref>[{url} {title}], ''{site}''</ref>",
    '<ref name="r{n}">{{{{Cite news | last = Marden | title = {title} | url = {url} | work = {site} }}}}</ref>',
    "<ref>{url}</ref>",
    "<ref name=r{n}>{{{{cite book|title={title}|publisher={site}|chapter-url={url}|language={language}}}}}</ref>",
    '<ref group="note">See [{url} the account in {site}].</ref>',
    '<ref name="r{n}">{{{{cite web\n | url = {url}\n | title = {title}\n | archive-url = https://web.archive.example/2020/{url}\n'
    ' | archive-date = 2020-05-01\n}}}}</ref> It is told again elsewhere.<ref name="r{n}" />',
]
# Pages of the export that cite nothing.
# (title, namespace, target of a redirect, wikitext)
EXTRA = [
    ("Harrow (river)", 0, "River Harrow", "#REDIRECT [[River Harrow]]"),
    ("Talk:Bridges", 1, "", "I think that <ref>https://talk-only.example/not-an-article</ref> is no good source. ~~~~"),
    ("Template:Cite thing", 10, "", "<includeonly><ref>https://template-only.example/{{{1}}}</ref></includeonly>"),
    (
        "List of lakes",
        0,
        "",
        "'''Lakes''' are still water.<!-- <ref>https://commented-out.example/</ref> -->\n\n"
        "<nowiki><ref>https://shown-not-cited.example/</ref></nowiki>\n\n"
        "== External links ==\n* [https://external-only.example/ A site]",
    ),
]


def _article(title: str, pages: list[Page], rng: random.Random) -> str:
    parts = [f"'''{title}''' are the subject of this article, which gathers what surveys have published.\n"]
    for n, page in enumerate(pages):
        first = next(block.text for block in page.blocks if block.kind == "p").split(". ")[0].rstrip(".")
        reference = REFERENCES[rng.randrange(len(REFERENCES))].format(
            url=page.url,
            title=page.title.replace("|", "-"),
            site=page.site.name,
            n=n,
            language=page.language,
            date=page.published.isoformat(),
        )
        parts.append(f"== {page.title} ==\n{first}.{reference}\n")
    outside = rng.randint(100, 999)
    away = f"https://elsewhere-{outside}.example/a"
    parts.append(f"More can be found in print.<ref>{{{{cite web|url={away}|title=Elsewhere}}}}</ref>")
    return "\n".join([*parts, "\n== References ==\n{{Reflist}}\n\n[[Category:Samples]]\n"])


def make_wikipedia_export(pages: list[Page], urls: list[str]) -> bytes:
    """Return the compressed export. It cites the pages with these URLs, up to six in an article."""
    rng = make_generator("wiki")
    by_url = {page.url: page for page in pages if page.fate == "keep"}
    cited = [by_url[url] for url in urls]
    rng.shuffle(cited)
    articles = []
    for start in range(0, len(cited), 6):
        group = cited[start : start + 6]
        title = f"{group[0].title.split(':')[0]} and related subjects"
        articles.append((title, 0, "", _article(title, group, rng)))
    out = [HEAD]
    for number, (title, namespace, target, text) in enumerate([*articles, *EXTRA], 1):
        redirect = f'\n    <redirect title="{escape(target)}" />' if target else ""
        out.append(
            PAGE.format(
                title=escape(title),
                ns=namespace,
                id=number,
                redirect=redirect,
                revision=1000 + number,
                day=number % 28 + 1,
                bytes=len(text.encode()),
                text=escape(text),
            )
        )
    return bz2.compress("".join([*out, "</mediawiki>\n"]).encode(), 9)
