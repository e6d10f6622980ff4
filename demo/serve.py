"""Turn pages into captures: the bytes, the headers and the WARC fields of a response."""

from __future__ import annotations

import random
import zlib

from demo.render import render_page
from demo.site import Page
from demo.warc import Capture

SERVERS = ("nginx", "Apache/2.4.57", "openresty", "LiteSpeed", "cloudfleet")
LANGUAGES = {"en": "ENGLISH", "de": "GERMAN", "fr": "FRENCH", "es": "SPANISH", "ru": "RUSSIAN", "ja": "JAPANESE"}


def encode_chunked(data: bytes, size: int) -> bytes:
    """Return the body in HTTP/1.1 chunks of `size` bytes (RFC 9112, section 7.1)."""
    parts = [data[n : n + size] for n in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def make_capture(page: Page) -> Capture:
    """Return the capture of a page. `page.wire` names the codings of the stored body; by default it is decoded."""
    body = page.body if page.body is not None else render_page(page).encode(page.charset, "xmlcharrefreplace")
    if "nul" in page.wire:
        body = body.replace(b"</p>", b"\0</p>\0")
    site_rng = random.Random(f"serve {page.site.host}")
    page_rng = random.Random(f"serve {page.url}")
    content_type = page.mime
    if page.mime == "text/html" and page.charset_in in ("both", "header"):
        content_type += f"; charset={page.charset.upper() if site_rng.random() < 0.5 else page.charset}"
    headers = [("Date", "Tue, 21 May 2024 03:17:42 GMT"), ("Server", site_rng.choice(SERVERS))]
    headers += [("Content-Type", content_type), *page.site.headers.items(), *page.headers.items()]
    body, coding = _encode_content(page, body, site_rng)
    headers += coding
    payload = None
    if "chunked" in page.wire:
        payload = body
        body = encode_chunked(body, page_rng.randint(700, 2000))
        headers.append(("Transfer-Encoding", "chunked"))
    else:
        headers.append(("Content-Length", str(len(body))))
    extra, metadata = dict(page.warc), _describe_html(page)
    if metadata:
        extra.setdefault("WARC-Identified-Payload-Type", "text/html")
    if page.fate == "truncated":
        body = body[: len(body) * 3 // 5]
        extra["WARC-Truncated"] = "length"
    kind = "revisit" if page.fate == "revisit" else "response"
    return Capture(page.url, page.status, headers, body, payload, extra, kind, metadata)


def _encode_content(page: Page, body: bytes, site_rng: random.Random) -> tuple[bytes, list[tuple[str, str]]]:
    """Return the body in the content coding of the page, and the headers for it."""
    if "gzip" in page.wire:
        # not gzip.compress: from Python 3.13 on its header names another operating system
        return zlib.compress(body, 9, wbits=31), [("Content-Encoding", "gzip")]
    if "deflate" in page.wire:
        return zlib.compress(body, 9), [("Content-Encoding", "deflate")]
    if site_rng.random() < 0.7 and page.body is None:
        # The length during transfer is a guess, because the real one depends on the version of zlib.
        length = str(len(body) // 3 + 12)
        return body, [("X-Crawler-Content-Encoding", "gzip"), ("X-Crawler-Content-Length", length)]
    return body, []


def _describe_html(page: Page) -> dict[str, object]:
    """Return the fields of the metadata record of an HTML page; {} for other responses."""
    if page.mime != "text/html" or page.status != 200:
        return {}
    language = {"code": page.language, "name": LANGUAGES.get(page.language, "ENGLISH"), "text-covered": 0.98}
    return {
        "charset-detected": page.charset.upper(),
        "languages-cld2": {"reliable": True, "text-bytes": len(page.text.encode()), "languages": [language]},
    }
