"""URL rules: what is dropped by its address alone, before anything is decoded.

A listed domain covers its subdomains, but a listed public suffix does not: "blogspot.com" is a platform, and what
people host under it are sites of their own. A listed address covers what lies below it. Lists are `url_lists.py`'s.
"""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from pipeline.settings import read_table
from pipeline.url.blocklists import ListError, open_list
from pipeline.url.canonical import registered_domain, url_host

MAX_URL = 8192  # characters; browsers and servers take 2 to 8 thousand, longer ones are made by errors
ADULT_WORDS = Path(__file__).parent / "data" / "adult_words.yaml"
# The categories that the RefinedWeb paper (arXiv:2306.01116, appendix) takes from UT1, by the names of their folders.
REFINEDWEB_CATEGORIES = (
    "adult", "agressif", "arjel", "chat", "dating", "ddos", "filehosting", "gambling", "mixed_adult", "phishing",
)  # fmt: skip
# Addresses that end so are not pages; scripts and styles are left to the MIME check ("/docs/node.js" is a page).
NOT_PAGES = frozenset(
    "pdf ps djvu epub mobi doc docx odt rtf xls xlsx ods csv ppt pptx odp "
    "jpg jpeg png gif webp bmp tif tiff svg ico psd heic avif "
    "mp3 m4a ogg oga wav flac aac wma mp4 m4v avi mov mkv webm wmv flv mpg mpeg ogv swf "
    "zip gz tgz bz2 xz 7z rar tar iso dmg exe msi apk deb rpm jar bin torrent woff woff2 ttf otf eot".split()
)
TOKEN = re.compile(r"[^\W_]+")
SEPARATORS = re.compile("[-.]")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class UrlRules:
    """Which addresses are dropped.

    `blocklists` are compiled lists (`gristmill lists`), or what those are made from: files of domains (one a
    line), folders in UT1's shape, archives of such folders. `word_lists` are files with a word a line, matched as
    RefinedWeb does: strict anywhere in the address without `-` and `.`, hard as a whole word, soft if two differ.
    """

    blocklists: tuple[str, ...] = ()  # compiled lists, or what lists are made from
    categories: tuple[str, ...] = (
        REFINEDWEB_CATEGORIES  # of lists with categories; a list named by itself always counts
    )
    allow: tuple[str, ...] = ()  # domains, with their subdomains, that no list and no word blocks
    # files with a word a line, by how they match
    word_lists: dict[Literal["strict", "hard", "soft"], str] = Field(default_factory=dict)
    adult_words: bool = True  # drop addresses with words of adult sites
    extensions: bool = True  # drop addresses whose file ending is no page


class UrlWords(NamedTuple):
    """Words that mark an address, by how they count: `in_host` anywhere in the host, but not in `innocent` names."""

    strict: tuple[str, ...] = ()
    hard: frozenset[str] = frozenset()
    soft: frozenset[str] = frozenset()
    in_host: tuple[str, ...] = ()
    innocent: tuple[str, ...] = ()
    innocent_pairs: frozenset[tuple[str, str]] = frozenset()

    def find(self, name: str, path: str) -> str:
        """Return the word of an address (host in lower case, path unescaped) that marks it, two soft ones, or ""."""
        for word in self.innocent:
            name = name.replace(word, "")
        for word in self.in_host:
            if word in name:
                return word
        path = path.lower()
        if self.strict:
            joined = SEPARATORS.sub("", name + path)
            if word := next((word for word in self.strict if word in joined), ""):
                return word
        tokens = self.drop_innocent_pairs(TOKEN.findall(name)) + self.drop_innocent_pairs(TOKEN.findall(path))
        for token in tokens:
            if token in self.hard:
                return token
        found = sorted(self.soft.intersection(tokens))
        return "+".join(found) if len(found) > 1 else ""

    def drop_innocent_pairs(self, tokens: list[str]) -> list[str]:
        """Return tokens without those of an innocent pair: "sex education"."""
        pairs = [(one, next_one) in self.innocent_pairs for one, next_one in pairwise([*tokens, ""])]
        return [token for n, token in enumerate(tokens) if not pairs[n] and not (n and pairs[n - 1])]


@cache
def _load_adult_words() -> UrlWords:
    """Read the built-in table."""
    table = read_table(ADULT_WORDS)
    parts, names = tuple(table["in_host"]), tuple(table["innocent"])
    pairs = frozenset((one, other) for one, other in map(str.split, table["innocent_pairs"]))
    return UrlWords((), frozenset(table["hard"]), frozenset(table["soft"]), parts, names, pairs)


def find_adult_word(name: str, path: str) -> str:
    """Return what marks an address as adult, or "": one hard word, or two different soft ones.

    Words are whole tokens of host and path; the few of `in_host` count within a longer name of the host, too.
    """
    return _load_adult_words().find(name, path)


