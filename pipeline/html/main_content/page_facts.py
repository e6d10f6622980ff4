"""What a page's address, its JSON-LD and its source say of the page as a whole: what type of page it is."""

import json
import re
from collections import Counter
from html import unescape
from urllib.parse import urlsplit

from pipeline.html.metadata import find_json_ld_scripts, parse_json_ld

JSON_LD = "application/ld+json"
MAX_SCRIPTS = 20  # of JSON-LD
LONGEST_SCRIPT = 200_000  # characters of one that are read
MAX_TEXTS = 50
STATED = re.compile(
    r'"@type"\s{0,9}:\s{0,9}\[?\s{0,9}"(?:https?://schema\.org/)?([A-Za-z]{1,40})"'
    r'|"(?:articleBody|description|text)"\s{0,9}:\s{0,9}"((?:[^"\\]|\\.){40,40000})"', re.S
)  # fmt: skip
TAG = re.compile("<[^<>]{0,300}>")
LONGEST_URL = 2000
LONG_NUMBER = re.compile(r"\d{4}")
# Words of a path, by the type of page that they hint at.
PATH_WORDS = {
    "product": ("/product", "/p/", "/dp/", "/item", "/pdp"),
    "list": ("/collection", "/categor", "/c/", "/shop", "/browse", "/tag/", "/list", "/search"),
    "forum": ("/forum", "/thread", "/t/", "/topic", "/question", "viewtopic", "showthread", "/comments/", "/communit",
              "/discussion"),
    "docs": ("/docs", "/doc/", "/reference", "/api", "/guide", "/manual", "/wiki", "/tutorial", "/help"),
    "article": ("/blog", "/news", "/article", "/post", "/20", "/story"),
    "service": ("/service", "/solution", "/feature", "/pricing", "/plan", "/about", "/course"),
}  # fmt: skip
HOST_WORDS = {"forum": ("forum", "communit", "discuss", "board"), "docs": ("docs.", "doc.", "developer", "wiki", "help",
              "support", "learn"), "article": ("blog", "news"), "product": ("shop", "store")}  # fmt: skip
SCHEMA_TYPES = {
    "product": ("Product", "ProductGroup"),
    "article": ("Article", "NewsArticle", "BlogPosting", "TechArticle", "Recipe"),
    "forum": ("DiscussionForumPosting", "QAPage", "Question", "Comment"),
    "list": ("ItemList", "CollectionPage", "ListItem"),
    "faq": ("FAQPage",),
    "service": ("Service", "LocalBusiness", "Organization", "Course"),
}
OWN_TEXTS = dict.fromkeys(SCHEMA_TYPES["article"], "articleBody") | {
    **dict.fromkeys(SCHEMA_TYPES["product"], "description"),
    **dict.fromkeys(("DiscussionForumPosting", "Comment", "Question"), "text"),
    "JobPosting": "description",
}
FACTS = (
    *("url_depth", "url_length", "url_query", "url_number", "url_root"),
    *(f"url_{name}" for name in PATH_WORDS),
    *(f"ld_{name}" for name in (*SCHEMA_TYPES, "types", "stated")),
    "source_length",
)


def find_page_facts(html: str, url: str) -> tuple[list[float], str]:
    """Return the values of FACTS for a page, and the texts that its JSON-LD states."""
    host, path, query = _split_address(url)
    found: list[float] = [path.strip("/").count("/") + (path.strip("/") != ""), len(path), bool(query)]
    found += [LONG_NUMBER.search(path) is not None, path in ("", "/")]
    for name, words in PATH_WORDS.items():
        found.append(any(word in path for word in words) + 2 * any(word in host for word in HOST_WORDS.get(name, ())))
    types, stated = find_schema_facts(html)
    found += [sum(types[name] for name in names) for names in SCHEMA_TYPES.values()]
    return [*found, types.total(), len(stated), len(html)], stated


def _split_address(url: str) -> tuple[str, str, str]:
    """Return the host, the path and the query of an address, in lower case; all "" if it is none."""
    try:
        parts = urlsplit(url[:LONGEST_URL].lower())
    except ValueError:
        return "", "", ""
    return parts.netloc, parts.path, parts.query


def find_schema_facts(html: str) -> tuple[Counter[str], str]:
    """Return the types that a page's JSON-LD names, with their counts, and the texts that it states: descriptions and
    bodies, as plain text.

    Only the beginning is read of a script that is long, and no JSON is parsed: what is broken in it costs nothing.
    """
    types: Counter[str] = Counter()
    texts: list[str] = []
    at = html.find(JSON_LD)
    for _ in range(MAX_SCRIPTS):
        start = html.find(">", at) if at >= 0 else -1
        if start < 0:
            break
        end = html.find("</script", start)
        end = len(html) if end < 0 else end
        for match in STATED.finditer(html, start, min(end, start + LONGEST_SCRIPT)):
            if match[1]:
                types[match[1]] += 1
            elif len(texts) < MAX_TEXTS:
                texts.append(match[2])
        at = html.find(JSON_LD, end)
    return types, " ".join(map(read_stated_text, texts))


def read_stated_text(text: str) -> str:
    """Return a string of JSON-LD, as it stands in the source, as plain text with single spaces."""
    if "\\" in text:
        try:
            text = str(json.loads(f'"{text}"', strict=False))
        except ValueError:
            text = text.replace("\\n", " ").replace('\\"', '"')
    if "&" in text:
        text = unescape(text)
    if "<" in text:
        text = TAG.sub(" ", text)
    return " ".join(text.split())


def read_own_text(html: str) -> str:
    """Return the text that a page's JSON-LD gives of the page's own article, post or product, the longest; "" for none.

    A shop that is rendered in the browser has it there alone.
    """
    longest = ""
    for script in find_json_ld_scripts(html):
        for item in parse_json_ld(script):
            kinds = item.get("@type")
            for kind in kinds if isinstance(kinds, list) else [kinds]:
                text = item.get(OWN_TEXTS.get(kind, "")) if isinstance(kind, str) else None
                if isinstance(text, str) and len(text) > len(longest):
                    longest = text
    lines = TAG.sub("\n", unescape(longest)).splitlines()
    return "\n".join(" ".join(line.split()) for line in lines if line.strip())
