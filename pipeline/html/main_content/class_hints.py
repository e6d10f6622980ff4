"""What an element's tag, class names, id and role hint at: a bit each, tags first.

"closed" is no tag: it is hidden at first, and opens at a click.
"""

import re
import zlib

TAG_HINTS = ("nav", "footer", "header", "aside", "article", "main", "section", "form", "ul", "ol", "table",
             "blockquote", "figure", "dl", "details", "dialog", "closed")  # fmt: skip
# Patterns by what they hint at. The first of a table counts where two begin at one place.
CLASS_HINTS: dict[str, str] = {
    "menu": r"nav(?!y) menu breadcrumb toolbar topbar navigation crumb",
    "foot": r"foot copyright contentinfo legal imprint",
    "head": r"header masthead banner logo hero",
    "side": r"side aside widget complementary rail column-right right-col",
    "comment": r"comment disqus respond reply replies discuss feedback",
    "share": r"share sharing social follow facebook twitter addthis",
    "related": r"relat recommend more- also popular trending latest similar outbrain taboola most-?read up-?sell",
    "advert": r"(?<![a-z])ads?(?![a-z]) advert sponsor promo banner-ad dfp",
    "dialog": r"cookie consent gdpr modal popup overlay dialog toast alert",
    "meta": r"(?<![a-z])tags?(?![a-z]) categor meta(?![a-z]) byline author date posted timestamp credit",
    "form": r"search login signin sign-in signup register subscri newsletter form(?!at|er)",
    "pages": r"pag(?:er|ing|ination) next prev pagenav",
    "content": r"content body text story inhalt contenido prose richtext rte markdown wysiwyg entry articlebody",
    "article": r"article post(?!ed|al|er) blog news(?!letter) single page-content detail",
    "main": r"main primary central center",
    "product": r"product item-desc descri spec summary feature price",
    "thread": r"thread message topic forum question answer bbcode postbody reply-content",
    "docs": r"doc(?!k) manual section chapter reference api guide wiki mw-",
    "list": r"list grid card tile teaser result archive gallery carousel slider",
    "caption": r"caption figure image photo media video",
    "unseen": r"sr-only visually-?hidden screen-?reader hidden collapse skip noprint print-only hide",
}
HINTS = (*("tag_" * (name in CLASS_HINTS) + name for name in TAG_HINTS), *CLASS_HINTS)  # names of the bits
TAG_BIT = {name: 1 << bit for bit, name in enumerate(TAG_HINTS)}
CLASS_BIT = {name: 1 << (len(TAG_HINTS) + bit) for bit, name in enumerate(CLASS_HINTS)}
CLOSED_BIT = TAG_BIT["closed"]
NEVER_OPENS = CLASS_BIT["menu"] | CLASS_BIT["dialog"] | CLASS_BIT["share"] | CLASS_BIT["form"]
COMMENT_BIT = CLASS_BIT["comment"]
# Seven more bits, of names, roles and styles that are none of a container's hints.
TOGGLE, PRESERVED = 1 << 56, 1 << 57
UNSEEN_NAME, CODE_NAME = 1 << 58, 1 << 59
COPY_OF_MATHS, SOURCE_OF_MATHS, LINE_NUMBERS = 1 << 60, 1 << 61, 1 << 62
SPECIAL_BITS = TOGGLE | PRESERVED | UNSEEN_NAME | CODE_NAME | COPY_OF_MATHS | SOURCE_OF_MATHS | LINE_NUMBERS
FIRST_SPECIAL_BIT, PLAIN_BITS = TOGGLE, ~SPECIAL_BITS  # whatever has a special bit is at least the first of them
# What style sheets show to no reader: words for screen readers, names of icons, signs beside headings.
UNSEEN_NAMES = re.compile(
    r"(?:^|[_-])sr-?only(?![a-z])|visually-?hidden|hidden-?visually|screen-?reader-?(?:text|only|response)|"
    r"^screen-?reader$|^show-for-sr|^element-invisible$|^a11y-hidden$|^assistive-text$|^off-?screen(?:-text)?$|"
    r"^material-(?:icons|symbols)|^(?:headerlink|hash-link|header-anchor|anchorjs-link)$"
)
NOT_UNSEEN = re.compile(r":|^not-|not-sr")  # at some widths, or undone
# A name of UNSEEN_NAMES or OTHER_LINE_NUMBERS has such a run of letters.
SPECIAL_RUN = re.compile(
    r"visually|screen|^(?:sr|line|material)|"
    r"^(?:invisible|hidden|assistive|headerlink|hash|anchor|anchorjs|blob|lnums?|ln)$"
)
CODE_RUNS = frozenset(
    """code codeblock sourcecode codesnippet codehilite codebox programlisting syntaxhighlighter highlight prettyprint
    hljs geshi crayon snippet mono monospace""".split()
)  # names of boxes that may hold code
MATHS_SOURCE = re.compile(r"mwe-math-element|mwe-math-mathml|katex-mathml|MJX_Assistive|mjx-assistive", re.I)
MATHS_COPY = re.compile(r"katex-html|MathJax_Preview|MathJax_SVG|MathJax_CHTML|mjx-chtml|(?<![\w-])MathJax(?![\w-])")
LINE_NUMBER_NAMES = ("lineno", "linenumber", "linenum", "gutter")  # Pygments, Rouge, Hexo, SyntaxHighlighter
OTHER_LINE_NUMBERS = re.compile(r"(?:^|[_-])(?:line-?num(?:ber)?s?|blob-num|lnums?|ln-num)(?![a-z])")
MATHS = re.compile("math|katex|mjx")  # without which a name says nothing of it
LONGEST_NAME = 80  # characters of a class name or id that are read
MANY_NAMES = 50_000
NAME_VALUES = 1 << 14
MANY_VALUES = 16  # of an element; no further names are hashed
NO_VALUES: tuple[int, ...] = ()
NameHints = tuple[int, tuple[int, ...]]  # bits, and hash values
KNOWN_NAMES: dict[str, NameHints] = {}  # of names seen before: a pure function's cache
RunHints = tuple[int, int, int]  # bits, hash value, and which looks at the whole name may say something else
LOOK_BEYOND, LOOK_SPECIAL = 1, 2
KNOWN_RUNS: dict[str, RunHints] = {}  # likewise, of runs of letters


