"""Find the URLs in wikitext, and whether each one is a reference, a citation or another external link.

The markup is scanned once, in linear time. A full parser (mwparserfromhell) reads about a megabyte a second. A dump
holds a hundred thousand megabytes, and only the URLs and their surroundings are needed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

LinkKind = Literal["ref", "cite", "external"]

# Markup that can change the kind of a URL.
MARKUP = re.compile(
    r"//|\{\{|\}\}|\n==|</?ref\b[^<>]*>|<!--|<(?:nowiki|math|pre|source|syntaxhighlight)\b",
    re.IGNORECASE,
)
# MediaWiki's own set of characters that end an external link, and the characters that end a template's argument.
URL_REST = re.compile(r"//[^\s\[\]<>\"{}|\x00-\x20\x7f]+")
BRACKETED_REST = re.compile(r"//[^\s\[\]<>\"{}\x00-\x20\x7f]+")  # outside templates a pipe is part of a bracketed link
SCHEMES = ("http:", "https:")
AMPERSAND = re.compile(r"&(?:amp|#38|#x26);", re.IGNORECASE)  # html.unescape would read "&copy=1" as a sign

# How the names of citation templates begin in the large editions. "cit" covers most of them.
CITE_TEMPLATES = (
    *("cit", "internetquelle", "literatur", "webarchiv", "der spiegel", "lien web", "ouvrage", "article", "lien brisé"),
    *("obra citada", "ref-web", "ref-llibre", "ref-publicació", "webbref", "bokref", "tidningsref", "kilde www"),
    *("kilde bok", "книга", "статья", "публикация", "webes hivatkozás", "verkkoviite", "kirjaviite", "web kaynağı"),
)
FOOTNOTE_TEMPLATES = ("refn", "efn", "#tag:ref", "#tag: ref", "sfnm")  # templates that act as a <ref>
NAME_LENGTH = 24  # characters that are compared with the names of templates


@dataclass
class MarkupState:
    """The elements that are open at a position of the wikitext."""

    in_ref: bool = False
    depth_at_ref: int = 0  # templates that were open where the <ref> began
    templates: list[LinkKind | None] = field(default_factory=list)

    def link_kind(self) -> LinkKind:
        """Return the kind of a URL at this position."""
        if self.in_ref or "ref" in self.templates:
            return "ref"
        return "cite" if "cite" in self.templates else "external"

    def update(self, token: str, text: str, end: int) -> None:
        """Apply a template mark, a heading or a <ref> tag that ends at `end`."""
        if token == "{{":
            self.templates.append(classify_template(text[end : end + NAME_LENGTH]))
        elif token == "}}":
            del self.templates[-1:]
        elif token == "\n==":  # an unclosed template or <ref> ends at the next heading
            self.in_ref, self.templates = False, []
        elif token[:2] == "</":
            if self.in_ref:
                self.in_ref, self.templates = False, self.templates[: self.depth_at_ref]
        elif not token.endswith("/>"):
            self.in_ref, self.depth_at_ref = True, len(self.templates)


def find_article_urls(text: str) -> Iterator[tuple[str, LinkKind]]:
    """Yield `(url, kind)` in the order of the text, with repeats. The URLs are absolute http(s) URLs as written.

    `ref`: in a `<ref>` or a footnote template. `cite`: in a citation template elsewhere. `external`: anywhere else
    (external links, infoboxes, plain text). Comments, `<nowiki>`, `<pre>`, code and `<math>` are skipped.
    """
    state, resume = MarkupState(), 0
    unclosed: set[str] = set()  # closing tags that do not occur any more, so that each is searched for only once
    for match in MARKUP.finditer(text):
        token = match.group()
        if match.start() < resume:
            continue
        if token == "//":
            url, resume = read_url_at(text, match.start(), bool(state.templates))
            if url:
                yield url, state.link_kind()
        elif token[0] == "<" and not token[:5].lower().startswith(("<ref", "</ref")):
            resume = find_skipped_end(text, token, match.end(), unclosed)
        else:
            state.update(token, text, match.end())


def find_skipped_end(text: str, token: str, start: int, unclosed: set[str]) -> int:
    """Return where a comment, `<nowiki>` or the like ends that opened before `start`; 0 if it is not closed.

    An unclosed comment ends with the page, as in MediaWiki.
    """
    closing = "-->" if token == "<!--" else f"</{token[1:].lower()}"
    end = -1 if closing in unclosed else text.find(closing, start)
    if end >= 0:
        return end + len(closing)
    if token == "<!--":
        return len(text)
    unclosed.add(closing)
    return 0


def classify_template(name: str) -> LinkKind | None:
    """Return the kind of a template by the text after its `{{`: "cite", "ref" for a footnote, or None."""
    name = name.lstrip().lower()
    if name.startswith(FOOTNOTE_TEMPLATES):
        return "ref"
    return "cite" if name.startswith(CITE_TEMPLATES) else None


def read_url_at(text: str, slashes: int, in_template: bool) -> tuple[str, int]:
    """Return the http(s) URL whose `//` is at `slashes`, and where it ends. The URL is "" if there is none.

    A URL without a scheme counts after `[` or `=`, and becomes https.
    """
    before = text[max(0, slashes - 6) : slashes].lower()
    scheme = next((s for s in SCHEMES if before.endswith(s)), "")
    if not scheme and not before.rstrip(" ").endswith(("[", "=")):
        return "", slashes
    lead = text[max(0, slashes - len(scheme) - 1) : slashes - len(scheme)]
    bracketed = lead == "["
    match = (BRACKETED_REST if bracketed and not in_template else URL_REST).match(text, slashes)
    if not match:
        return "", slashes
    rest = match.group().partition("''")[0]  # the start of italics ends a link
    if not bracketed and not in_template:  # the punctuation after a bare URL belongs to the sentence
        rest = rest.rstrip(",;.:!?" if "(" in rest else ",;.:!?)")
    return (scheme or "https:") + AMPERSAND.sub("&", rest), match.end()