def read_url_words(key: str, path: str) -> list[str]:
    """Return the words of a list in lower case, sorted: a word a line, `#` comments. Raises ListError, one line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ListError(f"url.word_lists.{key}: cannot read {path}: {why}") from error
    words = {line.split("#")[0].strip().lower() for line in lines} - {""}
    # A strict word is looked for where no separators are left; the others are compared with whole tokens.
    odd = [word for word in sorted(words) if not TOKEN.fullmatch(word)]
    if odd or not words:
        what = f"{odd[0]!r} is not one word of letters and digits" if odd else "it holds no words"
        raise ListError(f"url.word_lists.{key}: {path}: {what}")
    return sorted(words)


class UrlFilter:
    """The URL rules, loaded."""

    def __init__(self, rules: UrlRules):
        """Read the lists. Raises FileNotFoundError or ListError, one line, where one is not there or is broken."""
        self.rules = rules
        try:
            tables = [open_list(Path(name), rules.categories) for name in rules.blocklists]
        except (ListError, OSError) as error:
            raise type(error)(f"url.blocklists: {error}") from error
        self.tables = [(table, table.labels(rules.categories)) for table in tables if len(table.hashes)]
        known = {category for table in tables for category in table.categories}
        for category in rules.categories if tables else ():
            if category not in known and category not in REFINEDWEB_CATEGORIES:
                raise ListError(f"url.categories: no list has {category!r} (they have {', '.join(sorted(known))})")
        words = {key: read_url_words(key, path) for key, path in rules.word_lists.items()}
        hard, soft = frozenset(words.get("hard", ())), frozenset(words.get("soft", ()))
        self.words = UrlWords(tuple(words.get("strict", ())), hard, soft)
        self.allowed = frozenset(name.lower().strip(".").removeprefix("www.") for name in rules.allow)

    def reject(self, url: str) -> tuple[str, str] | None:
        """Return (reason, what matched) or None. Never raises.

        Reasons: "too-long", "not-http", "blocked-domain", "blocked-url", "adult-words", "listed-words", "extension".
        """
        if len(url) > MAX_URL:
            return "too-long", f"{len(url)} characters"
        scheme, separator, rest = url.strip().partition("://")
        name = url_host(url)
        if not separator or scheme.lower() not in ("http", "https") or not name:
            return "not-http", scheme[:40] if separator else url[:40]
        name = name.removeprefix("www.")
        labels = name.split(".")
        suffixes = [".".join(labels[start:]) for start in range(max(0, len(labels) - 16), len(labels))]
        if self.allowed and not self.allowed.isdisjoint(suffixes):
            return None
        path = rest.partition("/")[2].partition("#")[0]
        listed = self.find_listed(suffixes, path.lower()) if self.tables else None
        return listed or self.find_marked(name, unquote(path.partition("?")[0]))

    def find_listed(self, suffixes: list[str], path: str) -> tuple[str, str] | None:
        """Return the list that has a host, which ends in `suffixes`, or the address, and which category; or None."""
        covering = _list_covering_names(suffixes)
        below = _list_addresses_below(covering, path)
        for table, accepted in self.tables:
            for reason, names in (("blocked-domain", covering), ("blocked-url", below)):
                if found := table.find(names, accepted):
                    return reason, f"{found[0]}: {found[1]}"
        return None

    def find_marked(self, name: str, path: str) -> tuple[str, str] | None:
        """Return the word of a host or an unescaped path that marks the address, or its extension; None for none."""
        if self.rules.adult_words and (word := find_adult_word(name, path)):
            return "adult-words", word
        if word := self.words.find(name, path):
            return "listed-words", word
        last = path.rpartition("/")[2]
        extension = last.rpartition(".")[2].lower()
        # "File:Map.png" is a wiki's page about a file
        if self.rules.extensions and "." in last and ":" not in last and extension in NOT_PAGES:
            return "extension", extension
        return None


def _list_covering_names(suffixes: list[str]) -> list[str]:
    """Return the names whose being listed covers a host: its own and its parents' down to the registered domain.

    `suffixes` are the host and all that it ends in, the longest first.
    """
    name, ending = suffixes[0], suffixes[-1]
    own = len(registered_domain(name))
    if own == len(name) and registered_domain(f"a.a.{ending}") == f"a.a.{ending}":
        own = len(ending) + 2  # the suffix list does not know this ending: whatever has two labels is a domain
    return [suffix for suffix in suffixes if len(suffix) >= own] or [name]


def _list_addresses_below(suffixes: list[str], path: str) -> list[str]:
    """Return every address a URL list could name for this page: each domain with each leading part of the path."""
    heads, head = [], ""
    for segment in path.split("/")[:12]:
        head += "/" + segment
        heads.append(head)
        if "?" in segment:
            heads.append(head.partition("?")[0])
            break
    return [suffix + head.rstrip("/") for suffix in suffixes[:3] for head in heads if head != "/"]
