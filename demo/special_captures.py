"""Make the special cases of a crawl: files other than HTML, redirects, errors, opt-outs, codings, broken records."""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from collections.abc import Callable

from demo.content import Block, compose_page
from demo.grammar import Author
from demo.seed import make_generator
from demo.site import Page, Site, build_page_url, draw_date, make_slug

NOINDEX = '<meta name="robots" content="noindex, follow">'
NOAI = '<meta name="robots" content="noai, noimageai">'
TDM = '<meta name="tdm-reservation" content="1">'
# (fate, meta tag or empty, response header or empty). Two pages get each.
OPT_OUTS = [
    ("noindex", NOINDEX, {}),
    ("noindex", "", {"X-Robots-Tag": "noindex"}),
    ("noai", NOAI, {}),
    ("noai", "", {"X-Robots-Tag": "noai"}),
    ("tdm-reserved", TDM, {}),
    ("tdm-reserved", "", {"tdm-reservation": "1", "tdm-policy": "https://licences.example/tdm.json"}),
]
# The codings of bodies that are stored as transferred. `nul` puts NUL bytes into the text.
WIRES = ["gzip chunked", "gzip chunked", "chunked", "gzip", "deflate", "gzip chunked", "chunked", "nul", "nul chunked"]
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQ"
    "Ew8QEBD/yQALCAABAAEBAREA/8wABgAQEAX/2gAIAQEAAD8A0s8g/9k="
)
GIF = base64.b64decode("R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")


def make_png(width: int, height: int, shade: int) -> bytes:
    """Return a grey PNG. Width and height are in pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((shade + x + y) % 256 for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def make_pdf(title: str, lines: list[str]) -> bytes:
    """Return a PDF 1.4 of one page with the lines as text and a correct cross-reference table."""
    shown = "".join(f"({line.replace('(', '').replace(')', '')}) Tj T* " for line in [title, *lines])
    stream = f"BT /F1 11 Tf 14 TL 60 780 Td {shown}ET".encode("latin-1", "replace")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def mark_pages(pages: list[Page]) -> None:
    """Give some of the ordinary pages an opt-out, a special coding or a truncated record, and set their `fate`."""
    rng = make_generator("mark")
    styles = ("encyclopedia", "blog", "shop", "forum", "news")
    plain = [page for page in pages if page.fate == "keep" and page.style in styles]
    chosen = iter(rng.sample(plain, len(OPT_OUTS) * 2 + len(WIRES) + 2))
    for fate, head, headers in OPT_OUTS:
        for _ in range(2):
            page = next(chosen)
            page.fate, page.head, page.headers = fate, head, dict(headers)
    for wire in WIRES:
        next(chosen).wire = wire
    for _ in range(2):
        next(chosen).fate = "truncated"


def _make_file(site: Site, path: str, mime: str, body: bytes) -> Page:
    rng = make_generator("file", path)
    return Page(
        f"{site.scheme}://{site.host}{path}",
        site,
        "file",
        path.rpartition("/")[2],
        rng.randint(1, 99),
        draw_date(rng),
        fate="non-html",
        mime=mime,
        body=body,
    )


def _make_files(pages: list[Page], rng: random.Random) -> list[Page]:
    """Make PDFs, images, JSON, a feed and plain text on the sites of the pages."""
    made = []
    for page in rng.sample(pages, 6):
        lines = page.text.split("\n")[1:8]
        made.append(
            _make_file(
                page.site,
                f"/files/{make_slug(page.title) or page.number}.pdf",
                "application/pdf",
                make_pdf(page.title, [line[:90] for line in lines]),
            )
        )
    makers: list[tuple[str, str, Callable[[int], bytes]]] = [
        ("png", "image/png", lambda n: make_png(24 + n, 16, 40 * n)),
        ("gif", "image/gif", lambda n: GIF),
        ("jpg", "image/jpeg", lambda n: JPEG),
    ]
    for n, page in enumerate(rng.sample(pages, 9)):
        end, mime, make = makers[n % 3]
        made.append(_make_file(page.site, f"/images/{page.number}.{end}", mime, make(n)))
    for page in rng.sample(pages, 4):
        data = {"id": page.number, "title": page.title, "related": [title for title, _ in page.related]}
        made.append(_make_file(page.site, f"/api/items/{page.number}", "application/json", json.dumps(data).encode()))
    page = rng.choice(pages)
    items = "".join(f"<item><title>{title}</title></item>" for title, _ in page.related).replace("&", "&amp;")
    feed = f'<rss version="2.0"><channel>{items}</channel></rss>'
    made.append(_make_file(page.site, "/feed.xml", "application/rss+xml", feed.encode()))
    made.append(_make_file(page.site, "/robots.txt", "text/plain", b"User-agent: *\nDisallow: /cgi-bin/\n"))
    made.append(_make_file(page.site, "/css/site.css", "text/css", b"body{margin:0}\n"))
    return made


def make_special_captures(originals: list[Page]) -> list[Page]:
    """Return files, redirects and error responses."""
    rng = make_generator("oddities")
    ordinary = [p for p in originals if p.fate == "keep" and p.language == "en" and p.style != "personal"]
    made = _make_files(ordinary, rng)
    for n, page in enumerate(rng.sample(ordinary, 8)):
        path = f"/go/{page.number}"
        moved = _make_file(page.site, path, "text/html", b"<html><body>The document has moved.</body></html>")
        moved.status, moved.fate, moved.style, moved.of = (301, 302)[n % 2], "redirect", "redirect", page.url
        moved.headers = {"Location": page.url}
        made.append(moved)
    for n, page in enumerate(rng.sample(ordinary, 9)):
        path = f"/missing/{page.number}"
        missing = _make_file(page.site, path, "text/html", b"")
        missing.status, missing.fate, missing.style = (404, 404, 503, 410, 500)[n % 5], "error-status", "error"
        missing.title, missing.body = "Error", None
        missing.blocks = [Block("p", "The server could not answer this request. Please try again later, or go back.")]
        made.append(missing)
    return made


def make_revisits(captured: list[Page]) -> list[Page]:
    """Return two revisit records: URLs that were fetched again without a change."""
    rng = make_generator("revisits")
    made = []
    for page in rng.sample([page for page in captured if page.fate == "keep"], 2):
        again = _make_file(page.site, "/", "text/html", b"")
        again.url, again.of, again.fate, again.style, again.status = page.url, page.url, "revisit", "revisit", 304
        again.language = page.language
        again.warc = {
            "WARC-Profile": "http://netpreserve.org/warc/1.0/revisit/server-not-modified",
            "WARC-Refers-To-Target-URI": page.url,
        }
        made.append(again)
    return made


def make_cut_page(author: Author) -> Page:
    """Return the page whose record is cut by the end of the file."""
    site = Site("last-page.example", "The Last Page", "blog", "blog")
    rng = make_generator("cut")
    title, blocks = compose_page(author, author.get_stock("en", "walks"), rng)
    published = draw_date(rng)
    return Page(build_page_url(site, title, 1, published), site, "blog", title, 1, published, blocks, "cut")
