"""Wikitext as a reader sees it: the text without its markup, in one scan.

A full parser builds a tree that is not needed here: mwparserfromhell and wikitextparser read half a megabyte and one
megabyte a second. This scan keeps a stack of what is open (templates, links, tables) and takes several.
"""

import html
import re
from dataclasses import dataclass, field

from classifiers.wikipedia.templates import show_template
from pipeline.html.elements.superscripts import write_subscript, write_superscript

DEEPEST = 40  # templates and links in each other; deeper ones show nothing
TOKEN = re.compile(
    r"<!--|\{\{|\}\}|^[:\s]*\{\||^\s*\|\}(?!\})|\[\[|\]\]|\||'{2,5}|\n(?==)|__[^\W\d_]{3,40}__|"
    r"</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>|\[(?:https?:|ftp:|mailto:|)//[^\s\[\]<>]*",
    re.MULTILINE,
)
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*?)(/?)>")
# Elements that go with all that is in them, and those whose content is no markup.
REMOVED = frozenset(
    "ref references gallery timeline imagemap score hiero graph mapframe maplink categorytree inputbox indicator "
    "templatestyles table style section includeonly noinclude".split()
)
FORMULAS = frozenset(("math", "chem", "ce"))
LITERAL = frozenset(("nowiki", "pre", "source", "syntaxhighlight"))
LINES = frozenset("br p div li ul ol dl dt dd tr hr blockquote center poem h1 h2 h3 h4 h5 h6".split())
MEDIA = frozenset(
    """file image media datei bild fichier archivo imagen ficheiro imagem arquivo файл изображение plik grafika bestand
    afbeelding ファイル 画像 文件 文件 图像 file immagine tiedosto kuva fil slika soubor dosya ملف הקובץ פריט
    category kategorie catégorie categoría categoria kategoria categorie категория カテゴリ 分类 분류 luokka
    kategori kategória""".split()
)
INTERWIKI = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,8})?|simple")
NAMED_ARGUMENT = re.compile(r"\s*([^\s=<>\[\]{}|]{1,40})\s*=(.*)", re.DOTALL)
VARIANTS = re.compile(r"-\{([^{}]{0,500})\}-")
SPACES = re.compile(r"[^\S\n]+")
# Parentheses in which nothing is left, or that begin or end with a mark that parted what is gone.
HOLLOW = re.compile(r" ?[(（][\s,;:/–—·-]*[)）]")
OPENING = re.compile(r"([(（])[\s,;:/]+")
CLOSING = re.compile(r"[\s,;:/]+([)）])")
BEFORE_MARK = re.compile(r" +([,.;:!?](?=\s|$))")
TWO_MARKS = re.compile(r"([,;])(?: ?[,;])+")
REST_OF_TABLE = re.compile(r"^(?:\{\||\|\}|\|-|[|!] ?[a-z-]+ ?=).*$|^\|.*\|\|.*$", re.MULTILINE)
MARKUP_LEFT = re.compile(r"\{\{|\}\}|\[\[|\]\]|'{2,}")


@dataclass
class OpenMarkup:
    """A template, link or table that is open, with the arguments that are read; the text itself is the outermost."""

    kind: str  # "", "{{", "[[" or "{|"
    arguments: list[list[str]] = field(default_factory=lambda: [[]])

    def join_arguments(self) -> list[str]:
        """Return the arguments as texts."""
        return ["".join(pieces) for pieces in self.arguments]


