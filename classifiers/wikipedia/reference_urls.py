"""Decide which page a URL in an article refers to: unwrap web archives, and leave out URLs that name no page."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

# Wikimedia's own projects and tools. A link to them is not a reference.
SELF_SITES = frozenset(
    "wikipedia.org wikimedia.org wikidata.org wiktionary.org wikibooks.org wikiquote.org wikisource.org wikiversity.org"
    " wikivoyage.org wikinews.org mediawiki.org wikifunctions.org wikimediafoundation.org toolserver.org wmflabs.org"
    " wmcloud.org toolforge.org wikipedia.com w.wiki".split()
)
# Web archives whose URLs contain the URL of the archived page.
ARCHIVE_SITES = frozenset(
    "web.archive.org liveweb.archive.org wayback.archive.org wayback.archive-it.org webarchive.loc.gov arquivo.pt"
    " webarchive.nationalarchives.gov.uk webcitation.org archive.wikiwix.com webcache.googleusercontent.com"
    " archive.today archive.is archive.ph archive.li archive.vn archive.fo archive.md perma.cc ghostarchive.org".split()
)
# Click counters, URL shorteners and ad servers. A crawl holds no page under these addresses.
TRACKER_SITES = frozenset(
    "bit.ly goo.gl t.co tinyurl.com ow.ly is.gd buff.ly dlvr.it fb.me amzn.to lnkd.in trib.al tiny.cc j.mp adf.ly"
    " cutt.ly rb.gy shorturl.at rebrand.ly bl.ink linktr.ee feedproxy.google.com feeds.feedburner.com doubleclick.net"
    " googleadservices.com googlesyndication.com google-analytics.com googletagmanager.com adservice.google.com"
    " awin1.com shareasale.com anrdoezrs.net dpbolvw.net jdoqocy.com kqzyfj.com tkqlhce.com linksynergy.com"
    " click.linksynergy.com prf.hn go.redirectingat.com viglink.com skimlinks.com skimresources.com outbrain.com"
    " taboola.com clickserve.dartsearch.net ad.zanox.com tradedoubler.com".split()
)
ORDINARY = re.compile(r"https?://(?:www\.)?((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*)(?=[/?#]|$)")
SNAPSHOT = re.compile(r"/(?:\d{4,14}(?:[a-z]{2}_)?\*?|\*|newest|oldest)/+(?=\S)")  # .../<time stamp>/URL
INNER = re.compile(r"https?:/+(?=[^/])", re.IGNORECASE)
MAX_URL = 2048  # characters; a crawl holds no page under a longer address


def parse_hostname(url: str) -> str:
    """Return the lower-case host of an http(s) URL without `www.`; "" if it has none or is malformed."""
    if ordinary := ORDINARY.match(url):  # nine URLs in ten have no port, no user and no capitals
        return ordinary[1]
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # a broken IPv6 address
        return ""
    if parts.scheme not in ("http", "https") or "." not in host.strip("."):
        return ""
    return host.removeprefix("www.")


def belongs_to_sites(host: str, sites: frozenset[str]) -> bool:
    """Return whether a host is one of the sites or a subdomain of one."""
    labels = host.split(".")
    return any(".".join(labels[i:]) in sites for i in range(len(labels) - 1))


def unwrap_archive_url(url: str) -> str:
    """Return the URL of the page that a web archive's URL contains, also through nested archives; "" if there is none.

    Any other URL is returned unchanged.
    """
    for _ in range(4):
        host = parse_hostname(url)
        in_archive_org = host == "archive.org" and urlsplit(url).path.startswith(("/web/", "/wayback/"))
        if not (in_archive_org or belongs_to_sites(host, ARCHIVE_SITES)):
            return url
        url = extract_wrapped_url(url)
        if not url:
            return ""
    return ""


def extract_wrapped_url(url: str) -> str:
    """Return the URL inside one archive URL: an inner http(s) URL, the text after the time stamp, or `url=`."""
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
