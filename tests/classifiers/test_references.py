"""What a dump refers to: found where it stands, unwrapped, without what is no page, and capped by site."""

import bz2
from collections import Counter

import pyarrow.parquet as pq
import pytest

from classifiers.__main__ import main
from classifiers.wikipedia.reference_urls import unwrap_archive_url
from classifiers.wikipedia.references import collect_references, read_dump_references
from classifiers.wikipedia.wikitext import find_article_urls
from tests.shared import shared_data

PAGE = """{{Infobox mill|website=https://mill.example}} The mill<ref name="a">{{cite web|url=http://old.example/mill?utm_source=x
|archive-url=https://web.archive.org/web/20010203040506/http://old.example/mill}}</ref> stands.<ref name="a" /> It
{{Cite book|url=https://books.example/b?id=1|title=Stones}} turns.<ref>[//river.example/a the river]</ref>
<!-- https://hidden.example --> <nowiki>https://not.example</nowiki>
== External links ==
* [https://en.wikipedia.org/wiki/Mill], [https://bit.ly/2x] and https://shop.example/stones.
"""


def dump(pages: list[tuple[str, str]]) -> bytes:
    """Return a MediaWiki export."""
    escape = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;"})
    body = "".join(
        f"<page><title>{title}</title><ns>0</ns><revision><text>{text.translate(escape)}</text></revision></page>"
        for title, text in pages
    )
    return f"<mediawiki>{body}</mediawiki>".encode()


def test_each_place_of_a_url_has_its_kind_and_each_page_is_listed_once():
    dropped: Counter[str] = Counter()
    found = collect_references(find_article_urls(PAGE), "Mill", dropped)
    assert [(link.canonical_url, link.kind) for link in found] == [
        ("https://mill.example", "external"),
        ("https://old.example/mill", "ref"),
        ("https://books.example/b?id=1", "cite"),
        ("https://river.example/a", "ref"),
        ("https://shop.example/stones", "external"),
    ]
    assert found[1].url == "http://old.example/mill?utm_source=x"  # as the article has it
    assert dropped == {"repeated": 1, "self": 1, "tracker": 1}


@pytest.mark.parametrize(
    "wrapped, page",
    [
        ("https://web.archive.org/web/20010203040506id_/http://a.example/x?y=1", "http://a.example/x?y=1"),
        ("http://archive.org/web/2001/https://a.example/", "https://a.example/"),
        ("https://web.archive.org/web/2005*/www.a.example/x", "http://www.a.example/x"),
        ("https://www.webcitation.org/query?url=http%3A%2F%2Fa.example%2Fx&date=2008", "http://a.example/x"),
        ("https://web.archive.org/web/2009/http://archive.is/2008/http://a.example/x", "http://a.example/x"),
        ("https://www.webcitation.org/5kZ", ""),
        ("https://archive.org/details/mill", "https://archive.org/details/mill"),
    ],
)
def test_archives_are_unwrapped(wrapped, page):
    assert unwrap_archive_url(wrapped) == page


def test_a_site_is_capped_over_all_dumps_together(tmp_path, capsys):
    farm = [
        (f"Article {n}", f"<ref>https://www.farm{n % 2}.example/{n}</ref> https://own{n}.example/") for n in range(20)
    ]
    (tmp_path / "a.xml").write_bytes(dump(farm[:9]))
    second = dump(farm[9:15])
    (tmp_path / "b.xml.bz2").write_bytes(bz2.compress(second[:500]) + bz2.compress(second[500:]))  # two streams
    names = [str(tmp_path / name) for name in ("b.xml.bz2", "a.xml")]
    target = str(tmp_path / "r.parquet")
    assert main(["references", *names, "--output", target, "--max-per-site", "3"]) == 0
    rows = pq.read_table(target).to_pylist()
    assert Counter(row["canonical_url"].split("/")[2] for row in rows if "farm" in row["url"]) == {
        "farm0.example": 3,
        "farm1.example": 3,
    }
    assert len(rows) == 6 + 15
    assert "9 over the cap a site" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["references", *names, "--output", target, "--max-per-site", "0"])


def test_real_dumps_of_every_format_are_read():
    folder = shared_data("wikipedia/dewiki-minidump-pages-articles.xml.bz2").parent
    found = {}
    for path in sorted(folder.glob("*")):
        counts: Counter[str] = Counter()
        found[path.name] = ({(link.article, link.canonical_url) for link in read_dump_references(path, counts)}, counts)
    (new, _), (old, _) = (found[name] for name in sorted(found) if "externallinks" in name)
    assert old == new and len(old) > 4000
    english, counts = next(value for name, value in found.items() if name.startswith("enwiki-latest"))
    assert counts["articles"] == 205 and counts["ref"] > 3500
    listed, written = {url for _, url in old}, {url for _, url in english}
    assert len(listed & written) > 0.97 * len(listed)  # the table was made of these very articles
    assert all(counts["ref"] for name, (_, counts) in found.items() if "minidump" in name)