class WikitextReader:
    """One scan over the wikitext of an article."""

    def __init__(self, wikitext: str):
        """Begin at its start."""
        self.wikitext = wikitext
        self.open = [OpenMarkup("")]
        self.unclosed: set[str] = set()  # elements whose end does not come any more
        self.lowered = ""  # the wikitext in lower case, once it is needed

    def read(self) -> str:
        """Return the text with its headings' marks and lists' bullets; lines are those of the wikitext."""
        wikitext, position = self.wikitext, 0
        while match := TOKEN.search(wikitext, position):
            start = match.start()
            if start > position:
                self.add(wikitext[position:start])
            position = self.take(match[0], start, match.end())
        self.add(wikitext[position:])
        self.close_down_to(1)
        return "".join(self.open[0].arguments[0])

    def add(self, text: str) -> None:
        """Add text to what is open."""
        self.open[-1].arguments[-1].append(text)

    def take(self, token: str, start: int, end: int) -> int:
        """Take a piece of markup; return where to read on."""
        first = token[0]
        if first == "|" and len(token) == 1:
            self.part()
        elif token == "{{" or token == "[[":
            self.open.append(OpenMarkup(token))
        elif token == "}}" or token == "]]":
            self.close(token)
        elif token == "<!--":
            found = self.wikitext.find("-->", end)
            return found + 3 if found >= 0 else len(self.wikitext)
        elif first == "<":
            return self.take_tag(token, end)
        elif first == "[":
            return self.take_link(end)
        elif token == "\n":  # before a heading, at which all that was never closed ends
            self.close_down_to(1)
            self.add("\n")
        elif token.endswith("{|"):
            self.open.append(OpenMarkup("{|"))
        elif token.endswith("|}"):
            self.close("|}")
        return end  # quotes and switches are left out

    def part(self) -> None:
        """Begin the next argument; outside of templates and links, a bar is a bar."""
        if self.open[-1].kind in ("{{", "[["):
            self.open[-1].arguments.append([])
        else:
            self.add("|")

    def close(self, token: str) -> None:
        """Close the innermost markup of a kind, with what is open in it; nothing where none is open."""
        kind = {"}}": "{{", "]]": "[[", "|}": "{|"}[token]
        for number in range(len(self.open) - 1, max(0, len(self.open) - DEEPEST), -1):
            if self.open[number].kind == kind:
                self.close_down_to(number + 1)
                self.close_last(whole=True)
                return

    def close_down_to(self, number: int) -> None:
        """Close what was never closed, down to a number of open ones."""
        while len(self.open) > number:
            self.close_last(whole=False)

    def close_last(self, whole: bool) -> None:
        """Close the innermost markup and add what it shows; of what is unfinished, links show their text."""
        markup = self.open.pop()
        if len(self.open) > DEEPEST:
            return
        if markup.kind == "[[":
            arguments = markup.join_arguments()
            self.add(show_link(arguments) if whole else "|".join(arguments))
        elif markup.kind == "{{" and not whole:
            arguments = markup.join_arguments()
            self.add(arguments[0] if len(arguments) == 1 else "")
        elif markup.kind == "{{":
            name, *rest = markup.join_arguments()
            named: dict[str, str] = {}
            positional = []
            for argument in rest:
                match = NAMED_ARGUMENT.match(argument)
                if match:
                    named[match[1]] = match[2].strip()
                else:
                    positional.append(argument)
            self.add(show_template(name, positional, named))

    def take_tag(self, token: str, end: int) -> int:
        """Take a tag; return where to read on."""
        match = TAG.match(token)
        if not match:
            return end
        closing, name, _, alone = match.groups()
        name = name.lower()
        if not closing and not alone:
            if name in REMOVED:
                return self.find_end(name, end)[1]
            if name in FORMULAS or name in LITERAL:
                stop, after = self.find_end(name, end)
                content = self.wikitext[end:stop].strip("\n" if name in LITERAL else None)
                self.add(content if name in LITERAL else write_formula(content, token))
                return after
            if name in ("sub", "sup"):
                return self.take_script(name, end)
        if name in LINES:
            self.add("\n")
        return end

    def take_script(self, name: str, end: int) -> int:
        """Take a raised or lowered text if it is short and plain; return where to read on."""
        stop = self.wikitext.find("<", end, end + 60)
        text = self.wikitext[end:stop] if stop >= 0 else ""
        if not text or not self.wikitext.startswith(f"</{name}>", stop) or MARKUP_LEFT.search(text):
            return end
        text = html.unescape(text).strip()
        pieces = self.open[-1].arguments[-1]
        before = html.unescape("".join(piece[-40:] for piece in pieces[-3:]))
        after = self.wikitext[stop + len(name) + 3 : stop + len(name) + 5]
        self.add(write_subscript(text, before) if name == "sub" else write_superscript(text, before, after))
        return stop + len(name) + 3

    def take_link(self, end: int) -> int:
        """Take the beginning of an external link, "[https://..."; its words follow up to the bracket."""
        stop = self.wikitext.find("]", end, end + 1000)
        line = self.wikitext.find("\n", end, end + 1000)
        if stop < 0 or 0 <= line < stop:
            return end
        words = self.wikitext[end:stop].strip()
        self.add(MARKUP_LEFT.sub("", words))
        return stop + 1

    def find_end(self, name: str, start: int) -> tuple[int, int]:
        """Return where an element's content ends, and where its closing tag does; `start` where it is never closed."""
        if name in self.unclosed:
            return start, start
        self.lowered = self.lowered or self.wikitext.lower()
        if len(self.lowered) != len(self.wikitext):  # a letter whose small form is longer
            self.lowered = self.wikitext
        stop = self.lowered.find(f"</{name}", start)
        if stop < 0:
            self.unclosed.add(name)
            return start, start
        after = self.wikitext.find(">", stop)
        return stop, after + 1 if after >= 0 else len(self.wikitext)


def show_link(arguments: list[str]) -> str:
    """Return the words of an internal link; "" for pictures, categories and links to the same article elsewhere."""
    target, words = arguments[0], arguments[-1] if len(arguments) > 1 else ""
    prefix, colon, rest = target.partition(":")
    prefix = prefix.strip().lower()
    if colon and prefix in MEDIA:
        return ""
    if colon and not words and INTERWIKI.fullmatch(prefix) and not rest.startswith(" "):
        return ""
    if words:
        return words
    target = target.lstrip(":").partition("#")[0] or target.lstrip(":#")
    if len(arguments) > 1:  # the pipe trick: what stands before a parenthesis
        target = target.partition(" (")[0]
    return target


def write_formula(latex: str, tag: str) -> str:
    """Return the LaTeX of a formula between dollar signs."""
    latex = " ".join(html.unescape(latex).split())
    return "" if not latex else f" $${latex}$$ " if "block" in tag else f"${latex}$"


def read_wikitext(wikitext: str) -> str:
    """Return an article's text, with headings between "=" signs and the marks of lists. Linear time."""
    text = WikitextReader(wikitext).read()
    text = html.unescape(html.unescape(text) if "&amp;" in text else text)
    text = VARIANTS.sub(choose_variant, text) if "-{" in text else text
    return tidy_text(REST_OF_TABLE.sub("", text))


def choose_variant(match: re.Match[str]) -> str:
    """Return the first of the variants of a Chinese or Serbian word."""
    first = match[1].partition(";")[0]
    return first.partition(":")[2] if ":" in first else first


def tidy_text(text: str) -> str:
    """Return text with single spaces, without hollow parentheses and marks that part nothing."""
    text = SPACES.sub(" ", text)
    for _ in range(2):  # parentheses in parentheses
        text = HOLLOW.sub("", text)
    text = CLOSING.sub(r"\1", OPENING.sub(r"\1", text))
    text = TWO_MARKS.sub(r"\1", BEFORE_MARK.sub(r"\1", text))
    return SPACES.sub(" ", text)
