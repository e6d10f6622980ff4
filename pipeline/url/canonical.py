"""URLs as keys: the canonical form that joins and deduplicates, the host, and the registered domain.

`canonical_url` is a key, not an address: https is written for http, and whatever does not choose the content is
dropped. It is built so that applying it twice changes nothing, which the general canonicalisers do not promise.
"""

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import idna

if TYPE_CHECKING:
    from tldextract import TLDExtract

TRACKING = Path(__file__).parent / "data" / "tracking_parameters.txt"
DEFAULT_PORTS = {"", "80", "443"}
# RFC 3986: unreserved characters are the same escaped or not; of the rest, each part keeps what may stand in it.
UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
IN_PATH = UNRESERVED | frozenset(b"/!$&'()*+,;=:@")
IN_QUERY = UNRESERVED | frozenset(b"/!$'()*,;=:@?+")
ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/;?#]*", re.IGNORECASE)
INDEX_PAGE = re.compile(r"(?:index|default)\.(?:html?|php|aspx?|jsp)", re.IGNORECASE)
LEADING_WWW = re.compile(r"(?:www\.)*")
MAX_HOST = 253  # characters of a host name (RFC 1035); a longer one is kept as it is written
LEFT_OUT = str.maketrans("", "", "\t\r\n")  # of a URL, as browsers do
MAX_NETLOC = 1024  # characters of user, host and port with letters outside ASCII; what has more is no URL


def split_url(url: str) -> SplitResult | None:
    """Split a URL, or return None for what is no URL: among others, one with more than MAX_NETLOC as host.

    `urlsplit` alone normalises such a host (NFKC), which takes quadratic time for combining marks.
    """
    url = url.strip().translate(LEFT_OUT)
    scheme, _, rest = url.partition("//")
    if not scheme or scheme.endswith(":"):
        netloc = rest[: MAX_NETLOC + 1]
        if len(netloc) > MAX_NETLOC and not rest.isascii() and not any(end in netloc for end in "/?#"):
            return None
    try:
        return urlsplit(url)
    except ValueError:  # "Invalid IPv6 URL" and the like
        return None


def _split_address(url: str) -> SplitResult | None:
    """Split a URL that may lack its scheme, or return None for what is no URL."""
    url = url.strip().translate(LEFT_OUT)
    if url.startswith("//"):
        url = "https:" + url
    elif "://" not in url[:16]:
        url = "https://" + url
    return split_url(url)


def _ascii_host(name: str) -> str:
    """Return a host name in lower case and IDNA (UTS 46); one that IDNA refuses is only written in lower case.

    Dots that end the name, begin it or follow each other are dropped.
    """
    name = ".".join(label for label in name.lower().split(".") if label)
    return name if len(name) > MAX_HOST else _encode_idna(name)


@lru_cache(maxsize=65536)
def _encode_idna(name: str) -> str:
    """Return a host name of at most MAX_HOST lower-case characters in IDNA; itself where IDNA refuses it."""
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode("ascii").lower().strip(".")
    except (idna.IDNAError, UnicodeError):
        return name


def _split_host_port(netloc: str) -> tuple[str, str]:
    """Cut the network location into host and port ("" if none); the user part is dropped."""
    netloc = "".join(netloc.rpartition("@")[2].split())
    if netloc.startswith("["):  # IPv6
        name, _, rest = netloc.partition("]")
        return name.lower() + "]", rest.removeprefix(":")
    name, _, port = netloc.partition(":")
    return _ascii_host(name), port


def url_host(url: str) -> str:
    """Return the host of a URL in lower case and IDNA, without port; "" if there is none."""
    parts = _split_address(url)
    return _split_host_port(parts.netloc)[0] if parts else ""


@cache
def _load_suffix_list() -> "TLDExtract":
    """Load tldextract with the suffix list that it ships: the network is never asked, nothing is cached on disk."""
    from tldextract import TLDExtract

    return TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def registered_domain(name: str) -> str:
    """Return the registered domain of a host ("a.bbc.co.uk": "bbc.co.uk").

    An IP address, a bare host and a name of more than MAX_HOST characters are returned as they are.
    """
    return name if len(name) > MAX_HOST else _look_up_domain(name)