def _first_letters(word: str) -> str:
    """Return the first letters of what a pattern matches, three of them: without what it looks at around that."""
    return re.sub(r"\(\?.*?\)", "", word).replace("-?", "")[:3]


HINT_WORDS = re.compile(
    "|".join(f"(?P<{name}>" + "|".join(patterns.split()) + ")" for name, patterns in CLASS_HINTS.items())
)
WORDS = tuple(word for patterns in CLASS_HINTS.values() for word in patterns.split())
# Letters without any of these have no bits; "ad" is the only word of two letters.
BEGINNINGS = frozenset(("ad", *map(_first_letters, WORDS)))
# A pattern with a hyphen begins at the end of a run of letters and goes beyond it.
BEYOND = tuple("banner column item more most mw page print reply right screen sign sr up visually".split())
NOT_IN_A_RUN = re.compile("|".join((*(word for word in WORDS if "-" in re.sub(r"\(\?.*?\)", "", word)), MATHS.pattern)))


def hash_name(name: str) -> int:
    """Return the number of a name among NAME_VALUES."""
    return zlib.crc32(name.encode("utf-8", "replace")) % NAME_VALUES


def find_special_bits(name: str) -> int:
    """Return the bits of a whole name, in lower case, that no run of its letters has."""
    unseen = UNSEEN_NAMES.search(name) and not NOT_UNSEEN.search(name)
    return (UNSEEN_NAME if unseen else 0) | (LINE_NUMBERS if OTHER_LINE_NUMBERS.search(name) else 0)


def read_run(run: str) -> RunHints:
    """Return what a run of letters hints at, its hash value, and the looks that a whole name with it needs."""
    looks = (LOOK_BEYOND if run.endswith(BEYOND) or MATHS.search(run) else 0) | (
        LOOK_SPECIAL if SPECIAL_RUN.search(run) else 0
    )
    if run.startswith(LINE_NUMBER_NAMES):
        return LINE_NUMBERS, hash_name(run), looks & LOOK_SPECIAL
    bits = CODE_NAME if run in CODE_RUNS else 0
    if not BEGINNINGS.isdisjoint([run[at : at + 3] for at in range(len(run) - 1)]):
        bits |= _search_words(run)
    return bits, hash_name(run), looks


def find_bits_beyond(name: str, found: int) -> int:
    """Return the bits of a name of which the runs of letters have `found`: all of them again where a pattern goes
    beyond a run.
    """
    lower = name.lower()
    if not NOT_IN_A_RUN.search(lower):
        return found
    return _search_words(lower) | _find_maths_bits(name) | found & SPECIAL_BITS


def _search_words(name: str) -> int:
    found = 0
    for match in HINT_WORDS.finditer(name):
        found |= CLASS_BIT[match.lastgroup or ""]
    return found


def _find_maths_bits(name: str) -> int:
    return (COPY_OF_MATHS if MATHS_COPY.search(name) else 0) | (SOURCE_OF_MATHS if MATHS_SOURCE.search(name) else 0)