@lru_cache(maxsize=65536)
def _look_up_domain(name: str) -> str:
    """Return the registered domain of a host of at most MAX_HOST characters by the public suffix list."""
    return _load_suffix_list().extract_str(name).top_domain_under_public_suffix or name


def url_domain(url: str) -> str:
    """Return the registered domain of a URL by the public suffix list; an IP or a bare host as it is; "" for none.

    The list's private part counts: what people host under a platform's name ("x.blogspot.com") are sites of their own.
    """
    return registered_domain(url_host(url))


@cache
def _load_tracking_parameters() -> tuple[frozenset[str], tuple[str, ...]]:
    """Read the table of parameters that never choose the content: whole names, and prefixes (written `utm_*`)."""
    lines = [line.split("#")[0].strip() for line in TRACKING.read_text(encoding="utf-8").splitlines()]
    names = frozenset(line for line in lines if line and not line.endswith("*"))
    return names, tuple(line[:-1] for line in lines if line.endswith("*"))


def _is_tracking(parameter: str) -> bool:
    names, prefixes = _load_tracking_parameters()
    name = parameter.partition("=")[0].lower()
    return name in names or name.startswith(prefixes)


def _normalize_escapes(text: str, allowed: frozenset[int]) -> str:
    """Write percent-encoding in its one form: unreserved characters plain, hex in upper case, the rest escaped."""
    raw = text.encode("utf-8", "surrogatepass")
    if allowed.issuperset(raw):  # as most are: nothing to escape, and no % in them
        return text
    out = bytearray()
    end = 0
    for match in ESCAPE.finditer(raw):
        out += b"".join(bytes((b,)) if b in allowed else b"%%%02X" % b for b in raw[end : match.start()])
        byte = int(match[1], 16)
        out += bytes((byte,)) if byte in UNRESERVED else b"%%%02X" % byte
        end = match.end()
    out += b"".join(bytes((b,)) if b in allowed else b"%%%02X" % b for b in raw[end:])
    return out.decode("ascii")


def _resolve_dot_segments(path: str) -> str:
    """Resolve "." and ".." segments (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    return "/".join(kept)


def _canonical_path(path: str) -> str:
    """Return the path without session ids, index pages, dot segments and trailing slashes."""
    segments = _resolve_dot_segments(PATH_SESSION.sub("", _normalize_escapes(path, IN_PATH))).split("/")
    while len(segments) > 1 and (not segments[-1] or INDEX_PAGE.fullmatch(segments[-1])):
        segments.pop()  # one removal can bring another to the end
    return "/".join(segments)


def canonical_url(url: str) -> str:
    """Return the key under which two addresses of one page meet. Idempotent; never raises.

    https for http; host in lower case and IDNA, without `www.`; no user, default port, fragment (but `#!`), session
    id or tracking parameter; query sorted; percent-encoding in one form; no trailing slash. Mobile hosts (`m.`) stay:
    their pages differ. What is no URL comes back stripped.
    """
    parts = _split_address(url)
    if parts is None or not parts.netloc:
        return url.strip()
    name, port = _split_host_port(parts.netloc)
    prefixes = LEADING_WWW.match(name)
    if prefixes and prefixes.end():  # what is left has a dot
        name = name[4 * min(prefixes.end() // 4, name.count(".") - 1) :]
    scheme = "https" if parts.scheme.lower() in ("http", "https") else parts.scheme.lower()
    query = [_normalize_escapes(piece, IN_QUERY).replace("%20", "+") for piece in parts.query.split("&")]
    query = sorted(piece for piece in query if piece and not _is_tracking(piece))
    fragment = "#" + _normalize_escapes(parts.fragment, IN_QUERY | {ord("&")}) if parts.fragment.startswith("!") else ""
    return (
        f"{scheme}://{name}{'' if port in DEFAULT_PORTS else ':' + port}"
        f"{_canonical_path(parts.path)}{'?' + '&'.join(query) if query else ''}{fragment}"
    )
